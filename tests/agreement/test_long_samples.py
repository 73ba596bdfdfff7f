"""Samples of up to 1,000 steps: both executors equal to the naive oracles where sums leave 32 bits."""

import naive
import naive_graph
import numpy as np
import pytest
import strategies
from graph_strategies import graph_cases
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.chip import profiles
from neurosim.chip.emulator import Chip, Probe
from neurosim.data.frames import MOST_STEPS, FramesError, pack
from neurosim.network import Connection, Conv2d, Input, Network, NetworkError, Population, Weights
from neurosim.population.batch import Batch
from neurosim.population.evaluator import ReadoutSpec
from neurosim.population.graph_evaluator import GraphEvaluator
from neurosim.population.layer_credit import FeedbackSpec, largest_delta_term
from neurosim.population.layout import NoiseSpec
from neurosim.population.operators import operator
from neurosim.population.state import Precision, state_of

LONG = st.sampled_from([254, 255, 256, 510, 511, MOST_STEPS])
READOUT = ReadoutSpec(True, 2560, 26)
SUMS_BEYOND_32_BITS = 1 << 31


def hot(steps, classes=3, sign=1):
    """A chain whose output's v goes to the edge of its register, and hidden neurons that always spike."""
    network = Network.chain(
        2,
        [Population("hidden", 3, 5), Population("output", classes, 131071, du=0, dv=0)],
        Connection("", "", weight_exp=7),
    )
    numbers = np.random.default_rng(steps)
    mantissas = [
        numbers.integers(60, 128, shape).astype(np.int8) for shape in ((2, 3), (3, classes))
    ]
    mantissas[1][:, 0] *= sign
    biases = (np.zeros(3, np.int16), np.zeros(classes, np.int16))
    dense = np.ones((2, steps, 2), np.uint8)
    return strategies.Case(network, Weights(tuple(mantissas), biases), dense, np.array([0, 1]))


def general(case, spec=None, feedback=None, readout=READOUT, **more):
    count = len(case.network.populations)
    return GraphEvaluator(
        case.network,
        state_of(case.weights),
        seed=strategies.SEED,
        noise=spec or NoiseSpec((0,) * count, (0,) * count),
        readout_spec=readout,
        feedback=feedback or FeedbackSpec("gate"),
        precision=Precision(0, 0),
        **more,
    )


@pytest.mark.parametrize("steps", [255, 259, MOST_STEPS])
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_of_membranes_beyond_32_bits_are_exact(steps, sign):
    case = hot(steps, sign=sign)
    wanted = [naive.run(case.network, case.weights, sample) for sample in case.dense]
    if sign < 0:  # at the upper edge of its register it would spike
        lowest = min(score for seen in wanted for score in seen.potentials)
        assert (lowest < -SUMS_BEYOND_32_BITS) == (steps > 258)
    recorded = Chip.from_weights(case.network, case.weights, profiles.LAYERED, placement=None).run(
        case.frames, probes=[Probe("output", "v")]
    )
    for chip in (strategies.chip_of(case, strategies.still(case.network), READOUT), general(case)):
        seen = chip.forward(case.frames)
        assert seen.potentials.tolist() == [one.potentials for one in wanted]
        assert seen.counts.tolist() == [one.counts for one in wanted]
        assert np.array_equal(recorded.probed[0].sum(axis=1), seen.potentials)
        assert seen.spikes[0].tolist() == [
            [sum(column) for column in zip(*one.spikes[0], strict=True)] for one in wanted
        ]
    assert max(seen.spikes[0].flat) == steps


@settings(max_examples=15, deadline=None)
@given(
    data=st.data(),
    steps=LONG,
    readout=st.sampled_from([READOUT, ReadoutSpec(False, 96_820, 16)]),
)
def test_members_on_long_samples_have_the_oracles_fitness(data, steps, readout):
    case = data.draw(strategies.cases(largest=6, samples=1))
    spec = data.draw(strategies.noises(case.network))
    numbers = np.random.default_rng(steps)
    dense = (numbers.random((1, steps, case.dense.shape[2])) < 0.3).astype(np.uint8)
    seen = strategies.chip_of(case, spec, readout).evaluate(
        Batch(pack(dense, case.labels[:1]), np.array([[0]])), range(1), 7
    )
    fitness, saturated = naive.fitness(
        case.network,
        case.weights,
        spec,
        readout,
        dense,
        case.labels,
        [[0]],
        range(1),
        7,
        strategies.SEED,
    )
    assert seen.fitness.tolist() == fitness
    assert seen.saturated.tolist() == saturated


def most_uses(network, targets=None):
    return max(m.uses for c, m in network.parameters if targets is None or c.target in targets)


@settings(max_examples=10, deadline=None)
@given(
    data=st.data(),
    case=graph_cases(samples=1, layers=2),
    steps=st.sampled_from([256, 300]),
    kind=st.sampled_from(["gate", "gain", "gain-local"]),
)
def test_updates_of_long_samples_are_those_of_the_oracle(data, case, steps, kind):
    """dv of 0 and 1 are among the readouts: a change of a trace leaves 16 bits."""
    numbers = np.random.default_rng(steps)
    dense = (numbers.random((1, steps, case.dense.shape[2])) < 0.3).astype(np.uint8)
    case = case._replace(dense=dense, labels=case.labels[:1])
    count = len(case.network.populations)
    spec = NoiseSpec((data.draw(st.sampled_from([64, 5000])),) * count, (0,) * count)
    evaluator = general(case, spec, FeedbackSpec(kind, 100))
    batch = Batch(case.frames, np.array([[0]]))
    readouts = most_uses(case.network, case.network.readouts)
    if largest_delta_term(evaluator._plan(steps)) * readouts >= SUMS_BEYOND_32_BITS:
        with pytest.raises(NetworkError, match="the delta rule over"):
            evaluator.evaluate(batch, range(2), 3)
        return
    sums = evaluator.evaluate(batch, range(2), 3).credits
    plan = evaluator._plan(steps)
    multipliers = {
        name: (one.multiplier, one.shift) for name, one in evaluator._readouts(plan).items()
    }
    wanted, biases = naive_graph.credit(
        case.network,
        case.weights,
        spec,
        multipliers,
        kind,
        100,
        dense[0].tolist(),
        int(case.labels[0]),
        0,
        2,
        3,
        strategies.SEED,
    )
    assert [matrix.reshape(-1).tolist() for matrix in sums.matrices] == wanted
    assert [one.tolist() for one in sums.biases] == biases


@pytest.mark.parametrize("limit", [1 << 14, 1 << 17, 1 << 21, 1 << 26])
@settings(max_examples=8, deadline=None)
@given(case=graph_cases(samples=5, layers=2))
def test_sums_are_folded_wherever_the_limit_is(limit, case):
    """A lower limit stands for more steps: trials one by one, and the bytes of terms apart."""
    spec = NoiseSpec((5000,) * len(case.network.populations), (0,) * len(case.network.populations))
    batch = Batch(case.frames, np.arange(len(case.labels))[:, None])
    found = []
    for largest in (operator.INT32_MAX, limit):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(operator, "INT32_MAX", largest)
            evaluator = general(case, spec)
            if largest // 255 < case.dense.shape[1] * most_uses(case.network):
                with pytest.raises(NetworkError, match="each weight is used at"):
                    evaluator.evaluate(batch, range(2 * len(case.labels)), 3)
                return
            sums = evaluator.evaluate(batch, range(2 * len(case.labels)), 3).credits
            found.append((*sums.matrices, *sums.biases))
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)


def test_a_map_with_too_many_places_for_its_steps_is_refused_by_name():
    network = Network(
        (Input("in", 90 * 100, (1, 90, 100)),),
        (Population("map", 9000, 60, shape=(1, 90, 100)), Population("out", 2, 131071)),
        (Connection("in", "map", kind=Conv2d(1, (1, 1))), Connection("map", "out")),
    )
    weights = Weights(
        (np.ones((1, 1), np.int8), np.zeros((9000, 2), np.int8)),
        (np.zeros(1, np.int16), np.zeros(2, np.int16)),
    )
    dense = np.zeros((1, MOST_STEPS, 9000), np.uint8)
    case = strategies.Case(network, weights, dense, np.zeros(1, int))
    batch = Batch(case.frames, np.zeros((1, 1), int))
    with pytest.raises(NetworkError, match="used at 9,000 places"):
        general(case).evaluate(batch, range(1), 0)


def test_more_steps_are_refused_before_anything_runs():
    case = hot(MOST_STEPS + 1)
    with pytest.raises((NetworkError, FramesError), match=r"allowed are 1\.\.1000"):
        strategies.chip_of(case, strategies.still(case.network)).forward(case.frames)
