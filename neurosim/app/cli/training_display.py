"""Display of a training: compilation of its kernels, a table of evaluations, and a bar with the time left.

On a terminal the table scrolls above the bar, so that the history stays; elsewhere the table alone is
printed. Columns that a narrow terminal has no place for are left out from the right.
"""

import sys
import time
from collections.abc import Callable
from math import isnan
from typing import Any, NamedTuple

GAP = 2
QUIET_SECONDS = 5.0
"""Between two lines about compilation where there is no terminal, chosen here."""


class Column(NamedTuple):
    """A column of the table of evaluations."""

    head: str
    width: int
    cell: Callable[[dict[str, Any]], str]


COLUMNS = (
    Column("generation", 10, lambda record: f"{record['generation']:,}"),
    Column("accuracy", 8, lambda record: f"{100 * record['validation_accuracy']:.1f} %"),
    Column("fitness", 11, lambda record: f"{record['fitness_bits']:.3f}"[:6].rstrip(".") + " bits"),
    Column("dead classes", 12, lambda record: str(record["dead_classes"])),
    Column("neurons", 7, lambda record: str(record["dead_neurons"])),
    Column("saturated", 10, lambda record: f"{record['saturated_registers']:,}"),
    Column("M evals/s", 9, lambda record: _speed(record["evaluations_per_second"])),
)
"""Dead classes are never predicted, dead neurons never spike; saturated registers reached their limit; an
evaluation is one perturbed network on one sample."""


def _speed(rate: float) -> str:
    return "-" if isnan(rate) else f"{rate / 1e6:.2f}"


def columns_for(width: int) -> tuple[Column, ...]:
    """The columns that fit a line, at least the first two."""
    used, count = 0, 0
    for column in COLUMNS:
        used += column.width + GAP
        if count >= 2 and used - GAP > width:
            break
        count += 1
    return COLUMNS[:count]


def heading(columns: tuple[Column, ...]) -> str:
    return (" " * GAP).join(column.head.rjust(column.width) for column in columns)


def row(columns: tuple[Column, ...], record: dict[str, Any]) -> str:
    return (" " * GAP).join(column.cell(record).rjust(column.width) for column in columns)


def clock(seconds: float) -> str:
    """Seconds as H:MM:SS or M:SS."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Display:
    """Display of a training, on standard error."""

    def __init__(self, generations: int, quiet: bool) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False)
        self._generations, self._quiet = generations, quiet
        self._terminal = self._console.is_terminal and not quiet
        self._columns = columns_for(self._console.width if self._terminal else 10**6)
        self._reported = 0.0
        self._progress: Any = None
        self._headed = False
        self._rate: tuple[int, float] | None = None  # evaluations and seconds at the last record

    def __enter__(self) -> "Display":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Take the bar away; the table stays."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def _bar(self, text: str, done: int, total: int, left: str) -> None:
        """Show or change the line at the bottom: text, bar, time left."""
        from rich.progress import BarColumn, Progress, TextColumn

        if self._progress is None:
            self._progress = Progress(
                TextColumn("{task.fields[text]}"),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[left]}"),
                console=self._console,
                expand=True,
                transient=True,
                refresh_per_second=8,
            )
            self._progress.add_task("", total=total, text=text, left=left)
            self._progress.start()
        task = self._progress.tasks[0]
        self._progress.update(task.id, completed=done, total=total, text=text, left=left)

    def compiling(self, done: int, total: int, left: float) -> None:
        """Kernels compiled, kernels to compile, seconds left (nan: not known yet)."""
        if self._quiet:
            return
        text = f"compiling kernels, {done} of {total}, once per version"
        rest = "" if isnan(left) else f"{clock(left)} left"
        if self._terminal:
            self._bar(text, done, total, rest)
            if done == total:
                self.end()
        elif time.monotonic() - self._reported > QUIET_SECONDS:
            self._reported = time.monotonic()
            print(f"{text}{rest and ', '}{rest}", file=sys.stderr, flush=True)

    def begin(self, generation: int, evaluations: int, seconds: float) -> None:
        """Training starts, or goes on, at this generation; what came before is not counted as speed."""
        self.end()
        self._rate = evaluations, seconds
        self._begun = generation, time.monotonic()
        self._accuracy = ""
        if self._terminal:
            self._show(generation)

    def show(self, generation: int, record: dict[str, Any] | None) -> None:
        """A generation has ended, with a record where it was evaluated."""
        if self._quiet:
            return
        if record is not None:
            self._line(record)
        if self._terminal:
            self._show(generation)

    def _line(self, record: dict[str, Any]) -> None:
        evaluations, seconds = self._rate or (0, 0.0)
        spent = record["seconds"] - seconds
        rate = (record["member_samples"] - evaluations) / spent if spent > 0 else float("nan")
        self._rate = record["member_samples"], record["seconds"]
        self._accuracy = f"  accuracy {100 * record['validation_accuracy']:.1f} %"
        for text in (
            *([] if self._headed else [heading(self._columns)]),
            row(self._columns, {**record, "evaluations_per_second": rate}),
        ):
            if self._terminal:
                self._progress.console.print(text, markup=False, no_wrap=True)
            else:
                print(text, file=sys.stderr, flush=True)
        self._headed = True
        for one in record.get("advice", ()):
            self._advise(one)

    def _advise(self, text: str) -> None:
        """Advice on neurons that are silent or always spike."""
        if self._terminal:
            self._progress.console.print(text, style="yellow", markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def _show(self, generation: int) -> None:
        begun, since = self._begun
        done = generation - begun
        left = (
            (time.monotonic() - since) / done * (self._generations - generation) if done else None
        )
        text = f"generation {generation:,}/{self._generations:,}{self._accuracy}"
        self._bar(
            text, generation, self._generations, "" if left is None else f"{clock(left)} left"
        )
