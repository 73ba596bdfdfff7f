"""Predictions, confusion matrix and spikes of a run's network on the chip emulator."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from learning.config import Config
from learning.training import Metrics, metrics_of
from neurosim.app.experiments import emulated
from neurosim.data.frames import Frames
from neurosim.network import Weights
from neurosim.network.faults import Faults


class Answers(NamedTuple):
    """Predictions and spikes of the chip on some samples.

    confusion  int64 (label, answer)
    spikes     int8 (sample, step, neuron) of each population
    """

    seen: Metrics
    confusion: NDArray[np.int64]
    spikes: dict[str, NDArray[np.int8]]


def faults_of(config: Config, generation: int, text: str | None = None) -> Faults | None:
    """The faults of a chip that a network is evaluated on: those of `text`, or of the run by then."""
    faults = config.faults if text is None else Faults.of_text(text)
    if text is not None and faults is not None:
        faults.refuse(
            ["flipped-weight-bits", "stuck-generator-bit"],
            "a network that does not learn",
            "both act while it learns: use neurosim train --faults, and stuck-weight-bits here",
        )
    return None if faults is None else faults.at(generation)


def answer(
    config: Config, weights: Weights, frames: Frames, faults: Faults | None = None
) -> Answers:
    """Run the network on the chip emulator, step by step, with the latency of training (none)."""
    network = config.network()
    done = emulated.forward(network, weights, frames, faults)
    output = network.populations[network.output].name
    hidden = [spikes.sum(axis=1) for name, spikes in done.spikes.items() if name != output]
    scores = done.scores(config.settings.readout == "membrane")
    seen = metrics_of(frames, scores, hidden, done.saturated)
    confusion = np.zeros((config.classes, config.classes), np.int64)
    np.add.at(confusion, (frames.labels, seen.predictions), 1)
    return Answers(seen, confusion, done.spikes)


CONFUSED = 3
"""Wrong predictions of a class that are named; chosen here."""


def class_lines(
    confusion: NDArray[np.int64], names: Sequence[str]
) -> Iterator[tuple[str, str, str, str]]:
    """For each label: its name, its samples, the share that is right, and its most frequent wrong answers."""
    for label, row in enumerate(confusion):
        wrong = [n for n in np.argsort(-row, kind="stable") if n != label and row[n]][:CONFUSED]
        taken = ", ".join(f"{names[n]} {row[n]}" for n in wrong)
        yield names[label], f"{row.sum():,}", share(row[label], row.sum()), taken


def share(right: int, of: int) -> str:
    """A share in percent; none of nothing."""
    return f"{100 * right / of:.1f} %" if of else "-"
