"""`neurosim evaluate`: accuracy and confusion matrix of a run, on any data it fits."""

import json
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro
from pydantic import BaseModel, ConfigDict


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


def run(arguments: Evaluate) -> int:
    from learning.record import read_checkpoint, weights_sha256
    from neurosim.app.cli.arguments import load_data
    from neurosim.app.experiments.answers import answer

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
