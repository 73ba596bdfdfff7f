"""Export formats of the application: those of neurosim.export, and hardware vectors with a learning step."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from neurosim.export.registry import EXPORTS, Export, Trained, Written, register

SAMPLES = 4
"""Test samples that a format writes where none are asked for; chosen here."""


class ExportError(ValueError):
    """A format that is not known, or an option that it does not have."""


def known(name: str) -> Export:
    """The format of this name; ExportError where there is none."""
    if name not in EXPORTS:
        raise ExportError(f"export format {name!r} is not known; allowed are {', '.join(EXPORTS)}")
    return EXPORTS[name]


def samples_of(export: Export, asked: int | None) -> int:
    """How many test samples to write; ExportError where the format writes none and some are asked for."""
    if asked is not None and not export.samples:
        raise ExportError(f"--samples {asked}: {export.name} holds no samples; leave it out")
    return SAMPLES if asked is None else asked


def trained(config: Any, checkpoint: Any, data: Callable[[], Any]) -> Trained:
    """A run in the form that exporters take."""
    about = {
        "settings": config.settings.model_dump(mode="json"),
        "generations": checkpoint.generation,
    }
    return Trained(config.network(), checkpoint.weights, about, config, checkpoint, data)


def _hdl(trained: Trained, path: Path, samples: int) -> Written:
    from learning import hardware

    data = trained.data()
    manifest = hardware.write(path, trained.config, trained.checkpoint, data, samples)
    fault = manifest["no_learning_because"]
    remarks = [f"{len(manifest['files'])} files, {samples} samples of {data.name}, test"]
    if fault:
        remarks.append(f"no vectors of the learning step: {fault}")
    return Written(tuple(remarks), {"files": sorted(manifest["files"]), "learning": fault is None})


register(
    Export(
        "hdl",
        "a folder of memory images, parameters and golden vectors for hardware",
        "hdl",
        samples=True,
        write=_hdl,
    )
)
