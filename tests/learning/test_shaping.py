"""Fitness shaping: exact ranks, signs and scaled differences, the same for either member."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.shaping import LARGEST, MEAN, coefficients, left_out

WAYS = ("scaled", "rank", "sign")
ESTIMATORS = ("antithetic", "one-sided")
VALUES = st.integers(-(1 << 40), 1 << 40) | st.integers(-3, 3)


@st.composite
def populations(draw):
    """Fitness (pair, member) of some groups of pairs, ties among them."""
    groups = draw(st.integers(1, 4))
    each = draw(st.integers(1, 6))
    pairs = st.lists(st.tuples(VALUES, VALUES), min_size=groups * each, max_size=groups * each)
    return np.array(draw(pairs), np.int64), groups


def nearest(fraction):
    """The nearest integer, halves away from zero."""
    size = floor(abs(fraction) + Fraction(1, 2))
    return size if fraction >= 0 else -size


def ranked(part):
    """Differences of centred ranks, in -1 .. 1, of a group; those that tie share the mean rank."""
    flat = sorted(part.reshape(-1).tolist())

    def rank(value):
        places = [place for place, other in enumerate(flat) if other == value]
        return Fraction(sum(places), len(places))

    return [(rank(plus) - rank(minus)) / (len(flat) - 1) for plus, minus in part.tolist()]


@given(populations())
def test_ranks_are_exact(population):
    fitness, groups = population
    wanted = [
        nearest(LARGEST * rank) for part in np.split(fitness, groups) for rank in ranked(part)
    ]
    assert coefficients(fitness, groups, "rank", "antithetic").tolist() == wanted


@given(populations())
def test_signs_are_signs(population):
    fitness, groups = population
    wanted = [(plus > minus) - (plus < minus) for plus, minus in fitness.tolist()]
    assert coefficients(fitness, groups, "sign", "antithetic").tolist() == wanted


@given(populations())
def test_scaled_differences_are_multiples_of_their_mean(population):
    fitness, groups = population
    differences = [plus - minus for plus, minus in fitness.tolist()]
    mean = Fraction(sum(map(abs, differences)), len(differences))
    wanted = [
        max(-LARGEST, min(LARGEST, nearest(MEAN * one / mean))) if mean else 0
        for one in differences
    ]
    assert coefficients(fitness, groups, "scaled", "antithetic").tolist() == wanted


@pytest.mark.parametrize("way", WAYS)
@given(population=populations())
def test_swapping_members_negates(way, population):
    fitness, groups = population
    swapped = coefficients(fitness[:, ::-1], groups, way, "antithetic")
    assert (swapped == -coefficients(fitness, groups, way, "antithetic")).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("way", WAYS)
@given(population=populations())
def test_shaping_gives_one_small_integer_per_direction(way, estimator, population):
    found = coefficients(*population, way, estimator)
    assert found.dtype == np.int8
    assert found.shape == (len(population[0]) * (1 if estimator == "antithetic" else 2),)
    assert np.abs(found.astype(int)).max() <= LARGEST


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("way", WAYS)
@given(population=populations(), shift=st.integers(-1000, 1000))
def test_only_differences_count(way, estimator, population, shift):
    fitness, groups = population
    moved = coefficients(fitness + shift, groups, way, estimator)
    assert (moved == coefficients(fitness, groups, way, estimator)).all()


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("way", WAYS)
def test_members_that_tie_have_coefficient_0(way, estimator):
    assert not coefficients(np.full((6, 2), -77, np.int64), 2, way, estimator).any()


def test_ranks_are_taken_within_a_group():
    """A group with easy samples is not worth more than one with hard samples."""
    hard = np.array([[-900, -800], [-700, -1000]], np.int64)
    both = coefficients(np.concatenate([hard, hard + 600]), 2, "rank", "antithetic")
    assert both[:2].tolist() == both[2:].tolist()


# --- one-sided members ---------------------------------------------------------------------------


def by_hand(fitness, groups):
    """Each member's fitness less the mean of the others of its group, group by group."""
    for part in np.split(fitness, groups):
        flat = [Fraction(value) for value in part.reshape(-1).tolist()]
        yield [value - (sum(flat) - value) / (len(flat) - 1) for value in flat]


def turned(utilities):
    """The utilities of members as those of directions: the second of a pair has its noise negated."""
    return [-one if place % 2 else one for place, one in enumerate(utilities)]


@given(populations())
def test_a_member_is_held_against_the_mean_of_the_others(population):
    fitness, groups = population
    members = fitness.reshape(groups, -1)
    found = left_out(members)
    wanted = [[one * (members.shape[1] - 1) for one in part] for part in by_hand(fitness, groups)]
    assert found.tolist() == wanted
    assert not found.sum(axis=1).any()


@given(populations())
def test_one_sided_coefficients_are_scaled_and_signed_exactly(population):
    fitness, groups = population
    utilities = turned(one for part in by_hand(fitness, groups) for one in part)
    mean = sum(map(abs, utilities)) / len(utilities)
    scaled = [
        max(-LARGEST, min(LARGEST, nearest(MEAN * one / mean))) if mean else 0 for one in utilities
    ]
    assert coefficients(fitness, groups, "scaled", "one-sided").tolist() == scaled
    signs = [(one > 0) - (one < 0) for one in utilities]
    assert coefficients(fitness, groups, "sign", "one-sided").tolist() == signs


@given(populations())
def test_one_sided_ranks_are_centred_ranks_of_the_group(population):
    fitness, groups = population
    wanted = []
    for part in np.split(fitness, groups):
        flat = part.reshape(-1).tolist()
        below = [Fraction(sum(a < b for a in flat) - sum(a > b for a in flat)) for b in flat]
        wanted += turned(nearest(LARGEST * one / (len(flat) - 1)) for one in below)
    assert coefficients(fitness, groups, "rank", "one-sided").tolist() == wanted
