"""Benchmark of the chip emulator beside plain NumPy with the same arithmetic.

    python benchmarks/chip.py [--json]

2312-128-10, 5 % of the inputs spiking, as in docs/chip.md. Ways are measured in turn, round after
round, so that other work on the machine meets all of them; medians of the rounds.
"""

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable

import numba
import numpy as np

from neurosim.chip.emulator import Chip, Probe
from neurosim.data.frames import pack
from neurosim.network import Network, Population, Weights

SIZES, STEPS, SAMPLES, ACTIVITY = (2312, 128, 10), 10, 1024, 0.05
ROUNDS = 9
LONG = 400
"""Steps of the run of a single sample."""
TOP = (1 << 23) - 1


def case() -> tuple[Network, Weights, np.ndarray]:
    rng = np.random.default_rng(1)
    layers = [
        Population("hidden", SIZES[1], vth_mant=600, du=4095, dv=400),
        Population("output", SIZES[2], vth_mant=600, du=4095, dv=400),
    ]
    mantissas = tuple(
        rng.integers(-30, 31, (a, b)).astype(np.int8) for a, b in itertools.pairwise(SIZES)
    )
    biases = tuple(np.zeros(n, np.int16) for n in SIZES[1:])
    spikes = (rng.random((SAMPLES, STEPS, SIZES[0])) < ACTIVITY).astype(np.uint8)
    return Network.chain(SIZES[0], layers), Weights(mantissas, biases), spikes


def decay(x: np.ndarray, d: int) -> np.ndarray:
    return np.sign(x) * ((np.abs(x) * (4096 - d)) >> 12)


def plain_numpy(weights: Weights, spikes: np.ndarray) -> tuple[np.ndarray, int]:
    """Output spikes (step, neuron) of one sample, and the synaptic operations."""
    layers = [m.astype(np.int32) for m in weights.mantissas]
    u = [np.zeros(m.shape[1], np.int64) for m in layers]
    v = [np.zeros(m.shape[1], np.int64) for m in layers]
    fired = [np.zeros(0, np.int64)] * 2
    out = np.zeros((len(spikes), SIZES[2]), np.int8)
    operations = 0
    inputs = np.zeros(0, np.int64)
    for step, row in enumerate(spikes):
        arriving = (inputs, fired[0])
        for layer, sources in enumerate(arriving):
            a = layers[layer][sources].sum(axis=0, dtype=np.int64) << 7
            u[layer] = np.clip(decay(u[layer], 4096) + a, -TOP, TOP)
            v[layer] = np.clip(decay(v[layer], 400) + u[layer], -TOP, TOP)
            spiking = v[layer] > 600 * 64
            v[layer][spiking] = 0
            fired[layer] = np.flatnonzero(spiking)
            operations += len(sources) * layers[layer].shape[1]
        inputs = np.flatnonzero(row)
        out[step, fired[1]] = 1
    return out, operations


def seconds(work: Callable[[], object]) -> float:
    before = time.perf_counter()
    work()
    return time.perf_counter() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = parser.parse_args().json
    network, weights, spikes = case()
    chip = Chip.from_weights(network, weights)
    frames = pack(spikes, np.zeros(SAMPLES, np.uint8))
    long = np.tile(spikes[:1], (1, LONG // STEPS, 1))
    one = pack(long, np.zeros(1, np.uint8))
    short = pack(spikes[:1], np.zeros(1, np.uint8))
    wanted, _ = plain_numpy(weights, long[0])
    done = chip.run(one)
    assert np.array_equal(done.spikes["output"][0], wanted), "the two must do the same"
    batch_operations = int(chip.run(frames).counters.synaptic_operations.sum())
    one_operations = int(done.counters.synaptic_operations.sum())
    numpy_samples = 8

    def some_numpy() -> None:
        for sample in range(numpy_samples):
            plain_numpy(weights, spikes[sample])

    numpy_operations = int(chip.run(frames).counters.synaptic_operations[:numpy_samples].sum())
    probes = [Probe("hidden", "v"), Probe("output", "v")]
    threads = numba.get_num_threads()
    ways: dict[str, tuple[Callable[[], object], int, int]] = {
        f"chip, batch of {SAMPLES}, {threads} threads": (
            lambda: chip.run(frames),
            batch_operations,
            SAMPLES * STEPS,
        ),
        "chip, the same with all v probed": (
            lambda: chip.run(frames, probes),
            batch_operations,
            SAMPLES * STEPS,
        ),
        f"chip, one sample of {LONG} steps": (lambda: chip.run(one), one_operations, LONG),
        f"chip, one sample of {STEPS} steps": (
            lambda: chip.run(short),
            one_operations * STEPS // LONG,
            STEPS,
        ),
        f"plain NumPy, one sample of {LONG} steps": (
            lambda: plain_numpy(weights, long[0]),
            one_operations,
            LONG,
        ),
        f"plain NumPy, {numpy_samples} samples in turn": (
            some_numpy,
            numpy_operations,
            numpy_samples * STEPS,
        ),
    }
    measured: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (work, _, _) in ways.items():
            measured[name].append(seconds(work))
    base = next(n for n in ways if n.startswith("plain NumPy, one"))
    bar = ways[base][1] / statistics.median(measured[base])
    rows = []
    for name, (_, operations, steps) in ways.items():
        middle = statistics.median(measured[name])
        rows.append(
            {
                "way": name,
                "us_a_step": 1e6 * middle / steps,
                "operations_a_second": operations / middle,
                "ratio": operations / middle / bar,
            }
        )
    if as_json:
        print(json.dumps({"threads": threads, "rounds": ROUNDS, "ways": rows}))
        return
    print(f"{'-'.join(map(str, SIZES))}, {100 * ACTIVITY:.0f} % of inputs, medians of {ROUNDS}")
    for row in rows:
        print(
            f"{row['way']:<44} {row['us_a_step']:8.2f} us a step {row['operations_a_second']:10.3g} "
            f"synaptic operations/s {row['ratio']:7.1f} x plain NumPy"
        )


if __name__ == "__main__":
    sys.exit(main())
