"""What was a pair worth? One small integer a pair, from the fitness of its two members.

    scaled  f = difference / mean |difference| * 32, no further than ±127
    rank    f = centred rank of +E minus that of -E, among the members that saw the same samples
    sign    f = sign of the difference

The paper ranks (section 3.2); a graded f keeps how much better a member was, which counts when the
members of a pair differ little. Everything is whole numbers.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

LARGEST = 127
"""f is an int8: what one pair sends to every core."""
MEAN = 32
"""Where `scaled` puts the mean difference: four standard deviations then fit, chosen here."""


def coefficients(
    fitness: NDArray[np.int64], groups: int, shaping: Literal["scaled", "rank", "sign"]
) -> NDArray[np.int8]:
    """f int8 (pair,) from fitness int64 (pair, member); `groups` groups of pairs, in order."""
    difference = fitness[:, 0] - fitness[:, 1]
    if shaping == "sign":
        return np.sign(difference).astype(np.int8)
    if shaping == "rank":
        difference = np.concatenate([_rank_difference(part) for part in np.split(fitness, groups)])
        return _divide(difference * LARGEST, _most(fitness.shape[0] // groups)).astype(np.int8)
    total = int(np.abs(difference).sum())
    if total == 0:
        return np.zeros(len(difference), np.int8)
    scaled = _divide(difference * (MEAN * len(difference)), total)
    return np.clip(scaled, -LARGEST, LARGEST).astype(np.int8)


def _most(pairs: int) -> int:
    """Largest difference of doubled ranks among 2 * pairs members."""
    return 2 * (2 * pairs - 1)


def _rank_difference(fitness: NDArray[np.int64]) -> NDArray[np.int64]:
    """Twice the difference of ranks of the members of each pair; equal fitness shares its rank."""
    flat = np.sort(fitness, axis=None)
    doubled = np.searchsorted(flat, fitness, "left") + np.searchsorted(flat, fitness, "right")
    return (doubled[:, 0] - doubled[:, 1]).astype(np.int64)


def _divide(value: NDArray[np.int64], by: int) -> NDArray[np.int64]:
    """Quotient rounded to nearest, halves away from zero: symmetric, so that pairs stay antithetic."""
    return np.sign(value) * ((2 * np.abs(value) + by) // (2 * by))
