"""Export of a network as a NIR graph, with its exact registers as metadata.

    Input -> Linear -> CubaLIF -> ... -> Output          everything in the chip's units of u and v

    weight       (mantissa << grid_bits) * 2^(6 + weight_exp)   increment of u per spike
    tau_syn      dt * 4096 / (du + 1)            w_in = tau_syn / dt
    tau_mem      dt * 4096 / dv                  r    = tau_mem / dt
    v_threshold  vth_mant << 6                   v_reset = 0
    bias         bias_mant << bias_exp           Affine where du = 4095, else v_leak = bias * tau_mem / dt

By forward Euler with dt these are the chip's equations without its rounding. dv = 0 and du = 4095 in a
whole population is IF with r = 1; dv = 0 beside other decays is tau_mem = 2^40 dt, whose decay is lost
in any float. Delays are Delay nodes, one Linear for each different delay of a connection.

Each node's metadata holds the registers, as JSON, and the graph's a hash of them and of the weights;
`exact` reads them back.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.chip.synapses import Dense, check_synapses
from neurosim.export.nir.connections import operator_of, pieces
from neurosim.export.nir.file_io import library
from neurosim.network import Lif, Network, Population
from neurosim.network.connections import SumPool2d
from neurosim.network.serialise import describe, part_fields

SPECIFICATION = "neurosim-nir/2"
DT = 1e-4
"""Seconds a step: what snnTorch takes NIR's steps to be, and has no argument for."""
DISCRETISATION = (
    "forward Euler, dt = 1e-4 s, in integers: u = D(u, du + 1) + input; v = D(v, dv) + u + bias; "
    "D(x, d) = sign(x) * ((abs(x) * (4096 - d)) >> 12); spike where v > vth_mant << 6, then v = 0"
)
ENDLESS = 2.0**40
"""tau_mem / dt of a neuron that does not leak beside others that do: chosen here."""
OURS_ALONE = {
    "refractory": 1,
    "vth_low_mant": None,
    "vmin": limits.VMIN.low,
    "vmax": limits.VMAX.high,
    "noise": None,
    "reset_interval": 0,
}
"""Registers that NIR has no word for, as they are when they do nothing."""

Float = NDArray[np.float64]


class Exported(NamedTuple):
    """graph: nir.NIRGraph; remarks: properties that only its metadata hold, one sentence each."""

    graph: Any
    remarks: tuple[str, ...]


def to_graph(
    network: Network, weights: Mapping[str, object], run: Mapping[str, Any] | None = None
) -> Exported:
    """The graph of a network with weights by name of connection, as `Chip` takes them.

    run  anything JSON can hold, kept in the graph's metadata
    """
    nir = library()
    names = _Names()
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    digest = hashlib.sha256(_canonical([describe(network), run]))
    for index, given in enumerate(network.inputs):
        node = nir.Input(
            np.array(given.shape), metadata=_metadata("input", index, part_fields(given))
        )
        nodes[names.of(given.name)] = node
    for population in network.populations:
        names.of(population.name)
    carried = {population.name: False for population in network.populations}
    absorbing = _absorbed_gains(network)
    for index, connection in enumerate(network.connections):
        target = network.populations[_index_of(network, connection.target)]
        given_synapses = check_synapses(
            connection, weights[connection.name], network.sizes, limits.DELAY.high
        )
        for piece in pieces(connection, given_synapses, network.sizes):
            digest.update(f"{connection.name} {piece.delay}\0".encode() + piece.weights.tobytes())
            operator = operator_of(network, connection, piece)
            bias = None
            carries = operator.carries(_current_bias(target), target.shape)
            if carries and piece.delay + connection.delay == 0 and not carried[target.name]:
                bias, carried[target.name] = _current_bias(target), True
            facts = {
                "delay": piece.delay,
                "own_delays": given_synapses.delays is not None,
                "sparse": not isinstance(given_synapses, Dense),
            }
            metadata = _metadata("connection", index, part_fields(connection), **facts)
            absorbed = target.name in absorbing
            chain = operator.nodes(bias, metadata, with_gain=not absorbed)
            delay = piece.delay + connection.delay
            if delay:
                chain.append((f"{chain[0][0]}_delay", nir.Delay(np.full(target.shape, delay * DT))))
            path = [names.of(connection.source)]
            for wanted, node in chain:
                path.append(names.new(wanted))
                nodes[path[-1]] = node
            edges += zip(path, [*path[1:], names.of(target.name)], strict=True)
    for index, population in enumerate(network.populations):
        nodes[names.of(population.name)] = _neurons(
            population, index, carried[population.name], absorbing.get(population.name, 1.0)
        )
    for name in _outputs(network):
        output = names.new(f"{name}_spikes")
        nodes[output] = nir.Output(np.array(network.shapes[name]))
        edges.append((names.of(name), output))
    about = {
        "specification": SPECIFICATION,
        "discretisation": DISCRETISATION,
        "sha256": digest.hexdigest(),
    }
    if run is not None:
        about["run"] = json.dumps(run)
    graph = nir.NIRGraph(nodes, edges, metadata=about, type_check=False)
    return Exported(graph, tuple(_remarks(network)))


def _canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


class _Names:
    """Node names that others can use as names of attributes, no two alike."""

    def __init__(self) -> None:
        self._parts: dict[str, str] = {}
        self._taken: set[str] = set()

    def of(self, part: str) -> str:
        if part not in self._parts:
            self._parts[part] = self.new(part)
        return self._parts[part]

    def new(self, wanted: str) -> str:
        name = base = re.sub(r"^(?=\d|$)", "n", re.sub(r"\W", "_", wanted, flags=re.ASCII))
        number = 1
        while name in self._taken:
            number += 1
            name = f"{base}_{number}"
        self._taken.add(name)
        return name


def _index_of(network: Network, name: str) -> int:
    return [population.name for population in network.populations].index(name)


def _metadata(part: str, index: int, registers: Mapping[str, Any], **facts: Any) -> dict[str, str]:
    return {
        "specification": SPECIFICATION,
        "discretisation": DISCRETISATION,
        "part": part,
        "registers": json.dumps({"index": index, "fields": registers, **facts}),
    }


def _absorbed_gains(network: Network) -> dict[str, float]:
    """Populations that a pool alone feeds: what a spike of a window adds to u, kept in their w_in."""
    found = {}
    for population in network.populations:
        mine = [c for c in network.connections if c.target == population.name]
        if len(mine) == 1 and isinstance(mine[0].kind, SumPool2d):
            found[population.name] = float(2 ** mine[0].current_shift)
    return found


def _bias(population: Population) -> Float:
    return (population.each("bias_mant") << population.each("bias_exp")).astype(np.float64)


def _current_bias(population: Population) -> Float:
    """The biases that can come in as a current: those of neurons that keep none between steps."""
    return np.where(population.each("du") + 1 == limits.DECAY_ONE, _bias(population), 0.0)


def _neurons(population: Population, index: int, carried: bool, gain: float = 1.0) -> Any:
    """CubaLIF, or IF; `carried`: an Affine brings the biases that can come in as a current.

    gain  what the current that comes in is multiplied with
    """
    nir = library()
    metadata = _metadata("population", index, part_fields(population))
    du, dv = population.each("du"), population.each("dv")
    threshold = (population.each("vth_mant") << limits.STATE_SHIFT).astype(np.float64)
    left = _bias(population) - (_current_bias(population) if carried else 0.0)
    zeros = np.zeros(population.neurons)
    shape = population.shape
    plain = (du + 1 == limits.DECAY_ONE).all() and not dv.any() and not left.any()
    if plain and gain == 1.0:
        return nir.IF(
            r=(zeros + 1).reshape(shape),
            v_threshold=threshold.reshape(shape),
            v_reset=zeros.reshape(shape),
            metadata=metadata,
        )
    synaptic = limits.DECAY_ONE / (du + 1)
    membrane = np.where(dv > 0, limits.DECAY_ONE / np.maximum(dv, 1), ENDLESS)
    return nir.CubaLIF(
        tau_syn=(DT * synaptic).reshape(shape),
        tau_mem=(DT * membrane).reshape(shape),
        r=membrane.reshape(shape),
        v_leak=(left * membrane).reshape(shape),
        v_threshold=threshold.reshape(shape),
        v_reset=zeros.reshape(shape),
        w_in=(synaptic * gain).reshape(shape),
        metadata=metadata,
    )


def _outputs(network: Network) -> list[str]:
    """Populations that nothing else listens to; the last one where all are listened to."""
    heard = {c.source for c in network.connections if c.source != c.target}
    silent = [p.name for p in network.populations if p.name not in heard]
    return silent or [p.name for p in network.populations[-1:]]


def _remarks(network: Network) -> list[str]:
    found = [
        f"population {population.name!r}: model {population.model.name!r} is known to this project alone"
        for population in network.populations
        if not isinstance(population.model, Lif)
    ]
    found += [
        f"population {population.name!r}: {register} is known to this project alone"
        for population in network.populations
        for register, nothing in OURS_ALONE.items()
        if set(np.atleast_1d(np.array(getattr(population, register), object))) != {nothing}
    ]
    return found + [
        f"connection {connection.name}: values of spikes (message_bits) are known to this project alone"
        for connection in network.connections
        if connection.message_bits
    ]
