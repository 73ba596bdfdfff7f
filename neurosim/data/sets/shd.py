"""Data sets `shd` and `ssc`: Spiking Heidelberg Digits and Speech Commands, downloaded or in a folder.

    FOLDER/shd_train.h5, shd_test.h5                   8,156 and 2,264 recordings of 20 classes
    FOLDER/ssc_train.h5, ssc_valid.h5, ssc_test.h5     75,466, 9,981 and 20,382 recordings of 35 classes
    FILE.h5                                            one such file; a fifth of each class is the test set

Cramer, Stradmann, Schemmel, Zenke, "The Heidelberg Spiking Data Sets for the Systematic Evaluation of
Spiking Neural Networks", IEEE TNNLS 33:2744, 2022 (CC BY 4.0): 700 channels, times of 16-bit floats.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.folders import archives
from neurosim.data.formats import spike_hdf5
from neurosim.data.formats.recording import Samples
from neurosim.data.labels import shown
from neurosim.data.sensor import channels
from neurosim.data.sets.base import Entry, Options, data_root, path_of
from neurosim.data.sets.download import download
from neurosim.data.sets.hdf5_spikes import SpikeFiles
from neurosim.data.source import About, SourceError
from neurosim.data.splits import held_out, split_note

CHANNELS = 700
WINDOW_US = {"shd": 1_400_000, "ssc": 1_000_000}
"""The longest recording of SHD ends at 1.37 s; Speech Commands last a second (Cramer et al. 2022)."""
_PARTS = {
    "shd": {"train": "shd_train.h5", "test": "shd_test.h5"},
    "ssc": {"train": "ssc_train.h5", "validation": "ssc_valid.h5", "test": "ssc_test.h5"},
}
_OPTIONS = frozenset(("sensor", "window", "bins", "holdout"))


def locate(name: str, folder: Path | None) -> Path:
    """The folder with the files, downloaded where it is missing."""
    place = (folder if folder is not None else data_root()) / name.upper()
    if place.is_dir():
        return place

    def fetch(tonic: Any, work: Path) -> Path:
        if name == "shd":
            for train in (True, False):
                tonic.datasets.SHD(save_to=str(work), train=train)
        else:
            for split in ("train", "valid", "test"):
                tonic.datasets.SSC(save_to=str(work), split=split)
        found = next((path.parent for path in work.rglob(_PARTS[name]["train"])), None)
        if found is None:
            raise SourceError(f"the download holds no {_PARTS[name]['train']}: try again")
        return found

    return download(name.upper(), place, fetch, "2 GB", " and ".join(_PARTS[name].values()))


def _files(name: str, place: Path) -> dict[str, Path]:
    """The file of each part."""
    if place.is_file():
        return {"train": place}
    found = {part: place / file for part, file in _PARTS[name].items()}
    missing = [path.name for path in found.values() if not path.is_file()]
    if missing:
        waiting = archives(place)
        unpack = f"; unpack {shown(waiting)}" if waiting else ""
        raise SourceError(
            f"{place}: {', '.join(missing)} missing; needed are {', '.join(_PARTS[name].values())}, "
            f"or the path of one such file{unpack}"
        )
    return found


def _names(samples: dict[Path, Samples]) -> tuple[str, ...]:
    """Class names; the files of a data set give the same."""
    named = {one.class_names for one in samples.values() if one.class_names}
    if len(named) > 1:
        raise SourceError("the files name different classes; they are not of one data set")
    if named:
        return named.pop()
    return tuple(map(str, range(max(int(one.labels.max()) for one in samples.values()) + 1)))


def _held_out_speaker(speakers: NDArray[np.int64], wanted: str, where: Path) -> NDArray[np.bool_]:
    names = [str(speaker) for speaker in np.unique(speakers)]
    if wanted not in names:
        raise SourceError(f"{where}: no speaker {wanted!r}; speakers are {', '.join(names)}")
    return speakers == int(wanted)


def open_source(name: str, place: str, options: Options, folder: Path | None) -> SpikeFiles:
    """The spikes of a data set's files."""
    files = _files(name, path_of(place) if place else locate(name, folder))
    samples = {path: spike_hdf5.samples(path) for path in files.values()}
    class_names = _names(samples)
    numbers = {part: np.arange(len(samples[path])) for part, path in files.items()}
    labels = {part: samples[path].labels.astype(np.uint16) for part, path in files.items()}
    notes = [note for one in samples.values() for note in one.notes]
    if options.holdout is not None:
        notes.append(_split_by_speaker(files, samples, numbers, options.holdout))
    elif "test" not in files:
        test = held_out(labels["train"])
        files["test"] = files["train"]
        numbers = {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}
        notes.append(split_note())
    labels = {
        part: samples[files[part]].labels[numbers[part]].astype(np.uint16) for part in numbers
    }
    about = About(channels(CHANNELS), class_names, WINDOW_US[name], notes=tuple(notes))
    return SpikeFiles(about, files, samples, numbers, labels)


def _split_by_speaker(
    files: dict[str, Path],
    samples: dict[Path, Samples],
    numbers: dict[str, NDArray[np.int64]],
    speaker: str,
) -> str:
    """Make one speaker's recordings of the training file the test set; says what was done."""
    path = files["train"]
    if "speaker" not in samples[path].extra:
        raise SourceError(f"{path}: names no speakers (extra/speaker), so none can be held out")
    test = _held_out_speaker(samples[path].extra["speaker"], speaker, path)
    files["test"] = path
    numbers["train"], numbers["test"] = np.flatnonzero(~test), np.flatnonzero(test)
    return f"speaker {speaker} of {path.name} is the test set, the official one is left out"


SHD = Entry("shd", ("shd", "shd:FOLDER"), _OPTIONS, partial(open_source, "shd"))
SSC = Entry("ssc", ("ssc", "ssc:FOLDER"), _OPTIONS, partial(open_source, "ssc"))
