"""AEDAT 2.0 files of jAER: "#" header, then 8 bytes an event, big-endian: address, microseconds.

What an address means depends on the chip, named in the header line AEChip (jAER's DVS128.java,
DavisChip.java and DavisBaseCamera.java; documentation of iniVation, "AEDAT 2.0"):

    DVS128   bit 15 set: no event (synchronisation); else bits 14-8 and 7-1: pixel,
             bit 0: 0 ON, 1 OFF
    DAVIS    bit 31 set: sample of the frames or of the IMU; else bit 10 set: external event;
             else bits 30-22: y, 21-12: x, bit 11: 1 ON, 0 OFF

jAER counts rows from the bottom and mirrors the columns of both chips; here rows count from the top,
so x = width - 1 - field and y = height - 1 - field.

CIFAR10-DVS was recorded by a DVS128 that lay on its side: x = 127 - bits 14-8, y = 127 - bits 7-1. No
header says so; `read` with layout="cifar10dvs" takes the file that way.
"""

import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats.collect import Clock, Collector, Columns, Place, refuse_hole
from neurosim.data.formats.recording import MAX_EVENTS, Format, Recording, Sensor
from neurosim.data.formats.source import Source

RECORD = np.dtype([("address", ">u4"), ("t", ">u4")])
MAGIC = b"#!AER-DAT2"
_DVS128_SPECIAL = 0x8000
_DAVIS_SAMPLE = 0x8000_0000
_DAVIS_EXTERNAL = 0x400

Addresses = NDArray[np.uint32]


class Layout(NamedTuple):
    """What the addresses of a chip mean.

    sensor    (height, width)
    skipped   addresses that are no event: name of the kind, whether an address is of it
    pixel     x, y and polarity of addresses that are events
    """

    sensor: Sensor
    skipped: tuple[tuple[str, Callable[[Addresses], NDArray[np.bool_]]], ...]
    pixel: Callable[[Addresses, Sensor], tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]


def _dvs128(a: Addresses, sensor: Sensor) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return 127 - (a >> 1 & 127), 127 - (a >> 8 & 127), a & 1 ^ 1


def _on_its_side(a: Addresses, sensor: Sensor) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    return 127 - (a >> 8 & 127), 127 - (a >> 1 & 127), a & 1 ^ 1


def _davis(a: Addresses, sensor: Sensor) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """A field beyond the sensor gives a number below 0, which wraps to one that is refused."""
    height, width = sensor
    x = np.uint32(width - 1) - (a >> 12 & 1023)
    return x, np.uint32(height - 1) - (a >> 22 & 511), a >> 11 & 1


_DVS128_SKIPS = (("synchronisation events", lambda a: a & _DVS128_SPECIAL != 0),)
_DAVIS_SKIPS = (
    ("frame or IMU samples", lambda a: a & _DAVIS_SAMPLE != 0),
    ("external events", lambda a: a & (_DAVIS_SAMPLE | _DAVIS_EXTERNAL) == _DAVIS_EXTERNAL),
)
LAYOUTS = {
    "dvs128": Layout((128, 128), _DVS128_SKIPS, _dvs128),
    "cifar10dvs": Layout((128, 128), _DVS128_SKIPS, _on_its_side),
    **{
        f"davis{number}": Layout(sensor, _DAVIS_SKIPS, _davis)
        for number, sensor in {
            128: (128, 128),
            208: (192, 208),
            240: (180, 240),
            346: (260, 346),
            640: (480, 640),
        }.items()
    },
}
"""By name, as `read` takes them; sizes are those of jAER's classes for the chips."""
SMALL_ADDRESS = 1 << 16
"""Addresses of a DVS128 are below this."""


def sniff(head: bytes) -> bool:
    """The version line of AEDAT 2."""
    return head.startswith(MAGIC)


def read(
    path: str | os.PathLike[str], *, layout: str | None = None, max_events: int = MAX_EVENTS
) -> Recording:
    """The recording of one file.

    `layout` is one of LAYOUTS; without it the header's AEChip decides, and where there is none the
    size of the addresses (a note says so). Raises EventFileError where the file is no recording, and
    ValueError where the layout is unknown.
    """
    if layout is not None and layout not in LAYOUTS:
        raise ValueError(f"layout is {layout!r}; known are {', '.join(sorted(LAYOUTS))}")
    with Source(path) as source:
        lines, start = source.header(b"#")
        if not lines or not sniff(lines[0].encode()):
            raise source.error("no line #!AER-DAT2.0 at the start; needed is an AEDAT 2 file", 0)
        notes: list[str] = []
        chosen = LAYOUTS[layout or _layout_of(source, lines, start, notes)]
        into = Collector(
            source, (source.size - start) // RECORD.itemsize, chosen.sensor, max_events
        )
        clock = Clock(32)
        counts = dict.fromkeys((name for name, _ in chosen.skipped), 0)
        for offset, records in source.records(start, RECORD):
            _decode(source, into, chosen, clock, counts, (offset, records))
        notes += [f"{count:,} {name} skipped" for name, count in counts.items() if count]
        return into.finish(chosen.sensor, notes + clock.note())


def _decode(
    source: Source,
    into: Collector,
    layout: Layout,
    clock: Clock,
    counts: dict[str, int],
    block: tuple[int, NDArray[Any]],
) -> None:
    offset, records = block
    refuse_hole(source, records.view("<u8") == 0, offset, RECORD.itemsize)
    address = records["address"].astype(np.uint32)
    t = clock.unwrap(records["t"])
    drop: NDArray[np.bool_] | None = None
    for name, is_of in layout.skipped:
        mask = is_of(address)
        counts[name] += int(np.count_nonzero(mask))
        drop = mask if drop is None else drop | mask
    if drop is None or not drop.any():
        columns = Columns(t, *layout.pixel(address, layout.sensor))
        into.append(columns, Place(offset, RECORD.itemsize))
        return
    kept = np.flatnonzero(~drop)
    columns = Columns(t[kept], *layout.pixel(address[kept], layout.sensor))
    into.append(columns, Place(offset, RECORD.itemsize, kept))


def _layout_of(source: Source, lines: list[str], start: int, notes: list[str]) -> str:
    chip = next((line for line in lines if "AEChip:" in line), None)
    if chip is not None:
        name = chip.split("AEChip:", 1)[1].strip()
        found = re.search(r"(dvs128|davis\d+)", name.rsplit(".", 1)[-1], re.IGNORECASE)
        if found is None or found[1].lower() not in LAYOUTS:
            raise source.error(
                f"the chip is {name[:80]!r}; known are {', '.join(sorted(LAYOUTS))}: name the one "
                f"whose addresses it has as layout",
                0,
            )
        return found[1].lower()
    first = next(source.records(start, RECORD), None)
    small = first is None or int(first[1]["address"].max()) < SMALL_ADDRESS
    name = "dvs128" if small else "davis240"
    notes.append(f"the header names no chip: addresses taken, by their size, as those of {name}")
    return name


FORMAT = Format("aedat2", "AEDAT 2.0 of jAER", (".aedat", ".aedat2"), sniff, read)
