"""`neurosim export`: a trained network in a format that others read."""

import json
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import BaseModel, ConfigDict, Field

from neurosim.app import exports
from neurosim.app.cli import needs


class Export(BaseModel):
    """Write a run's network for other simulators (docs/exchange.md) or for hardware (docs/hardware.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: tyro.conf.Positional[Path]
    """run folder"""
    to: str
    """nir: one graph of the Neuromorphic Intermediate Representation, with the exact registers in it;
    hdl: a folder of memory images, parameters and golden vectors for hardware"""
    out: Path | None = None
    """where to write; by default network.nir, or the folder hdl, in the run folder"""
    samples: Annotated[int, Field(ge=1)] | None = None
    """hdl: test samples whose spikes and membranes are written; by default 4"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def needed(arguments: Export) -> list[needs.Need]:
    return [needs.NIR] if arguments.to == "nir" else []


def run(arguments: Export) -> int:
    from learning.record import RunError, read_checkpoint
    from neurosim.app.cli.arguments import load_data

    export = exports.known(arguments.to)
    samples = exports.samples_of(export, arguments.samples)
    config, checkpoint = read_checkpoint(arguments.folder)
    if config.faults is not None:
        raise RunError(
            f"{arguments.folder} learned on a chip with faults ({config.faults}), which no export carries; "
            f"export a run that was trained without --faults"
        )
    path = arguments.out or arguments.folder / export.place
    trained = exports.trained(
        config, checkpoint, lambda: load_data(config, None, arguments.as_json)
    )
    written = export.write(trained, path, samples)
    if arguments.as_json:
        print(json.dumps({"written": str(path), "remarks": written.remarks, **written.facts}))
    else:
        print("\n".join([*written.remarks, f"written to {path}"]))
    return 0
