"""Is the float twin of any graph of layers the chip, spike for spike, and do its noises add up?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason='needs the extra "reference" (torch)')

import strategies as own  # noqa: E402

from hostref import twin  # noqa: E402
from hostref.connections import operator_of  # noqa: E402
from hostref.connections.base import product  # noqa: E402
from hostref.connections.expanded import ExpandedOperator  # noqa: E402
from hostref.eggroll import LowRankStrategy  # noqa: E402
from hostref.full_rank import FullRankStrategy  # noqa: E402
from hostref.neuron import CHIP  # noqa: E402
from neurosim.chip import profiles  # noqa: E402
from neurosim.chip.emulator import Chip, Probe  # noqa: E402
from neurosim.network import NetworkError  # noqa: E402


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
            rows = operator.place(product(operator.rows(x), operator.mask.double() * w if
                                  operator.mask is not None else w))  # fmt: skip
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
