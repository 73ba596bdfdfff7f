"""Credit of hidden layers: over all patterns of noise, the gradient of the objective that the errors name.

Of a layer that objective is the sum over its neurons of error x trace, the error held fixed; of gated errors
it is their mean over the noise of the layer above, which is independent. Credits are rounded down to units of
2^-CREDIT_SHIFT, and by no more than that does the estimate differ.
"""

import itertools

import naive
import naive_graph
import numpy as np
import pytest
from strategies import Case

from neurosim.kernels.executors.layer import CREDIT_SHIFT
from neurosim.network import Connection, Input, Network, Population, Weights
from neurosim.population.batch import Batch
from neurosim.population.evaluator import ReadoutSpec
from neurosim.population.graph_evaluator import GraphEvaluator
from neurosim.population.layer_credit import FEEDBACKS, FeedbackSpec
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import Precision, state_of

GENERATION, SEED, LABEL, SHARE = 6, 0x0123456789ABCDEF, 1, 128
NEURONS, STEPS, SCALE = 2, 2, 40 << 6
HIDDEN = ("a", "b")


def tiny():
    """Two hidden layers of two neurons, a readout of the first one's own, two steps: 256 patterns."""
    network = Network(
        (Input("in", 3),),
        (
            *(Population(name, NEURONS, 60, dv=400) for name in HIDDEN),
            Population("out", 3, 131071, dv=400),
            Population("readout:a", 3, 131071, dv=400),
        ),
        tuple(
            Connection(*pair)
            for pair in (("in", "a"), ("a", "b"), ("b", "out"), ("a", "readout:a"))
        ),
    )
    mantissas = (
        np.array([[30, 9], [-12, 31], [25, 3]], np.int8),
        np.array([[40, -11], [7, 33]], np.int8),
        np.array([[64, -32, 32], [-64, 96, -32]], np.int8),
        np.array([[20, -50, 9], [-14, -30, 70]], np.int8),
    )
    weights = Weights(mantissas, tuple(np.zeros(p.neurons, np.int16) for p in network.populations))
    dense = np.array([[[1, 0, 1], [1, 1, 0]]], np.uint8)
    return Case(network, weights, dense, np.array([LABEL], np.uint8))


def patterns():
    """All numbers +1 and -1 of both layers (layer, step, neuron), and for each a pair that draws it."""
    size = len(HIDDEN) * STEPS * NEURONS
    drawn = {}
    for pair in range(40 << size):
        numbers = tuple(
            number
            for layer in range(len(HIDDEN))
            for t in range(STEPS)
            for number in naive.numbers(
                naive.Field(naive.ALIGNED, layer, pair, GENERATION, SEED), NEURONS, 2, t, False
            )
        )
        drawn.setdefault(numbers, pair)
        if len(drawn) == 1 << size:
            return drawn
    raise AssertionError(len(drawn))


def traces(case, name, currents, noise, sign):
    """The trace of each neuron of a layer, its own currents under one pattern of noise."""
    population = next(p for p in case.network.populations if p.name == name)
    weigh = naive_graph.trace_kernel(4095, 400, STEPS)
    found = []
    for k in range(NEURONS):
        moved = [currents[t][k] + sign * SCALE * noise[t][k] for t in range(STEPS)]
        seen, _ = naive_graph.neuron_run(population, k, moved, 0)
        found.append(sum(w * s[0] for w, s in zip(weigh, seen, strict=True)))
    return np.array(found)


def errors_of(case, kind, readouts, still):
    """The errors of both layers as functions of the change that noise made to the traces of layer b."""
    parts = naive_graph.feedback_parts(
        case.network, case.weights, kind, SHARE, list(case.network.readouts)
    )
    matrix = {
        c.name: m.astype(int)
        for (c, _), m in zip(case.network.parameters, case.weights.mantissas, strict=True)
    }
    sent = {}
    for name, one in readouts.items():
        rows, _ = still[name]
        scores = [sum(row[k][3] for row in rows) for k in range(3)]
        sent[name] = np.array(naive.softmax_errors(scores, LABEL, one.multiplier, one.shift))
    of_b = sum((matrix[c.name] @ sent[c.target]) * m >> 16 for c, m in parts["b"])

    def of_a(change):
        returned = {**sent, "b": np.where(change != 0, of_b, 0)}
        if kind.startswith("gain"):
            returned["b"] = of_b * abs(change) >> 5
        if kind == "direct":
            fixed = np.array(naive_graph.direct_matrix(case.network, "a", SEED))
            return (sent["out"] @ fixed) * ((1024 << 20) // (64 * 256)) >> 16
        return sum((matrix[c.name] @ returned[c.target]) * m >> 16 for c, m in parts["a"])

    return of_a, of_b


@pytest.mark.parametrize("kind", FEEDBACKS)
def test_credit_follows_the_gradient_of_the_objective_that_the_errors_of_a_layer_name(kind):
    case = tiny()
    spec = NoiseSpec((SCALE, SCALE, 0, 0), (0,) * 4, aligned=(True, True, False, False))
    evaluator = GraphEvaluator(
        case.network,
        state_of(case.weights),
        seed=SEED,
        noise=spec,
        readout_spec=ReadoutSpec(True, 256, 12),
        feedback=FeedbackSpec(kind, SHARE),
        precision=Precision(0, 0),
    )
    spikes, still, _ = naive_graph.run(case.network, case.weights, case.dense[0].tolist())
    of_a, of_b = errors_of(case, kind, evaluator._readouts(evaluator._plan(STEPS)), still)
    estimate, rounded, wanted = np.zeros((3, 2, 3, NEURONS), np.int64)
    batch = Batch(case.frames, np.array([[0]]))
    for pattern, pair in patterns().items():
        noise = np.array(pattern).reshape(2, STEPS, NEURONS)
        sums = evaluator.evaluate(batch, range(pair, pair + 1), GENERATION).credits.matrices
        both = [
            [traces(case, name, still[name][1], own, sign) for sign in (1, -1)]
            for name, own in zip(HIDDEN, noise, strict=True)
        ]
        change = [plus - minus for plus, minus in both]
        errors = of_a(change[1]), of_b
        for layer, source in enumerate(("in", "a")):
            arriving = np.array(spikes[source])  # (step, source)
            rows = arriving.shape[1]
            estimate[layer, :rows] += sums[layer]
            for found, amount in (
                (rounded, change[layer] * errors[layer] >> CREDIT_SHIFT),
                (wanted, 2 * both[layer][0] * errors[layer]),
            ):
                found[layer, :rows] += arriving.T @ (noise[layer] * amount)
    assert np.array_equal(estimate, rounded)
    edge = ((1 << CREDIT_SHIFT) - 1) * STEPS * len(patterns())
    assert (abs((estimate << CREDIT_SHIFT) - wanted) <= edge).all()
    assert (abs(wanted).max(axis=(1, 2)) > 10 * edge).all()


def test_the_patterns_are_all_there_are():
    size = len(HIDDEN) * STEPS * NEURONS
    assert set(patterns()) == set(itertools.product((-1, 1), repeat=size))
