"""Prophesee raw files in EVT 2.0: words of 32 bits, little-endian.

    bits 31-28   0 event OFF, 1 event ON, 8 upper time, 10 trigger, 14 and 15 others
    events       bits 27-22 time bits 5-0, 21-11 x, 10-0 y
    upper time   bits 27-0: time bits 33-6 in microseconds

(Documentation of Prophesee, "EVT 2.0 Format".) The 34-bit time wraps after 4 h 46 min. Events before
the first upper time have no time: they are left out, with a note.
"""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats import evt
from neurosim.data.formats.collect import Clock, Collector, Columns, Place, refuse_hole
from neurosim.data.formats.recording import MAX_EVENTS, Format, Recording
from neurosim.data.formats.source import Source

_ON, _TIME_HIGH, _TRIGGER, _OTHER, _CONTINUED = 1, 8, 10, 14, 15
_KNOWN = np.isin(np.arange(16), (0, _ON, _TIME_HIGH, _TRIGGER, _OTHER, _CONTINUED))


def sniff(head: bytes) -> bool:
    """A header that names EVT 2."""
    return evt.sniff(head, "2")


def read(path: str | os.PathLike[str], *, max_events: int = MAX_EVENTS) -> Recording:
    """The recording of one file. Raises EventFileError where it is none."""
    with Source(path) as source:
        head = evt.header(source, "2")
        into = Collector(
            source, (source.size - head.start) // 4, head.sensor or evt.LARGEST, max_events
        )
        decoder = _Decoder(source, into)
        for offset, words in source.records(head.start, "<u4"):
            decoder.decode(offset, words)
        return into.finish(head.sensor, decoder.notes())


class _Decoder:
    """The upper time that holds, and what was left out."""

    def __init__(self, source: Source, into: Collector) -> None:
        self._source, self._into = source, into
        self._clock = Clock(28, below=6)
        self._upper = -1
        self._untimed = 0
        self._others = 0

    def decode(self, offset: int, words: NDArray[Any]) -> None:
        refuse_hole(self._source, words == 0, offset, 4)
        kind = (words >> 28).astype(np.uint8)
        known = _KNOWN[kind]
        if not known.all():
            where = int(np.argmin(known))
            raise self._source.error(
                f"word of type {int(kind[where])}, which EVT 2.0 does not have; the file is damaged",
                offset + 4 * where,
            )
        event = np.flatnonzero(kind <= _ON)
        is_upper = kind == _TIME_HIGH
        given = self._clock.unwrap(words[is_upper] & 0x0FFF_FFFF)
        self._others += len(words) - len(event) - len(given)
        uppers = np.concatenate(([self._upper], given)) << 6
        held = uppers[np.cumsum(is_upper, dtype=np.int32)[event]]
        self._upper = int(uppers[-1] >> 6)
        untimed = int(np.searchsorted(held, 0)) if held.size and held[0] < 0 else 0
        self._untimed += untimed
        event, held = event[untimed:], held[untimed:]
        chosen = words[event]
        t = held | (chosen >> 22 & 0x3F).astype(np.int64)
        columns = Columns(t, chosen >> 11 & 0x7FF, chosen & 0x7FF, chosen >> 28)
        self._into.append(columns, Place(offset, 4, event))

    def notes(self) -> list[str]:
        dropped = [
            (self._untimed, "events before the first time left out"),
            (self._others, "trigger and other words skipped"),
        ]
        return [f"{count:,} {what}" for count, what in dropped if count] + self._clock.note()


FORMAT = Format("evt2", "Prophesee raw, EVT 2.0", (".raw",), sniff, read)
