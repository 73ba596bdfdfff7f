"""What was a direction worth? One small integer, from the fitness of the members of its group.

    antithetic  d = fitness of +E less that of -E                            one direction a pair
    one-sided   d = a member's fitness less the mean of the others' fitness  one direction a member

    scaled  f = d / mean |d| * 32, no further than ±127
    rank    f = the same of centred ranks among the members that saw the same samples, at most ±127
    sign    f = sign of d

The paper ranks (section 3.2); a graded f keeps how much better a member was, which counts when the
members of a pair differ little. A mean that leaves the member out does not depend on its noise, so the
estimate has no bias (Kool et al., "Buy 4 REINFORCE samples, get a baseline for free!", 2019). All are
whole numbers.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

LARGEST = 127
"""f is an int8: what one direction sends to every core."""
MEAN = 32
"""Where `scaled` puts the mean difference: four standard deviations then fit, chosen here."""


def coefficients(
    fitness: NDArray[np.int64],
    groups: int,
    shaping: Literal["scaled", "rank", "sign"],
    estimator: Literal["antithetic", "one-sided"],
) -> NDArray[np.int8]:
    """f int8 (direction,) from fitness int64 (pair, member); `groups` groups of pairs, in order."""
    members = fitness.reshape(groups, -1)
    count = members.shape[1]
    if shaping == "rank":
        members = np.array([_doubled_ranks(group) for group in members])
    if estimator == "antithetic":
        utilities, largest_rank = members[:, ::2] - members[:, 1::2], 2 * (count - 1)
    else:
        utilities, largest_rank = left_out(members), count * (count - 1)
        utilities[:, 1::2] *= -1  # the second member of a pair took its noise with a minus sign
    utilities = utilities.reshape(-1)
    if shaping == "sign":
        return np.sign(utilities).astype(np.int8)
    if shaping == "rank":
        return _divide(utilities * LARGEST, largest_rank).astype(np.int8)
    return _scaled(utilities)


def left_out(members: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fitness (group, member) less the mean of the other members of the group, times their number."""
    return members * members.shape[1] - members.sum(axis=1, keepdims=True)


def _doubled_ranks(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Twice the rank of each member, and one; equal fitness shares its rank."""
    flat = np.sort(group)
    return np.searchsorted(flat, group, "left") + np.searchsorted(flat, group, "right")


def _scaled(utilities: NDArray[np.int64]) -> NDArray[np.int8]:
    """Multiples of mean |worth| / MEAN, rounded as by `_divide`: how many of 127 borders |worth| reaches.

    Sum and product could pass 64 bits: the borders are worked out in Python's integers.
    """
    size = np.abs(utilities)
    total = (int((size >> 32).sum()) << 32) + int((size & 0xFFFFFFFF).sum())
    if total == 0:
        return np.zeros(len(utilities), np.int8)
    twice = 2 * MEAN * len(utilities)
    borders = [-(-(2 * f - 1) * total // twice) for f in range(1, LARGEST + 1)]
    reached = np.searchsorted(np.array(borders, np.int64), size, "right")
    return (np.sign(utilities) * reached).astype(np.int8)


def _divide(value: NDArray[np.int64], by: int) -> NDArray[np.int64]:
    """Quotient rounded to nearest, halves away from zero: symmetric, so that pairs stay antithetic."""
    return np.sign(value) * ((2 * np.abs(value) + by) // (2 * by))
