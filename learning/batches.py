"""Batches: the training samples of a generation, and their offsets on the sensor, drawn from counters.

There is no state: generation g takes positions g * n .. (g + 1) * n - 1 of the row, and epoch e
of the row is an order drawn from the counter generator, so that any generation can be made again.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels import generator


@lru_cache(maxsize=4)
def epoch_order(count: int, epoch: int, seed: int) -> NDArray[np.int64]:
    """0 .. count - 1 in the order of one epoch."""
    words = np.zeros(count, np.uint64)
    generator.draw_blocks(words, generator.SHUFFLE, 0, 0, epoch, np.uint64(seed))
    return np.argsort(words, kind="stable")


def batch(count: int, generation: int, groups: int, size: int, seed: int) -> NDArray[np.int64]:
    """Sample numbers int64 (group, place) of a generation, out of `count` training samples."""
    positions = np.arange(groups * size, dtype=np.int64) + generation * groups * size
    epochs = positions // count
    samples = np.empty(groups * size, np.int64)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        samples[here] = epoch_order(count, int(epoch), seed)[positions[here] % count]
    return samples.reshape(groups, size)


def offsets(count: int, generation: int, shift: int, seed: int) -> NDArray[np.int64]:
    """Offsets of the samples of a generation: int64 (place, 2), pixels in -shift .. shift."""
    words = np.zeros(count, np.uint64)
    generator.draw_blocks(words, generator.MOVE, 0, 0, generation, np.uint64(seed))
    halves = words[:, None] >> np.array([0, 32], np.uint64) & np.uint64(0xFFFFFFFF)
    return (halves * np.uint64(2 * shift + 1) >> np.uint64(32)).astype(np.int64) - shift
