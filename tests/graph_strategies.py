"""Random graphs of layers of all kinds, small enough for the naive oracle."""

import naive
import numpy as np
from hypothesis import strategies as st
from strategies import READOUT, SEED, Case

from neurosim import threads
from neurosim.data.frames import words_for
from neurosim.network import (
    AdaptiveLif,
    Connection,
    Conv2d,
    Dense,
    Input,
    Lif,
    Network,
    PooledDense,
    Population,
    Sparse,
    SumPool2d,
    Weights,
    check_weights,
)
from neurosim.network.shapes import size_of
from neurosim.population.batch import Batch
from neurosim.population.graph_members import GraphMembers
from neurosim.population.layout import NoiseSpec
from neurosim.population.rules import Signal
from neurosim.population.state import Precision, state_of
from neurosim.population.update import Rates

GENERATION = 5


@st.composite
def kinds(draw, shape):
    """A connection kind that fits the source's shape, and the target's shape."""
    choices = ["dense", "sparse"]
    if len(shape) == 3:
        choices += ["conv", "conv", "conv", "pool"]
    kind = draw(st.sampled_from(choices))
    neurons = draw(st.integers(1, 20))
    if kind == "dense":
        return Dense(), (neurons,)
    if kind == "sparse":
        numbers = np.random.default_rng(draw(st.integers(0, 99)))
        return Sparse.of(numbers.random((size_of(shape), neurons)) < 0.4), (neurons,)
    _, height, width = shape
    if kind == "pool":
        pool = SumPool2d((draw(st.integers(1, height)), draw(st.integers(1, width))))
        return pool, pool.out_shape(shape)
    size = draw(st.integers(1, min(4, height))), draw(st.integers(1, min(4, width)))
    conv = Conv2d(
        draw(st.sampled_from([1, 3, 5, 16, 18, 33])),
        size,
        (draw(st.integers(1, min(3, height))), draw(st.integers(1, min(3, width)))),
        (draw(st.integers(0, size[0] - 1)), draw(st.integers(0, size[1] - 1))),
    )
    return conv, conv.out_shape(shape)


@st.composite
def graphs(draw, layers=3, readouts=True, delays=True):
    """A chain of layers of any kinds, some recurrent, some skipped to, some fed twice by their source.

    readouts  whether layers have readouts of their own: some of them, "all" of them, or none
    """
    shape = draw(
        st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6))
        | st.tuples(st.integers(1, 70))
    )
    parts, wires = [], []
    source, in_shape = "in", shape
    late = st.sampled_from([0, 0, 0, 1, 2]) if delays else st.just(0)
    for index in range(draw(st.integers(1, layers - 1))):
        kind, out = draw(kinds(in_shape))
        name = f"p{index}"
        parts.append(draw(_populations(name, out)))
        wires.append(Connection(source, name, kind=kind, delay=draw(late)))
        if draw(st.integers(0, 3)) == 0:
            wires.append(Connection(source, name, kind=kind, delay=draw(late), label="again"))
        if draw(st.integers(0, 3)) == 0 and size_of(out) <= 40:
            wires.append(Connection(name, name, delay=draw(late)))
        if index and draw(st.integers(0, 3)) == 0:
            wires.append(Connection(f"p{index - 1}", name, label="skip", delay=draw(late)))
        source, in_shape = name, out
    classes = draw(st.integers(1, 5))
    parts.append(draw(_populations("out", (classes,))))
    wires.append(Connection(source, "out"))
    for part in list(parts[:-2]):
        if readouts == "all" or (readouts and draw(st.booleans())):
            name = f"readout:{part.name}"
            kind = PooledDense(draw(st.integers(1, 3))) if len(part.shape) == 3 else Dense()
            plain = Population(name, classes, 131071, dv=parts[-1].dv, du=parts[-1].du)
            parts.append(plain)
            wires.append(Connection(part.name, name, kind=kind))
    return Network((Input("in", size_of(shape), shape),), tuple(parts), tuple(wires))


@st.composite
def _populations(draw, name, shape):
    model = draw(
        st.just(Lif())
        | st.builds(AdaptiveLif, st.integers(0, 300), st.sampled_from([0, 400, 4095]))
    )
    neurons = size_of(shape)

    def one_or_each(*values):
        if name == "out" or draw(st.integers(0, 3)):
            return draw(st.sampled_from(values))
        numbers = np.random.default_rng(draw(st.integers(0, 99)))
        return tuple(numbers.choice([*values, 1234], neurons).tolist())

    return Population(
        name,
        neurons,
        vth_mant=draw(st.integers(0, 400) | st.just(131071)),
        du=one_or_each(4095, 4095, 0, 1000),
        dv=one_or_each(400, 0, 1, 4095),
        bias_mant=draw(st.integers(-50, 50)),
        bias_exp=draw(st.integers(0, 7)),
        shape=shape,
        model=model,
    )


@st.composite
def graph_cases(draw, samples=3, steps=4, **more):
    """A graph, weights and frames."""
    network = draw(graphs(**more))
    numbers = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    shape = (draw(st.integers(1, samples)), draw(st.integers(1, steps)), network.inputs[0].size)
    dense = numbers.random(shape) < draw(st.sampled_from([0.1, 0.4, 1.0]))
    classes = network.sizes["out"]
    high = draw(st.sampled_from([3, 40, 128]))
    weights = Weights(
        tuple(
            numbers.integers(-high, high, (matrix.rows, matrix.columns)).astype(np.int8)
            for _, matrix in network.parameters
        ),
        tuple(
            numbers.integers(-99, 100, population.shape[0]).astype(np.int16)
            for population in network.populations
        ),
    )
    labels = numbers.integers(0, classes, shape[0]).astype(np.uint8)
    return Case(network, weights, dense.astype(np.uint8), labels)


def members_of(case, spec, readout=READOUT, readout_signal=Signal.FITNESS, workspace=1 << 20):
    return GraphMembers(
        case.network,
        state_of(case.weights),
        seed=SEED,
        noise=spec,
        readout_spec=readout,
        precision=Precision(0, 0),
        workspace_bytes=workspace,
        readout_signal=readout_signal,
    )


@st.composite
def member_noises(draw, network, delta=False, low=0):
    """Noise of any kind on weights and biases, or on currents."""
    count = len(network.populations)
    scales = [draw(st.sampled_from([low, 500, 20_000])) for _ in range(count)]
    if delta:
        scales[-1] = 0
    shared = {
        "graded": draw(st.booleans()),
        "one_sided": draw(st.booleans()),
    }
    if draw(st.booleans()):
        learn = {c.target for c, _ in network.parameters}
        aligned = tuple(
            bool(scale) and p.name in learn
            for scale, p in zip(scales, network.populations, strict=True)
        )
        window, period = draw(st.sampled_from([0, 3000])), draw(st.integers(1, 2))
        return NoiseSpec(
            tuple(scales), (0,) * count, aligned=aligned, window=window, period=period, **shared
        )
    biases = [draw(st.sampled_from([0, 700])) for _ in range(count)]
    if delta:
        biases[-1] = 0
    return NoiseSpec(
        tuple(scales),
        tuple(biases),
        rank=draw(st.integers(1, 3)),
        full_rank=draw(st.booleans()),
        **shared,
    )


def each_sample(case):
    return Batch(case.frames, np.arange(len(case.labels))[:, None])


def words_of(network):
    """Row length of the field of each parameter: that of the fused kernel for a chain."""
    if network.is_dense_chain:
        return naive.noise_rows(network)
    return [words_for(matrix.rows) for _, matrix in network.parameters]


def divided_alike(data, case, spec, make):
    """Assert that blocks, parts and threads change nothing; `make(workspace=BYTES)` gives the evaluator."""
    batch, pairs = each_sample(case), range(3 * len(case.labels))
    cut = data.draw(st.integers(1, len(pairs) - 1))
    found = []
    for count, workspace in ((1, 1 << 22), (min(2, threads.available()), 1)):
        threads.use(count)
        try:
            evaluator = make(workspace=workspace)
            parts = (pairs,) if workspace > 1 else (pairs[:cut], pairs[cut:])
            seen = [evaluator.evaluate(batch, pairs, 3, part) for part in parts]
            fitness = np.concatenate([one.fitness for one in seen])
            utilities = np.resize(np.array([5, -7, 1], np.int8), len(pairs) * spec.directions)
            rates = [Rates(1 << 36, 1 << 36, 0)] * len(case.network.parameters)
            evaluator.apply_update(utilities, pairs, 3, rates, batch)
            scores = evaluator.forward(case.frames).potentials
        finally:
            threads.use(None)
        found.append((fitness, scores, *evaluator.state.synapses, *evaluator.state.biases))
    for one, other in zip(*found, strict=True):
        assert np.array_equal(one, other)
    check_weights(case.network, evaluator.weights())
