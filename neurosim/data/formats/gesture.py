"""DVS128 Gesture: AEDAT 3.1 recordings of minutes, cut into samples by a table of labels.

    FILE.aedat            the recording
    FILE_labels.csv       class,startTime_usec,endTime_usec: class 1 to 11, times on its clock

(Amir et al. 2017.) A sample holds the events from its start up to before its end; it keeps the clock of
the recording. Classes are numbered from 0 here. Times of different samples may overlap (they do in
user22_led): this is noted, not refused.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats import aedat3
from neurosim.data.formats.recording import MAX_EVENTS, Recording, Samples
from neurosim.data.formats.source import Source

CLASSES = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter clockwise",
    "left arm clockwise",
    "left arm counter clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other gestures",
)
"""In the order of their numbers (gesture_mapping.csv, published with the data)."""
LABELS = np.dtype([("class", "<i8"), ("start", "<i8"), ("end", "<i8")])
MAX_BYTES = 1 << 20
"""The largest table that is read; those of the data set have some hundred bytes."""
_HEADER = "class,startTime_usec,endTime_usec"
_ROW = re.compile(r"(\d{1,9}),(\d{1,18}),(\d{1,18})")


@dataclass(frozen=True)
class Cut:
    """A recording and the events of its samples."""

    recording: Recording
    first: NDArray[np.int64]
    end: NDArray[np.int64]

    def __call__(self, index: int) -> Recording:
        """The recording of one sample: a view of the events."""
        events = self.recording.events[int(self.first[index]) : int(self.end[index])]
        return self.recording._replace(events=events, notes=())


def labels_of(path: str | os.PathLike[str]) -> Path:
    """Where the table of a recording lies."""
    recording = Path(path)
    return recording.with_name(f"{recording.stem}_labels.csv")


def read_labels(path: str | os.PathLike[str]) -> NDArray[np.void]:
    """The table, dtype LABELS, shape (sample,); classes 0 to 10, times in microseconds.

    Raises EventFileError with the byte of the line at fault.
    """
    with Source(path) as source:
        if source.size > MAX_BYTES:
            raise source.error(f"{source.size:,} bytes; a table of labels has some hundred")
        raw = source.read(0, source.size)
        lines = raw.split(b"\n")
        if lines[0].strip().decode("latin-1") != _HEADER:
            raise source.error(f"begins with {lines[0][:60]!r}; needed is {_HEADER}", 0)
        rows = []
        offset = len(lines[0]) + 1
        for line in lines[1:]:
            text = line.strip().decode("latin-1")
            if text:
                rows.append(_row(source, text, offset))
            offset += len(line) + 1
        if not rows:
            raise source.error("no label; needed is at least one line", len(raw))
        return np.array(rows, LABELS)


def _row(source: Source, text: str, offset: int) -> tuple[int, int, int]:
    found = _ROW.fullmatch(text)
    if found:
        label, start, end = (int(number) for number in found.groups())
        if 1 <= label <= len(CLASSES) and start < end < 1 << 62:
            return label - 1, start, end
    raise source.error(
        f"a line reads {text[:60]!r}; needed are class (1 to {len(CLASSES)}), start and a later end",
        offset,
    )


def samples(
    path: str | os.PathLike[str],
    labels: str | os.PathLike[str] | None = None,
    *,
    max_events: int = MAX_EVENTS,
) -> Samples:
    """The samples of a recording; extra holds start_us and end_us, int64 (sample,).

    `labels` is the table; without it, the one beside the recording. Raises EventFileError where either
    file is none.
    """
    table = read_labels(labels if labels is not None else labels_of(path))
    recording = aedat3.read(path, max_events=max_events)
    t = recording.events["t"]
    cut = Cut(recording, np.searchsorted(t, table["start"]), np.searchsorted(t, table["end"]))
    notes = [*recording.notes]
    empty = np.flatnonzero(cut.first == cut.end)
    if empty.size:
        notes.append(f"no event between start and end of samples {', '.join(map(str, empty[:10]))}")
    overlaps = int(np.count_nonzero(np.sort(table["start"])[1:] < np.sort(table["end"])[:-1]))
    if overlaps:
        notes.append(f"times of {overlaps} samples overlap")
    return Samples(
        np.ascontiguousarray(table["class"]),
        cut,
        class_names=CLASSES,
        extra={"start_us": table["start"].copy(), "end_us": table["end"].copy()},
        notes=tuple(notes),
    )
