"""Data set `spikes:FILE.npz` or `spikes:FILE.h5`: one's own spikes, as arrays of steps or lists of times.

Arrays, for each part "train" and "test" (train_x, x_train, ...) or without parts (x, y):

    x  (sample, step, input)                        0 and 1 of any dtype
    x  (sample, step, polarity, row, column)        the same on a plane
    x  (sample, step, octet) uint8, with `inputs`   packed by np.packbits(x, axis=-1)
    y  (sample,)                                    labels, integers or text

Lists, with the same prefixes:

    times, units  (spike,)      microseconds if integers, seconds if floats; inputs from 0 on
    samples       (spike,)      the sample of each spike, from 0 on
    y             (sample,)

and once a file, all optional: inputs, plane (row, column) or (polarity, row, column), step_us (1000),
window_us, classes (names), bitorder. HDF5 files hold the same data sets by name, or spikes/times,
spikes/units and labels as SHD's do.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats import array_files, isolated, spike_hdf5
from neurosim.data.formats.recording import EVENT, Events, columns_to_events
from neurosim.data.formats.source import Source
from neurosim.data.labels import Labelled, check_count, labelled
from neurosim.data.sensor import MOST, Sensor, channels
from neurosim.data.sets.base import ARRAY_BYTES, Entry, Options, path_of
from neurosim.data.sets.hdf5_spikes import SpikeFiles
from neurosim.data.source import PARTS, About, Recordings, Said, SourceError, content_of
from neurosim.data.splits import held_out, split_note

LONGEST_SECONDS = 1e9
"""Times in seconds; chosen here: thirty years, which microseconds in 53 bits hold."""
STEP_US = 1000
"""What a step stands for where a file does not say it; of use only to speak of windows."""
_OPTIONS = frozenset(("sensor", "crop", "window", "bins"))
_X = ("x", "X", "spikes", "data")
_Y = ("y", "Y", "labels", "label", "targets")
_HDF5 = (".h5", ".hdf5")


class Steps(NamedTuple):
    """Dense or packed spikes: uint8 (sample, step, octet), bits in the order of np.packbits."""

    octets: NDArray[np.uint8]
    inputs: int
    bitorder: Literal["big", "little"]
    step_us: int

    def events(self, number: int) -> NDArray[np.int64]:
        """Times and inputs, int64 (2, spike)."""
        bits = np.unpackbits(
            self.octets[number],
            axis=-1,
            count=self.inputs,
            bitorder=self.bitorder,
        )
        step, unit = np.nonzero(bits)
        return np.stack([step * self.step_us, unit])

    @property
    def window_us(self) -> int:
        """All steps."""
        return self.octets.shape[1] * self.step_us

    def __len__(self) -> int:
        return len(self.octets)


class Lists(NamedTuple):
    """Lists of spikes, ordered by sample, then time: t and unit int64 (spike,); start (sample + 1,)."""

    t: NDArray[np.int64]
    unit: NDArray[np.int64]
    start: NDArray[np.int64]

    def events(self, number: int) -> NDArray[np.int64]:
        """Times and inputs, int64 (2, spike)."""
        place = slice(int(self.start[number]), int(self.start[number + 1]))
        return np.stack([self.t[place], self.unit[place]])

    @property
    def window_us(self) -> int:
        """Up to the last spike of all."""
        return int(self.t.max()) + 1 if len(self.t) else 1

    def __len__(self) -> int:
        return len(self.start) - 1


class SpikeArrays(Recordings):
    """Spikes in memory."""

    chunk = 2000

    def __init__(
        self,
        about: About,
        spikes: Mapping[str, Steps | Lists],
        numbers: Mapping[str, NDArray[np.int64]],
        labels: Mapping[str, NDArray[np.uint16]],
        path: Path,
    ) -> None:
        self.about, self.labels, self._path = about, labels, path
        self._spikes, self._numbers, self.said = spikes, numbers, Said()

    def content(self) -> str:
        return content_of([("/".join(self.about.class_names), self._path)])

    def one(self, part: str, number: int) -> Events:
        t, unit = self._spikes[part].events(int(self._numbers[part][number]))
        sensor = self.about.sensor
        rest, x = np.divmod(unit, sensor.width)
        p, y = np.divmod(rest, sensor.height)
        return columns_to_events(t, x, y, p) if len(t) else np.empty(0, EVENT)


def _load(path: Path) -> dict[str, NDArray[Any]]:
    if path.suffix.lower() not in _HDF5:
        return array_files.load(path, max_bytes=ARRAY_BYTES)
    with Source(path) as source, tempfile.TemporaryDirectory(prefix="neurosim-") as folder:
        names = isolated.run(source, f"{__name__}:dump", folder)
        return {name: np.load(Path(folder) / f"{n}.npy") for n, name in enumerate(names)}


def dump(path: str, folder: Path) -> list[str]:
    """Within a child process: every data set of an HDF5 file as a .npy file; returns their names."""
    import h5py

    names: list[str] = []
    with h5py.File(path, "r") as file:
        for name in file:
            data = file.get(name)
            if isinstance(data, h5py.Dataset) and not data.is_virtual and not data.external:
                text = h5py.check_string_dtype(data.dtype) is not None
                array = np.asarray(data.asstr()[()]).astype(str) if text else data[()]
                if np.asarray(array).dtype.kind in "biufU":
                    np.save(folder / f"{len(names)}.npy", array)
                    names.append(name)
    return names


def _named(arrays: Mapping[str, Any], part: str | None, words: Sequence[str]) -> str | None:
    spelt = [
        name
        for word in words
        for name in ((word,) if part is None else (f"{part}_{word}", f"{word}_{part}"))
    ]
    return next((name for name in spelt if name in arrays), None)


def _parts(path: Path, arrays: Mapping[str, Any]) -> list[str | None]:
    """Prefixes of the parts that a file has: train and test, train alone, or None without parts."""
    found: list[str | None] = [
        part for part in PARTS if _named(arrays, part, (*_X, "times", *_Y)) is not None
    ]
    if found == ["test"]:
        raise SourceError(f"{path}: test without train; needed are train_x and train_y too")
    return found or [None]


def _number(arrays: Mapping[str, NDArray[Any]], name: str, default: int, path: Path) -> int:
    if name not in arrays:
        return default
    array = arrays[name]
    if array.size != 1 or array.dtype.kind not in "iu" or int(array.reshape(-1)[0]) < 1:
        raise SourceError(f"{path}: {name} is {array!r}; needed is one integer from 1 on")
    return int(array.reshape(-1)[0])


def _sensor(arrays: Mapping[str, NDArray[Any]], shape: tuple[int, ...], path: Path) -> Sensor:
    """The sensor: of the array's own axes, of `plane`, or channels."""
    if "plane" in arrays:
        plane = np.asarray(arrays["plane"]).reshape(-1)
        if plane.dtype.kind not in "iu":
            raise SourceError(f"{path}: plane is {plane!r}; needed are integers (row, column)")
        shape = tuple(int(side) for side in plane)
    if len(shape) == 1:
        sensor = channels(shape[0])
    elif len(shape) in (2, 3):
        polarities, height, width = (1, *shape) if len(shape) == 2 else shape
        sensor = Sensor(height, width, polarities)
    else:
        raise SourceError(
            f"{path}: a plane of shape {shape}; needed are (row, column), polarity first"
        )
    if not (sensor.polarities in (1, 2) and all(1 <= side <= MOST for side in sensor[:2])):
        raise SourceError(
            f"{path}: inputs of shape {shape}; allowed are 1 or 2 polarities and 1..{MOST} a side"
        )
    return sensor


def _bitorder(arrays: Mapping[str, NDArray[Any]], path: Path) -> Literal["big", "little"]:
    given = np.asarray(arrays.get("bitorder", "big")).reshape(-1).tolist()
    if given == ["big"]:
        return "big"
    if given == ["little"]:
        return "little"
    raise SourceError(f"{path}: bitorder is {given!r}; allowed are 'big' and 'little'")


def _steps(
    array: NDArray[Any], arrays: Mapping[str, NDArray[Any]], where: str, path: Path
) -> tuple[Steps, tuple[int, ...]]:
    step_us = _number(arrays, "step_us", STEP_US, path)
    if "inputs" in arrays and array.ndim == 3 and array.dtype == np.uint8:
        inputs = _number(arrays, "inputs", 1, path)
        if array.shape[2] == -(-inputs // 8) and array.shape[2] != inputs:
            order = _bitorder(arrays, path)
            return Steps(np.ascontiguousarray(array), inputs, order, step_us), (inputs,)
    if array.ndim not in (3, 5) or array.dtype.kind not in "biuf":
        raise SourceError(
            f"{where} is {array.dtype} {array.shape}; needed is (sample, step, input) or (sample, step, "
            f"polarity, row, column) of 0 and 1, or octets with the number of inputs"
        )
    if array.size and not ((array == 0) | (array == 1)).all():
        raise SourceError(
            f"{where} reaches from {array.min()} to {array.max()}; spikes are 0 and 1"
        )
    shape = array.shape[2:]
    flat = array.reshape(*array.shape[:2], -1).astype(bool)
    return Steps(np.packbits(flat, axis=-1), flat.shape[2], "big", step_us), shape


def _lists(arrays: Mapping[str, NDArray[Any]], part: str | None, samples: int, path: Path) -> Lists:
    prefix = "" if part is None else f"{part}: "
    names = {word: _named(arrays, part, (word,)) for word in ("times", "units", "samples")}
    missing = [word for word, name in names.items() if name is None]
    if missing:
        raise SourceError(
            f"{path}: {prefix}no {', '.join(missing)}; lists of spikes need times, units and samples"
        )
    times, units, owner = (arrays[name].reshape(-1) for name in names.values() if name is not None)
    if not len(times) == len(units) == len(owner):
        raise SourceError(
            f"{path}: {prefix}{len(times)} times, {len(units)} units, {len(owner)} samples; needed "
            f"are as many of each, one a spike"
        )
    _check_list(times, 1 << 53, "iu" if times.dtype.kind != "f" else "f", f"{path}: {prefix}times")
    _check_list(units, MOST, "iu", f"{path}: {prefix}units")
    _check_list(owner, samples, "iu", f"{path}: {prefix}samples")
    t = np.rint(times * 1e6).astype(np.int64) if times.dtype.kind == "f" else times.astype(np.int64)
    order = np.lexsort((t, owner))
    start = np.searchsorted(owner[order], np.arange(samples + 1))
    return Lists(t[order], units[order].astype(np.int64), start)


def _check_list(array: NDArray[Any], limit: int, kinds: str, where: str) -> None:
    """Raise SourceError unless all numbers are of `kinds` and within 0..limit - 1, or LONGEST_SECONDS."""
    if array.dtype.kind not in kinds:
        raise SourceError(f"{where} are {array.dtype}; needed are integers, or floats for times")
    most = limit - 1 if array.dtype.kind != "f" else LONGEST_SECONDS
    if array.size and not 0 <= array.min() <= array.max() <= most:
        raise SourceError(
            f"{where} reach from {array.min()} to {array.max()}; allowed are 0..{most}"
        )


def _part(
    arrays: Mapping[str, NDArray[Any]], part: str | None, samples: int, path: Path
) -> tuple[Steps | Lists, tuple[int, ...]]:
    """Spikes of a part, and the shape of their inputs."""
    name = _named(arrays, part, _X)
    if name is not None:
        return _steps(arrays[name], arrays, f"{path}: {name}", path)
    lists = _lists(arrays, part, samples, path)
    most = int(lists.unit.max()) + 1 if len(lists.unit) else 1
    return lists, (_number(arrays, "inputs", most, path),)


def _labels(
    arrays: Mapping[str, NDArray[Any]], parts: Sequence[str | None], path: Path
) -> Labelled:
    given = {}
    for part in parts:
        name = _named(arrays, part, _Y)
        if name is None:
            raise SourceError(
                f"{path}: no labels{'' if part is None else f' of {part}'} (found: "
                f"{', '.join(arrays)}); needed is {'y' if part is None else f'{part}_y'}"
            )
        if not arrays[name].ndim:
            raise SourceError(f"{path}: {name} is a single value; needed is one label a sample")
        given[part or "train"] = arrays[name]
    counts = {part: len(array) for part, array in given.items()}
    return labelled(given, counts, arrays.get("classes"), str(path))


def _of_arrays(path: Path) -> SpikeArrays:
    arrays = _load(path)
    parts = _parts(path, arrays)
    classes = _labels(arrays, parts, path)
    spikes, shapes = {}, {}
    for part in parts:
        key = part or "train"
        spikes[key], shapes[key] = _part(arrays, part, len(classes.labels[key]), path)
        if len(spikes[key]) != len(classes.labels[key]):
            raise SourceError(
                f"{path}: {len(spikes[key])} samples and {len(classes.labels[key])} labels in {key}"
            )
    sensor = _sensor_of_all(arrays, shapes, path)
    longest = max(one.window_us for one in spikes.values())
    window = _number(arrays, "window_us", longest, path)
    return _split(path, sensor, window, classes, spikes)


def _sensor_of_all(
    arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]], path: Path
) -> Sensor:
    """One sensor for all parts."""
    if "inputs" not in arrays and all(len(shape) == 1 for shape in shapes.values()):
        shape: tuple[int, ...] = (max(shape[0] for shape in shapes.values()),)
    else:
        shape = next(iter(shapes.values()))
    sensor = _sensor(arrays, shape, path)
    for part, one in shapes.items():
        if int(np.prod(one)) > sensor.inputs or (len(one) > 1 and one != shape):
            raise SourceError(f"{path}: inputs of {part} have shape {one}; the sensor is {sensor}")
    return sensor


def _split(
    path: Path,
    sensor: Sensor,
    window: int,
    classes: Labelled,
    spikes: dict[str, Steps | Lists],
) -> SpikeArrays:
    numbers = {part: np.arange(len(labels)) for part, labels in classes.labels.items()}
    labels, notes = classes.labels, []
    if "test" not in spikes:
        test = held_out(labels["train"])
        spikes["test"] = spikes["train"]
        numbers = {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}
        labels = {part: classes.labels["train"][numbers[part]] for part in PARTS}
        notes.append(split_note())
    first = next(iter(spikes.values()))
    if isinstance(first, Steps):
        notes.append(f"{first.octets.shape[1]} steps of {first.step_us} us in the file")
    about = About(sensor, classes.names, window, notes=tuple(notes))
    return SpikeArrays(about, spikes, numbers, labels, path)


def _like_shd(path: Path) -> SpikeFiles:
    """An HDF5 file of SHD's layout with any number of channels."""
    samples = spike_hdf5.samples(path)
    names = samples.class_names or tuple(map(str, range(int(samples.labels.max()) + 1)))
    check_count(names, str(path))
    test = held_out(samples.labels)
    numbers = {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}
    events = [samples[number].recording.events for number in range(len(samples))]
    units = max((int(one["x"].max()) + 1 for one in events if len(one)), default=1)
    window = max((int(one["t"][-1]) + 1 for one in events if len(one)), default=1)
    about = About(channels(units), names, window, notes=(split_note(),))
    labels = {part: samples.labels[numbers[part]].astype(np.uint16) for part in PARTS}
    return SpikeFiles(about, dict.fromkeys(PARTS, path), {path: samples}, numbers, labels)


def _is_like_shd(path: Path) -> bool:
    """Whether an HDF5 file has a group of spikes; asked in a child process."""
    with Source(path) as source, tempfile.TemporaryDirectory(prefix="neurosim-") as folder:
        return bool(isolated.run(source, f"{__name__}:has_group", folder))


def has_group(path: str, folder: Path) -> bool:
    """Within a child process: whether there is a group `spikes`."""
    import h5py

    with h5py.File(path, "r") as file:
        return isinstance(file.get("spikes"), h5py.Group)


def open_source(place: str, options: Options, folder: Path | None) -> SpikeArrays | SpikeFiles:
    """The spikes of a file."""
    path = path_of(place)
    if not path.is_file():
        raise SourceError(f"{path}: no such file; spikes: needs the path of an .npz or .h5 file")
    if path.suffix.lower() in _HDF5 and _is_like_shd(path):
        return _like_shd(path)
    return _of_arrays(path)


ENTRY = Entry("spikes", ("spikes:FILE.npz", "spikes:FILE.h5"), _OPTIONS, open_source)
