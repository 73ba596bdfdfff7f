"""AEDAT 4 files of DV: a header, then compressed packets, read by the package aedat in a child process.

    "#!AER-DAT4.0\\r\\n", uint32 size, header (flatbuffer: compression, position of the data table,
    description of the streams); then packets: int32 stream, int32 size, data

The framing is parsed here, so that a truncated file is reported with the byte; the packets
themselves (LZ4 or Zstandard, flatbuffers) are the package's. It is the extra `formats`. A damaged file
can end its process or ask for much memory: therefore the child. Frames, IMU samples and triggers are
left out and counted. The clock is that of the file: microseconds since 1970.
"""

import importlib.util
import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats import isolated
from neurosim.data.formats.collect import Collector, Columns
from neurosim.data.formats.recording import MAX_EVENTS, Format, Recording, Sensor
from neurosim.data.formats.source import BLOCK_BYTES, Source
from neurosim.sandbox import Refused

MAGIC = b"#!AER-DAT4.0\r\n"
LARGEST_SIDE = 1 << 15
MOST_PACKETS = 1 << 22
"""Packets of one file. Chosen here: hours of four streams with a packet each 10 ms."""
_PACKET = struct.Struct("<ii")
_DECODED = np.dtype([("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("p", "?")])
"""Events as the package gives them."""
_HEADER_BYTES = 1 << 24
"""The largest header that is read; they have some kilobytes."""
_MISSING = (
    "AEDAT 4 files need the package aedat, which is not installed; install the extra: "
    'pip install "neurosim-eggroll[formats]"'
)


def sniff(head: bytes) -> bool:
    """The version line of AEDAT 4."""
    return head.startswith(b"#!AER-DAT4")


def read(path: str | os.PathLike[str], *, max_events: int = MAX_EVENTS) -> Recording:
    """The recording of one file: its stream of events.

    Raises EventFileError where the file is damaged, holds no stream of events or several, and where
    the package aedat is not installed.
    """
    with Source(path) as source:
        if not source.head(len(MAGIC)).startswith(MAGIC):
            raise source.error("no line #!AER-DAT4.0 at the start; needed is an AEDAT 4 file", 0)
        offsets = _walk(source)
        if importlib.util.find_spec("aedat") is None:
            raise source.error(_MISSING)
        with tempfile.TemporaryDirectory(prefix="neurosim-") as folder:
            found = isolated.run(source, f"{__name__}:extract", folder, max_events=max_events)
            if "fault" in found:
                at = offsets[min(found["packets"], len(offsets) - 1)] if len(offsets) else 0
                raise source.error(
                    f"{found['fault']}. The file is damaged: fetch it again", int(at)
                )
            return _collect(source, Path(folder), found, offsets, max_events)


def _walk(source: Source) -> NDArray[np.int64]:
    """Bytes at which the packets begin."""
    size = int.from_bytes(source.read(len(MAGIC), 4), "little")
    start = len(MAGIC) + 4
    if not 0 < size <= _HEADER_BYTES:
        raise source.error(f"a header of {size} bytes; it has some kilobytes", len(MAGIC))
    table = _data_table(source.read(start, size))
    end = table if start + size <= table <= source.size else source.size
    if table > source.size:
        raise source.error(
            f"the data table is said to begin at byte {table}, and the file ends before: it is cut "
            f"short: fetch it again",
            source.size,
        )
    offsets: list[int] = []
    offset = start + size
    while offset < end:
        stream, length = _PACKET.unpack(source.read(offset, _PACKET.size))
        if stream < 0 or length <= 0 or offset + _PACKET.size + length > end:
            raise source.error(
                f"a packet of stream {stream} announces {length} bytes and "
                f"{end - offset - _PACKET.size} are left; the file is cut short or damaged: fetch it "
                f"again",
                offset,
            )
        offsets.append(offset)
        if len(offsets) > MOST_PACKETS:
            raise source.error(f"more than {MOST_PACKETS:,} packets; cut it into parts", offset)
        offset += _PACKET.size + length
    return np.array(offsets, np.int64)


def _data_table(header: bytes) -> int:
    """Position of the data table in the file (second field of the header), -1 where none is said."""
    try:
        (root,) = struct.unpack_from("<I", header, 0)
        vtable = root - struct.unpack_from("<i", header, root)[0]
        (length,) = struct.unpack_from("<H", header, vtable)
        field = struct.unpack_from("<H", header, vtable + 6)[0] if length >= 8 else 0
        position: int = struct.unpack_from("<q", header, root + field)[0] if field else -1
    except struct.error:
        return -1
    return position


def extract(path: str, max_events: int, folder: Path) -> dict[str, Any]:
    """Within the child: decode the events into `folder`.

    Writes events.bin (dtype _DECODED) and counts.npy (int64, events of each packet in order). Gives
    width, height and the number of packets by kind; after a fault, its text and the number of packets
    before it. Raises Refused where the streams are not those of one camera.
    """
    import aedat

    counts: list[int] = []
    kinds: dict[str, int] = {}
    total = 0
    try:
        decoder = aedat.Decoder(path)
        streams = decoder.id_to_stream()
        cameras = [key for key, stream in streams.items() if stream["type"] == "events"]
        if len(cameras) != 1:
            raise Refused(f"{len(cameras)} streams of events; read are files with one", 0)
        with (folder / "events.bin").open("wb") as file:
            for packet in decoder:
                events = packet.get("events") if packet["stream_id"] == cameras[0] else None
                counts.append(0 if events is None else len(events))
                total += counts[-1]
                if total > max_events:
                    break
                if events is None:
                    kind = streams[packet["stream_id"]]["type"]
                    kinds[kind] = kinds.get(kind, 0) + 1
                else:
                    file.write(np.ascontiguousarray(events).astype(_DECODED).tobytes())
    except Refused:
        raise
    except BaseException as error:  # the package's own panics are no Exception
        text = (str(error).splitlines() or [""])[0][:200]
        return {"fault": f"{type(error).__name__}: {text}", "packets": len(counts)}
    np.save(folder / "counts.npy", np.array(counts, np.int64))
    stream = streams[cameras[0]]
    return {"width": stream["width"], "height": stream["height"], "kinds": kinds, "total": total}


def _collect(
    source: Source,
    folder: Path,
    found: dict[str, Any],
    offsets: NDArray[np.int64],
    max_events: int,
) -> Recording:
    counts = np.load(folder / "counts.npy")
    if found["total"] > max_events:
        raise source.error(
            f"more than {max_events:,} events; a recording of this length is read with a larger "
            f"max_events, or cut into parts",
            int(offsets[min(len(counts), len(offsets)) - 1]),
        )
    sensor: Sensor = (found["height"], found["width"])
    if not all(0 < side <= LARGEST_SIDE for side in sensor):
        raise source.error(f"the header names a sensor of {sensor[1]} x {sensor[0]}", 0)
    into = Collector(source, found["total"], sensor, max_events)
    place = _Packets(offsets, np.cumsum(counts))
    step = BLOCK_BYTES // _DECODED.itemsize
    with (folder / "events.bin").open("rb") as file:
        for first in range(0, found["total"], step):
            block = np.frombuffer(file.read(step * _DECODED.itemsize), _DECODED)
            t = block["t"].astype(np.int64)
            columns = Columns(t, block["x"], block["y"], block["p"].view(np.uint8))
            into.append(columns, place.after(first))
    notes = [f"{n:,} packets of {kind} skipped" for kind, n in sorted(found["kinds"].items())]
    return into.finish(sensor, notes)


class _Packets:
    """The packet that an event lies in, as a byte of the file."""

    def __init__(self, offsets: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        self._offsets, self._ends = offsets, ends

    def after(self, first: int) -> Callable[[int], int]:
        """For a block that begins with event `first`."""

        def at(index: int) -> int:
            packet = int(np.searchsorted(self._ends, first + index, side="right"))
            return int(self._offsets[min(packet, len(self._offsets) - 1)])

        return at


FORMAT = Format("aedat4", "AEDAT 4 of DV", (".aedat4",), sniff, read)
