"""Files of images in NumPy arrays."""

import random
from pathlib import Path

import mutations
import numpy as np

from fuzz_readers.damage import Attempt
from neurosim.data.sets.images import load_npz
from neurosim.data.source import SourceError


def images(folder: Path) -> Attempt:
    """An .npz file of images."""
    numbers = np.random.default_rng(0)
    arrays = {
        f"{part}_{axis}": numbers.integers(0, 200, (count, 8, 8), np.uint8)
        if axis == "x"
        else (np.arange(count) % 5).astype(np.uint8)
        for part, count in (("train", 20), ("test", 10))
        for axis in "xy"
    }
    file, seeds = folder / "a.npz", []
    for save in (np.savez, np.savez_compressed):
        save(file, **arrays)
        seeds.append(file.read_bytes())
    whole = load_npz(file).content()

    def attempt(numbers: random.Random) -> str:
        file.write_bytes(mutations.mutate(numbers.choice(seeds), numbers)[1])
        try:
            return "same" if load_npz(file).content() == whole else "WRONG: other images"
        except SourceError:
            return "refused"

    return attempt


READERS = {"images": images}
