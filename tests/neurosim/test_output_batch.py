"""Output batch: the last layer for many trials at once as for each alone."""

import naive
import numba
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from strategies import chip_of, example, still

from neurosim.kernels import simd
from neurosim.kernels.connections import dense
from neurosim.kernels.executors import output_batch
from neurosim.kernels.executors.output_batch import BATCH_LANES, COUNTED_SIXTEENS
from neurosim.network import Connection, Network, Population, Weights
from neurosim.population import layout as chains
from neurosim.population.batch import Batch
from neurosim.population.layout import NoiseSpec, lay_out

GENERATION = 5
WAYS = ("look-ups", "tables", "lists")


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """How the last layer finds its currents: the first is one instruction of some processors only."""
    choose(request.param, monkeypatch)
    return request.param


def choose(way, monkeypatch):
    monkeypatch.setattr(chains, "LOOKS_UP", way == "look-ups")
    monkeypatch.setattr(dense, "TABLE_BYTES", 0 if way == "lists" else 1 << 16)


def test_the_way_is_taken_that_is_asked_for(way):
    case = example((30, 20, 5))
    chain = lay_out(case.network, case.weights, still(case.network), 3)
    assert chain.looks_up == (way == "look-ups")
    assert (chain.sums_at[1] >= 0) == (way == "tables")
    assert (chain.sums.size > 0) == (way == "tables")
    assert (chain.subsets.size > 0) == (way == "look-ups")


@given(st.data())
def test_all_ways_find_the_same_currents(data):
    case = data.draw(strategies.cases())
    spec = data.draw(strategies.noises(case.network))
    readout = data.draw(strategies.COSTED)
    groups = np.arange(len(case.labels))[None]
    found = []
    for one in WAYS:
        with pytest.MonkeyPatch.context() as patch:
            choose(one, patch)
            chip = chip_of(case, spec, readout)
            seen = chip.evaluate(Batch(case.frames, groups), range(3), GENERATION)
            forward = chip.forward(case.frames)
            found.append([seen.fitness, seen.saturated, forward.potentials, forward.counts])
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("hidden", [256, 257, 530])
@pytest.mark.parametrize("mantissa", [-128, 127])
def test_sums_of_many_large_weights_are_whole(way, hidden, mantissa):
    """Every hidden neuron spikes in every step, and every weight is at the edge of its register."""
    network = Network.chain(
        3,
        [Population("hidden", hidden, 0), Population("output", 3, 131071, dv=4095)],
        Connection("", "", weight_exp=0),
    )
    weights = Weights(
        (np.full((3, hidden), 100, np.int8), np.full((hidden, 3), mantissa, np.int8)),
        (np.zeros(hidden, np.int16), np.zeros(3, np.int16)),
    )
    case = strategies.Case(network, weights, np.ones((2, 3, 3), np.uint8), np.zeros(2, np.uint8))
    forward = chip_of(case, still(network)).forward(case.frames)
    seen = naive.run(network, weights, case.dense[0])
    assert forward.spikes[0].min() == 3
    assert forward.potentials.tolist() == [seen.potentials] * 2
    assert forward.saturated.tolist() == [seen.saturated] * 2


HOT = {
    "du": 3,
    "dv": 16,
    "vth_mant": 3000,
    "steps": 6,
    "narrow": False,
    "form": Connection("", "", weight_exp=7),
}
"""Registers that meet their edges."""
KINDS = [
    {},
    {"one_sided": True},
    {"graded": True},
    {"full_rank": True},
    {"aligned": (False, True)},
    {"aligned": (True, True), "one_sided": True},
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("registers", [{}, HOT], ids=["plain", "hot"])
@pytest.mark.parametrize(("pairs", "batch"), [(5, 7), (2, 17), (33, 1)])
def test_presentations_side_by_side_do_not_meet(way, pairs, batch, registers, kind):
    """Output batches that are full, part full, and shared by several pairs."""
    case = example((70, 20, 5), samples=batch, **registers)
    scale = 30_000 if registers else 900
    spec = NoiseSpec((scale,) * 2, (500,) * 2, rank=2, **kind)
    chip = chip_of(case, spec)
    together = chip.evaluate(Batch(case.frames, np.arange(batch)[None]), range(pairs), GENERATION)
    apart = np.zeros((2, *together.fitness.shape), np.int64)
    for pair in range(pairs):
        for sample in range(batch):
            alone = chip.evaluate(
                Batch(case.frames, np.array([[sample]])), range(pair, pair + 1), GENERATION
            )
            apart[:, pair] += alone.fitness[0], alone.saturated[0]
    assert np.array_equal(together.fitness, apart[0])
    assert np.array_equal(together.saturated, apart[1])
    assert len(np.unique(together.fitness)) > 1
    assert together.saturated.any() == bool(registers)


@pytest.mark.parametrize("sizes", [(70, 20, 5), (70, 5), (70, 33, 20, 18, 5)])
@pytest.mark.parametrize("registers", [{}, HOT], ids=["plain", "hot"])
@pytest.mark.parametrize("samples", [1, 2, 31, 33, 65])
def test_samples_side_by_side_do_not_meet(way, samples, registers, sizes):
    case = example(sizes, samples=samples, **registers)
    chip = chip_of(case, still(case.network))
    together = chip.forward(case.frames)
    for sample in range(samples):
        alone = naive.run(case.network, case.weights, case.dense[sample])
        assert together.potentials[sample].tolist() == alone.potentials
        assert together.counts[sample].tolist() == alone.counts
        assert together.saturated[sample] == alone.saturated
        for mine, his in zip(together.spikes, alone.spikes, strict=True):
            assert mine[sample].tolist() == np.sum(his, axis=0).tolist()
    assert together.saturated.any() == bool(registers)


@given(st.data())
def test_noise_along_the_events_reaches_the_last_layer_in_all_ways(data):
    case = data.draw(strategies.cases())
    spec = data.draw(strategies.aligned_noises(case.network))
    readout = data.draw(strategies.COSTED)
    groups = np.arange(len(case.labels))[:, None]
    found = []
    for one in WAYS:
        with pytest.MonkeyPatch.context() as patch:
            choose(one, patch)
            chip = chip_of(case, spec, readout)
            seen = chip.evaluate(Batch(case.frames, groups), range(2 * len(groups)), GENERATION)
            found.append([seen.fitness, seen.saturated])
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("rows", [1, COUNTED_SIXTEENS, COUNTED_SIXTEENS + 1, 2100])
def test_ones_of_many_words_are_counted_whole(rows):
    ones = np.full((rows, BATCH_LANES), 0xFFFF, np.uint16)
    out = np.zeros(BATCH_LANES, np.int32)

    @numba.njit
    def count(ones, out):
        words, to = simd.pointer(ones), simd.pointer(out)
        first, second = output_batch._ones(words, 0, BATCH_LANES, words, 0, BATCH_LANES, rows)
        simd.store(to, 0, first)
        simd.store(to, simd.WIDTH, second)

    count(ones, out)
    assert out.tolist() == [16 * rows] * BATCH_LANES


def test_noise_of_a_wide_last_layer_is_its_own(way):
    case = example((40, 33, 18), samples=3)
    for full_rank in (False, True):
        spec = NoiseSpec((64, 64), (77, 77), rank=2, graded=True, full_rank=full_rank)
        seen = chip_of(case, spec).evaluate(
            Batch(case.frames, np.array([[0, 2]])), range(3), GENERATION
        )
        fitness, _ = naive.fitness(
            case.network,
            case.weights,
            spec,
            strategies.READOUT,
            case.dense,
            case.labels,
            [[0, 2]],
            range(3),
            GENERATION,
            strategies.SEED,
        )
        assert seen.fitness.tolist() == fitness
