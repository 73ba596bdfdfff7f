"""ATIS address-event files (.bin) of N-MNIST and N-Caltech101: 5 bytes an event, no header.

    byte 0      x
    byte 1      y
    byte 2      polarity (bit 7, 1: ON), time bits 22..16
    bytes 3-4   time bits 15..0, big-endian

A record with y = 240 is no event: it marks that the 13-bit counter behind the time has wrapped, and
what follows is 2^13 us later (Read_Ndataset.m, published with both data sets; Orchard et al. 2015).
240 is one more than the last row of the ATIS (304 x 240), so it is a marker in every crop of it: in
N-MNIST's 34 x 34 and in N-Caltech101's 240 x 180.
"""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats.collect import Collector, Columns, Place, refuse_hole
from neurosim.data.formats.recording import MAX_EVENTS, Format, Recording, Sensor
from neurosim.data.formats.source import Source

RECORD_BYTES = 5
OVERFLOW_Y = 240
OVERFLOW_US = 1 << 13
ADDRESSES: Sensor = (240, 256)
"""What one byte of x and the ATIS's rows allow; the file does not say its crop."""


def read(
    path: str | os.PathLike[str], *, sensor: Sensor | None = None, max_events: int = MAX_EVENTS
) -> Recording:
    """The recording of one file; coordinates must be within `sensor` where it is given.

    Raises EventFileError where the bytes are no such recording, times decrease included.
    """
    with Source(path) as source:
        into = Collector(
            source, source.size // RECORD_BYTES, sensor or ADDRESSES, max_events, ordered=True
        )
        overflows = 0
        for offset, records in source.records(0, np.dtype(("u1", (RECORD_BYTES,)))):
            overflows = _decode(source, into, offset, records, overflows)
        notes = [f"{overflows:,} time overflow records (y = {OVERFLOW_Y})"] if overflows else []
        return into.finish(sensor, notes)


def _decode(
    source: Source, into: Collector, offset: int, records: NDArray[Any], overflows: int
) -> int:
    """Append a block's events; the number of overflow records up to its end."""
    y = records[:, 1]
    t = records[:, 4].astype(np.int64)
    t |= records[:, 3].astype(np.int64) << 8
    t |= (records[:, 2] & 0x7F).astype(np.int64) << 16
    stamped = np.flatnonzero(t == 0)
    if stamped.size:
        zero = np.zeros(len(t), np.bool_)
        zero[stamped] = ~records[stamped].any(axis=1)
        refuse_hole(source, zero, offset, RECORD_BYTES)
    marker = y == OVERFLOW_Y
    if not marker.any():
        t += overflows * OVERFLOW_US
        columns = Columns(t, records[:, 0], y, records[:, 2] >> 7)
        into.append(columns, Place(offset, RECORD_BYTES))
        return overflows
    wraps = np.cumsum(marker)
    t += (wraps + overflows) * OVERFLOW_US
    kept = np.flatnonzero(~marker)
    columns = Columns(t[kept], records[kept, 0], y[kept], records[kept, 2] >> 7)
    into.append(columns, Place(offset, RECORD_BYTES, kept))
    return overflows + int(wraps[-1])


FORMAT = Format("bin", "ATIS .bin of N-MNIST and N-Caltech101", (".bin",), None, read)
