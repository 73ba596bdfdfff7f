"""Layout of a network in the kernels' arrays."""

import numpy as np
import strategies
from hypothesis import given
from hypothesis import strategies as st

from neurosim.kernels.arithmetic import decay_factors
from neurosim.kernels.executors import fused_chain
from neurosim.kernels.noise import weight_noise
from neurosim.kernels.rules.event_aligned import NO_NEURON
from neurosim.network import Network, Population
from neurosim.population.layout import NoiseSpec, lay_out, source_words


@given(strategies.cases(), st.data())
def test_weights_and_registers_come_back_from_their_lanes(case, data):
    spec = data.draw(strategies.noises(case.network))
    chain = lay_out(case.network, case.weights, spec, 3)
    for index, (connection, layer) in enumerate(case.network.layers):
        sources, neurons = case.network.sizes[connection.source], layer.neurons
        lanes = int(chain.lanes[index])
        assert lanes % 16 == 0
        assert 0 <= lanes - neurons < 16
        at = int(chain.weight_at[index])
        rows = chain.weights[at : at + sources * lanes].reshape(sources, lanes)
        assert np.array_equal(rows[:, :neurons], case.weights.mantissas[index])
        assert not rows[:, neurons:].any()
        bias = case.weights.biases[index] + layer.each("bias_mant")
        assert np.array_equal(chain.bias[index, :neurons], bias << layer.each("bias_exp"))
        assert np.array_equal(chain.threshold[index, :neurons], layer.each("vth_mant") << 6)
        du, dv = layer.each("du"), layer.each("dv")
        if len({*zip(du, dv, strict=True)}) == 1:
            assert tuple(chain.decays[index]) == (
                *decay_factors(int(du[0]) + 1),
                *decay_factors(int(dv[0])),
            )
            assert chain.own_decays is None or chain.own_decays.rows[index] == -1
            continue
        kept = chain.own_decays.kept[chain.own_decays.rows[index], :, :neurons]
        assert np.array_equal(kept, [4095 - du, 4096 - dv])


@given(strategies.cases(), st.data())
def test_lanes_without_a_neuron_never_spike(case, data):
    chain = lay_out(case.network, case.weights, data.draw(strategies.noises(case.network)), 3)
    for index, (_, layer) in enumerate(case.network.layers):
        assert (chain.threshold[index, layer.neurons :] == NO_NEURON).all()
        assert not chain.bias[index, layer.neurons :].any()


@given(strategies.cases())
def test_reach_bounds_every_current_there_can_be(case):
    zeros = (0,) * len(case.network.layers)
    chain = lay_out(case.network, case.weights, NoiseSpec(zeros, zeros), 3)
    for index, (connection, _) in enumerate(case.network.layers):
        mantissas = case.weights.mantissas[index].astype(np.int64)
        everything = np.abs(np.where(mantissas > 0, mantissas, 0).sum(axis=0)).max()
        nothing = np.abs(np.where(mantissas < 0, mantissas, 0).sum(axis=0)).max()
        assert chain.max_current[index] >= max(everything, nothing) << connection.current_shift


@given(strategies.cases(), st.data())
def test_rows_and_noise_fit_the_scratch(case, data):
    spec = data.draw(strategies.noises(case.network))
    chain = lay_out(case.network, case.weights, spec, 3)
    assert chain.spike_words % 8 == 0
    assert 64 * chain.spike_words >= chain.width
    for index in range(chain.layers):
        assert chain.words[index] == source_words(case.network, index)
        assert 64 * chain.words[index] >= chain.sources[index]
        fields = chain.neurons[index] if spec.full_rank else spec.rank
        scratch = int(chain.noise_at[index + 1] - chain.noise_at[index])
        assert scratch >= fields * chain.words[index] * (6 if spec.graded else 1)


@given(st.lists(st.integers(1, 600), min_size=2, max_size=4), st.booleans())
def test_scratch_of_a_thread_holds_one_noise_field_of_any_layer(sizes, graded):
    """A narrow graded field is drawn all bits at once, and is longer than one of three times its width."""
    layers = [Population(f"layer{index}", size, 60) for index, size in enumerate(sizes)]
    network = Network.chain(3, layers)
    weights = strategies.random_weights(network, np.random.default_rng(0))
    spec = NoiseSpec((5,) * len(sizes), (5,) * len(sizes), graded=graded)
    chip = strategies.chip_of(strategies.Case(network, weights, None, None), spec)
    scratch = fused_chain.make_scratch(lay_out(network, weights, spec, 2), chip._noise, 2)
    for size in sizes:
        words = ((size + 127) >> 7) << 1
        assert scratch.raw.size >= weight_noise.noise_words(words, graded)
