"""`neurosim check-hdl`: check the hashes of memory images, and replay them on the chip emulator."""

import json
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import BaseModel, ConfigDict


class CheckHdl(BaseModel):
    """Check every file's hash, then run the stimulus again on a chip made from the files alone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: tyro.conf.Positional[Path]
    """folder that `neurosim export RUN --to hdl` wrote"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def run(arguments: CheckHdl) -> int:
    from neurosim.export import memory_images
    from neurosim.export.hdl import core

    read = memory_images.read(arguments.folder)
    differ = [
        f"{name}: {wrong} of {found.size} values differ"
        for name, found in core.replay(read).items()
        if (wrong := int((found != read.array(name)).sum()))
    ]
    results = {
        "files": len(read.manifest["files"]),
        "samples": len(read.manifest["samples"]["labels"]),
        "learning": read.manifest["learning"] is not None,
        "differ": differ,
    }
    if arguments.as_json:
        print(json.dumps(results))
    else:
        print(f"{results['files']} files agree with their manifest")
        same = "the chip does otherwise:" if differ else "spikes and membranes come out the same"
        print("\n".join([f"{results['samples']} samples run again on the chip: {same}", *differ]))
    return 1 if differ else 0
