"""`neurosim check-vectors`: compare the chip with recorded steps of other emulators."""

import json
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import BaseModel, ConfigDict


class CheckVectors(BaseModel):
    """Replay every recording (.npz) of a folder under the profile of the peer that made it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: tyro.conf.Positional[Path]
    """folder of recorded steps, or one recording"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def run(arguments: CheckVectors) -> int:
    from neurosim.chip.conformance.vectors import check_file, check_folder

    single = arguments.folder.is_file()
    outcomes = [check_file(arguments.folder)] if single else list(check_folder(arguments.folder))
    matched = sum(outcome.matches for outcome in outcomes)
    if arguments.as_json:
        files = [outcome._asdict() for outcome in outcomes]
        print(json.dumps({"files": len(files), "matched": matched, "outcomes": files}))
    else:
        _show(outcomes, matched)
    return 0 if matched == len(outcomes) else 1


def _show(outcomes: list, matched: int) -> None:
    from rich.console import Console
    from rich.table import Table

    from neurosim.app.cli.texts import cell

    table = Table()
    for column in ("recording", "profile", "outcome", "compared", "remarks"):
        table.add_column(column, overflow="fold")
    colours = {"match": "green", "differs": "red", "unchecked": "yellow"}
    for outcome in outcomes:
        status = f"[{colours[outcome.status]}]{outcome.status}[/]"
        texts = (outcome.file, outcome.profile, status, outcome.compared, outcome.detail)
        table.add_row(*(text if text is status else cell(text) for text in texts))
    console = Console()
    console.print(table)
    console.print(f"{matched} of {len(outcomes)} recordings match in every step and neuron")
