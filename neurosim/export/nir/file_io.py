"""How do NIR graphs get to disk and back, and what if the library is not there?"""

from pathlib import Path
from types import ModuleType
from typing import Any

from neurosim.storage import atomic_path


class NirMissing(ImportError):
    """The package `nir` is not installed."""


class NirError(ValueError):
    """A graph that cannot be read, or not be mapped onto the chip. The message names the node."""


def library() -> ModuleType:
    """The package nir, or a message that names the extra."""
    try:
        import nir
    except ImportError as error:
        raise NirMissing(
            "NIR graphs need the package nir, which is not installed; install the extra: "
            'pip install "neurosim-eggroll[nir]"'
        ) from error
    return nir


def write(path: Path, graph: Any) -> None:
    """Write a graph; the file appears whole or not at all."""
    nir = library()
    with atomic_path(path) as temporary:
        nir.write(temporary, graph)


def read(path: Path) -> Any:
    """The graph in a file, as it stands there: nothing inferred, nothing added."""
    nir = library()
    if not path.is_file():
        raise NirError(f"{path} is not there; needed is a NIR graph in an HDF5 file")
    try:
        return nir.read(path, type_check=False)
    except Exception as error:  # h5py and nir raise whatever they stumble over
        raise NirError(
            f"{path}: no NIR graph that nir {nir.version} can read "
            f"({type(error).__name__}: {error})"
        ) from error
