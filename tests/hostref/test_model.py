"""Float model: spikes where the chip spikes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason='needs the extra "reference" (torch)')

from hostref import twin  # noqa: E402
from hostref.agreement import agree  # noqa: E402
from hostref.rounding import CHIP  # noqa: E402
from neurosim.network import Network, NetworkError, Noise, Population, Weights  # noqa: E402


def integer_spikes(network, weights, x, *, fires=True, latency=0):
    """The chip's rule in Python ints: spikes and v before reset, lists (step, neuron) a layer."""

    def decay(value, d):
        return (abs(value) * (4096 - d) >> 12) * (1 if value >= 0 else -1)

    out = []
    for k, (connection, population) in enumerate(network.layers):
        lag = connection.delay + latency
        x = ([[0] * len(x[0])] * lag + x)[: len(x)]
        names = ("vth_mant", "du", "dv", "bias_mant", "bias_exp", "refractory")
        register = {name: population.each(name).tolist() for name in names}
        spikes, membranes = [], []
        u = [0] * population.neurons
        v, dead = list(u), list(u)
        last = k == len(network.layers) - 1
        for row in x:
            spikes.append([0] * population.neurons)
            membranes.append([0] * population.neurons)
            for n in range(population.neurons):
                of = {name: values[n] for name, values in register.items()}
                mantissa = sum(int(weights.mantissas[k][j, n]) for j, s in enumerate(row) if s)
                u[n] = decay(u[n], of["du"] + 1) + (mantissa << connection.current_shift)
                bias = of["bias_mant"] + int(weights.biases[k][n]) << of["bias_exp"]
                v[n] = decay(v[n], of["dv"]) + u[n] + bias
                top = (1 << 23) - 1
                v[n] = max(-top, min(top, v[n])) if dead[n] == 0 else 0
                dead[n] = max(dead[n] - 1, 0)
                membranes[-1][n] = v[n]
                if v[n] > of["vth_mant"] * 64 and (fires or not last):
                    spikes[-1][n], v[n], dead[n] = 1, 0, of["refractory"] - 1
        out.append((spikes, membranes))
        x = spikes
    return out


@st.composite
def chains(draw, steps=6):
    """A random chain with weights and input spikes, in which something fires."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    sizes = draw(st.lists(st.integers(1, 5), min_size=2, max_size=3))
    each = lambda low, high, n: tuple(int(i) for i in rng.integers(low, high + 1, n))  # noqa: E731
    layers = [
        Population(
            f"layer{k}",
            n,
            vth_mant=each(0, 600, n),
            du=each(0, 4095, n) if draw(st.booleans()) else 4095,
            dv=each(0, 4095, n),
            bias_mant=each(-4096, 4095, n),
            bias_exp=each(0, 3, n),
            refractory=each(1, 3, n) if draw(st.booleans()) else 1,
        )
        for k, n in enumerate(sizes[1:])
    ]
    network = Network.chain(sizes[0], layers)
    weights = Weights(
        tuple(rng.integers(-128, 128, pair, np.int8) for pair in itertools.pairwise(sizes)),
        tuple(rng.integers(-100, 100, n).astype(np.int16) for n in sizes[1:]),
    )
    return network, weights, rng.integers(0, 2, (steps, sizes[0]))


@settings(deadline=None, max_examples=60)
@given(chains(), st.booleans(), st.integers(0, 1))
def test_with_the_registers_rounding_every_spike_is_the_chips(case, fires, latency):
    network, weights, x = case
    readout_errors = twin.from_chip(network, spiking_output=fires, latency=latency, rounding=CHIP)
    trace = readout_errors.run(
        twin.parameters_from_chip(readout_errors, weights),
        torch.tensor(x, dtype=torch.float64)[None],
    )
    wanted = integer_spikes(network, weights, x.tolist(), fires=fires, latency=latency)
    for spk, (spikes, _) in zip(trace.spk, wanted, strict=True):
        assert spk[0].tolist() == spikes
    assert trace.mem[0].tolist() == wanted[-1][1]


@settings(deadline=None, max_examples=30)
@given(chains())
def test_normalised_and_chip_units_are_one_network(case):
    network, weights, x = case
    layers = [
        Population(p.name, p.neurons, tuple(v + 1 for v in p.each("vth_mant").tolist()), p.dv, p.du)
        for p in network.populations
    ]
    network = Network.chain(network.inputs[0].size, layers)
    spikes = []
    for normalised in (False, True):
        readout_errors = twin.from_chip(network, normalised=normalised)
        parameters = twin.parameters_from_chip(readout_errors, weights)
        trace = readout_errors.run(parameters, torch.tensor(x, dtype=torch.float64)[None])
        spikes.append([spk.tolist() for spk in trace.spk])
    assert spikes[0] == spikes[1]


def test_a_sample_does_not_see_its_neighbours():
    network, weights, x = example()
    readout_errors = twin.from_chip(network)
    parameters = twin.parameters_from_chip(readout_errors, weights)
    together = readout_errors.run(parameters, x)
    for sample in range(len(x)):
        alone = readout_errors.run(parameters, x[sample : sample + 1])
        for one, all_ in zip(alone.spk, together.spk, strict=True):
            assert torch.equal(one[0], all_[sample])


def test_no_input_and_no_bias_is_silent():
    network, weights, x = example()
    readout_errors = twin.from_chip(network)
    trace = readout_errors.run(
        twin.parameters_from_chip(readout_errors, weights), torch.zeros_like(x)
    )
    assert all(float(spk.sum()) == 0 for spk in trace.spk)
    assert float(trace.mem.abs().max()) == 0


def test_real_numbers_agree_with_registers_up_to_rounding():
    network, weights, x = example(samples=64)
    spikes = []
    for rounding in (None, CHIP):
        readout_errors = twin.from_chip(network, rounding=rounding)
        spikes.append(readout_errors.run(twin.parameters_from_chip(readout_errors, weights), x).spk)
    layers = agree([s.numpy() for s in spikes[0]], [s.numpy() for s in spikes[1]])
    assert all(layer.spikes > 0 for layer in layers)
    assert all(layer.share < 1e-3 for layer in layers)


def test_agreement_names_the_first_step_that_differs():
    ours = np.zeros((1, 2, 4, 3))
    theirs = ours.copy()
    theirs[0, 1, 2, 0] = 1
    (layer,) = agree(ours[0:1, 0:2].reshape(1, 2, 4, 3), theirs)
    assert (layer.differing, layer.first_step, layer.cells) == (1, 2, 24)
    (same,) = agree(ours, ours)
    assert (same.differing, same.first_step) == (0, None)


def test_what_the_twin_cannot_do_is_refused_by_name():
    network = Network.chain(3, [Population("noisy", 2, 10, noise=Noise(3))])
    with pytest.raises(NetworkError, match=r"'noisy'.*noise"):
        twin.from_chip(network)
    with pytest.raises(NetworkError, match="vth_mant"):
        twin.from_chip(Network.chain(3, [Population("p", 2, 0)]), normalised=True)


def example(samples=5):
    """The paper's network, smaller: about a tenth of the hidden neurons spike in a step."""
    rng = np.random.default_rng(1)
    layers = [Population("hidden", 32, 512, dv=409), Population("output", 10, 512, dv=409)]
    network = Network.chain(200, layers)
    weights = Weights(
        (
            rng.normal(0, 40, (200, 32)).round().clip(-128, 127).astype(np.int8),
            rng.normal(0, 60, (32, 10)).round().clip(-128, 127).astype(np.int8),
        ),
        (np.zeros(32, np.int16), np.zeros(10, np.int16)),
    )
    return (
        network,
        weights,
        torch.tensor(rng.random((samples, 10, 200)) < 0.08, dtype=torch.float64),
    )
