"""Data set `dvsgesture`: DVS128 Gesture's recordings, downloaded or in a folder.

    FOLDER/user01_fluorescent.aedat, user01_fluorescent_labels.csv, trials_to_train.txt, trials_to_test.txt
    FOLDER/ibmGestureTrain/user01_fluorescent/0.npy, FOLDER/ibmGestureTest/...   (as tonic has it)

Amir et al., "A low power, fully event-based gesture recognition system", CVPR 2017 (CC BY 4.0): 11
gestures of 29 users, 128 x 128 pixels. The first distribution holds recordings of minutes, cut by tables
of labels; times of user22_led's overlap, which is noted. The official test set is users 24 to 29.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.folders import Gathered, listing, text_lines
from neurosim.data.formats import arrays, gesture
from neurosim.data.formats.recording import Events, Recording
from neurosim.data.labels import plural, shown
from neurosim.data.sensor import Sensor
from neurosim.data.sets.base import RECORDED, Entry, Options, data_root, path_of
from neurosim.data.sets.clock import from_first, since
from neurosim.data.sets.download import download
from neurosim.data.source import PARTS, About, FileSource, Grouped, Said, SourceError, content_of
from neurosim.data.splits import held_out, split_note

SENSOR = Sensor(128, 128)
WINDOW_US = 6_000_000
"""A gesture lasts about 6 s (Amir et al. 2017); what is later is left out."""
FIRST_TEST_USER = 24
_LISTS = {"train": "trials_to_train.txt", "test": "trials_to_test.txt"}
_TONIC = {"train": "ibmGestureTrain", "test": "ibmGestureTest"}
_USER = re.compile(r"user(\d+)_")


class _Cut(NamedTuple):
    """The samples of a part: file and place in the file's table, int64 (sample,), starts in us."""

    files: list[Path]
    file: NDArray[np.int64]
    place: NDArray[np.int64]
    start: NDArray[np.int64]


class GestureSource(Grouped):
    """Samples that are cut out of recordings of minutes."""

    chunk = 100

    def __init__(
        self, about: About, cuts: dict[str, _Cut], labels: dict[str, NDArray[np.uint16]]
    ) -> None:
        self.about, self.labels, self._cuts, self.said = about, labels, cuts, Said()

    def content(self) -> str:
        named = [
            (part, path)
            for part, cut in self._cuts.items()
            for file in cut.files
            for path in (file, gesture.labels_of(file))
        ]
        return content_of(named)

    def group_of(self, part: str, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._cuts[part].file[numbers]

    def read_group(self, part: str, group: int, numbers: Sequence[int]) -> Sequence[Events]:
        cut = self._cuts[part]
        samples = gesture.samples(cut.files[group])
        self.said.add(cut.files[group], samples.notes)
        return [
            since(samples[int(cut.place[n])].recording.events, int(cut.start[n])) for n in numbers
        ]


def _listed(top: Path, part: str) -> list[Path]:
    """Recordings that a list of trials names, each of which must be there."""
    listed = top / _LISTS[part]
    names = [line.strip() for line in text_lines(listed) if line.strip()]
    missing = [name for name in names if not (top / name).is_file()]
    if missing:
        raise SourceError(
            f"{listed} names {len(missing)} recordings that are not in {top}: {shown(missing)}; "
            f"fetch or unpack them, or take them out of the list"
        )
    return [top / name for name in names]


def _recordings(top: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Recordings of each part, and how they were split."""
    if all((top / name).is_file() for name in _LISTS.values()):
        return {part: _listed(top, part) for part in PARTS}, [
            f"split by {' and '.join(_LISTS.values())}"
        ]
    gathered = Gathered()
    recordings = gathered.files(top, lambda path: path.suffix.lower() == ".aedat")
    files = [path for path in recordings if gesture.labels_of(path).is_file()]
    without = [path.name for path in recordings if path not in files]
    found: dict[str, list[Path]] = {"train": [], "test": []}
    for path in files:
        user = _USER.match(path.name)
        test = user is not None and int(user[1]) >= FIRST_TEST_USER
        found["test" if test else "train"].append(path)
    left_out = (
        f"left out {plural(len(without), 'recording')} without a table of labels: {shown(without)}"
    )
    return found, [
        *([left_out] if without else []),
        f"no {_LISTS['train']}: users from {FIRST_TEST_USER} on are the test set",
    ]


def _cut(files: list[Path]) -> tuple[_Cut, NDArray[np.uint16]]:
    tables = [gesture.read_labels(gesture.labels_of(path)) for path in files]
    sizes = [len(table) for table in tables]
    empty = np.zeros(0, gesture.LABELS)
    rows = np.concatenate([empty, *tables])
    cut = _Cut(
        files,
        np.repeat(np.arange(len(files)), sizes),
        np.concatenate([np.arange(0), *map(np.arange, sizes)]).astype(np.int64),
        rows["start"].astype(np.int64),
    )
    return cut, rows["class"].astype(np.uint16)


def _with_test(
    cuts: dict[str, _Cut], labels: dict[str, NDArray[np.uint16]], notes: list[str]
) -> None:
    """Keep a fifth of each class where no recording is a test user's."""
    if len(labels["test"]):
        return
    cut, all_labels = cuts["train"], labels["train"]
    test = held_out(all_labels)
    for part, mask in (("train", ~test), ("test", test)):
        cuts[part] = _Cut(cut.files, cut.file[mask], cut.place[mask], cut.start[mask])
        labels[part] = all_labels[mask]
    notes.append(split_note())


def _of_recordings(top: Path) -> GestureSource:
    found, notes = _recordings(top)
    if not any(found.values()):
        raise SourceError(
            f"{top}: no recordings userNN_light.aedat with userNN_light_labels.csv, nor folders "
            f"{_TONIC['train']} and {_TONIC['test']}; unpack DvsGesture.tar.gz there"
        )
    cuts, labels = {}, {}
    for part in PARTS:
        cuts[part], labels[part] = _cut(found[part])
    _with_test(cuts, labels, notes)
    about = About(SENSOR, gesture.CLASSES, WINDOW_US, notes=tuple(notes))
    return GestureSource(about, cuts, labels)


def _read_npy(path: Path) -> Recording:
    """A sample of tonic's distribution: columns x, y, p, t, with t in milliseconds."""
    found = arrays.read(path, order="xypt", unit_us=1000)
    return found._replace(events=from_first(found.events))


def _of_arrays(top: Path) -> FileSource:
    files: dict[str, list[Path]] = {}
    labels, gathered = {}, Gathered()
    for part, name in _TONIC.items():
        found = [
            path
            for user in listing(top / name).folders
            for path in gathered.files(user, lambda path: path.suffix.lower() == ".npy")
        ]
        wrong = [path for path in found if not path.stem.isdigit() or int(path.stem) > 10]
        if wrong or not found:
            what = f"{wrong[0]} is named by no class 0..10" if wrong else "no recordings"
            raise SourceError(f"{top / name}: {what}; unpack {name}.tar.gz there again")
        files[part] = found
        labels[part] = np.array([int(path.stem) for path in found], np.uint16)
    notes = ("the distribution of tonic, with times in milliseconds", *gathered.notes())
    about = About(SENSOR, gesture.CLASSES, WINDOW_US, notes=notes)
    return FileSource(about, files, labels, _read_npy)


def _fetch(tonic: Any, work: Path) -> Path:
    for train in (True, False):
        tonic.datasets.DVSGesture(save_to=str(work), train=train)
    return work / "DVSGesture"


def locate(folder: Path | None) -> Path:
    """The folder with either distribution, downloaded where it is missing."""
    root = folder if folder is not None else data_root()
    for place in (root / "DvsGesture", root / "DVSGesture"):
        if place.is_dir():
            return place
    place = root / "DVSGesture"
    return download("DVS128 Gesture", place, _fetch, "10 GB", "DvsGesture.tar.gz")


def open_source(place: str, options: Options, folder: Path | None) -> GestureSource | FileSource:
    """DVS128 Gesture in either distribution."""
    top = path_of(place) if place else locate(folder)
    if all((top / name).is_dir() for name in _TONIC.values()):
        return _of_arrays(top)
    if (top / "DvsGesture").is_dir():
        top = top / "DvsGesture"
    return _of_recordings(top)


ENTRY = Entry("dvsgesture", ("dvsgesture", "dvsgesture:FOLDER"), RECORDED, open_source)
