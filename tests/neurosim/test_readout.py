"""Readout: fitness is the log-likelihood, by table and shift, and never above zero."""

from fractions import Fraction
from math import exp, log

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.kernels import readout

POWERS, LOGS = readout.exp2_table(), readout.log2_table()
SCORES = st.lists(
    st.integers(-(1 << 31), (1 << 31) - 1) | st.integers(-3000, 3000), min_size=1, max_size=12
)
MULTIPLIERS, SHIFTS = st.integers(1, 1 << 24), st.integers(0, 30)


def softmax_of(scores, multiplier, shift, compiled, lanes=1, lane=0):
    """Logits, tops and totals of scores in a lane among others."""
    side_by_side = np.full((len(scores), lanes), 7, np.int32)
    side_by_side[:, lane] = scores
    logits, tops, totals = np.zeros(side_by_side.size, np.int64), *np.zeros((2, lanes), np.int64)
    way = readout.softmax if compiled else readout.softmax.py_func
    way(
        side_by_side.reshape(-1),
        lanes,
        len(scores),
        multiplier,
        shift,
        POWERS,
        logits,
        tops,
        totals,
    )
    return logits, tops, totals


def likelihood(scores, label, multiplier, shift, compiled=True, lanes=1, lane=0):
    logits, tops, totals = softmax_of(scores, multiplier, shift, compiled, lanes, lane)
    way = readout.log_likelihood if compiled else readout.log_likelihood.py_func
    return int(way(logits, lanes, lane, label, tops, totals, LOGS))


def test_powers_of_two_are_rounded_to_nearest():
    assert POWERS.tolist() == naive.POWERS


def test_logarithms_are_rounded_down():
    assert LOGS.tolist() == naive.LOGARITHMS


@given(st.integers(1, (1 << 62) - 1) | st.integers(1, 5000))
def test_log2_naive_is_py_func_is_compiled(x):
    wanted = naive.log2(x)
    assert int(readout.log2(x, LOGS)) == int(readout.log2.py_func(x, LOGS)) == wanted


@given(SCORES, MULTIPLIERS, SHIFTS, st.data())
def test_likelihood_naive_is_py_func_is_compiled(scores, multiplier, shift, data):
    label = data.draw(st.integers(0, len(scores) - 1))
    wanted = naive.log_likelihood(scores, label, multiplier, shift)
    assert likelihood(scores, label, multiplier, shift) == wanted
    assert likelihood(scores, label, multiplier, shift, compiled=False) == wanted
    for compiled in (True, False):
        assert likelihood(scores, label, multiplier, shift, compiled, lanes=5, lane=3) == wanted


@given(SCORES, MULTIPLIERS, SHIFTS, st.data())
def test_likelihood_is_never_above_zero(scores, multiplier, shift, data):
    assert likelihood(scores, data.draw(st.integers(0, len(scores) - 1)), multiplier, shift) <= 0


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=10), st.data())
def test_raising_the_right_score_never_lowers_likelihood(scores, data):
    label = data.draw(st.integers(0, len(scores) - 1))
    better = [score + (k == label) * 50 for k, score in enumerate(scores)]
    assert likelihood(better, label, 1, 0) >= likelihood(scores, label, 1, 0)


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=10), st.integers(-1000, 1000))
def test_only_differences_of_scores_count(scores, shift):
    moved = [score + shift for score in scores]
    assert likelihood(moved, 0, 3, 0) == likelihood(scores, 0, 3, 0)


@pytest.mark.parametrize("classes", [1, 2, 10])
def test_equal_scores_are_chance(classes):
    assert likelihood([5] * classes, 0, 1, 0) == -naive.log2(classes)


@given(st.lists(st.integers(-8000, 8000), min_size=2, max_size=10))
def test_likelihood_is_that_of_real_numbers_within_three_units(scores):
    """The one place where a real logarithm is asked: a unit is 2^-10 bit."""
    real = [Fraction(score, 1024) for score in scores]
    total = sum(exp(float(x - max(real)) * log(2)) for x in real)
    exact = 1024 * (float(real[0] - max(real)) - log(total) / log(2))
    assert abs(likelihood(scores, 0, 1, 0) - exact) < 3


@given(st.lists(st.integers(-20000, 20000), min_size=2, max_size=12), st.data())
def test_errors_of_a_softmax_naive_is_py_func_is_compiled(scores, data):
    label = data.draw(st.integers(0, len(scores) - 1))
    powers = [naive.POWERS[(max(scores) - z) % 1024] >> ((max(scores) - z) // 1024) for z in scores]
    wanted = [
        127 * (k == label) - (2 * 127 * power + sum(powers)) // (2 * sum(powers))
        for k, power in enumerate(powers)
    ]
    for compiled in (True, False):
        errors = np.zeros(len(scores), np.int32)
        logits, tops, totals = softmax_of(scores, 1, 0, compiled, 4, 2)
        way = readout.softmax_errors if compiled else readout.softmax_errors.py_func
        way(logits, 4, 2, len(scores), label, tops, totals, POWERS, 127, errors, 0)
        assert errors.tolist() == wanted
        assert max(wanted) <= 127
