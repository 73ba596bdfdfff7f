"""Placement of a network on cores, and the routes of its spikes.

    axons, memory      by connection and axon format: neurosim/chip/fans.py
    split              each population over as few cores as its limits allow, evenly
    place              four cores a tile, tiles in a snake over the mesh, populations in their order
    route              first along the row, then along the column; an input enters at tile (0, 0)

Source: limits [Davies et al., IEEE Micro 38(1), 2018]. A core holds neurons of one population, in C
order. Not modelled: output axons shared by several neurons, populations that share a core, several chips.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.chip.fans import Fan, fan_of
from neurosim.chip.synapses import Synapses
from neurosim.network import Network, NetworkError, Population

Int = NDArray[np.int64]


class MappingError(NetworkError):
    """A network that does not fit. The message names the limit and the excess."""


class Limits(NamedTuple):
    """Limits of one core and of one chip."""

    compartments: int = limits.COMPARTMENTS_PER_CORE
    axons_in: int = limits.AXONS_IN_PER_CORE
    axons_out: int = limits.AXONS_OUT_PER_CORE
    synapse_bits: int = 8 * limits.SYNAPSE_BYTES_PER_CORE
    thresholds: int = limits.THRESHOLD_SETTINGS_PER_CORE
    settings: int = limits.COMPARTMENT_SETTINGS_PER_CORE
    cores: int = limits.CORES_PER_CHIP


LOIHI = Limits()
LABELS = {
    "compartments": "compartments",
    "axons_in": "input axons",
    "axons_out": "output axons",
    "synapse_bits": "bits of synaptic memory",
    "thresholds": "threshold settings",
    "settings": "compartment settings",
}


class Core(NamedTuple):
    """Neurons first..last-1 of a population, on a tile, and what they use of the core."""

    population: str
    first: int
    last: int
    column: int
    row: int
    used: dict[str, int]


class Placement(NamedTuple):
    """Cores in order, and the routes of every source (inputs, then populations).

    routes  int64 (source, 3): cores a spike is sent to, links it crosses east-west, north-south
    links   (from core or -1 for outside, to core): sources that send along it
    """

    cores: tuple[Core, ...]
    routes: Int
    links: dict[tuple[int, int], int]
    limits: Limits

    def of(self, population: str) -> tuple[Core, ...]:
        """The cores of one population."""
        return tuple(core for core in self.cores if core.population == population)


def _used(population: Population, fans: Sequence[Fan], first: int, last: int) -> dict[str, int]:
    """Resources of a core that neurons first..last-1 use, apart from output axons."""
    axons = bits = 0
    for fan in fans:
        used = fan.use(first, last)
        axons += used.axons
        bits += used.bits
    part = slice(first, last)
    settings = zip(
        *(population.each(r)[part].tolist() for r in ("du", "dv", "refractory")), strict=True
    )
    return {
        "compartments": last - first,
        "axons_in": axons,
        "synapse_bits": bits,
        "thresholds": len(set(population.each("vth_mant")[part].tolist())),
        "settings": len(set(settings)),
    }


def _excess(used: dict[str, int], allowed: Limits) -> str:
    """The limit that is exceeded, and the excess; empty if none is."""
    for name, need in used.items():
        most = getattr(allowed, name)
        if need > most:
            return f"{need} {LABELS[name]}, a core has {most} ({need - most} too many)"
    return ""


def _split(
    population: Population, fans: Sequence[Fan], most: int, allowed: Limits
) -> list[tuple[int, int]]:
    """Ranges of neurons, as few and as even as fit, none above `most` neurons."""
    ends = [0]
    while ends[-1] < population.neurons:
        first = ends[-1]
        good, bad = 0, min(most, population.neurons - first) + 1
        if not _excess(_used(population, fans, first, first + bad - 1), allowed):
            good = bad - 1
        while bad - good > 1:
            middle = (good + bad) // 2
            if _excess(_used(population, fans, first, first + middle), allowed):
                bad = middle
            else:
                good = middle
        if good == 0:
            why = _excess(_used(population, fans, first, first + 1), allowed)
            raise MappingError(
                f"population {population.name!r} does not fit: neuron {first} alone needs {why}; "
                f"give it fewer sources, fewer weight bits or no delays, or run the chip with "
                f"placement=None"
            )
        ends.append(first + good)
        if len(ends) > 1 + 8 * allowed.cores:
            break
    greedy = list(pairwise(ends))
    even = np.linspace(0, population.neurons, len(greedy) + 1).astype(int).tolist()
    level = list(pairwise(even))
    fits = all(
        b - a <= most and not _excess(_used(population, fans, a, b), allowed) for a, b in level
    )
    return level if fits and ends[-1] == population.neurons else greedy


def place(
    network: Network,
    synapses: Mapping[str, Synapses] | None = None,
    allowed: Limits = LOIHI,
) -> Placement:
    """Split, place and route; without `synapses` every connection has all that its kind has.

    MappingError if it does not fit.
    """
    given = synapses or {}
    fans = {
        p.name: [
            fan_of(network, c, given.get(c.name)) for c in network.connections if c.target == p.name
        ]
        for p in network.populations
    }
    most = {p.name: allowed.compartments for p in network.populations}
    while True:
        parts = {
            p.name: _split(p, fans[p.name], most[p.name], allowed) for p in network.populations
        }
        tightest = _too_many_axons_out(network, fans, parts, allowed)
        if tightest is None:
            break
        name, need = tightest
        size = max(b - a for a, b in parts[name])
        if size == 1:
            raise MappingError(
                f"population {name!r} does not fit: one neuron alone needs {need} output axons, a "
                f"core has {allowed.axons_out} ({need - allowed.axons_out} too many)"
            )
        most[name] = min(size - 1, max(1, size * allowed.axons_out // need))
    total = sum(len(p) for p in parts.values())
    if total > allowed.cores:
        raise MappingError(
            f"the network does not fit: it needs {total} cores "
            f"({', '.join(f'{n} {len(p)}' for n, p in parts.items())}), the chip has "
            f"{allowed.cores} ({total - allowed.cores} too many)"
        )
    return _routed(network, fans, parts, allowed)


def _axons_out(
    network: Network, fans: Mapping[str, list[Fan]], parts: dict[str, list[tuple[int, int]]]
) -> dict[str, Int]:
    """Output axon entries of each neuron, for all cores it sends to: int64 (neuron,) a population."""
    sent = {p.name: np.zeros(p.neurons, np.int64) for p in network.populations}
    for target, incoming in fans.items():
        for fan in incoming:
            if fan.connection.source in sent:
                for first, last in parts[target]:
                    sent[fan.connection.source] += fan.slots * fan.reaches(first, last)
    return sent


def _too_many_axons_out(
    network: Network,
    fans: Mapping[str, list[Fan]],
    parts: dict[str, list[tuple[int, int]]],
    allowed: Limits,
) -> tuple[str, int] | None:
    for name, sent in _axons_out(network, fans, parts).items():
        need = max(int(sent[a:b].sum()) for a, b in parts[name])
        if need > allowed.axons_out:
            return name, need
    return None


def _routed(
    network: Network,
    fans: Mapping[str, list[Fan]],
    parts: dict[str, list[tuple[int, int]]],
    allowed: Limits,
) -> Placement:
    sent = _axons_out(network, fans, parts)
    cores: list[Core] = []
    for population in network.populations:
        for first, last in parts[population.name]:
            used = _used(population, fans[population.name], first, last)
            used["axons_out"] = int(sent[population.name][first:last].sum())
            cores.append(Core(population.name, first, last, *tile(len(cores)), used))
    starts = dict(
        zip(network.sizes, np.cumsum([0, *network.sizes.values()]).tolist(), strict=False)
    )
    routes = np.zeros((sum(network.sizes.values()), 3), np.int64)
    links: dict[tuple[int, int], int] = {}
    for to, core in enumerate(cores):
        for fan in fans[core.population]:
            has = fan.reaches(core.first, core.last)
            source = fan.connection.source
            homes = [(i, c) for i, c in enumerate(cores) if c.population == source]
            if not homes:
                homes = [(-1, Core(source, 0, network.sizes[source], 0, 0, {}))]
            for number, home in homes:
                mine = np.flatnonzero(has[home.first : home.last])
                rows = starts[source] + home.first + mine
                routes[rows] += (1, abs(core.column - home.column), abs(core.row - home.row))
                if mine.size:
                    links[number, to] = links.get((number, to), 0) + mine.size
    return Placement(tuple(cores), routes, links, allowed)


def tile(core: int) -> tuple[int, int]:
    """(column, row) of the tile that holds a core: four a tile, tiles in a snake."""
    number = core // limits.CORES_PER_TILE
    row, column = divmod(number, limits.MESH_COLUMNS)
    return (column if row % 2 == 0 else limits.MESH_COLUMNS - 1 - column), row
