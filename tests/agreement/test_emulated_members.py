"""Members that are runs of the chip emulator: equal to compiled members where both run, and to the oracle."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import naive_chip
import naive_graph
import numpy as np
from graph_strategies import (
    GENERATION,
    divided_alike,
    each_sample,
    graph_cases,
    member_noises,
    members_of,
    words_of,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from naive import MASK, log_likelihood, members, philox4x32
from strategies import COSTED, READOUT, SEED, cases, chip_faults, chip_of

from neurosim import limits
from neurosim.chip import profiles
from neurosim.network import Noise, matrices_by_name
from neurosim.network.faults import ONE, Faults
from neurosim.population.emulated import EmulatedMembers
from neurosim.population.faulty import FaultyEmulatedMembers, FaultyEvaluator, FaultyGraphMembers
from neurosim.population.rules import Signal
from neurosim.population.state import Precision, state_of
from neurosim.population.update import Rates


def emulated(case, spec, readout=READOUT, workspace=1 << 20, **more):
    return EmulatedMembers(
        case.network,
        state_of(case.weights),
        seed=SEED,
        noise=spec,
        readout_spec=readout,
        precision=Precision(0, 0),
        workspace_bytes=workspace,
        **more,
    )


def on_weights(spec):
    """The noise without any on currents."""
    return spec._replace(aligned=(), window=0)


def assert_alike(one, other, batch, pairs):
    """Fitness, saturations, updates and scores of two evaluators are the same."""
    seen = [evaluator.evaluate(batch, pairs, GENERATION) for evaluator in (one, other)]
    assert np.array_equal(seen[0].fitness, seen[1].fitness)
    assert np.array_equal(seen[0].saturated, seen[1].saturated)
    utilities = np.resize(
        np.array([3, -1, 0, 100, -128], np.int8), len(pairs) * one.spec.directions
    )
    rates = [Rates(1 << 40, 1 << 40, 0)] * len(one.network.parameters)
    edges = [
        evaluator.apply_update(utilities, pairs, GENERATION, rates, batch)
        for evaluator in (one, other)
    ]
    assert edges[0] == edges[1]
    for arrays, same in zip(one.state, other.state, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(arrays, same, strict=True))
    forwards = [evaluator.forward(batch.frames) for evaluator in (one, other)]
    for array, same in zip(
        (*forwards[0][:2], *forwards[0].spikes, forwards[0].saturated),
        (*forwards[1][:2], *forwards[1].spikes, forwards[1].saturated),
        strict=True,
    ):
        assert np.array_equal(array, same)


@given(st.data(), graph_cases(samples=2, steps=3), COSTED)
def test_graphs_learn_as_with_compiled_members(data, case, readout):
    spec = on_weights(data.draw(member_noises(case.network)))
    pairs = range(begin := data.draw(st.integers(0, 99)), begin + 2 * len(case.labels))
    compiled = members_of(case, spec, readout)
    assert_alike(emulated(case, spec, readout), compiled, each_sample(case), pairs)


@given(st.data(), cases(samples=2, steps=3), COSTED)
def test_dense_chains_learn_as_with_the_fused_kernel(data, case, readout):
    spec = on_weights(data.draw(member_noises(case.network)))
    signals = (Signal.FITNESS,) * len(case.network.layers)
    fused = chip_of(case, spec, readout, signals=signals)
    pairs = range(2 * len(case.labels))
    assert_alike(emulated(case, spec, readout), fused, each_sample(case), pairs)


# --- chips with faults -----------------------------------------------------------------------------


def faulty(form, case, spec, faults, **more):
    return form(
        case.network,
        state_of(case.weights),
        seed=SEED,
        noise=spec,
        readout_spec=READOUT,
        precision=Precision(0, 0),
        faults=faults,
        generation=GENERATION,
        **more,
    )


@settings(max_examples=40)
@given(st.data(), cases(samples=2, steps=3), chip_faults())
def test_dense_chains_with_faults_learn_as_with_the_fused_kernel(data, case, faults):
    spec = on_weights(data.draw(member_noises(case.network)))
    if faults.lost_axons:
        spec = spec._replace(scale=(spec.scale[0], *(0 for _ in spec.scale[1:])))
    pairs = range(2 * len(case.labels))
    one = faulty(FaultyEmulatedMembers, case, spec, faults, workspace_bytes=1 << 20)
    assert_alike(one, faulty(FaultyEvaluator, case, spec, faults), each_sample(case), pairs)


@settings(max_examples=40)
@given(st.data(), graph_cases(samples=2, steps=3, readouts=False), chip_faults())
def test_graphs_with_faults_learn_as_with_compiled_members(data, case, faults):
    spec = on_weights(data.draw(member_noises(case.network)))
    pairs = range(2 * len(case.labels))
    one, other = (
        faulty(form, case, spec, faults, workspace_bytes=1 << 20)
        for form in (FaultyEmulatedMembers, FaultyGraphMembers)
    )
    assert_alike(one, other, each_sample(case), pairs)


@settings(max_examples=40)
@given(st.data(), cases(largest=12, samples=2, steps=3), st.sampled_from([ONE // 3, ONE]))
def test_noise_on_lost_axons_does_not_arrive(data, case, share):
    spec = on_weights(data.draw(member_noises(case.network)))
    faults = Faults(lost_axons=share, seed=data.draw(st.integers(0, 99)))
    evaluator = faulty(FaultyEmulatedMembers, case, spec, faults, workspace_bytes=1 << 20)
    pairs = range(samples := len(case.labels))
    seen = evaluator.evaluate(each_sample(case), pairs, GENERATION)
    lost = [faults.axons(case.network, number) for number in range(len(case.network.layers))]
    read = faults.mantissas(case.network, case.weights.mantissas)
    known = case._replace(weights=case.weights._replace(mantissas=read))
    for sample, pair in enumerate(pairs):
        for side, (sign, direction) in enumerate(members(spec, pair)):
            noise = naive_graph.member_noise(
                case.network, spec, words_of(case.network), None, sign, direction, GENERATION, SEED
            )
            for number, (connection, matrix) in enumerate(case.network.parameters):
                flat = noise.matrices.get(connection.name)
                for row in np.flatnonzero(lost[number]) if flat else ():
                    flat[row * matrix.columns : (row + 1) * matrix.columns] = [0] * matrix.columns
            potentials, _, _ = naive_run(known, sample, noise, GENERATION * samples + sample)
            label = int(case.labels[sample])
            scored = log_likelihood(potentials, label, READOUT.multiplier, READOUT.shift)
            assert seen.fitness[sample, side] == scored


# --- networks that no compiled executor takes ------------------------------------------------------


SIGNS = ("mixed", "excitatory", "inhibitory")


@st.composite
def odd_cases(draw):
    """Graphs with registers that the compiled executors refuse, small enough for the naive chip."""
    case = draw(graph_cases(samples=2, steps=4, readouts=False))
    assume(sum(case.network.sizes.values()) <= 120)
    populations = tuple(
        replace(
            population,
            refractory=draw(st.sampled_from([1, 2, 3])),
            vth_low_mant=draw(st.sampled_from([None, None, -200, 0])),
            vmin=draw(st.sampled_from([limits.VMIN.low, -9000])),
            vmax=draw(st.sampled_from([limits.VMAX.high, 20_000])),
            noise=draw(
                st.none() | st.builds(Noise, st.integers(0, 16), st.integers(-9, 9), st.booleans())
            ),
            reset_interval=draw(st.sampled_from([0, 0, 3])),
            reset_offset=draw(st.integers(0, 3)),
        )
        for population in case.network.populations
    )
    learned = [connection for connection, _ in case.network.parameters]
    connections = tuple(
        replace(
            connection,
            weight_bits=7,
            weight_exp=draw(st.sampled_from([-2, 0, 7])),
            sign_mode=draw(st.sampled_from(SIGNS)) if connection in learned else "mixed",
            message_bits=draw(st.sampled_from([0, 4])),
        )
        for connection in case.network.connections
    )
    network = replace(case.network, populations=populations, connections=connections)
    mantissas = tuple(
        np.clip(one, *connection.mantissa).astype(np.int8)
        for one, (connection, _) in zip(case.weights.mantissas, network.parameters, strict=True)
    )
    return case._replace(network=network, weights=case.weights._replace(mantissas=mantissas))


def draws_of(network, number, steps):
    """What the neurons of a sample with this number draw, by population: [step][neuron]."""
    order = [layer.population for layer in network.graph]
    found = {}
    for group, population in enumerate(order, start=len(network.inputs)):
        if population.noise is not None:
            words = [
                [
                    philox4x32((k // 4, 31 << 16 | group, number, t), (SEED & MASK, SEED >> 32))[
                        k % 4
                    ]
                    for k in range(population.neurons)
                ]
                for t in range(steps)
            ]
            found[population.name] = [[(word * 255 >> 32) - 127 for word in row] for row in words]
    return found


def naive_run(case, sample, noise, number):
    """Scores by v and by spikes, and spikes of hidden neurons, of one member on one sample."""
    network, (output, *_) = case.network, case.network.readouts
    stored, bias = {}, {}
    matrices = matrices_by_name(network, case.weights)
    for c in network.connections:
        weights = network.synapses(c, matrices.get(c.name)).tolist()
        added = noise.matrices.get(c.name)
        if added:
            shape = matrices[c.name].shape
            sources, targets, more = network.expand(c, np.array(added).reshape(shape))
            unit = Fraction(2) ** (6 + c.weight_exp)
            for source, target, current in zip(*map(list, (sources, targets, more)), strict=True):
                weights[target][source] += int(current) / unit
        stored[c.name] = weights
    for p, own in zip(network.populations, case.weights.biases, strict=True):
        share, shift = p.neurons // len(own), p.each("bias_exp")
        more = noise.biases.get(p.name, [0] * len(own))
        bias[p.name] = [
            (int(own[k // share]) << int(shift[k])) + more[k // share] for k in range(p.neurons)
        ]
    frames = case.dense[sample].tolist()
    draws = draws_of(network, number, len(frames))
    seen = naive_chip.run(
        network, stored, profiles.LAYERED, {network.inputs[0].name: frames}, draws=draws, bias=bias
    )
    hidden = sum(
        abs(s)
        for name, one in seen.items()
        if name not in network.readouts
        for row in one["spikes"]
        for s in row
    )
    sums = [[sum(c) for c in zip(*seen[output][what], strict=True)] for what in ("v", "spikes")]
    return *sums, hidden


@settings(max_examples=40)
@given(st.data(), odd_cases(), COSTED, st.integers(0, 5))
def test_members_of_any_network_have_the_fitness_of_the_naive_chip(data, case, readout, generation):
    spec = on_weights(data.draw(member_noises(case.network)))
    samples = len(case.labels)
    pairs = range(begin := data.draw(st.integers(0, 99)), begin + samples)
    seen = emulated(case, spec, readout).evaluate(each_sample(case), pairs, generation)
    words = words_of(case.network)
    for sample, pair in enumerate(pairs):
        for side, (sign, direction) in enumerate(members(spec, pair)):
            noise = naive_graph.member_noise(
                case.network, spec, words, None, sign, direction, generation, SEED
            )
            number = generation * samples + sample
            *scores, spikes = naive_run(case, sample, noise, number)
            scored = log_likelihood(
                scores[0 if readout.membrane else 1],
                int(case.labels[sample]),
                readout.multiplier,
                readout.shift,
            )
            assert seen.fitness[sample, side] == scored - spikes * readout.spike_cost // 64


@settings(max_examples=30)
@given(st.data(), odd_cases())
def test_blocks_parts_and_threads_change_nothing(data, case):
    spec = on_weights(data.draw(member_noises(case.network)))
    divided_alike(data, case, spec, partial(emulated, case, spec))
