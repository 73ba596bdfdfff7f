"""What does a synapse keep between generations, and which weight does it stand for?

    state = mantissa << fraction_bits, and the fraction below it;   mantissa = state rounded to nearest

8 bits and no fraction are all that a synapse needs to keep; more let small steps add up.
"""

from collections.abc import Sequence
from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.kernels import generator
from neurosim.kernels.rules import weight_update
from neurosim.kernels.simd import WIDTH
from neurosim.network import Connection, Network, NetworkError, Weights

FRACTION_BITS = limits.Range(0, 8)
"""Bits a synapse keeps below its 8-bit mantissa, so that 8 to 16 bits are its whole state."""
BIAS_FRACTION_BITS = 8
SPREAD = isqrt((65536**2 - 1) // 3)
"""Standard deviation of the sum of four uniform 16-bit numbers."""


class Memory(NamedTuple):
    """What synapses and neurons keep between generations: all there is to resume from.

    synapses  int16 (source, neuron) a layer: mantissa and fraction bits
    biases    int32 (neuron,) a layer: bias mantissa and BIAS_FRACTION_BITS
    momentum  int32 (source, lane) a layer, or empty where none is kept
    """

    synapses: tuple[NDArray[np.int16], ...]
    biases: tuple[NDArray[np.int32], ...]
    momentum: tuple[NDArray[np.int32], ...]


def padded(neurons: int) -> int:
    """Lanes of a row: neurons, rounded up to whole vectors."""
    return -(-neurons // WIDTH) * WIDTH


def state_range(connection: Connection, fraction_bits: int) -> tuple[int, int]:
    """State whose rounding to a mantissa stays inside the register."""
    half = (1 << fraction_bits) >> 1
    low, high = connection.mantissa
    return low << fraction_bits, (high << fraction_bits) + max(half - 1, 0)


def initial_memory(
    network: Network, std: Sequence[int], *, seed: int, fraction_bits: int, momentum: bool
) -> Memory:
    """Normally distributed mantissas of standard deviation `std` (LSB, one a layer); biases 0.

    Drawn by the cores: the sum of four 16-bit numbers, scaled to the state's units.
    """
    synapses, biases, kept = [], [], []
    for index, (connection, layer) in enumerate(network.layers):
        sources, neurons = network.sizes[connection.source], layer.neurons
        words = np.zeros(sources * neurons, np.uint64)
        generator.draw_blocks(words, generator.INITIAL, index, 0, 0, np.uint64(seed))
        parts = words.view(np.uint16).reshape(-1, 4).astype(np.int64)
        centred = parts.sum(axis=1) - 2 * 65535
        low, high = state_range(connection, fraction_bits)
        state = (centred * (std[index] << fraction_bits)) // SPREAD
        synapses.append(np.clip(state, low, high).astype(np.int16).reshape(sources, neurons))
        biases.append(np.zeros(neurons, np.int32))
        if momentum:
            kept.append(np.zeros((sources, padded(neurons)), np.int32))
    return Memory(tuple(synapses), tuple(biases), tuple(kept))


def memory_of(weights: Weights, fraction_bits: int = 0, momentum: bool = False) -> Memory:
    """The state of synapses and biases that stands for exactly these weights, momentum at rest."""
    return Memory(
        tuple(one.astype(np.int16) << fraction_bits for one in weights.mantissas),
        tuple(one.astype(np.int32) << BIAS_FRACTION_BITS for one in weights.biases),
        tuple(np.zeros((len(one), padded(one.shape[1])), np.int32) for one in weights.mantissas)
        if momentum
        else (),
    )


def weights(memory: Memory, fraction_bits: int) -> Weights:
    """The weights as the cores use them: the state, rounded to the nearest mantissa."""
    mantissas = tuple(np.empty(state.shape, np.int8) for state in memory.synapses)
    for state, rounded in zip(memory.synapses, mantissas, strict=True):
        weight_update.round_states(np.ascontiguousarray(state), fraction_bits, rounded)
    bias_half = 1 << (BIAS_FRACTION_BITS - 1)
    return Weights(
        mantissas,
        tuple(
            ((state + bias_half) >> BIAS_FRACTION_BITS).astype(np.int16) for state in memory.biases
        ),
    )


def check_fraction_bits(fraction_bits: int) -> None:
    """Raise NetworkError unless a synapse can keep this many bits."""
    if fraction_bits not in FRACTION_BITS:
        raise NetworkError(
            f"fraction_bits is {fraction_bits}; "
            f"allowed are {FRACTION_BITS.low}..{FRACTION_BITS.high}"
        )
