"""Synaptic state: what synapses and neurons keep between generations, and the weights it rounds to.

    state = (mantissa << fraction_bits) + fraction        mantissa = state rounded to nearest

8 bits without a fraction are enough; fraction bits let steps smaller than one LSB accumulate.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.kernels import generator
from neurosim.kernels.rules import weight_update
from neurosim.kernels.simd import WIDTH
from neurosim.network import Connection, Network, NetworkError, Population, Weights

FRACTION_BITS = limits.Range(0, 8)
"""Fraction bits of a synapse below its 8-bit mantissa, so that its state has 8 to 16 bits."""
BIAS_FRACTION_BITS = 8
MOMENTUM_MAX = int(weight_update.MOMENTUM_MAX)
"""Limit of a direction at the end of a generation."""
SPREAD = isqrt((65536**2 - 1) // 3)
"""Standard deviation of the sum of four uniform 16-bit numbers."""


class SynapticState(NamedTuple):
    """State of synapses and neurons between generations; a training resumes from it.

    synapses  int16 (source, neuron) a layer: mantissa and fraction bits
    biases    int32 (neuron,) a layer: bias mantissa and BIAS_FRACTION_BITS
    momentum  int32 (source, lane) a layer, or empty where none is kept
    """

    synapses: tuple[NDArray[np.int16], ...]
    biases: tuple[NDArray[np.int32], ...]
    momentum: tuple[NDArray[np.int32], ...]


class Precision(NamedTuple):
    """What a synapse keeps below its weight, and of its momentum.

    fraction_bits  0 to 8 bits below the 8-bit mantissa
    momentum_bits  a direction loses its 2^-momentum_bits in each generation; 0: none is kept
    """

    fraction_bits: int = 8
    momentum_bits: int = 3


PRECISION = Precision()
"""16 bits a synapse."""


def padded(neurons: int) -> int:
    """Lanes of a row: neurons, rounded up to whole vectors."""
    return -(-neurons // WIDTH) * WIDTH


def state_range(connection: Connection, fraction_bits: int) -> tuple[int, int]:
    """State whose rounding to a mantissa stays inside the register."""
    half = (1 << fraction_bits) >> 1
    low, high = connection.mantissa
    return low << fraction_bits, (high << fraction_bits) + max(half - 1, 0)


def bias_range(population: Population) -> tuple[int, int]:
    """State of learned biases whose mantissas, added to the description's own, stay inside the register."""
    own = population.each("bias_mant")
    low = min(0, limits.BIAS_MANT.low - int(own.min()))
    high = max(0, limits.BIAS_MANT.high - int(own.max()))
    half = 1 << (BIAS_FRACTION_BITS - 1)
    return low << BIAS_FRACTION_BITS, (high << BIAS_FRACTION_BITS) + half - 1


def initial_state(
    network: Network, std: Sequence[int], *, seed: int, fraction_bits: int, momentum: bool
) -> SynapticState:
    """Normally distributed mantissas of standard deviation `std` (LSB, one a parameter); biases 0.

    Each is the sum of four 16-bit numbers of the counter generator, scaled to the units of the state.
    """
    synapses, kept = [], []
    for index, (connection, matrix) in enumerate(network.parameters):
        sources, neurons = matrix.rows, matrix.columns
        words = np.zeros(sources * neurons, np.uint64)
        generator.draw_blocks(words, generator.INITIAL, index, 0, 0, np.uint64(seed))
        parts = words.view(np.uint16).reshape(-1, 4).astype(np.int64)
        centred = parts.sum(axis=1) - 2 * 65535
        low, high = state_range(connection, fraction_bits)
        values = (centred * (std[index] << fraction_bits)) // SPREAD
        synapses.append(np.clip(values, low, high).astype(np.int16).reshape(sources, neurons))
        if momentum:
            kept.append(np.zeros((sources, padded(neurons)), np.int32))
    biases = [np.zeros(population.shape[0], np.int32) for population in network.populations]
    return SynapticState(tuple(synapses), tuple(biases), tuple(kept))


def state_of(weights: Weights, fraction_bits: int = 0, momentum: bool = False) -> SynapticState:
    """The state that rounds to exactly these weights, with momentum 0."""
    return SynapticState(
        tuple(one.astype(np.int16) << fraction_bits for one in weights.mantissas),
        tuple(one.astype(np.int32) << BIAS_FRACTION_BITS for one in weights.biases),
        tuple(np.zeros((len(one), padded(one.shape[1])), np.int32) for one in weights.mantissas)
        if momentum
        else (),
    )


def weights(state: SynapticState, fraction_bits: int) -> Weights:
    """The weights as the cores use them: the state, rounded to the nearest mantissa."""
    mantissas = tuple(np.empty(kept.shape, np.int8) for kept in state.synapses)
    for kept, rounded in zip(state.synapses, mantissas, strict=True):
        weight_update.round_states(np.ascontiguousarray(kept), fraction_bits, rounded)
    bias_half = 1 << (BIAS_FRACTION_BITS - 1)
    return Weights(
        mantissas,
        tuple(((kept + bias_half) >> BIAS_FRACTION_BITS).astype(np.int16) for kept in state.biases),
    )


def check_fraction_bits(fraction_bits: int) -> None:
    """Raise NetworkError unless `fraction_bits` is in its range."""
    if fraction_bits not in FRACTION_BITS:
        raise NetworkError(
            f"fraction_bits is {fraction_bits}; "
            f"allowed are {FRACTION_BITS.low}..{FRACTION_BITS.high}"
        )


def check_start(network: Network, state: SynapticState, seed: int, fraction_bits: int) -> None:
    """Raise NetworkError unless an evaluator can start with this state, seed and fraction."""
    check_fraction_bits(fraction_bits)
    check_state(network, state, fraction_bits)
    if not 0 <= seed < 1 << 64:
        raise NetworkError(f"seed is {seed}; allowed are 0..2^64 - 1")


def check_state(network: Network, state: SynapticState, fraction_bits: int) -> None:
    """Raise NetworkError, naming the layer, unless the types, shapes and ranges of `state` are valid."""
    parameters, populations = network.parameters, network.populations
    found = len(state.synapses), len(state.momentum or state.synapses), len(state.biases)
    if found != (len(parameters), len(parameters), len(populations)):
        raise NetworkError(
            f"state of {len(state.synapses)} matrices, {len(state.biases)} populations' biases and "
            f"{len(state.momentum)} of momentum; the network has {len(parameters)} parameters and "
            f"{len(populations)} populations"
        )
    for index, (connection, matrix) in enumerate(parameters):
        where, (low, high) = f"parameter {connection.name}", state_range(connection, fraction_bits)
        shape = (matrix.rows, matrix.columns)
        _check_array(f"{where}: synapses", state.synapses[index], np.int16, shape, low, high)
        if state.momentum:
            shape = (matrix.rows, padded(matrix.columns))
            _check_array(
                f"{where}: momentum",
                state.momentum[index],
                np.int32,
                shape,
                -MOMENTUM_MAX,
                MOMENTUM_MAX,
            )
    for population, biases in zip(populations, state.biases, strict=True):
        where, (low, high) = f"layer {population.name!r}: biases", bias_range(population)
        _check_array(where, biases, np.int32, population.shape[:1], low, high)


def _check_array(
    what: str, array: NDArray[Any], dtype: Any, shape: tuple[int, ...], low: int, high: int
) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise NetworkError(
            f"{what} are {array.dtype} {array.shape}; needed is {np.dtype(dtype)} {shape}"
        )
    found = int(array.min()), int(array.max())
    if found[0] < low or found[1] > high:
        raise NetworkError(f"{what} reach from {found[0]} to {found[1]}; allowed are {low}..{high}")
