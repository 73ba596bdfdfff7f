"""Registry of export formats: a name, where a file goes by default, and the function that writes it.

A format is one module with an `Export` and an entry here; one that needs more than the network (a
learning step to record, say) is added by the application with `register`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from neurosim.export.nir import exporter as nir
from neurosim.network import Network, Weights


class Trained(NamedTuple):
    """A trained network and what an exporter may keep with it.

    about   JSON-able: settings and generations
    config, checkpoint  the run itself, for formats of the application
    data    loads the data set of the run when it is called
    """

    network: Network
    weights: Weights
    about: dict[str, Any]
    config: Any
    checkpoint: Any
    data: Callable[[], Any]


class Written(NamedTuple):
    """remarks: sentences for a person; facts: what a program may want to know, for JSON."""

    remarks: tuple[str, ...]
    facts: dict[str, Any]


class Export(NamedTuple):
    """An export format.

    help     one line for people               place    file or folder, in the run folder by default
    samples  whether test samples are written  write    (trained, path, samples) -> Written
    """

    name: str
    help: str
    place: str
    samples: bool
    write: Callable[[Trained, Path, int], Written]


def _nir(trained: Trained, path: Path, samples: int) -> Written:
    remarks, nodes = nir.write(trained.network, trained.weights, trained.about, path)
    return Written(tuple(remarks), {"nodes": nodes})


NIR = Export(
    "nir",
    "one graph of the Neuromorphic Intermediate Representation, with the exact registers in it",
    "network.nir",
    samples=False,
    write=_nir,
)
EXPORTS: dict[str, Export] = {NIR.name: NIR}


def register(export: Export) -> None:
    """Add a format, or replace the one of the same name."""
    EXPORTS[export.name] = export
