"""Roofline: counted work of a generation, and operations of the peak-rate loops."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from neurosim.kernels import peak_rates
from neurosim.kernels.simd import LOOKS_UP, zeros
from neurosim.network import Network, Population
from neurosim.population import roofline
from neurosim.population.layout import NoiseSpec
from neurosim.population.roofline import Work

SIZES = st.integers(1, 300)


def network(inputs, hidden, outputs):
    return Network.chain(inputs, [Population("h", hidden, 60), Population("o", outputs, 60)])


def test_work_of_the_usual_network_by_hand():
    """2312-128-10, rank 1, ten steps: a pair and a sample."""
    spec = NoiseSpec((5, 5), (0, 0))
    one = roofline.evaluating(network(2312, 128, 10), spec, 10, 2)
    two = roofline.evaluating(network(2312, 128, 10), spec, 10, 3)
    sample = Work(*(b - a for a, b in zip(one, two, strict=True)))
    assert sample.words == 10 * (37 + 2 * 2)
    assert sample.sums == 2 * 10 * 10 * (8 * 6 if LOOKS_UP else 32)
    assert sample.lanes == 10 * (128 * (2 * 7 + 1) + 10 * 2 * (7 + 1))
    assert roofline.accumulating(network(2312, 128, 10), spec).sums == 2312 * 128 / 4 + 128 * 16 / 4
    assert roofline.sharing(network(2312, 128, 10), 1550).sums == 1550 * 128


@given(SIZES, SIZES, SIZES, st.integers(1, 8), st.integers(1, 20), st.integers(1, 20))
def test_work_grows_with_rank_steps_and_samples(inputs, hidden, outputs, rank, steps, batch):
    net = network(inputs, hidden, outputs)
    spec = NoiseSpec((5, 5), (0, 0), rank=rank)
    work = roofline.evaluating(net, spec, steps, batch)
    for more in (
        roofline.evaluating(net, spec._replace(rank=rank + 1), steps, batch),
        roofline.evaluating(net, spec, steps + 1, batch),
        roofline.evaluating(net, spec, steps, batch + 1),
    ):
        assert all(a <= b for a, b in zip(work, more, strict=True))
        assert work.lanes < more.lanes
    assert roofline.accumulating(net, spec).sums * (rank + 1) / rank == (
        roofline.accumulating(net, spec._replace(rank=rank + 1)).sums
    )


def test_one_sided_members_cost_a_second_direction():
    """Noise is drawn and voted twice, and the first layer meets two noises; the spikes are the same."""
    net, spec = network(2312, 128, 10), NoiseSpec((5, 5), (0, 0))
    one, two = (
        roofline.evaluating(net, spec._replace(one_sided=given), 10, 1) for given in (False, True)
    )
    assert two.words - one.words == 10 * 37
    assert two.sums == one.sums
    drawn = roofline.drawing(2312, 1, False) + roofline.drawing(128, 1, False)
    drawn += roofline.drawing(128, 1, False) + roofline.drawing(10, 1, False)
    assert two.lanes - one.lanes == 10 * 128 + drawn.lanes
    assert roofline.accumulating(net, spec._replace(one_sided=True)) == roofline.accumulating(
        net, spec
    ).times(2)


def test_a_layer_without_noise_costs_no_update_sums():
    net = network(20, 9, 3)
    assert roofline.accumulating(net, NoiseSpec((0, 0), (0, 0))) == Work()
    assert roofline.presenting(net, NoiseSpec((5, 5), (0, 0)), 10, 50) == Work()
    aligned = NoiseSpec((5, 0), (0, 0), aligned=(True, False))
    shown, silent = (roofline.presenting(net, aligned, 10, spikes) for spikes in (50, 0))
    assert shown.lanes - silent.lanes == 50 * 16
    assert silent.lanes > 0


def test_peak_rates_are_rates_and_seconds_are_work_over_them():
    rates = roofline.measure_peak_rates()
    assert all(rate > 1e6 for rate in rates)
    assert rates.times(2).seconds(rates) == 2 * len(rates)


@given(st.integers(1, 9), st.integers(0, 1 << 30))
def test_what_the_loops_count_is_there(turns, seed):
    numbers = np.random.default_rng(seed)
    words, others = zeros(32, np.uint64), zeros(32, np.uint64)
    words[:], others[:] = numbers.integers(0, 1 << 63, (2, 32), np.uint64)
    first = others.copy()
    flips = [first[0] ^ np.uint64(turn & 1) for turn in range(turns)]
    rest = int(np.bitwise_count(words[1:] & first[1:]).sum())
    wanted = turns * rest + sum(int(np.bitwise_count(words[0] & one)) for one in flips)
    assert peak_rates.count_common(turns, words, others) == wanted
    table, out = zeros(1024, np.int16), zeros(16, np.int32)
    table[:] = numbers.integers(-100, 100, 1024)
    peak_rates.add_shorts(turns, table, out)
    rows = table.reshape(-1, 16, 16).astype(np.int32)
    assert out.tolist() == sum(rows[turn % 4].sum(axis=0) for turn in range(turns)).tolist()
    spread = np.bitwise_xor.reduce(words.reshape(-1, 8), axis=0)
    assert peak_rates.read_memory(0, 32, words) == int(np.bitwise_count(spread).sum())
