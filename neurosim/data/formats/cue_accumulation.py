"""ReckOn's cue accumulation task: address events as text, many labelled samples in one file.

    first line    number of samples
    "n, t"        a spike of input n at tick t
    "-2, c"       the class c of the sample; it stands where the target is shown
    "-1, t"       end of the sample at tick t

(Files of github ChFrenkel/ReckOn, 40 inputs, 2 classes.) A tick is 1 ms: the samples last 2250 ticks,
as the 2.25 s of the task (Bellec et al. 2020). Events have the input as x; y and p are 0.
"""

import os
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats.recording import Format, Recording, Samples, columns_to_events
from neurosim.data.formats.source import Source

TICK_US = 1000
MAX_BYTES = 1 << 23
"""The largest file that is read; ReckOn's have 256 kB. Chosen here: a million lines take 200 MB."""
LARGEST_INPUT = 0xFFFF
_CLASS, _END = -2, -1
_ROW = re.compile(rb"[ \t]*(-?\d{1,9})[ \t]*,[ \t]*(\d{1,9})[ \t]*\r?")
_START = re.compile(rb"[ \t]*\d{1,9}[ \t]*\r?\n[ \t]*-?\d{1,9}[ \t]*,[ \t]*\d{1,9}[ \t]*\r?\n")


@dataclass(frozen=True)
class Cut:
    """Where the samples lie among the spikes, by sample."""

    unit: NDArray[np.int64]
    tick: NDArray[np.int64]
    first: NDArray[np.int64]

    def __call__(self, index: int) -> Recording:
        """The recording of one sample."""
        place = slice(int(self.first[index]), int(self.first[index + 1]))
        none = np.zeros(place.stop - place.start, np.int64)
        events = columns_to_events(self.tick[place] * TICK_US, self.unit[place], none, none)
        return Recording(events, None, ())


def sniff(head: bytes) -> bool:
    """A line of one number, then a line of two."""
    return _START.match(head) is not None


def samples(path: str | os.PathLike[str]) -> Samples:
    """The samples of a file, with extra target_us and duration_us, int64 (sample,).

    target_us is the time of the last spike before the class is stated. Raises EventFileError with the
    byte of the line at fault.
    """
    with Source(path) as source:
        if source.size > MAX_BYTES:
            raise source.error(f"{source.size:,} bytes; read are at most {MAX_BYTES:,}")
        raw = source.read(0, source.size)
        announced, rows, offsets = _rows(source, raw)
        unit, value = rows[:, 0], rows[:, 1]
        ends, classes = np.flatnonzero(unit == _END), np.flatnonzero(unit == _CLASS)
        _check_shape(source, announced, (ends, classes), offsets)
        _check_spikes(source, rows, ends, offsets)
        spikes = np.flatnonzero(unit >= 0)
        first = np.searchsorted(spikes, np.concatenate(([0], ends + 1)))
        before = np.maximum(np.searchsorted(spikes, classes) - 1, 0)
        return Samples(
            value[classes],
            Cut(unit[spikes], value[spikes], first),
            extra={
                "target_us": value[spikes[before]] * TICK_US,
                "duration_us": value[ends] * TICK_US,
            },
        )


def _rows(source: Source, raw: bytes) -> tuple[int, NDArray[np.int64], list[int]]:
    """Announced samples; the pairs of numbers, int64 (line, 2); the byte of each line."""
    lines = raw.split(b"\n")
    if not re.fullmatch(rb"[ \t]*\d{1,9}[ \t]*\r?", lines[0]):
        raise source.error(
            f"begins with {lines[0][:40]!r}; needed is the number of samples on the first line", 0
        )
    pairs, offsets = [], []
    offset = len(lines[0]) + 1
    for line in lines[1:]:
        found = _ROW.fullmatch(line)
        if found:
            pairs.append((int(found[1]), int(found[2])))
            offsets.append(offset)
        elif line.strip():
            raise source.error(f"a line reads {line[:40]!r}; needed are two numbers: n, t", offset)
        offset += len(line) + 1
    return int(lines[0]), np.array(pairs, np.int64).reshape(-1, 2), [*offsets, len(raw)]


def _check_shape(
    source: Source,
    announced: int,
    marks: tuple[NDArray[np.int64], NDArray[np.int64]],
    offsets: list[int],
) -> None:
    """As many samples as announced, each with one class before its end, nothing behind the last."""
    ends, classes = marks
    if len(ends) != announced or not announced:
        raise source.error(
            f"{announced} samples are announced and {len(ends)} end; the file is cut short or damaged",
            0,
        )
    if int(ends[-1]) != len(offsets) - 2:
        raise source.error("lines behind the end of the last sample", offsets[int(ends[-1]) + 1])
    inside = np.searchsorted(classes, np.concatenate(([0], ends)))
    wrong = np.flatnonzero(np.diff(inside) != 1)
    if wrong.size or len(classes) != announced:
        sample = int(wrong[0]) if wrong.size else announced - 1
        raise source.error(
            f"sample {sample} has {int(np.diff(inside)[sample])} classes; needed is one",
            offsets[int(ends[sample])],
        )


def _check_spikes(
    source: Source, rows: NDArray[np.int64], ends: NDArray[np.int64], offsets: list[int]
) -> None:
    """Inputs within their range, ticks in order within a sample and up to its end."""
    unit, value = rows[:, 0], rows[:, 1]
    bad = (unit < _CLASS) | (unit > LARGEST_INPUT)
    timed = np.flatnonzero(unit != _CLASS)
    begins = np.concatenate(([0], np.searchsorted(timed, ends)[:-1] + 1))
    falls = np.diff(value[timed], prepend=0) < 0
    falls[begins] = False
    bad[timed[falls]] = True
    if bad.any():
        where = int(np.argmax(bad))
        raise source.error(
            f"a line reads {int(unit[where])}, {int(value[where])}; needed are inputs "
            f"0..{LARGEST_INPUT} and ticks that do not decrease within a sample",
            offsets[where],
        )


FORMAT = Format(
    "cue-accumulation", "ReckOn's cue accumulation (AER text)", (".dat",), sniff, samples=samples
)
