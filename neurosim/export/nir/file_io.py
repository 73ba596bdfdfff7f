"""Files of NIR graphs: written atomically, and read by a child process."""

import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from neurosim import sandbox
from neurosim.export.nir import hdf5_tree
from neurosim.storage import atomic_path

SECONDS = 6.0
"""Time for a small file. Chosen here: six times what it takes to import h5py and read one."""
BYTES_PER_SECOND = 5_000_000
"""Further time by size. Chosen here: a tenth of what deflate reaches."""
SIGNATURE = b"\x89HDF\r\n\x1a\n"
"""How an HDF5 file begins."""


class NirMissing(ImportError):
    """The package `nir` is not installed."""


class NirError(ValueError):
    """A graph that cannot be read, or not be mapped onto the chip. The message names the node."""


KNOWN = (NirError, sandbox.Refused, sandbox.SandboxError, hdf5_tree.TreeError)
"""Errors that say in words what is wrong with a file."""


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
    """Write a graph; the file appears whole or not at all, and replaces nothing but an HDF5 file."""
    nir = library()
    check_replaceable(path)
    with atomic_path(path) as temporary:
        nir.write(temporary, graph)


def check_replaceable(path: Path) -> None:
    """Raise NirError where `path` is there and is no HDF5 file."""
    if not path.exists():
        return
    if not path.is_file() or _beginning(path) != SIGNATURE:
        raise NirError(
            f"{path} is not replaced, since it is no NIR graph; give --out another path, or remove it"
        )


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(SIGNATURE))


def _is_hdf5(path: Path) -> bool:
    """Whether the signature of HDF5 stands at one of the places where it may: 0, 512, 1024, 2048 ..."""
    place = 0
    with path.open("rb") as file:
        while place < path.stat().st_size:
            file.seek(place)
            if file.read(len(SIGNATURE)) == SIGNATURE:
                return True
            place = max(512, 2 * place)
    return False


def read(path: Path) -> Any:
    """The graph in a file, as it stands there: nothing inferred, nothing added.

    A child process with limits of time and memory reads it (neurosim/sandbox.py), since HDF5 may end
    the process that reads a damaged file. NirError for any other content of the file.
    """
    nir = library()
    if not path.is_file():
        raise NirError(f"{path} is not there; needed is a NIR graph in an HDF5 file")
    if not _is_hdf5(path):
        raise NirError(f"{path}: no NIR graph that nir {nir.version} can read: it is no HDF5 file")
    seconds = SECONDS + path.stat().st_size / BYTES_PER_SECOND
    try:
        with tempfile.TemporaryDirectory(prefix="neurosim-nir-") as folder:
            sandbox.call(
                "neurosim.export.nir.hdf5_tree:dump",
                {"path": str(path.absolute())},
                folder,
                seconds=seconds,
            )
            tree = hdf5_tree.load(Path(folder))
        tree["type_check"] = False
        graph = nir.dict2NIRNode(tree)
        if not isinstance(graph, nir.NIRGraph):
            raise NirError(f"it is a {type(graph).__name__}, and no graph")
    except Exception as error:  # nir may raise anything on odd content
        kind = "" if isinstance(error, KNOWN) else f"{type(error).__name__}: "
        raise NirError(
            f"{path}: no NIR graph that nir {nir.version} can read ({kind}{error})"
        ) from error
    return graph
