"""TensorBoard event files, made of the lines of metrics.jsonl.

    RUN/tensorboard/events.*      one scalar a number of a line, at the line's generation

The source is metrics.jsonl: the event files are made anew from it whenever training starts, so that a
run that was stopped anywhere and resumed has every generation once. An event's time is the seconds of
training, so that the viewer's RELATIVE axis leaves out how long a run lay still.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tensorboardX import SummaryWriter

FOLDER = "tensorboard"
AXES = ("generation", "seconds")
"""Numbers of a line that are its position in the run, not metrics."""
FLUSH_SECONDS = 10
"""Largest delay of a validation in the viewer, in seconds; chosen here."""


class TensorboardMissing(ImportError):
    """tensorboardX is not installed."""


def writer_class() -> "type[SummaryWriter]":
    """tensorboardX's writer; TensorboardMissing names the extra that brings it."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise TensorboardMissing(
            "--tensorboard needs tensorboardX, which is not installed; install the extra: "
            'pip install "neurosim-eggroll[tensorboard]", or leave --tensorboard out'
        ) from error
    return SummaryWriter


class Scalars:
    """The event files of a run folder, from the lines it has so far on."""

    def __init__(self, run: Path, lines: Sequence[dict[str, Any]]) -> None:
        folder = run / FOLDER
        for old in folder.glob("events.*"):
            old.unlink()
        self._writer = writer_class()(str(folder), flush_secs=FLUSH_SECONDS)
        for line in lines:
            self.add(line)

    def add(self, line: dict[str, Any]) -> None:
        """Write one line of metrics."""
        for name, value in line.items():
            if name not in AXES:
                self._writer.add_scalar(name, value, line["generation"], line["seconds"])

    def __enter__(self) -> "Scalars":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
