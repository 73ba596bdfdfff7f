"""Synaptic state: what a synapse keeps, and legal mantissas."""

import naive
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim import limits
from neurosim.network import Connection, Network, NetworkError, Population, check_weights
from neurosim.population import state


def network(inputs=30, hidden=20, weight_bits=8):
    layers = [Population("hidden", hidden, 60), Population("output", 3, 60)]
    return Network.chain(inputs, layers, Connection("", "", weight_bits=weight_bits))


def initial(std=16, seed=3, fraction_bits=8, momentum=False, **sizes):
    return state.initial_state(
        network(**sizes), [std, std], seed=seed, fraction_bits=fraction_bits, momentum=momentum
    )


@given(st.integers(1, 8), st.integers(0, 8), st.integers(0, 127), st.integers(0, (1 << 64) - 1))
def test_initial_weights_fit_their_registers(bits, fraction, std, seed):
    made = state.initial_state(
        network(weight_bits=bits), [std, std], seed=seed, fraction_bits=fraction, momentum=True
    )
    check_weights(network(weight_bits=bits), state.weights(made, fraction))


def test_initial_weights_are_drawn_as_the_specification_says():
    state = initial(std=16, seed=3).synapses[1]
    spread = naive.isqrt((65536**2 - 1) // 3)
    for place, found in enumerate(state.reshape(-1)[:20].tolist()):
        word = naive.word(naive.Field(naive.INITIAL, 1, 0, 0, 3), place)
        parts = [word >> 16 * k & 0xFFFF for k in range(4)]
        exact = (sum(parts) - 2 * 65535) * (16 << 8) // spread
        assert found == max(-128 << 8, min((127 << 8) + 127, exact))


def test_initial_weights_have_their_spread():
    state = initial(std=16, inputs=300, hidden=100).synapses[0].astype(np.int64)
    variance = (state**2).sum() // state.size >> 16
    assert 15 * 15 < variance < 17 * 17


def test_seeds_give_different_weights():
    assert not np.array_equal(initial(seed=1).synapses[0], initial(seed=2).synapses[0])
    assert np.array_equal(initial(seed=1).synapses[0], initial(seed=1).synapses[0])


@given(st.integers(0, 8))
def test_every_state_rounds_to_a_mantissa_within_the_register(fraction):
    low, high = state.state_range(Connection("a", "b"), fraction)
    states = np.arange(low, high + 1, dtype=np.int32).astype(np.int16)
    kept = state.SynapticState((states,), (np.zeros(1, np.int32),), ())
    mantissas = state.weights(kept, fraction).mantissas[0]
    half = (1 << fraction) // 2
    wanted = [(int(state) + half) // (1 << fraction) for state in (low, -1, 0, 1, high)]
    places = [0, -low - 1, -low, -low + 1, -1]
    assert mantissas[places].tolist() == wanted
    assert (mantissas.min(), mantissas.max()) == (-128, 127)


def test_biases_round_to_the_nearest_mantissa():
    kept = state.SynapticState((), (np.array([0, 127, 128, -128, -129, 4095 << 8], np.int32),), ())
    assert state.weights(kept, 8).biases[0].tolist() == [0, 0, 1, 0, -1, 4095]


def test_momentum_is_kept_only_if_asked_for():
    assert initial(momentum=False).momentum == ()
    assert [one.shape for one in initial(momentum=True).momentum] == [(30, 32), (20, 16)]


@pytest.mark.parametrize("bits", [-1, 9, 1.5])
def test_fraction_bits_out_of_range_are_refused(bits):
    with pytest.raises(NetworkError, match=f"fraction_bits is {bits}; allowed are 0..8"):
        state.check_fraction_bits(bits)


@given(st.integers(1, 5000))
def test_rows_are_padded_to_whole_vectors(neurons):
    assert state.padded(neurons) % 16 == 0
    assert 0 <= state.padded(neurons) - neurons < 16


def test_the_widest_state_fits_sixteen_bits():
    low, high = state.state_range(Connection("a", "b"), limits.DECAY_BITS - 4)
    assert (low, high) == (-(1 << 15), (1 << 15) - 1 - 128)
