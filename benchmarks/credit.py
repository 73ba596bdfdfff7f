"""Direction of each way of giving hidden layers an error, beside the gradient of the log-likelihood.

    python benchmarks/credit.py --layers "dense 24, dense 24, dense 24"

A small network learns digits with each `--feedback`. Then the update of every hidden matrix, from noise on
the currents of its layer alone, is compared with that of the fitness of whole forward passes under the same
noise: log-likelihoods with everything above the layer, and recurrent spikes, computed anew. The latter is an
unbiased estimate of the gradient; its own error is shown as the cosine between two halves of its directions.
"""

import argparse
from typing import Any

import numpy as np

from learning.layered import layered_noise
from learning.recipes import RECIPES
from learning.settings import Settings
from learning.training import Training, start
from neurosim.data import datasets
from neurosim.population.batch import Batch
from neurosim.population.graph import WORKSPACE_BYTES
from neurosim.population.graph_members import GraphMembers
from neurosim.population.layer_credit import FEEDBACKS

PAIRS = 128
"""Pairs of a group, all on one sample: so many fit the 16 bits of a term."""


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Cosine of the angle between two matrices."""
    one, other = one.reshape(-1).astype(float), other.reshape(-1).astype(float)
    size = np.linalg.norm(one) * np.linalg.norm(other)
    return float(one @ other / size) if size else 0.0


def trained(layers: str, feedback: str, generations: int, data: Any) -> Training:
    """A run that has learned for some generations."""
    given = RECIPES["deep"][1].model_dump(exclude={"layers", "feedback", "generations"})
    settings = Settings(
        **{**given, "data": "digits", "window_share": 0, "groups": 128, "pairs": 256},
        layers=layers,
        feedback=feedback,
        generations=generations,
    )
    training = Training(start(settings, data), data)
    training.run(lambda *_: None)
    return training


def by_fitness(chip: Any, batch: Batch, pairs: range, layer: int) -> list[np.ndarray]:
    """Update sums of every matrix from whole passes with noise on the currents of one population."""
    count = len(chip.network.populations)
    noise = chip.spec._replace(
        scale=tuple(scale * (number == layer) for number, scale in enumerate(chip.spec.scale)),
        aligned=tuple(number == layer for number in range(count)),
        windows=(),
    )
    members = GraphMembers(
        chip.network,
        chip.state,
        seed=int(chip.seed),
        noise=noise,
        readout_spec=chip.readout_spec,
        workspace_bytes=WORKSPACE_BYTES,
    )
    fitness = members.evaluate(batch, pairs, 0).fitness
    change = (fitness[:, 0] - fitness[:, 1]).astype(float)
    utilities = np.rint(127 * change / max(1.0, abs(change).max())).astype(np.int8)
    return members.sums_of_spikes(batch, utilities, pairs, 0).matrices


def measured(
    training: Training, samples: int, repeats: int
) -> dict[str, tuple[float, float, float]]:
    """For each hidden matrix: cosine to the gradient, between its halves, and the first corrected for it."""
    chip = training.chip
    chip.adjust(layered_noise(training.settings, chip.network), chip.readout_spec)
    numbers = np.repeat(np.arange(samples), repeats)
    halves = [slice(0, None, 2), slice(1, None, 2)]
    found = {}
    for number, (connection, _) in enumerate(chip.network.parameters):
        if connection.target in chip.network.readouts:
            continue
        layer = [p.name for p in chip.network.populations].index(connection.target)
        sums, own = [], []
        for index, half in enumerate(halves):
            batch = Batch(training.data.train, numbers[half][:, None])
            size = len(numbers[half]) * PAIRS
            pairs = range(index * size, (index + 1) * size)
            sums.append(by_fitness(chip, batch, pairs, layer)[number])
            few = Batch(training.data.train, np.repeat(np.arange(samples), 2)[:, None])
            wide = range(2 * samples * 64)
            own.append(chip.evaluate(few, wide, index).credits.matrices[number])
        both, alike = cosine(sums[0] + sums[1], own[0] + own[1]), cosine(*sums)
        reliable = max(1e-9, 2 * alike / (1 + alike)) ** 0.5  # of the mean of both halves
        found[connection.name] = both, alike, both / reliable
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", default="dense 24, dense 24, dense 24")
    parser.add_argument("--feedback", nargs="*", default=list(FEEDBACKS))
    parser.add_argument("--generations", type=int, default=200)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=32, help="times 128 pairs on each sample")
    arguments = parser.parse_args()
    data = datasets.load("digits")
    for feedback in arguments.feedback:
        training = trained(arguments.layers, feedback, arguments.generations, data)
        for name, (both, alike, corrected) in measured(
            training, arguments.samples, arguments.repeats
        ).items():
            print(
                f"{feedback:<11} {name:<18} cosine {both:5.2f}, between halves {alike:5.2f}, "
                f"corrected {corrected:5.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
