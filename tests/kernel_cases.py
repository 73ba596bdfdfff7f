"""What the kernels make of small networks: everything they write, for each kind of noise and readout.

Run as a script, it prints the outcome's hashes: with NUMBA_DISABLE_JIT=1 those of the kernels as
plain Python, where lanes are NumPy arrays. `warm` makes the compiled kernels load what they print.
"""

import hashlib
import itertools
import json

import numpy as np

from neurosim.data.frames import pack
from neurosim.kernels import generator
from neurosim.network import Connection, Network, Population
from neurosim.population.batch import Batch
from neurosim.population.evaluator import Evaluator, ReadoutSpec
from neurosim.population.layout import NoiseSpec
from neurosim.population.rules import Signal
from neurosim.population.state import initial_state
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
        fraction_bits=4,
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


def words():
    """Known answers and a field, as `counter_rng` draws them."""
    out = np.zeros(7, np.uint64)
    generator.draw_blocks(out, 3, 2, 1, 9, np.uint64(1 << 40))
    yield out


def digest(arrays):
    parts = [f"{a.dtype} {a.shape}".encode() + np.ascontiguousarray(a).tobytes() for a in arrays]
    return [hashlib.sha256(part).hexdigest()[:12] for part in parts]


def digests():
    """A hash of every array of every case."""
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


if __name__ == "__main__":
    print(json.dumps(digests()))
