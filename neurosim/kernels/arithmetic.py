"""How does a register decay, and what happens at its edge?

    D(x, d) = sign(x) * ((|x| * (4096 - d)) >> 12)          towards zero
    x       = -LIMIT where x < -LIMIT,  LIMIT where x > LIMIT

The product needs 35 bits. (4096 - d) = multiplier << zeros, so (|x| * multiplier) >> (12 - zeros)
is the same number, and fits 31 bits for every |x| <= LIMIT where multiplier < 256: each decay that is a
multiple of 16. Otherwise |x| is multiplied in two parts, |x| = high << 12 | low, exactly.
"""

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


@kernel
def decay_towards_zero(x, multiplier, shift):
    """D(x) for sixteen registers; `multiplier` and `shift` are the scalars of `decay_factors`."""
    zero = splat(int32(0))
    negative = zero > x
    size = select(negative, zero - x, x)
    if multiplier < ONE_PRODUCT:
        kept = shift_right(size * splat(multiplier), splat(shift))
    else:
        high = shift_right(size, splat(int32(HIGH_SHIFT)))
        low = size & splat(int32(LOW_MASK))
        # |x| * m >> s with s <= 12: the high part loses nothing, the low part fits 24 bits
        kept = high * splat(int32(multiplier << int32(HIGH_SHIFT - shift)))
        kept = kept + shift_right(low * splat(multiplier), splat(shift))
    return select(negative, zero - kept, kept)


@kernel
def saturate(x):
    """x, or the nearest of ±LIMIT."""
    top = splat(int32(LIMIT))
    bottom = splat(int32(-LIMIT))
    x = select(x > top, top, x)
    return select(bottom > x, bottom, x)
