"""Progress of long work: on a terminal a bar with the time left, below what was done; elsewhere lines."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from neurosim.app.cli.training_display import clock
from neurosim.app.experiments.store import Tell


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


@contextmanager
def progress(what: str, total: float, quiet: bool = False) -> Iterator[Tell]:
    """Give a function tell(done, line)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True, highlight=False)
    left = _Left(total)
    bar = Progress(
        TextColumn(what + " {task.completed:.0f}/{task.total:.0f}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[left]}"),
        console=console,
        expand=True,
        disable=quiet or not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=total, left="")

        def tell(done: float, line: str) -> None:
            rest = left.text(done)
            bar.update(task, completed=done, left=rest)
            if console.is_terminal and not quiet and line:
                bar.console.print(line, markup=False)
            elif not quiet:
                ending = f", {rest}" if rest else ""
                print(f"{what} {done:.0f}/{total:.0f}: {line}{ending}", file=sys.stderr, flush=True)

        yield tell
