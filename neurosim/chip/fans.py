"""Input axons and synaptic memory that a connection needs on a core, by axon format.

    bits of an axon    n * (weight + delay + tag [+ index]) + 10 for a block of n <= 64 synapses,
                       rounded up to 64
    discrete axons     one for each source, with a list of synapses of its own
    population axons   one for each position of a map; the channel travels with the spike as its `atom`, and
                       selects among the synapses of the axon's list. Axons whose lists are equal up to a
                       shift of their targets share one list, and hold the shift as their `base`

Sources: bits of an axon, atoms, bases up to 255 and two output slots for a 32-bit population axon
[nengo-loihi 1.1.0, `SynapseConfig.bits_per_axon`, `Synapse.axon_compartment_bases`,
`Axon.slots_per_axon`]. Chosen here: 32-bit population axons wherever weights are shared, since 16-bit
ones hold bases in steps of 4.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.chip.synapses import Dense, Sparse, Synapses, matrix_of
from neurosim.network import Connection, Network, NetworkError
from neurosim.network.connections import Dense as DenseKind
from neurosim.network.shapes import MAP

Int = NDArray[np.int64]
BLOCK, HEADER, UNIT = 64, 10, 64
"""Synapses a block, bits before a block, bits of a memory unit."""
DELAY_BITS = 6
INDEX_BITS = (6, 12)
"""Fewest and most bits of a target index."""
LARGEST_BASE = 255
DISCRETE_SLOTS, POPULATION_SLOTS = 1, 2
"""Output axon entries that a spike needs for each core it goes to."""


class Use(NamedTuple):
    """Input axons and bits of synaptic memory."""

    axons: int
    bits: int


class Fan(NamedTuple):
    """A connection into a population, for any range first..last-1 of its neurons.

    use      what the range needs on a core
    reaches  bool (source,): which sources have a synapse there
    slots    output axon entries of a source for each core it goes to
    """

    connection: Connection
    use: Callable[[int, int], Use]
    reaches: Callable[[int, int], NDArray[np.bool_]]
    slots: int = DISCRETE_SLOTS


def axon_bits(synapses: Int | int, weight_bits: int, delay_bits: int, index_bits: int) -> Int:
    """SynapticState of an axon with so many synapses; 0 for none. Tags serve other rules: 0 bits."""
    count = np.asarray(synapses, np.int64)
    each = weight_bits + delay_bits + index_bits
    whole, rest = count // BLOCK, count % BLOCK
    block = -(-(BLOCK * each + HEADER) // UNIT) * UNIT
    last = np.where(rest > 0, -(-(rest * each + HEADER) // UNIT) * UNIT, 0)
    return whole * block + last


def fan_of(network: Network, connection: Connection, synapses: Synapses | None) -> Fan:
    """The fan of a connection with these synapses; without, with those that its kind has."""
    structure = _shared(network, connection)
    if structure is not None and (synapses is None or _held(network, connection, synapses)):
        return _population_fan(connection, structure)
    return _discrete_fan(connection, synapses or _all(network, connection), network.sizes)


def _all(network: Network, connection: Connection) -> Synapses:
    """Every synapse of the kind, of any weight."""
    if isinstance(connection.kind, DenseKind):
        shape = (network.sizes[connection.target], network.sizes[connection.source])
        return Dense(np.broadcast_to(0, shape))
    found = network.expand(connection, _entries(network, connection))
    return Sparse.from_pairs(*found, source_size=network.sizes[connection.source])


def _entries(network: Network, connection: Connection) -> Int | None:
    """The matrix with each entry's own number in it; None where weights are fixed."""
    matrix = network.parameter(connection)
    if matrix is None:
        return None
    return np.arange(matrix.rows * matrix.columns, dtype=np.int64).reshape(matrix[:2])


def _delay_bits(connection: Connection, synapses: Synapses | None = None) -> int:
    own = synapses is not None and synapses.delays is not None
    return DELAY_BITS if connection.delay > 0 or own else 0


def _index_bits(largest: int) -> int:
    return min(max(INDEX_BITS[0], largest.bit_length()), INDEX_BITS[1])


def _discrete_fan(connection: Connection, synapses: Synapses, sizes: dict[str, int]) -> Fan:
    sources, delay = sizes[connection.source], _delay_bits(connection, synapses)
    index = 0
    if isinstance(synapses, Dense):
        within = lambda first, last: np.full(sources, last - first)  # noqa: E731
    else:
        index = _index_bits(sizes[connection.target] - 1)
        within = _counted(synapses, sources)

    def use(first: int, last: int) -> Use:
        counts = within(first, last)
        bits = axon_bits(counts, connection.weight_bits, delay, index)
        return Use(int((counts > 0).sum()), int(bits.sum()))

    return Fan(connection, use, lambda first, last: within(first, last) > 0)


def _counted(synapses: Sparse, sources: int) -> Callable[[int, int], Int]:
    """How many synapses of each source end in a range."""
    owner = np.repeat(np.arange(synapses.start.size - 1), np.diff(synapses.start))
    targets = synapses.targets

    def within(first: int, last: int) -> Int:
        mine = (targets >= first) & (targets < last)
        return np.bincount(owner[mine], minlength=sources)

    return within


class Shared(NamedTuple):
    """Synapses of a kind whose weights are shared, sorted by target; int64 (synapse,) each.

    position, atom  of the source in its map, and its channel
    target          neuron;  entry  of the matrix that holds its weight
    plane, sources  positions of the source's map, and its neurons
    """

    position: Int
    atom: Int
    target: Int
    entry: Int
    plane: int
    sources: int

    def within(self, first: int, last: int) -> slice:
        """The synapses of neurons first..last-1."""
        return slice(*np.searchsorted(self.target, (first, last)).tolist())


def _held(network: Network, connection: Connection, synapses: Synapses) -> bool:
    """Whether these are the kind's own synapses, equal in weight where they share one."""
    try:
        matrix_of(network, connection, synapses)
    except NetworkError:
        return False
    return True


def _shared(network: Network, connection: Connection) -> Shared | None:
    """The synapses of a kind that shares weights between positions of a map; None of other kinds."""
    shape = network.shapes[connection.source]
    matrix = network.parameter(connection)
    if len(shape) != MAP or (matrix is not None and matrix.uses <= 1):
        return None
    found = network.expand(connection, _entries(network, connection))
    plane = shape[1] * shape[2]
    order = np.argsort(found.targets, kind="stable")
    sources = found.sources[order]
    return Shared(
        sources % plane,
        sources // plane,
        found.targets[order],
        found.weights[order],
        plane,
        network.sizes[connection.source],
    )


def _population_fan(connection: Connection, shared: Shared) -> Fan:
    delay = _delay_bits(connection)

    def use(first: int, last: int) -> Use:
        axons, lengths, largest = _distinct_lists(shared, first, last)
        index = _index_bits(largest)
        return Use(axons, int(axon_bits(lengths, connection.weight_bits, delay, index).sum()))

    def reaches(first: int, last: int) -> NDArray[np.bool_]:
        mine = shared.within(first, last)
        found = np.zeros(shared.sources, bool)
        found[shared.atom[mine] * shared.plane + shared.position[mine]] = True
        return found

    return Fan(connection, use, reaches, POPULATION_SLOTS)


def _distinct_lists(shared: Shared, first: int, last: int) -> tuple[int, Int, int]:
    """Axons of a range, synapses of each different list, and the largest target index beyond a base.

    Lists are compared by a 64-bit sum over their synapses, each mixed by multiplications and shifts.
    """
    mine = shared.within(first, last)
    position, target = shared.position[mine], shared.target[mine] - first
    if not position.size:
        return 0, np.zeros(0, np.int64), 0
    lengths = np.bincount(position, minlength=shared.plane)
    base = np.full(shared.plane, LARGEST_BASE, np.int64)
    np.minimum.at(base, position, target)
    index = target - base[position]
    entry, atom = shared.entry[mine].astype(np.uint64), shared.atom[mine].astype(np.uint64)
    mixed = _mixed(_mixed(_mixed(index.astype(np.uint64)) + entry) + atom)
    sums = np.zeros(shared.plane, np.uint64)
    np.add.at(sums, position, mixed)
    used = lengths > 0
    keys = np.stack([sums[used], lengths[used].astype(np.uint64)])
    distinct = np.unique(keys, axis=1)
    return int(used.sum()), distinct[1].astype(np.int64), int(index.max())


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A one-to-one scrambling of 64-bit words [MurmurHash3's finaliser, Appleby 2011]."""
    x = values + np.uint64(1)
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xFF51AFD7ED558CCD)
    x ^= x >> np.uint64(33)
    x *= np.uint64(0xC4CEB9FE1A85EC53)
    x ^= x >> np.uint64(33)
    return x
