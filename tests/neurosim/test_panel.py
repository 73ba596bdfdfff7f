"""Does the last layer act on presentations side by side as it acts on each of them alone?"""

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from strategies import chip_of, example, still, wide

from neurosim import chain as chains
from neurosim.chain import NoiseSpec, lay_out
from neurosim.kernels import synapse
from neurosim.network import Connection, Network, Population, Weights

GENERATION = 5
WAYS = ("look-ups", "tables", "lists")


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """How the last layer finds its currents: the first is one instruction of some processors only."""
    choose(request.param, monkeypatch)
    return request.param


def choose(way, monkeypatch):
    monkeypatch.setattr(chains, "LOOKS_UP", way == "look-ups")
    monkeypatch.setattr(synapse, "TABLE_BYTES", 0 if way == "lists" else 1 << 16)


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
    readout = data.draw(strategies.READOUTS)
    groups = np.arange(len(case.labels))[None]
    found = []
    for one in WAYS:
        with pytest.MonkeyPatch.context() as patch:
            choose(one, patch)
            chip = chip_of(case, spec, readout)
            seen = chip.rehearse(case.frames, groups, range(3), GENERATION)
            recall = chip.recall(case.frames)
            found.append([seen.fitness, seen.saturated, recall.potentials, recall.counts])
    for other in found[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("hidden", [256, 257, 530])
@pytest.mark.parametrize("mantissa", [-128, 127])
def test_sums_of_many_large_weights_are_whole(way, hidden, mantissa):
    """Every hidden neuron spikes in every step, and every weight is at the edge of its register."""
    network = Network.chain(
        3, [Population("hidden", hidden, 0), Population("output", 3, 131071, dv=4095)],
        Connection("", "", weight_exp=0),
    )  # fmt: skip
    weights = Weights(
        (np.full((3, hidden), 100, np.int8), np.full((hidden, 3), mantissa, np.int8)),
        (np.zeros(hidden, np.int16), np.zeros(3, np.int16)),
    )
    case = strategies.Case(network, weights, np.ones((2, 3, 3), np.uint8), np.zeros(2, np.uint8))
    recall = chip_of(case, still(network)).recall(case.frames)
    seen = naive.run(network, weights, case.dense[0])
    assert recall.spikes[0].min() == 3
    assert recall.potentials.tolist() == [seen.potentials] * 2
    assert recall.saturated.tolist() == [seen.saturated] * 2


@pytest.mark.parametrize("aligned", [(), (False, True), (True, True)])
@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize(("pairs", "batch"), [(5, 7), (3, 16), (2, 17), (1, 40), (33, 1)])
def test_presentations_side_by_side_do_not_meet(way, pairs, batch, one_sided, aligned):
    """Panels that are full, part full, and shared by several pairs."""
    case = example((70, 20, 5), samples=batch)
    spec = wide(case, one_sided=one_sided, aligned=aligned)
    chip = chip_of(case, spec)
    together = chip.rehearse(case.frames, np.arange(batch)[None], range(pairs), GENERATION)
    apart = np.zeros_like(together.fitness)
    for pair in range(pairs):
        for sample in range(batch):
            alone = chip.rehearse(
                case.frames, np.array([[sample]]), range(pair, pair + 1), GENERATION
            )
            apart[pair] += alone.fitness[0]
    assert np.array_equal(together.fitness, apart)
    assert len(np.unique(together.fitness)) > 1


@pytest.mark.parametrize("samples", [1, 2, 31, 32, 33, 65])
def test_samples_side_by_side_do_not_meet(way, samples):
    case = example((70, 20, 5), samples=samples)
    chip = chip_of(case, still(case.network))
    together = chip.recall(case.frames)
    for sample in range(samples):
        alone = naive.run(case.network, case.weights, case.dense[sample])
        assert together.potentials[sample].tolist() == alone.potentials
        assert together.counts[sample].tolist() == alone.counts
        hidden = np.sum(alone.spikes[0], axis=0)
        assert together.spikes[0][sample].tolist() == hidden.tolist()


def test_noise_of_a_wide_last_layer_is_its_own(way):
    case = example((40, 33, 18), samples=3)
    for full_rank in (False, True):
        spec = NoiseSpec((64, 64), (77, 77), rank=2, graded=True, full_rank=full_rank)
        seen = chip_of(case, spec).rehearse(case.frames, np.array([[0, 2]]), range(3), GENERATION)
        fitness, _ = naive.fitness(
            case.network, case.weights, spec, strategies.READOUT, case.dense, case.labels,
            [[0, 2]], range(3), GENERATION, strategies.SEED,
        )  # fmt: skip
        assert seen.fitness.tolist() == fitness
