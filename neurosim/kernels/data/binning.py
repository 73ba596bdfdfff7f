"""In which time bin, and at which input, does an event land?

    step  = min(t * steps // window, steps - 1)
    input = (p * (height // pool) + y // pool) * (width // pool) + x // pool

Both are whole numbers, so every event lands in exactly one cell. Arrays: t int64 (event,), x, y, p
uint8 (event,), start int64 (sample + 1,): sample i owns events start[i] .. start[i + 1] - 1.
"""

import numpy as np

from neurosim.kernels.compilation import kernel


@kernel
def step_of(t, steps, window):
    """Bin of an event at time t (int64 us); events after the window belong to the last bin."""
    return min(t * steps // window, steps - 1)


@kernel
def input_of(x, y, p, height, width, pool):
    """Input that the event at (x, y) with polarity p drives."""
    return (np.int64(p) * (height // pool) + np.int64(y) // pool) * (width // pool) + (
        np.int64(x) // pool
    )


@kernel
def set_bit(row, index):
    """Set bit `index` of a row of uint64 words."""
    row[index >> 6] |= np.uint64(1) << np.uint64(index & 63)


@kernel
def count_events(t, x, y, p, height, width, pool, window, counts):
    """Add the events of one recording to counts, int32 (step, input)."""
    steps = counts.shape[0]
    for i in range(t.shape[0]):
        counts[step_of(t[i], steps, window), input_of(x[i], y[i], p[i], height, width, pool)] += 1


@kernel
def mark_events(t, x, y, p, first, last, height, width, pool, window, bits):
    """Set the bit of every event first..last-1 in bits, uint64 (step, word), zero before."""
    steps = bits.shape[0]
    for i in range(first, last):
        set_bit(bits[step_of(t[i], steps, window)], input_of(x[i], y[i], p[i], height, width, pool))


@kernel
def mark_recordings(t, x, y, p, start, begin, end, height, width, pool, window, bits):
    """mark_events for samples `begin` .. `end` - 1 of bits, uint64 (sample, step, word)."""
    for i in range(begin, end):
        mark_events(t, x, y, p, start[i], start[i + 1], height, width, pool, window, bits[i])
