"""Import of NIR graphs: the exact network if this project wrote it, else the nearest registers.

found = read(path)
Chip(found.network, found.weights).run(spikes)
network, weights = as_chain(found)                 what a run folder holds
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurosim.chip import profiles
from neurosim.chip.synapses import Dense, Synapses, on_grid
from neurosim.export.nir import file_io
from neurosim.export.nir.exact import NotExact, exact
from neurosim.export.nir.file_io import NirError
from neurosim.export.nir.quantise import quantised
from neurosim.export.nir.registers import Row
from neurosim.export.nir.to_nir import DT
from neurosim.export.nir.topology import parts
from neurosim.network import Input, Network, Weights, check_weights

DTS = (1e-12, 1e6)
"""Seconds of a step; chosen here."""
CHANGED = (
    "changed since it was exported, since it does not agree with the hash in its metadata: registers "
    "and weights are read as they stand"
)
"""Remark on a graph of ours whose metadata and weights fit one another, and not the hash."""


class Imported(NamedTuple):
    """A graph as a network of the chip.

    weights  by name of connection, as `Chip` takes them
    exact    read from metadata of ours, every register as it is there
    rows     error of each register; none where `exact`
    remarks  what else differs from the graph, one sentence each
    run      what the exporter was given to keep (nir_export.to_graph); None of others
    """

    network: Network
    weights: dict[str, Synapses]
    exact: bool
    rows: tuple[Row, ...] = ()
    remarks: tuple[str, ...] = ()
    run: dict[str, Any] | None = None


def read(path: Path, dt: float = DT, clip: bool = False) -> Imported:
    """The network of a file; see `of_graph`."""
    return of_graph(file_io.read(path), dt, clip)


def of_graph(graph: Any, dt: float = DT, clip: bool = False) -> Imported:
    """The network of a graph, from its metadata if they are ours and true, else quantised.

    dt    seconds a step
    clip  hold what a register cannot hold at its end, and name it in the table; else NirError
    """
    remarks: tuple[str, ...] = ()
    try:
        own = exact(graph)
        if own is not None:
            remarks = (CHANGED,) if own.changed else ()
            return Imported(own.network, own.weights, True, remarks=remarks, run=own.run)
    except NotExact as reason:
        remarks = (f"quantised like a graph of others: {reason}",)
    if not DTS[0] <= dt <= DTS[1]:
        raise NirError(f"dt is {dt:g} s; allowed are {DTS[0]:g}..{DTS[1]:g} s")
    found = parts(graph)
    titles = _titles([*found.inputs, *found.neurons])
    made = [
        quantised(
            name,
            node,
            found.sizes[name],
            [w for w in found.wires if w.target == name],
            titles,
            dt,
            clip,
        )
        for name, node in found.neurons.items()
    ]
    connections = [connection for one in made for connection in one.connections]
    synapses = [dense for one in made for dense in one.weights]
    network = Network(
        tuple(Input(titles[name], size) for name, size in found.inputs.items()),
        tuple(one.population for one in made),
        tuple(connections),
    )
    return Imported(
        network,
        {c.name: dense for c, dense in zip(connections, synapses, strict=True)},
        False,
        tuple(row for one in made for row in one.rows),
        remarks + tuple(remark for one in made for remark in one.remarks),
    )


def _titles(names: list[str]) -> dict[str, str]:
    """Names of nodes as names of parts: without the signs that a probe is written with."""
    titles: dict[str, str] = {}
    for name in names:
        base = title = re.sub(r"[^\w-]", "_", name) or "_"
        number = 1
        while title in titles.values():
            number += 1
            title = f"{base}_{number}"
        titles[name] = title
    return titles


def as_chain(found: Imported) -> tuple[Network, Weights]:
    """Description and weights as learning keeps them, biases among the weights; NetworkError if no chain."""
    layers = found.network.layers
    populations, mantissas, biases = [], [], []
    for connection, population in layers:
        dense = found.weights[connection.name]
        if not isinstance(dense, Dense) or dense.delays is not None or connection.delay:
            raise NirError(
                f"connection {connection.name}: learning knows neither delays nor sparse synapses; "
                f"run this network in Python: docs/exchange.md"
            )
        if connection.sign_mode != "mixed":
            raise NirError(
                f"connection {connection.name}: sign_mode is {connection.sign_mode!r}; learning needs "
                f"mixed; run this network in Python: docs/exchange.md"
            )
        form = (connection.weight_bits, connection.sign_mode)
        where = f"connection {connection.name}"
        stored = on_grid(dense.weights, *form, profiles.DEFAULT, where).weights
        populations.append(replace(population, bias_mant=0))
        mantissas.append(np.ascontiguousarray(stored.T >> connection.grid_bits).astype(np.int8))
        biases.append(population.each("bias_mant").astype(np.int16))
    network = replace(found.network, populations=tuple(populations))
    weights = Weights(tuple(mantissas), tuple(biases))
    check_weights(network, weights)
    return network, weights
