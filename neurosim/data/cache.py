"""Where are finished frames kept, and how is a damaged file noticed?

A folder cache_root() / "frames" / key holds <split>.npy files and, written last, manifest.json with the
sha256 of each. A folder without a manifest, or with a file that differs from it, is made again.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from neurosim.data.frames import Frames
from neurosim.storage import atomic_path, cache_root, write_atomically

_MANIFEST = "manifest.json"


def folder(key: str) -> Path:
    """Folder of the frames with this key."""
    return cache_root() / "frames" / key


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save(key: str, splits: Mapping[str, Frames]) -> None:
    """Keep the frames of every split."""
    digests = {}
    for split, frames in splits.items():
        for part, array in (("bits", frames.bits), ("labels", frames.labels)):
            name = f"{split}-{part}.npy"
            with atomic_path(folder(key) / name) as temporary, temporary.open("wb") as file:
                np.save(file, array, allow_pickle=False)
            digests[name] = _file_digest(folder(key) / name)
    manifest = {
        "inputs": {split: frames.inputs for split, frames in splits.items()},
        "sha256": digests,
    }
    write_atomically(folder(key) / _MANIFEST, json.dumps(manifest, indent=1).encode())


def load(key: str) -> dict[str, Frames] | None:
    """The kept frames, or None where there are none or they are damaged."""
    try:
        manifest = json.loads((folder(key) / _MANIFEST).read_bytes())
        for name, digest in manifest["sha256"].items():
            if _file_digest(folder(key) / name) != digest:
                return None
        return {
            split: Frames(
                np.load(folder(key) / f"{split}-bits.npy", allow_pickle=False),
                np.load(folder(key) / f"{split}-labels.npy", allow_pickle=False),
                int(inputs),
            )
            for split, inputs in manifest["inputs"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
