"""Event recordings, labelled samples and errors: the common types of all readers of event files.

EVENT, one record an event:

    t   int64    microseconds on the clock of the file, not decreasing
    x   uint16   column, from the left
    y   uint16   row, from the top
    p   uint8    polarity: 1 brighter (ON), 0 darker (OFF)

A reader keeps the clock of the file: a caller that needs times from zero subtracts the first one.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

EVENT = np.dtype([("t", "<i8"), ("x", "<u2"), ("y", "<u2"), ("p", "u1")])

Events = NDArray[np.void]
"""Dtype EVENT, shape (event,), in order of time."""
Sensor = tuple[int, int]
"""Height and width of a sensor in pixels."""

MAX_EVENTS = 30_000_000
"""Events of one recording that are read unless a caller allows more. Chosen here, because 13 bytes an
event and 16 more while they are sorted stay below 900 MB; a minute of a 128 x 128 camera has some
millions."""


class EventFileError(ValueError):
    """An event file that cannot be read: which file, where in it, what came, what is allowed.

    `path` is the file as the caller named it; `offset` is the byte at which the fault was found, or
    None where the fault has no place.
    """

    def __init__(self, path: str | os.PathLike[str], fault: str, offset: int | None = None) -> None:
        place = "" if offset is None else f"byte {offset}: "
        super().__init__(f"{path}: {place}{fault}")
        self.path = str(path)
        self.fault = fault
        self.offset = offset

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.fault, self.offset)


class Recording(NamedTuple):
    """One recording.

    events   dtype EVENT, shape (event,), in order of time, at least one where a file was read
    sensor   (height, width) where the file says it, else None
    notes    messages for the user: clocks that wrapped, events that were sorted, records
             that hold no event and were left out
    """

    events: Events
    sensor: Sensor | None
    notes: tuple[str, ...] = ()


class Sample(NamedTuple):
    """A recording and its class, numbered from 0."""

    recording: Recording
    label: int


class Samples(Sequence[Sample]):
    """The samples of a file that holds many; each is cut out when it is asked for.

    labels        int64 (sample,), classes from 0
    class_names   one a class where the file names them, else None
    extra         further arrays by name, one value a sample (speakers, for example)
    notes         messages for the user on the file as a whole
    """

    def __init__(
        self,
        labels: NDArray[np.int64],
        recording: Callable[[int], Recording],
        *,
        class_names: tuple[str, ...] | None = None,
        extra: Mapping[str, NDArray[Any]] | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.labels = labels
        self.class_names = class_names
        self.extra = dict(extra or {})
        self.notes = notes
        self._recording = recording

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> list[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | list[Sample]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place = range(len(self))[index]
        return Sample(self._recording(place), int(self.labels[place]))

    def __iter__(self) -> Iterator[Sample]:
        return (self[i] for i in range(len(self)))


class Format(NamedTuple):
    """Entry of a file format in the registry.

    name       short and unique
    title      name for messages
    suffixes   lower case, with the dot
    sniff      whether the first bytes of a file (up to HEAD_BYTES) are this format's, or None where
               nothing in the bytes tells it: then the suffix decides
    read       a file of one recording: read(path, max_events=...)
    samples    a file of many labelled samples: samples(path)
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    sniff: Callable[[bytes], bool] | None
    read: Callable[..., Recording] | None = None
    samples: Callable[..., Samples] | None = None


HEAD_BYTES = 4096
"""Bytes that a format may look at to know its files."""


def columns_to_events(t: Any, x: Any, y: Any, p: Any) -> Events:
    """Events of four arrays of equal length whose values fit; copies."""
    events = np.empty(len(t), EVENT)
    for name, column in zip("txyp", (t, x, y, p), strict=True):
        events[name] = column
    return events


def sort_by_time(events: Events) -> None:
    """Sort in place by time, events of one time in their order; 16 further bytes an event."""
    order = np.argsort(events["t"], kind="stable")
    for name in "txyp":
        events[name] = events[name][order]
