"""Event Stream files (.es) of the type DVS: records of 1 or 5 bytes with differences of time.

    "Event Stream", 3 bytes version, 1 byte type (1: DVS), uint16 width, uint16 height
    0xFF     127 us pass;  0xFE: reset, no meaning for the events
    else     bits 7-1 microseconds that pass, bit 0 polarity; then uint16 x, uint16 y, little-endian

(Specification of neuromorphic-paris/event_stream, version 2.) Where a record begins depends on all
before it; entries into pieces of PIECE bytes are therefore found for all five possible ones at once.
Rows are as the file counts them.
"""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats.collect import Collector, Columns, Place
from neurosim.data.formats.recording import MAX_EVENTS, Format, Recording
from neurosim.data.formats.source import BLOCK_BYTES, Source

MAGIC = b"Event Stream"
HEADER_BYTES = 20
_TYPES = {0: "generic", 1: "DVS", 2: "ATIS", 3: "display", 4: "colour"}
_DVS = 1
_EVENT_BYTES = 5
_RESET, _OVERFLOW, _OVERFLOW_US = 0xFE, 0xFF, 127
PIECE = 64
"""Bytes followed record by record at once in all pieces. Chosen here: measured fastest of 32 to 256."""


def sniff(head: bytes) -> bool:
    """The name of the format."""
    return head.startswith(MAGIC)


def read(path: str | os.PathLike[str], *, max_events: int = MAX_EVENTS) -> Recording:
    """The recording of one file of DVS events. Raises EventFileError where it is none."""
    with Source(path) as source:
        header = source.read(0, HEADER_BYTES)
        if not sniff(header) or header[12] != 2 or header[15] != _DVS:
            kind = _TYPES.get(header[15], f"type {header[15]}") if sniff(header) else "other"
            raise source.error(
                f"{kind} events, version {header[12]}; read are DVS events of version 2", 0
            )
        width, height = np.frombuffer(header[16:], "<u2").tolist()
        if not (height and width):
            raise source.error(f"a sensor of {width} x {height}", 16)
        into = Collector(source, (source.size - HEADER_BYTES) // 5 + 1, (height, width), max_events)
        time = 0
        offset = HEADER_BYTES
        while offset < source.size:
            raw = np.frombuffer(
                source.read(offset, min(BLOCK_BYTES, source.size - offset)), np.uint8
            )
            taken, time = _decode(source, into, raw, offset, time)
            offset += taken
        return into.finish((height, width), [])


def _decode(
    source: Source, into: Collector, raw: NDArray[Any], offset: int, time: int
) -> tuple[int, int]:
    """Append the whole records of a block that begins with one: bytes taken, time at their end."""
    is_short = raw >= _RESET
    starts, end = _record_starts(np.where(is_short, 1, _EVENT_BYTES))
    if end > len(raw):
        starts = starts[:-1]
        if offset + len(raw) == source.size or not starts.size:
            raise source.error(
                f"{len(raw) - int(end - _EVENT_BYTES)} bytes at the end; an event has 5. The file is "
                f"cut short: fetch it again",
                offset + int(end) - _EVENT_BYTES,
            )
        end -= _EVENT_BYTES
    first = raw[starts]
    steps = np.where(first == _OVERFLOW, _OVERFLOW_US, np.where(first == _RESET, 0, first >> 1))
    t = np.cumsum(steps, dtype=np.int64) + time
    event = np.flatnonzero(first < _RESET)
    at = starts[event]
    x = raw[at + 1].astype(np.int64) | raw[at + 2].astype(np.int64) << 8
    y = raw[at + 3].astype(np.int64) | raw[at + 4].astype(np.int64) << 8
    _refuse_zeros(source, raw, at, offset)
    into.append(Columns(t[event], x, y, raw[at] & 1), Place(offset, 1, at))
    return int(end), int(t[-1]) if t.size else time


def _refuse_zeros(source: Source, raw: NDArray[Any], at: NDArray[np.int64], offset: int) -> None:
    """A hole of zero bytes decodes as events at 0, 0 that take no time."""
    zero = (raw[at] == 0) & (raw[at + 1] == 0) & (raw[at + 2] == 0) & (raw[at + 3] == 0)
    long = zero.astype(np.int64)
    runs = np.convolve(long, np.ones(8, np.int64), "valid") == 8 if len(long) >= 8 else zero[:0]
    if runs.any():
        raise source.error(
            "8 events of zero bytes in a row; the file has a hole: it was copied or unpacked in part. "
            "Fetch it again",
            offset + int(at[int(np.argmax(runs))]),
        )


def _record_starts(lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Bytes at which records begin, the first one at 0, and the end of the last one.

    lengths   (byte,) the length of a record that would begin there, 1 to 5
    """
    size = len(lengths)
    pieces = -(-size // PIECE)
    padded = np.concatenate((lengths, np.ones(pieces * PIECE - size, lengths.dtype)))
    begins = np.arange(pieces) * PIECE
    position = begins[:, None] + np.arange(_EVENT_BYTES)
    limit = (begins + PIECE)[:, None]
    while True:
        inside = position < limit
        if not inside.any():
            break
        position = np.where(
            inside, position + padded[np.minimum(position, len(padded) - 1)], position
        )
    leaves = (position - limit).tolist()
    entries = np.empty(pieces, np.int64)
    entry = 0
    for piece in range(pieces):
        entries[piece] = entry
        entry = leaves[piece][entry]
    marks = np.zeros(len(padded) + _EVENT_BYTES, np.bool_)
    walk = begins + entries
    ends = begins + PIECE
    while walk.size:
        marks[walk] = True
        walk = walk + padded[walk]
        inside = walk < ends
        walk, ends = walk[inside], ends[inside]
    starts = np.flatnonzero(marks[:size])
    end = int(starts[-1] + lengths[starts[-1]]) if size else 0
    return starts, end


FORMAT = Format("es", "Event Stream .es (DVS)", (".es",), sniff, read)
