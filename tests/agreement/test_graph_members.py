"""Perturbed members of graphs: equal to the chip emulator with the perturbed weights."""

import naive
import numpy as np
from graph_strategies import graph_cases
from hypothesis import assume, given
from hypothesis import strategies as st
from naive_graph import run
from strategies import READOUT, SEED, cases, chip_of

from neurosim.data.frames import words_for
from neurosim.population.batch import Batch
from neurosim.population.graph_members import GraphMembers
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import state_of


def members_of(case, spec, readout=READOUT):
    return GraphMembers(
        case.network,
        state_of(case.weights),
        seed=SEED,
        noise=spec,
        readout_spec=readout,
        fraction_bits=0,
        momentum_bits=0,
        workspace_bytes=1 << 20,
    )


def supported(network):
    kinds = {c.kind.name for c, _ in network.parameters}
    flat = all(
        c.kind.name != "dense" or c.source != "in" or len(network.shapes["in"]) == 1
        for c in network.connections
    )
    return kinds <= {"dense", "conv2d"} and flat


class Perturbed:
    """Weights whose mantissas are whatever they are: the oracle multiplies integers."""

    def __init__(self, mantissas, biases):
        self.mantissas, self.biases = mantissas, biases


@given(graph_cases(samples=2, steps=3, readouts=False), st.booleans(), st.integers(1, 3))
def test_members_have_the_fitness_of_their_own_weights(case, full_rank, rank):
    assume(supported(case.network))
    count = len(case.network.populations)
    unit = 128  # noise in whole mantissas, so that the oracle can add it to them
    spec = NoiseSpec((2 * unit,) * count, (0,) * count, rank=rank, full_rank=full_rank)
    evaluator = members_of(case, spec)
    samples = len(case.labels)
    batch = Batch(case.frames, np.arange(samples)[None, :])
    seen = evaluator.evaluate(batch, range(2), 5)
    for pair in range(2):
        noise = [
            naive.perturbation(
                spec, number, m.rows, m.columns, words_of(case.network, number), pair, 5, SEED
            ).entries
            for number, (_, m) in enumerate(case.network.parameters)
        ]
        for side, sign in enumerate((1, -1)):
            mantissas = tuple(
                m.astype(np.int64) + 2 * sign * np.array(e)
                for m, e in zip(case.weights.mantissas, noise, strict=True)
            )
            total = 0
            for sample, label in zip(case.dense, case.labels, strict=True):
                _, found, _ = run(
                    case.network, Perturbed(mantissas, case.weights.biases), sample.tolist()
                )
                rows, _ = found["out"]
                scores = [sum(row[k][3] for row in rows) for k in range(case.network.sizes["out"])]
                total += naive.log_likelihood(scores, int(label), READOUT.multiplier, READOUT.shift)
            assert seen.fitness[pair, side] == total


def words_of(network, number):
    """Row length of a field: that of the fused kernel for a chain."""
    if network.is_dense_chain:
        return naive.noise_rows(network)[number]
    return words_for(network.parameters[number][1].rows)


@given(cases(), st.booleans(), st.integers(1, 3))
def test_dense_chains_have_the_members_of_the_fused_kernel(case, full_rank, rank):
    count = len(case.network.populations)
    spec = NoiseSpec((500,) * count, (0,) * count, rank=rank, full_rank=full_rank)
    samples = len(case.labels)
    batch = Batch(case.frames, np.arange(samples)[None, :])
    general, fused = members_of(case, spec), chip_of(case, spec)
    one, other = (chip.evaluate(batch, range(4), 7) for chip in (general, fused))
    assert np.array_equal(one.fitness, other.fitness)
    assert np.array_equal(one.saturated, other.saturated)
    coefficients = np.array([3, -1, 0, 100], np.int8)
    for number in range(count):
        mine = general.sums(number, coefficients, range(4), 7)
        assert np.array_equal(mine, fused.sums(number, coefficients, range(4), 7).synapses)
