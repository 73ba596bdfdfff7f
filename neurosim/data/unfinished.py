"""Frames of a reading that was stopped: the next one of the same frames goes on after them.

The folder cache_root() / "unfinished" / key holds a file per chunk of samples: the sha256 of the rest, then
its bits as they lie in memory; and notes.json, what readers had to say of the files so far. Nothing is
written before a reading has taken KEEP_AFTER seconds. Where the folder cannot be written, nothing is kept.
"""

import contextlib
import json
import shutil
import time
from collections.abc import Sequence
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from neurosim.data import cache
from neurosim.data.frames import Binning, empty
from neurosim.storage import StorageError, parse_json, write_atomically

KEEP_AFTER = 30.0
"""Seconds of work that are lost at most, chosen here: a shorter reading writes its frames once."""
NOTES = "notes.json"


class Unfinished:
    """Chunks of the frames with this key."""

    def __init__(self, key: str, into: Binning) -> None:
        self._folder = cache.unfinished() / key
        self._into, self._began = into, time.monotonic()

    def get(self, name: str, samples: int) -> NDArray[np.uint64] | None:
        """The bits of a chunk of so many samples, or None where they are not there, or damaged."""
        bits = empty(samples, self._into)
        try:
            content = (self._folder / name).read_bytes()
        except OSError:
            return None
        if content[:32] != sha256(content[32:]).digest() or len(content) != 32 + bits.nbytes:
            return None
        bits[:] = np.frombuffer(content, bits.dtype, offset=32).reshape(bits.shape)
        return bits

    def put(self, name: str, bits: NDArray[np.uint64], notes: Sequence[str]) -> None:
        """Keep a chunk, and the notes of all so far."""
        if time.monotonic() - self._began < KEEP_AFTER:
            return
        content = np.ascontiguousarray(bits).tobytes()
        with contextlib.suppress(StorageError):
            write_atomically(self._folder / NOTES, json.dumps(list(notes)).encode())
            write_atomically(self._folder / name, sha256(content).digest() + content)

    def notes(self) -> list[str]:
        """What was said of the files of the chunks that are there."""
        try:
            found = parse_json((self._folder / NOTES).read_bytes())
        except (OSError, ValueError):
            return []
        return [line for line in found if isinstance(line, str)] if isinstance(found, list) else []

    def remove(self) -> None:
        """Remove all chunks: the frames are finished."""
        shutil.rmtree(self._folder, ignore_errors=True)
