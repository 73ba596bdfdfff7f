"""Data set `cifar10dvs`: CIFAR10-DVS's recordings, downloaded or in a folder.

    FOLDER/<class>/cifar10_<class>_<number>.aedat      the authors' distribution
    FOLDER/<class>/cifar10_<class>_<number>.aedat4     a second distribution, which tonic downloads

Li, Liu, Ji, Li, Shi, "CIFAR10-DVS: an event-stream dataset for object classification", Frontiers in
Neuroscience 11:309, 2017 (CC BY 4.0): 1,000 recordings a class, 128 x 128 pixels. There is no official
split; one in ten of each class is the test set here, 9,000 and 1,000 as in most papers.
"""

from pathlib import Path
from typing import Any

from neurosim.data.formats import aedat2, aedat4
from neurosim.data.formats.recording import EventFileError, Recording
from neurosim.data.sensor import Sensor
from neurosim.data.sets.base import RECORDED, Entry, Options, data_root, path_of
from neurosim.data.sets.class_folders import known_classes
from neurosim.data.sets.clock import from_first
from neurosim.data.sets.download import download, unpack_inside
from neurosim.data.source import About, FileSource

SENSOR = Sensor(128, 128)
WINDOW_US = 1_200_000
"""Six closed loops of 0.2 s (Li et al. 2017)."""
RECORDINGS = 10_000
TEST_SHARE = 10
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_SUFFIXES = (".aedat", ".aedat4")


def record(path: Path) -> Recording:
    """One file, from its first event on. EventFileError where it is none."""
    if path.suffix.lower() == ".aedat4":
        found = aedat4.read(path)
        if found.sensor not in (None, (SENSOR.height, SENSOR.width)):
            raise EventFileError(path, f"a sensor of {found.sensor}; CIFAR10-DVS has 128 x 128")
    else:
        found = aedat2.read(path, layout="cifar10dvs")
    return found._replace(events=from_first(found.events))


def _fetch(tonic: Any, work: Path) -> Path:
    tonic.datasets.CIFAR10DVS(save_to=str(work))
    for name in CLASSES:
        if not (work / "CIFAR10DVS" / name).is_dir():
            unpack_inside(work / "CIFAR10DVS", f"{name}.zip")
    return work / "CIFAR10DVS"


def locate(folder: Path | None) -> Path:
    """The folder with the class folders, downloaded where it is missing."""
    place = (folder if folder is not None else data_root()) / "CIFAR10DVS"
    if place.is_dir():
        return place
    return download("CIFAR10-DVS", place, _fetch, "16 GB", "its ten class folders")


def open_source(place: str, options: Options, folder: Path | None) -> FileSource:
    """CIFAR10-DVS's recordings."""
    top = path_of(place) if place else locate(folder)
    split = known_classes(top, CLASSES, _SUFFIXES, RECORDINGS, options.partial, TEST_SHARE)
    about = About(SENSOR, CLASSES, WINDOW_US, keep_late=True, notes=tuple(split.notes))
    return FileSource(about, split.files, split.labels, record)


ENTRY = Entry(
    "cifar10dvs", ("cifar10dvs", "cifar10dvs:FOLDER"), RECORDED | {"partial"}, open_source
)
