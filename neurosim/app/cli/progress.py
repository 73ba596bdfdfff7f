"""Progress of long work: on a terminal a bar with the time left, below what was done; elsewhere lines."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from neurosim.app.cli.training_display import clock
from neurosim.app.experiments.store import Tell

FIRST_SECONDS, EVERY_SECONDS = 5.0, 60.0
"""Until the first line with the time left, and between two, where there is no terminal. Chosen here."""


class _Left:
    """Estimate of the seconds left, from what was done since the first call: kept parts take no time."""

    def __init__(self, total: float) -> None:
        self._total = total
        self._first: tuple[float, float] | None = None

    def text(self, done: float) -> str:
        now = time.monotonic()
        if self._first is None:
            self._first = done, now
        begun, since = self._first
        if done <= begun:
            return ""
        return f"{clock((now - since) / (done - begun) * (self._total - done))} left"


class _Lines:
    """Lines where there is no terminal: one for each part, and the time left now and then."""

    def __init__(self, what: str, total: float) -> None:
        self._what, self._total, self._next = what, total, time.monotonic() + FIRST_SECONDS

    def show(self, done: float, line: str, left: str) -> None:
        now = time.monotonic()
        if not line and (not left or now < self._next):
            return
        if left:
            self._next = now + EVERY_SECONDS
        text = ", ".join(filter(None, (line, left and f"about {left}")))
        print(
            f"{self._what} {_number(done)}/{self._total:.0f}: {text}", file=sys.stderr, flush=True
        )


def _number(done: float) -> str:
    return f"{done:.0f}" if done == round(done) else f"{done:.1f}"


@contextmanager
def progress(what: str, total: float, quiet: bool = False) -> Iterator[Tell]:
    """Give a function tell(done, line); without a line only the time left is shown anew."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True, highlight=False)
    left, lines = _Left(total), _Lines(what, total)
    bar = Progress(
        TextColumn(what + " {task.fields[number]}/{task.total:.0f}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[left]}"),
        console=console,
        expand=True,
        disable=quiet or not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=total, left="", number="0")

        def tell(done: float, line: str) -> None:
            rest = left.text(done)
            bar.update(task, completed=done, left=rest, number=_number(done))
            if quiet:
                return
            if not console.is_terminal:
                lines.show(done, line, rest)
            elif line:
                bar.console.print(line, markup=False)

        yield tell
