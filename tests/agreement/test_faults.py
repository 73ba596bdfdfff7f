"""Chips with faults: evaluator, emulator and plain integers agree."""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import (
    READOUT,
    SEED,
    aligned_noises,
    cases,
    chip_faults,
    chip_of,
    example,
    noises,
    signals,
    still,
    wide,
)

from neurosim.chip import profiles
from neurosim.chip.emulator import Chip, Probe
from neurosim.network.faults import ONE, STUCK, Faults
from neurosim.population.batch import Batch
from neurosim.population.faulty import FaultyEvaluator
from neurosim.population.state import Precision, state_of, weights
from neurosim.population.update import Rates

STUCK_GENERATOR = Faults(stuck_generator_bit=ONE, seed=5)


def faulty(case, faults, spec, **more):
    """A chip with faults that holds a case's weights."""
    more = {"precision": Precision(0, 0), **more}
    state = state_of(case.weights, more["precision"].fraction_bits)
    return FaultyEvaluator(
        case.network, state, seed=SEED, noise=spec, readout_spec=READOUT, faults=faults, **more
    )


@given(case=cases(), faults=chip_faults())
def test_the_evaluator_of_a_chip_with_faults_is_the_emulator_of_that_chip(case, faults):
    seen = faulty(case, faults, still(case.network)).forward(case.frames)
    chip = Chip.from_weights(
        case.network, case.weights, profiles.LAYERED, placement=None, faults=faults
    )
    recording = chip.run(case.dense, [Probe(case.network.populations[-1].name, "v")])
    for population, counts in zip(case.network.populations, seen.spikes, strict=True):
        assert np.array_equal(recording.spikes[population.name].sum(axis=1), counts)
    assert np.array_equal(recording.probed[0].sum(axis=1), seen.potentials)
    total = recording.counters.total()
    edges = total["current_overflows"] + total["voltage_saturations"]
    assert edges == seen.saturated.sum()


def bits_of(number, bit, count, seed):
    """The first 32-bit words of the field of a stuck bit."""
    field = naive.Field(int(STUCK), number, bit, 0, seed)
    words = [naive.word(field, index // 2) for index in range(count)]
    return [word >> 32 * (index % 2) & naive.MASK for index, word in enumerate(words)]


def read_back(value, bits, drawn, share):
    """A mantissa as stuck bits leave it: below the share at 0, above all but the share at 1."""
    word = value & ((1 << bits) - 1)
    for bit in range(bits):
        if drawn[bit] < share:
            word &= ~(1 << bit)
        if drawn[bit] >= (1 << 32) - share:
            word |= 1 << bit
    return word - (1 << bits) if word >> (bits - 1) else word


@given(case=cases(largest=9, samples=2), seed=st.integers(0, (1 << 64) - 1))
def test_stuck_bits_are_those_of_the_oracle_and_silent_neurons_send_nothing(case, seed):
    faults = Faults(stuck_at_0=ONE // 8, stuck_at_1=ONE // 8, silent=ONE // 4, seed=seed)
    network, made = case.network, []
    for number, (connection, _) in enumerate(network.layers):
        written, bits = case.weights.mantissas[number], connection.weight_bits
        drawn = [bits_of(number, bit, written.size, seed) for bit in range(bits)]
        words = zip(written.reshape(-1).tolist(), zip(*drawn, strict=True), strict=True)
        read = [read_back(value, bits, some, (1 << 32) // 8) for value, some in words]
        matrix = np.array(read, np.int8).reshape(written.shape)
        if number:
            matrix[faults.compartments(network, number - 1) < 0] = 0
        made.append(matrix)
    sound = case._replace(weights=case.weights._replace(mantissas=tuple(made)))
    plain = chip_of(sound, still(network)).forward(case.frames)
    seen = faulty(case, faults, still(network)).forward(case.frames)
    assert np.array_equal(plain.potentials, seen.potentials)
    assert np.array_equal(plain.counts, seen.counts)


@given(st.data())
def test_a_stuck_generator_bit_is_stuck_in_all_that_learning_draws(data):
    case = data.draw(cases(largest=20, layers=2))
    spec = data.draw(noises(case.network))
    groups = np.zeros((1, 1), np.int64)
    batch = Batch(case.frames, groups)
    chip = faulty(case, STUCK_GENERATOR, spec)
    code = STUCK_GENERATOR.generator_code >> 32
    bit, value = code & 63, (code >> 6) - 1
    word = naive.word

    def stuck_word(field, index):
        return word(field, index) & ~(1 << bit) | value << bit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(naive, "word", stuck_word)
        wanted, _ = naive.fitness(
            case.network,
            case.weights,
            spec,
            READOUT,
            case.dense.tolist(),
            case.frames.labels.tolist(),
            groups.tolist(),
            range(2, 4),
            7,
            SEED,
        )
        coefficients = np.array([3, -5] * spec.directions, np.int8)
        directions = range(2 * spec.directions, 4 * spec.directions)
        sums = [
            naive.sums(case.network, spec, layer, coefficients.tolist(), directions, 7, SEED)
            for layer in range(len(case.network.layers))
        ]
    seen = chip.evaluate(batch, range(2, 4), 7)
    assert np.array_equal(seen.fitness, wanted)
    for layer, wanted_sums in enumerate(sums):
        found = chip.sums(layer, coefficients, range(2, 4), chip._counted(7))
        neurons = case.network.populations[layer].neurons
        assert np.array_equal(found.synapses[:, :neurons], wanted_sums[0])


@given(st.data())
def test_learning_on_a_sound_chip_is_learning_without_faults_until_they_come(data):
    case = data.draw(cases(largest=20, layers=2))
    spec = data.draw(aligned_noises(case.network))
    later = Faults(silent=ONE // 3, stuck_at_1=ONE // 3, lost_axons=0, since=2)
    batch = Batch(case.frames, np.zeros((1, 1), np.int64))
    chips = [chip_of(case, spec), faulty(case, later, spec)]
    count = len(case.network.layers)
    for generation in range(3):
        seen = [chip.evaluate(batch, range(4), generation) for chip in chips]
        if generation < 2:
            assert np.array_equal(seen[0].fitness, seen[1].fitness)
        coefficients = np.arange(4 * spec.directions).astype(np.int8)
        for chip in chips:
            chip.apply_update(
                coefficients, range(4), generation, [Rates(300, 30, 0)] * count, batch
            )
        same = all(map(np.array_equal, chips[0].state.synapses, chips[1].state.synapses))
        assert same or generation == 2


@pytest.mark.parametrize("fraction_bits", [0, 8])
def test_bits_flip_at_their_rate_and_nothing_else_moves(fraction_bits):
    case = example((300, 40, 5))
    faults = Faults(flipped_weight_bits=ONE // 100, seed=9)
    chip = faulty(case, faults, still(case.network), precision=Precision(fraction_bits, 0))
    batch = Batch(case.frames, np.zeros((1, 1), np.int64))
    nothing = [Rates(0, 0, 0)] * 2
    before = chip.weights().mantissas[0]
    chip.apply_update(np.zeros(1, np.int8), range(1), 4, nothing, batch)
    after = weights(chip.state, fraction_bits).mantissas[0]
    changed = np.unpackbits((before ^ after).view(np.uint8))
    assert np.array_equal((before ^ after).view(np.uint8), faults.flips(case.network, 0, 4))
    assert 0.007 < changed.mean() < 0.013
    chip.apply_update(np.zeros(1, np.int8), range(1), 5, nothing, batch)
    again = weights(chip.state, fraction_bits).mantissas[0]
    assert not np.array_equal(after, again)


def test_credit_and_delta_rule_learn_on_a_chip_with_every_fault():
    case = example((200, 40, 5), samples=6)
    spec = still(case.network)._replace(scale=(600, 0), aligned=(True, False))
    every = Faults.of_text(
        "stuck-weight-bits 0.05, dead 0.1, lost-axons 0.1, threshold-mismatch 0.2, "
        "flipped-weight-bits 0.001, stuck-generator-bit 1, seed 4"
    )
    batch = Batch(case.frames, np.arange(6).reshape(6, 1))
    states = []
    for _ in range(2):
        chip = faulty(
            case,
            every,
            spec,
            signals=signals(2, hidden=type(signals(2)[0]).CREDIT),
            precision=Precision(8, 0),
        )
        for generation in range(3):
            seen = chip.evaluate(batch, range(12), generation)
            rates = [Rates(300, 30, 0)] * 2
            chip.apply_update(seen.credits, range(12), generation, rates, batch)
        states.append(chip.state.synapses)
    assert all(map(np.array_equal, *states))
    assert not np.array_equal(states[0][0] >> 8, case.weights.mantissas[0])


def test_what_the_fused_kernel_does_not_have_is_refused_and_says_what_to_use():
    from neurosim.network import NetworkError

    case = example((20, 9, 5))
    with pytest.raises(NetworkError, match=r"lost-axons with noise on the weights"):
        faulty(case, Faults(lost_axons=ONE // 10), wide(case))
