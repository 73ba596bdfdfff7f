"""How likely does the chip find a label? Log-softmax of integer scores by table and shift.

    z_c  = (score_c * multiplier) >> shift          base-2 logit, FRACTION fraction bits
    F    = z_label - log2(sum_c 2^z_c)              the same unit, never above 0

Powers and logarithms of two by a table of 2^FRACTION entries; the tables are made with whole-number
arithmetic, so that no floating point takes part. Paper section 3.3: fitness is the log-likelihood
under the softmax of the readout (spike rate there; or the membrane summed over time).
"""

from functools import cache
from math import isqrt

import numpy as np
from numba import int32, int64, uint64
from numpy.typing import NDArray

from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.lanes import bit_length

FRACTION = 10
"""Fraction bits of logits and log-likelihoods: one unit is 2^-10 bit."""
ONE = 16
"""Fraction bits of powers of two."""


def _roots(count: int, precision: int) -> list[int]:
    """2^(2^-1), 2^(2^-2) ... 2^(2^-count) with `precision` fraction bits."""
    value, roots = 2 << precision, []
    for _ in range(count):
        value = isqrt(value << precision)
        roots.append(value)
    return roots


def _power(fraction: int, precision: int = 96) -> int:
    """2^(fraction / 2^FRACTION) with `precision` fraction bits."""
    result = 1 << precision
    for bit, root in enumerate(_roots(FRACTION, precision)):
        if fraction >> (FRACTION - 1 - bit) & 1:
            result = result * root >> precision
    return result


@cache
def exp2_table() -> NDArray[np.int64]:
    """Entry i: 2^(-i / 2^FRACTION), rounded, with ONE fraction bits (i = 0 .. 2^FRACTION - 1)."""
    size, precision = 1 << FRACTION, 96
    return np.array(
        [
            ((_power((size - i) % size) >> (1 if i else 0)) + (1 << (precision - ONE - 1)))
            >> (precision - ONE)
            for i in range(size)
        ],
        np.int64,
    )


@cache
def log2_table() -> NDArray[np.int64]:
    """Entry i: log2(1 + i / 2^FRACTION), rounded down to FRACTION fraction bits."""
    size, precision = 1 << FRACTION, 96
    powers = [_power(i) for i in range(size)] + [2 << precision]
    table, place = [], 0
    for i in range(size):
        while powers[place + 1] <= (1 << precision) + (i << (precision - FRACTION)):
            place += 1
        table.append(place)
    return np.array(table, np.int64)


@inlined
def log2(x, logs):
    """log2 of a positive integer, FRACTION fraction bits, truncated mantissa."""
    whole = bit_length(uint64(x)) - 1
    mantissa = x - (int64(1) << whole)
    if whole > FRACTION:
        mantissa >>= whole - FRACTION
    else:
        mantissa <<= FRACTION - whole
    return (whole << FRACTION) + logs[mantissa]


@inlined
def _power_below(below, powers):
    """2^-below with ONE fraction bits, for a logit `below` the largest."""
    whole = below >> FRACTION
    if whole > ONE:
        return int64(0)
    return powers[below & ((1 << FRACTION) - 1)] >> whole


@inlined
def _partition(scores, offset, classes, multiplier, shift, powers):
    """The largest logit, and the sum over classes of 2^(logit - largest)."""
    top = (int64(scores[offset]) * multiplier) >> shift
    for index in range(1, classes):
        top = max(top, (int64(scores[offset + index]) * multiplier) >> shift)
    total = int64(0)
    for index in range(classes):
        total += _power_below(top - ((int64(scores[offset + index]) * multiplier) >> shift), powers)
    return top, total


@inlined
def log_likelihood(scores, offset, classes, label, multiplier, shift, powers, logs):
    """F of `label` for int32 scores at `offset` of a flat array, in units of 2^-FRACTION bit."""
    top, total = _partition(scores, offset, classes, multiplier, shift, powers)
    mine = (int64(scores[offset + label]) * multiplier) >> shift
    return mine - top - (log2(total, logs) - (ONE << FRACTION))


@kernel
def softmax_errors(
    scores, offset, classes, label, multiplier, shift, powers, one, errors, errors_at
):  # fmt: skip
    """Write one * (1 where the class is the label, else 0) - one * softmax to int32 `errors`."""
    top, total = _partition(scores, offset, classes, multiplier, shift, powers)
    for index in range(classes):
        power = _power_below(top - ((int64(scores[offset + index]) * multiplier) >> shift), powers)
        wanted = one if index == label else 0
        errors[errors_at + index] = int32(wanted - (2 * one * power + total) // (2 * total))
