"""Data set `cue-accumulation:FOLDER`: ReckOn's delayed cue accumulation, a small task for recurrent networks.

    FOLDER/dataset_cueAcc_train.dat, dataset_cueAcc_test.dat       50 and 50 samples of 2 classes, 40 inputs

Cues on the left and right are counted, and the side with more is asked for after a delay (Bellec et al.
2020; files of github ChFrenkel/ReckOn, Solderpad 2.1, Frenkel and Indiveri 2022).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurosim.data.folders import listing
from neurosim.data.formats import cue_accumulation
from neurosim.data.formats.recording import Events, Samples
from neurosim.data.labels import check_count
from neurosim.data.sensor import channels
from neurosim.data.sets.base import Entry, Options, path_of
from neurosim.data.source import PARTS, About, Grouped, Said, SourceError, content_of

INPUTS = 40


class CueSource(Grouped):
    """Samples of two files, which are small and held in memory."""

    chunk = 1000

    def __init__(self, about: About, files: dict[str, Path], samples: dict[str, Samples]) -> None:
        self.about, self._files, self._samples, self.said = about, files, samples, Said()
        self.labels = {part: one.labels.astype(np.uint16) for part, one in samples.items()}

    def content(self) -> str:
        return content_of(list(self._files.items()))

    def group_of(self, part: str, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.zeros(len(numbers), np.int64)

    def read_group(self, part: str, group: int, numbers: Sequence[int]) -> Sequence[Events]:
        return [self._samples[part][number].recording.events for number in numbers]


def _file(folder: Path, part: str) -> Path:
    """The file of a part, by its name."""
    found = [
        path
        for path in listing(folder).files
        if path.suffix == ".dat" and part in path.name and path.name.startswith("dataset")
    ]
    if len(found) != 1:
        raise SourceError(
            f"{folder}: {len(found)} files dataset*{part}*.dat; needed is one, as "
            f"dataset_cueAcc_{part}.dat of ReckOn"
        )
    return found[0]


def open_source(place: str, options: Options, folder: Path | None) -> CueSource:
    """The task's samples; the window is the longest sample."""
    top = path_of(place)
    files = {part: _file(top, part) for part in PARTS}
    samples = {part: cue_accumulation.samples(path) for part, path in files.items()}
    window = max(int(one.extra["duration_us"].max()) for one in samples.values())
    most = max(int(one.labels.max()) for one in samples.values()) + 1
    names = tuple(map(str, range(most)))
    check_count(names, str(top))
    return CueSource(About(channels(INPUTS), names, window), files, samples)


ENTRY = Entry(
    "cue-accumulation",
    ("cue-accumulation:FOLDER",),
    frozenset(("sensor", "window", "bins")),
    open_source,
)
