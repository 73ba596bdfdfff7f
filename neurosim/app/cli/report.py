"""`neurosim report`: one self-contained HTML page of a run."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import BaseModel, ConfigDict


class Report(BaseModel):
    """Write one page about a run: accuracy, cost, curves, samples, cores, settings.

    A run that is not finished, or was never compared with the float reference, has its page too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: tyro.conf.Positional[Path]
    """run folder"""
    out: Path | None = None
    """the page; by default report.html in the run folder"""
    data: str | None = None
    """data set; by default the one the run was trained on"""
    sample: tuple[int, ...] = ()
    """test samples to show; by default the first ones, one of them answered wrongly"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def run(arguments: Report) -> int:
    from neurosim.app.cli.arguments import load_data
    from neurosim.app.report import facts, page
    from neurosim.storage import write_atomically

    out = arguments.out or arguments.folder / "report.html"
    load = partial(load_data, name=arguments.data, quiet=arguments.as_json)
    found = facts.gather(arguments.folder, load, arguments.sample)
    write_atomically(out, page.html(found).encode())
    if arguments.as_json:
        seen = found.trained.answers.seen if found.trained else None
        results = {"report": str(out), "test_accuracy": seen.accuracy if seen else None}
        print(json.dumps(results))
    else:
        print(f"the report is in {out}")
    return 0
