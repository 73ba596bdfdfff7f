"""What is an event, and how is a recording of them read and written?

    t   uint32   microseconds since the recording began
    x   uint8    column 0..33, from the left
    y   uint8    row 0..33, from the top
    p   uint8    0 or 1: the polarity bit as the camera writes it (1: brighter, by its manual)

N-MNIST's files (Orchard et al. 2015) hold 5 bytes an event, big-endian: x, y, then one bit of polarity
and 23 bits of microseconds. A record with y = 240 is no event: it marks that the 13-bit counter behind
the time has wrapped, and everything after it is 2^13 us later.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.storage import write_atomically

EVENT = np.dtype([("t", "<u4"), ("x", "u1"), ("y", "u1"), ("p", "u1")])
HEIGHT = WIDTH = 34
"""N-MNIST's crop of the sensor."""
POLARITIES = 2

_RECORD_BYTES = 5
_TIME_BITS = 23
_OVERFLOW_Y = 240
_OVERFLOW_US = 1 << 13
"""The three of the file format: Read_Ndataset.m, published with the data set."""

Events = NDArray[np.void]
"""One recording: dtype EVENT, shape (event,), in order of time."""


class EventFileError(ValueError):
    """A file that is no event recording. The message says what came, what is allowed, what to do."""


class EventError(ValueError):
    """Events outside their ranges."""


def make(t: Any, x: Any, y: Any, p: Any) -> Events:
    """Events from four sequences of the same length, checked."""
    columns = [np.asarray(column) for column in (t, x, y, p)]
    events = np.empty(len(columns[0]), EVENT)
    for name, column in zip("txyp", columns, strict=True):
        if column.shape != events.shape:
            raise EventError(f"{name} has shape {column.shape}; needed is {events.shape}, as for t")
        if column.size and (column.min() < 0 or column.max() > np.iinfo(EVENT[name]).max):
            raise EventError(
                f"{name} reaches from {column.min()} to {column.max()}; "
                f"allowed are 0..{np.iinfo(EVENT[name]).max}"
            )
        events[name] = column
    check(events)
    return events


def _fault(events: Events) -> str | None:
    """What is wrong with the ranges of `events`, in words, or None."""
    for name, limit in (("x", WIDTH), ("y", HEIGHT), ("p", POLARITIES)):
        if events.size and int(events[name].max()) >= limit:
            where = int(np.argmax(events[name] >= limit))
            return (
                f"event {where} has {name} = {int(events[name][where])}; allowed are 0..{limit - 1}"
            )
    back = np.flatnonzero(events["t"][1:] < events["t"][:-1])
    if back.size:
        return (
            f"event {int(back[0]) + 1} comes at {int(events['t'][back[0] + 1])} us, before the one "
            f"ahead of it; times may not decrease"
        )
    return None


def check(events: Events) -> None:
    """Raise EventError unless `events` is a recording in order of time and within its ranges."""
    if not isinstance(events, np.ndarray) or events.dtype != EVENT or events.ndim != 1:
        found = (
            f"{events.dtype} {events.shape}"
            if isinstance(events, np.ndarray)
            else type(events).__name__
        )
        raise EventError(
            f"events are {found}; needed is a 1-D array of dtype {EVENT}, see events.make"
        )
    fault = _fault(events)
    if fault:
        raise EventError(fault)


def decode(raw: bytes, name: str = "these bytes") -> Events:
    """Events from the bytes of an ATIS file; `name` is what an error calls them."""
    if not raw:
        raise EventFileError(
            f"{name}: no bytes; a recording has at least one event. Fetch it again"
        )
    if len(raw) % _RECORD_BYTES:
        raise EventFileError(
            f"{name}: {len(raw)} bytes; allowed are multiples of {_RECORD_BYTES}. "
            f"The file is cut short or of another format: fetch it again"
        )
    record = np.frombuffer(raw, np.uint8).reshape(-1, _RECORD_BYTES).astype(np.int64)
    overflow = record[:, 1] == _OVERFLOW_Y
    t = (record[:, 2] & 0x7F) << 16 | record[:, 3] << 8 | record[:, 4]
    t += np.cumsum(overflow) * _OVERFLOW_US
    events = np.empty(int(np.count_nonzero(~overflow)), EVENT)
    for column, values in (
        ("t", t),
        ("x", record[:, 0]),
        ("y", record[:, 1]),
        ("p", record[:, 2] >> 7),
    ):
        events[column] = values[~overflow]
    fault = "holds time overflows and no event" if not events.size else _fault(events)
    if fault:
        raise EventFileError(
            f"{name}: {fault}. Expected is an N-MNIST recording (34 x 34, 5 bytes an event): "
            f"check which data set this file is from, or fetch it again"
        )
    return events


def read(path: str | os.PathLike[str]) -> Events:
    """Events of one N-MNIST file."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise EventFileError(
            f"{path}: cannot be read ({error.strerror}); check the path"
        ) from error
    return decode(raw, str(path))


def encode(events: Events) -> bytes:
    """The bytes of an ATIS file; times of 2^23 us and more are preceded by overflow records."""
    check(events)
    if not events.size:
        raise EventError(
            "no events; a file of the format cannot be told from a broken one when empty"
        )
    t = events["t"].astype(np.int64)
    needed = np.maximum(0, -(-(t - (1 << _TIME_BITS) + 1) // _OVERFLOW_US))
    inserted = np.diff(needed, prepend=0)
    total = len(events) + int(inserted.sum())
    record = np.zeros((total, _RECORD_BYTES), np.uint8)
    record[:, 1] = _OVERFLOW_Y
    place = np.arange(len(events)) + needed
    stamp = t - needed * _OVERFLOW_US
    record[place, 0] = events["x"]
    record[place, 1] = events["y"]
    record[place, 2] = events["p"] << 7 | stamp >> 16
    record[place, 3] = stamp >> 8 & 0xFF
    record[place, 4] = stamp & 0xFF
    return record.tobytes()


def write(path: str | os.PathLike[str], events: Events) -> None:
    """Write one N-MNIST file, whole or not at all."""
    write_atomically(path, encode(events))
