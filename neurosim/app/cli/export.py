"""`neurosim export`: a trained network in a format that others read."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from pydantic import BaseModel, ConfigDict, Field


class Export(BaseModel):
    """Write a run's network for other simulators (docs/exchange.md) or for hardware (docs/hardware.md)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: tyro.conf.Positional[Path]
    """run folder"""
    to: Literal["nir", "hdl"]
    """nir: one graph of the Neuromorphic Intermediate Representation, with the exact registers in it;
    hdl: a folder of memory images, parameters and vectors that hardware/ is held against"""
    out: Path | None = None
    """where to write; by default network.nir, or the folder hdl, in the run folder"""
    samples: Annotated[int, Field(ge=1)] = 4
    """hdl: test samples whose spikes and membranes are written"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def run(arguments: Export) -> int:
    told = {"nir": _nir, "hdl": _hdl}[arguments.to](arguments)
    if arguments.as_json:
        print(json.dumps(told))
    else:
        print("\n".join([*told.get("remarks", ()), f"written to {told['written']}"]))
    return 0


def _nir(arguments: Export) -> dict[str, Any]:
    from learning.record import read_checkpoint
    from neurosim.export.nir import file_io, to_nir
    from neurosim.network import learned

    file_io.library()
    config, checkpoint = read_checkpoint(arguments.folder)
    about = {
        "settings": config.settings.model_dump(mode="json"),
        "generations": checkpoint.generation,
    }
    exported = to_nir.to_graph(*learned(config.network(), checkpoint.weights), about)
    path = arguments.out or arguments.folder / "network.nir"
    file_io.write(path, exported.graph)
    nodes = {name: type(node).__name__ for name, node in exported.graph.nodes.items()}
    return {"written": str(path), "remarks": exported.remarks, "nodes": nodes}


def _hdl(arguments: Export) -> dict[str, Any]:
    from learning import hardware
    from learning.record import read_checkpoint
    from neurosim.app.cli.arguments import load_data

    config, checkpoint = read_checkpoint(arguments.folder)
    data = load_data(config, None, arguments.as_json)
    folder = arguments.out or arguments.folder / "hdl"
    manifest = hardware.write(folder, config, checkpoint, data, arguments.samples)
    fault = manifest["no_learning_because"]
    files = f"{len(manifest['files'])} files, {arguments.samples} samples of {data.name}, test"
    return {
        "written": str(folder),
        "remarks": [files] + ([f"no vectors of the learning step: {fault}"] if fault else []),
        "files": sorted(manifest["files"]),
        "learning": fault is None,
    }
