"""Float twin of any graph of layers: spike for spike as the chip, and its noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason='needs the extra "reference" (torch)')

import strategies as own  # noqa: E402

from hostref import bptt, quantise, twin  # noqa: E402
from hostref.calibration import RATE, calibrated  # noqa: E402
from hostref.connections import operator_of  # noqa: E402
from hostref.connections.base import product  # noqa: E402
from hostref.connections.expanded import ExpandedOperator  # noqa: E402
from hostref.eggroll import LowRankStrategy  # noqa: E402
from hostref.full_rank import FullRankStrategy  # noqa: E402
from hostref.rounding import CHIP  # noqa: E402
from hostref.settings import BpttSettings, NetworkSettings  # noqa: E402
from neurosim.chip import profiles  # noqa: E402
from neurosim.chip.emulator import Chip, Probe  # noqa: E402
from neurosim.network import NetworkError, check_weights  # noqa: E402
from neurosim.network.connections import SumPool2d  # noqa: E402


@settings(deadline=None, max_examples=150)
@given(own.graph_cases(), st.booleans())
def test_with_the_registers_rounding_every_spike_is_the_chips(case, layered):
    network, weights = case.network, case.weights
    profile = profiles.LAYERED if layered else profiles.DEFAULT
    chip = Chip.from_weights(network, weights, profile, placement=None)
    output = network.populations[-1].name
    recording = chip.run(case.dense, [Probe(output, "v"), Probe(output, "u")])
    model = twin.from_chip(network, latency=int(not layered), rounding=CHIP)
    parameters = twin.parameters_from_chip(model, weights)
    trace = model.run(parameters, torch.tensor(case.dense, dtype=torch.float64))
    for population, spk in zip(network.populations, trace.spk, strict=True):
        assert np.array_equal(recording.spikes[population.name], spk.numpy())
    kept = trace.mem.numpy() * (1 - trace.spk[-1].numpy())
    assert np.array_equal(recording.probed[0], kept)


@settings(deadline=None, max_examples=60)
@given(own.graph_cases())
def test_a_normalised_twin_is_the_same_network(case):
    populations = [p for p in case.network.populations if p.vth_mant == 0]
    if populations:
        with pytest.raises(NetworkError, match="vth_mant"):
            twin.from_chip(case.network, normalised=True)
        return
    x = torch.tensor(case.dense, dtype=torch.float64)
    membranes = []
    for normalised in (False, True):
        model = twin.from_chip(case.network, normalised=normalised, spiking_output=False)
        trace = model.run(twin.parameters_from_chip(model, case.weights), x)
        membranes.append(trace.mem * model.layers[-1].unit)
    spread = float(membranes[0].abs().max())
    assert torch.allclose(*membranes, atol=1e-9 * max(spread, 1.0))


@settings(deadline=None, max_examples=60)
@given(own.graphs(), st.integers(0, 1000))
def test_each_operator_is_its_synapses(network, seed):
    draw = torch.Generator().manual_seed(seed)
    for connection in network.connections:
        operator = operator_of(network, connection)
        shapes = network.shapes[connection.source], network.shapes[connection.target]
        written = ExpandedOperator(connection.kind, *shapes)
        matrix = network.parameter(connection)
        x = (torch.rand(2, 3, network.sizes[connection.source], generator=draw) < 0.5).double()
        w = None
        if matrix is not None:
            w = torch.randn(matrix.rows, matrix.columns, generator=draw).double()
            masked = w if operator.mask is None else operator.mask.double() * w
            rows = operator.place(product(operator.rows(x), masked))
            assert torch.allclose(rows, operator.current(x, w))
        assert torch.allclose(operator.current(x, w), written.current(x, w))


@settings(deadline=None, max_examples=40)
@given(own.graph_cases(), st.sampled_from([LowRankStrategy(2, 0.5), FullRankStrategy(0.5)]))
def test_members_at_once_are_the_members_one_by_one(case, strategy):
    model = twin.from_chip(case.network, spiking_output=False)
    parameters = twin.parameters_from_chip(model, case.weights)
    noise = strategy.draw(model, 2, torch.Generator().manual_seed(1))
    x = torch.tensor(case.dense, dtype=torch.float64)
    together = model.run(parameters, x, noise)
    assert together.mem.shape[:2] == (2, 2)
    for pair in range(2):
        for side, sign in enumerate((1, -1)):
            alone = model.run(noise.perturbed(parameters, sign, pair), x)
            assert torch.allclose(together.mem[pair, side], alone.mem, rtol=1e-9, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(own.graph_cases(samples=2, steps=4))
def test_gradients_are_finite_and_reach_every_matrix_of_the_output(case):
    model = twin.from_chip(case.network, spiking_output=False, slope=1.0)
    parameters = twin.parameters_from_chip(model, case.weights).map(lambda w: w.requires_grad_())
    model.run(parameters, torch.tensor(case.dense, dtype=torch.float64)).mem.sum().backward()
    for (_, _matrix), w, mask in zip(
        case.network.parameters, parameters.weights, model.masks, strict=True
    ):
        if w.grad is None:
            continue
        assert bool(torch.isfinite(w.grad).all())
        assert mask is None or float(w.grad[~mask].abs().sum()) == 0


LAYERS = (
    "conv 3 3x3 stride 2 pad 1",
    "conv 3 3 pad 1 recurrent, dense 7",
    "conv 2 2, pool 2, dense 5 adaptive delay 1",
    "recurrent 6, recurrent 5 adaptive",
    "pool 2, conv 4 2 stride 2 adaptive",
    "recurrent 6 delays 0 2, dense 5 delays 3 1",
)


def built(layers, readout="membrane", **more):
    settings = BpttSettings(
        network=NetworkSettings(layers=layers, **more), readout=readout, precision="float64"
    )
    return bptt.build(settings, (2, 6, 6), 4, "cpu")


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("bits", [8, 3])
def test_what_comes_out_fits_the_chip_and_is_near_what_went_in(layers, bits):
    model = built(layers)
    parameters = twin.initial(model, 3, 2.0)
    found = quantise.quantise(model, parameters, bits)
    check_weights(found.network, found.weights)
    assert all(c.weight_bits == bits for c, _ in found.network.parameters)
    populations = list(found.network.populations)
    output = populations[found.network.output]
    assert output.vth_mant == (1 << 17) - 1
    back = twin.parameters_from_chip(twin.from_chip(found.network), found.weights)
    for (connection, matrix), one, other in zip(
        found.network.parameters, back.weights, parameters.weights, strict=True
    ):
        ratio = float((one * other).sum() / (other * other).sum())
        error = float((one / ratio - other).abs().max() / other.abs().max())
        assert error <= 1.1 / max(connection.mantissa.high, 1), (connection.name, matrix)


@pytest.mark.parametrize("layers", LAYERS)
def test_eight_bits_spike_as_float_does(layers):
    model = built(layers, "count")
    draw = torch.Generator().manual_seed(5)
    x = (torch.rand(20, 8, 72, generator=draw) < 0.3).double()
    parameters = calibrated(model, twin.initial(model, 1, 0.5), x, 0.1)
    found = quantise.quantise(model, parameters, 8)
    chip = Chip.from_weights(found.network, found.weights, profiles.LAYERED, placement=None)
    recording = chip.run(x.numpy().astype(np.uint8))
    first = model.network.populations[0].name
    ours = model.run(parameters, x).spk[0].numpy()
    assert ours.mean() > 0.02
    assert (recording.spikes[first] != ours).mean() < 0.02


@pytest.mark.parametrize("layers", LAYERS)
def test_no_calibrated_layer_starts_silent(layers):
    model = built(layers)
    x = (torch.rand(20, 8, 72, generator=torch.Generator().manual_seed(5)) < 0.1).double()
    start = twin.initial(model, 1, 0.1)
    parameters = calibrated(model, start, x)
    trace = model.run(parameters, x)
    for k, layer in enumerate(model.network.graph):
        learned = not all(isinstance(c.kind, SumPool2d) for c in layer.incoming)
        if learned and k != model.output:
            assert float(trace.spk[k].mean()) >= RATE
    assert all(
        float(one.abs().max()) == 0 or float((one / other).std()) < 1e-9
        for one, other in zip(parameters.weights, start.weights, strict=True)
    )


def test_settings_take_layers_or_hidden_and_name_what_is_wrong():
    with pytest.raises(ValueError, match="give one of them"):
        NetworkSettings(hidden=(4,), layers="dense 4")
    with pytest.raises(ValueError, match=r"layer 2 is 'dance 4'"):
        NetworkSettings(layers="dense 3, dance 4")
    with pytest.raises(NetworkError, match=r"layer 1, 'conv 3 9'.*larger than its map"):
        built("conv 3 9")
    with pytest.raises(NetworkError, match="needs a map"):
        built("dense 3, pool 2")


def test_thresholds_within_a_map_must_be_one():
    network = built("conv 2 3").network
    from dataclasses import replace

    first, *rest = network.populations
    each = tuple(range(1, first.neurons + 1))
    odd = replace(network, populations=(replace(first, vth_mant=each), *rest))
    twin.from_chip(odd)
    with pytest.raises(NetworkError, match="one threshold for each map"):
        twin.from_chip(odd, normalised=True)
