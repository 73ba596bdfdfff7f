"""Synapses of a connection: weights on the grid of a profile, and the current that each adds to u.

    Dense, Sparse       the synapses as the user gives them
    on_grid             weight -> stored weight (range and rounding of the profile)
    currents            stored weight -> increment of u per spike, where the exponent acts on each

Weights here are integers -256..255 as in other emulators, `mantissa << grid_bits`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim import limits
from neurosim.chip.profiles import Profile
from neurosim.network import Connection, Network, NetworkError, Weights, mantissas, matrices_by_name
from neurosim.network.connections import Dense as DenseKind
from neurosim.network.shapes import lane_order, size_of

Int = NDArray[np.int64]
WIDEST = {"mixed": (-256, 254), "excitatory": (0, 255), "inhibitory": (-256, 0)}
"""Range of weights in brian2-loihi, for any number of bits."""
CLIPPED = {"mixed": (-256, 255), "excitatory": (0, 255), "inhibitory": (-255, 0)}
"""Range that lava clips to, for any number of bits."""
EACH_LIMIT = (1 << 15) - 1
"""brian2-loihi limits the current of a weight to ±(2^21 - 2^6), so 2^15 - 1 weight units."""


class Dense(NamedTuple):
    """weights: integers (target, source); delays: None, or integers of the same shape."""

    weights: ArrayLike
    delays: ArrayLike | None = None


class Sparse(NamedTuple):
    """Synapses by source, as CSR: those of source i are start[i] .. start[i+1]-1.

    start int64 (source + 1,), targets int32, weights int64, delays None or int64, all (synapse,)
    """

    start: Int
    targets: NDArray[np.int32]
    weights: Int
    delays: Int | None = None

    @staticmethod
    def from_pairs(
        sources: ArrayLike,
        targets: ArrayLike,
        weights: ArrayLike,
        delays: ArrayLike | None = None,
        *,
        source_size: int,
    ) -> "Sparse":
        """From one source, target, weight and delay a synapse, in any order."""
        columns = [np.asarray(c) for c in (sources, targets, weights)]
        columns += [] if delays is None else [np.asarray(delays)]
        if any(
            c.ndim != 1 or c.size != columns[0].size or c.dtype.kind not in "iu" for c in columns
        ):
            raise NetworkError(
                f"sparse synapses: sources, targets, weights, delays are "
                f"{[f'{c.dtype} {c.shape}' for c in columns]}; needed are integers, equally long"
            )
        if columns[0].size and not 0 <= columns[0].min() <= columns[0].max() < source_size:
            raise NetworkError(
                f"sparse synapses: sources reach from {columns[0].min()} to {columns[0].max()}; "
                f"allowed are 0..{source_size - 1}"
            )
        order = np.argsort(columns[0], kind="stable")
        start = np.zeros(source_size + 1, np.int64)
        np.cumsum(np.bincount(columns[0], minlength=source_size), out=start[1:])
        sorted_ = [c[order].astype(np.int64) for c in columns[1:]]
        return Sparse(
            start,
            sorted_[0].astype(np.int32),
            sorted_[1],
            sorted_[2] if delays is not None else None,
        )

    @staticmethod
    def from_dense(weights: ArrayLike, delays: ArrayLike | None = None) -> "Sparse":
        """The synapses of a (target, source) array that are not 0."""
        array = np.asarray(weights)
        sources, targets = np.nonzero(array.T)
        chosen = None if delays is None else np.asarray(delays)[targets, sources]
        return Sparse.from_pairs(
            sources, targets, array[targets, sources], chosen, source_size=array.shape[1]
        )


Synapses = Dense | Sparse
"""Synapses of one connection, as the chip emulator and the mapping read them."""


def synapses_of(network: Network, weights: Weights) -> dict[str, Synapses]:
    """The synapses of every connection, by name, with learned mantissas: sparse unless the kind is dense."""
    matrices = matrices_by_name(network, weights)
    return {c.name: of_matrix(network, c, matrices.get(c.name)) for c in network.connections}


def of_matrix(
    network: Network, connection: Connection, matrix: NDArray[np.integer[Any]] | None
) -> Synapses:
    """The synapses of a connection with the mantissas of its matrix; weights `mantissa << grid_bits`."""
    if isinstance(connection.kind, DenseKind) and matrix is not None:
        in_shape, out_shape = network.shapes[connection.source], network.shapes[connection.target]
        written = np.empty((size_of(out_shape), size_of(in_shape)), np.int64)
        written[np.ix_(lane_order(out_shape), lane_order(in_shape))] = matrix.T
        return Dense(written << connection.grid_bits)
    sources, targets, mantissas_ = network.expand(connection, matrix)
    return Sparse.from_pairs(
        sources,
        targets,
        mantissas_ << connection.grid_bits,
        source_size=network.sizes[connection.source],
    )


def matrix_of(network: Network, connection: Connection, synapses: Synapses) -> Int | None:
    """The matrix (row, column) of mantissas with which the connection's kind has these synapses.

    None where the kind's weights are fixed. Raises NetworkError where the synapses are not the kind's own,
    differ where they share a weight, have delays of their own, or lie off the grid.
    """
    where = f"connection {connection.name}"
    parameter = network.parameter(connection)
    if synapses.delays is not None:
        raise NetworkError(f"{where}: its synapses have delays of their own; a matrix has none")
    numbers = None
    if parameter is not None:
        numbers = np.arange(parameter.rows * parameter.columns).reshape(parameter[:2])
    found = network.expand(connection, numbers)
    given = _weights_at(synapses, found.sources, found.targets)
    if given is None:
        raise NetworkError(
            f"{where}: it has synapses that a {connection.kind.name} does not have, or one twice"
        )
    mantissas_ = given >> connection.grid_bits
    if ((mantissas_ << connection.grid_bits) != given).any():
        raise NetworkError(f"{where}: some weights are no multiples of {1 << connection.grid_bits}")
    if parameter is None:
        if (mantissas_ != found.weights).any():
            raise NetworkError(f"{where}: its weights are not those of a {connection.kind.name}")
        return None
    matrix = np.zeros(parameter.rows * parameter.columns, np.int64)
    matrix[found.weights] = mantissas_
    if (matrix[found.weights] != mantissas_).any():
        raise NetworkError(
            f"{where}: synapses that share a weight of a {connection.kind.name} have different ones"
        )
    return matrix.reshape(parameter[:2])


def _weights_at(synapses: Synapses, sources: Int, targets: Int) -> Int | None:
    """The weights of synapses between these neurons, 0 where there is none; None where there are others."""
    if isinstance(synapses, Dense):
        weights = np.asarray(synapses.weights, np.int64)
        given = weights[targets, sources]
        return given if np.count_nonzero(weights) == np.count_nonzero(given) else None
    owner = np.repeat(np.arange(synapses.start.size - 1), np.diff(synapses.start))
    width = int(max(targets.max(initial=0), synapses.targets.max(initial=0))) + 1
    keys, given = sources * width + targets, owner * width + synapses.targets
    order = np.argsort(keys)
    place = np.minimum(np.searchsorted(keys, given, sorter=order), max(len(keys) - 1, 0))
    found = order[place] if len(keys) else place
    if len(np.unique(given)) != len(given) or not np.array_equal(keys[found], given):
        return None
    weights = np.zeros(len(keys), np.int64)
    weights[found] = np.asarray(synapses.weights)
    return weights


def check_synapses(
    connection: Connection, given: object, sizes: dict[str, int], max_delay: int
) -> Synapses:
    """`given` as Dense or Sparse with int64 weights, or a NetworkError naming the connection."""
    where = f"connection {connection.name}"
    shape = (sizes[connection.target], sizes[connection.source])
    synapses: Synapses
    if isinstance(given, Sparse):
        synapses = _check_sparse(where, given, shape)
    else:
        dense = given if isinstance(given, Dense) else Dense(given)  # type: ignore[arg-type]
        weights = _integers(where, "weights", dense.weights, shape)
        delays = None if dense.delays is None else _integers(where, "delays", dense.delays, shape)
        synapses = Dense(weights, delays)
    if synapses.delays is not None:
        delays = np.asarray(synapses.delays) + connection.delay
        if delays.size and not 0 <= delays.min() <= delays.max() <= max_delay:
            raise NetworkError(
                f"{where}: delays reach from {delays.min()} to {delays.max()}; "
                f"allowed are 0..{max_delay} steps"
            )
    return synapses


def _integers(where: str, what: str, given: ArrayLike, shape: tuple[int, ...]) -> Int:
    array = np.asarray(given)
    if array.dtype.kind not in "iu" or array.shape != shape:
        raise NetworkError(
            f"{where}: {what} are {array.dtype} {array.shape}; needed are integers {shape}, "
            f"(target, source)"
        )
    return array.astype(np.int64)


def _check_sparse(where: str, given: Sparse, shape: tuple[int, int]) -> Sparse:
    start, targets, weights = (np.asarray(part) for part in given[:3])
    parts = [targets, weights] + ([] if given.delays is None else [np.asarray(given.delays)])
    whole = all(part.dtype.kind in "iu" and part.shape == targets.shape for part in parts)
    if (
        not whole
        or start.shape != (shape[1] + 1,)
        or start[0] != 0
        or start[-1] != targets.size
        or (np.diff(start) < 0).any()
    ):
        raise NetworkError(
            f"{where}: sparse synapses have {start.size} row starts for {shape[1]} sources, "
            f"{targets.size} targets and {weights.size} weights; needed are {shape[1] + 1} row "
            f"starts from 0 to the number of synapses, and equally many targets and weights"
        )
    if targets.size and not 0 <= targets.min() <= targets.max() < shape[0]:
        raise NetworkError(
            f"{where}: targets reach from {targets.min()} to {targets.max()}; "
            f"allowed are 0..{shape[0] - 1}"
        )
    delays = None if given.delays is None else np.asarray(given.delays, np.int64)
    return Sparse(
        start.astype(np.int64), targets.astype(np.int32), weights.astype(np.int64), delays
    )


class Rounded(NamedTuple):
    """weights: int64, on the grid; clipped, rounded: how many changed; largest: by how much."""

    weights: Int
    clipped: int
    rounded: int
    largest: int

    def __str__(self) -> str:
        return (
            f"{self.rounded} weights rounded to the grid, {self.clipped} clipped, "
            f"the largest change is {self.largest}"
        )


def on_grid(
    weights: ArrayLike, bits: int, sign_mode: str, profile: Profile, where: str = "weights"
) -> Rounded:
    """Stored values of `weights` under the profile's range and rounding."""
    given = np.asarray(weights, np.int64)
    grid = 8 - bits + (sign_mode == "mixed")
    within = given
    if profile.weight_range == "clip_weight":
        within = np.clip(given, *CLIPPED[sign_mode])
    if profile.weight_range == "wide":
        _refuse_outside(given, given, WIDEST[sign_mode], where, f"{sign_mode} signs")
    stored = rounded = _rounded(within, grid, sign_mode, profile, where)
    if profile.weight_range == "clip_mantissa":
        top = ((1 << max(8 - grid, 0)) - 1) << grid
        stored = np.clip(rounded, -top, top)
    if profile.weight_range == "mantissa":
        legal = mantissas(bits, sign_mode)
        ends = (legal.low << grid, legal.high << grid)
        _refuse_outside(given, rounded, ends, where, f"{bits} bits and {sign_mode} signs")
    change = np.abs(stored - given)
    clipped = int((within != given).sum() + (stored != rounded).sum())
    return Rounded(
        stored, clipped, int((rounded != within).sum()), int(change.max()) if change.size else 0
    )


def _refuse_outside(
    given: Int, stored: Int, ends: tuple[int, int], where: str, having: str
) -> None:
    outside = (stored < ends[0]) | (stored > ends[1])
    if outside.any():
        at = tuple(int(i) for i in np.argwhere(outside)[0])
        raise NetworkError(
            f"{where}: weight {int(given[at])} at {at} with {having}; allowed are "
            f"{ends[0]}..{ends[1]} ({int(outside.sum())} of {given.size} are outside); scale the "
            f"weights, or choose a profile that clips"
        )


def _rounded(weights: Int, grid: int, sign_mode: str, profile: Profile, where: str) -> Int:
    step = 1 << grid
    if profile.rounding == "none":
        return weights
    if profile.rounding == "refuse":
        off = weights % step != 0
        if off.any():
            at = tuple(int(i) for i in np.argwhere(off)[0])
            raise NetworkError(
                f"{where}: weight {int(weights[at])} at {at} is off the grid of {step} "
                f"({int(off.sum())} of {weights.size} are); give multiples of {step}, or choose a "
                f"rounding: floor, nearest_even or towards_zero"
            )
        return weights
    return _divide(weights, grid, profile.rounding, sign_mode) << grid


def _divide(weights: Int, bits: int, rounding: str, sign_mode: str = "mixed") -> Int:
    """weights / 2^bits as an integer, by the named rule."""
    if rounding == "towards_zero" or (rounding == "floor" and sign_mode == "inhibitory"):
        return np.sign(weights) * (np.abs(weights) >> bits)
    if rounding == "floor" or bits == 0:
        return weights >> bits
    floor, half = weights >> bits, 1 << (bits - 1)
    left = weights - (floor << bits)
    return floor + ((left > half) | ((left == half) & (floor % 2 != 0)))


def currents(
    stored: ArrayLike,
    bits: int,
    exponent: int,
    sign_mode: str,
    profile: Profile,
    where: str = "weights",
) -> Int:
    """Increment of u per spike, for weights from `on_grid`, where the exponent acts on each."""
    weights = np.asarray(stored, np.int64)
    grid = 8 - bits + (sign_mode == "mixed")
    if profile.exponent == "exact":
        return _exact(weights, limits.STATE_SHIFT + exponent, profile, where)
    if profile.exponent == "each_floor":
        scaled = weights << exponent if exponent >= 0 else weights >> -exponent
        return np.clip(scaled, -EACH_LIMIT, EACH_LIMIT) << limits.STATE_SHIFT
    if profile.exponent == "each_nearest":
        return _nearest(weights >> grid, grid + exponent, grid) << limits.STATE_SHIFT
    raise NetworkError(f"profile {profile.name!r} applies the exponent to the {profile.exponent}")


def _exact(weights: Int, shift: int, profile: Profile, where: str) -> Int:
    if shift >= 0:
        return weights << shift
    if profile.rounding in ("refuse", "none"):
        off = weights % (1 << -shift) != 0
        if off.any():
            raise NetworkError(
                f"{where}: weight {int(weights[off][0])} with exponent "
                f"{shift - limits.STATE_SHIFT} adds a fraction to u; give multiples of "
                f"{1 << -shift}, a larger exponent, or choose a rounding"
            )
        return weights >> -shift
    return _divide(weights, -shift, profile.rounding)


def _nearest(mantissas: Int, shift: int, grid: int) -> Int:
    """nengo-loihi: round to what survives a negative shift, clip, shift."""
    if shift >= 0:
        return mantissas << shift
    top = (1 << max(8 - grid, 0)) - 1
    kept = np.clip(_divide(mantissas, -shift, "nearest_even") << -shift, -top, top)
    return kept >> -shift
