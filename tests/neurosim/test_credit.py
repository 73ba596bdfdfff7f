"""Neuron credit by error: exact, and equal to the enumerated gradient."""

import itertools

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from learning.shaping import left_out
from neurosim.kernels.rules.error_credit import CREDIT_SHIFT
from neurosim.network import Network, NetworkError, Population, Weights
from neurosim.population.batch import Batch
from neurosim.population.evaluator import Evaluator, ReadoutSpec
from neurosim.population.layout import NoiseSpec
from neurosim.population.rules import Signal, check_signals
from neurosim.population.state import Precision
from neurosim.population.update import Rates

GENERATION, SEED = 6, 0x0123456789ABCDEF
STILL = [Rates(0, 0, 0)] * 2
MEMBRANE = ReadoutSpec(True, 256, 16)


def chip_of(case, spec, readout=MEMBRANE, error_credit=True):
    return Evaluator(
        case.network,
        strategies.state_of(case.weights, momentum=True),
        seed=SEED,
        noise=spec,
        readout_spec=readout,
        precision=Precision(0),
        signals=strategies.signals(len(case.network.layers), hidden=Signal.CREDIT)
        if error_credit
        else None,
    )


@st.composite
def two_layers(draw):
    """A network with a hidden layer and a readout whose registers are the same for all neurons."""
    sizes = draw(st.tuples(st.integers(1, 20), st.integers(1, 35), st.integers(1, 5)))
    layers = [draw(strategies.populations(f"layer{i}", n)) for i, n in enumerate(sizes[1:])]
    network = Network.chain(sizes[0], layers)
    numbers = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 4)), sizes[0])
    dense = (numbers.random(shape) < draw(st.sampled_from([0.05, 0.3, 1.0]))).astype(np.uint8)
    labels = numbers.integers(0, sizes[2], shape[0]).astype(np.uint8)
    weights = strategies.random_weights(network, numbers, draw(st.booleans()))
    return strategies.Case(network, weights, dense, labels)


@given(st.data())
def test_credits_and_update_sums_equal_the_oracle(data):
    case, readout = data.draw(two_layers()), data.draw(strategies.READOUTS)
    spec = NoiseSpec(
        (data.draw(st.sampled_from([64, 5000, 40_000])), 0),
        (0, 0),
        aligned=(True, False),
        graded=data.draw(st.booleans()),
        period=data.draw(st.integers(1, 2)),
        window=data.draw(st.sampled_from([0, 3000, 100_000])),
    )
    groups = [[data.draw(st.integers(0, len(case.labels) - 1))] for _ in range(2)]
    pairs = range(begin := data.draw(st.integers(0, 1000)), begin + 4)
    chip = chip_of(case, spec, readout)
    seen = chip.evaluate(Batch(case.frames, np.array(groups)), pairs, GENERATION)
    largest = 32767 // (2 * (8 if spec.graded else 1))
    wanted = [
        naive.credits(
            case.network,
            case.weights,
            spec,
            readout,
            case.dense[sample],
            int(case.labels[sample]),
            pair,
            GENERATION,
            SEED,
            largest,
        )
        for pair, sample in zip(pairs, np.repeat(np.array(groups)[:, 0], 2).tolist(), strict=True)
    ]
    neurons = case.network.populations[0].neurons
    assert seen.credits[:, :neurons].tolist() == wanted
    assert not seen.credits[:, neurons:].any()
    chip.apply_update(seen.credits, pairs, GENERATION, STILL, Batch(case.frames, np.array(groups)))
    wanted_sums = naive.event_aligned_sums(
        case.network,
        case.weights,
        spec,
        readout,
        case.dense,
        case.labels,
        groups,
        wanted,
        pairs,
        GENERATION,
        SEED,
        True,
    )
    for layer, population in enumerate(case.network.populations):
        kept = chip.state.momentum[layer][:, : population.neurons]
        assert kept.tolist() == wanted_sums[layer][0]


@given(st.data())
def test_fitness_is_the_unperturbed_networks(data):
    case, readout = data.draw(two_layers()), data.draw(strategies.READOUTS)
    spec = NoiseSpec((5000, 0), (0, 0), aligned=(True, False))
    groups = np.arange(len(case.labels))[:, None]
    seen = chip_of(case, spec, readout).evaluate(
        Batch(case.frames, groups), range(2 * len(groups)), GENERATION
    )
    still = NoiseSpec((0, 0), (0, 0))
    alone = chip_of(case, still, readout, False).evaluate(
        Batch(case.frames, groups), range(len(groups)), GENERATION
    )
    assert np.array_equal(seen.fitness, np.repeat(alone.fitness, 2, axis=0))


# --- the gradient of the smoothed objective, over all sign patterns --------------------------------

NEURONS, STEPS, SCALE = 2, 2, 40 << 6


def tiny():
    """Two hidden neurons, two steps: sixteen patterns of noise. The spikes of some patterns differ."""
    network = Network.chain(
        3, [Population("hidden", NEURONS, 60, dv=400), Population("output", 3, 131071, dv=400)]
    )
    mantissas = (
        np.array([[30, 9], [-12, 31], [25, 3]], np.int8),
        np.array([[64, -32, 32], [-64, 96, -32]], np.int8),
    )
    weights = Weights(mantissas, (np.zeros(2, np.int16), np.zeros(3, np.int16)))
    dense = np.array([[[1, 0, 1], [1, 1, 0]]], np.uint8)
    return strategies.Case(network, weights, dense, np.array([1], np.uint8))


def patterns(directions=1):
    """All numbers +1 and -1 of a pair's (direction, step, neuron), and for each a pair that draws it."""
    size = directions * NEURONS * STEPS
    drawn = {}
    for pair in range(size * 100 * directions**4):
        numbers = tuple(
            n
            for direction in range(pair * directions, (pair + 1) * directions)
            for t in range(STEPS)
            for n in naive.numbers(
                naive.Field(naive.ALIGNED, 0, direction, GENERATION, SEED), NEURONS, 2, t, False
            )
        )
        drawn.setdefault(numbers, pair)
        if len(drawn) == 2**size:
            return drawn
    raise AssertionError(len(drawn))


def member(case, pattern, sign=1):
    """The network under one pattern of noise."""
    noise = np.array(pattern).reshape(STEPS, NEURONS).tolist()
    return naive.run(
        case.network, case.weights, case.dense[0], None, sign, [SCALE, 0], None, [noise, None]
    )


def enumerated(case, objective):
    """Sum over all patterns of the change of `objective` when one number goes from -1 to 1, by synapse."""
    gradient = np.zeros((3, NEURONS), np.int64)
    for t, k in itertools.product(range(STEPS), range(NEURONS)):
        place = t * NEURONS + k
        for rest in itertools.product((-1, 1), repeat=NEURONS * STEPS - 1):
            up, down = ((*rest[:place], sign, *rest[place:]) for sign in (1, -1))
            change = objective(member(case, up)) - objective(member(case, down))
            gradient[:, k] += change * case.dense[0, t].astype(np.int64)
    return gradient


def estimated(chip, case, coefficients, pair):
    """Update sums of one pair on the synapses of the hidden layer."""
    before = chip.state.momentum[0].astype(np.int64)
    before -= np.sign(before) * (abs(before) >> chip.momentum_bits)
    chip.apply_update(
        coefficients, range(pair, pair + 1), GENERATION, STILL, Batch(case.frames, np.array([[0]]))
    )
    return (chip.state.momentum[0] - before)[:, :NEURONS]


def test_the_mean_over_all_sign_patterns_is_the_gradient_of_the_smoothed_objective():
    """Credit by fitness: what the chip measures and adds up, against the log-likelihood enumerated."""
    case, readout = tiny(), MEMBRANE
    chip = chip_of(case, NoiseSpec((SCALE, 0), (0, 0), aligned=(True, False)), readout, False)
    estimate = np.zeros((3, NEURONS), np.int64)
    for pair in patterns().values():
        pairs = range(pair, pair + 1)
        fitness = chip.evaluate(Batch(case.frames, np.array([[0]])), pairs, GENERATION).fitness[0]
        estimate += (fitness[0] - fitness[1]) * estimated(chip, case, np.array([1], np.int8), pair)
    wanted = enumerated(
        case,
        lambda seen: naive.log_likelihood(seen.potentials, 1, readout.multiplier, readout.shift),
    )
    assert np.array_equal(estimate, 2 * wanted)
    assert wanted.any()


def test_one_sided_members_estimate_the_same_gradient_without_each_other():
    """Each against the other member of its group, over all patterns of both: the same enumerated gradient."""
    case = tiny()
    spec = NoiseSpec((SCALE, 0), (0, 0), aligned=(True, False), one_sided=True)
    chip = chip_of(case, spec, MEMBRANE, False)
    estimate = np.zeros((3, NEURONS), np.int64)
    found = patterns(directions=2)
    for pair in found.values():
        pairs = range(pair, pair + 1)
        fitness = chip.evaluate(Batch(case.frames, np.array([[0]])), pairs, GENERATION).fitness
        utilities = left_out(fitness)[0] * [1, -1]
        for place, one in enumerate(utilities.tolist()):
            one_hot = np.zeros(2, np.int8)
            one_hot[place] = 1
            estimate += one * estimated(chip, case, one_hot, pair)
    wanted = enumerated(
        case,
        lambda seen: naive.log_likelihood(seen.potentials, 1, MEMBRANE.multiplier, MEMBRANE.shift),
    )
    assert np.array_equal(estimate, 2 * 2 ** (NEURONS * STEPS) * wanted)
    assert wanted.any()


def test_credit_by_error_follows_the_gradient_of_the_objective_that_the_errors_name():
    """The objective: traces of the hidden neurons, through the readout's weights, times its errors."""
    case, readout = tiny(), ReadoutSpec(True, 256, 12)
    chip = chip_of(case, NoiseSpec((SCALE, 0), (0, 0), aligned=(True, False)), readout)
    estimate = np.zeros((3, NEURONS), np.int64)
    for pair in patterns().values():
        seen = chip.evaluate(Batch(case.frames, np.array([[0]])), range(pair, pair + 1), GENERATION)
        estimate += estimated(chip, case, seen.credits, pair)
    still = naive.run(case.network, case.weights, case.dense[0])
    errors = naive.softmax_errors(still.potentials, 1, readout.multiplier, readout.shift)

    def objective(seen):
        traces = [naive.trace(train, 4095, 400) for train in zip(*seen.spikes[0], strict=True)]
        return int(np.array(traces) @ case.weights.mantissas[1].astype(int) @ np.array(errors))

    wanted = enumerated(case, objective)
    assert np.array_equal(estimate << CREDIT_SHIFT, 2 * wanted)
    assert wanted.any()


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "spec", "named"),
    [
        (
            3,
            {"scale": (1, 1, 0), "bias_scale": (0,) * 3, "aligned": (True, True, False)},
            "3 layers",
        ),
        (
            2,
            {"scale": (1, 1), "bias_scale": (0, 0), "aligned": (True, True)},
            "none on the readout",
        ),
        (2, {"scale": (1, 1), "bias_scale": (0, 0), "aligned": (True, False)}, r"scale \(1, 1\)"),
        (2, {"scale": (1, 0), "bias_scale": (0, 0)}, r"noise \(\)"),
        (2, {"scale": (1, 0), "bias_scale": (1, 0), "aligned": (True, False)}, "bias_scale"),
        (
            2,
            {"scale": (1, 0), "bias_scale": (0, 0), "aligned": (True, False), "one_sided": True},
            "one-sided",
        ),
    ],
)
def test_noise_that_errors_cannot_tell_apart_is_refused(layers, spec, named):
    network = Network.chain(5, [Population(f"layer{i}", 4, 60) for i in range(layers)])
    case = strategies.Case(
        network, strategies.random_weights(network, np.random.default_rng(0)), None, None
    )
    with pytest.raises(NetworkError, match=named):
        chip_of(case, NoiseSpec(**spec))


def test_coefficients_that_are_no_credits_are_refused():
    case = tiny()
    chip = chip_of(case, NoiseSpec((SCALE, 0), (0, 0), aligned=(True, False)))
    with pytest.raises(NetworkError, match=r"needed is int16 \(1, 16\)"):
        chip.apply_update(
            np.zeros(1, np.int8), range(1), 0, STILL, Batch(case.frames, np.zeros((1, 1), np.int64))
        )


def test_credits_that_could_overflow_are_refused():
    """255 steps, no decay, 40 classes: error, weight and trace together pass 32 bits."""
    network = Network.chain(
        2, [Population("hidden", 2, 60), Population("output", 40, 131071, du=0, dv=0)]
    )
    weights = strategies.random_weights(network, np.random.default_rng(0))
    dense = np.ones((1, 255, 2), np.uint8)
    case = strategies.Case(network, weights, dense, np.zeros(1, np.uint8))
    chip = chip_of(case, NoiseSpec((64, 0), (0, 0), aligned=(True, False)))
    with pytest.raises(NetworkError, match="255 steps and 40 classes could overflow"):
        chip.evaluate(Batch(case.frames, np.array([[0]])), range(1), 0)


@pytest.mark.parametrize(
    ("signals", "named"),
    [
        ((Signal.CREDIT,), "1 learning signals for 2"),
        ((Signal.CREDIT, Signal.CREDIT), "'credit' for the layers before it"),
        ((Signal.ERROR, Signal.ERROR), "'error' is for the readout"),
    ],
)
def test_signals_that_a_layer_cannot_have_are_refused(signals, named):
    with pytest.raises(NetworkError, match=named):
        check_signals(signals, 2)
