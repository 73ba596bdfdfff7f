"""Splits of a data set: a shuffle independent of library versions, and a test split where there is none."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.kernels import generator

VALIDATION_SHARE = 10
"""One training sample in ten: the paper's 6,000 of 60,000."""
TEST_SHARE = 5
"""One sample in five of each class where a data set comes without a test split: chosen here."""

_SPLIT_LAYER = 0x5117
_TEST_LAYER = 0x5118
"""Layer words of the shuffles that split, so that they share no bits with shuffles made in training."""


def split_note(share: int = TEST_SHARE) -> str:
    """Message for the user on a test split that was made here."""
    return f"no test split: one in {share} samples of each class is kept for the test"


def shuffled(count: int, seed: int, layer: int = _SPLIT_LAYER) -> NDArray[np.int64]:
    """0..count-1 in an order that depends on `seed` alone, not on a library's version."""
    words = np.empty(count, np.uint64)
    generator.draw_blocks(words, generator.SHUFFLE, layer, 0, 0, np.uint64(seed))
    return np.argsort(words, kind="stable")


def held_out(labels: ArrayLike, share: int = TEST_SHARE) -> NDArray[np.bool_]:
    """Samples of the test split: one in `share` of each class, at least one where a class has two.
    Where no class has two, one in `share` of all, at least one.

    The choice depends on the labels alone, not on the seed of a run.
    """
    array = np.asarray(labels)
    order = shuffled(len(array), 0, _TEST_LAYER)
    by_class = order[np.argsort(array[order], kind="stable")]
    _, first, count = np.unique(array[by_class], return_index=True, return_counts=True)
    chosen = np.zeros(len(array), np.bool_)
    if not len(array):
        return chosen
    for begin, size in zip(first, count, strict=True):
        taken = max(size // share, int(size > 1))
        chosen[by_class[begin : begin + taken]] = True
    if len(array) > 1 and not chosen.any():
        chosen[order[: max(1, len(array) // share)]] = True
    return chosen
