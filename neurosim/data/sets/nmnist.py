"""Data set `nmnist`: N-MNIST's recordings, downloaded or in a folder.

    FOLDER/Train/<digit>/*.bin    FOLDER/Test/<digit>/*.bin

Orchard, Jayawant, Cohen, Thakor, "Converting static image datasets to spiking neuromorphic datasets
using saccades", Frontiers in Neuroscience 9:437, 2015 (CC BY-SA 4.0).
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.folders import Gathered, check_filled, class_folders
from neurosim.data.formats import aer_bin
from neurosim.data.formats.recording import Events, Recording
from neurosim.data.frames import Binning, divide
from neurosim.data.sensor import Sensor
from neurosim.data.sets.base import RECORDED, Entry, Options, data_root, path_of
from neurosim.data.sets.download import download
from neurosim.data.source import About, FileSource, SourceError

SENSOR = Sensor(34, 34)
"""N-MNIST's crop of the ATIS."""
WINDOW_US = 300_000
"""Three saccades of 100 ms (Orchard et al. 2015); see docs/camera.md for the choice."""
PARTS = {"train": "Train", "test": "Test"}
DIGITS = tuple(str(digit) for digit in range(10))
RECORDINGS = {"train": 60_000, "test": 10_000}
"""Of the whole data set."""


class LayoutError(SourceError):
    """A folder that is not laid out as N-MNIST is. The message says what is missing."""


def files(
    folder: Path, part: str, gathered: Gathered | None = None, partial: bool = False
) -> tuple[list[Path], NDArray[np.uint16]]:
    """Recordings of "train" or "test" and their labels, ordered by file name, then digit.

    N-MNIST numbers its files in MNIST's order, so classes come mixed.
    """
    gathered = gathered or Gathered()
    top = folder / PARTS[part]
    if not top.is_dir():
        raise LayoutError(
            f"{folder}: no folder {PARTS[part]!r} in it; needed are Train/0..9 and Test/0..9 with "
            f".bin files, as N-MNIST's two archives unpack"
        )
    folders = class_folders(top, DIGITS, gathered, partial)
    found = {
        digit: gathered.files(path, lambda file: file.suffix.lower() == ".bin")
        for digit, path in folders.items()
    }
    check_filled({digit: len(paths) for digit, paths in found.items()}, str(top), partial)
    ordered = sorted((path.name, digit, path) for digit, paths in found.items() for path in paths)
    labels = np.array([int(digit) for _, digit, _ in ordered], np.uint16)
    return [path for _, _, path in ordered], labels


def open_source(place: str, options: Options, folder: Path | None) -> FileSource:
    """N-MNIST's recordings in the folder after the colon, or where they were downloaded."""
    top = path_of(place) if place else locate(folder)
    gathered, found = Gathered(), {}
    for part in PARTS:
        found[part] = files(top, part, gathered, options.partial)
    about = About(SENSOR, DIGITS, WINDOW_US, keep_late=True, notes=tuple(gathered.notes()))
    return FileSource(
        about,
        {part: paths for part, (paths, _) in found.items()},
        {part: labels for part, (_, labels) in found.items()},
        record,
    )


def record(path: Path) -> Recording:
    """One N-MNIST file. EventFileError where it is none."""
    found = aer_bin.read(path, sensor=(SENSOR.height, SENSOR.width))
    return found._replace(notes=())  # a counter of 13 bits wraps in every recording


def read(path: Path) -> Events:
    """Events of one N-MNIST file."""
    return record(path).events


def binning(steps: int = 10, pool: int = 1) -> Binning:
    """The bins of N-MNIST's whole window."""
    cells = divide(SENSOR, pool)
    return Binning(SENSOR, cells, steps, WINDOW_US)


def locate(folder: Path | None) -> Path:
    """The folder with Train and Test: `folder` or its NMNIST sub-folder, downloaded where missing."""
    root = Path(folder) if folder is not None else data_root()
    for place in (root, root / "NMNIST"):
        if all((place / name).is_dir() for name in PARTS.values()):
            return place
    return _download(root)


def _download(root: Path) -> Path:
    """Both archives, through tonic."""

    def fetch(tonic: Any, work: Path) -> Path:
        for train in (True, False):
            tonic.datasets.NMNIST(save_to=str(work), train=train)
        for part, expected in RECORDINGS.items():
            count = len(files(work / "NMNIST", part)[0])
            if count != expected:
                raise LayoutError(
                    f"the download has {count} recordings to {part}; {expected} are right: try again"
                )
        return work / "NMNIST"

    return download("N-MNIST", root / "NMNIST", fetch, "3 GB", "Train and Test")


ENTRY = Entry("nmnist", ("nmnist", "nmnist:FOLDER"), RECORDED | {"partial"}, open_source)
