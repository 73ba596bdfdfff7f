"""What the kernels make of small networks: everything they write, for each kind of noise and readout.

Run as a script, it prints the outcome's hashes: with NUMBA_DISABLE_JIT=1 those of the kernels as
plain Python, where lanes are NumPy arrays.
"""

import hashlib
import itertools
import json

import numpy as np

from neurosim.data.frames import pack
from neurosim.kernels import generator
from neurosim.network import Connection, Network, Population
from neurosim.network.layers import LayerRegisters, network_of_layers, of_text
from neurosim.population.batch import Batch
from neurosim.population.evaluator import Evaluator, ReadoutSpec
from neurosim.population.graph import WORKSPACE_BYTES
from neurosim.population.graph_evaluator import GraphEvaluator
from neurosim.population.graph_members import GraphMembers
from neurosim.population.layer_credit import FeedbackSpec
from neurosim.population.layout import NoiseSpec
from neurosim.population.rules import Signal
from neurosim.population.state import Precision, initial_state
from neurosim.population.update import Rates

MEMBRANE, COUNT = ReadoutSpec(True, 256, 16), ReadoutSpec(False, 9_682_000, 16)
SPECS = {
    "low rank": ({}, MEMBRANE, {}),
    "graded": ({"rank": 2, "graded": True}, COUNT, {"du": 1000}),
    "full rank": ({"full_rank": True}, MEMBRANE, {"dv": 7}),
    "graded full rank": ({"full_rank": True, "graded": True}, COUNT, {"vth_mant": 40}),
    "saturating": ({"rank": 3}, MEMBRANE, {"du": 3, "dv": 16, "vth_mant": 131071}),
    "aligned": ({"aligned": (True, True)}, MEMBRANE, {}),
    "one-sided": ({"one_sided": True}, MEMBRANE, {}),
    "gated": ({"aligned": (True, False), "period": 2, "window": 9000, "graded": True}, COUNT, {}),
}
"""Noise, readout, and registers of the neurons."""


def outcome(spec, readout, registers, delta=False, credit=False):
    """All arrays that two generations leave; with `credit`, of credit by error."""
    registers = {"vth_mant": 60, "dv": 400, "du": 4095, "bias_exp": 4, **registers}
    exponent = 7 if registers["vth_mant"] > 1000 else 0
    network = Network.chain(
        21,
        [Population("hidden", 19, **registers), Population("output", 3, **registers)],
        Connection("", "", weight_exp=exponent),
    )
    numbers = np.random.default_rng(1)
    frames = pack(numbers.random((3, 3, 21)) < 0.4, [0, 1, 2])
    scale = 4000 if spec.get("aligned") else 300
    chip = Evaluator(
        network,
        initial_state(network, [12, 12], seed=3, fraction_bits=4, momentum=True),
        seed=1 << 63 | 5,
        noise=NoiseSpec((scale, 0 if credit else scale), (0 if credit else 900, 0), **spec),
        readout_spec=readout,
        precision=Precision(4),
        signals=(
            Signal.CREDIT if credit else Signal.FITNESS,
            Signal.ERROR if delta or credit else Signal.FITNESS,
        ),
    )
    groups = np.array([[0], [2]])
    for generation in range(2):
        seen = chip.evaluate(Batch(frames, groups), range(4, 8), generation)
        yield from (seen.fitness, seen.saturated)
        f = np.array([127, -5, 0, 31] * chip.spec.directions, np.int8)
        f = f if seen.credits is None else seen.credits
        rates = [Rates(1 << 36, 1 << 36, 1 << 24)] * 2
        chip.apply_update(f, range(4, 8), generation, rates, Batch(frames, groups))
    for kept in chip.state:
        yield from kept
    forward = chip.forward(frames)
    yield from (forward.potentials, forward.counts, *forward.spikes, forward.saturated)


def graph_outcome(members):
    """All arrays that a generation of a graph of every kind of layer leaves, and of both neuron models."""
    layers = of_text("conv 2 3x3, pool 2, recurrent 5, dense 4 adaptive")
    registers = [LayerRegisters(threshold, 4095, 400, 4) for threshold in (20, 1, 20, 20, 131071)]
    windows = () if members else (1, None, 1, None)
    network = network_of_layers((1, 6, 6), layers, 3, registers, windows)
    noisy = tuple(members or p.name not in network.readouts for p in network.populations)
    numbers = np.random.default_rng(2)
    frames = pack(numbers.random((4, 3, 36)) < 0.4, [0, 1, 2, 0])
    scale = tuple(300 * one for one in noisy)
    common = {
        "seed": 1 << 63 | 5,
        "readout_spec": MEMBRANE,
        "workspace_bytes": WORKSPACE_BYTES,
    }
    state = initial_state(
        network, [12] * len(network.parameters), seed=3, fraction_bits=8, momentum=True
    )
    if members:
        spec = NoiseSpec(scale, tuple(90 * one for one in noisy), rank=2, graded=True)
        chip = GraphMembers(network, state, noise=spec, **common)
    else:
        spec = NoiseSpec(scale, (0,) * len(scale), windows=tuple(6000 * one for one in noisy))
        chip = GraphEvaluator(
            network, state, noise=spec, feedback=FeedbackSpec("gain-local"), **common
        )
    batch = Batch(frames, np.arange(4)[:, None])
    seen = chip.evaluate(batch, range(8), 1)
    yield from (seen.fitness, seen.saturated)
    f = np.array([127, -5, 0, 31, 9, -128, 3, 1], np.int8) if members else seen.credits
    rates = [Rates(1 << 40, 1 << 40, 1 << 24)] * len(network.parameters)
    chip.apply_update(f, range(8), 1, rates, batch)
    for kept in chip.state:
        yield from kept
    forward = chip.forward(frames)
    yield from (forward.potentials, forward.counts, *forward.spikes, forward.saturated)


def words():
    """Known answers and a field, as `counter_rng` draws them."""
    out = np.zeros(7, np.uint64)
    generator.draw_blocks(out, 3, 2, 1, 9, np.uint64(1 << 40))
    yield out


def digest(arrays):
    parts = [f"{a.dtype} {a.shape}".encode() + np.ascontiguousarray(a).tobytes() for a in arrays]
    return [hashlib.sha256(part).hexdigest()[:12] for part in parts]


def chains():
    """A hash of every array of every case on the fused kernel."""
    cases = {"words": digest(words())}
    for (name, (spec, readout, registers)), delta in itertools.product(
        SPECS.items(), (False, True)
    ):
        if not delta or name in ("low rank", "gated"):
            cases[f"{name}, delta" if delta else name] = digest(
                outcome(spec, readout, registers, delta)
            )
    spec, readout, registers = SPECS["gated"]
    cases["credit by error"] = digest(outcome(spec, readout, registers, credit=True))
    return cases


def graphs():
    """The same of the general executor, by each kind of signal."""
    return {
        f"graph, {signal}": digest(graph_outcome(members=signal == "fitness"))
        for signal in ("error", "fitness")
    }


def digests():
    """A hash of every array of every case."""
    return chains() | graphs()


if __name__ == "__main__":
    print(json.dumps(digests()))
