"""Readout: log-softmax of integer scores by table and shift.

    z_c  = (score_c * multiplier) >> shift          base-2 logit, FRACTION fraction bits
    F    = z_label - log2(sum_c 2^z_c)              the same unit, never above 0

Powers and logarithms of two use tables of 2^FRACTION entries, which are made in integer arithmetic, without
floating point. Paper section 3.3: fitness is the log-likelihood
under the softmax of the readout (spike rate there; or the membrane summed over time).
"""

from functools import cache
from math import isqrt

import numpy as np
from numba import int32, int64, uint64
from numpy.typing import NDArray

from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.simd import bit_length

FRACTION = 10
"""Fraction bits of logits and log-likelihoods: one unit is 2^-10 bit."""
ONE = 16
"""Fraction bits of powers of two."""
COST_BITS = 6
"""Fraction bits of the cost of a spike below those of a log-likelihood: its unit is 2^-16 bit."""


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
def softmax(scores, lanes, classes, multiplier, shift, powers, logits, tops, totals):
    """Write the parts of the softmax that all classes share, for one trial per lane.

    scores  int64 (class, lane), flat
    logits  int64 (class, lane), flat, written
    tops    int64 (lane,), written: the largest logit
    totals  int64 (lane,), written: the sum over classes of 2^(logit - largest), ONE fraction bits
    """
    for lane in range(lanes):
        logit = (int64(scores[lane]) * multiplier) >> shift
        logits[lane], tops[lane], totals[lane] = logit, logit, 0
    for index in range(lanes, classes * lanes, lanes):
        for lane in range(lanes):
            logit = (int64(scores[index + lane]) * multiplier) >> shift
            logits[index + lane] = logit
            tops[lane] = max(tops[lane], logit)
    for index in range(0, classes * lanes, lanes):
        for lane in range(lanes):
            totals[lane] += _power_below(tops[lane] - logits[index + lane], powers)


@inlined
def log_likelihood(logits, lanes, lane, label, tops, totals, logs):
    """F of `label` in units of 2^-FRACTION bit, for a lane of `softmax`."""
    mine = logits[label * lanes + lane]
    return mine - tops[lane] - (log2(totals[lane], logs) - (ONE << FRACTION))


@kernel
def softmax_errors(
    logits, lanes, lane, classes, label, tops, totals, powers, one, errors, errors_at
):
    """Write one * (1 where the class is the label, else 0) - one * softmax to int32 `errors`.

    Of a lane of `softmax`, one for each class from `errors_at` on.
    """
    for index in range(classes):
        power = _power_below(tops[lane] - logits[index * lanes + lane], powers)
        wanted = one if index == label else 0
        total = totals[lane]
        errors[errors_at + index] = int32(wanted - (2 * one * power + total) // (2 * total))
