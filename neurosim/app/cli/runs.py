"""`neurosim runs`: a list of runs, or some runs side by side."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from pydantic import BaseModel, ConfigDict


class Runs(BaseModel):
    """List the runs of a folder; of two or more run folders, show their results and what differs.

    Newest first. An accuracy is that of the test set, with its 95 % interval, once the run has ended; before
    that it is of the last validation and in brackets.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folders: tyro.conf.Positional[tuple[Path, ...]] = (Path("runs"),)
    """folder of run folders, or run folders"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def run(arguments: Runs) -> int:
    from learning.record import CONFIG, RunError

    folders = arguments.folders
    together = len(folders) > 1 or (folders[0] / CONFIG).exists()
    paths = list(folders) if together else _within(folders[0])
    found, broken = [], []
    for path in paths:
        try:
            found.append(about(path))
        except RunError as error:
            if together:
                raise
            broken.append({"run": str(path), "error": str(error)})
    if not together:
        found.sort(key=lambda one: one["date"] or "", reverse=True)
    if arguments.as_json:
        print(json.dumps({"runs": found, "unreadable": broken}))
    elif together:
        print(side_by_side(found))
    else:
        print(table(found) if found else f"no runs in {folders[0]}; neurosim train makes one")
        for one in broken:
            print(f"{one['run']}: {one['error']}")
    return 0


def _within(folder: Path) -> list[Path]:
    from learning.record import CONFIG, RunError

    if not folder.is_dir():
        raise RunError(f"{folder} is no folder; give the folder that holds the runs")
    return [path for path in sorted(folder.iterdir()) if (path / CONFIG).exists()]


def about(path: Path) -> dict[str, Any]:
    """Facts of a run; RunError where its folder cannot be read."""
    from learning.record import read_run, read_summary
    from neurosim.app import provenance

    config, checkpoint, lines = read_run(path)
    entries = provenance.read(path)
    summary = read_summary(path)
    generation = checkpoint.generation if checkpoint else 0
    if summary.get("generations") != generation:
        summary = {}  # of a run that has gone on since
    return {
        "run": str(path),
        "data": config.settings.data,
        "recipe": recipe_of(config.settings),
        "generation": generation,
        "generations": config.settings.generations,
        "validation_accuracy": lines[-1]["validation_accuracy"] if lines else None,
        "test_accuracy": summary.get("test_accuracy"),
        "test_samples": summary.get("test_samples"),
        "weights_sha256": summary.get("weights_sha256"),
        "train_seconds": checkpoint.seconds if checkpoint else 0.0,
        "compile_seconds": sum(one.get("compile_seconds", 0.0) for one in entries),
        "date": entries[0].get("date") if entries else None,
        "version": entries[-1].get("version") if entries else None,
        "commit": entries[-1].get("commit") if entries else None,
        "command": entries[0].get("command") if entries else None,
        "settings": config.settings.model_dump(mode="json"),
    }


_FREE = {"data", "seed", "generations", "steps", "pool"}
"""Settings that differ between runs of one recipe."""


def recipe_of(settings: Any) -> str:
    """The recipe with the fewest settings changed, and how many: 'fast', 'fast + 2'."""
    from learning.recipes import RECIPES

    has = settings.model_dump()

    def changes(name: str) -> int:
        recipe = RECIPES[name][1].model_dump()
        return sum(has[key] != recipe[key] for key in has if key not in _FREE)

    nearest = min(RECIPES, key=changes)
    return nearest if not changes(nearest) else f"{nearest} + {changes(nearest)}"


def accuracy(one: dict[str, Any]) -> str:
    from learning import intervals

    if one["test_accuracy"] is not None:
        low, high = intervals.of_accuracy(one["test_accuracy"], one["test_samples"])
        return f"{100 * one['test_accuracy']:.2f} % ({100 * low:.1f}-{100 * high:.1f})"
    if one["validation_accuracy"] is not None:
        return f"[{100 * one['validation_accuracy']:.1f} %]"
    return "-"


def _generations(one: dict[str, Any]) -> str:
    whole = one["generation"] == one["generations"]
    return f"{one['generation']:,}" if whole else f"{one['generation']:,}/{one['generations']:,}"


def _short(data: str) -> str:
    """A data set without the folders of its path."""
    kind, colon, path = data.partition(":")
    return f"{kind}{colon}{Path(path).name}" if colon else kind


def table(found: Sequence[dict[str, Any]]) -> str:
    """A line for each run; where it is wider than the terminal, without the run's folder, and broken."""
    from neurosim.app.cli.texts import aligned, plain

    columns = shutil.get_terminal_size().columns
    for shown in (str, lambda run: Path(run).name):
        rows = [("run", "data", "recipe", "generation", "accuracy", "date")]
        rows += [
            (
                plain(shown(one["run"])),
                plain(_short(one["data"])),
                one["recipe"],
                _generations(one),
                accuracy(one),
                (one["date"] or "-")[:10],
            )
            for one in found
        ]
        whole = aligned(rows, range(len(rows[0])))
        if max(map(len, whole.splitlines())) <= columns:
            return whole
    return aligned(rows, range(len(rows[0])), columns)


def side_by_side(found: Sequence[dict[str, Any]]) -> str:
    """A column for each run: results, times, and the settings that differ."""
    from neurosim.app.cli.texts import aligned, plain

    rows = [["", *(plain(one["run"]) for one in found)]]
    for name, show in (
        ("data", lambda one: plain(one["data"])),
        ("recipe", lambda one: one["recipe"]),
        ("generations", _generations),
        ("test accuracy (95 %)", accuracy),
        ("training", lambda one: f"{one['train_seconds']:,.1f} s"),
        ("compilation", lambda one: f"{one['compile_seconds']:,.1f} s"),
        ("date", lambda one: (one["date"] or "-")[:10]),
        ("version", lambda one: one["version"] or "-"),
        ("commit", lambda one: (one["commit"] or "-")[:10]),
        ("weights sha256", lambda one: (one["weights_sha256"] or "-")[:12]),
    ):
        rows.append([name, *(show(one) for one in found)])
    differing = [
        name
        for name in found[0]["settings"]
        if any(one["settings"].get(name) != found[0]["settings"][name] for one in found)
    ]
    if differing:
        rows.append(["settings that differ", *("" for _ in found)])
    for name in differing:
        rows.append([f"  {name}", *(plain(str(one["settings"].get(name))) for one in found)])
    return aligned(rows, range(len(rows[0])), shutil.get_terminal_size().columns)
