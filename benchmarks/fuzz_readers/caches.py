"""Cached frames, and kept results of studies."""

import json
import os
import random
from pathlib import Path

import mutations
import numpy as np

from fuzz_readers.damage import Attempt, edited
from neurosim.app.experiments.store import Store
from neurosim.data import cache
from neurosim.data.frames import pack


def frame_cache(folder: Path) -> Attempt:
    """Cached frames: what is damaged is not there."""
    os.environ["NEUROSIM_CACHE"] = str(folder)

    numbers = np.random.default_rng(0)
    whole = {
        split: pack(numbers.integers(0, 2, (count, 3, 20), np.uint8), np.arange(count) % 5)
        for split, count in (("train", 9), ("validation", 2), ("test", 4))
    }
    cache.save("key", whole)
    place = cache.folder("key")
    kept = {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}

    def attempt(numbers: random.Random) -> str:
        name = "manifest.json" if numbers.random() < 0.5 else numbers.choice(sorted(kept))
        if name == "manifest.json" and numbers.random() < 0.3:
            (place / name).write_text(json.dumps(edited(json.loads(kept[name]), numbers)))
        else:
            (place / name).write_bytes(mutations.mutate(kept[name], numbers)[1])
        try:
            kept_splits = cache.load("key")
        finally:
            (place / name).write_bytes(kept[name])
        if kept_splits is None:
            return "refused"
        found = kept_splits[0]
        same = set(found) == set(whole) and all(
            np.array_equal(found[s].bits, whole[s].bits)
            and found[s].inputs == whole[s].inputs
            and np.array_equal(found[s].labels, whole[s].labels)
            for s in whole
        )
        return "same" if same else "WRONG: other frames"

    return attempt


def store(folder: Path) -> Attempt:
    """A kept result of a study: what is damaged is not there."""
    made, recipe = Store(folder), {"settings": {"seed": 3}, "measure": 2}
    result = {"test_accuracy": 0.9125, "curve": [{"step": 1}, {"step": 2}]}
    made.made("part", recipe, lambda: result)
    whole = made.path("part").read_bytes()

    def attempt(numbers: random.Random) -> str:
        if numbers.random() < 0.3:
            made.path("part").write_text(json.dumps(edited(json.loads(whole), numbers)))
        else:
            made.path("part").write_bytes(mutations.mutate(whole, numbers)[1])
        found = made.get("part", recipe)
        if found is None:
            return "refused"
        return "same" if found == result else "WRONG: another result"

    return attempt


READERS = {"frame-cache": frame_cache, "store": store}
