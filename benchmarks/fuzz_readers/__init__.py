"""Readers of the fuzz campaign: each makes undamaged files once, then damages and reads one at a time.

    READERS[name](folder) -> attempt(numbers) -> "refused", "same", "read", or "WRONG: ..."

Accidental damage changes bytes. Deliberate edits make every hash anew, as anybody's program could.
"""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

from fuzz_readers.damage import Attempt

NEEDED = {
    "event_files": None,
    "sample_files": "h5py",
    "own_spikes": None,
    "label_tables": None,
    "cues": None,
    "mat_files": "scipy",
    "archives": None,
    "image_sets": None,
    "image_files": "PIL",
    "sounds": None,
    "vectors": None,
    "runs": None,
    "networks": None,
    "caches": None,
    "memory": None,
    "nir_graphs": "nir",
    "floats": "torch",
}
"""Modules of this folder, and the package without which one is left out."""
READERS: dict[str, Callable[[Path], Attempt]] = {}
for _module, _package in NEEDED.items():
    if _package is None or importlib.util.find_spec(_package) is not None:
        READERS |= importlib.import_module(f"{__name__}.{_module}").READERS
