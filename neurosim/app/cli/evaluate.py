"""`neurosim evaluate`: accuracy and confusion matrix of a run, on any data it fits."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import tyro
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from neurosim.data.choice import DataChoice

if TYPE_CHECKING:
    from rich.table import Table


class Evaluate(BaseModel):
    """Run the trained network on the chip emulator, step by step, and measure its accuracy."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: tyro.conf.Positional[Path]
    """run folder"""
    data: str | None = None
    """data set; by default the one the run was trained on"""
    choice: Annotated[DataChoice, tyro.conf.arg(name="")] = DataChoice()
    faults: str | None = None
    """faults of the chip: "stuck-weight-bits 0.01, decay-mismatch 0.1, seed 3" (docs/faults.md); by default
    those that the run was trained with; none: a sound chip"""
    split: Literal["train", "validation", "test"] = "test"
    """which part of the data"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def run(arguments: Evaluate) -> int:
    from learning.record import read_checkpoint, weights_sha256
    from neurosim.app.cli.arguments import load_data
    from neurosim.app.experiments.answers import answer, faults_of

    config, checkpoint = read_checkpoint(arguments.folder)
    data = load_data(config, arguments.data, arguments.as_json, arguments.choice)
    faults = faults_of(config, checkpoint.generation, arguments.faults)
    frames = getattr(data, arguments.split)
    seen, confusion, _ = answer(config, checkpoint.weights, frames, faults)
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
                    "faults": None if faults is None else str(faults),
                    "weights_sha256": weights_sha256(checkpoint.weights),
                    "classes": list(config.class_names),
                    "confusion": confusion.tolist(),
                }
            )
        )
        return 0
    title = f"{data.name}, {arguments.split}" + ("" if faults is None else f", {faults}")
    _show(confusion, config.class_names, f"{title}: {100 * seen.accuracy:.2f} %")
    return 0


WIDEST = 20
"""Classes of a confusion matrix that is shown whole, chosen here; more are listed one a line, and so are
those whose matrix is wider than the terminal."""


def _show(confusion: NDArray[np.int64], names: Sequence[str], title: str) -> None:
    """The confusion matrix as far as it can be read, else a line for each class."""
    from rich.console import Console
    from rich.markup import escape

    from neurosim.app.experiments.answers import CONFUSED

    console, names = Console(), [escape(name) for name in names]
    digits = len(str(confusion.max()))
    longest = max(map(len, names))
    width = longest + sum(max(len(name), digits) + 3 for name in names) + 16
    table = _matrix
    if len(names) > WIDEST:
        table, width = _lines, (1 + CONFUSED) * (longest + digits + 3) + 32
    if console.is_terminal:
        table = table if width <= console.width else _lines
    else:
        console = Console(width=max(console.width, width))
    console.print(table(confusion, names, f"{title} of {confusion.sum():,} samples"))


def _matrix(confusion: NDArray[np.int64], names: Sequence[str], title: str) -> "Table":
    """The confusion matrix: a row for each label, a column for each answer."""
    from rich.table import Table

    from neurosim.app.experiments.answers import share

    table = Table(title=title)
    table.add_column("label", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("right", justify="right", no_wrap=True)
    for label, row in enumerate(confusion):
        cells = [
            f"[bold green]{n}[/]" if predicted == label else (str(n) if n else "·")
            for predicted, n in enumerate(row)
        ]
        table.add_row(names[label], *cells, share(row[label], row.sum()))
    return table


def _lines(confusion: NDArray[np.int64], names: Sequence[str], title: str) -> "Table":
    """One line per class: its accuracy, and its most frequent wrong prediction."""
    from rich.table import Table

    from neurosim.app.experiments.answers import class_lines

    table = Table(title=title)
    for head in ("label", "samples", "right", "most often taken for"):
        table.add_column(head)
    for line in class_lines(confusion, names):
        table.add_row(*line)
    return table
