"""Archives of arrays (.npz) from strangers: sizes are checked before anything is unpacked.

An .npz file is a zip of .npy files. Its directory says how large each member claims to be, each member's
header which array it claims to hold; both are checked against what is allowed, and against each other,
before memory is taken. No object arrays, no encryption, no compression but deflate: nothing is executed.
"""

import ast
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 1 << 29
"""Bytes that the arrays of a file may take unless a caller allows more. Chosen here: 512 MiB are nine
times the images of MNIST, and leave room for what is made of them below a gigabyte."""
MOST_MEMBERS = 4096
"""Arrays of a file; chosen here."""
_HEADER_BYTES = 10_000
"""The longest header of an .npy file that numpy itself reads."""
_KINDS = "biufcSU"
"""Kinds of numpy types that hold plain numbers or text."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_HEADER = re.compile(rb"\x93NUMPY([\x01-\x03])\x00")


class ArchiveError(ValueError):
    """A file that is no archive of plain arrays, or a damaged one. The message says why."""


_DAMAGE = (
    OSError, EOFError, ValueError, KeyError, IndexError, OverflowError, RecursionError, MemoryError,
    NotImplementedError, RuntimeError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip

Result = TypeVar("Result")


class _Array(NamedTuple):
    """What an .npy header says."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    start: int


def read_npz(
    path: str | os.PathLike[str],
    names: Sequence[str] | None = None,
    *,
    most_bytes: int = MOST_BYTES,
) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file by name; ArchiveError for whatever else is in it.

    names       those that are read, where they are there; None: all
    most_bytes  that they may take together
    """

    def read(archive: zipfile.ZipFile) -> dict[str, NDArray[Any]]:
        found = _members(archive)
        wanted = found if names is None else {name: found[name] for name in names if name in found}
        total = sum(info.file_size for info in wanted.values())
        if total > most_bytes:
            raise ArchiveError(
                f"its arrays take {total:,} bytes unpacked; allowed are {most_bytes:,}"
            )
        return {name: _array(archive, info) for name, info in wanted.items()}

    return _opened(path, read)


def names_of(path: str | os.PathLike[str]) -> list[str]:
    """Names of the arrays of an .npz file, in its order; ArchiveError where it is none."""
    return _opened(path, lambda archive: list(_members(archive)))


def _opened(path: str | os.PathLike[str], use: Callable[[zipfile.ZipFile], Result]) -> Result:
    """What `use` makes of the open archive; ArchiveError for what zipfile and zlib raise at a flipped bit."""
    try:
        with Path(path).open("rb") as file, zipfile.ZipFile(file) as archive:
            return use(archive)
    except ArchiveError:
        raise
    except _DAMAGE as error:
        raise ArchiveError(f"no readable .npz file ({error or type(error).__name__})") from error


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Members by the name of their array."""
    infos = archive.infolist()
    if len(infos) > MOST_MEMBERS:
        raise ArchiveError(f"{len(infos)} members; allowed are {MOST_MEMBERS}")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.removesuffix(".npy")
        if name in found:
            raise ArchiveError(f"two members are called {name!r}")
        found[name] = info
    return found


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    name = info.filename
    if info.flag_bits & _ENCRYPTED:
        raise ArchiveError(f"{name} is encrypted")
    if info.compress_type not in _METHODS:
        raise ArchiveError(f"{name} is compressed by method {info.compress_type}; known is deflate")
    if not name.endswith(".npy"):
        raise ArchiveError(f"{name} is no array (.npy)")
    with archive.open(info) as member:
        raw = member.read(info.file_size + 1)
    if len(raw) != info.file_size:
        raise ArchiveError(f"{name} has {len(raw)} bytes, and not the {info.file_size} announced")
    found = _header(name, raw)
    count = math.prod(found.shape)
    if found.start + count * found.dtype.itemsize != len(raw):
        raise ArchiveError(
            f"{name}: {found.shape} of {found.dtype} are not the {len(raw) - found.start} bytes there"
        )
    flat = (
        np.frombuffer(raw, found.dtype, count, found.start) if count else np.zeros(0, found.dtype)
    )
    # a copy, so that it can be written to, in this machine's order of bytes
    native = flat.astype(found.dtype.newbyteorder("="))
    return native.reshape(found.shape, order="F" if found.fortran else "C")


def _header(name: str, raw: bytes) -> _Array:
    """The header of an .npy file (numpy/lib/format.py, versions 1 to 3), every field checked."""
    version = _HEADER.match(raw)
    if version is None:
        raise ArchiveError(f"{name} is no .npy array")
    start = 10 if version[1] == b"\x01" else 12
    (length,) = struct.unpack("<H" if start == 10 else "<I", raw[8:start])
    if length > _HEADER_BYTES:
        raise ArchiveError(f"{name}: a header of {length} bytes; allowed are {_HEADER_BYTES}")
    text = raw[start : start + length].decode("utf-8" if version[1] == b"\x03" else "latin-1")
    try:
        fields = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError) as error:
        raise ArchiveError(f"{name}: its header cannot be read") from error
    if not isinstance(fields, dict) or set(fields) != {"descr", "fortran_order", "shape"}:
        raise ArchiveError(f"{name}: its header is not that of an array")
    shape, fortran = fields["shape"], fields["fortran_order"]
    sizes = shape if isinstance(shape, tuple) else ("?",)
    if len(sizes) > 32 or not all(type(n) is int and 0 <= n < 1 << 62 for n in sizes):
        raise ArchiveError(f"{name}: shape {str(shape)[:80]}; needed are whole numbers from 0 on")
    if type(fortran) is not bool:
        raise ArchiveError(f"{name}: fortran_order is {str(fortran)[:80]}; needed is True or False")
    return _Array(_dtype(name, fields["descr"]), sizes, fortran, start + length)


def _dtype(name: str, described: object) -> np.dtype[Any]:
    try:
        dtype = np.dtype(described) if isinstance(described, str) else None
    except (TypeError, ValueError, SyntaxError) as error:
        raise ArchiveError(f"{name}: type {str(described)[:80]} is not known") from error
    if dtype is None or dtype.kind not in _KINDS or dtype.hasobject or not dtype.itemsize:
        raise ArchiveError(
            f"{name}: type {str(described)[:80]}; needed are plain numbers or text, no objects"
        )
    return dtype
