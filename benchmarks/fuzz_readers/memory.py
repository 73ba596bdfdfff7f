"""Folders of memory images."""

import json
import random
from pathlib import Path

import mutations
import numpy as np

from fuzz_readers.damage import Attempt, edited
from neurosim.data.frames import pack
from neurosim.export import memory_images
from neurosim.export.hdl import core
from neurosim.export.memory_images import ImageError
from neurosim.network import Network, NetworkError, Population, Weights
from neurosim.network.serialise import describe
from neurosim.storage import sealed


def _images(folder: Path) -> dict[str, bytes]:
    """Memory images of a small network, as `neurosim export --to hdl` writes them."""
    numbers = np.random.default_rng(0)
    made = Network.chain(6, [Population("a", 4, 60, dv=400), Population("b", 3, 60)])
    weights = Weights(
        tuple(numbers.integers(-50, 50, shape).astype(np.int8) for shape in ((6, 4), (4, 3))),
        (np.zeros(4, np.int16), np.zeros(3, np.int16)),
    )
    shown = pack(numbers.integers(0, 2, (2, 5, 6), np.uint8), [0, 1])
    about = {
        "network": describe(made),
        "parameters": {"STEPS": 5},
        "samples": {"split": "test", "labels": [0, 1]},
        "learning": None,
    }
    memory_images.write(
        folder / "hdl", about, core.images(made, weights, shown), {"params.vh": "//\n"}
    )
    return {path.name: path.read_bytes() for path in (folder / "hdl").iterdir()}


def memory_image(folder: Path) -> Attempt:
    """A folder of memory images of which a file is damaged."""
    kept, place = _images(folder), folder / "hdl"

    def attempt(numbers: random.Random) -> str:
        name = numbers.choice(sorted(kept))
        damaged = mutations.mutate(kept[name], numbers)[1]
        (place / name).write_bytes(damaged)
        try:
            memory_images.read(place)
        except ImageError:
            return "refused"
        finally:
            (place / name).write_bytes(kept[name])
        if damaged == kept[name]:
            return "same"
        whitespace = name == "manifest.json" and json.loads(damaged) == json.loads(kept[name])
        return "same" if whitespace else f"WRONG: damaged {name}"

    return attempt


def memory_image_edited(folder: Path) -> Attempt:
    """A folder of memory images with an odd manifest and true hashes, run again on the chip."""
    kept, place = _images(folder), folder / "hdl"
    manifest = json.loads(kept["manifest.json"])

    def attempt(numbers: random.Random) -> str:
        (place / "manifest.json").write_bytes(sealed(edited(manifest, numbers)))
        try:
            core.replay(memory_images.read(place))
        except (ImageError, NetworkError):
            return "refused"
        return "read"

    return attempt


READERS = {"memory": memory_image, "memory-edited": memory_image_edited}
