"""Collection of decoded events into one array: bounds, order of time and number checked on the way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats.recording import EVENT, MAX_EVENTS, Recording, Sensor, sort_by_time
from neurosim.data.formats.source import Source

ZERO_RUN = 8
"""Records of zero bytes in a row that are taken for a hole in the file. Chosen here, because no pixel
sends eight events within a microsecond, while a hole has at least a disk sector."""
LATE_SHARE = 8
"""At most one event in eight may come late. Chosen here, because merged streams of a camera have few
late events and random bytes every second one."""
LATE_US = 100_000
"""How late an event may come, in microseconds. Chosen here, because cameras hand over packets of at
most some ten milliseconds."""


class Columns(NamedTuple):
    """Decoded events of one block: integer arrays of equal length, t as int64."""

    t: NDArray[np.int64]
    x: NDArray[Any]
    y: NDArray[Any]
    p: NDArray[Any]


@dataclass(frozen=True)
class Place:
    """The byte in the file of the event with an index in a block.

    start    byte of the block's first record;  step: bytes a record
    picked   indices of the records that are events, or None where all are
    """

    start: int
    step: int
    picked: NDArray[Any] | None = None

    def __call__(self, index: int) -> int:
        record = index if self.picked is None else int(self.picked[index])
        return self.start + record * self.step


class Collector:
    """Events of one file as they are decoded.

    capacity     the most events that the bytes of the file can hold
    sensor       (height, width) that coordinates must be within
    max_events   more than these are refused
    ordered      whether an event that comes late is an error; else late events are sorted, and noted,
                 where they are few and little late
    """

    def __init__(
        self,
        source: Source,
        capacity: int,
        sensor: Sensor,
        max_events: int = MAX_EVENTS,
        ordered: bool = False,
    ) -> None:
        self._source = source
        self._limit = max_events
        self._sensor = sensor
        self._ordered = ordered
        self._events = np.empty(min(capacity, max_events), EVENT)
        self._count = 0
        self._latest = np.iinfo(np.int64).min
        self._late = 0
        self._late_us = 0
        self._first_late: tuple[int, int] = (0, 0)

    def append(self, block: Columns, at: Callable[[int], int]) -> None:
        """Add a block; `at` gives the byte in the file of the event with an index in the block."""
        size = len(block.t)
        if not size:
            return
        if self._count + size > self._limit:
            raise self._source.error(
                f"more than {self._limit:,} events; a recording of this length is read with a larger "
                f"max_events, or cut into parts",
                at(min(self._limit - self._count, size - 1)),
            )
        self._check_plane(block, at)
        self._check_order(block.t, at)
        place = self._events[self._count : self._count + size]
        for name, column in zip("txyp", block, strict=True):
            place[name] = column
        self._count += size

    def _check_plane(self, block: Columns, at: Callable[[int], int]) -> None:
        for name, values, limit in (
            ("x", block.x, self._sensor[1]),
            ("y", block.y, self._sensor[0]),
            ("p", block.p, 2),
        ):
            if int(values.max()) >= limit:
                where = int(np.argmax(values >= limit))
                raise self._source.error(
                    f"event {self._count + where} has {name} = {int(values[where])}; allowed are "
                    f"0..{limit - 1}. The file is damaged or of another format or sensor",
                    at(where),
                )

    def _check_order(self, t: NDArray[np.int64], at: Callable[[int], int]) -> None:
        if int(t.min()) < 0:
            where = int(np.argmax(t < 0))
            raise self._source.error(
                f"event {self._count + where} comes at {int(t[where])} us; times are not negative",
                at(where),
            )
        if int(t[0]) >= self._latest and not (t[1:] < t[:-1]).any():
            self._latest = int(t[-1])
            return
        latest = np.maximum.accumulate(t)
        np.maximum(latest, self._latest, out=latest)
        behind = latest - t
        late = behind > 0
        where = int(np.argmax(late))
        if self._ordered:
            raise self._source.error(
                f"event {self._count + where} comes at {int(t[where])} us, {int(behind[where])} us "
                f"before the one ahead of it; times may not decrease in this format. The file is "
                f"damaged: fetch it again",
                at(where),
            )
        if not self._late:
            self._first_late = (self._count + where, at(where))
        self._late += int(np.count_nonzero(late))
        self._late_us = max(self._late_us, int(behind.max()))
        self._latest = int(latest[-1])

    def finish(self, sensor: Sensor | None, notes: list[str]) -> Recording:
        """The recording; `notes` of the reader come first."""
        if not self._count:
            skipped = "; ".join(notes)
            raise self._source.error(
                "no event"
                + (f" ({skipped})" if skipped else "")
                + "; a recording has at least one",
                self._source.size,
            )
        events = self._events
        self._events = np.empty(0, EVENT)
        events.resize(self._count, refcheck=False)
        if self._late:
            notes = [*notes, self._sort(events)]
        return Recording(events, sensor, tuple(notes))

    def _sort(self, events: NDArray[np.void]) -> str:
        index, offset = self._first_late
        if self._late * LATE_SHARE > self._count or self._late_us > LATE_US:
            raise self._source.error(
                f"times go back from event {index} on: {self._late:,} of {self._count:,} events come "
                f"up to {self._late_us:,} us late; sorted are at most one in {LATE_SHARE} and "
                f"{LATE_US:,} us. The file is damaged or of another format",
                offset,
            )
        sort_by_time(events)
        return (
            f"times go back: {self._late:,} events, the first of them event {index} at byte {offset}, "
            f"came up to {self._late_us:,} us late; sorted"
        )


def refuse_hole(source: Source, zero: NDArray[np.bool_], start: int, record_bytes: int) -> None:
    """Raise EventFileError where ZERO_RUN records in a row are zero bytes.

    zero   (record,) whether all bytes of a record are zero; `start` is the first one's byte
    """
    if np.count_nonzero(zero) < ZERO_RUN:
        return
    edges = np.flatnonzero(np.diff(np.concatenate(([False], zero, [False])).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    long = np.flatnonzero(ends - begins >= ZERO_RUN)
    if long.size:
        first = long[0]
        raise source.error(
            f"{int(ends[first] - begins[first]):,} records of zero bytes in a row; the file has a hole: "
            f"it was copied or unpacked in part. Fetch it again",
            start + int(begins[first]) * record_bytes,
        )


class Clock:
    """A counter of `bits` bits whose wraps are counted, so that its times go on.

    A wrap is a fall by more than half the range; a smaller one is an event that came late. `below` are
    the bits of the time that are not part of the counter.
    """

    def __init__(self, bits: int, below: int = 0) -> None:
        self._range = 1 << bits
        self._bits = bits + below
        self._base = 0
        self._last: int | None = None
        self.wraps = 0

    def unwrap(self, counter: NDArray[Any]) -> NDArray[np.int64]:
        """Times of the next block of counter values, as int64."""
        t: NDArray[np.int64] = counter.astype(np.int64)
        if not t.size:
            return t
        first = int(t[0]) if self._last is None else self._last
        last = int(t[-1])
        half = self._range >> 1
        steps = np.diff(t, prepend=first)
        wrapped = (steps < -half).astype(np.int64) - (steps > half)
        if wrapped.any():
            t += (np.cumsum(wrapped) + self._base) * self._range
            self._base += int(wrapped.sum())
            self.wraps = max(self.wraps, self._base)
        elif self._base:
            t += self._base * self._range
        self._last = last
        return t

    def note(self) -> list[str]:
        """Notes on the wraps for the user."""
        if not self.wraps:
            return []
        times = "once" if self.wraps == 1 else f"{self.wraps} times"
        return [f"the clock of {self._bits} bits wrapped {times}"]
