"""Homeostasis of biases: against the equation in plain integers, from the spikes of the oracle."""

import naive_graph
import numpy as np
import pytest
from graph_strategies import graph_cases
from hypothesis import given
from hypothesis import strategies as st

from neurosim.network import Network, Population
from neurosim.population.batch import Batch
from neurosim.population.evaluator import ReadoutSpec
from neurosim.population.graph_evaluator import GraphEvaluator
from neurosim.population.layer_credit import FeedbackSpec
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import Precision, bias_range, initial_state, state_of
from neurosim.population.update import Rates, move_to_rate


def spikes_of(case, population):
    """Spikes of the neurons that have one bias, over all samples and steps."""
    share = population.neurons // population.shape[0]
    counts = [0] * population.shape[0]
    for sample in case.dense.tolist():
        spikes, _, _ = naive_graph.run(case.network, case.weights, sample)
        for step in spikes[population.name]:
            for k, spike in enumerate(step):
                counts[k // share] += spike
    return counts


@given(
    graph_cases(samples=3, steps=3),
    st.sampled_from([1, 3000, 20_000, 65_536]),
    st.integers(0, 1 << 24),
)
def test_biases_move_by_the_deviation_from_the_target_rate(case, target, step):
    network, samples = case.network, len(case.labels)
    count = len(network.populations)
    chip = GraphEvaluator(
        network,
        state_of(case.weights),
        seed=1,
        noise=NoiseSpec((0,) * count, (0,) * count),
        readout_spec=ReadoutSpec(True, 2560, 16),
        feedback=FeedbackSpec("gate", target_rate=target),
        precision=Precision(0, 0),
    )
    before = [biases.copy() for biases in chip.state.biases]
    batch = Batch(case.frames, np.arange(samples)[:, None])
    sums = chip.evaluate(batch, range(samples), 0).credits
    rates = [Rates(0, 0, 0, step << 32)] * len(network.parameters)
    chip.apply_update(sums, range(samples), 0, rates, batch)
    learns = {connection.target for connection, _ in network.parameters}
    for population, old, new in zip(network.populations, before, chip.state.biases, strict=True):
        if population.name in network.readouts or population.name not in learns:
            assert np.array_equal(old, new)
            continue
        low, high = bias_range(population)
        cells = samples * case.dense.shape[1] * (population.neurons // population.shape[0])
        wanted = target * cells
        for spikes, one, other in zip(spikes_of(case, population), old, new, strict=True):
            short = max(-wanted, min(wanted, wanted - (spikes << 16)))
            moved = int(one) + (256 * short // wanted * step >> 8)
            assert int(other) == max(low, min(high, moved))


@pytest.mark.parametrize("spikes", [0, 50, 51, 100, 1000])
def test_a_bias_rises_below_the_target_and_falls_above_it(spikes):
    population = Population("p", 1, 100)
    network = Network((), (population,), ())
    state = initial_state(network, [], seed=0, fraction_bits=8, momentum=False)
    move_to_rate(population, state, 0, np.array([spikes]), 1000, (1 << 16) // 20, 256 << 32)
    moved = int(state.biases[0][0])
    assert abs(moved) <= 256
    assert np.sign(moved) == np.sign(50 - spikes) or abs(spikes - 50) <= 1
