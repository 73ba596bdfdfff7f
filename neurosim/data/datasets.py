"""Data sets by name: splits, frames of each split, and the properties of the set: sensor, classes, window.

    digits            scikit-learn's 1,797 handwritten digits, shown to the simulated camera
    images:PATH       any images of an .npz file or of class folders, shown to the camera
    nmnist:PATH ...   recordings of event cameras and other sensors: neurosim/data/sets has a file each

A tenth of the training samples, chosen by `seed`, is the validation set (of N-MNIST's 60,000: 6,000),
where a data set has none of its own. Frames are made once and kept in the cache folder.
"""

import functools
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data import cache, frames
from neurosim.data.events import Events
from neurosim.data.frames import Binning, Frames
from neurosim.data.labels import found, shown
from neurosim.data.labels import relabelled as number
from neurosim.data.sensor import Sensor
from neurosim.data.sets import ENTRIES, NAMES
from neurosim.data.sets.base import Options, crop_of, plane_of
from neurosim.data.source import EventSource, merged
from neurosim.data.splits import VALIDATION_SHARE, shuffled
from neurosim.data.unfinished import Unfinished
from neurosim.storage import StorageError

__all__ = [
    "NAMES",
    "Dataset",
    "DatasetError",
    "Options",
    "events",
    "load",
    "relabelled",
    "shuffled",
    "source",
    "usable",
]

Progress = Callable[[int, int, str], None]
"""Called as progress(done, of, what)."""
RECORDINGS_PER_IMAGE = {"digits": 4}
"""Recordings the camera makes of each training image, 1 where not named: four times 1,294 digits
are enough to learn from, chosen here."""
MEMORY_SHARE = 0.5
"""Share of a machine's memory that frames may take unless `$NEUROSIM_MEMORY` (GiB) says otherwise:
training holds about as much again. Chosen here."""


class DatasetError(ValueError):
    """A data set that cannot be loaded. The message says what came, what is allowed, what to do."""


class Dataset(NamedTuple):
    """Frames of three splits; samples are in an order that mixes the classes.

    class_names  one a label            sensor  what the network sees: after crop and pooling
    steps        time bins of a sample  window_us  the time they cut
    key          sha256 over the frames and the parameters: equal keys, equal data
    notes        messages for the user
    """

    name: str
    train: Frames
    validation: Frames
    test: Frames
    class_names: tuple[str, ...]
    sensor: Sensor
    steps: int
    window_us: int
    key: str
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    def splits(self) -> dict[str, Frames]:
        """Frames by the name of their split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def source(name: str, folder: Path | None = None, options: Options | None = None) -> EventSource:
    """The source of a name. DatasetError for an option that it cannot use."""
    options = options or Options()
    kind, colon, place = name.partition(":")
    entry = ENTRIES.get(kind)
    if entry is None or not (kind in entry.forms if not colon else place and entry.takes_place):
        raise DatasetError(f"data set {name!r} is not known; names are {', '.join(NAMES)}")
    for option in options.given():
        if option not in entry.options:
            usable = ", ".join(f"--{one}" for one in sorted(entry.options)) or "none"
            raise DatasetError(
                f"data set {name!r} cannot use --{option}; leave it out (options it can use: {usable})"
            )
    try:
        return entry.open(place, options, folder)
    except (ValueError, OSError, ImportError) as error:
        raise DatasetError(f"data set {name!r}: {error}") from error


def _splits(behind: EventSource, seed: int) -> dict[str, tuple[str, NDArray[np.int64]]]:
    """Part and sample numbers of each split."""
    order = shuffled(len(behind.labels["train"]), seed)
    test = ("test", np.arange(len(behind.labels["test"])))
    if "validation" in behind.labels:
        own = ("validation", np.arange(len(behind.labels["validation"])))
        return {"train": ("train", order), "validation": own, "test": test}
    validation = max(1, len(order) // VALIDATION_SHARE)
    return {
        "train": ("train", order[validation:]),
        "validation": ("train", order[:validation]),
        "test": test,
    }


def _check_samples(name: str, behind: EventSource) -> None:
    for part, labels in behind.labels.items():
        if not len(labels):
            raise DatasetError(f"data set {name!r}: no samples in {part}; at least one is needed")
    if "validation" not in behind.labels and len(behind.labels["train"]) < 2:
        raise DatasetError(
            f"data set {name!r}: {len(behind.labels['train'])} sample to train with; at least 2 are "
            f"needed, one of them to validate"
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


class _Wanted(NamedTuple):
    """Parameters of frames, apart from the source."""

    name: str
    seed: int
    recordings: int
    into: Binning


class _Job(NamedTuple):
    """Samples of one part, in the order of their numbers, and the places of their frames.

    place   int64 (sample,): row in the frames of the split    split  str (sample,)
    """

    part: str
    recording: int
    numbers: NDArray[np.int64]
    split: NDArray[np.str_]
    place: NDArray[np.int64]


def _jobs(behind: EventSource, wanted: _Wanted) -> tuple[list[_Job], dict[str, int]]:
    """Samples to be made, ordered so that neighbours in a file are read together; and each split's size."""
    pieces: dict[tuple[str, int], list[tuple[NDArray[np.int64], str, int]]] = {}
    sizes: dict[str, int] = {}
    for split, (part, numbers) in _splits(behind, wanted.seed).items():
        for recording in range(wanted.recordings if split == "train" else 1):
            begin = sizes.get(split, 0)
            pieces.setdefault((part, recording), []).append((numbers, split, begin))
            sizes[split] = begin + len(numbers)
    jobs = []
    for (part, recording), some in pieces.items():
        numbers = np.concatenate([numbers for numbers, _, _ in some])
        owner = np.concatenate([np.full(len(numbers), name) for numbers, name, _ in some])
        place = np.concatenate([begin + np.arange(len(numbers)) for numbers, _, begin in some])
        order = np.argsort(numbers, kind="stable")
        jobs.append(_Job(part, recording, numbers[order], owner[order], place[order]))
    return jobs, sizes


def _make(
    behind: EventSource, wanted: _Wanted, progress: Progress | None, unfinished: Unfinished
) -> dict[str, Frames]:
    earlier = unfinished.notes()
    jobs, sizes = _jobs(behind, wanted)
    total, done = sum(sizes.values()), 0
    bits = {split: frames.empty(size, wanted.into) for split, size in sizes.items()}
    labels = {split: np.empty(size, np.uint16) for split, size in sizes.items()}
    shown = progress or (lambda done, of, what: None)
    what, announced = f"{wanted.name}: events to frames", False
    for job in jobs:
        for begin in range(0, len(job.numbers), behind.chunk):
            chunk = slice(begin, begin + behind.chunk)
            numbers, split, place = job.numbers[chunk], job.split[chunk], job.place[chunk]
            name = f"{job.part}-{job.recording}-{begin}"
            made = unfinished.get(name, len(numbers))
            if made is None:
                if not announced:
                    shown(done, total, what)
                    announced = True
                made = behind.bits(job.part, numbers, job.recording, wanted.seed, wanted.into)
                unfinished.put(name, made, merged(earlier, behind.said.notes()))
            for owner in np.unique(split).tolist():
                mine = split == owner
                bits[owner][place[mine]] = made[mine]
                labels[owner][place[mine]] = behind.labels[job.part][numbers[mine]]
            done += len(numbers)
            if announced:
                shown(done, total, what)
    return {split: Frames(bits[split], labels[split], wanted.into.plane.inputs) for split in bits}


def _memory() -> float:
    """Bytes that frames may take."""
    given = os.environ.get("NEUROSIM_MEMORY")
    if given:
        try:
            return float(given) * (1 << 30)
        except ValueError as error:
            raise DatasetError(
                f"NEUROSIM_MEMORY is {given!r}; needed is a number of GiB"
            ) from error
    try:
        return MEMORY_SHARE * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return float(8 << 30)


def _check_memory(behind: EventSource, wanted: _Wanted) -> None:
    samples = sum(_jobs(behind, wanted)[1].values())
    words = frames.words_for(wanted.into.plane.inputs)
    needed, allowed = samples * wanted.into.steps * words * 8, _memory()
    if needed > allowed:
        raise DatasetError(
            f"data set {wanted.name!r}: frames of {samples:,} samples, {wanted.into.steps} steps and "
            f"{wanted.into.plane.inputs:,} inputs take {needed / (1 << 30):.1f} GiB; allowed are "
            f"{allowed / (1 << 30):.1f} (NEUROSIM_MEMORY sets it): use fewer --steps or a smaller "
            f"--sensor"
        )


def _key(splits: Mapping[str, Frames], parameters: str) -> str:
    """Labels below 256 count as one byte, so that keys of data sets of few classes stay what they were."""
    digest = hashlib.sha256(parameters.encode())
    few = all(not kept.labels.size or kept.labels.max() < 256 for kept in splits.values())
    for split, kept in splits.items():
        digest.update(f"{split} {kept.bits.shape} {kept.inputs}\0".encode())
        digest.update(np.ascontiguousarray(kept.bits).data)
        digest.update(np.ascontiguousarray(kept.labels.astype(np.uint8 if few else "<u2")).data)
    return digest.hexdigest()


def _binning(name: str, behind: EventSource, options: Options, steps: int, pool: int) -> Binning:
    """The bins that the options ask for."""
    about = behind.about
    window = about.window_us if options.window is None else options.window
    _check_number("window", window, 1, 1 << 40)
    crop, plane = crop_of(options.crop, about.sensor), plane_of(options.sensor, about.sensor)
    if ENTRIES[name.partition(":")[0]].native:
        plane = None
    return Binning(
        about.sensor,
        frames.divide(about.sensor, pool, plane, crop),
        steps,
        window,
        by_count=options.bins == "count",
        keep_late=about.keep_late and options.window is None,
    )


def load(
    name: str,
    *,
    steps: int = 10,
    pool: int = 1,
    seed: int = 0,
    options: Options | None = None,
    folder: Path | None = None,
    recordings_per_image: int | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """The data set of this name, from the cache where it has been made before.

    steps    time bins        pool  pixels joined along each axis: a divisor of both sides
    seed     of the split and of the camera's noise
    options  what else may be chosen; DatasetError for one that the data set cannot use
    folder   where `nmnist` is or goes   recordings_per_image  of each training image
    """
    options = options or Options()
    frames.check_steps(steps)
    recordings = (
        RECORDINGS_PER_IMAGE.get(name, 1) if recordings_per_image is None else recordings_per_image
    )
    _check_number("seed", seed, 0, (1 << 64) - 1)
    _check_number("recordings_per_image", recordings, 1, 1000)
    behind = source(name, folder, options)
    _check_samples(name, behind)
    if recordings > 1 and behind.recorded:
        raise DatasetError(
            f"data set {name!r}: recordings_per_image is {recordings}; recordings exist once, so "
            f"that it must be 1"
        )
    wanted = _Wanted(name, seed, recordings, _binned(name, behind, options, steps, pool))
    _check_memory(behind, wanted)
    kind = name.partition(":")[0]
    parameters = (
        f"{kind} {steps=} {pool=} {seed=} takes={recordings} window={wanted.into.window_us}"
        + "".join(f" {option}={value}" for option, value in sorted(options.given().items()))
    )
    splits, cache_notes = _cached(behind, wanted, parameters, progress)
    names = behind.about.class_names
    counted = [found(split, kept.labels, names) for split, kept in splits.items()]
    return Dataset(
        name=name,
        train=splits["train"],
        validation=splits["validation"],
        test=splits["test"],
        class_names=names,
        sensor=wanted.into.plane,
        steps=steps,
        window_us=wanted.into.window_us,
        key=_key(splits, parameters),
        notes=(
            f"{len(names)} classes: {shown(names)}",
            *counted,
            f"sensor: {behind.about.sensor}" + _seen(behind.about.sensor, wanted.into),
            *behind.about.notes,
            *cache_notes,
        ),
    )


def _seen(sensor: Sensor, into: Binning) -> str:
    """Text on the part of the sensor and of the time that frames contain."""
    smaller = "" if into.plane == sensor else f", seen as {into.plane}"
    bins = " of equally many events" if into.by_count else ""
    return f"{smaller}; {into.steps} bins{bins} in {into.window_us / 1000:g} ms"


def _binned(name: str, behind: EventSource, options: Options, steps: int, pool: int) -> Binning:
    try:
        return _binning(name, behind, options, steps, pool)
    except frames.FramesError:
        raise
    except ValueError as error:
        raise DatasetError(f"data set {name!r}: {error}") from error


def _cached(
    behind: EventSource, wanted: _Wanted, parameters: str, progress: Progress | None
) -> tuple[dict[str, Frames], Sequence[str]]:
    """Frames from the cache, or made and kept there; and messages for the user."""
    made_from = hashlib.sha256(f"{parameters} {behind.content()} {_recipe()}".encode()).hexdigest()
    kept = cache.load(made_from)
    if kept is not None:
        return kept[0], kept[1].get("notes", ())
    unfinished = Unfinished(made_from, wanted.into)
    earlier = unfinished.notes()
    splits = _make(behind, wanted, progress, unfinished)
    notes = merged(earlier, behind.said.notes())
    try:
        cache.save(made_from, splits, {**_about(wanted), "notes": notes})
    except StorageError as error:
        notes.append(f"frames are not kept: {error}; NEUROSIM_CACHE names another folder")
    unfinished.remove()
    return splits, notes


def _about(wanted: _Wanted) -> dict[str, Any]:
    """Description of these frames in the list of the cache."""
    return {
        "data": wanted.name,
        "steps": wanted.into.steps,
        "sensor": str(wanted.into.plane),
        "seed": wanted.seed,
    }


def usable(name: str, options: Options) -> Options:
    """Those of the options that a data set can use; for options that were chosen for another one."""
    entry = ENTRIES.get(name.partition(":")[0])
    if entry is None:
        return options
    unused = {name: Options._field_defaults[name] for name in set(options.given()) - entry.options}
    return options._replace(**unused)


def relabelled(data: Dataset, class_names: Sequence[str]) -> Dataset:
    """The same samples, their labels numbered as these names. DatasetError for a class without a name."""
    if data.class_names == tuple(class_names):
        return data
    try:
        train, validation, test = (
            kept._replace(
                labels=number(kept.labels, data.class_names, class_names, f"{data.name}, {split}")
            )
            for split, kept in data.splits().items()
        )
    except ValueError as error:
        raise DatasetError(str(error)) from error
    return data._replace(
        train=train, validation=validation, test=test, class_names=tuple(class_names)
    )


def events(
    name: str,
    split: str,
    index: int,
    *,
    seed: int = 0,
    recording: int = 0,
    folder: Path | None = None,
    options: Options | None = None,
) -> Events:
    """Raw events of one sample: load(name, seed=seed)'s `split`, at `index`.

    recording   which of an image's recordings
    """
    behind = source(name, folder, options)
    splits = _splits(behind, seed)
    if split not in splits:
        raise DatasetError(f"split {split!r} is not known; splits are {', '.join(splits)}")
    part, numbers = splits[split]
    if not 0 <= index < len(numbers):
        raise DatasetError(f"{split} of {name!r} has samples 0..{len(numbers) - 1}, not {index}")
    return behind.events(part, int(numbers[index]), recording, seed)
