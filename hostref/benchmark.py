"""Benchmark of the float methods: seconds per generation on this device.

The spikes are random (of the density of N-MNIST's frames, 6.7 %), so no data are needed: the time does not
depend on what the network learns. BPTT is measured per epoch, as apparently in the paper.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from hostref import evolution, inputs
from hostref.backend import choose, torch
from hostref.bptt import Training
from hostref.settings import BenchmarkSettings, BpttSettings, EvolutionSettings
from hostref.twin import from_chip
from neurosim.data import frames

DENSITY = 1550 / 23120
"""Active cells of a sample of N-MNIST, of 10 steps x 2,312 inputs."""
PAPER = {
    "BPTT, an epoch": 31.69,
    "vanilla ES, sequential": 13.00,
    "EGGROLL r = 1": 3.41,
    "EGGROLL r = 2": 5.96,
    "EGGROLL r = 4": 5.82,
    "EGGROLL r = 8": 5.88,
}
"""Seconds on an RTX 3070 Ti, at a population and batch the paper does not give (its table 1)."""


class Timing(NamedTuple):
    """Seconds of one generation (or epoch): the median of `repeats`; the paper's, or None."""

    method: str
    seconds: float
    fastest: float
    slowest: float
    repeats: int
    paper: float | None


def random_samples(settings: BenchmarkSettings, count: int, device: torch.device) -> inputs.Samples:
    """`count` samples of random spikes."""
    rng = np.random.default_rng(settings.seed)
    dense = rng.random((count, settings.steps, settings.inputs), np.float32) < DENSITY
    return inputs.load(frames.pack(dense, rng.integers(0, 10, count).astype(np.uint8)), device)


def wait(device: torch.device) -> None:
    """Wait until the device has finished."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def clock(name: str, work: Callable[[], object], repeats: int, device: torch.device) -> Timing:
    """Time `work`, after one untimed call."""
    work()
    seconds = []
    for _ in range(repeats):
        wait(device)
        begin = time.perf_counter()
        work()
        wait(device)
        seconds.append(time.perf_counter() - begin)
    return Timing(
        name, float(np.median(seconds)), min(seconds), max(seconds), repeats, PAPER.get(name)
    )


def measure(settings: BenchmarkSettings) -> Iterator[Timing]:
    """Time BPTT, vanilla ES (sequential and batched) and EGGROLL at each rank."""
    device = choose(settings.device)
    yield _bptt(settings, device)
    base = EvolutionSettings(
        network=settings.network,
        pairs=settings.pairs,
        batch=settings.batch,
        block=settings.block,
        seed=settings.seed,
    )
    cases = [
        ("vanilla ES, sequential", {"rank": 0, "sequential": True}),
        ("vanilla ES, batched", {"rank": 0}),
        *((f"EGGROLL r = {rank}", {"rank": rank}) for rank in settings.ranks),
    ]
    samples = random_samples(settings, settings.batch, device)
    for name, changes in cases:
        chosen = base.model_copy(update=changes)
        model = evolution.build(chosen, settings.inputs, 10, settings.device)
        run = evolution.Evolution(chosen, model, evolution.strategy_of(chosen))

        def generation(run: evolution.Evolution = run) -> None:
            run.tell(run.evaluate(*run.batch(samples)))

        yield clock(name, generation, settings.repeats, device)


def _bptt(settings: BenchmarkSettings, device: torch.device) -> Timing:
    """An epoch over part of the samples, scaled to all of them."""
    chosen = BpttSettings(
        network=settings.network, readout="count", batch=settings.bptt_batch, shift=0
    )
    model = from_chip(
        chosen.network.build(settings.inputs),
        normalised=True,
        device=device,
        dtype=chosen.precision,
    )
    run = Training(chosen, model, None)
    part = min(settings.bptt_samples, settings.epoch_samples)
    samples = random_samples(settings, part, device)
    timing = clock("BPTT, an epoch", lambda: run.epoch(samples), settings.repeats, device)
    scale = settings.epoch_samples / part
    return timing._replace(
        seconds=timing.seconds * scale,
        fastest=timing.fastest * scale,
        slowest=timing.slowest * scale,
    )


def table(timings: list[Timing]) -> str:
    """The timings beside the paper's, as Markdown."""
    vanilla = {timing.method: timing.seconds for timing in timings}["vanilla ES, sequential"]
    rows = [
        "| method | s | speedup | paper: s | paper: speedup |",
        "|---|---|---|---|---|",
    ]
    for timing in timings:
        theirs = (
            f"{timing.paper:.2f} | {PAPER['vanilla ES, sequential'] / timing.paper:.2f}"
            if timing.paper
            else "- | -"
        )
        rows.append(
            f"| {timing.method} | {timing.seconds:.3f} | {vanilla / timing.seconds:.2f} | {theirs} |"
        )
    return "\n".join(rows)
