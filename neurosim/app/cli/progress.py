"""Progress of long work: a bar on a terminal, elsewhere one line per step, or nothing."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from neurosim.app.experiments.store import Tell


@contextmanager
def progress(what: str, total: float, quiet: bool = False) -> Iterator[Tell]:
    """Give a function tell(done, line)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    bar = Progress(
        TextColumn(what + " {task.completed:.0f}/{task.total:.0f}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[line]}"),
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=total, line="")

        def tell(done: float, line: str) -> None:
            bar.update(task, completed=done, line=line)
            if not quiet and not console.is_terminal:
                print(f"{what} {done:.0f}/{total:.0f}: {line}", file=sys.stderr, flush=True)

        yield tell
