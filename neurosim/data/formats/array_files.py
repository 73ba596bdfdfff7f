"""NumPy's .npy and .npz files from unknown sources, read without trust in their headers.

Sizes are compared with the bytes of the file before memory is allocated, pickles are refused, and any error
of the libraries on a damaged archive becomes an EventFileError.
"""

import io
import math
import os
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from neurosim.data.formats.recording import EventFileError
from neurosim.data.formats.source import Source

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK\x03\x04"
MAX_BYTES = 1 << 28
"""Bytes that all arrays of a file may have together unless a caller allows more. Chosen here, because
with the events made of them, and while these are sorted, they stay below 1 GB."""
_STORED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
_FAULTS = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OverflowError,
    OSError,
    SyntaxError,
    RuntimeError,
    NotImplementedError,
    RecursionError,
    MemoryError,
    zlib.error,
    zipfile.BadZipFile,
    tokenize.TokenError,
    UnicodeError,
    AttributeError,
)
"""Exceptions of NumPy and zipfile on damaged bytes, as observed."""


@contextmanager
def _damage_reported(source: Source, what: str, offset: int | None = 0) -> Iterator[None]:
    try:
        yield
    except EventFileError:
        raise
    except _FAULTS as error:
        text = (str(error).splitlines() or [""])[0][:200]
        raise source.error(
            f"{what} ({type(error).__name__}: {text}); the file is damaged: fetch it again", offset
        ) from error


def load(path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES) -> dict[str, NDArray[Any]]:
    """The arrays of a .npz file by name, or the array of a .npy file under the name "".

    Raises EventFileError where the file is damaged, claims more than `max_bytes`, or holds objects.
    """
    with Source(path) as source:
        magic = source.head(len(NPY_MAGIC))
        if magic == NPY_MAGIC:
            file = io.BufferedReader(io.FileIO(source.path))
            with file, _damage_reported(source, "no array can be read"):
                return {"": _array(source, file, source.size, max_bytes, "the array", 0)}
        if magic.startswith(ZIP_MAGIC):
            return _archive(source, max_bytes)
        raise source.error(f"begins with {magic!r}; needed is a .npy or .npz file", 0)


def _archive(source: Source, max_bytes: int) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {}
    left = max_bytes
    with _damage_reported(source, "no archive of arrays"), zipfile.ZipFile(source.path) as archive:
        for info in archive.infolist():
            name = f"member {info.filename!r}"
            if info.is_dir():
                continue
            if info.compress_type not in _STORED or info.flag_bits & _ENCRYPTED:
                raise source.error(
                    f"{name} is encrypted or packed by method {info.compress_type}; read are stored "
                    f"and deflated members",
                    info.header_offset,
                )
            with _damage_reported(source, f"{name} cannot be read", info.header_offset):
                with archive.open(info) as file:
                    array = _array(source, file, info.file_size, left, name, info.header_offset)
                    if file.read(1):
                        raise source.error(f"{name} holds more than its array", info.header_offset)
                left -= array.nbytes
                key = Path(info.filename).name.removesuffix(".npy")
                if key in arrays:
                    raise source.error(f"two arrays are called {key!r}", info.header_offset)
                arrays[key] = array
    if not arrays:
        raise source.error("an archive without arrays", 0)
    return arrays


def _array(
    source: Source, file: IO[bytes], size: int, max_bytes: int, name: str, offset: int
) -> NDArray[Any]:
    """One array from a stream of `size` bytes."""
    version = npy.read_magic(file)
    readers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in readers:
        raise source.error(f"{name} is of npy version {version}; read are 1.0 and 2.0", offset)
    shape, fortran, dtype = readers[version](file)
    if dtype.hasobject:
        raise source.error(f"{name} holds Python objects; needed are numbers", offset)
    needed = math.prod(shape) * dtype.itemsize
    if not 0 <= needed <= min(size, max_bytes):
        limit = "the file has" if needed > size else "are allowed at once"
        raise source.error(
            f"{name} claims shape {shape} of {dtype}: {needed:,} bytes; {min(size, max_bytes):,} "
            f"{limit}",
            offset,
        )
    raw = file.read(needed)
    if len(raw) != needed:
        raise source.error(f"{name} has {len(raw):,} of {needed:,} bytes; it is cut short", offset)
    flat = np.frombuffer(raw, dtype) if needed else np.zeros(math.prod(shape), dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)
