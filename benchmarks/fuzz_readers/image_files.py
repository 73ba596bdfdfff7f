"""Picture files, by Pillow."""

import random
from pathlib import Path

import mutations
import numpy as np
from PIL import Image

from fuzz_readers.damage import Attempt
from neurosim.data.grey import read_file
from neurosim.data.source import SourceError


def image_file(folder: Path) -> Attempt:
    """A picture file, by Pillow."""
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30), np.uint8)
    seeds = []
    for suffix in (".png", ".jpg", ".bmp", ".gif", ".tif", ".pgm"):
        Image.fromarray(pixels).save(folder / f"whole{suffix}")
        seeds.append((suffix, (folder / f"whole{suffix}").read_bytes()))

    def attempt(numbers: random.Random) -> str:
        suffix, whole = numbers.choice(seeds)
        file = folder / f"a{suffix}"
        file.write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            found = read_file(file)
        except SourceError:
            return "refused"
        return "read" if found.dtype == np.uint8 and found.ndim == 2 else "WRONG: no image"

    return attempt


READERS = {"image-file": image_file}
