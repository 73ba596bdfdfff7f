"""Members of graphs of any layers: equal to the naive oracle, and on dense chains to the fused kernel."""

import re
from functools import partial

import naive_graph
import numpy as np
import pytest
from graph_strategies import (
    GENERATION,
    divided_alike,
    each_sample,
    graph_cases,
    member_noises,
    members_of,
    words_of,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import COSTED, READOUTS, SEED, cases, chip_of, example

from neurosim.network import NetworkError
from neurosim.population.batch import Batch
from neurosim.population.bounds import Bounds
from neurosim.population.layout import NoiseSpec
from neurosim.population.rules import Signal
from neurosim.population.update import Rates


@given(st.data(), graph_cases(samples=2, steps=3, readouts=False), COSTED)
def test_members_have_the_fitness_of_the_oracle(data, case, readout):
    spec = data.draw(member_noises(case.network))
    pairs = range(begin := data.draw(st.integers(0, 99)), begin + 2 * len(case.labels))
    seen = members_of(case, spec, readout).evaluate(each_sample(case), pairs, GENERATION)
    for index, pair in enumerate(pairs):
        sample = index // 2
        scores, edges = naive_graph.fitness(
            case.network,
            case.weights,
            spec,
            readout,
            words_of(case.network),
            case.dense[sample].tolist(),
            int(case.labels[sample]),
            pair,
            GENERATION,
            SEED,
        )
        assert seen.fitness[index].tolist() == scores
        assert seen.saturated[index].tolist() == edges


@given(st.data(), graph_cases(samples=2, steps=3, readouts=False), READOUTS)
def test_update_sums_are_those_of_the_oracle(data, case, readout):
    delta = data.draw(st.booleans()) and len(case.network.populations) > 1
    spec = data.draw(member_noises(case.network, delta))
    signal = Signal.ERROR if delta else Signal.FITNESS
    evaluator = members_of(case, spec, readout, signal)
    samples = len(case.labels)
    pairs = range(begin := data.draw(st.integers(0, 99)), begin + 2 * samples)
    count = 2 * samples * spec.directions
    coefficients = np.array(
        data.draw(st.lists(st.integers(-128, 127), min_size=count, max_size=count)), np.int8
    )
    wanted, biases = naive_graph.update_sums(
        case.network,
        case.weights,
        spec,
        readout,
        words_of(case.network),
        case.dense.tolist(),
        case.labels.tolist(),
        coefficients.reshape(samples, -1).tolist(),
        begin * spec.directions,
        GENERATION,
        SEED,
        delta,
    )
    found = {}
    evaluator._move = lambda matrices, of_biases, *_: found.update(m=matrices, b=of_biases)
    evaluator.apply_update(coefficients, pairs, GENERATION, [], each_sample(case))
    for (connection, matrix), sums, flat in zip(
        case.network.parameters, found["m"], wanted, strict=True
    ):
        assert sums[:, : matrix.columns].reshape(-1).tolist() == flat, connection.name
    learn = {c.target for c, _ in case.network.parameters}
    for population, sums, one in zip(case.network.populations, found["b"], biases, strict=True):
        if population.name in learn:
            assert sums[: population.shape[0]].tolist() == one, population.name


@given(st.data(), cases(), st.booleans(), COSTED)
def test_dense_chains_learn_as_with_the_fused_kernel(data, case, delta, readout):
    """All but the readout under the delta rule: its traces are rounded a spike at a time on a graph, and as a
    whole in the fused kernel. The oracle of each says so; they differ by less than a unit a spike.
    """
    delta = delta and len(case.network.populations) > 1
    spec = data.draw(member_noises(case.network, delta))
    count = len(case.network.layers)
    signal = Signal.ERROR if delta else Signal.FITNESS
    hidden = (Signal.FITNESS,) * (count - 1)
    general = members_of(case, spec, readout, signal)
    fused = chip_of(case, spec, readout, signals=(*hidden, signal))
    batch, pairs = each_sample(case), range(2 * len(case.labels))
    one, other = (chip.evaluate(batch, pairs, 7) for chip in (general, fused))
    assert np.array_equal(one.fitness, other.fitness)
    assert np.array_equal(one.saturated, other.saturated)
    coefficients = np.resize(np.array([3, -1, 0, 100, -128], np.int8), len(pairs) * spec.directions)
    rates = [Rates(1 << 40, 1 << 40, 0)] * count
    for chip in (general, fused):
        chip.apply_update(coefficients, pairs, 7, rates, batch)
    for kept, same in zip(general.state, fused.state, strict=True):
        compared = kept
        if delta and kept is general.state.synapses:
            compared = kept[:-1]
        assert all(np.array_equal(a, b) for a, b in zip(compared, same, strict=False))


@given(st.data(), graph_cases(samples=4, steps=3, readouts=False))
def test_blocks_parts_and_threads_change_nothing(data, case):
    spec = data.draw(member_noises(case.network))
    divided_alike(data, case, spec, partial(members_of, case, spec))


@given(st.data(), graph_cases(samples=1, steps=1, readouts=False))
def test_noise_that_could_pass_32_bits_is_refused_by_the_name_of_its_layer(data, case):
    number = data.draw(st.integers(0, len(case.network.populations) - 1))
    learn = {c.target for c, _ in case.network.parameters}
    assume(case.network.populations[number].name in learn)
    scales = [0] * len(case.network.populations)
    scales[number] = 1 << 30
    named = re.escape(repr(case.network.populations[number].name))
    with pytest.raises(NetworkError, match=f"layer {named}: noise could add"):
        members_of(case, NoiseSpec(tuple(scales), (0,) * len(scales)))


ALIGNED = {"scale": (4000, 4000), "bias_scale": (0, 0), "aligned": (True, True)}
ON_WEIGHTS = {"scale": (4000, 4000), "bias_scale": (0, 0)}


@pytest.mark.parametrize(
    ("pairs", "part", "named"),
    [
        (range(3), None, "3 pairs for 2 groups"),
        (range(2), range(1, 3), r"range\(1, 3\) to evaluate of range\(0, 2\)"),
        (range(2), range(1, 1), "needed is a range within, from 1 pair"),
    ],
)
def test_both_executors_refuse_pairs_that_groups_do_not_share(pairs, part, named):
    case, spec = example((70, 20, 5)), NoiseSpec(**ON_WEIGHTS)
    batch = Batch(case.frames, np.array([[0], [1]]))
    for evaluator in (members_of(case, spec), chip_of(case, spec)):
        with pytest.raises(NetworkError, match=named):
            evaluator.evaluate(batch, pairs, 0, part)


@pytest.mark.parametrize(
    ("noise", "coefficients", "pairs", "groups", "named"),
    [
        (ON_WEIGHTS, np.zeros(4, np.int16), 4, [[0]], r"int16 \(4,\); needed is int8 \(4,\)"),
        (ON_WEIGHTS, np.zeros(3, np.int8), 4, [[0]], r"int8 \(3,\); needed is int8 \(4,\)"),
        (ON_WEIGHTS, np.zeros(1 << 24, np.int8), 1 << 24, [[0]], "allowed are 16777215 pairs"),
        (ALIGNED, np.zeros(256, np.int8), 256, [[0]], "1 samples and 256 pairs .* 255 pairs"),
        (ALIGNED, np.zeros(1, np.int8), 1, [[0, 1]], "2 samples and 1 pairs a group"),
    ],
)
def test_both_executors_refuse_an_update_that_could_overflow(
    noise, coefficients, pairs, groups, named
):
    case, spec = example((70, 20, 5)), NoiseSpec(**noise)
    batch, rates = Batch(case.frames, np.array(groups)), [Rates(1 << 30, 0, 0)] * 2
    for evaluator in (members_of(case, spec), chip_of(case, spec)):
        with pytest.raises(NetworkError, match=named):
            evaluator.apply_update(coefficients, range(pairs), 0, rates, batch)


def test_bounds_are_computed_once_for_generations_of_one_shape(monkeypatch):
    computed, case = [], example((70, 20, 5))
    once = Bounds._computed
    monkeypatch.setattr(
        Bounds, "_computed", lambda self, *given: computed.append(given) or once(self, *given)
    )
    spec, batch = NoiseSpec(**ON_WEIGHTS), Batch(case.frames, np.array([[0], [1]]))
    for evaluator in (members_of(case, spec), chip_of(case, spec)):
        for generation in range(3):
            evaluator.evaluate(batch, range(4), generation)
            evaluator.apply_update(
                np.ones(4, np.int8), range(4), generation, [Rates(1 << 30, 0, 0)] * 2, batch
            )
        evaluator.apply_update(np.ones(2, np.int8), range(2), 3, [Rates(0, 0, 0)] * 2, batch)
    assert [shape.pairs for _, shape in computed] == [4, 2, 4, 2]
