"""General executor: equal to the naive oracle and to the chip emulator, for any graph."""

import threading

import naive_graph
import numpy as np
import pytest
from graph_strategies import graph_cases
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import Case, cases

from neurosim import threads
from neurosim.chip import profiles
from neurosim.chip.emulator import Chip
from neurosim.data.frames import pack
from neurosim.network import Connection, Input, Network, NetworkError, Population, Weights
from neurosim.population import graph_evaluator
from neurosim.population.batch import Batch
from neurosim.population.evaluator import ReadoutSpec
from neurosim.population.graph_evaluator import GraphEvaluator, Spaces
from neurosim.population.layer_credit import FEEDBACKS, FeedbackSpec
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import Precision, state_of

SEED = 0xFEDCBA9876543210
READOUT = ReadoutSpec(True, 2560, 16)


def evaluator_of(case, feedback=None, spec=None, **more):
    count = len(case.network.populations)
    spec = spec or NoiseSpec((0,) * count, (0,) * count)
    return GraphEvaluator(
        case.network,
        state_of(case.weights),
        seed=SEED,
        noise=spec,
        readout_spec=READOUT,
        feedback=feedback or FeedbackSpec("gate"),
        precision=Precision(0, 0),
        **more,
    )


@given(graph_cases())
def test_any_graph_does_what_the_oracle_does(case):
    seen = evaluator_of(case).forward(case.frames)
    hidden = [p.name for p in case.network.populations if not p.name.startswith("readout:")]
    for index, sample in enumerate(case.dense):
        spikes, found, saturated = naive_graph.run(case.network, case.weights, sample.tolist())
        for name, counts in zip(hidden, seen.spikes, strict=True):
            assert counts[index].tolist() == [
                sum(column) for column in zip(*spikes[name], strict=True)
            ]
        rows, _ = found["out"]
        potentials = [sum(row[k][3] for row in rows) for k in range(case.network.sizes["out"])]
        assert seen.potentials[index].tolist() == potentials
        assert seen.saturated[index] == saturated


@given(graph_cases(delays=False))
def test_any_graph_without_recurrence_does_what_the_chip_does(case):
    if any(c.recurrent for c in case.network.connections):
        return
    chip = Chip.from_weights(case.network, case.weights, profiles.LAYERED, placement=None)
    recorded = chip.run(case.frames)
    seen = evaluator_of(case).forward(case.frames)
    for name, counts in zip(
        [p.name for p in case.network.populations if not p.name.startswith("readout:")],
        seen.spikes,
        strict=True,
    ):
        assert np.array_equal(recorded.spikes[name].astype(np.int64).sum(axis=1), counts)


@given(case=cases(), seed=st.integers(0, 9))
def test_dense_chains_do_what_the_fused_kernel_does(case, seed):
    from strategies import chip_of, still

    assume(len(case.network.populations) > 1)  # the general executor learns with a hidden layer

    fused = chip_of(case, still(case.network)).forward(case.frames)
    general = evaluator_of(case).forward(case.frames)
    for one, other in zip(
        (*fused[:2], *fused.spikes), (*general[:2], *general.spikes), strict=True
    ):
        assert np.array_equal(one, other)
    assert np.array_equal(fused.saturated, general.saturated)


@st.composite
def noises(draw, network):
    count = len(network.populations)
    scales = st.sampled_from([1, 64, 5000, 40_000])
    return NoiseSpec(
        tuple(draw(scales) for _ in range(count)),
        (0,) * count,
        period=draw(st.integers(1, 2)),
        windows=tuple(draw(st.sampled_from([0, 3000, 100_000])) for _ in range(count)),
    )


@given(data=st.data(), kind=st.sampled_from(FEEDBACKS), pairs=st.integers(1, 3))
def test_updates_are_those_of_the_oracle(data, kind, pairs):
    readouts = "all" if kind == "local" else True  # without one no error reaches a layer
    case = data.draw(graph_cases(samples=2, steps=3, readouts=readouts))
    spec = data.draw(noises(case.network))
    generation = data.draw(st.integers(0, 99))
    evaluator = evaluator_of(case, FeedbackSpec(kind, 100), spec)
    samples = len(case.labels)
    batch = Batch(case.frames, np.arange(samples)[:, None])
    sums = evaluator.evaluate(batch, range(samples * pairs), generation).credits
    plan = evaluator._plan(case.dense.shape[1])
    multipliers = {
        name: (one.multiplier, one.shift) for name, one in evaluator._readouts(plan).items()
    }
    settings = (spec, multipliers, kind, 100, pairs, generation, SEED)
    wanted, biases = naive_graph.credits_of(case, case.weights, *settings)
    for (connection, _), matrix, flat in zip(
        case.network.parameters, sums.matrices, wanted, strict=True
    ):
        assert matrix.reshape(-1).tolist() == flat, connection.name
    for population, one, other in zip(case.network.populations, sums.biases, biases, strict=True):
        assert one.tolist() == other, population.name


@given(
    case=graph_cases(samples=6),
    kind=st.sampled_from(FEEDBACKS),
    bytes_=st.sampled_from([1, 1 << 30]),
)
def test_blocks_and_threads_change_nothing(case, kind, bytes_):
    spec = NoiseSpec((5000,) * len(case.network.populations), (0,) * len(case.network.populations))
    samples = len(case.labels)
    batch = Batch(case.frames, np.arange(samples)[:, None])
    found = []
    for count, memory in ((1, 1 << 20), (min(2, threads.available()), bytes_)):
        threads.use(count)
        try:
            evaluator = evaluator_of(case, FeedbackSpec(kind), spec, workspace_bytes=memory)
            sums = evaluator.evaluate(batch, range(2 * samples), 3)
        except NetworkError:
            assert kind == "local"
            return
        found.append((sums.fitness, *sums.credits.matrices, *sums.credits.biases))
    threads.use(None)
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.skipif(threads.available() < 2, reason="this machine has one thread")
def test_threads_that_start_together_add_to_sums_of_their_own(monkeypatch):
    together, used, lock = threading.Barrier(2), {}, threading.Lock()
    take, credit = Spaces.take, graph_evaluator.credit_block

    def take_together(spaces):
        together.wait(60)
        return take(spaces)

    def credit_of_thread(*given):
        with lock:
            used.setdefault(threading.get_ident(), set()).add(id(given[-1]))
        credit(*given)

    monkeypatch.setattr(Spaces, "take", take_together)
    monkeypatch.setattr(graph_evaluator, "credit_block", credit_of_thread)
    evaluator = evaluator_of(small_case(classes=3), workspace_bytes=1)
    batch = Batch(pack(np.ones((40, 2, 9), np.uint8), np.zeros(40, int)), np.arange(40)[:, None])
    threads.use(2)
    try:
        evaluator.evaluate(batch, range(40), 0)
    finally:
        threads.use(None)
    assert all(len(own) == 1 for own in used.values())
    assert len(set.union(*used.values())) == len(used)


@pytest.mark.parametrize("label", [0, 255, 256, 299])
def test_labels_above_one_byte_are_the_classes_that_are_learned(label):
    evaluator = evaluator_of(small_case(classes=300))
    batch = Batch(pack(np.ones((1, 2, 9), np.uint8), [label]), np.zeros((1, 1), int))
    output = evaluator.evaluate(batch, range(1), 0).credits.biases[-1]
    assert np.flatnonzero(output > 0).tolist() == [label]


def small_case(classes):
    network = Network(
        (Input("in", 9),),
        (Population("a", 20, 9), Population("out", classes, 131071)),
        (Connection("in", "a"), Connection("a", "out")),
    )
    weights = Weights(
        (np.zeros((9, 20), np.int8), np.zeros((20, classes), np.int8)),
        (np.zeros(20, np.int16), np.zeros(classes, np.int16)),
    )
    return Case(network, weights, np.zeros((0, 1, 9)), np.zeros(0, int))


def test_a_cycle_between_populations_is_refused_by_name():
    network = Network(
        (Input("in", 3),),
        (Population("a", 2, 9), Population("b", 2, 9), Population("out", 2, 9)),
        tuple(Connection(*pair) for pair in (("in", "a"), ("a", "b"), ("b", "a"), ("b", "out"))),
    )
    with pytest.raises(NetworkError, match=r"\['a', 'b'\] feed each other in a cycle"):
        _ = network.graph
