"""What does a data set have to be able to do, and who does it?

A source knows its labels, names its content, and turns chosen samples into frames or events: Shown
for images in front of the simulated camera, Recorded for files of a real one.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from neurosim.data import events, frames
from neurosim.data.camera import camera
from neurosim.data.events import Events
from neurosim.data.images import PARTS, Images
from neurosim.data.sets import nmnist


class Source(Protocol):
    """Samples in two parts, "train" and "test", numbered from 0."""

    labels: dict[str, NDArray[np.uint8]]

    def content(self) -> str:
        """A sha256 over everything that decides the samples, in hex."""

    def bits(
        self, part: str, numbers: NDArray[np.int64], take: int, seed: int, steps: int, pool: int
    ) -> NDArray[np.uint64]:
        """Bits of Frames for the samples `numbers`."""

    def events(self, part: str, number: int, take: int, seed: int) -> Events:
        """The events of one sample."""


def split_word(part: str, take: int) -> int:
    """The camera's split counter: which part, and which take of it."""
    return 2 * take + PARTS.index(part)


class Shown:
    """Images shown to the simulated camera."""

    def __init__(self, images: Images) -> None:
        self.images = images
        self.labels = images.labels

    def content(self) -> str:
        digest = hashlib.sha256(repr(camera.CAMERA).encode())
        for part in PARTS:
            digest.update(repr(self.images.pixels[part].shape).encode())
            digest.update(self.images.pixels[part].data)
            digest.update(self.labels[part].data)
        return digest.hexdigest()

    def bits(
        self, part: str, numbers: NDArray[np.int64], take: int, seed: int, steps: int, pool: int
    ) -> NDArray[np.uint64]:
        pixels = self.images.pixels[part][numbers]
        split = split_word(part, take)
        return camera.bits(pixels, seed, split=split, indices=numbers, steps=steps, pool=pool)

    def events(self, part: str, number: int, take: int, seed: int) -> Events:
        pixels = self.images.pixels[part][number : number + 1]
        return camera.record(pixels, seed, split=split_word(part, take), indices=[number])[0]


class Recorded:
    """Files of a real camera, in N-MNIST's layout."""

    def __init__(self, folder: Path) -> None:
        self.files: dict[str, Sequence[Path]] = {}
        self.labels = {}
        for part in PARTS:
            self.files[part], self.labels[part] = nmnist.files(folder, part)

    def content(self) -> str:
        digest = hashlib.sha256()
        for part in PARTS:
            for path in self.files[part]:
                digest.update(f"{part}/{path.parent.name}/{path.name}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def bits(
        self, part: str, numbers: NDArray[np.int64], take: int, seed: int, steps: int, pool: int
    ) -> NDArray[np.uint64]:
        recordings = [events.read(self.files[part][number]) for number in numbers]
        return frames.from_events(
            recordings, self.labels[part][numbers], steps=steps, pool=pool
        ).bits

    def events(self, part: str, number: int, take: int, seed: int) -> Events:
        return events.read(self.files[part][number])
