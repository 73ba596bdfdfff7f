"""What is a pair worth? Exact ranks, signs and scaled differences, the same for either member."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.shaping import LARGEST, MEAN, coefficients

WAYS = ("scaled", "rank", "sign")
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
    assert coefficients(fitness, groups, "rank").tolist() == wanted


@given(populations())
def test_signs_are_signs(population):
    fitness, groups = population
    wanted = [(plus > minus) - (plus < minus) for plus, minus in fitness.tolist()]
    assert coefficients(fitness, groups, "sign").tolist() == wanted


@given(populations())
def test_scaled_differences_are_multiples_of_their_mean(population):
    fitness, groups = population
    differences = [plus - minus for plus, minus in fitness.tolist()]
    mean = Fraction(sum(map(abs, differences)), len(differences))
    wanted = [
        max(-LARGEST, min(LARGEST, nearest(MEAN * one / mean))) if mean else 0
        for one in differences
    ]
    assert coefficients(fitness, groups, "scaled").tolist() == wanted


@pytest.mark.parametrize("way", WAYS)
@given(population=populations())
def test_swapping_members_negates(way, population):
    fitness, groups = population
    swapped = coefficients(fitness[:, ::-1], groups, way)
    assert (swapped == -coefficients(fitness, groups, way)).all()


@pytest.mark.parametrize("way", WAYS)
@given(population=populations())
def test_worth_is_one_small_integer(way, population):
    found = coefficients(*population, way)
    assert found.dtype == np.int8
    assert np.abs(found.astype(int)).max() <= LARGEST


@pytest.mark.parametrize("way", WAYS)
@given(population=populations(), shift=st.integers(-1000, 1000))
def test_only_differences_count(way, population, shift):
    fitness, groups = population
    moved = coefficients(fitness + shift, groups, way)
    assert (moved == coefficients(fitness, groups, way)).all()


@pytest.mark.parametrize("way", WAYS)
def test_members_that_tie_are_worth_nothing(way):
    assert not coefficients(np.full((6, 2), -77, np.int64), 2, way).any()


def test_ranks_are_taken_within_a_group():
    """A group with easy samples is not worth more than one with hard samples."""
    hard = np.array([[-900, -800], [-700, -1000]], np.int64)
    both = coefficients(np.concatenate([hard, hard + 600]), 2, "rank")
    assert both[:2].tolist() == both[2:].tolist()
