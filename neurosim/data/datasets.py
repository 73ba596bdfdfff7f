"""Which recordings does a name stand for, and how are they split?

    digits            scikit-learn's 1,797 handwritten digits, shown to the simulated camera
    images:PATH.npz   any images: train_x, train_y, test_x, test_y (uint8), shown to the camera
    nmnist            N-MNIST: downloaded through tonic, or used where it has been unpacked before
    nmnist:PATH       a folder in N-MNIST's layout: PATH/Train/<digit>/*.bin and PATH/Test/<digit>/*.bin

A tenth of the training samples, chosen by `seed`, is the validation set (of N-MNIST's 60,000: 6,000).
Frames are made once and kept in the cache folder.
"""

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data import cache, frames, images
from neurosim.data.events import HEIGHT, WIDTH, Events
from neurosim.data.frames import Frames
from neurosim.data.sets import nmnist
from neurosim.data.source import Recorded, Shown, Source
from neurosim.kernels import generator

Progress = Callable[[int, int, str], None]
"""Called as progress(done, of, what)."""
CLASSES = 10
CHUNK = 2000
"""Samples between two reports of progress: about a second of work, chosen here."""
VALIDATION_SHARE = 10
"""One training sample in ten: the paper's 6,000 of 60,000."""
TAKES = {"digits": 4}
"""Recordings the camera makes of each training image, 1 where not named: four times 1,294 digits
are enough to learn from, chosen here."""
NAMES = ("digits", "images:PATH.npz", "nmnist", "nmnist:PATH")


class DatasetError(ValueError):
    """A data set that cannot be had. The message says what came, what is allowed, what to do."""


class Dataset(NamedTuple):
    """Frames of three splits; samples are in an order that mixes the classes.

    sensor  height and width after pooling     steps  time bins of a sample
    key     sha256 over the frames and the parameters: equal keys, equal data
    """

    name: str
    train: Frames
    validation: Frames
    test: Frames
    classes: int
    sensor: tuple[int, int]
    steps: int
    key: str


def shuffled(count: int, seed: int) -> NDArray[np.int64]:
    """0..count-1 in an order that depends on `seed` alone, not on a library's version."""
    words = np.empty(count, np.uint64)
    generator.draw_blocks(words, generator.SHUFFLE, _SPLIT_LAYER, 0, 0, np.uint64(seed))
    return np.argsort(words, kind="stable")


_SPLIT_LAYER = 0x5117
"""Layer word of the shuffle that splits, so that it shares no bits with shuffles made in training."""


def source(name: str, folder: Path | None = None) -> Source:
    """What stands behind a name."""
    kind, _, path = name.partition(":")
    try:
        if name == "digits":
            return Shown(images.digits())
        if kind == "images" and path:
            return Shown(images.load_npz(Path(path).expanduser()))
        if name == "nmnist":
            return Recorded(nmnist.locate(folder))
        if kind == "nmnist" and path:
            return Recorded(Path(path).expanduser())
    except (images.ImagesError, nmnist.LayoutError) as error:
        raise DatasetError(f"data set {name!r}: {error}") from error
    raise DatasetError(f"data set {name!r} is not known; names are {', '.join(NAMES)}")


def _splits(behind: Source, seed: int) -> dict[str, tuple[str, NDArray[np.int64]]]:
    """Part and sample numbers of each split."""
    order = shuffled(len(behind.labels["train"]), seed)
    validation = len(order) // VALIDATION_SHARE
    return {
        "train": ("train", order[validation:]),
        "validation": ("train", order[:validation]),
        "test": ("test", np.arange(len(behind.labels["test"]))),
    }


def _check_labels(name: str, behind: Source) -> None:
    for part, labels in behind.labels.items():
        if labels.max() >= CLASSES:
            raise DatasetError(
                f"data set {name!r}: a label of {part} is {labels.max()}; allowed are 0..{CLASSES - 1}"
            )
    if len(behind.labels["train"]) < VALIDATION_SHARE:
        raise DatasetError(
            f"data set {name!r}: {len(behind.labels['train'])} samples to train with; "
            f"at least {VALIDATION_SHARE} are needed, one in {VALIDATION_SHARE} being kept to validate"
        )


def _check_number(what: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise DatasetError(f"{what} is {value!r}; allowed are integers {low}..{high}")


@functools.cache
def _recipe() -> str:
    """A hash of the data package and its kernels: frames made by other code are not reused."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    folders = package / "data", package / "kernels" / "data"
    sources = [source for folder in folders for source in sorted(folder.rglob("*.py"))]
    for source in (*sources, package / "kernels" / "generator.py"):
        digest.update(f"{source.relative_to(package)}\0".encode() + source.read_bytes())
    return digest.hexdigest()


def _make(
    name: str,
    behind: Source,
    seed: int,
    steps: int,
    pool: int,
    takes: int,
    progress: Progress | None,
) -> dict[str, Frames]:
    inputs = frames.sensor_inputs(pool)
    plan = [
        (split, part, numbers, take)
        for split, (part, numbers) in _splits(behind, seed).items()
        for take in range(takes if split == "train" else 1)
    ]
    total = sum(len(numbers) for _, _, numbers, _ in plan)
    done = 0
    pieces: dict[str, list[NDArray[np.uint64]]] = {}
    labels: dict[str, list[NDArray[np.uint8]]] = {}
    for split, part, numbers, take in plan:
        labels.setdefault(split, []).append(behind.labels[part][numbers])
        for begin in range(0, len(numbers), CHUNK):
            chunk = numbers[begin : begin + CHUNK]
            pieces.setdefault(split, []).append(behind.bits(part, chunk, take, seed, steps, pool))
            done += len(chunk)
            if progress is not None:
                progress(done, total, f"{name}: events to frames")
    return {
        split: Frames(np.concatenate(pieces[split]), np.concatenate(labels[split]), inputs)
        for split in pieces
    }


def _key(splits: dict[str, Frames], parameters: str) -> str:
    digest = hashlib.sha256(parameters.encode())
    for split, kept in splits.items():
        digest.update(f"{split} {kept.bits.shape} {kept.inputs}\0".encode())
        digest.update(np.ascontiguousarray(kept.bits).data)
        digest.update(np.ascontiguousarray(kept.labels).data)
    return digest.hexdigest()


def load(
    name: str,
    *,
    steps: int = 10,
    pool: int = 1,
    seed: int = 0,
    folder: Path | None = None,
    takes: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """The data set of this name, from the cache where it has been made before.

    steps  time bins        pool  pixels joined along each axis: 1, 2, 17 or 34
    seed   of the split and of the camera's noise
    folder where `nmnist` is or goes   takes  camera recordings of each training image
    """
    frames.check_steps(steps)
    frames.sensor_inputs(pool)
    takes = TAKES.get(name, 1) if takes is None else takes
    _check_number("seed", seed, 0, (1 << 64) - 1)
    _check_number("takes", takes, 1, 1000)
    behind = source(name, folder)
    _check_labels(name, behind)
    if takes > 1 and isinstance(behind, Recorded):
        raise DatasetError(f"data set {name!r}: takes is {takes}; recordings exist once, takes = 1")
    kind = name.partition(":")[0]
    parameters = f"{kind} {steps=} {pool=} {seed=} {takes=} window={frames.WINDOW_US}"
    made_from = hashlib.sha256(f"{parameters} {behind.content()} {_recipe()}".encode()).hexdigest()
    splits = cache.load(made_from)
    if splits is None:
        splits = _make(name, behind, seed, steps, pool, takes, progress)
        cache.save(made_from, splits)
    return Dataset(
        name=name,
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        classes=CLASSES,
        sensor=(HEIGHT // pool, WIDTH // pool),
        steps=steps,
        key=_key(splits, parameters),
    )


def events(
    name: str,
    split: str,
    index: int,
    *,
    seed: int = 0,
    take: int = 0,
    folder: Path | None = None,
) -> Events:
    """Raw events of one sample: load(name, seed=seed)'s `split`, at `index` of its take `take`."""
    behind = source(name, folder)
    splits = _splits(behind, seed)
    if split not in splits:
        raise DatasetError(f"split {split!r} is not known; splits are {', '.join(splits)}")
    part, numbers = splits[split]
    if not 0 <= index < len(numbers):
        raise DatasetError(f"{split} of {name!r} has samples 0..{len(numbers) - 1}, not {index}")
    return behind.events(part, int(numbers[index]), take, seed)
