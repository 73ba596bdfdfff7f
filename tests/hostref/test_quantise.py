"""Quantisation: networks on the chip's grid behave as the float ones."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs the extra "reference" (torch)')

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from hostref import bptt, quantise  # noqa: E402
from hostref.model import Parameters  # noqa: E402
from hostref.settings import BpttSettings, NetworkSettings  # noqa: E402
from hostref.twin import from_chip, initial, parameters_from_chip  # noqa: E402
from neurosim.network import check_weights  # noqa: E402


def network(seed=0, gain=3.0):
    model = bptt.build(
        BpttSettings(network=NetworkSettings(hidden=(20,)), readout="count", precision="float64"),
        60,
        10,
        "cpu",
    )
    parameters = initial(model, seed, gain)
    biases = tuple(torch.linspace(-0.3, 0.3, len(b), dtype=b.dtype) for b in parameters.biases)
    return model, Parameters(parameters.weights, biases)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 1000),
    st.integers(1, 8),
    st.floats(0.05, 1),
    st.floats(0.1, 30),
)
def test_what_comes_out_fits_the_chip_and_is_near_what_went_in(seed, bits, share, gain):
    model, parameters = network(seed, gain)
    found = quantise.quantise(model, parameters, bits, (share, 1.0))
    check_weights(found.network, found.weights)
    twin = from_chip(found.network, normalised=True)
    back = parameters_from_chip(twin, found.weights)
    top = max(found.network.layers[1][0].mantissa.high, 1)
    step = parameters.weights[1].abs().max() / top
    assert float((back.weights[1] - parameters.weights[1]).abs().max()) <= step * (
        1.03 if bits > 1 else 2
    )
    assert found.clipped[1] == 0 or bits == 1
    assert found.weights.mantissas[0].dtype == np.int8


def test_more_bits_lose_less():
    model, parameters = network()
    errors = [quantise.quantise(model, parameters, bits).error for bits in (8, 6, 4, 3)]
    for layer in range(2):
        assert [e[layer] for e in errors] == sorted(e[layer] for e in errors)
    assert errors[0][0] < 0.02


def test_eight_bits_spike_as_float_does():
    model, parameters = network()
    found = quantise.quantise(model, parameters, 8)
    twin = from_chip(found.network)
    x = (torch.rand(50, 10, 60, generator=torch.Generator().manual_seed(3)) < 0.1).double()
    chip = twin.run(parameters_from_chip(twin, found.weights), x).spk[0]
    ours = model.run(parameters, x).spk[0]
    assert float(ours.mean()) > 0.02
    assert float((chip != ours).double().mean()) < 0.01


def test_the_search_never_scores_below_plain_rounding():
    model, parameters = network()

    def score(_network, weights):
        return -float(np.abs(weights.mantissas[0].astype(int)).mean())

    found, tried = quantise.best_scale(model, parameters, 4, score)
    plain = dict(tried)[1.0, 1.0]
    assert score(found.network, found.weights) == max(value for _, value in tried) >= plain
