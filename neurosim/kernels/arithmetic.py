"""How does a register decay, and what happens at its edge?

    D(x, d) = sign(x) * ((|x| * (4096 - d)) >> 12)          towards zero
    x       = -LIMIT where x < -LIMIT,  LIMIT where x > LIMIT

The product needs 35 bits. (4096 - d) = multiplier << zeros, so (|x| * multiplier) >> (12 - zeros)
is the same number, and fits 31 bits for every |x| <= LIMIT where multiplier < 256: each decay that is a
multiple of 16. Otherwise |x| is multiplied in two parts, |x| = high << 12 | low, exactly.
"""

from typing import Any, NamedTuple

from numba import int32

from neurosim import limits
from neurosim.kernels.compilation import kernel
from neurosim.kernels.lanes import select, shift_right, splat

ONE_PRODUCT = 256
"""Multipliers below this keep |x| * multiplier under 2^31 for 24-bit registers."""
LIMIT = limits.STATE_MAX
HIGH_SHIFT = limits.DECAY_BITS
LOW_MASK = limits.DECAY_ONE - 1


def decay_factors(decay: int) -> tuple[int, int]:
    """(multiplier, shift) for a decay 0..4096: D(x) = sign(x) * ((|x| * multiplier) >> shift)."""
    kept = limits.DECAY_ONE - decay
    if kept == 0:
        return 0, 0
    zeros = min((kept & -kept).bit_length() - 1, limits.DECAY_BITS)
    return kept >> zeros, limits.DECAY_BITS - zeros


class Decay(NamedTuple):
    """`decay_factors` as lanes, made once and used in every step."""

    forgets: bool  # D(x) = 0
    wide: bool  # |x| is multiplied in two parts
    multiplier: Any
    shift: Any
    below: Any  # 2^shift - 1
    high_multiplier: Any


@kernel
def prepare_decay(multiplier, shift):
    """The `Decay` of a multiplier and shift of `decay_factors` (int32)."""
    # |x| * m >> s with s <= 12: the high part of |x| loses nothing when shifted
    return Decay(
        multiplier == 0,
        multiplier >= ONE_PRODUCT,
        splat(multiplier),
        splat(shift),
        splat(int32((int32(1) << shift) - int32(1))),
        splat(int32(multiplier << int32(HIGH_SHIFT - shift))),
    )


@kernel
def decay_towards_zero(x, decay):
    """D(x) for sixteen registers."""
    zero = splat(int32(0))
    negative = zero > x
    if not decay.wide:
        # a shift rounds down; what 2^shift - 1 is added to first, it rounds up
        product = x * decay.multiplier
        return shift_right(select(negative, product + decay.below, product), decay.shift)
    size = select(negative, zero - x, x)
    low = size & splat(int32(LOW_MASK))
    high = shift_right(size, splat(int32(HIGH_SHIFT)))
    kept = high * decay.high_multiplier + shift_right(low * decay.multiplier, decay.shift)
    return select(negative, zero - kept, kept)


@kernel
def decay_unless(spiked, x, decay):
    """D(x), 0 in the lanes that `spiked` (x >= 0 there), of decays by one product (not `decay.wide`).

    One instruction resets and multiplies.
    """
    zero = splat(int32(0))
    product = select(spiked, zero, x * decay.multiplier)
    return shift_right(select(zero > x, product + decay.below, product), decay.shift)


@kernel
def saturate(x):
    """x, or the nearest of ±LIMIT."""
    top = splat(int32(LIMIT))
    bottom = splat(int32(-LIMIT))
    x = select(x > top, top, x)
    return select(bottom > x, bottom, x)
