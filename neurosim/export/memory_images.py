"""Memory images: arrays as files for hardware tools, in a folder with a manifest of hashes.

    NAME.mem       $readmemh: a word of the memory a line, hexadecimal, nothing else (AMD UG901)
    NAME.coe       the same words for AMD's block memory generator, where a memory starts with them
    manifest.json  what each file holds, its width, and its sha256; written last

A row of the array is one word, or several words of `word` fields each, the first fields first. Field k of a
word lies at bits `bits * k` and up, two's complement, so field 0 is lowest and the last hexadecimal digit of
a line belongs to it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.storage import (
    JsonError,
    content_sha256,
    folder_replaced,
    parse_json,
    write_atomically,
)

FORMAT = "neurosim-hdl/3"
FAMILY = "neurosim-hdl/"
"""How the format of every version begins."""
MANIFEST = "manifest.json"
BITS_AT_ONCE = 1 << 22
"""Bits that are packed at a time, one byte each; chosen here."""


class ImageError(ValueError):
    """An array, a file or a folder that is not valid. The message names the file and what to do."""


class Image(NamedTuple):
    """One memory: `values` int64 (row, field) of `bits` bits each.

    word         fields of a word: all of a row, or a number that divides them
    starts_with  True where hardware starts with these rows: it gets a .coe twin
    """

    name: str
    values: NDArray[np.int64]
    bits: int
    signed: bool
    means: str
    word: int
    starts_with: bool = False

    @staticmethod
    def of(
        name: str,
        values: ArrayLike,
        bits: int,
        means: str,
        *,
        signed: bool,
        word: int | None = None,
        start: bool = False,
    ) -> "Image":
        """Check that every value fits: (row, field), or (row,) for one field a row.

        word  fields of a word, which divide those of a row; None: a row is a word
        """
        array = np.asarray(values).astype(np.int64)
        array = array.reshape(len(array), -1)
        fields = array.shape[1]
        word = fields if word is None else word
        if word < 1 or fields % word:
            raise ImageError(
                f"{name}: words of {word} fields; they must divide the {fields} of a row"
            )
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        if array.size and not low <= array.min() <= array.max() <= high:
            raise ImageError(
                f"{name}: values reach from {array.min()} to {array.max()}; "
                f"{bits} bits hold {low}..{high}"
            )
        return Image(name, array, bits, signed, means, word, start)

    def lines(self) -> list[str]:
        """Hexadecimal words, row after row."""
        width = self.word * self.bits
        digits, octets = -(-width // 4), -(-width // 8)
        places = np.arange(self.bits)
        words = self.values.reshape(-1, self.word)
        at_once = max(1, BITS_AT_ONCE // width)
        lines = []
        for first in range(0, len(words), at_once):
            some = words[first : first + at_once]
            bits = ((some[:, :, None] >> places) & 1).astype(np.uint8).reshape(len(some), width)
            packed = np.packbits(bits, axis=1, bitorder="little")[:, ::-1]
            text = packed.tobytes().hex()
            ends = range(2 * octets, len(text) + 1, 2 * octets)
            lines += [text[end - digits : end] for end in ends]
        return lines


def unpack(lines: Iterable[str], fields: int, bits: int, signed: bool) -> NDArray[np.int64]:
    """The values int64 (word, field) of lines of a .mem file; ImageError where a line is none."""
    rows = []
    for line in lines:
        try:
            octets = int(line, 16).to_bytes(-(-fields * bits // 8), "little")
        except (ValueError, OverflowError) as error:
            raise ImageError(f"{line[:40]!r} is no word of {fields} x {bits} bits") from error
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


def write(
    folder: Path, about: Mapping[str, Any], images: Iterable[Image], others: Mapping[str, str]
) -> dict[str, Any]:
    """Write the folder, whole or not at all; return the manifest.

    about   what the manifest says besides its files
    others  further text files, by name
    A folder that holds one whole export and nothing else is replaced; any other is left alone.
    """
    with folder_replaced(folder, _check_replaceable) as new:
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
                word=image.word,
                bits=image.bits,
                signed=image.signed,
            )
            if image.starts_with:
                put(f"{image.name}.coe", _coe(lines))
        for name, text in others.items():
            put(name, text)
        manifest = {"format": FORMAT, **about, "files": files}
        manifest["sha256"] = content_sha256(manifest)
        write_atomically(new / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
    return manifest


def _check_replaceable(folder: Path) -> None:
    """Raise ImageError unless `folder` is empty, or holds the files of one export and nothing else."""
    if not folder.is_dir():
        raise ImageError(f"{folder} is a file; give --out a folder")
    found = {entry.name for entry in folder.iterdir()}
    if not found:
        return
    try:
        manifest = _manifest(folder)
        _check_files(folder, manifest)
    except ImageError as error:
        raise ImageError(
            f"{folder} is not replaced, since it is no whole export of memory images ({error}); "
            f"give --out an empty or new folder"
        ) from error
    written = {*manifest["files"], MANIFEST}
    if found - written:
        raise ImageError(
            f"{folder} is not replaced, since it also holds {', '.join(sorted(found - written)[:3])}; "
            f"give --out an empty or new folder"
        )


class Images(NamedTuple):
    """A folder whose every file has the hash its manifest records."""

    folder: Path
    manifest: dict[str, Any]

    def array(self, name: str) -> NDArray[np.int64]:
        """The values of NAME.mem: int64 (row, field); ImageError where there is no such file."""
        entry = self.manifest["files"].get(f"{name}.mem")
        if entry is None:
            raise ImageError(f"{self.folder} holds no {name}.mem; export again")
        text = (self.folder / f"{name}.mem").read_text(encoding="utf-8")
        words = unpack(text.split(), entry["word"], entry["bits"], entry["signed"])
        if words.size != entry["rows"] * entry["fields"]:
            raise ImageError(
                f"{self.folder / name}.mem holds {len(words)} words of {entry['word']}; {MANIFEST} says "
                f"{entry['rows']} rows of {entry['fields']}; export again"
            )
        return words.reshape(-1, entry["fields"])

    def holds(self, name: str) -> bool:
        """Whether there is a memory of that name."""
        return f"{name}.mem" in self.manifest["files"]


def read(folder: Path) -> Images:
    """Open a folder, every hash and size checked; the error names the file that does not agree."""
    manifest = _manifest(folder)
    if manifest["format"] != FORMAT:
        raise ImageError(_other_format(folder / MANIFEST, manifest["format"]))
    _check_files(folder, manifest)
    for name, entry in manifest["files"].items():
        if name.endswith(".mem"):
            _check_entry(folder / name, entry)
    return Images(folder, manifest)


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an export by this or another version, its own hash checked."""
    file = folder / MANIFEST
    try:
        manifest = parse_json(file.read_bytes())
    except FileNotFoundError as error:
        raise ImageError(f"{folder} holds no memory images: {MANIFEST} is missing") from error
    except (OSError, JsonError) as error:
        raise ImageError(f"{file} is damaged ({error}); export again") from error
    if not isinstance(manifest, dict) or not str(manifest.get("format")).startswith(FAMILY):
        found = manifest.get("format") if isinstance(manifest, dict) else None
        raise ImageError(_other_format(file, found))
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(one, dict) for one in files.values()):
        raise ImageError(f"{file} is damaged: it lists no files; export again")
    if manifest.get("sha256") != content_sha256(manifest):
        raise ImageError(f"{file} was changed since it was written; restore it, or export again")
    return manifest


def _other_format(file: Path, found: object) -> str:
    return (
        f"{file}: format is {found!r}; this version reads {FORMAT!r}; "
        f"use the version that wrote it, or export again"
    )


def _check_files(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Raise ImageError unless every file of the manifest is in `folder` and has the hash it records."""
    for name, entry in manifest["files"].items():
        path = folder / name
        if Path(name).name != name or name in ("", ".", ".."):
            raise ImageError(
                f"{folder / MANIFEST} is damaged: {name!r} is no entry of a file; export again"
            )
        if not path.is_file():
            raise ImageError(f"{path} is missing, but {MANIFEST} lists it; export again")
        found = _sha256(path.read_bytes())
        if found != entry.get("sha256"):
            raise ImageError(
                f"{path} does not agree with {MANIFEST}: sha256 is {found}, recorded is "
                f"{entry.get('sha256')}; restore it, or export again"
            )


def _check_entry(path: Path, entry: Mapping[str, Any]) -> None:
    """Raise ImageError unless the file has as many bytes as its rows of fields take."""
    sizes: list[Any] = [entry.get(name) for name in ("rows", "fields", "word", "bits")]
    rows, fields, word, bits = sizes
    whole = all(type(value) is int and value >= 0 for value in sizes)
    divides = whole and word >= 1 and fields >= 1 and fields % word == 0
    if not divides or not 1 <= bits <= 64 or type(entry.get("signed")) is not bool:
        raise ImageError(
            f"{path}: {MANIFEST} says rows {rows!r}, fields {fields!r}, word {word!r}, bits {bits!r}, signed "
            f"{entry.get('signed')!r}; allowed are whole numbers, 1 field or more of 1..64 bits, a word that "
            f"divides the fields, and true or false; export again"
        )
    needed = rows * (fields // word) * (-(-word * bits // 4) + 1)
    size = path.stat().st_size
    if size != needed:
        raise ImageError(
            f"{path}: {size} bytes; {rows} rows of {fields} x {bits} bits, in words of {word}, are {needed}"
        )
