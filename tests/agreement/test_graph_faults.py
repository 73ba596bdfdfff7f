"""Graphs of layers on chips with faults: evaluator and emulator agree; learning is that of what is read."""

from dataclasses import replace
from functools import partial

import naive_graph
import numpy as np
import pytest
from graph_strategies import graph_cases
from hypothesis import given
from hypothesis import strategies as st
from strategies import READOUT, SEED, Case, cases, chip_faults, example

from neurosim.chip import profiles
from neurosim.chip.emulator import Chip, Probe
from neurosim.network import (
    Connection,
    Conv2d,
    Input,
    Network,
    NetworkError,
    Population,
    Sparse,
    SumPool2d,
    Weights,
)
from neurosim.network.faults import ONE, Faults
from neurosim.network.shapes import lane_order
from neurosim.population.batch import Batch
from neurosim.population.faulty import FaultyEvaluator, FaultyGraphEvaluator, FaultyGraphMembers
from neurosim.population.graph_evaluator import GraphEvaluator
from neurosim.population.layer_credit import FEEDBACKS, SHARE_ONE, FeedbackSpec
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import Precision, state_of, weights
from neurosim.population.update import Rates


def noise_of(network):
    """Event-aligned noise of every hidden layer."""
    count = len(network.populations)
    hidden = [population.name not in network.readouts for population in network.populations]
    scale = tuple(5000 * one for one in hidden)
    return NoiseSpec(scale, (0,) * count, aligned=tuple(hidden), windows=(0,) * count)


COARSE = Precision(0, 0)


def evaluator_of(form, case, feedback="gate", precision=COARSE, **more):
    return form(
        case.network,
        state_of(case.weights, precision.fraction_bits),
        seed=SEED,
        noise=noise_of(case.network),
        readout_spec=READOUT,
        feedback=FeedbackSpec(feedback),
        precision=precision,
        **more,
    )


def faulty(case, faults, feedback="gate", **more):
    return evaluator_of(FaultyGraphEvaluator, case, feedback, faults=faults, **more)


def chain():
    """Two hidden layers, the first of as many neurons as a word has bits."""
    return example((30, 64, 20, 5), samples=40)


def batch_of(case):
    return Batch(case.frames, np.arange(len(case.frames.labels))[:, None])


@given(st.data())
def test_a_graph_on_a_chip_with_faults_does_what_the_emulator_of_that_chip_does(data):
    case = data.draw(graph_cases(delays=False))
    if any(connection.recurrent for connection in case.network.connections):
        return
    faults = data.draw(chip_faults())
    seen = faulty(case, faults).forward(case.frames)
    chip = Chip.from_weights(
        case.network, case.weights, profiles.LAYERED, placement=None, faults=faults
    )
    recorded = chip.run(case.frames, [Probe("out", "v")])
    names = [p.name for p in case.network.populations if not p.name.startswith("readout:")]
    for name, counts in zip(names, seen.spikes, strict=True):
        assert np.array_equal(recorded.spikes[name].astype(np.int64).sum(axis=1), counts)
    assert np.array_equal(recorded.probed[0].sum(axis=1), seen.potentials)


@given(st.data())
def test_a_graph_learns_from_what_its_synapses_read(data):
    """With faults of bits and registers alone: as a sound chip of those weights and registers."""
    case = data.draw(graph_cases())
    faults = replace(data.draw(chip_faults(lost_axons=0)), silent=0, always_firing=0)
    feedback = data.draw(st.sampled_from(FEEDBACKS))
    read = case.weights
    if faults.stuck_at_0 or faults.stuck_at_1:
        read = Weights(faults.mantissas(case.network, read.mantissas), read.biases)
    actual = case._replace(network=faults.registers(case.network), weights=read)
    batch, pairs = batch_of(case), range(2 * len(case.frames.labels))
    try:
        wanted = evaluator_of(GraphEvaluator, actual, feedback).evaluate(batch, pairs, 3)
    except NetworkError:
        return
    found = faulty(case, faults, feedback).evaluate(batch, pairs, 3)
    assert np.array_equal(wanted.fitness, found.fitness)
    for one, other in zip(wanted.credits, found.credits, strict=True):
        assert all(map(np.array_equal, one, other))


@given(data=st.data(), kind=st.sampled_from(FEEDBACKS), share=st.sampled_from([ONE // 3, ONE]))
def test_over_lost_axons_no_spike_arrives_and_no_error_returns(data, kind, share):
    """The oracle has no such synapses, whatever the kind of their connection."""
    readouts = "all" if kind == "local" else True
    case = data.draw(graph_cases(samples=2, steps=3, readouts=readouts))
    network, faults = case.network, Faults(lost_axons=share, seed=data.draw(st.integers(0, 99)))
    evaluator = faulty(case, faults, kind)
    pairs = range(2 * len(case.labels))
    sums = evaluator.evaluate(batch_of(case), pairs, 3).credits
    plan = evaluator._plan(case.dense.shape[1])
    multipliers = {
        name: (one.multiplier, one.shift) for name, one in evaluator._readouts(plan).items()
    }
    read = Weights(faults.mantissas(network, case.weights.mantissas), case.weights.biases)
    settings = (noise_of(network), multipliers, kind, SHARE_ONE // 2, 2, 3, SEED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(naive_graph, "synapses", partial(heard, faults))
        wanted, biases = naive_graph.credits_of(case, read, *settings)
    assert [one.reshape(-1).tolist() for one in sums.matrices] == wanted
    assert [one.tolist() for one in sums.biases] == biases


def heard(faults, network, weights):
    """The synapses whose axons are not lost."""
    found = naive_graph.written(network, weights)
    for number, connection in enumerate(network.connections):
        lost = np.zeros(network.sizes[connection.source], bool)
        lost[lane_order(network.shapes[connection.source])] = faults.axons(network, number)
        found[connection.name] = [one for one in found[connection.name] if not lost[one[0]]]
    return found


@given(case=cases(), faults=chip_faults(lost_axons=0))
def test_members_of_a_chain_with_faults_are_those_of_the_fused_kernel(case, faults):
    count = len(case.network.populations)
    spec = NoiseSpec((500,) * count, (0,) * count, rank=2)
    batch = Batch(case.frames, np.arange(len(case.frames.labels))[None, :])
    seen = [
        form(
            case.network,
            state_of(case.weights),
            seed=SEED,
            noise=spec,
            readout_spec=READOUT,
            faults=faults,
            precision=COARSE,
            **more,
        ).evaluate(batch, range(4), 7)
        for form, more in (
            (FaultyEvaluator, {}),
            (FaultyGraphMembers, {"workspace_bytes": 1 << 20}),
        )
    ]
    assert np.array_equal(seen[0].fitness, seen[1].fitness)
    assert np.array_equal(seen[0].saturated, seen[1].saturated)


def learned(case, faults, generations, at=0, state=None):
    """A chip after so many generations of learning, from a state of before generation `at`."""
    chip = faulty(case, faults, precision=Precision(8, 0), generation=at)
    if state is not None:
        chip.state = state
    batch, pairs = batch_of(case), range(2 * len(case.frames.labels))
    rates = [Rates(300, 30, 0)] * len(case.network.parameters)
    for generation in range(at, generations):
        seen = chip.evaluate(batch, pairs, generation)
        chip.apply_update(seen.credits, pairs, generation, rates, batch)
    return chip


@given(st.data())
def test_faults_that_come_and_bits_that_flip_are_the_same_after_a_stop(data):
    case = data.draw(graph_cases())
    faults = replace(data.draw(chip_faults()), stuck_generator_bit=ONE, since=1)
    faults = replace(faults, flipped_weight_bits=ONE // 20)
    try:
        whole = learned(case, faults, 3)
    except NetworkError:
        return
    first = learned(case, faults, 2)
    again = learned(case, faults, 3, at=2, state=first.state)
    assert all(map(np.array_equal, whole.state.synapses, again.state.synapses))
    sound = learned(case, replace(faults, since=9), 1)
    before = learned(case, faults, 1)
    assert all(map(np.array_equal, sound.state.synapses, before.state.synapses))


def test_bits_of_a_graph_flip_at_their_rate():
    case = chain()
    faults = Faults(flipped_weight_bits=ONE // 10, seed=9)
    chip = faulty(case, faults)
    batch, pairs = batch_of(case), range(2 * len(case.frames.labels))
    seen = chip.evaluate(batch, pairs, 4)
    still = [Rates(0, 0, 0)] * len(case.network.parameters)
    chip.apply_update(seen.credits, pairs, 4, still, batch)
    for number, one in enumerate(weights(chip.state, 0).mantissas):
        turned = (case.weights.mantissas[number] ^ one).view(np.uint8)
        assert np.array_equal(turned, faults.flips(case.network, number, 4))
        assert turned.any()


def test_a_stuck_bit_of_the_generator_changes_learning_and_nothing_else():
    case = chain()
    stuck = Faults(stuck_generator_bit=ONE, seed=5)
    batch, pairs = batch_of(case), range(2 * len(case.frames.labels))
    sound, other = (
        evaluator_of(GraphEvaluator, case).evaluate(batch, pairs, 3),
        faulty(case, stuck).evaluate(batch, pairs, 3),
    )
    assert np.array_equal(sound.fitness, other.fitness)
    assert not np.array_equal(sound.credits.matrices[0], other.credits.matrices[0])


def test_dense_layers_between_maps_have_the_faults_of_their_matrix():
    """Its rows and columns lie channels last, and the neurons of a map do not."""
    numbers = np.random.default_rng(3)
    parts = [Population("maps", 18, 9, shape=(2, 3, 3)), Population("out", 3, 131071)]
    wires = (Connection("in", "maps"), Connection("maps", "out"))
    network = Network((Input("in", 18, (2, 3, 3)),), tuple(parts), wires)
    weights = Weights(
        tuple(numbers.integers(-60, 60, shape).astype(np.int8) for shape in ((18, 18), (18, 3))),
        (np.zeros(2, np.int16), np.zeros(3, np.int16)),
    )
    dense = (numbers.random((4, 5, 18)) < 0.4).astype(np.uint8)
    case = Case(network, weights, dense, np.zeros(4, np.uint8))
    for faults in (Faults(lost_axons=ONE // 3), Faults(stuck_at_1=ONE // 9)):
        chip = Chip.from_weights(network, weights, profiles.LAYERED, placement=None, faults=faults)
        seen = faulty(case, faults).forward(case.frames)
        recorded = chip.run(case.frames, [Probe("out", "v")])
        assert np.array_equal(recorded.probed[0].sum(axis=1), seen.potentials)


def test_a_stuck_bit_of_a_kernel_is_that_of_all_its_synapses():
    """Every synapse of a tap reads one stored weight; pools and absent synapses store none."""
    parts = [
        Population("maps", 2 * 4 * 4, 60, shape=(2, 4, 4)),
        Population("pooled", 2 * 2 * 2, 60, shape=(2, 2, 2)),
        Population("out", 3, 60),
    ]
    some = Sparse.of(np.random.default_rng(0).random((8, 3)) < 0.5)
    wires = [
        Connection("in", "maps", kind=Conv2d(2, 3, 1, 1)),
        Connection("maps", "pooled", kind=SumPool2d(2)),
        Connection("pooled", "out", kind=some),
    ]
    network = Network((Input("in", 16, (1, 4, 4)),), tuple(parts), tuple(wires))
    faults = Faults(stuck_at_1=ONE // 3, flipped_weight_bits=ONE // 3, seed=2)
    written = [np.zeros((9, 2), np.int8), np.zeros((8, 3), np.int8)]
    kernel, dense = faults.mantissas(network, written)
    assert len(set(kernel.reshape(-1).tolist())) > 9
    assert not dense[~some.mask()].any()
    assert dense.any()
    assert not faults.flips(network, 2, 0)[~some.mask()].any()
    assert faults.flips(network, 1, 0).size == 0
    stored = {where: of for _, where, _, of in faults.counts(network)}
    assert stored == {wires[0].name: 18 * 8, wires[2].name: int(some.mask().sum()) * 8}
