"""Which samples does a generation see? Positions in an endless row of shuffled epochs.

Nothing is remembered: generation g takes positions g * n .. (g + 1) * n - 1 of the row, and epoch e
of the row is an order drawn from the counter generator, so that any generation can be made again.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels import counter_rng


@lru_cache(maxsize=4)
def epoch_order(count: int, epoch: int, seed: int) -> NDArray[np.int64]:
    """0 .. count - 1 in the order of one epoch."""
    words = np.zeros(count, np.uint64)
    counter_rng.draw_blocks(words, counter_rng.SHUFFLE, 0, 0, epoch, np.uint64(seed))
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
