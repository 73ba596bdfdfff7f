"""Replicas: ranges of pairs add up to the whole population."""

from itertools import pairwise

import float_cases
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.replica import evaluate, narrow, state_sha256, widen
from learning.settings import Settings
from learning.training import Training, start
from learning.worker_pool import cut
from neurosim.network import NetworkError

SMALL = {"hidden": (16,), "steps": 5, "pairs": 48, "groups": 6, "batch": 2, "vth_mant": 100}
ALIGNED = {"method": "event-aligned", "batch": 1, "output_rule": "delta", "sigma": 64}
CREDIT = {**ALIGNED, "credit": "error"}
ONE_SIDED = {"estimator": "one-sided"}


@pytest.fixture(scope="module")
def data():
    return float_cases.stripes(classes=3)


@given(
    first=st.integers(0, 300),
    each=st.integers(1, 40),
    count=st.integers(1, 500),
    threads=st.lists(st.integers(1, 64), min_size=1, max_size=20),
)
def test_every_pair_is_evaluated_once(first, each, count, threads):
    pairs = range(first, first + count)
    ranges = cut(pairs, each, threads)
    assert len(ranges) == len(threads)
    assert [pair for part in ranges for pair in part] == list(pairs)


@given(threads=st.lists(st.integers(1, 64), min_size=1, max_size=20), each=st.integers(1, 9))
def test_work_is_in_proportion_to_threads_and_groups_stay_whole(threads, each):
    groups = 8 * len(threads)
    ranges = cut(range(groups * each), each, threads)
    for part, number in zip(ranges, threads, strict=True):
        assert len(part) % each == 0
        assert abs(len(part) // each - groups * number / sum(threads)) <= 1


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"method": "full-rank"},
        {"rank": 3},
        ALIGNED,
        CREDIT,
        ONE_SIDED,
        {**ALIGNED, **ONE_SIDED},
    ],
)
@given(borders=st.lists(st.integers(1, 47), max_size=5))
def test_ranges_evaluated_apart_are_the_whole(data, settings, borders):
    training = Training(start(Settings(**{**SMALL, **settings}), data), data)
    ask = training.evolution.ask(training.generation)
    whole = training.evaluate(ask)
    edges = sorted({0, *borders, len(ask.pairs)})
    found = [evaluate(training, 0, range(*ends)) for ends in pairwise(edges)]
    for array, *pieces in zip(whole, *found, strict=True):
        assert array is None or np.array_equal(np.concatenate(pieces), array)


@pytest.mark.parametrize("part", [range(0), range(40, 49), range(-1, 3), range(0, 8, 2)])
def test_a_range_out_of_the_population_is_refused(data, part):
    training = Training(start(Settings(**SMALL), data), data)
    with pytest.raises(NetworkError, match="to evaluate"):
        evaluate(training, 0, part)


@given(
    rows=st.lists(st.sampled_from([0, 0, 1]), min_size=1, max_size=40),
    columns=st.sampled_from([(), (1,), (5,)]),
    kind=st.sampled_from([np.int8, np.int16, np.int32, np.int64]),
    bits=st.integers(1, 63),
    seed=st.integers(0, 1 << 32),
)
def test_numbers_are_the_same_in_fewer_bytes(rows, columns, kind, bits, seed):
    """Whatever their type, with rows of zeros among them, a row a pair."""
    largest = min((1 << bits) - 1, int(np.iinfo(kind).max))
    drawn = np.random.default_rng(seed).integers(-largest, largest, (len(rows), *columns), kind)
    array = (drawn.T * np.array(rows, kind)).T
    sent = narrow(array)
    assert widen(sent).dtype == kind
    assert np.array_equal(widen(sent), array)
    assert len(sent[2]) <= sum(rows)
    assert sent[2].itemsize * 8 <= max(8, 1 << bits.bit_length())


def test_a_bit_of_state_changes_its_hash(data):
    state = Training(start(Settings(**SMALL), data), data).chip.state
    for arrays in state:
        for array in arrays:
            before = state_sha256(state)
            array.flat[-1] ^= 1
            assert state_sha256(state) != before
