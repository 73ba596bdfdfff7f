"""Data set `images:FILE.npz` or `images:FOLDER`: still images in front of a simulated camera.

    FILE.npz   train_x, train_y, test_x, test_y, or x_train ... as in Keras, or x and y alone
    FOLDER     a folder of images for each class, in train and test folders or not; text files
               train.txt and test.txt that list CLASS/FILE lines, in the folder or beside it

Without test images, a fifth of each class is kept for the test.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim import threads
from neurosim.data import grey
from neurosim.data.camera.camera import by_name
from neurosim.data.camera.images import Images
from neurosim.data.folders import Gathered
from neurosim.data.formats import array_files
from neurosim.data.formats.recording import EventFileError
from neurosim.data.labels import check_count, labelled
from neurosim.data.sets.base import ARRAY_BYTES, RECORDED, Entry, Options, path_of
from neurosim.data.sets.class_folders import class_files
from neurosim.data.source import PARTS, SimulatedSource, SourceError, content_of
from neurosim.data.splits import held_out, split_note

SIMULATED = RECORDED | {"camera"}
_IMAGES = ("x", "X", "images", "image", "data", "pixels")
_LABELS = ("y", "Y", "labels", "label", "targets", "target")
_NAMES = ("classes", "class_names", "label_names", "target_names", "names")
_PART_WORDS = {"train": ("train", "training"), "test": ("test", "testing")}


class ArrayImages:
    """Images in memory: uint8 (image, height, width) of each part."""

    def __init__(
        self,
        pixels: Mapping[str, NDArray[np.uint8]],
        labels: Mapping[str, NDArray[np.uint16]],
        class_names: tuple[str, ...],
        notes: Sequence[str] = (),
    ) -> None:
        self._pixels, self.labels = pixels, labels
        self.class_names, self.notes = class_names, tuple(notes)

    def content(self) -> str:
        digest = hashlib.sha256(repr(self.class_names).encode())
        for part in PARTS:
            digest.update(repr(self._pixels[part].shape).encode())
            digest.update(np.ascontiguousarray(self._pixels[part]).data)
            digest.update(np.ascontiguousarray(self.labels[part]).data)
        return digest.hexdigest()

    def pixels(self, part: str, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        return self._pixels[part][numbers]

    def without_first(self, count: int) -> "ArrayImages":
        """The same without the first `count` training images. SourceError where fewer than 2 are left."""
        left = len(self.labels["train"]) - count
        if left < 2:
            raise SourceError(
                f"skip is {count}; of {left + count} training images at least 2 must be left"
            )
        pixels = {**self._pixels, "train": self._pixels["train"][count:]}
        labels = {**self.labels, "train": self.labels["train"][count:]}
        note = f"the first {count:,} training images are left out"
        return ArrayImages(pixels, labels, self.class_names, (*self.notes, note))


class FileImages:
    """Image files, read when they are asked for."""

    def __init__(
        self,
        files: Mapping[str, Sequence[Path]],
        labels: Mapping[str, NDArray[np.uint16]],
        class_names: tuple[str, ...],
        notes: Sequence[str] = (),
    ) -> None:
        self._files, self.labels = files, labels
        self.class_names, self.notes = class_names, tuple(notes)

    def content(self) -> str:
        named = [
            (f"{part}/{self.class_names[label]}", path)
            for part in PARTS
            for path, label in zip(self._files[part], self.labels[part], strict=True)
        ]
        return content_of(named)

    def pixels(self, part: str, numbers: NDArray[np.int64]) -> Images:
        made: list[NDArray[np.uint8]] = [np.empty((0, 0), np.uint8)] * len(numbers)

        def work(begin: int, end: int) -> None:
            for place in range(begin, end):
                made[place] = grey.read_file(self._files[part][int(numbers[place])])

        threads.in_pieces(len(numbers), 8, work)
        return made


def simulated(images: ArrayImages | FileImages, options: Options) -> SimulatedSource:
    """Images in front of the camera that is asked for."""
    name = options.camera or "nmnist"
    return SimulatedSource(images, by_name(name), name)


def load_npz(path: Path) -> ArrayImages:
    """Images of an .npz file."""
    arrays = _arrays(path)
    names = next((arrays[name] for name in _NAMES if name in arrays), None)
    parts = {part: _pair(path, arrays, part) for part in PARTS}
    given = {part: pair for part, pair in parts.items() if pair is not None}
    if "train" not in given:
        given = {"train": _pair(path, arrays, None) or _refuse(path, arrays)}
    where = str(path)
    pixels, notes = grey.greys({f"{x}": arrays[x] for x, _ in given.values()}, where)
    by_part = {part: pixels[x] for part, (x, _) in given.items()}
    for part, (x, _) in given.items():
        if not len(by_part[part]):
            raise SourceError(f"{where}: {x} holds no image; each part needs at least one")
    counts = {part: len(images) for part, images in by_part.items()}
    labels = {part: arrays[y] for part, (_, y) in given.items()}
    classes = labelled(labels, counts, names, where)
    if "test" in given:
        return ArrayImages(by_part, classes.labels, classes.names, notes)
    test = held_out(classes.labels["train"])
    chosen = {"train": ~test, "test": test}
    return ArrayImages(
        {part: by_part["train"][mask] for part, mask in chosen.items()},
        {part: classes.labels["train"][mask] for part, mask in chosen.items()},
        classes.names,
        [*notes, split_note()],
    )


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        return array_files.load(path, max_bytes=ARRAY_BYTES)
    except EventFileError as error:
        raise SourceError(
            f"{path}: not a readable .npz file ({error.fault}); write it again"
        ) from error


def _pair(path: Path, arrays: Mapping[str, Any], part: str | None) -> tuple[str, str] | None:
    """Names of a part's images and labels, in any usual spelling, or None."""
    found = []
    for words in (_IMAGES, _LABELS):
        spellings = [
            spelt
            for word in words
            for spelt in (
                [word]
                if part is None
                else [
                    spelling
                    for name in _PART_WORDS[part]
                    for spelling in (f"{name}_{word}", f"{word}_{name}")
                ]
            )
        ]
        found.append(next((name for name in spellings if name in arrays), None))
    images, labels = found
    if images is not None and labels is not None:
        return images, labels
    if images is None and labels is None:
        return None
    return _refuse(
        path, arrays, f"{images or labels!r} without its {'labels' if images else 'images'}"
    )


def _refuse(
    path: Path, arrays: Mapping[str, Any], what: str = "no images with labels in it"
) -> tuple[str, str]:
    raise SourceError(
        f"{path}: {what} (found: {', '.join(arrays) or 'nothing'}); needed are "
        f"train_x, train_y, test_x, test_y, or x_train ..., or x and y alone"
    )


def load_folder(folder: Path) -> FileImages:
    """Image files of class folders."""
    gathered = Gathered()
    found = class_files(folder, lambda path: path.suffix.lower() in grey.SUFFIXES, gathered)
    check_count(found.names, str(folder))
    paths = [path for part in PARTS for path in found.files[part]]
    modes = [""] * len(paths)

    def work(begin: int, end: int) -> None:
        for place in range(begin, end):
            modes[place] = grey.probe_file(paths[place])

    threads.in_pieces(len(paths), 64, work)
    colour = [grey.LUMA_NOTE] if set(modes) - {"1", "L", "LA"} else []
    return FileImages(
        found.files, found.labels, found.names, [*colour, *found.notes, *gathered.notes()]
    )


def open_source(place: str, options: Options, folder: Path | None) -> SimulatedSource:
    """Images of a file or folder in front of the camera."""
    path = path_of(place)
    if path.is_dir():
        if options.skip is not None:
            raise SourceError(f"{path} is a folder, which has no order; skip needs an .npz file")
        return simulated(load_folder(path), options)
    if not path.is_file():
        raise SourceError(
            f"{path}: no such file or folder; images: needs an .npz file, or a folder with a folder "
            f"of images for each class"
        )
    images = load_npz(path)
    return simulated(
        images if options.skip is None else images.without_first(options.skip), options
    )


ENTRY = Entry("images", ("images:FILE.npz", "images:FOLDER"), SIMULATED | {"skip"}, open_source)
