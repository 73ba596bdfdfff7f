"""Confidence intervals of accuracies."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning import intervals


@given(st.data(), st.integers(1, 10**6))
def test_the_ends_are_where_the_share_is_z_standard_errors_off(data, samples):
    """The definition: |p - q| = z sqrt(q (1 - q) / n) at both ends q."""
    right = data.draw(st.integers(0, samples))
    share = Fraction(right, samples)
    for end in intervals.wilson(right, samples):
        off = float(share) - end
        assert off * off * samples == pytest.approx(
            intervals.Z_95**2 * end * (1 - end), abs=1e-6 * samples * max(abs(off), 1e-3)
        )


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_it_lies_within_0_and_1_and_holds_the_share(case):
    right, samples = case
    low, high = intervals.wilson(right, samples)
    assert 0 <= low <= right / samples + 1e-12
    assert right / samples - 1e-12 <= high <= 1


def test_published_values():
    """Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263 and 0 of 20."""
    assert intervals.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert intervals.wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_text():
    assert intervals.text(352 / 360, 360) == "97.78 % (95 % interval 95.7 to 98.9)"


@pytest.mark.parametrize(("right", "samples"), [(1, 0), (-1, 4), (5, 4)])
def test_impossible_counts_are_refused(right, samples):
    with pytest.raises(ValueError, match="needed is"):
        intervals.wilson(right, samples)
