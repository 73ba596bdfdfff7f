"""Spiking Heidelberg Digits and Speech Commands (SHD, SSC): HDF5 files of spikes by channel.

    spikes/times    (sample,) arrays of float16 or float32, seconds
    spikes/units    (sample,) arrays of unsigned integers: the channel, 0 to 699
    labels          (sample,) unsigned integers
    extra/keys      names of the classes;  extra/speaker: (sample,) integers; both may be missing

(Cramer et al. 2022.) HDF5 can end the process on a damaged file, so the file is only ever opened in a
child process (see sandbox), BLOCK samples at a time; this process gets plain arrays. Events have the
channel as x; y and p are 0. float16 resolves 0.5 to 1 ms near one second: that is the data set's own.
"""

import importlib.util
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats import isolated
from neurosim.data.formats.recording import (
    EventFileError,
    Events,
    Format,
    Recording,
    Samples,
    columns_to_events,
    sort_by_time,
)
from neurosim.data.formats.source import Source
from neurosim.sandbox import Refused

MAGIC = b"\x89HDF\r\n\x1a\n"
BLOCK = 128
"""Samples that are fetched at once. Chosen here: with 8,000 spikes a sample some 4 MB."""
BLOCK_SPIKES = 10_000_000
"""The most spikes of a block; real ones have a million. Chosen here: 300 MB in this process."""
MAX_SAMPLES = 1 << 20
LARGEST_CHANNEL = 0xFFFF
LONGEST_SECONDS = 3600.0
"""Times beyond this are taken for damage. Chosen here: SHD's samples last 1.4 s at most."""
_MISSING = (
    "SHD and SSC files need the package h5py, which is not installed; install the extra: "
    'pip install "neurosim-eggroll[formats]"'
)


def sniff(head: bytes) -> bool:
    """The signature of HDF5."""
    return head.startswith(MAGIC)


def samples(path: str | os.PathLike[str]) -> Samples:
    """The samples of a file; each is fetched when it is asked for.

    extra holds speaker, int64 (sample,), where the file has it. Raises EventFileError where the file
    is no such file, here or when a sample is fetched.
    """
    with Source(path) as source:
        if not sniff(source.head(len(MAGIC))):
            raise source.error("no signature of HDF5 at the start", 0)
        if importlib.util.find_spec("h5py") is None:
            raise source.error(_MISSING)
        with tempfile.TemporaryDirectory(prefix="neurosim-") as folder:
            found = isolated.run(source, f"{__name__}:describe", folder)
            arrays = {name: np.load(Path(folder) / f"{name}.npy") for name in found["arrays"]}
        return Samples(
            arrays.pop("labels"),
            _Blocks(str(source.path), source.size),
            class_names=tuple(found["classes"]) if found["classes"] else None,
            extra=arrays,
        )


class _Blocks:
    """Samples by their index; the block that was fetched last is kept."""

    def __init__(self, path: str, size: int) -> None:
        self._path, self._size = path, size
        self._kept: tuple[int, list[Recording]] = (-1, [])

    def __call__(self, index: int) -> Recording:
        block, place = divmod(index, BLOCK)
        if self._kept[0] != block:
            self._kept = (block, self._fetch(block * BLOCK))
        return self._kept[1][place]

    def __getstate__(self) -> dict[str, Any]:
        return {"_path": self._path, "_size": self._size, "_kept": (-1, [])}

    def _fetch(self, first: int) -> list[Recording]:
        with (
            Source(self._path) as source,
            tempfile.TemporaryDirectory(prefix="neurosim-") as folder,
        ):
            if source.size != self._size:
                raise source.error(
                    f"had {self._size:,} bytes when it was opened, now {source.size:,}"
                )
            isolated.run(source, f"{__name__}:extract", folder, first=first)
            loaded = [np.load(Path(folder) / f"{name}.npy") for name in ("times", "units", "ends")]
            return _recordings(source.path, first, *loaded)


def _recordings(
    path: Path,
    first: int,
    times: NDArray[Any],
    units: NDArray[Any],
    ends: NDArray[np.int64],
) -> list[Recording]:
    cuts = [slice(int(a), int(b)) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    return [
        _recording(path, first + sample, times[cut], units[cut]) for sample, cut in enumerate(cuts)
    ]


def _recording(path: Path, sample: int, times: NDArray[Any], units: NDArray[Any]) -> Recording:
    if times.size and not (float(times.min()) >= 0 and float(times.max()) <= LONGEST_SECONDS):
        raise EventFileError(
            path,
            f"sample {sample} has times from {float(times.min())} to {float(times.max())}; allowed "
            f"are seconds, 0 to {LONGEST_SECONDS:.0f}",
        )
    if units.size and int(units.max()) > LARGEST_CHANNEL:
        raise EventFileError(
            path,
            f"sample {sample} has channel {int(units.max())}; allowed are 0..{LARGEST_CHANNEL}",
        )
    t = np.rint(times.astype(np.float64) * 1e6).astype(np.int64)
    none = np.zeros(len(t), np.int64)
    events: Events = columns_to_events(t, units, none, none)
    if (t[1:] < t[:-1]).any():
        late = int(np.count_nonzero(t[1:] < t[:-1]))
        sort_by_time(events)
        return Recording(events, None, (f"times go back {late:,} times: sorted",))
    return Recording(events, None, ())


def _dataset(file: Any, name: str) -> Any:
    """A data set within the file itself: no link to another one, nothing stored outside."""
    import h5py

    parts = name.split("/")
    for depth in range(1, len(parts) + 1):
        part = "/".join(parts[:depth])
        if part not in file or not isinstance(file.get(part, getlink=True), h5py.HardLink):
            raise Refused(
                f"no {name} (or a link in its place); needed are spikes/times, spikes/units and "
                f"labels, as in SHD and SSC. The file holds {sorted(file)[:10]}",
                0,
            )
    data = file[name]
    if not isinstance(data, h5py.Dataset) or data.is_virtual or data.external:
        raise Refused(f"{name} is no data set within this file", 0)
    return data


def _check_spikes(file: Any) -> tuple[Any, Any]:
    import h5py

    times, units = _dataset(file, "spikes/times"), _dataset(file, "spikes/units")
    for name, data, kinds in (("times", times, "f"), ("units", units, "u")):
        base = h5py.check_vlen_dtype(data.dtype)
        if data.ndim != 1 or base is None or base.kind not in kinds:
            raise Refused(
                f"spikes/{name} is {base or data.dtype} {data.shape}; needed are arrays of "
                f"{'floating-point numbers' if kinds == 'f' else 'unsigned integers'}, one a sample",
                0,
            )
    if times.shape != units.shape or not 0 < len(times) <= MAX_SAMPLES:
        raise Refused(f"times of {times.shape} and units of {units.shape} samples", 0)
    return times, units


def _whole(data: Any, size: int, name: str) -> NDArray[np.int64]:
    """An integer data set of one value a sample."""
    if data.shape != (size,) or data.dtype.kind not in "iu":
        raise Refused(f"{name} is {data.dtype} {data.shape}; needed are {size} integers", 0)
    values: NDArray[np.int64] = data[:].astype(np.int64)
    return values


def describe(path: str, folder: Path) -> dict[str, Any]:
    """Within the child: labels.npy and speaker.npy, and the names of the classes."""
    import h5py

    with h5py.File(path, "r") as file:
        size = len(_check_spikes(file)[0])
        labels = _whole(_dataset(file, "labels"), size, "labels")
        if labels.min() < 0 or labels.max() > 0xFFFF:
            raise Refused(f"labels reach from {labels.min()} to {labels.max()}", 0)
        np.save(folder / "labels.npy", labels)
        arrays, classes = ["labels"], []
        if "extra" in file and "speaker" in file["extra"]:
            speaker = _whole(_dataset(file, "extra/speaker"), size, "extra/speaker")
            np.save(folder / "speaker.npy", speaker)
            arrays.append("speaker")
        if "extra" in file and "keys" in file["extra"]:
            keys = _dataset(file, "extra/keys")
            if keys.ndim != 1 or len(keys) > 0xFFFF:
                raise Refused(f"extra/keys is {keys.shape}; needed is a list of names", 0)
            classes = [
                key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)
                for key in keys[:]
            ]
            if len(classes) <= int(labels.max()):
                raise Refused(f"{len(classes)} names for classes up to {int(labels.max())}", 0)
    return {"arrays": arrays, "classes": classes}


def extract(path: str, first: int, folder: Path) -> dict[str, Any]:
    """Within the child: times.npy, units.npy (flat) and ends.npy of the samples from `first` on."""
    import h5py

    with h5py.File(path, "r") as file:
        times, units = (data[first : first + BLOCK] for data in _check_spikes(file))
    sizes = [len(array) for array in times]
    if sizes != [len(array) for array in units]:
        wrong = next(i for i, size in enumerate(sizes) if size != len(units[i]))
        raise Refused(
            f"sample {first + wrong} has {sizes[wrong]} times and {len(units[wrong])} channels", 0
        )
    if sum(sizes) > BLOCK_SPIKES:
        raise Refused(f"{sum(sizes):,} spikes in {BLOCK} samples; allowed are {BLOCK_SPIKES:,}", 0)
    np.save(folder / "times.npy", np.concatenate([*times, np.zeros(0, "f4")[:0]]))
    np.save(folder / "units.npy", np.concatenate([*units, np.zeros(0, "u2")]).astype(np.uint32))
    np.save(folder / "ends.npy", np.cumsum(sizes, dtype=np.int64))
    return {"samples": len(sizes)}


FORMAT = Format("shd", "SHD and SSC HDF5", (".h5", ".hdf5"), sniff, samples=samples)
