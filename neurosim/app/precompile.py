"""Compilation of the kernels that a training needs, ahead of it and in several processes.

Numba holds Python's lock while it compiles, so threads would wait for each other: worker processes fill
the cache of compiled kernels while this one makes the data, and then takes its share of what is left.
The first worker finds out what is needed: it goes through one generation in which no kernel runs
(`compilation.planned`). Worker and leader exchange lines: "plan ..." is answered by the pickled list of
kernels that are not in the cache, "compile ..." by "done".
"""

import base64
import contextlib
import hashlib
import importlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from learning.config import Config
from learning.settings import Settings

WORKERS = 3
"""Workers at most, chosen here: the longest kernel takes a quarter of the time of all."""
Tell = Callable[[int, int, float], None]
"""Called with kernels compiled, kernels to compile, and an estimate of the seconds left."""


class Wanted(NamedTuple):
    """A kernel to compile for the types of its arguments."""

    identity: Any
    types: tuple[Any, ...]

    @property
    def weight(self) -> int:
        """Relative time to compile: kernels with many arguments are the large ones."""
        return len(str(self.types))

    def compile(self) -> None:
        found = kernel_of(self.identity)
        if found is not None:  # else it is compiled when it is called
            found.compile(self.types)


def kernel_of(identity: Any) -> Any:
    """The kernel of this identity, or None: one of a module or neuron model that is not the package's."""
    importlib.import_module("learning.training")  # makes the kernels that a training may call ...
    from neurosim.kernels import compilation
    from neurosim.kernels.executors.layer import compile_layer
    from neurosim.kernels.neurons.registry import KERNELS

    for model in KERNELS.values():  # ... and these are made when they are first used
        compile_layer(model)
    return compilation.KERNELS.get(identity)


def kernels_of(config: Config) -> list[Wanted]:
    """Kernels of a training that are not in the cache; for a separate process (`compilation.planned`)."""
    from neurosim.kernels import compilation

    found = compilation.planned(lambda: _generation(config))
    wanted = [
        Wanted(kernel.identity, types)
        for kernel, types in found
        if kernel.identity is not None and not kernel.is_compiled(types)
    ]
    return sorted(wanted, key=lambda one: -one.weight)


def _generation(config: Config) -> None:
    """A generation and a validation on silent frames, with an update in which every sample counts."""
    import numpy as np

    from learning.training import Training, validate
    from neurosim.data.datasets import Dataset
    from neurosim.data.frames import pack
    from neurosim.data.sensor import Sensor, channels

    settings = config.settings
    frames = pack(np.zeros((8, settings.steps, config.inputs), np.uint8), np.zeros(8, np.uint16))
    names = tuple(map(str, range(config.classes)))
    side = max(1, 34 // settings.pool)
    square = Sensor(side, side, 2)
    sensor = square if square.inputs == config.inputs else channels(config.inputs)
    sensor = config.about.sensor if config.about else sensor
    data = Dataset("none", frames, frames, frames, names, sensor, settings.steps, 300_000, "")
    with contextlib.suppress(Exception):  # of results that no kernel has made
        training = Training(config, data)
        ask = training.evolution.ask(0)
        evaluation = training.evaluate(ask)
        for results in evaluation:
            if isinstance(results, np.ndarray):
                results[..., :1] = 1  # of one member, so that its utility is not 0
        training.apply_update(ask, training.evolution.tell(0, evaluation))
        validate(training.chip, frames)


def placeholder(settings: Settings) -> Config:
    """A run on data of any size: types alone decide what is compiled."""
    return Config(settings, "", 2 * max(1, 34 // settings.pool) ** 2, 10)


def _marker(config: Config) -> Path | None:
    """The file that says that everything was compiled for settings of this kind."""
    from neurosim.kernels.compilation import CACHE_FOLDER

    if CACHE_FOLDER is None:
        return None
    kinds = {
        name: value
        if isinstance(value, str)
        else len(value)
        if isinstance(value, tuple)
        else bool(value)
        for name, value in config.settings.model_dump(exclude={"data"}).items()
    }
    content = json.dumps([kinds, None if config.given is None else repr(config.given)])
    return Path(CACHE_FOLDER) / f"planned-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


class Precompilation:
    """Kernels being compiled ahead of a training; `finish` before it starts."""

    def __init__(self, config: Config, workers: int) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._planned = threading.Event()
        self._left: list[Wanted] = []
        self._total, self._done, self._weights = 0, 0, [0, 0]
        self._failed = False
        self._processes: list[subprocess.Popen[str]] = []
        self._threads: list[threading.Thread] = []
        self._most = workers
        self._began = time.perf_counter()
        self._start(plan=True)

    def _start(self, plan: bool) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", "from neurosim.app.precompile import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        thread = threading.Thread(target=self._lead, args=(process, plan), daemon=True)
        self._processes.append(process)
        self._threads.append(thread)
        thread.start()

    def _lead(self, process: "subprocess.Popen[str]", plan: bool) -> None:
        """Give a worker one kernel after another."""
        one: Wanted | None = None
        try:
            if plan:
                self._left = _ask(process, "plan", self._config)
                self._total = len(self._left)
                self._weights[1] = sum(wanted.weight for wanted in self._left)
                for _ in range(min(self._most - 1, self._total - 2)):
                    self._start(plan=False)
                self._planned.set()
            while (one := self._take()) is not None:
                _ask(process, "compile", one)
                self._count(one)
        except (OSError, ValueError, EOFError, AttributeError, ImportError):
            self._failed = True  # what it did not compile is compiled when it is called
        finally:
            self._planned.set()

    def _take(self) -> Wanted | None:
        with self._lock:
            return self._left.pop(0) if self._left else None

    def _count(self, one: Wanted) -> None:
        with self._lock:
            self._done += 1
            self._weights[0] += one.weight

    def finish(self, tell: Tell) -> None:
        """Compile together with the workers until nothing is left, or they fail."""
        self._planned.wait()
        self._tell(tell)
        while (one := self._take()) is not None:
            one.compile()
            self._count(one)
            self._tell(tell)
        for thread in self._threads:
            while thread.is_alive():
                thread.join(0.1)
                self._tell(tell)
        marker = _marker(self._config)
        if marker is not None and not self._failed:
            with contextlib.suppress(OSError):
                marker.touch()

    def _tell(self, tell: Tell) -> None:
        done, total = self._weights
        if self._total:
            spent = time.perf_counter() - self._began
            tell(self._done, self._total, spent * (total - done) / done if done else float("nan"))

    def close(self) -> None:
        """End the workers, also while they compile."""
        for process in self._processes:
            process.kill()
            process.communicate()


def _ask(process: "subprocess.Popen[str]", what: str, value: object) -> Any:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{what} {base64.b64encode(pickle.dumps(value)).decode()}\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise EOFError
    return pickle.loads(base64.b64decode(answer))


@contextlib.contextmanager
def precompiling(config: Config, threads: int) -> Iterator[Callable[[Tell], None]]:
    """Start to compile what a training of `config` needs; yields what waits for it.

    Nothing happens where all was compiled before, or where there is one processor to do it.
    """
    marker = _marker(config)
    if marker is None or marker.exists() or threads < 2:
        yield lambda tell: None
        return
    work = Precompilation(config, min(threads - 1, WORKERS))
    try:
        yield work.finish
    finally:
        work.close()


def serve() -> None:
    """Be a worker: answer the lines of standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the leader decides
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing else may write between the answers
    for line in sys.stdin:
        what, value = line.split()
        given = pickle.loads(base64.b64decode(value))
        answer = kernels_of(given) if what == "plan" else given.compile()
        answers.write(base64.b64encode(pickle.dumps(answer)).decode() + "\n")
        answers.flush()
