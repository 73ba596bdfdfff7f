"""Random networks, weights, frames, noise and readouts, inside the limits of the chip and no further."""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from neurosim import limits
from neurosim.data.frames import Frames, pack
from neurosim.network import AdaptiveLif, Connection, Input, Lif, Network, Population, Weights
from neurosim.network.connections import Conv2d, Dense, PooledDense, Sparse, SumPool2d
from neurosim.network.faults import ONE, Faults
from neurosim.network.shapes import MAP, size_of
from neurosim.population.evaluator import Evaluator, ReadoutSpec
from neurosim.population.layout import NoiseSpec
from neurosim.population.rules import Signal
from neurosim.population.state import Precision, state_of

SEEDS = st.integers(0, (1 << 64) - 1)
WORDS32 = st.integers(0, (1 << 32) - 1)
REGISTERS = st.integers(-limits.STATE_MAX, limits.STATE_MAX) | st.sampled_from(
    [-limits.STATE_MAX, -4096, -1, 0, 1, 4095, 4096, limits.STATE_MAX]
)


def within(allowed: limits.Range, *special: int) -> st.SearchStrategy[int]:
    """Any value of a register, its ends and `special` ones more often than chance would have them."""
    return st.integers(*allowed) | st.sampled_from([*allowed, *special])


DECAYS = within(limits.DECAY, 16, 400, 3840, 4080)
COEFFICIENTS = within(limits.Range(-127, 127), 0, 1, -1)


class Case(NamedTuple):
    """A network with what it holds and what it is shown."""

    network: Network
    weights: Weights
    dense: np.ndarray
    labels: np.ndarray

    @property
    def frames(self) -> Frames:
        return pack(self.dense, self.labels)


@st.composite
def populations(draw, name: str, neurons: int, largest_bias: int = 3900, hidden: bool = False):
    """A layer that can be trained, with thresholds and biases of its own for each neuron or in common.

    hidden  the neurons may differ in their decays, too
    """

    def one_or_each(values):
        if draw(st.booleans()):
            return draw(values)
        return tuple(draw(st.lists(values, min_size=neurons, max_size=neurons)))

    return Population(
        name,
        neurons,
        vth_mant=one_or_each(st.integers(0, 2000) | within(limits.VTH_MANT)),
        du=one_or_each(DECAYS) if hidden else draw(DECAYS),
        dv=one_or_each(DECAYS) if hidden else draw(DECAYS),
        bias_mant=one_or_each(st.integers(-largest_bias, largest_bias)),
        bias_exp=draw(within(limits.BIAS_EXP)),
    )


@st.composite
def chains(draw, largest: int = 35, layers: int = 3):
    """A chain of 1 to `layers` layers of odd sizes, in any weight format that loses no bit."""
    sizes = draw(st.lists(st.integers(1, largest), min_size=2, max_size=layers + 1))
    bits = draw(within(limits.WEIGHT_BITS))
    whole = limits.Range(
        max(limits.WEIGHT_EXP.low, bits - 15), min(limits.WEIGHT_EXP.high, bits + 1)
    )
    exponent = draw(within(whole))
    form = Connection("", "", weight_bits=bits, weight_exp=exponent)
    last = len(sizes) - 2
    parts = [
        draw(populations(f"layer{index}", size, hidden=index < last))
        for index, size in enumerate(sizes[1:])
    ]
    return Network.chain(sizes[0], parts, form)


def random_weights(network: Network, numbers: np.random.Generator, narrow: bool = False) -> Weights:
    """Mantissas and biases anywhere in their ranges."""
    mantissas, biases = [], []
    for connection, layer in network.layers:
        low, high = connection.mantissa
        shape = (network.sizes[connection.source], layer.neurons)
        if narrow:
            low, high = max(low, -3), min(high, 3)
        mantissas.append(numbers.integers(low, high + 1, shape).astype(np.int8))
        biases.append(numbers.integers(-100, 101, layer.neurons).astype(np.int16))
    return Weights(tuple(mantissas), tuple(biases))


@st.composite
def cases(draw, largest: int = 35, layers: int = 3, samples: int = 3, steps: int = 4):
    """A network, weights and frames."""
    network = draw(chains(largest, layers))
    numbers = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    shape = (
        draw(st.integers(1, samples)),
        draw(st.integers(1, steps)),
        network.sizes["input"],
    )
    dense = numbers.random(shape) < draw(st.sampled_from([0.05, 0.3, 0.9, 1.0]))
    labels = numbers.integers(0, network.populations[-1].neurons, shape[0]).astype(np.uint8)
    weights = random_weights(network, numbers, draw(st.booleans()))
    return Case(network, weights, dense.astype(np.uint8), labels)


def _kind(draw, in_shape, out_shape):
    """A connection kind that fits the source, and the shape of its target (given, or as it makes it)."""
    kinds = ["dense", "sparse"]
    if len(in_shape) == MAP:
        kinds += ["pooled"] if out_shape else ["conv", "conv", "pool", "pooled"]
    name = draw(st.sampled_from(kinds))
    target = out_shape or (draw(st.integers(1, 6)),)
    if name == "conv":
        kernel = tuple(draw(st.integers(1, min(3, size))) for size in in_shape[1:])
        stride = tuple(draw(st.integers(1, 2)) for _ in kernel)
        padding = tuple(draw(st.integers(0, k - 1)) for k in kernel)
        kind = Conv2d(draw(st.integers(1, 3)), kernel, stride, padding)
    elif name == "pool":
        kind = SumPool2d(tuple(draw(st.integers(1, min(2, size))) for size in in_shape[1:]))
    elif name == "pooled":
        kind = PooledDense(draw(st.integers(1, 3)))
    elif name == "sparse" and len(target) == 1:
        numbers = np.random.default_rng(draw(st.integers(0, 1 << 30)))
        kind = Sparse.of(numbers.random((size_of(in_shape), target[0])) < 0.5)
    else:
        kind = Dense()
    return kind, out_shape or kind.out_shape(in_shape) or target


def _neurons(draw, name, shape):
    """A population of any shape, with registers in common, so that its maps share them."""
    return Population(
        name,
        size_of(shape),
        vth_mant=draw(st.sampled_from([0, 3, 60, 400])),
        du=draw(st.sampled_from([0, 1, 2000, 4095, 4095])),
        dv=draw(DECAYS),
        bias_mant=draw(st.integers(-200, 200)),
        bias_exp=draw(st.integers(0, 4)),
        refractory=draw(st.sampled_from([1, 1, 3])),
        shape=shape,
        model=draw(
            st.just(Lif()) | st.builds(AdaptiveLif, st.integers(0, 300), within(limits.DECAY))
        ),
    )


def _joined(draw, source, target, kind, **more):
    """A connection in any weight format that loses no bit."""
    return Connection(
        source,
        target,
        weight_bits=draw(st.sampled_from([8, 8, 4, 2])),
        weight_exp=draw(st.integers(-4, 2)),
        delay=draw(st.sampled_from([0, 0, 1, 3])),
        kind=kind,
        **more,
    )


@st.composite
def graphs(draw, layers: int = 3):
    """A graph of layers of any kind: maps, pooling, masks, recurrence, delays, a branch past a layer."""
    shape = draw(
        st.tuples(st.integers(1, 2), st.integers(2, 5), st.integers(2, 5))
        | st.tuples(st.integers(1, 9))
    )
    parts = {"input": shape}
    populations, connections = [], []
    for number in range(draw(st.integers(1, layers))):
        name, source = f"layer{number}", list(parts)[-1]
        kind, shape = _kind(draw, parts[source], None)
        connections.append(_joined(draw, source, name, kind))
        if number and draw(st.booleans()):
            other = draw(st.sampled_from(list(parts)))
            kind, _ = _kind(draw, parts[other], shape)
            connections.append(_joined(draw, other, name, kind, label="past"))
        if draw(st.booleans()):
            connections.append(_joined(draw, name, name, Dense()))
        populations.append(_neurons(draw, name, shape))
        parts[name] = shape
    return Network(
        (Input("input", size_of(parts["input"]), parts["input"]),),
        tuple(populations),
        tuple(connections),
    )


def graph_weights(network: Network, numbers: np.random.Generator) -> Weights:
    """Mantissas and biases anywhere in their ranges, for a graph of any kinds; 0 where no synapse is."""
    mantissas = []
    for connection, matrix in network.parameters:
        low, high = connection.mantissa
        drawn = numbers.integers(low, high + 1, (matrix.rows, matrix.columns)).astype(np.int8)
        if isinstance(connection.kind, Sparse):
            drawn *= connection.kind.mask()
        mantissas.append(drawn)
    biases = [
        numbers.integers(-100, 101, population.shape[0]).astype(np.int16)
        for population in network.populations
    ]
    return Weights(tuple(mantissas), tuple(biases))


@st.composite
def graph_cases(draw, samples: int = 3, steps: int = 6):
    """A graph, weights and frames."""
    network = draw(graphs())
    numbers = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    shape = (draw(st.integers(1, samples)), draw(st.integers(1, steps)), network.sizes["input"])
    dense = numbers.random(shape) < draw(st.sampled_from([0.1, 0.4, 0.9]))
    labels = numbers.integers(0, network.populations[-1].neurons, shape[0]).astype(np.uint8)
    return Case(network, graph_weights(network, numbers), dense.astype(np.uint8), labels)


@st.composite
def noises(draw, network: Network):
    """Noise of either kind that fits the network, some layers left alone."""
    count = len(network.layers)
    scales = st.sampled_from([0, 1, 64, 1000, 5000])
    return NoiseSpec(
        scale=tuple(draw(scales) for _ in range(count)),
        bias_scale=tuple(draw(st.sampled_from([0, 1, 77, 4000])) for _ in range(count)),
        rank=draw(st.integers(1, 4)),
        graded=draw(st.booleans()),
        full_rank=draw(st.booleans()),
        one_sided=draw(st.booleans()),
    )


@st.composite
def aligned_noises(draw, network, all_layers=False):
    """Event-aligned noise of some layers, noise on weights or none of the others."""
    count = len(network.layers)
    return NoiseSpec(
        scale=tuple(draw(st.sampled_from([0, 64, 5000, 40_000])) for _ in range(count)),
        bias_scale=(0,) * count,
        rank=draw(st.integers(1, 2)),
        graded=draw(st.booleans()),
        full_rank=draw(st.booleans()),
        aligned=tuple(all_layers or draw(st.booleans()) for _ in range(count)),
        period=draw(st.integers(1, 3)),
        window=draw(st.sampled_from([0, 1, 3000, 100_000])),
        one_sided=draw(st.booleans()),
    )


FAULT_SHARES = st.sampled_from([0, 0, ONE // 20, ONE // 3])


@st.composite
def chip_faults(draw, **more):
    """Faults of any of the kinds that evaluator and emulator both have; `more`: shares of other kinds."""
    both = (
        "stuck_at_0",
        "stuck_at_1",
        "silent",
        "always_firing",
        "lost_axons",
        "threshold_mismatch",
        "decay_mismatch",
    )
    shares = {kind: draw(FAULT_SHARES) for kind in both}
    return Faults(**{**shares, **more}, seed=draw(SEEDS))


READOUTS = st.builds(
    ReadoutSpec, st.booleans(), st.integers(1, 1 << 20), st.integers(0, 20), st.just(0)
) | st.sampled_from([ReadoutSpec(True, 256, 16), ReadoutSpec(False, 9_682_000, 16)])
COSTS = st.sampled_from([0, 1, 1000, 1 << 16])
COSTED = st.builds(lambda spec, cost: spec._replace(spike_cost=cost), READOUTS, COSTS)
"""Readouts of a fitness in which hidden spikes may have a cost."""

SEED = 0xFEDCBA9876543210
READOUT = ReadoutSpec(True, 256, 16)


def still(network):
    """Noise of no layer."""
    return NoiseSpec((0,) * len(network.layers), (0,) * len(network.layers))


def signals(layers, readout=Signal.ERROR, hidden=Signal.FITNESS):
    """Learning signals of a chain: those of the hidden layers, and of the readout."""
    return (*(hidden,) * (layers - 1), readout)


def chip_of(case, spec, readout=READOUT, **more):
    """A chip that holds a case's weights."""
    state = state_of(case.weights)
    return Evaluator(
        case.network,
        state,
        seed=SEED,
        noise=spec,
        readout_spec=readout,
        **{"precision": Precision(0, 0), **more},
    )


def example(sizes, samples=3, steps=3, density=0.3, seed=0, form=None, narrow=True, **registers):
    """A network of given sizes, drawn once; `form` of all its connections, `narrow` weights."""
    numbers = np.random.default_rng(seed)
    registers = {"vth_mant": 60, "dv": 400, "du": 4095, **registers}
    layers = [Population(f"layer{i}", size, **registers) for i, size in enumerate(sizes[1:])]
    network = Network.chain(sizes[0], layers, *([] if form is None else [form]))
    dense = (numbers.random((samples, steps, sizes[0])) < density).astype(np.uint8)
    labels = numbers.integers(0, sizes[-1], samples).astype(np.uint8)
    weights = random_weights(network, numbers, narrow)
    return Case(network, weights, dense, labels)


def wide(case, **more):
    """Noise of rank 2 on all layers and biases."""
    count = len(case.network.layers)
    return NoiseSpec((900,) * count, (500,) * count, rank=2, **more)
