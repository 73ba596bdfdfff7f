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
    verbose: bool = False
    """list every recording, not those alone that do not match"""
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
        _show(outcomes if arguments.verbose else [one for one in outcomes if not one.matches])
        print(f"{matched} of {len(outcomes)} recordings match in every step and neuron")
    return 0 if matched == len(outcomes) else 1


def _show(outcomes: list) -> None:
    """Each recording: a line with its outcome, and its details below, indented."""
    import textwrap

    from neurosim.app.cli.texts import plain

    for outcome in outcomes:
        print(f"{outcome.status:<9}  {plain(outcome.file)}")
        details = "; ".join(filter(None, (outcome.profile, outcome.compared, outcome.detail)))
        for line in textwrap.wrap(plain(details), 68):
            print(f"{'':<11}{line}")
