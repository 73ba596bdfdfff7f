"""Batches: every sample once per epoch, for any generation."""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.batches import batch, epoch_order, offsets

SIZES = st.tuples(st.integers(1, 60), st.integers(1, 7), st.integers(1, 5))


@given(st.integers(1, 200), st.integers(0, 1 << 20), st.integers(0, (1 << 64) - 1))
def test_an_epoch_is_every_sample_once(count, epoch, seed):
    assert sorted(epoch_order(count, epoch, seed).tolist()) == list(range(count))


@given(SIZES, st.integers(0, 99))
def test_every_sample_comes_once_an_epoch(sizes, seed):
    count, groups, size = sizes
    generations = -(-3 * count // (groups * size))
    seen = np.concatenate(
        [batch(count, g, groups, size, seed).reshape(-1) for g in range(generations)]
    )
    for epoch in range(3):
        assert sorted(seen[epoch * count : (epoch + 1) * count].tolist()) == list(range(count))


@given(SIZES, st.integers(0, 1 << 20), st.integers(0, 99))
def test_a_batch_does_not_depend_on_those_before(sizes, generation, seed):
    count, groups, size = sizes
    wanted = batch(count, generation, groups, size, seed)
    epoch_order.cache_clear()
    for other in range(5):
        batch(count, other, groups, size, seed)
    assert np.array_equal(batch(count, generation, groups, size, seed), wanted)
    assert wanted.shape == (groups, size)
    assert 0 <= wanted.min() <= wanted.max() < count


def test_orders_are_drawn_as_the_specification_says():
    field = naive.Field(naive.SHUFFLE, 0, 0, 4, 9)
    words = [naive.word(field, index) for index in range(30)]
    assert epoch_order(30, 4, 9).tolist() == sorted(range(30), key=words.__getitem__)


@pytest.mark.parametrize(("epoch", "seed"), [(1, 0), (0, 1)])
def test_epochs_and_seeds_have_orders_of_their_own(epoch, seed):
    assert not np.array_equal(epoch_order(100, 0, 0), epoch_order(100, epoch, seed))


def test_another_division_into_groups_sees_the_same_samples():
    one, other = batch(100, 3, 4, 6, 0), batch(100, 3, 8, 3, 0)
    assert np.array_equal(one.reshape(-1), other.reshape(-1))


def test_samples_are_moved_by_every_offset_alike_and_anew_in_each_generation():
    drawn = offsets(27_000, 5, 1, 0)
    assert drawn.shape == (27_000, 2)
    places, counts = np.unique(drawn, axis=0, return_counts=True)
    assert places.tolist() == [[y, x] for y in (-1, 0, 1) for x in (-1, 0, 1)]
    assert counts.min() > 2800  # 3000 expected, standard deviation 52
    assert np.array_equal(offsets(100, 5, 1, 0), drawn[:100])
    assert not np.array_equal(offsets(100, 6, 1, 0), drawn[:100])


@given(st.integers(0, 4), st.integers(0, 1 << 20), st.integers(0, (1 << 64) - 1))
def test_offsets_are_drawn_from_the_counter(shift, generation, seed):
    words = [naive.word(naive.Field(10, 0, 0, generation, seed), place) for place in range(3)]
    wanted = [
        [(half * (2 * shift + 1) >> 32) - shift for half in (one & 0xFFFFFFFF, one >> 32)]
        for one in words
    ]
    assert offsets(3, generation, shift, seed).tolist() == wanted
