"""`neurosim evaluate`: accuracy and confusion matrix of a run, on any data it fits."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
import tyro
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from learning.record import Config
    from learning.training import Look
    from neurosim.data.frames import Frames
    from neurosim.network import Weights


class Evaluate(BaseModel):
    """Run the trained network on the chip, step by step, and count what it gets right."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: tyro.conf.Positional[Path]
    """run folder"""
    data: str | None = None
    """data set; by default the one the run was trained on"""
    split: Literal["train", "validation", "test"] = "test"
    """which part of the data"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


class Answers(NamedTuple):
    """What the chip makes of some samples.

    confusion  int64 (label, answer)
    spikes     int8 (sample, step, neuron) of each population
    """

    seen: "Look"
    confusion: NDArray[np.int64]
    spikes: dict[str, NDArray[np.int8]]


def answer(config: "Config", weights: "Weights", frames: "Frames") -> Answers:
    """Show `frames` to the network on the chip, step by step, with the latency of training (none)."""
    from learning.training import look_at
    from neurosim.chip.emulator import Chip, Probe
    from neurosim.chip.profiles import LAYERED

    network = config.network()
    chip = Chip.from_weights(network, weights, LAYERED, placement=None)
    recording = chip.run(frames, [Probe(network.populations[-1].name, "v")])
    counts = [recording.spikes[layer.name].sum(axis=1) for layer in network.populations]
    potentials = recording.probed[0].sum(axis=1)
    scores = potentials if config.settings.readout == "membrane" else counts[-1]
    total = recording.counters.total()
    saturated = total["current_overflows"] + total["voltage_saturations"]
    seen = look_at(frames, scores, counts[:-1], saturated)
    confusion = np.zeros((config.classes, config.classes), np.int64)
    np.add.at(confusion, (frames.labels, seen.predictions), 1)
    return Answers(seen, confusion, recording.spikes)


def run(arguments: Evaluate) -> int:
    from learning.record import read_checkpoint, weights_sha256
    from neurosim.app.cli.arguments import load_data

    config, checkpoint = read_checkpoint(arguments.folder)
    data = load_data(config.settings, arguments.data, arguments.as_json)
    seen, confusion, _ = answer(config, checkpoint.weights, getattr(data, arguments.split))
    if arguments.as_json:
        print(
            json.dumps(
                {
                    "data": data.name,
                    "split": arguments.split,
                    "accuracy": seen.accuracy,
                    "samples": len(seen.predictions),
                    "dead_classes": seen.dead_classes,
                    "dead_neurons": seen.dead_neurons,
                    "spikes_per_sample": seen.spikes_per_sample,
                    "generations": checkpoint.generation,
                    "weights_sha256": weights_sha256(checkpoint.weights),
                    "confusion": confusion.tolist(),
                }
            )
        )
        return 0
    _show(confusion, seen.accuracy, f"{data.name}, {arguments.split}")
    return 0


def _show(confusion: np.ndarray, accuracy: float, title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{title}: {100 * accuracy:.2f} % of {confusion.sum():,} samples")
    table.add_column("label")
    for predicted in range(len(confusion)):
        table.add_column(str(predicted), justify="right")
    table.add_column("right", justify="right")
    for label, row in enumerate(confusion):
        share = f"{100 * row[label] / row.sum():.1f} %" if row.sum() else "-"
        cells = [
            f"[bold green]{n}[/]" if predicted == label else (str(n) if n else "·")
            for predicted, n in enumerate(row)
        ]
        table.add_row(str(label), *cells, share)
    Console().print(table)
