"""Cache of finished frames, with a manifest of hashes that detects damaged files.

A folder cache_root() / "frames" / key holds <split>.npy files and, written last, manifest.json with the
sha256 of each and of itself. A folder without a manifest, or with a file that differs from it, is made
again. The cache is optional: where it cannot be written, frames are made each time.
"""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from neurosim.data.frames import Frames, words_for
from neurosim.data.source import file_sha256
from neurosim.storage import atomic_path, cache_root, parse_json, write_atomically

_MANIFEST = "manifest.json"
_CACHED, _KERNELS = re.compile(r"[0-9a-f]{64}"), re.compile(r"kernels-[0-9a-f]{16}")
_EXTENTS = re.compile(r"[0-9a-f]{64}\.json")
"""Names of what the cache keeps: frames, compiled kernels, extents of recordings."""


class Kept(NamedTuple):
    """One folder of cached frames: its size, and what its manifest says it holds ({} where damaged)."""

    folder: Path
    size: int
    about: dict[str, Any]


def root() -> Path:
    """Folder of all cached frames."""
    return cache_root() / "frames"


def unfinished() -> Path:
    """Folder of the frames of readings that were stopped."""
    return cache_root() / "unfinished"


def folder(key: str) -> Path:
    """Folder of the frames with this key."""
    return root() / key


def _digest(manifest: Mapping[str, Any]) -> str:
    content = {name: value for name, value in manifest.items() if name != "manifest_sha256"}
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def save(key: str, splits: Mapping[str, Frames], about: Mapping[str, Any] | None = None) -> None:
    """Keep the frames of every split. StorageError where they cannot be written; then nothing is left."""
    try:
        _save(key, splits, about or {})
    except BaseException:
        shutil.rmtree(folder(key), ignore_errors=True)
        raise


def _save(key: str, splits: Mapping[str, Frames], about: Mapping[str, Any]) -> None:
    digests = {}
    for split, frames in splits.items():
        for part, array in (("bits", frames.bits), ("labels", frames.labels)):
            name = f"{split}-{part}.npy"
            with atomic_path(folder(key) / name) as temporary, temporary.open("wb") as file:
                np.save(file, array, allow_pickle=False)
            digests[name] = file_sha256(folder(key) / name)
    manifest = {
        "key": key,
        "about": dict(about),
        "inputs": {split: frames.inputs for split, frames in splits.items()},
        "sha256": digests,
    }
    content = {**manifest, "manifest_sha256": _digest(manifest)}
    write_atomically(folder(key) / _MANIFEST, json.dumps(content, indent=1).encode())


def _manifest(place: Path) -> dict[str, Any] | None:
    """The manifest of a folder, or None where it is missing or changed."""
    try:
        manifest: dict[str, Any] = parse_json((place / _MANIFEST).read_bytes())
        whole = manifest["manifest_sha256"] == _digest(manifest) and manifest["key"] == place.name
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if whole else None


def load(key: str) -> tuple[dict[str, Frames], dict[str, Any]] | None:
    """The kept frames and what is said of them, or None where there are none or they are damaged."""
    place = folder(key)
    manifest = _manifest(place)
    if manifest is None:
        return None
    try:
        for name, digest in manifest["sha256"].items():
            if file_sha256(place / name) != digest:
                return None
        splits = {
            split: Frames(
                np.load(place / f"{split}-bits.npy", allow_pickle=False),
                np.load(place / f"{split}-labels.npy", allow_pickle=False),
                int(inputs),
            )
            for split, inputs in manifest["inputs"].items()
        }
        about = dict(manifest["about"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return (splits, about) if all(_usable(frames) for frames in splits.values()) else None


def _usable(frames: Frames) -> bool:
    """Whether kernels can be given these frames: their types, and the words that so many inputs take."""
    return (
        frames.inputs > 0
        and frames.bits.dtype == np.uint64
        and frames.bits.ndim == 3
        and frames.bits.shape[2] == words_for(frames.inputs)
        and frames.labels.dtype.kind == "u"
        and frames.labels.shape == frames.bits.shape[:1]
    )


def kept() -> Iterator[Kept]:
    """Every folder of cached frames."""
    if not root().is_dir():
        return
    for place in sorted(path for path in root().iterdir() if path.is_dir()):
        manifest = _manifest(place)
        yield Kept(place, size_of(place), {} if manifest is None else manifest["about"])


def size_of(place: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())


def kernels() -> list[Path]:
    """Folders of compiled kernels, those of other versions too."""
    return sorted(cache_root().glob("kernels-*"))


def clear(kernels_too: bool = False) -> int:
    """Remove all cached frames, finished or not, and extents of recordings; returns how many bytes they took.

    Files with names that the cache does not give are left: the folder may have had another use before.
    """
    places = [
        place
        for folder in (root(), unfinished())
        for place in _folders(folder)
        if _CACHED.fullmatch(place.name)
    ]
    places += [place for place in kernels() if kernels_too and _KERNELS.fullmatch(place.name)]
    files = [
        file for file in _entries(cache_root() / "recordings") if _EXTENTS.fullmatch(file.name)
    ]
    freed = sum(size_of(place) for place in places) + sum(file.stat().st_size for file in files)
    for place in places:
        shutil.rmtree(place)
    for file in files:
        file.unlink()
    return freed


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _folders(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if entry.is_dir() and not entry.is_symlink()]
