"""How is an array laid out for hardware tools, and how is a folder of such files trusted again?

    NAME.mem       $readmemh: a row of the array a line, hexadecimal, nothing else (AMD UG901)
    NAME.coe       the same rows for AMD's block memory generator, where a memory starts with them
    manifest.json  what each file holds, its width, and its sha256; written last

A row is one word: field k lies at bits `bits * k` and up, two's complement, so field 0 is lowest and
the last hexadecimal digit of a line belongs to it.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.storage import write_atomically

FORMAT = "neurosim-hdl/2"
MANIFEST = "manifest.json"


class ImageError(ValueError):
    """An array, a file or a folder that cannot be. The message names the file and what to do."""


class Image(NamedTuple):
    """One memory: `values` int64 (row, field) of `bits` bits each.

    starts_with  True where hardware starts with these rows: it gets a .coe twin
    """

    name: str
    values: NDArray[np.int64]
    bits: int
    signed: bool
    means: str
    starts_with: bool = False

    @staticmethod
    def of(
        name: str, values: ArrayLike, bits: int, means: str, *, signed: bool, start: bool = False
    ) -> "Image":
        """Check that every value fits: (row, field), or (row,) for one field a row."""
        array = np.asarray(values).astype(np.int64)
        array = array.reshape(len(array), -1)
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        if array.size and not low <= array.min() <= array.max() <= high:
            raise ImageError(
                f"{name}: values reach from {array.min()} to {array.max()}; "
                f"{bits} bits hold {low}..{high}"
            )
        return Image(name, array, bits, signed, means, start)

    def lines(self) -> list[str]:
        """One hexadecimal word a row."""
        width = self.values.shape[1] * self.bits
        digits = -(-width // 4)
        places = np.arange(self.bits)
        lines = []
        for row in self.values:
            bits = ((row[:, None] >> places) & 1).astype(np.uint8).reshape(-1)
            word = int.from_bytes(np.packbits(bits, bitorder="little").tobytes(), "little")
            lines.append(f"{word:0{digits}x}")
        return lines


def unpack(lines: Iterable[str], fields: int, bits: int, signed: bool) -> NDArray[np.int64]:
    """The values int64 (row, field) of lines of a .mem file."""
    rows = []
    for line in lines:
        octets = int(line, 16).to_bytes(-(-fields * bits // 8), "little")
        flat = np.unpackbits(np.frombuffer(octets, np.uint8), bitorder="little")
        weights = np.int64(1) << np.arange(bits, dtype=np.int64)
        if signed:
            weights[-1] = -weights[-1]
        rows.append(flat[: fields * bits].reshape(fields, bits).astype(np.int64) @ weights)
    return np.array(rows, np.int64).reshape(-1, fields)


def _coe(lines: list[str]) -> str:
    return (
        "memory_initialization_radix=16;\nmemory_initialization_vector=\n"
        + ",\n".join(lines)
        + ";\n"
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _own_hash(manifest: Mapping[str, Any]) -> str:
    content = {name: manifest[name] for name in manifest if name != "sha256"}
    return _sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())


def write(
    folder: Path, about: Mapping[str, Any], images: Iterable[Image], others: Mapping[str, str]
) -> dict[str, Any]:
    """Write the folder, whole or not at all; return the manifest.

    about   what the manifest says besides its files
    others  further text files, by name
    A folder that such an export left there before is replaced; any other is left alone.
    """
    _check_replaceable(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as made:
        new = Path(made) / "new"
        new.mkdir()
        files: dict[str, dict[str, Any]] = {}

        def put(name: str, text: str, **more: Any) -> None:
            write_atomically(new / name, text.encode())
            files[name] = {**more, "sha256": _sha256(text.encode())}

        for image in images:
            lines = image.lines()
            rows, fields = image.values.shape
            put(
                f"{image.name}.mem",
                "".join(line + "\n" for line in lines),
                means=image.means,
                rows=rows,
                fields=fields,
                bits=image.bits,
                signed=image.signed,
            )
            if image.starts_with:
                put(f"{image.name}.coe", _coe(lines))
        for name, text in others.items():
            put(name, text)
        manifest = {"format": FORMAT, **about, "files": files}
        manifest["sha256"] = _own_hash(manifest)
        write_atomically(new / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
        old = Path(made) / "old"
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise
    return manifest


def _check_replaceable(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ImageError(f"{folder} is a file; give --out a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).exists():
        raise ImageError(
            f"{folder} holds other files and no {MANIFEST}; give --out an empty or new folder"
        )


class Images(NamedTuple):
    """A folder whose every file has the hash its manifest records."""

    folder: Path
    manifest: dict[str, Any]

    def array(self, name: str) -> NDArray[np.int64]:
        """The values of NAME.mem: int64 (row, field)."""
        entry = self.manifest["files"][f"{name}.mem"]
        text = (self.folder / f"{name}.mem").read_text()
        return unpack(text.split(), entry["fields"], entry["bits"], entry["signed"])

    def holds(self, name: str) -> bool:
        return f"{name}.mem" in self.manifest["files"]


def read(folder: Path) -> Images:
    """Open a folder, every hash checked; the error names the file that does not agree."""
    file = folder / MANIFEST
    try:
        manifest = json.loads(file.read_bytes())
        files = manifest["files"]
        recorded = {str(name): str(files[name]["sha256"]) for name in files}
    except FileNotFoundError as error:
        raise ImageError(f"{folder} holds no memory images: {MANIFEST} is missing") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ImageError(f"{file} is damaged ({error!r}); export again") from error
    if manifest.get("format") != FORMAT:
        raise ImageError(
            f"{file}: format is {manifest.get('format')!r}; this version reads {FORMAT!r}; "
            f"use the version that wrote it, or export again"
        )
    if manifest.get("sha256") != _own_hash(manifest):
        raise ImageError(f"{file} was changed since it was written; restore it, or export again")
    for name, wanted in recorded.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise ImageError(f"{path} is missing, but {MANIFEST} lists it; export again")
        found = _sha256(path.read_bytes())
        if found != wanted:
            raise ImageError(
                f"{path} does not agree with {MANIFEST}: sha256 is {found}, recorded is {wanted}; "
                f"restore it, or export again"
            )
    return Images(folder, manifest)
