"""Benchmark of a generation on a cluster: divided work, repeated work and messages.

    python benchmarks/cluster.py [--data NAME]
    dask scheduler --host 127.0.0.1 --port 8786 --no-dashboard &
    dask worker 127.0.0.1:8786 --nworkers 4 --nthreads 1 --no-dashboard &
    python benchmarks/cluster.py 127.0.0.1:8786 [--generations N] [--interface lo]

Without an address: evaluation and update on one thread of this machine, the update as a worker makes it, to
whom the other workers' samples are new. With one: a network so small that the work is next to nothing,
then the recipes as they are; and the same small messages as dask's tasks. Processor time holds on a noisy
machine; medians do not. Bytes are what the interface received, headers and both hops of a message included.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numba
import psutil
from distributed import Client

from learning.cluster import ClusterTraining
from learning.recipes import RECIPES
from learning.settings import Settings
from learning.training import Training, start
from learning.worker_pool import WorkerPool
from neurosim.data import datasets
from neurosim.data.datasets import Dataset

TINY = Settings(pairs=256, groups=16, batch=1, hidden=(8,))
WARM = 5


class Meter:
    """Processor seconds of scheduler and this process, bytes, and the time of each generation."""

    def __init__(self, client: Client, interface: str) -> None:
        self.client, self.interface = client, interface

    def now(self) -> tuple[float, float, int]:
        received = psutil.net_io_counters(pernic=True)[self.interface].bytes_recv
        return self.client.run_on_scheduler(time.process_time), time.process_time(), received

    @contextmanager
    def reading(self, name: str, generations: int) -> Iterator[list[float]]:
        times: list[float] = []
        before = self.now()
        yield times
        scheduler, here, received = (b - a for a, b in zip(before, self.now(), strict=True))
        print(
            f"{name:22s} {1e3 * statistics.median(times):7.1f} ms, least {1e3 * min(times):6.1f};  "
            f"processor: scheduler {1e3 * scheduler / generations:6.2f} ms, "
            f"here {1e3 * here / generations:6.2f} ms;  {received / generations:11,.0f} bytes",
            flush=True,
        )


def clock(step: Callable[[], Any], generations: int, meter: Meter, name: str) -> None:
    for _ in range(WARM):
        step()
    with meter.reading(name, generations) as times:
        for _ in range(generations):
            began = time.perf_counter()
            step()
            times.append(time.perf_counter() - began)


def nothing(pairs: bytes) -> bytes:
    return pairs


def parts(data: Dataset) -> None:
    """Processor time of what a cluster divides, and of what it repeats."""
    numba.set_num_threads(1)
    eggroll, fast = RECIPES["eggroll"][1], RECIPES["fast"][1]
    many = {"pairs": 16384, "groups": 8, "batch": 64}
    few = {"pairs": 2048, "groups": 64, "batch": 8}
    for name, settings in (
        ("eggroll", eggroll.model_copy(update=few)),
        ("eggroll, pairs", eggroll.model_copy(update={**few, "pairs": many["pairs"]})),
        ("eggroll, samples", eggroll.model_copy(update={**many, "pairs": few["pairs"]})),
        ("eggroll, both", eggroll.model_copy(update=many)),
        ("fast", fast),
    ):
        training = Training(start(settings, data), data)
        times = []
        for generation in range(WARM + 10):
            ask = training.evolution.ask(generation)
            began = time.thread_time()
            seen = training.evaluate(ask)
            evaluated = time.thread_time()
            update = training.evolution.tell(generation, seen)
            worker = Training(training.config, data)
            worker.chip.state = training.chip.state
            update_began = time.thread_time()
            worker.apply_update(ask, update)
            times.append((evaluated - began, time.thread_time() - update_began))
        evaluation, update_ = (
            1e3 * statistics.median(column) for column in zip(*times[WARM:], strict=True)
        )
        print(
            f"{name:18s} pairs {settings.pairs:6,}, samples a pair {settings.batch:2}: "
            f"evaluation {evaluation:7.1f} ms, update {update_:5.1f} ms",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("address", nargs="?")
    parser.add_argument("--data", default="digits")
    parser.add_argument("--generations", type=int, default=200)
    parser.add_argument("--interface", default="lo")
    given = parser.parse_args()
    data = datasets.load(given.data)
    if given.address is None:
        parts(data)
    else:
        on_cluster(given, data)


def on_cluster(given: argparse.Namespace, data: Dataset) -> None:
    """What scheduler, leader and wire take for a generation."""
    with Client(given.address, timeout=10, set_as_default=False) as client:
        meter = Meter(client, given.interface)
        workers = list(client.nthreads())
        print(f"workers {len(workers)}; a generation:")
        for name, settings in (("tiny", TINY), *((n, RECIPES[n][1]) for n in ("eggroll", "fast"))):
            update = {"generations": 1 << 30, "evaluate_every": 1 << 30}
            config = start(settings.model_copy(update=update), data)
            with WorkerPool(given.address, config) as pool:
                clock(ClusterTraining(pool, config, data).step, given.generations, meter, name)

        def tasks() -> None:
            pairs = bytes(TINY.pairs)
            client.gather(
                [client.submit(nothing, pairs, workers=[one], pure=False) for one in workers]
            )

        clock(tasks, given.generations, meter, "tiny, as dask's tasks")


if __name__ == "__main__":
    main()
