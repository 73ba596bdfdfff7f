"""Counter-based random generator Philox4x32-10: a pure function of a counter and the seed of the run.

    bits(block | stream, layer | direction | generation ; seed)        four 32-bit words per block

Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; the constants are
those of Random123. A generator without state can draw the same noise twice: once to evaluate a
perturbation, once to add it to the weights, on any core, in any order.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import int64, uint64

from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.simd import (
    WORDS,
    pointer,
    shift_words_left,
    shift_words_right,
    splat_words,
    store_interleaved,
    word_index,
)

ROUNDS = 10
MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
LOW = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
LAYER_BITS = np.uint64(16)
SIX, SINGLE, NOTHING, ALL = np.uint64(6), np.uint64(1), np.uint64(0), np.uint64(2**64 - 1)

# Streams, one per purpose. The second counter word is `stream << 16 | layer`.
(
    OUTPUT_FACTOR,
    INPUT_FACTOR,
    BIAS,
    FULL_RANK,
    ROUNDING,
    BIAS_ROUNDING,
    INITIAL,
    SHUFFLE,
    CAMERA,
    ALIGNED,
    MOVE,
) = (np.int64(stream) for stream in range(11))
"""A and B of a low-rank perturbation, the bias noise, a full-rank perturbation, the stochastic
rounding of synapses and of biases, the initial weights, the order of samples, the event camera,
the noise of event-aligned perturbations, and the shifts of samples. Typed, because a literal would compile
the callee once more."""


@kernel
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Four uint64 holding 32 random bits each, from four counter words and two key words (uint64)."""
    for _ in range(ROUNDS):
        p0 = MULTIPLIER_0 * c0
        p1 = MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
        k0 = (k0 + WEYL_0) & LOW
        k1 = (k1 + WEYL_1) & LOW
    return c0, c1, c2, c3


@kernel
def philox4x32_lanes(c0, c1, c2, c3, k0, k1):
    """`philox4x32` of eight counters (words of lanes) and one key (uint64).

    The inputs have no bits above the lowest 32, so that 32-bit products can be used.
    """
    low, half = splat_words(LOW), splat_words(HALF)
    for _ in range(ROUNDS):
        p0 = splat_words(MULTIPLIER_0) * (c0 & low)
        p1 = splat_words(MULTIPLIER_1) * (c2 & low)
        c0 = shift_words_right(p1, half) ^ c1 ^ splat_words(k0)
        c2 = shift_words_right(p0, half) ^ c3 ^ splat_words(k1)
        c1, c3 = p1 & low, p0 & low
        k0 = (k0 + WEYL_0) & LOW
        k1 = (k1 + WEYL_1) & LOW
    return c0, c1, c2, c3


def stuck_code(bit: int, value: int) -> int:
    """Increment of a generation's word so that bit 0..63 of every 64-bit word drawn is stuck at `value`.

    The counter takes the lower half of that word; the upper half is 0 for a generator without a fault.
    """
    return ((1 + value) << 6 | bit) << 32


@kernel
def lane_words(lanes):
    """Words that hold one bit for each of `lanes`: whole blocks of 128 bits, as the generator draws them."""
    return ((lanes + 127) >> 7) << 1


class Field(NamedTuple):
    """What the words of a field are a function of, beside their place in it.

    stream      its purpose, one of those above
    number      of the layer or parameter, 16 bits
    direction, generation  32 bits; the upper half of the latter may hold `stuck_code`
    seed        uint64, of the run
    """

    stream: Any
    number: int
    direction: int
    generation: int
    seed: np.uint64


@inlined
def field_of(first, stream, further):
    """The field of a stream, and of the direction that is `further` than that of another one."""
    direction = int64(first.direction + further)
    return Field(stream, first.number, direction, first.generation, first.seed)


@kernel
def draw_words(out, offset, first, count, field):
    """Write 64-bit words `first` .. `first + count - 1` of one noise field to the flat array `out`.

    Words 2b and 2b + 1 are block b; `first` is even. `out` is uint64, C-contiguous.
    """
    what = ((uint64(field.stream) << LAYER_BITS) | uint64(field.number)) & LOW
    who, when = uint64(field.direction) & LOW, uint64(field.generation) & LOW
    k0 = uint64(field.seed) & LOW
    k1 = uint64(field.seed) >> HALF
    code = uint64(field.generation) >> HALF
    bit = SINGLE << (code & uint64(63))
    keep = ~bit if code >> SIX == SINGLE else ALL
    put = bit if code >> SIX > SINGLE else NOTHING
    elements = pointer(out)
    half = splat_words(HALF)
    if 0 < count <= 2:
        w0, w1, w2, w3 = philox4x32(uint64(first >> 1) & LOW, what, who, when, k0, k1)
        out[offset] = (w0 | (w1 << HALF)) & keep | put
        if count == 2:
            out[offset + 1] = (w2 | (w3 << HALF)) & keep | put
        return
    for word in range(0, count, 2 * WORDS):
        w0, w1, w2, w3 = philox4x32_lanes(
            splat_words(uint64((first + word) >> 1)) + word_index(),
            splat_words(what),
            splat_words(who),
            splat_words(when),
            k0,
            k1,
        )
        store_interleaved(
            elements,
            offset + word,
            (w0 | shift_words_left(w1, half)) & splat_words(keep) | splat_words(put),
            (w2 | shift_words_left(w3, half)) & splat_words(keep) | splat_words(put),
            count - word,
        )


@kernel
def draw_blocks(out, stream, layer, direction, generation, seed):
    """Fill all of the one-dimensional uint64 array `out` with the words of one noise field."""
    field = Field(stream, layer, direction, generation, seed)
    draw_words(out, np.int64(0), np.int64(0), np.int64(out.size), field)
