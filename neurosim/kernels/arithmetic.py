"""Register arithmetic: decay that truncates towards zero, and saturation.

    D(x, d) = sign(x) * ((|x| * (4096 - d)) >> 12)          towards zero
    x       = -LIMIT where x < -LIMIT,  LIMIT where x > LIMIT

The product needs 35 bits. (4096 - d) = multiplier << zeros, so (|x| * multiplier) >> (12 - zeros)
is the same number, and fits 31 bits for every |x| <= LIMIT where multiplier < 256: each decay that is a
multiple of 16. Otherwise |x| is multiplied in two parts, |x| = high << 12 | low, exactly.

A shift rounds down. Below zero it rounds up if 2^shift - 1 is added first: `shift` ones, which are the
highest `shift` bits of such an x, as those of the others are zeros.
"""

from typing import Any, NamedTuple

from numba import int32

from neurosim import limits
from neurosim.kernels.compilation import kernel
from neurosim.kernels.simd import select, shift_right, shift_right_unsigned, splat, spread

ONE_PRODUCT = 256
"""Multipliers below this keep |x| * multiplier under 2^31 for 24-bit registers."""
SIGN_BITS = 32 - limits.STATE_BITS
"""Highest bits of a 24-bit register in 32 bits, all copies of its sign."""
LIMIT = limits.STATE_MAX
HIGH_SHIFT = limits.DECAY_BITS
LOW_MASK = limits.DECAY_ONE - 1


def decay_factors(decay: int) -> tuple[int, int]:
    """(multiplier, shift) for a decay 0..4096: D(x) = sign(x) * ((|x| * multiplier) >> shift); shift >= 1."""
    kept = limits.DECAY_ONE - decay
    if kept == 0:
        return 0, 1
    zeros = min((kept & -kept).bit_length(), limits.DECAY_BITS) - 1
    return kept >> zeros, limits.DECAY_BITS - zeros


class Decay(NamedTuple):
    """`decay_factors` as lanes, made once and used in every step."""

    forgets: bool  # D(x) = 0
    wide: bool  # |x| is multiplied in two parts
    multiplier: Any
    shift: Any
    rest: Any  # 32 - shift
    high_multiplier: Any


@kernel
def takes_one_product(multiplier, shift):
    """Whether `decay_by_one_product` is exact for these `decay_factors`: for multiples of 16 it is."""
    return multiplier < ONE_PRODUCT and shift <= SIGN_BITS


@kernel
def prepare_decay(multiplier, shift):
    """The `Decay` of a multiplier and shift of `decay_factors` (int32)."""
    # |x| * m >> s with s <= 12: the high part of |x| loses nothing when shifted
    return Decay(
        multiplier == 0,
        not takes_one_product(multiplier, shift),
        splat(multiplier),
        splat(shift),
        splat(int32(32 - shift)),
        splat(int32(multiplier << int32(HIGH_SHIFT - shift))),
    )


@kernel
def prepare_own_decays(kept):
    """The `Decay` of sixteen registers with decays of their own: lanes of 4096 - decay, 0..4096."""
    return Decay(
        bool(0), bool(1), kept, splat(int32(HIGH_SHIFT)), splat(int32(32 - HIGH_SHIFT)), kept
    )


@kernel
def decay_by_one_product(x, decay):
    """D(x) for sixteen registers, of a decay that is not `wide`."""
    below = shift_right_unsigned(x, decay.rest)
    return shift_right(x * decay.multiplier + below, decay.shift)


@kernel
def decay_towards_zero(x, decay):
    """D(x) for sixteen registers."""
    if not decay.wide:
        return decay_by_one_product(x, decay)
    zero = splat(int32(0))
    negative = zero > x
    size = select(negative, zero - x, x)
    low = size & splat(int32(LOW_MASK))
    high = shift_right(size, splat(int32(HIGH_SHIFT)))
    kept = high * decay.high_multiplier + shift_right(low * decay.multiplier, decay.shift)
    return select(negative, zero - kept, kept)


@kernel
def decayed(x, decay):
    """D(x, decay) for a decay 0..4096 that was not prepared: sixteen registers, or an integer below 2^24."""
    zero, shift = spread(0, x), spread(HIGH_SHIFT, x)
    kept = spread(limits.DECAY_ONE - decay, x)
    negative = zero > x
    size = select(negative, zero - x, x)
    low = shift_right((size & spread(LOW_MASK, x)) * kept, shift)
    size = shift_right(size, shift) * kept + low
    return select(negative, zero - size, size)


@kernel
def saturate(x):
    """x, or the nearest of ±LIMIT: sixteen registers, or an integer."""
    top = spread(LIMIT, x)
    bottom = spread(-LIMIT, x)
    x = select(x > top, top, x)
    return select(bottom > x, bottom, x)
