"""Spike dynamics: neurons fire exactly when they should, seen through the population evaluator."""

from dataclasses import replace
from itertools import product

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from neurosim import limits
from neurosim.network import Connection, Network, Population, Weights
from neurosim.population import evaluator
from neurosim.population.batch import Batch
from neurosim.population.evaluator import Evaluator, ReadoutSpec
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import Precision

READOUT = ReadoutSpec(True, 256, 16)


def chip_of(network, weights, spec=None):
    zeros = (0,) * len(network.layers)
    return Evaluator(
        network,
        strategies.state_of(weights),
        seed=1,
        noise=spec or NoiseSpec(zeros, zeros),
        readout_spec=READOUT,
        precision=Precision(0),
    )


def one_neuron(weight, trains, exponent=0, bias=0, **registers):
    """One neuron with one input: potentials, spike counts, saturated registers, a sample each."""
    form = Connection("", "", weight_exp=exponent)
    network = Network.chain(1, [Population("output", 1, **{"vth_mant": 10, **registers})], form)
    weights = Weights((np.array([[weight]], np.int8),), (np.array([bias], np.int16),))
    dense = np.array(trains, np.uint8)[:, :, None]
    case = strategies.Case(network, weights, dense, np.zeros(len(trains), np.uint8))
    forward = chip_of(network, weights).forward(case.frames)
    return (
        forward.potentials[:, 0].tolist(),
        forward.counts[:, 0].tolist(),
        forward.saturated.tolist(),
    )


def test_a_neuron_at_its_threshold_does_not_spike():
    """One weight unit is 2^7 units of v, one threshold unit 2^6: 5 weigh as much as a threshold of 10."""
    assert one_neuron(5, [[1]]) == ([10 << 6], [0], [0])
    assert one_neuron(6, [[1]]) == ([0], [1], [0])


def test_one_unit_above_the_threshold_is_enough():
    assert one_neuron(5, [[1]], bias=0, bias_mant=1)[1] == [1]
    assert one_neuron(5, [[1]], bias=-1)[1] == [0]


def test_spiking_resets_the_membrane_and_not_the_current():
    """du = 2047 keeps half of u: the second step starts at v = 0 and u = 3 << 7."""
    potentials, counts, _ = one_neuron(6, [[1, 0]], du=2047, dv=0)
    assert counts == [1]
    assert potentials == [3 << 7]


@pytest.mark.parametrize(("du", "dv"), [(0, 0), (4095, 4095), (1000, 16), (15, 400)])
def test_zero_input_stays_silent(du, dv):
    potentials, counts, saturated = one_neuron(127, [[0] * 20], du=du, dv=dv, vth_mant=0)
    assert (potentials, counts, saturated) == ([0], [0], [0])


@given(strategies.cases(layers=1), strategies.DECAYS)
def test_silence_comes_out_of_silence(case, dv):
    layers = [Population("output", case.network.populations[0].neurons, vth_mant=0, dv=dv)]
    network = Network.chain(case.network.sizes["input"], layers, case.network.connections[0])
    weights = case.weights._replace(biases=(np.zeros_like(case.weights.biases[0]),))
    silent = case._replace(dense=np.zeros_like(case.dense))
    forward = chip_of(network, weights).forward(silent.frames)
    assert not forward.potentials.any()
    assert not forward.counts.any()


@pytest.mark.parametrize("sign", [1, -1])
def test_saturation_is_counted_and_stops_at_the_edge(sign):
    """127 << 14 is a quarter of a register: u without decay meets its edge in the fifth step."""
    vth = limits.VTH_MANT.high if sign > 0 else 10
    found = one_neuron(sign * 127, [[1] * 6], exponent=7, du=0, dv=4095, vth_mant=vth)
    steps = naive.neuron_steps([sign * 127 << 14] * 6, 0, 4095, 0, vth << 6)
    assert max(abs(step[0]) for step in steps) == limits.STATE_MAX
    assert found[0] == [sum(step[1] for step in steps)]
    assert found[2] == [sum(step[3] for step in steps)] != [0]


@given(strategies.cases(), st.randoms(use_true_random=False))
def test_permuting_hidden_neurons_permutes_spikes(case, random):
    if len(case.network.layers) < 2:
        return
    hidden = case.network.populations[0]
    order = list(range(hidden.neurons))
    random.shuffle(order)

    registers = ("vth_mant", "du", "dv", "bias_mant", "bias_exp")
    permuted = {name: tuple(hidden.each(name)[order].tolist()) for name in registers}
    layer = replace(hidden, **permuted)
    network = Network(
        case.network.inputs, (layer, *case.network.populations[1:]), case.network.connections
    )
    first, second, *rest = case.weights.mantissas
    weights = Weights(
        (first[:, order].copy(), second[order].copy(), *rest),
        (case.weights.biases[0][order].copy(), *case.weights.biases[1:]),
    )
    before = chip_of(case.network, case.weights).forward(case.frames)
    after = chip_of(network, weights).forward(case.frames)
    assert np.array_equal(before.spikes[0][:, order], after.spikes[0])
    assert all(map(np.array_equal, before.spikes[1:], after.spikes[1:]))
    assert np.array_equal(before.potentials, after.potentials)
    assert np.array_equal(before.saturated, after.saturated)


@given(st.data())
def test_the_unchecked_path_gives_the_bits_of_the_checked_one(data):
    case = data.draw(strategies.cases())
    spec = data.draw(strategies.noises(case.network))
    groups = np.array([[0]])
    lay_out = evaluator.lay_out
    outcomes = []
    for forced in (False, True):
        if forced:
            evaluator.lay_out = lambda *given: (
                lambda chain: chain._replace(headroom=np.full_like(chain.headroom, -1))
            )(lay_out(*given))
        try:
            chip = chip_of(case.network, case.weights, spec)
            outcomes.append(
                (
                    *chip.evaluate(Batch(case.frames, groups), range(2), 3),
                    *chip.forward(case.frames)[:2],
                )
            )
        finally:
            evaluator.lay_out = lay_out
    assert all(map(np.array_equal, *outcomes))


@given(strategies.cases())
def test_headroom_is_never_too_generous(case):
    """Whatever the largest current allowed does, in every step, no register meets its edge."""
    steps = case.dense.shape[1]
    zeros = (0,) * len(case.network.layers)
    chain = evaluator.lay_out(case.network, case.weights, NoiseSpec(zeros, zeros), steps)
    for index, (_, layer) in enumerate(case.network.layers):
        current = int(chain.headroom[index])
        if current < 0:
            continue
        decays = set(zip(map(int, layer.each("du")), map(int, layer.each("dv")), strict=True))
        biases = {int(chain.bias[index].min()), int(chain.bias[index].max())}
        for sign, bias, (du, dv) in product((1, -1), biases, decays):
            seen = naive.neuron_steps([sign * current] * steps, du, dv, bias, naive.LIMIT)
            assert sum(step[3] for step in seen) == 0
