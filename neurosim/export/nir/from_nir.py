"""Import of NIR graphs: the exact network of a graph of ours, the nearest registers of another.

found = read(path)
Chip(found.network, found.weights).run(spikes)
network, weights = as_run(found)                 what a run folder holds
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.chip import profiles
from neurosim.chip.synapses import Dense, Synapses, matrix_of, of_matrix, on_grid
from neurosim.export.nir import file_io
from neurosim.export.nir.exact import NotExact, Own, exact
from neurosim.export.nir.file_io import NirError
from neurosim.export.nir.quantise import quantised
from neurosim.export.nir.registers import Row
from neurosim.export.nir.to_nir import DT
from neurosim.export.nir.topology import parts
from neurosim.network import (
    Connection,
    Input,
    Network,
    NetworkError,
    Population,
    Weights,
    check_weights,
)
from neurosim.network.connections import ConnectionKind, SumPool2d
from neurosim.network.connections import Dense as DenseKind

DTS = (1e-12, 1e6)
"""Seconds of a step; chosen here."""


class Imported(NamedTuple):
    """A graph as a network of the chip.

    weights  by name of connection, as `Chip` takes them
    exact    the network that this project exported, to the bit: its hash is the one in its metadata
    rows     error of each register; none of a graph of ours, whose registers and weights stand in it
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
            remarks = (_changed(own),) if own.changed else ()
            return Imported(own.network, own.weights, not remarks, remarks=remarks, run=own.run)
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
    plain = [connection for one in made for connection in one.connections]
    dense = [weights for one in made for weights in one.weights]
    wires = [w for name in found.neurons for w in found.wires if w.target == name]
    flat = Network(
        tuple(Input(titles[name], size, found.shapes[name]) for name, size in found.inputs.items()),
        tuple(
            replace(one.population, shape=found.shapes[name])
            for name, one in zip(found.neurons, made, strict=True)
        ),
        tuple(plain),
    )
    kept = [
        as_kind(flat, connection, weights, wire.kind)
        for connection, weights, wire in zip(plain, dense, wires, strict=True)
    ]
    network = replace(flat, connections=tuple(connection for connection, _ in kept))
    return Imported(
        network,
        {connection.name: synapses for connection, synapses in kept},
        False,
        tuple(row for one in made for row in one.rows),
        remarks + tuple(remark for one in made for remark in one.remarks),
    )


def _changed(own: Own) -> str:
    """Remark on a graph of ours whose metadata and weights fit one another, and not the hash."""
    recorded = f"{own.recorded[:16]!r}..." if own.recorded else "missing"
    return (
        f"changed since it was exported, or damaged: the hash in its metadata is {recorded}, that of its "
        f"content {own.found[:16]!r}...; registers and weights are read as they stand. For the exported "
        f"network export it again, or copy the file again"
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


def as_kind(
    network: Network, connection: Connection, dense: Dense, kind: ConnectionKind | None
) -> tuple[Connection, Synapses]:
    """The connection as one of `kind` where its quantised weights are those of one, else as it is."""
    if kind is None or dense.delays is not None:
        return connection, dense
    weights = np.asarray(dense.weights)
    if isinstance(kind, SumPool2d):
        connection, weights = _of_ones(connection, weights)
    try:
        found = replace(network, connections=(replace(connection, kind=kind),))
        (wanted,) = found.connections
        matrix = matrix_of(found, wanted, Dense(weights))
    except NetworkError:
        return connection, Dense(weights)
    return wanted, of_matrix(found, wanted, matrix)


def _of_ones(
    connection: Connection, weights: NDArray[np.int64]
) -> tuple[Connection, NDArray[np.int64]]:
    """The same currents with mantissas of 1, where all are one power of two that the exponent can hold."""
    used = np.unique(weights[weights != 0]) >> connection.grid_bits
    power = int(used[0]).bit_length() - 1 if used.size == 1 and used[0] > 0 else 0
    exponent = connection.weight_exp + power
    if used.size != 1 or used[0] != 1 << power or exponent not in limits.WEIGHT_EXP:
        return connection, weights
    return replace(connection, weight_exp=exponent), weights >> power


def as_run(found: Imported) -> tuple[Network, Weights]:
    """Description and weights as a run folder keeps them, biases among the weights.

    Any graph of layers; NetworkError where it has a cycle through several populations, NirError where
    synapses have delays of their own, or signs or weights that learning does not know.
    """
    network = found.network
    network.graph  # noqa: B018 - refuses cycles
    mantissas = []
    for connection in network.connections:
        synapses = found.weights[connection.name]
        _check_learnable(connection, synapses)
        form = (connection.weight_bits, connection.sign_mode)
        where = f"connection {connection.name}"
        on_grid(synapses.weights, *form, profiles.DEFAULT, where)
        matrix = matrix_of(network, connection, synapses)
        if matrix is not None:
            mantissas.append(np.ascontiguousarray(matrix).astype(np.int8))
    biases = [_biases(population) for population in network.populations]
    populations = [
        population if bias is None else replace(population, bias_mant=0)
        for population, bias in zip(network.populations, biases, strict=True)
    ]
    zeros = [np.zeros(population.shape[0], np.int16) for population in populations]
    network = replace(network, populations=tuple(populations))
    weights = Weights(
        tuple(mantissas),
        tuple(zero if bias is None else bias for zero, bias in zip(zeros, biases, strict=True)),
    )
    check_weights(network, weights)
    return network, weights


def _biases(population: Population) -> NDArray[np.int16] | None:
    """Biases (neuron,), of maps (channel,); None where they differ within a map: they stay as they are."""
    maps = population.each("bias_mant").reshape(population.shape[0], -1)
    if (maps != maps[:, :1]).any():
        return None
    return maps[:, 0].astype(np.int16)


def _check_learnable(connection: Connection, synapses: Synapses) -> None:
    if synapses.delays is not None:
        raise NirError(
            f"connection {connection.name}: learning does not support delays of single synapses; "
            f"run this network in Python: docs/exchange.md"
        )
    if isinstance(connection.kind, DenseKind) and not isinstance(synapses, Dense):
        raise NirError(
            f"connection {connection.name}: learning does not support sparse synapses without a mask; "
            f"run this network in Python: docs/exchange.md"
        )
    low, high = connection.mantissa
    if low < np.iinfo(np.int8).min or high > np.iinfo(np.int8).max:
        raise NirError(
            f"connection {connection.name}: weights of {connection.weight_bits} bits and sign_mode "
            f"{connection.sign_mode!r}; learning supports 7 bits beside the sign; run this network in "
            f"Python: docs/exchange.md"
        )
