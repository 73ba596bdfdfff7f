"""Event-aligned noise and the delta rule: update sums as their equations say."""

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from neurosim.data.frames import words_for
from neurosim.kernels.rules import delta, event_aligned
from neurosim.kernels.simd import zeros
from neurosim.kernels.spikes import Source
from neurosim.network import NetworkError
from neurosim.population.batch import Batch
from neurosim.population.evaluator import Evaluator
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import Precision
from neurosim.population.update import Rates

GENERATION, SEED = 6, 0x0123456789ABCDEF


def chip_of(case, spec, readout, delta=False):
    return Evaluator(
        case.network,
        strategies.state_of(case.weights, momentum=True),
        seed=SEED,
        noise=spec,
        readout_spec=readout,
        precision=Precision(0),
        signals=strategies.signals(len(case.network.layers)) if delta else None,
    )


@given(st.data())
def test_members_score_what_the_oracle_says(data):
    case = data.draw(strategies.cases())
    spec, readout = (
        data.draw(strategies.aligned_noises(case.network)),
        data.draw(strategies.COSTED),
    )
    groups = [[data.draw(st.integers(0, len(case.labels) - 1))] for _ in range(2)]
    pairs = range(begin := data.draw(st.integers(0, 1000)), begin + 4)
    seen = chip_of(case, spec, readout).evaluate(
        Batch(case.frames, np.array(groups)), pairs, GENERATION
    )
    fitness, saturated = naive.fitness(
        case.network,
        case.weights,
        spec,
        readout,
        case.dense,
        case.labels,
        groups,
        pairs,
        GENERATION,
        SEED,
    )
    assert seen.fitness.tolist() == fitness
    assert seen.saturated.tolist() == saturated


@given(st.data())
def test_update_sums_are_the_sum_over_pairs_steps_and_spikes(data):
    case = data.draw(strategies.cases(largest=20))
    spec, readout = (
        data.draw(strategies.aligned_noises(case.network)),
        data.draw(strategies.READOUTS),
    )
    delta = len(case.network.layers) > 1 and data.draw(st.booleans())
    if delta:
        spec = spec._replace(
            scale=(*spec.scale[:-1], 0), aligned=(*spec.aligned[:-1], False)
        )  # as the settings have it
    groups = [[data.draw(st.integers(0, len(case.labels) - 1))] for _ in range(2)]
    count = 4 * spec.directions
    f = data.draw(st.lists(strategies.COEFFICIENTS, min_size=count, max_size=count))
    pairs = range(begin := data.draw(st.integers(0, 1000)), begin + 4)
    assert_sums(case, spec, readout, delta, groups, f, pairs)


def assert_sums(case, spec, readout, delta, groups, f, pairs):
    chip = chip_of(case, spec, readout, delta)
    rates = [Rates(1 << 32, 1 << 36, 0)] * len(case.network.layers)
    chip.apply_update(
        np.array(f, np.int8), pairs, GENERATION, rates, Batch(case.frames, np.array(groups))
    )
    directions = range(pairs.start * spec.directions, pairs.stop * spec.directions)
    wanted_sums = naive.event_aligned_sums(
        case.network,
        case.weights,
        spec,
        readout,
        case.dense,
        case.labels,
        groups,
        f,
        directions,
        GENERATION,
        SEED,
        delta,
    )
    for layer, (_, population) in enumerate(case.network.layers):
        sums, of_biases = map(np.array, wanted_sums[layer])
        if not spec.of_layer(layer):
            on_weights = naive.sums(case.network, spec, layer, f, directions, GENERATION, SEED)
            sums, of_biases = sums + on_weights[0], of_biases + on_weights[1]
        kept = chip.state.momentum[layer]
        assert kept[:, : population.neurons].tolist() == sums.tolist()
        assert not kept[:, population.neurons :].any()
        rate = naive.step_per_unit(1 << 36, [of_biases])
        for k, sum in enumerate(of_biases.tolist()):
            random = naive.rounding(naive.BIAS_ROUNDING, layer, GENERATION, SEED, k)
            before = int(case.weights.biases[layer][k]) << 8
            moved = naive.move(before, sum, rate, 0, random, -4096 << 8, (4095 << 8) + 127)
            assert chip.state.biases[layer][k] == moved


@pytest.mark.parametrize("hidden", [16, 70, 128, 150, 260])
@pytest.mark.parametrize("samples", [30, 129])
def test_update_sums_of_many_moments_and_wide_layers_are_complete(hidden, samples):
    """More moments and lanes than are taken together, not a multiple of either."""
    numbers = np.random.default_rng(hidden)
    network = strategies.Network.chain(
        70, [strategies.Population("hidden", hidden, 60), strategies.Population("output", 2, 60)]
    )
    dense = (numbers.random((samples, 2, 70)) < 0.1).astype(np.uint8)
    weights = strategies.random_weights(network, numbers, narrow=True)
    case = strategies.Case(network, weights, dense, np.zeros(samples, np.uint8))
    spec = NoiseSpec((500, 0), (0, 0), aligned=(True, False))
    f = numbers.integers(-127, 128, samples).tolist()
    groups = [[sample] for sample in range(samples)]
    chip = chip_of(case, spec, strategies.ReadoutSpec(True, 256, 16))
    chip.apply_update(
        np.array(f, np.int8),
        range(samples),
        GENERATION,
        [Rates(0, 0, 0)] * 2,
        Batch(case.frames, np.array(groups)),
    )
    xi = np.array(
        [
            [
                naive.numbers(
                    naive.Field(naive.ALIGNED, 0, pair, GENERATION, SEED),
                    hidden,
                    naive.lane_words(hidden),
                    t,
                    False,
                )
                for t in range(2)
            ]
            for pair in range(samples)
        ]
    )
    wanted = np.einsum("i,itk,itj->jk", np.array(f), xi, dense.astype(int))
    assert np.array_equal(chip.state.momentum[0][:, :hidden], wanted)


@given(
    st.sampled_from([16, 128, 144]),
    st.sampled_from([200, 600, 1500]),
    st.integers(1, 40),
    st.integers(0, 15),
    st.floats(0, 1),
    st.integers(0, 1 << 30),
)
def test_event_aligned_sums_are_the_product_of_spikes_and_terms(
    lanes, sources, samples, most, density, seed
):
    """Of few spikes and many, and terms up to the largest."""
    numbers = np.random.default_rng(seed)
    steps, words = 5, words_for(sources)
    dense = numbers.random((samples, steps, words * 64)) < density
    dense[:, :, sources:] = False
    frames = np.packbits(dense, axis=-1, bitorder="little").view(np.uint64)
    groups = numbers.integers(0, samples, samples + 3)
    moments = len(groups) * steps
    utilities = numbers.integers(-(1 << most), 1 << most, (moments, lanes)).astype(np.int16)
    terms = zeros(moments * lanes, np.int16)
    for left in range(0, lanes, event_aligned.COLUMN):
        column, row = event_aligned.term_place(left, moments, lanes)
        terms[column : column + moments * row] = utilities[:, left : left + row].reshape(-1)
    before = numbers.integers(-(1 << 20), 1 << 20, (sources, lanes)).astype(np.int32)
    sums, biases = zeros(before.shape, np.int32), np.zeros(lanes, np.int32)
    sums[:] = before
    bits = zeros(event_aligned.MOMENTS * 8, np.uint64)
    used = -(-sources // 64)
    for begin, end in ((0, 3), *((word, min(word + 5, used)) for word in range(3, used, 5))):
        event_aligned.accumulate_event_aligned(
            begin, end, Source(frames, 0), groups, steps, terms, bits, sums
        )
    shared = dense[groups].reshape(moments, -1)[:, :sources]
    assert np.array_equal(sums - before, shared.T.astype(np.int64) @ utilities)
    event_aligned.accumulate_event_aligned_biases(moments, terms, biases)
    assert biases.tolist() == utilities.sum(axis=0, dtype=np.int64).tolist()


def test_rules_that_present_again_ask_for_the_samples():
    network = strategies.Network.chain(5, [strategies.Population("output", 2, 60)])
    case = strategies.Case(
        network, strategies.random_weights(network, np.random.default_rng(0)), None, None
    )
    chip = chip_of(case, NoiseSpec((9,), (0,), aligned=(True,)), strategies.ReadoutSpec(True, 1, 0))
    with pytest.raises(NetworkError, match="give the batch"):
        chip.apply_update(np.zeros(2, np.int8), range(2), 0, [Rates(0, 0, 0)])


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ({"aligned": (True,)}, "aligned has 1 flags for 2 layers"),
        ({"period": 0}, "period 0"),
        ({"window": -1}, "window -1"),
        ({"window": 1 << 23}, "window 8388608"),
        ({"aligned": (True, True), "scale": (1 << 30, 1)}, "could add"),
    ],
)
def test_noise_that_does_not_fit_is_refused(spec, named):
    network = strategies.Network.chain(
        5, [strategies.Population("hidden", 4, 60), strategies.Population("output", 2, 60)]
    )
    case = strategies.Case(
        network, strategies.random_weights(network, np.random.default_rng(0)), None, None
    )
    with pytest.raises(NetworkError, match=named):
        chip_of(
            case,
            NoiseSpec(**{"scale": (1, 1), "bias_scale": (0, 0), **spec}),
            strategies.ReadoutSpec(True, 1, 0),
        )


@pytest.mark.parametrize(("one_sided", "allowed"), [(False, 255), (True, 127)])
def test_terms_beyond_16_bits_are_refused(one_sided, allowed):
    network = strategies.Network.chain(5, [strategies.Population("output", 2, 60)])
    weights = strategies.random_weights(network, np.random.default_rng(0))
    case = strategies.Case(network, weights, np.ones((1, 2, 5), np.uint8), np.zeros(1, np.uint8))
    spec = NoiseSpec((9,), (0,), aligned=(True,), one_sided=one_sided)
    chip = chip_of(case, spec, strategies.ReadoutSpec(True, 1, 0))
    for pairs in (allowed, allowed + 1):
        f, groups = np.zeros(pairs * spec.directions, np.int8), np.array([[0]])
        arguments = (f, range(pairs), 0, [Rates(0, 0, 0)], Batch(case.frames, groups))
        if pairs == allowed:
            chip.apply_update(*arguments)
            continue
        with pytest.raises(NetworkError, match=f"allowed are 1 sample and {allowed} pairs"):
            chip.apply_update(*arguments)


@pytest.mark.parametrize(("du", "dv"), [(4095, 400), (0, 0), (2000, 100)])
def test_no_trace_is_larger_than_the_largest(du, dv):
    numbers = np.random.default_rng(0)
    largest = delta.largest_trace(du + 1, dv, 60)
    assert naive.trace([1] * 60, du, dv) == largest
    for density in (0.1, 0.9, 0.99):
        assert naive.trace((numbers.random(60) < density).astype(int).tolist(), du, dv) <= largest


def test_delta_sums_beyond_32_bits_are_refused():
    """A readout without decay, 200 steps and 600 samples: the sums of one synapse do not fit."""
    network = strategies.Network.chain(
        1,
        [
            strategies.Population("hidden", 1, 0),
            strategies.Population("output", 2, 131071, dv=0, du=0),
        ],
    )
    weights = strategies.random_weights(network, np.random.default_rng(0))
    case = strategies.Case(network, weights, np.ones((1, 200, 1), np.uint8), np.zeros(1, np.uint8))
    chip = chip_of(case, NoiseSpec((0, 0), (0, 0)), strategies.ReadoutSpec(True, 256, 16), True)
    with pytest.raises(NetworkError, match="600 samples of 200 steps could overflow"):
        chip.apply_update(
            np.zeros(600, np.int8),
            range(600),
            0,
            [Rates(0, 0, 0)] * 2,
            Batch(case.frames, np.zeros((600, 1), np.int64)),
        )
