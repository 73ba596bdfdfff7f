"""Event-aligned noise and the delta rule: what is evaluated, and what synapses add, by the oracle."""

from itertools import pairwise, product

import naive
import numpy as np
import pytest

from neurosim.chain import NoiseSpec
from neurosim.frames import pack
from neurosim.memory import Memory
from neurosim.network import Network, NetworkError, Population
from neurosim.population import LearningChip, Rates, ReadoutSpec

ALIGNED = 9
SEED, GENERATION, STEPS, SAMPLES = 77, 5, 6, 7
READOUT = ReadoutSpec(True, 1, 8)


def chip_of(sizes, spec, *, delta=False, dv=400, du=4095, seed=SEED, threshold=60):
    layers = [
        Population(f"h{i}", n, vth_mant=threshold, dv=dv, du=du) for i, n in enumerate(sizes[1:-1])
    ]
    network = Network.chain(
        sizes[0], [*layers, Population("output", sizes[-1], vth_mant=131071, dv=dv, du=du)]
    )
    numbers = np.random.default_rng(3)
    synapses = tuple(
        (numbers.integers(-30, 31, shape) << 8).astype(np.int16) for shape in pairwise(sizes)
    )
    memory = Memory(synapses, tuple(np.zeros(n, np.int32) for n in sizes[1:]), ())
    return LearningChip(
        network,
        memory,
        seed=seed,
        noise=spec,
        readout_spec=READOUT,
        momentum_bits=0,
        delta_rule=delta,
    )


def shown(sizes, seed=0):
    numbers = np.random.default_rng(seed)
    dense = (numbers.random((SAMPLES, STEPS, sizes[0])) < 0.3).astype(np.uint8)
    return dense, pack(dense, numbers.integers(0, sizes[-1], SAMPLES).astype(np.uint8))


def noise(spec, layer, neurons, pair, seed=SEED):
    """xi (step, neuron) of a pair: a field of its own for each step, 0 where the noise is left out."""
    turns = [i for i, one in enumerate(spec.aligned) if one]
    rows = []
    for t in range(STEPS):
        active = turns[pair % len(turns)] == layer and t % spec.period == 0
        field = naive.Field(ALIGNED, layer, pair, GENERATION, seed)
        drawn = naive.numbers(field, neurons, naive.lane_words(neurons), t, spec.graded)
        rows.append(drawn if active else [0] * neurons)
    return rows


def trains(chip, dense, pair=None, sign=0, gates=None):
    """Spikes of every layer and the last layer's v over time, of one member on one sample."""
    spikes, potentials, before = [dense.tolist()], None, []
    for layer, (connection, population) in enumerate(chip.network.layers):
        weights = chip.weights().mantissas[layer].astype(int)
        current = (np.array(spikes[-1]) @ weights) << connection.current_shift
        if pair is not None:
            xi = np.array(noise(chip.spec, layer, population.neurons, pair))
            if gates is not None:
                xi = xi * gates[layer]
            current = current + sign * chip.spec.scale[layer] * xi
        threshold = population.vth_mant << 6
        runs = [
            naive.neuron_steps(column, population.du, population.dv, 0, threshold)
            for column in current.T.tolist()
        ]
        spikes.append([[run[t][2] for run in runs] for t in range(STEPS)])
        potentials = [sum(step[1] for step in run) for run in runs]
        free = [_v_before_reset(column, population, threshold) for column in current.T.tolist()]
        before.append(np.array(free).T)
    return spikes, potentials, before


def _v_before_reset(currents, population, threshold):
    u = v = 0
    seen = []
    for current in currents:
        u = naive.clamp(naive.decay(u, population.du + 1) + current)
        v = naive.clamp(naive.decay(v, population.dv) + u)
        seen.append(v)
        v = 0 if v > threshold else v
    return seen


CASES = [
    ((40, 20, 4), (True, False), {}),
    ((40, 20, 4), (True, True), {}),
    ((70, 130, 4), (True, True), {"period": 2}),
    ((40, 20, 18, 4), (True, True, True), {"graded": True}),
    ((40, 20, 4), (True, True), {"window": 3000}),
]


@pytest.mark.parametrize(("sizes", "aligned", "more"), CASES)
def test_members_and_votes_meet_the_oracle(sizes, aligned, more):
    scale = tuple(900 * one for one in aligned)
    spec = NoiseSpec(scale, (0,) * len(aligned), aligned=aligned, **more)
    chip = chip_of(sizes, spec)
    dense, frames = shown(sizes)
    groups = np.array([[4], [0], [6]], np.int64)
    pairs = range(11, 11 + 12)
    rehearsal = chip.rehearse(frames, groups, pairs, GENERATION)
    numbers = np.random.default_rng(1)
    coefficients = numbers.integers(-127, 128, len(pairs)).astype(np.int8)
    wanted = [np.zeros((a, b), int) for a, b in pairwise(sizes)]
    wanted_bias = [np.zeros(b, int) for b in sizes[1:]]
    for index, pair in enumerate(pairs):
        sample = int(groups[index // 4, 0])
        spikes, _, free = trains(chip, dense[sample])
        gates = None
        if spec.window:
            gates = [
                (np.abs(v - (population.vth_mant << 6)) <= spec.window).astype(int)
                for v, population in zip(free, chip.network.populations, strict=True)
            ]
        for side, sign in enumerate((1, -1)):
            _, potentials, _ = trains(chip, dense[sample], pair, sign, gates)
            label = int(frames.labels[sample])
            likelihood = naive.log_likelihood(potentials, label, READOUT.multiplier, READOUT.shift)
            assert int(rehearsal.fitness[index, side]) == likelihood
        for layer, neurons in enumerate(sizes[1:]):
            xi = np.array(noise(spec, layer, neurons, pair))
            if gates is not None:
                xi = xi * gates[layer]
            wanted[layer] += int(coefficients[index]) * np.array(spikes[layer]).T @ xi
            wanted_bias[layer] += int(coefficients[index]) * xi.sum(axis=0)
    votes = votes_of(chip, frames, groups, pairs, coefficients)
    for layer, neurons in enumerate(sizes[1:]):
        assert votes[layer][0][:, :neurons].tolist() == wanted[layer].tolist()
        assert votes[layer][1][:neurons].tolist() == wanted_bias[layer].tolist()
        assert not votes[layer][0][:, neurons:].any()


def votes_of(chip, frames, groups, pairs, coefficients):
    """Votes of all layers, as `consolidate` gathers them."""
    votes = [
        chip.votes(layer, coefficients, pairs, GENERATION) for layer in range(len(chip.spec.scale))
    ]
    chip._present_again(chip._show(frames, groups), coefficients, pairs.start, GENERATION, votes)
    return votes


@pytest.mark.parametrize(("du", "dv"), [(4095, 400), (1000, 411)])
def test_the_delta_rule_adds_error_times_trace(du, dv):
    sizes = (40, 20, 4)
    spec = NoiseSpec((900, 0), (0, 0), aligned=(True, False))
    chip = chip_of(sizes, spec, delta=True, du=du, dv=dv)
    dense, frames = shown(sizes)
    groups = np.array([[2], [5], [1], [2]], np.int64)
    wanted, wanted_bias = np.zeros((20, 4), int), np.zeros(4, int)
    for sample in groups[:, 0]:
        spikes, potentials, _ = trains(chip, dense[sample])
        logits = [score * READOUT.multiplier >> READOUT.shift for score in potentials]
        below = [max(logits) - logit for logit in logits]
        powers = [naive.POWERS[b % 1024] >> (b // 1024) for b in below]
        label = int(frames.labels[sample])
        errors = [
            127 * (k == label) - (2 * 127 * power + sum(powers)) // (2 * sum(powers))
            for k, power in enumerate(powers)
        ]
        for neuron in range(20):
            u = r = total = 0
            for t in range(STEPS):
                u = naive.decay(u, du + 1) + 64 * spikes[1][t][neuron]
                r = naive.decay(r, dv) + u
                total += r
            wanted[neuron] += np.array(errors) * (total >> 4)
        wanted_bias += np.array(errors)
    votes = votes_of(chip, frames, groups, range(4), np.zeros(4, np.int8))
    assert votes[1][0][:, :4].tolist() == wanted.tolist()
    assert votes[1][1][:4].tolist() == wanted_bias.tolist()
    assert not votes[0][0].any()


def test_the_mean_over_all_sign_patterns_is_the_enumerated_gradient():
    """Smoothed objective J(c) = mean over xi of F(c + s xi); to first order dJ/dc_k(t) = mean F xi / s.

    The chip's estimate, f x for the noise of a pair, averaged over every pattern of signs, is that number:
    seeds are searched until each of the 2^4 patterns of two neurons and two steps has been drawn.
    """
    sizes, steps = (6, 2, 3), 2
    spec = NoiseSpec((2000, 0), (0, 0), aligned=(True, False))
    chip = chip_of(sizes, spec, threshold=30)
    numbers = np.random.default_rng(8)
    dense = (numbers.random((1, steps, 6)) < 0.6).astype(np.uint8)
    frames = pack(dense, np.array([1], np.uint8))
    groups = np.zeros((1, 1), np.int64)
    pairs = range(200)
    rehearsal = chip.rehearse(frames, groups, pairs, GENERATION)
    seen = {}
    for pair in pairs:
        field = naive.Field(ALIGNED, 0, pair, GENERATION, SEED)
        pattern = tuple(
            tuple(naive.numbers(field, 2, naive.lane_words(2), t, False)) for t in range(steps)
        )
        seen.setdefault(pattern, pair)
    patterns = list(product(product((-1, 1), repeat=2), repeat=steps))
    assert set(seen) == set(patterns)
    estimate = np.zeros((6, 2), int)
    for pair in seen.values():
        plus, minus = rehearsal.fitness[pair].tolist()
        one = np.array([1], np.int8)
        votes = votes_of(chip, frames, groups, range(pair, pair + 1), one)[0][0][:, :2]
        estimate += (plus - minus) * votes
    gradient = np.zeros((6, 2), int)
    for pattern in patterns:
        fitness = member_fitness(chip, dense[0], frames, np.array(pattern))
        gradient += 2 * fitness * (dense[0].astype(int).T @ np.array(pattern))
    assert estimate.tolist() == gradient.tolist()


def member_fitness(chip, dense, frames, pattern):
    spikes = dense
    for layer, (connection, population) in enumerate(chip.network.layers):
        weights = chip.weights().mantissas[layer].astype(int)
        current = (np.array(spikes).astype(int) @ weights) << connection.current_shift
        if layer == 0:
            current = current + chip.spec.scale[0] * pattern
        runs = [
            naive.neuron_steps(column, population.du, population.dv, 0, population.vth_mant << 6)
            for column in current.T.tolist()
        ]
        spikes = [[run[t][2] for run in runs] for t in range(len(dense))]
    scores = [sum(step[1] for step in run) for run in runs]
    label = int(frames.labels[0])
    return naive.log_likelihood(scores, label, READOUT.multiplier, READOUT.shift)


def test_blocks_of_groups_change_nothing(monkeypatch):
    sizes = (40, 20, 4)
    spec = NoiseSpec((900, 0), (0, 0), aligned=(True, False))
    _dense, frames = shown(sizes)
    groups = np.array([[4], [0], [6], [1], [4]], np.int64)
    pairs = range(20)
    coefficients = np.arange(-10, 10).astype(np.int8)
    states = []
    for at_once in (2048, 2):
        monkeypatch.setattr("neurosim.population.SAMPLES_AT_ONCE", at_once)
        chip = chip_of(sizes, spec, delta=True)
        fitness = chip.rehearse(frames, groups, pairs, GENERATION).fitness
        chip.consolidate(
            coefficients, pairs, GENERATION, [Rates(1 << 40, 1 << 40, 0)] * 2, frames, groups
        )
        states.append((fitness.tolist(), *(part.tolist() for part in chip.memory.synapses)))
    assert states[0] == states[1]


def test_a_pair_needs_one_sample_of_its_own():
    sizes = (40, 20, 4)
    chip = chip_of(sizes, NoiseSpec((900, 0), (0, 0), aligned=(True, False)))
    _, frames = shown(sizes)
    groups = np.array([[4, 5]], np.int64)
    with pytest.raises(NetworkError, match="1 sample"):
        chip.consolidate(np.ones(4, np.int8), range(4), 0, [Rates(1, 1, 0)] * 2, frames, groups)
