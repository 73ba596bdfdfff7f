"""Resampling of grey images by exact fractions: area averages to shrink, linear interpolation to enlarge.

    out[i, j] = sum_r sum_c rows.weight[i, r] columns.weight[j, c] image[r, c] / (rows.total columns.total)

rounded to the nearest integer, halves up. All numbers are integers: 255 * total * total < 2^63.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels.compilation import kernel


class Axis(NamedTuple):
    """The pixels of one axis of an image that make up each pixel of the result, and their weights.

    first   int64 (pixel,)       first pixel that counts      weight  int64 (pixel, tap), >= 0
    total   int64                sum of every row of weights
    """

    first: NDArray[np.int64]
    weight: NDArray[np.int64]
    total: int


@kernel
def resample(image, rows, columns, out):
    """Write `image`, uint8 (height, width), to `out`, uint8 (rows, columns)."""
    high = image.shape[0]
    middle = np.zeros((high, out.shape[1]), np.int64)
    for i in range(high):
        for j in range(out.shape[1]):
            first = columns.first[j]
            for tap in range(min(columns.weight.shape[1], image.shape[1] - first)):
                middle[i, j] += columns.weight[j, tap] * np.int64(image[i, first + tap])
    total = rows.total * columns.total
    for i in range(out.shape[0]):
        first = rows.first[i]
        for j in range(out.shape[1]):
            value = total >> 1
            for tap in range(min(rows.weight.shape[1], high - first)):
                value += rows.weight[i, tap] * middle[first + tap, j]
            out[i, j] = value // total
