"""Errors of hidden layers, from readouts and from the layers above, and the delta rule of local readouts.

E_j    = clip(sum over connections of (returned_j * multiplier) >> MULTIPLIER_BITS)
trace  = sum over spikes of kernel[t]       kernel[t]: contribution of a spike in step t to a readout's sum
sums[row of j, c] += trace_j * err_c        the delta rule, of readouts that may share rows
"""

import numpy as np
from numba import int32, int64
from numpy.typing import NDArray

from neurosim import limits
from neurosim.kernels.compilation import kernel
from neurosim.kernels.rules.delta import SPIKE, TRACE_SHIFT
from neurosim.kernels.simd import WIDTH, load, pointer, splat, store

MULTIPLIER_BITS = 16
ERROR_EDGE = (1 << 15) - 1
"""Errors of neurons stay within 16 bits."""


def trace_kernel(decay_u: int, decay_v: int, steps: int) -> NDArray[np.int32]:
    """Contribution of a spike in each step to a trace: int32 (step,). Effective decays, 0..4096."""
    sums = []
    current, filtered, total = 0, 0, 0
    for age in range(steps):
        current = (current * (limits.DECAY_ONE - decay_u) >> limits.DECAY_BITS) + SPIKE * (age == 0)
        filtered = (filtered * (limits.DECAY_ONE - decay_v) >> limits.DECAY_BITS) + current
        total += filtered
        sums.append(total >> TRACE_SHIFT)
    return np.array(sums[::-1], np.int32)


@kernel
def join_errors(begin, end, sent_array, multiplier, first, errors_array):
    """Add the errors that one connection returns, int32 (trial, lane); those of the first are written.

    Kept within ±ERROR_EDGE after each, in the order of the connections.
    """
    sent, errors = pointer(sent_array), pointer(errors_array)
    lanes = errors_array.shape[1]
    for place in range(begin * lanes, end * lanes):
        value = (int64(sent[place]) * multiplier) >> MULTIPLIER_BITS
        if not first:
            value += int64(errors[place])
        errors[place] = int32(min(max(value, -ERROR_EDGE), ERROR_EDGE))


@kernel
def layer_delta(begin, end, traces_array, errors_array, rows_array, sums_array):
    """Add to int32 sums (row, lane) trace int32 (trial, source lane) times error int32 (trial, lane).

    rows  int32 (source,): the row of each source
    """
    traces, errors, sums = pointer(traces_array), pointer(errors_array), pointer(sums_array)
    rows = pointer(rows_array)
    sources, lanes = traces_array.shape[1], errors_array.shape[1]
    for trial in range(begin, end):
        for first in range(0, lanes, WIDTH):
            error = load(errors, trial * lanes + first)
            for source in range(rows_array.size):
                trace = traces[trial * sources + source]
                if trace != 0:
                    to = int64(rows[source]) * lanes + first
                    store(sums, to, load(sums, to) + error * splat(int32(trace)))


@kernel
def bias_terms(begin, end, steps, terms_array, sums_array):
    """Write the terms int16 (trial, step, lane) of each lane, added up, to int32 sums (lane,)."""
    terms, sums = pointer(terms_array), pointer(sums_array)
    lanes = sums_array.size
    for first in range(0, lanes, WIDTH):
        total = splat(int32(0))
        for row in range(begin * steps, end * steps):
            total = total + load(terms, row * lanes + first)
        store(sums, first, total)
