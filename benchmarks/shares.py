"""Share of each kernel in a generation of a recipe, and of what lies outside any kernel.

    python benchmarks/shares.py [--recipe fast] [--generations N]

One thread and its processor time, digits. Calls of kernels from Python are timed, the call itself included;
the rest is Python, NumPy, memory that is made and zeroed, and the layout of weights.
"""

import argparse
import sys
import time
from collections import Counter
from functools import cache

import numpy as np
from numba.core.dispatcher import Dispatcher

from learning.recipes import RECIPES
from learning.training import Training, batch_of, start
from neurosim import threads
from neurosim.data import datasets
from neurosim.kernels.executors.layer import LayerKernels
from neurosim.population import graph

WARM = 20
"""Generations before the first that counts: all kernels are compiled."""


class Timed:
    """Kernels whose calls are timed, by name."""

    def __init__(self) -> None:
        self.seconds, self.calls = Counter(), Counter()

    def wrap(self, kernel):
        """The kernel, with its calls timed."""
        name = kernel.py_func.__name__

        def called(*arguments):
            began = time.thread_time()
            found = kernel(*arguments)
            self.seconds[name] += time.thread_time() - began
            self.calls[name] += 1
            return found

        called.py_func = kernel.py_func
        return called

    def wrap_all(self):
        """Wrap the kernels of all loaded modules, where Python looks them up."""
        for module in [m for name, m in sys.modules.items() if name.startswith("neurosim.")]:
            for name, value in list(vars(module).items()):
                if isinstance(value, Dispatcher):
                    setattr(module, name, self.wrap(value))
                elif isinstance(value, dict) and any(
                    isinstance(one, Dispatcher) for one in value.values()
                ):
                    setattr(module, name, {key: self.wrap(one) for key, one in value.items()})

        @cache
        def compiled(model, compile_layer=graph.compile_layer):
            return LayerKernels(*map(self.wrap, compile_layer(model)))

        graph.compile_layer = compiled


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--recipe", choices=list(RECIPES), default="fast")
    asked.add_argument("--generations", type=int, default=200)
    given = asked.parse_args()
    threads.use(1)
    data = datasets.load("digits")
    settings = RECIPES[given.recipe][1].model_copy(update={"data": "digits"})
    training = Training(start(settings, data), data)

    def generation():
        ask = training.evolution.ask(training.generation)
        batch = batch_of(data, ask, settings)
        seen = training.chip.evaluate(batch, ask.pairs, ask.generation)
        update = training.evolution.tell(ask.generation, seen)
        training.chip.apply_update(
            update.coefficients, ask.pairs, ask.generation, update.rates, batch
        )
        training.generation += 1

    for _ in range(WARM):
        generation()
    timed, whole = Timed(), []
    timed.wrap_all()
    for _ in range(given.generations):
        began = time.thread_time()
        generation()
        whole.append(time.thread_time() - began)
    total = sum(whole)
    print(f"a generation of {given.recipe}: median {1e3 * np.median(whole):.2f} ms")
    for name, seconds in timed.seconds.most_common():
        calls = timed.calls[name] / len(whole)
        print(f"{name:34s} {seconds / total:6.1%} {calls:5.0f} calls")
    print(f"{'outside any kernel':34s} {1 - timed.seconds.total() / total:6.1%}")


if __name__ == "__main__":
    main()
