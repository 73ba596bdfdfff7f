"""Page of a comparison: table, pictures and all numbers, from the parts that are kept or done now."""

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim.app.experiments.comparison import AGREEMENT, SWEEPS, Comparison, plan
from neurosim.app.experiments.rows import Row
from neurosim.app.experiments.store import Store, Tell
from neurosim.data.datasets import Dataset
from neurosim.storage import sealed, write_atomically

if TYPE_CHECKING:
    from learning.config import Config

FOLDER, RESULT = "compare", "compare.json"
"""Where in a run folder a comparison goes, and the file that holds all of it."""


def check(arguments: Comparison) -> None:
    """Raise RunError where there is nothing to compare."""
    from learning.record import RunError

    if not arguments.folders:
        raise RunError("no run folder; give one or more, as `neurosim train` leaves them")


def _out(arguments: Comparison) -> Path:
    return arguments.out or arguments.folders[0] / FOLDER


def count(arguments: Comparison, config: "Config", data: Dataset) -> int:
    """Parts of the whole work."""
    return len(plan(arguments, config, data, Store(_out(arguments) / "parts")))


def run(
    arguments: Comparison, config: "Config", data: Dataset, tell: Tell
) -> tuple[str, dict[str, Any]]:
    """Do what is left of the parts and write table and pictures: the table, and all numbers as JSON.

    config  of the first run folder        tell  called with the parts done and the name of the next
    """
    from learning.record import read_checkpoint, weights_sha256
    from neurosim.app.experiments import pictures, tables

    check(arguments)
    out = _out(arguments)
    store = Store(out / "parts")
    work = plan(arguments, config, data, store)
    results: dict[str, Any] = {}
    with store:
        for done, part in enumerate(work):
            result = part.kept()
            if result is None:
                tell(done, part.name)
                store.within = lambda share, done=done: tell(done + share, "")  # type: ignore[misc]
                result = part.result()
            results[part.name] = result
        tell(len(work), "done")
    swept, agreed = results.pop(SWEEPS, {}), results.pop(AGREEMENT)
    rows: dict[str, list[Row]] = {}
    for row in chain.from_iterable(results.values()):
        rows.setdefault(row["method"], []).append(row)
    text = tables.comparison(rows, swept, agreed, data.name, arguments.folders)
    pictures.write_comparison(out, rows, swept)
    tables.write(out / "compare.md", text)
    checkpoints = [read_checkpoint(folder)[1] for folder in arguments.folders]
    result = {
        "data": data.name,
        "weights_sha256": [weights_sha256(checkpoint.weights) for checkpoint in checkpoints],
        "rows": rows,
        "sweeps": swept,
        "agreement": agreed,
        "out": str(out),
    }
    write_atomically(out / RESULT, sealed(result))
    return text, result
