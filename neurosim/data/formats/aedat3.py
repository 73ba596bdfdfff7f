"""AEDAT 3.1 files of cAER (DVS128 Gesture): "#" header, then packets of events, little-endian.

    packet header (28 bytes)
        int16 type, int16 source, int32 bytes an event, int32 byte of the time within an event,
        int32 time overflows, int32 capacity, int32 number, int32 valid
    polarity event (type 1, 8 bytes)
        uint32: bit 0 valid, bit 1 polarity, bits 2-16 y, bits 17-31 x
        int32:  microseconds; the time overflows of the packet count 2^31 us each

Rows count from the top (documentation of iniVation, "AEDAT 3.1"). Packets of other types (frames, IMU,
special events) are skipped and counted. The labels of DVS128 Gesture are read by module gesture.
"""

import os
import re
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats.collect import Collector, Columns
from neurosim.data.formats.recording import MAX_EVENTS, Format, Recording, Sensor
from neurosim.data.formats.source import BLOCK_BYTES, Source

MAGIC = b"#!AER-DAT3"
HEADER_END = "#!END-HEADER"
_PACKET = struct.Struct("<hhiiiiii")
_POLARITY = 1
_EVENT_BYTES = 8
_TIME_BYTE = 4
_TYPES = 32
"""Types of event are small numbers: libcaer 3.3 has fewer than these."""
SENSORS: dict[str, Sensor] = {
    "DVS128": (128, 128),
    "DAVIS240": (180, 240),
    "DAVIS346": (260, 346),
    "DAVIS640": (480, 640),
    "DAVIS208": (192, 208),
    "DAVIS128": (128, 128),
}
"""Sizes of the sources that the documentation lists, by how their names begin."""
LARGEST: Sensor = (1 << 15, 1 << 15)
"""What 15 bits of x and y can say."""


class Packet(NamedTuple):
    """A packet header and where its events begin."""

    kind: int
    source: int
    event_bytes: int
    overflows: int
    number: int
    valid: int
    start: int


def sniff(head: bytes) -> bool:
    """The version line of AEDAT 3."""
    return head.startswith(MAGIC)


def read(path: str | os.PathLike[str], *, max_events: int = MAX_EVENTS) -> Recording:
    """The recording of one file. Raises EventFileError where it is none."""
    with Source(path) as source:
        start, sensor = _header(source)
        into = Collector(
            source, (source.size - start) // _EVENT_BYTES, sensor or LARGEST, max_events
        )
        skipped: dict[int, int] = {}
        decoder = _Decoder(source, into)
        for packets in _polarity_packets(source, start, skipped):
            decoder.decode(packets)
        notes = [f"{n:,} events of type {kind} skipped" for kind, n in sorted(skipped.items())]
        return into.finish(sensor, notes + decoder.notes())


def _header(source: Source) -> tuple[int, Sensor | None]:
    """Where the packets begin, and the sensor where the source is known."""
    raw = source.head(1 << 16)
    end = re.search(rb"^" + HEADER_END.encode() + rb"\r?\n", raw, re.MULTILINE)
    if not sniff(raw) or end is None:
        version = raw[:14].decode("latin-1")
        raise source.error(
            f"begins with {version!r} and has no line {HEADER_END}; needed is a file of AEDAT 3.1",
            0,
        )
    text = raw[: end.start()].decode("latin-1")
    kind = re.search(r"^#Format: *(\S+)", text, re.MULTILINE)
    if kind is None or kind[1] != "RAW":
        raise source.error(f"format {kind[1] if kind else 'not stated'}; only RAW is read", 0)
    named = re.search(r"^#Source \d+: *(\S+)", text, re.MULTILINE)
    name = named[1].upper() if named else ""
    return end.end(), next((size for key, size in SENSORS.items() if name.startswith(key)), None)


def _packets(source: Source, start: int) -> Iterator[Packet]:
    """Packet headers in the order of the file, each checked against what is left of it."""
    offset = start
    while offset < source.size:
        fields = _PACKET.unpack(source.read(offset, _PACKET.size))
        kind, origin, event_bytes, time_byte, overflows, capacity, number, valid = fields
        if not (
            0 <= kind < _TYPES
            and 0 <= valid <= number <= capacity
            and overflows >= 0
            and event_bytes > 0
            and (kind != _POLARITY or (event_bytes, time_byte) == (_EVENT_BYTES, _TIME_BYTE))
        ):
            raise source.error(
                f"no packet header: type {kind}, {event_bytes} bytes an event with the time at byte "
                f"{time_byte}, {overflows} overflows, capacity {capacity}, {number} events, {valid} "
                f"valid. The file is damaged: fetch it again",
                offset,
            )
        if number != capacity:
            raise source.error(
                f"a packet of {number} events with capacity for {capacity}; in a file both are equal",
                offset,
            )
        packet = Packet(kind, origin, event_bytes, overflows, number, valid, offset + _PACKET.size)
        offset = packet.start + number * event_bytes
        if offset > source.size:
            raise source.error(
                f"a packet announces {number:,} events of {event_bytes} bytes and "
                f"{source.size - packet.start:,} bytes are left; the file is cut short or damaged: "
                f"fetch it again",
                packet.start - _PACKET.size,
            )
        yield packet


def _polarity_packets(
    source: Source, start: int, skipped: dict[int, int]
) -> Iterator[list[Packet]]:
    """Polarity packets in groups of about BLOCK_BYTES; others are counted in `skipped`."""
    group: list[Packet] = []
    size, camera = 0, None
    for packet in _packets(source, start):
        if packet.kind != _POLARITY:
            skipped[packet.kind] = skipped.get(packet.kind, 0) + packet.number
            continue
        if camera not in (None, packet.source):
            raise source.error(
                f"polarity events of sources {camera} and {packet.source}; read is one camera a file",
                packet.start - _PACKET.size,
            )
        camera = packet.source
        if packet.number:
            group.append(packet)
        size += packet.number * _EVENT_BYTES
        if size >= BLOCK_BYTES:
            yield group
            group, size = [], 0
    if group:
        yield group


class _Decoder:
    """Events of polarity packets, and how many of them are not marked valid."""

    def __init__(self, source: Source, into: Collector) -> None:
        self._source, self._into = source, into
        self._skipped = 0
        self._unmarked = 0

    def decode(self, packets: list[Packet]) -> None:
        """Append the events of a group of packets."""
        if len(packets) == 1 and packets[0].number > _block_events():
            for piece in _pieces(packets[0]):
                self.decode([piece])
            return
        raw = b"".join(self._source.read(one.start, one.number * _EVENT_BYTES) for one in packets)
        words = np.frombuffer(raw, "<u4").reshape(-1, 2)
        data, t = words[:, 0], words[:, 1].view("<i4").astype(np.int64)
        numbers = np.array([one.number for one in packets], np.int64)
        overflows = np.array([one.overflows for one in packets], np.int64)
        if overflows.any():
            t += np.repeat(overflows << 31, numbers)
        ends = np.cumsum(numbers)
        kept = self._kept(packets, data, numbers)

        def at(index: int) -> int:
            event = index if kept is None else int(kept[index])
            which = int(np.searchsorted(ends, event, side="right"))
            return packets[which].start + (event - int(ends[which] - numbers[which])) * _EVENT_BYTES

        if kept is not None:
            data, t = data[kept], t[kept]
        self._into.append(Columns(t, data >> 17, data >> 2 & 0x7FFF, data >> 1 & 1), at)

    def _kept(
        self, packets: list[Packet], data: NDArray[Any], numbers: NDArray[np.int64]
    ) -> NDArray[np.int64] | None:
        """Indices of the events to keep, or None for all.

        A packet that counts all its events as valid is believed, whatever their marks are: writers of
        test data leave the marks out, and the readers of DVS128 Gesture do not look at them.
        """
        marked = (data & 1).astype(np.bool_)
        if marked.all():
            return None
        whole = np.repeat([one.valid == one.number for one in packets], numbers)
        self._unmarked += int(np.count_nonzero(whole & ~marked))
        kept = np.flatnonzero(whole | marked)
        self._skipped += len(data) - len(kept)
        return kept

    def notes(self) -> list[str]:
        dropped = [
            (self._skipped, "events marked invalid skipped"),
            (self._unmarked, "events not marked valid in packets that count them as valid: kept"),
        ]
        return [f"{count:,} {what}" for count, what in dropped if count]


def _block_events() -> int:
    return max(BLOCK_BYTES // _EVENT_BYTES, 1)


def _pieces(packet: Packet) -> Iterator[Packet]:
    """A packet in parts of at most BLOCK_BYTES; each is whole where the packet is."""
    step = _block_events()
    whole = packet.valid == packet.number
    for first in range(0, packet.number, step):
        number = min(step, packet.number - first)
        start = packet.start + first * _EVENT_BYTES
        yield packet._replace(number=number, start=start, valid=number if whole else -1)


FORMAT = Format("aedat3", "AEDAT 3.1 of cAER", (".aedat", ".aedat3"), sniff, read)
