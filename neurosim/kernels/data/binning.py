"""Binning of events: the time step and the input of each event.

    step  = min(t * steps // window, steps - 1)
    input = (p * rows + row[y]) * columns + column[x]

Both are integers, so every event is counted in exactly one cell, or in none where its row or column is
outside the plane (-1).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels.compilation import kernel


class Cells(NamedTuple):
    """Maps from the rows and columns of a sensor to the cells of a plane.

    row, column   int64 (height,), (width,), -1 for none     rows, columns   int64, cells of the plane
    """

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    rows: int
    columns: int


@kernel
def step_of(t, steps, window):
    """Bin of an event at time t (int64 us); events after the window belong to the last bin."""
    return min(t * steps // window, steps - 1)


@kernel
def input_of(x, y, p, cells):
    """Input that the event at (x, y) with polarity p drives, or -1."""
    row, column = cells.row[y], cells.column[x]
    if row < 0 or column < 0:
        return np.int64(-1)
    return (np.int64(p) * cells.rows + row) * cells.columns + column


@kernel
def set_bit(row, index):
    """Set bit `index` of a row of uint64 words."""
    row[index >> 6] |= np.uint64(1) << np.uint64(index & 63)


@kernel
def count_events(step, x, y, p, cells, counts):
    """Add the events of one recording to counts, int32 (step, input).

    step   int64 (event,)      x, y  uint16 (event,)      p  uint8 (event,)
    """
    for i in range(step.shape[0]):
        at = input_of(x[i], y[i], p[i], cells)
        if at >= 0:
            counts[step[i], at] += 1


@kernel
def mark_events(step, x, y, p, cells, bits):
    """Set the bit of every event in bits, uint64 (step, word), zero before; arrays as in count_events."""
    for i in range(step.shape[0]):
        at = input_of(x[i], y[i], p[i], cells)
        if at >= 0:
            set_bit(bits[step[i]], at)


@kernel
def mark_plane(t, x, y, p, count, cells, window, bits):
    """mark_events of the first `count` events, in any order, with times instead of steps."""
    steps = bits.shape[0]
    for i in range(count):
        at = input_of(x[i], y[i], p[i], cells)
        if at >= 0:
            set_bit(bits[step_of(t[i], steps, window)], at)
