"""Members on the chip emulator beside compiled members, of the same networks, in one run.

    python benchmarks/emulated.py [--rounds N] [--pairs N]

Evaluations of pairs by EGGROLL of rank 1, 8 samples of digits each, on one thread: member runs on a sample
per second of processor time, in turn, the median of all rounds. Both have the same fitness, which is checked.
"""

import argparse
import statistics
import time

import numpy as np

from learning.layered import layered_network, member_noise
from learning.settings import Settings, fresh_state, readout
from neurosim import threads
from neurosim.data import datasets
from neurosim.population.batch import Batch
from neurosim.population.emulated import EmulatedMembers
from neurosim.population.graph_members import GraphMembers

CASES = {
    "dense": "dense 128",
    "conv": "conv 12 5x5 stride 2 pad 2, conv 24 3x3 stride 2 pad 1, dense 128",
    "recurrent": "recurrent 128",
}
PLACES = 8
"""Samples of a pair."""


def evaluators(layers, data):
    """The same members on both, with their fresh weights."""
    settings = Settings(layers=layers)
    network = layered_network(settings, data)
    noise = member_noise(settings, network)
    return [
        form(
            network,
            fresh_state(settings, network),
            seed=0,
            noise=noise,
            readout_spec=readout(settings),
            workspace_bytes=settings.workspace << 20,
        )
        for form in (GraphMembers, EmulatedMembers)
    ]


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--pairs", type=int, default=32)
    given = asked.parse_args()
    threads.use(1)
    data = datasets.load("digits")
    batch = Batch(data.train, np.arange(given.pairs * PLACES).reshape(given.pairs, PLACES))
    for name, layers in CASES.items():
        pair = evaluators(layers, data)
        speeds = [[], []]
        for generation in range(given.rounds + 1):  # the first one compiles
            fitness = []
            for evaluator, found in zip(pair, speeds, strict=True):
                began = time.process_time()
                fitness.append(evaluator.evaluate(batch, range(given.pairs), generation).fitness)
                found.append(2 * given.pairs * PLACES / (time.process_time() - began))
            assert np.array_equal(*fitness)
        compiled, emulated = (statistics.median(found[1:]) for found in speeds)
        print(
            f"{name:10s} compiled {compiled:8.0f}, emulator {emulated:6.0f} member runs on a sample per s: "
            f"{compiled / emulated:.0f} times",
            flush=True,
        )


if __name__ == "__main__":
    main()
