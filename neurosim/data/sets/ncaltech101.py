"""Data set `ncaltech101`: N-Caltech101's recordings, downloaded or in a folder.

    FOLDER/<class>/image_0001.bin, or FOLDER/Caltech101/<class>/...

Orchard, Jayawant, Cohen, Thakor 2015 (CC BY 4.0): 8,709 recordings of 300 ms in 101 folders; "Faces" is
left out and "Faces_easy" kept. Recordings are of different size, at most 240 x 180: each lies in the
upper left of the sensor, as its file has it. There is no official split.
"""

from pathlib import Path
from typing import Any

from neurosim.data.formats import aer_bin
from neurosim.data.formats.recording import Recording
from neurosim.data.sensor import Sensor
from neurosim.data.sets.base import RECORDED, Entry, Options, data_root, path_of
from neurosim.data.sets.class_folders import known_classes
from neurosim.data.sets.download import download, unpack_inside
from neurosim.data.source import About, FileSource, SourceError

SENSOR = Sensor(180, 240)
WINDOW_US = 300_000
"""Three saccades of 100 ms, as in N-MNIST (Orchard et al. 2015)."""
RECORDINGS = 8709
_NAMES = """
    BACKGROUND_Google Faces_easy Leopards Motorbikes accordion airplanes anchor ant barrel bass
    beaver binocular bonsai brain brontosaurus buddha butterfly camera cannon car_side ceiling_fan
    cellphone chair chandelier cougar_body cougar_face crab crayfish crocodile crocodile_head cup
    dalmatian dollar_bill dolphin dragonfly electric_guitar elephant emu euphonium ewer ferry
    flamingo flamingo_head garfield gerenuk gramophone grand_piano hawksbill headphone hedgehog
    helicopter ibis inline_skate joshua_tree kangaroo ketch lamp laptop llama lobster lotus mandolin
    mayfly menorah metronome minaret nautilus octopus okapi pagoda panda pigeon pizza platypus
    pyramid revolver rhino rooster saxophone schooner scissors scorpion sea_horse snoopy soccer_ball
    stapler starfish stegosaurus stop_sign strawberry sunflower tick trilobite umbrella watch
    water_lilly wheelchair wild_cat windsor_chair wrench yin_yang
"""
CLASSES = tuple(_NAMES.split())
"""Folders of the data set."""


def record(path: Path) -> Recording:
    """One file. EventFileError where it is none."""
    found = aer_bin.read(path, sensor=(SENSOR.height, SENSOR.width))
    return found._replace(notes=())  # a counter of 13 bits wraps in every recording


def _inside(folder: Path) -> Path:
    """The folder with the class folders."""
    return folder / "Caltech101" if (folder / "Caltech101").is_dir() else folder


def _fetch(tonic: Any, work: Path) -> Path:
    tonic.datasets.NCALTECH101(save_to=str(work))
    unpack_inside(work, "Caltech101.zip")
    found = sorted(work.rglob("Caltech101"))
    if not found:
        raise SourceError("the download holds no folder Caltech101: try again")
    return found[0]


def locate(folder: Path | None) -> Path:
    """The folder with the class folders, downloaded where it is missing."""
    root = folder if folder is not None else data_root()
    place = root / "N-Caltech101"
    if place.is_dir():
        return place
    return download("N-Caltech101", place, _fetch, "6 GB", "its class folders")


def open_source(place: str, options: Options, folder: Path | None) -> FileSource:
    """N-Caltech101's recordings; a fifth of each class is the test set."""
    top = _inside(path_of(place) if place else locate(folder))
    split = known_classes(top, CLASSES, (".bin",), RECORDINGS, options.partial)
    about = About(SENSOR, CLASSES, WINDOW_US, keep_late=True, notes=tuple(split.notes))
    return FileSource(about, split.files, split.labels, record)


ENTRY = Entry(
    "ncaltech101",
    ("ncaltech101", "ncaltech101:FOLDER"),
    RECORDED | {"partial"},
    open_source,
)
