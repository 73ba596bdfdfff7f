"""How many member-samples a second does the population evaluator run, and what does an update take?

    python benchmarks/population.py [--repeats N]

2312-128-10, ten steps, 4,096 pairs x 8 samples (event-aligned: 1,024 samples, 4 pairs each), spikes in
6.7 % of the inputs. Every figure is the median of repeats in one run; ratios hold on a noisy machine.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numba
import numpy as np

from learning.settings import Settings, network, noise, readout
from neurosim import frames
from neurosim.memory import initial_memory
from neurosim.population import LearningChip, Rates

INPUTS, CLASSES, STEPS, SAMPLES = 2312, 10, 10, 1024
ACTIVITY = 0.067


def sample_frames() -> frames.Frames:
    numbers = np.random.default_rng(0)
    dense = numbers.random((SAMPLES, STEPS, INPUTS), np.float32) < ACTIVITY
    return frames.pack(dense, numbers.integers(0, CLASSES, SAMPLES).astype(np.uint8))


def chip_of(settings: Settings) -> LearningChip:
    described = network(settings, INPUTS, CLASSES)
    memory = initial_memory(
        described, [16, 16], seed=0, fraction_bits=settings.fraction_bits, momentum=False
    )
    return LearningChip(
        described,
        memory,
        seed=0,
        noise=noise(settings, described),
        readout_spec=readout(settings),
        fraction_bits=settings.fraction_bits,
        momentum_bits=0,
        delta_rule=settings.output_rule == "delta",
    )


def median(work: Callable[[], object], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def measure(name: str, settings: Settings, shown: frames.Frames, repeats: int) -> None:
    chip = chip_of(settings)
    groups = np.arange(settings.groups * settings.batch).reshape(settings.groups, settings.batch)
    groups = groups.astype(np.int64) % SAMPLES
    pairs = range(settings.pairs)
    numbers = np.random.default_rng(1)
    coefficients = numbers.integers(-100, 100, settings.pairs).astype(np.int8)
    rates = [Rates(1 << 32, 0, 0)] * 2
    members = 2 * settings.pairs * settings.batch
    for threads in sorted({1, numba.config.NUMBA_NUM_THREADS}):
        numba.set_num_threads(threads)
        rehearse = median(lambda: chip.rehearse(shown, groups.copy(), pairs, 0), repeats)
        update = median(
            lambda: chip.consolidate(coefficients, pairs, 0, rates, shown, groups.copy()), repeats
        )
        print(
            f"{name:<16} {threads} thread{'s' if threads > 1 else ' '}  "
            f"rehearse {1e3 * rehearse:7.1f} ms  {members / rehearse / 1e6:5.2f} M member-samples/s  "
            f"update {1e3 * update:7.1f} ms  update/rehearse {update / rehearse:.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    shown = sample_frames()
    low = Settings(pairs=4096, groups=64, batch=8)
    for rank in (1, 2, 4, 8):
        measure(f"rank {rank}", low.model_copy(update={"rank": rank}), shown, repeats)
    measure("rank 1, graded", low.model_copy(update={"noise": "graded"}), shown, repeats)
    aligned = Settings(
        method="event-aligned", output_rule="delta", pairs=4096, groups=1024, batch=1, sigma=128
    )
    measure("event-aligned", aligned, shown, repeats)
    few = Settings(method="full-rank", pairs=256, groups=64, batch=8)
    measure("full rank, 256", few, shown, repeats)


if __name__ == "__main__":
    main()
