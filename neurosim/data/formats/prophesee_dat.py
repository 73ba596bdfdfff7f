"""Prophesee and ATIS .dat files (N-CARS, GEN1): text header, then 8 bytes an event, little-endian.

    lines that begin with "%"    Version, Width, Height ...
    2 bytes                      type of event, bytes of an event
    uint32                       microseconds
    uint32                       version 2: x bits 0-13, y bits 14-27, polarity bit 28
                                 version 0 and 1: x bits 0-8, y bits 9-16, polarity bit 17

The layout is that of load_cd_events.m, which Prophesee published with the data.
"""

import os
import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats.collect import Clock, Collector, Columns, Place, refuse_hole
from neurosim.data.formats.recording import MAX_EVENTS, Format, Recording, Sensor
from neurosim.data.formats.source import Source

RECORD = np.dtype([("t", "<u4"), ("address", "<u4")])
TYPES = {0: "2D events", 12: "contrast detection"}
"""Types of event with x, y and polarity: 0 in old files, 12 (0x0C) since."""
LARGEST: Sensor = (2048, 2048)
"""What a file may hold that does not say its sensor: no sensor of the maker is larger."""


class Layout(NamedTuple):
    """Where the fields of an address lie."""

    x_bits: int
    y_bits: int

    def columns(self, t: NDArray[np.int64], address: NDArray[Any]) -> Columns:
        """Fields of addresses; the bits above the polarity are not looked at."""
        x = (address & ((1 << self.x_bits) - 1)).astype(np.uint16)
        y = (address >> self.x_bits & ((1 << self.y_bits) - 1)).astype(np.uint16)
        p = (address >> (self.x_bits + self.y_bits) & 1).astype(np.uint8)
        return Columns(t, x, y, p)


OLD, NEW = Layout(9, 8), Layout(14, 14)


def sniff(head: bytes) -> bool:
    """A header of "%" lines that names no EVT encoding."""
    return head.startswith(b"%") and not re.match(
        rb"(?:%[^\n]*\n)*% *(?:evt|format +EVT)", head, re.IGNORECASE
    )


def read(path: str | os.PathLike[str], *, max_events: int = MAX_EVENTS) -> Recording:
    """The recording of one file. Raises EventFileError where it is none."""
    with Source(path) as source:
        lines, start = source.header(b"%")
        if not lines:
            raise source.error("no header; a .dat file begins with lines that begin with %", 0)
        words = _words(lines)
        layout = NEW if _number(source, words, "version", 0) >= 2 else OLD
        sensor = _sensor(source, words)
        _check_type(source, start)
        into = Collector(source, (source.size - start) // 8, sensor or LARGEST, max_events)
        clock = Clock(32)
        for offset, records in source.records(start + 2, RECORD):
            refuse_hole(source, records.view("<u8") == 0, offset, RECORD.itemsize)
            columns = layout.columns(clock.unwrap(records["t"]), records["address"])
            into.append(columns, Place(offset, RECORD.itemsize))
        return into.finish(sensor, clock.note())


def _words(lines: list[str]) -> dict[str, str]:
    """Values of the header by name, in lower case."""
    found = (re.match(r"%\s*(\w+)\s+(.*)", line) for line in lines)
    return {match[1].lower(): match[2].strip() for match in found if match}


def _number(source: Source, words: dict[str, str], name: str, missing: int) -> int:
    text = words.get(name)
    if text is None:
        return missing
    if not re.fullmatch(r"\d{1,5}", text):
        raise source.error(f"{name} of the header is {text[:40]!r}; needed is a whole number", 0)
    return int(text)


def _sensor(source: Source, words: dict[str, str]) -> Sensor | None:
    height, width = (_number(source, words, name, 0) for name in ("height", "width"))
    if max(height, width) > LARGEST[0]:
        raise source.error(
            f"the header names a sensor of {width} x {height}; the largest is 2048 x 2048", 0
        )
    return (height, width) if height and width else None


def _check_type(source: Source, start: int) -> None:
    kind, size = source.read(start, 2)
    if kind not in TYPES or size != RECORD.itemsize:
        raise source.error(
            f"events of type {kind} with {size} bytes; read are types {sorted(TYPES)} with "
            f"{RECORD.itemsize} bytes",
            start,
        )


FORMAT = Format("dat", "Prophesee .dat", (".dat",), sniff, read)
