"""Layout of a network in the arrays of the chip kernels: registers, projections and groups.

    network + synapses + profile -> Registers, Projections, Groups

A connection becomes one projection for each different delay of its synapses. The currents of its
synapses are divided by their largest common power of two, so that most fit one byte each.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.chip.profiles import Profile
from neurosim.chip.stimulus import words
from neurosim.chip.synapses import Rounded, Sparse, Synapses, currents, of_matrix, on_grid
from neurosim.kernels.chip.neuron import Registers
from neurosim.kernels.chip.step import Groups
from neurosim.kernels.chip.synapse import NARROW, WIDE, Projections
from neurosim.kernels.neurons.model import NeuronKernel
from neurosim.kernels.neurons.registry import KERNELS
from neurosim.network import Connection, Network, NetworkError, Population
from neurosim.network.neurons.kernel import kernel_of

Int = NDArray[np.int64]
NEVER = -(1 << 62)
"""Lower threshold of a neuron that is not ternary: below every v."""
INT32_MAX = (1 << 31) - 1
STORED = (np.int8, np.int32)
"""Types of the two kinds of synapses."""


class Perturbation(NamedTuple):
    """scale * A^T B added to the currents of a connection, in units of u.

    a int8 (rank, target), b int8 (rank, source): legal range -128..127; scale: any integer
    """

    a: NDArray[np.int8]
    b: NDArray[np.int8]
    scale: int


class MatrixPerturbation(NamedTuple):
    """scale * matrix added to the currents of a connection of any kind, in units of u.

    matrix  integers (row, column), as the connection's own; each product within 32 bits and sign
    """

    matrix: NDArray[np.integer]
    scale: int


class Piece(NamedTuple):
    """One projection before it is laid out: sums are (sum of stored >> right) << left."""

    connection: Connection
    synapses: Synapses
    delay: int
    right: int
    left: int


def registers(network: Network, profile: Profile) -> Registers:
    """Every neuron's registers, populations one after another."""
    count = max(len(population.model.registers()) for population in network.populations)
    rows = [_population_registers(population, profile, count) for population in network.populations]
    return Registers(*(np.concatenate(column, axis=-1) for column in zip(*rows, strict=True)))


def _population_registers(population: Population, profile: Profile, count: int) -> tuple[Int, ...]:
    du = population.each("du") + profile.decay_offset
    if du.max() > limits.DECAY_ONE:
        raise NetworkError(
            f"population {population.name!r}: du is {du.max() - profile.decay_offset}; profile "
            f"{profile.name!r} adds {profile.decay_offset}, and a decay above {limits.DECAY_ONE} "
            f"is none"
        )
    noise = population.noise
    if noise is not None and profile.noise == "none":
        raise NetworkError(
            f"population {population.name!r}: noise is {noise}, but profile {profile.name!r} has "
            f"none; choose one whose noise is 'formula'"
        )
    lower = population.vth_low_mant
    fill = [
        NEVER if lower is None else lower << limits.STATE_SHIFT,
        population.vmin,
        population.vmax,
        0 if noise is None else 1 + noise.at_membrane,
        0 if noise is None else noise.exponent,
        0 if noise is None else noise.offset,
    ]
    low, vmin, vmax, where, exponent, offset = (np.full(population.neurons, f) for f in fill)
    own = np.zeros((count, population.neurons), np.int64)
    for number, value in enumerate(population.model.registers()):
        own[number] = value
    return (
        du,
        population.each("dv"),
        population.each("vth_mant") << limits.STATE_SHIFT,
        low,
        population.each("bias_mant") << population.each("bias_exp"),
        vmin,
        vmax,
        population.each("refractory") - 1,
        where,
        exponent,
        offset,
        own,
    )


def pieces(
    connection: Connection, synapses: Synapses, profile: Profile
) -> tuple[list[Piece], Rounded]:
    """The projections of a connection, and the result of rounding its weights to the grid."""
    where = f"connection {connection.name}"
    form = (connection.weight_bits, connection.sign_mode)
    rounded = on_grid(synapses.weights, *form, profile, where)
    right, left, values = 0, 0, rounded.weights
    if profile.exponent == "sum":
        right = max(0, -connection.weight_exp)
        left = limits.STATE_SHIFT + max(0, connection.weight_exp)
    else:
        values = currents(rounded.weights, form[0], connection.weight_exp, form[1], profile, where)
    return [
        _piece(connection, part, delay, right, left)
        for delay, part in _by_delay(synapses._replace(weights=values))
    ], rounded


def _piece(connection: Connection, synapses: Synapses, delay: int, right: int, left: int) -> Piece:
    """A projection of these synapses, whose weights are divided by their largest common power of two."""
    values = np.asarray(synapses.weights)
    zeros = _common_zeros(values)
    left, right = left + max(0, zeros - right), max(0, right - zeros)
    stored = synapses._replace(weights=values >> zeros)
    return Piece(connection, stored, connection.delay + delay, right, left)


def perturbing(network: Network, connection: Connection, change: MatrixPerturbation) -> Piece:
    """The projection of a perturbation: synapses of the connection's kind, beside its own."""
    matrix, parameter = np.asarray(change.matrix), network.parameter(connection)
    shape = None if parameter is None else (parameter.rows, parameter.columns)
    if matrix.dtype.kind not in "iu" or matrix.shape != shape:
        needed = "none: its weights are fixed" if shape is None else f"integers {shape}"
        raise NetworkError(
            f"perturbation of {connection.name}: its matrix is {matrix.dtype} {matrix.shape}; needed is "
            f"{needed}"
        )
    largest = abs(int(change.scale)) * max(abs(int(matrix.min())), abs(int(matrix.max())))
    if largest > INT32_MAX:
        raise NetworkError(
            f"perturbation of {connection.name}: it adds up to {largest} to u; allowed is {INT32_MAX}"
        )
    synapses = of_matrix(network, connection, matrix.astype(np.int64) * int(change.scale))
    return _piece(connection, synapses, 0, connection.grid_bits, 0)


def _common_zeros(values: Int) -> int:
    every = int(np.bitwise_or.reduce(values, axis=None)) if values.size else 0
    return (every & -every).bit_length() - 1 if every else 0


def _by_delay(synapses: Synapses) -> list[tuple[int, Synapses]]:
    """The same synapses, sorted by delay."""
    if synapses.delays is None:
        return [(0, synapses)]
    if isinstance(synapses, Sparse):
        source_size = synapses.start.size - 1
        sources = np.repeat(np.arange(source_size), np.diff(synapses.start))
        targets: NDArray = synapses.targets
        weights, delays = synapses.weights, synapses.delays
    else:
        array = np.asarray(synapses.weights)
        source_size = array.shape[1]
        sources, targets = (index.ravel() for index in np.indices(array.T.shape))
        weights, delays = array.T.ravel(), np.asarray(synapses.delays).T.ravel()
    found: list[tuple[int, Synapses]] = []
    for delay in np.unique(np.asarray(delays)):
        mine = np.asarray(delays) == delay
        part = Sparse.from_pairs(
            sources[mine], targets[mine], weights[mine], source_size=source_size
        )
        found.append((int(delay), part))
    return found


def order(network: Network, given: Mapping[str, Synapses], profile: Profile) -> list[Population]:
    """Populations in the order in which a step updates them."""
    waiting = list(network.populations)
    if profile.neuron_latency:
        return waiting
    within_step = {
        (c.source, c.target)
        for c in network.connections
        if not c.recurrent and c.delay == 0 and _least_delay(given[c.name]) == 0
    }
    done: list[Population] = []
    while waiting:
        names = {population.name for population in waiting}
        ready = [p for p in waiting if not any((n, p.name) in within_step for n in names)]
        if not ready:
            raise NetworkError(
                f"a cycle without delay among populations {sorted(names)}: profile "
                f"{profile.name!r} has no latency between neurons, so one of their connections "
                f"needs a delay of at least 1"
            )
        done += ready
        waiting = [p for p in waiting if p not in ready]
    return done


def _least_delay(synapses: Synapses) -> int:
    return 0 if synapses.delays is None else int(np.min(synapses.delays, initial=limits.DELAY.high))


def models(network: Network) -> tuple[NeuronKernel, ...]:
    """The kernels of the network's neuron models, each once, in the order of the registry."""
    used = [kernel_of(population) for population in network.populations]
    return tuple(kernel for kernel in KERNELS.values() if kernel in used)


def groups(
    network: Network,
    ordered: list[Population],
    graded: frozenset[str],
    counts: list[int],
    routes: Int,
) -> Groups:
    """The inputs and populations; `counts` projections each, `graded` inputs given as values."""
    axons = dict(zip(network.sizes, np.cumsum([0, *network.sizes.values()]).tolist(), strict=False))
    neurons = {p.name: axons[p.name] - sum(i.size for i in network.inputs) for p in ordered}
    first: list[int] = []
    last: list[int] = []
    word = column = 0
    for given in network.inputs:
        size = given.size if given.name in graded else words(given.size)
        first.append(column if given.name in graded else word)
        last.append(first[-1] + size)
        column, word = (last[-1], word) if given.name in graded else (column, last[-1])
    first += [neurons[p.name] for p in ordered]
    last += [neurons[p.name] + p.neurons for p in ordered]
    lead = [0] * len(network.inputs)
    names = [*(i.name for i in network.inputs), *(p.name for p in ordered)]
    return Groups(
        np.array(first),
        np.array(last),
        np.array([int(i.name in graded) for i in network.inputs] + [0] * len(ordered)),
        np.cumsum([0, *counts]),
        np.array([axons[name] for name in names]),
        np.array(lead + [p.reset_interval for p in ordered]),
        np.array(lead + [p.reset_offset for p in ordered]),
        np.array(lead + [int(p.noise is not None) for p in ordered]),
        np.array(lead + [models(network).index(kernel_of(p)) for p in ordered]),
        routes,
        np.array([len(network.inputs)]),
    )


def projections(network: Network, parts: list[Piece], profile: Profile) -> Projections:
    """All projections, in the order of `parts`."""
    inputs = {given.name for given in network.inputs}
    offsets = np.cumsum([0, *(p.neurons for p in network.populations)])
    target = {p.name: int(o) for p, o in zip(network.populations, offsets, strict=False)}
    stored: list[Int] = []
    columns: list[NDArray[np.int32]] = []
    rows: list[Int] = []
    table = []
    filled = sparse_filled = row_filled = 0
    for part in parts:
        c = part.connection
        latency: int = profile.input_latency if c.source in inputs else profile.neuron_latency
        latency = max(
            latency, int(c.recurrent)
        )  # its spikes arrive in the next step at the earliest
        sparse = isinstance(part.synapses, Sparse)
        values = np.asarray(part.synapses.weights)
        table.append(
            (
                target[c.target],
                network.sizes[c.target],
                row_filled if sparse else filled,
                int(not sparse),
                part.right,
                part.left,
                part.delay + latency,
                int(c.message_bits > 0),
                network.sizes[c.source],
                filled - sparse_filled if sparse else 0,
            )
        )
        if isinstance(part.synapses, Sparse):
            rows.append(part.synapses.start + filled)
            columns.append(part.synapses.targets)
            row_filled += part.synapses.start.size
            sparse_filled += values.size
        stored.append(np.ascontiguousarray(values.T).ravel())
        filled += values.size
    flat = _joined(stored, np.int64)
    kind = _kind(flat, max((_largest_sum(part) for part in parts), default=0))
    synapses = [flat.astype(d) if k == kind else np.zeros(0, d) for k, d in enumerate(STORED)]
    fields = list(np.array(table, np.int64).reshape(-1, 10).T.copy())
    unperturbed = [np.zeros(len(parts), np.int64)] * 4
    lists = [_joined(columns, np.int32), _joined(rows, np.int64), np.zeros(0, np.int8)]
    return Projections._make([*fields, *unperturbed, np.array([kind]), *synapses, *lists])


def perturbed(
    laid_out: Projections, parts: list[Piece], changes: Mapping[str, Perturbation]
) -> Projections:
    """The same projections with the factors of a perturbation."""
    names = [part.connection.name for part in parts]
    factors: list[NDArray[np.int8]] = []
    table = np.zeros((4, len(parts)), np.int64)
    for name, change in changes.items():
        if names.count(name) != 1:
            raise not_one_delay(name, names.count(name), names)
        p = names.index(name)
        rank = _checked_rank(name, change, int(laid_out.targets[p]), int(laid_out.sources[p]))
        at = sum(factor.size for factor in factors)
        table[:, p] = rank, int(change.scale), at, at + change.a.size
        factors += [change.a.ravel(), change.b.ravel()]
    return laid_out._replace(
        **dict(zip(("rank", "scale", "factor_a", "factor_b"), table, strict=True)),
        factors=_joined(factors, np.int8),
    )


def not_one_delay(name: str, delays: int, names: Iterable[str]) -> NetworkError:
    """What is raised for a perturbation of a connection that has none, or several delays."""
    return NetworkError(
        f"perturbation of {name!r}: it has {delays} different delays; a perturbed connection is one "
        f"of {sorted(set(names))} with one delay"
    )


def _checked_rank(name: str, change: Perturbation, targets: int, sources: int) -> int:
    a, b = np.asarray(change.a), np.asarray(change.b)
    rank = a.shape[0] if a.ndim else 0
    if (
        a.dtype != np.int8
        or b.dtype != np.int8
        or (a.shape, b.shape)
        != (
            (rank, targets),
            (rank, sources),
        )
    ):
        raise NetworkError(
            f"perturbation of {name}: A is {a.dtype} {a.shape}, B is {b.dtype} {b.shape}; needed "
            f"are int8 (rank, {targets}) and int8 (rank, {sources})"
        )
    return rank


def _joined(parts: list, dtype: type) -> NDArray:
    return np.concatenate(parts).astype(dtype) if parts else np.zeros(0, dtype)


def _kind(values: Int, largest_sum: int) -> int:
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    fits = np.iinfo(np.int8).min <= low and high <= np.iinfo(np.int8).max
    return NARROW if fits and largest_sum <= INT32_MAX else WIDE


def _largest_sum(part: Piece) -> int:
    """An upper bound of |sum| over any spikes of one step."""
    values = np.abs(np.asarray(part.synapses.weights))
    most = 1 << part.connection.message_bits
    if isinstance(part.synapses, Sparse):
        size = int(part.synapses.targets.max(initial=0)) + 1
        totals = np.bincount(part.synapses.targets, values, size)
        return int(totals.max()) * most
    return int(values.sum(axis=1).max(initial=0)) * most
