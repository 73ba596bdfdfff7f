"""Long work of an experiment: its parts done one after another, and a page of what is there so far."""

import math
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import BaseModel

from neurosim.app.experiments.store import Store, Tell
from neurosim.app.experiments.trainings import Part, Result

Publish = Callable[[list[Result]], Path]
"""Writes page and pictures of some results; the page's path."""
Step = Part | Callable[[list[Result]], Part | None]
"""A part, or what gives one from the results before it; None where one that it depends on is not there."""
AT_THE_END = None
AFTER_EACH = 0.0


def store_of(out: Path) -> Store:
    """Where an experiment that writes to `out` keeps its finished parts."""
    return Store(out / "trainings")


def _part(step: Step, results: list[Result]) -> Part | None:
    return step if isinstance(step, Part) else step(results)


def kept(work: Iterable[Step], publish: Publish) -> tuple[Path, list[Result]]:
    """The page of the results that are there, and those results."""
    results: list[Result] = []
    for step in work:
        part = _part(step, results)
        result = None if part is None else part.kept()
        if result is not None:
            results.append(result)
    return publish(results), results


def finished(
    store: Store, work: Iterable[Step], publish: Publish, tell: Tell, between: float | None
) -> tuple[Path, list[Result]]:
    """Do what is left of the work; the page, and all results.

    between  seconds from one page to the next while work goes on: AFTER_EACH part, or only AT_THE_END
    """
    work = list(work)
    results: list[Result] = []
    published = -math.inf
    with store:
        for done, step in enumerate(work):
            part = _part(step, results)
            assert part is not None, "everything before it is made"
            result = part.kept()
            if result is None:
                tell(done, f"{part.method}, seed {part.seed}")
                store.within = lambda share, done=done: tell(done + share, "")  # type: ignore[misc]
                result = part.result()
            results.append(result)
            if between is not None and time.monotonic() - published >= between:
                publish(results)
                published = time.monotonic()
    tell(len(work), "done")
    return publish(results), results


def command(name: str, arguments: BaseModel) -> str:
    """The call of `neurosim NAME` that makes the page of an experiment again."""
    changed = arguments.model_dump(
        exclude={"what", "out", "as_json", "threads", "only_page"}, exclude_defaults=True
    )
    words = ["neurosim", name]
    for key, value in changed.items():
        flag = key.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            several = isinstance(value, tuple | list)
            words.append(f"--{flag} {' '.join(map(str, value)) if several else value}")
    return " ".join(words)
