"""Fitness shaping: the int8 coefficient of each direction, from the fitness of the members of its group.

    antithetic  d = fitness of +E less that of -E                            one direction a pair
    one-sided   d = a member's fitness less the mean of the others' fitness  one direction a member

    scaled  f = d / mean |d| * 32, clipped to ±127
    rank    f = the same of centred ranks among the members with the same samples, clipped to ±127
    sign    f = sign of d

The paper uses ranks (section 3.2); `scaled` keeps the size of a difference, which matters when the members
of a pair differ little. A mean that leaves the member out does not depend on its noise, so the estimate is
unbiased (Kool et al., "Buy 4 REINFORCE samples, get a baseline for free!", 2019). All are integers.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

LARGEST = 127
"""Largest |f|: a coefficient is an int8."""
MEAN = 32
"""Coefficient of the mean difference; chosen here, because four standard deviations then fit an int8."""


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
    """Fitness (group, member) minus the mean of the other members of the group, times their number."""
    return members * members.shape[1] - members.sum(axis=1, keepdims=True)


def _doubled_ranks(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Twice the rank of each member, plus one; members of equal fitness share the mean rank."""
    flat = np.sort(group)
    return np.searchsorted(flat, group, "left") + np.searchsorted(flat, group, "right")


def _scaled(utilities: NDArray[np.int64]) -> NDArray[np.int8]:
    """Multiples of mean |d| / MEAN, rounded as by `_divide`: the number of the 127 borders that |d| reaches.

    Sum and product could exceed 64 bits: the borders are computed in Python's integers.
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
