"""Encoders of event files, for tests of the readers: events (dtype EVENT) to the bytes of a format."""

import io
import struct

import numpy as np
from event_strategies import random_events

AEDAT2_HEAD = b"#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n"
AEDAT3_HEAD = (
    b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n"
    b"#Start-Time: 2020-11-20 18:06:50 (TZ+0300)\r\n#!END-HEADER\r\n"
)


def columns(events):
    """t, x, y, p as int64."""
    return [events[name].astype(np.int64) for name in "txyp"]


def bin_file(events):
    """ATIS .bin; times beyond 23 bits by overflow records."""
    t, x, y, p = columns(events)
    out = bytearray()
    late = 0
    for when, column, row, polarity in zip(t.tolist(), x, y, p, strict=True):
        while when - late >= 1 << 23:
            out += bytes((0, 240, 0, 0, 0))
            late += 1 << 13
        stamp = when - late
        out += bytes((column, row, polarity << 7 | stamp >> 16, stamp >> 8 & 255, stamp & 255))
    return bytes(out)


def dat_file(events, version=2, sensor=None):
    """Prophesee .dat of version 1 or 2; the 32-bit clock wraps."""
    t, x, y, p = columns(events)
    bits, more = (14, 28) if version >= 2 else (9, 17)
    records = np.empty((len(t), 2), "<u4")
    records[:, 0] = t & 0xFFFF_FFFF
    records[:, 1] = x | y << bits | p << more
    head = f"% Data file containing CD events.\n% Version {version}\n"
    if sensor:
        head += f"% Height {sensor[0]}\n% Width {sensor[1]}\n"
    return head.encode() + b"\x0c\x08" + records.tobytes()


def aedat2_file(events, layout="dvs128", height=128, width=128, head=AEDAT2_HEAD):
    """AEDAT 2.0; the 32-bit clock wraps."""
    t, x, y, p = columns(events)
    if layout == "dvs128":
        address = (127 - y) << 8 | (127 - x) << 1 | (1 - p)
    elif layout == "cifar10dvs":
        address = (127 - x) << 8 | (127 - y) << 1 | (1 - p)
    else:
        address = (height - 1 - y) << 22 | (width - 1 - x) << 12 | p << 11
    records = np.empty((len(t), 2), ">u4")
    records[:, 0], records[:, 1] = address, t & 0xFFFF_FFFF
    return head + records.tobytes()


def aedat3_packet(events, kind=1, valid=None):
    """A packet whose events lie in one range of 2^31 us."""
    t, x, y, p = columns(events)
    overflow = int(t[0] >> 31) if len(t) else 0
    mark = np.ones(len(t), np.int64) if valid is None else np.asarray(valid, np.int64)
    count = len(t) if valid is None else int(mark.sum())
    records = np.empty((len(t), 2), "<u4")
    records[:, 0] = mark | p << 1 | y << 2 | x << 17
    records[:, 1] = t & 0x7FFF_FFFF
    header = struct.pack("<hhiiiiii", kind, 1, 8, 4, overflow, len(t), len(t), count)
    return header + records.tobytes()


def aedat3_file(events, packet=7, head=AEDAT3_HEAD):
    """AEDAT 3.1 with a packet for each `packet` events, or more where the clock wraps."""
    out = [head]
    first = 0
    while first < len(events):
        last = min(first + packet, len(events))
        over = events["t"][first:last] >> 31
        last = first + int(np.count_nonzero(over == over[0]))
        out.append(aedat3_packet(events[first:last]))
        first = last
    return b"".join(out)


def evt2_file(events, sensor=(480, 640)):
    """EVT 2.0: an upper time wherever it changes."""
    t, x, y, p = columns(events)
    upper = t >> 6
    changed = np.flatnonzero(np.diff(upper, prepend=-1))
    words = p << 28 | (t & 63) << 22 | x << 11 | y
    times = 8 << 28 | upper[changed] & 0x0FFF_FFFF
    body = np.insert(words, changed, times).astype("<u4")
    head = f"% evt 2.0\n% geometry {sensor[1]}x{sensor[0]}\n% end\n"
    return head.encode() + body.tobytes()


def evt3_words(events):
    """EVT 3.0 words, vectors where neighbours of one row and polarity share a time."""
    words = []
    state = {"high": None, "low": None, "row": None}
    rows = list(zip(*(c.tolist() for c in columns(events)), strict=True))
    place = 0
    while place < len(rows):
        t, x, y, p = rows[place]
        high, low = t >> 12 & 0xFFF, t & 0xFFF
        if state["high"] != t >> 12:
            words.append(8 << 12 | high)
            state["high"], state["low"] = t >> 12, 0
        if state["low"] != low:
            words.append(6 << 12 | low)
            state["low"] = low
        if state["row"] != y:
            words.append(y)
            state["row"] = y
        run = [x]
        for when, column, row, polarity in rows[place + 1 :]:
            if (when, row, polarity) != (t, y, p) or not run[-1] < column < x + 32:
                break
            run.append(column)
        if len(run) == 1:
            words.append(2 << 12 | p << 11 | x)
        else:
            bits = sum(1 << column - x for column in run)
            words += [3 << 12 | p << 11 | x, 4 << 12 | bits & 0xFFF]
            words += [4 << 12 | bits >> 12 & 0xFFF, 5 << 12 | bits >> 24]
        place += len(run)
    return words


def evt3_file(events, sensor=(720, 1280)):
    """EVT 3.0."""
    head = f"% evt 3.0\n% format EVT3;height={sensor[0]};width={sensor[1]}\n% end\n"
    return head.encode() + np.array(evt3_words(events), "<u2").tobytes()


def es_file(events, sensor=(128, 128)):
    """Event Stream, DVS events."""
    out = bytearray(b"Event Stream\x02\x00\x00\x01" + struct.pack("<HH", sensor[1], sensor[0]))
    before = 0
    for t, x, y, p in zip(*(c.tolist() for c in columns(events)), strict=True):
        step = t - before
        out += b"\xff" * (step // 127)
        out += struct.pack("<BHH", step % 127 << 1 | p, x, y)
        before = t
    return bytes(out)


def npy_file(events):
    """A structured array."""
    file = io.BytesIO()
    np.save(file, events)
    return file.getvalue()


def npz_file(events, compressed=True):
    """An array for each column."""
    file = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(file, t=events["t"], x=events["x"], y=events["y"], p=events["p"])
    return file.getvalue()


def text_file(events, separator=",", names="t,x,y,p\n"):
    """One event a line."""
    lines = (separator.join(map(str, event)) for event in events.tolist())
    return (names + "\n".join(lines) + "\n").encode()


def cue_file(samples):
    """ReckOn's text: samples as (label, [(unit, tick), ...], end)."""
    lines = [str(len(samples))]
    for label, spikes, end in samples:
        half = len(spikes) // 2
        lines += [f"{unit}, {tick}" for unit, tick in spikes[:half]] + [f"-2, {label}"]
        lines += [f"{unit}, {tick}" for unit, tick in spikes[half:]] + [f"-1, {end}"]
    return ("\r\n".join(lines) + "\r\n").encode()


AEDAT4_INFO = (
    '<dv version="2.0"><node name="outInfo" path="/"><node name="0" path="/0/">'
    '<attr key="compression" type="string">NONE</attr>'
    '<attr key="originalModuleName" type="string">capture</attr>'
    '<attr key="originalOutputName" type="string">events</attr>'
    '<attr key="typeDescription" type="string">Array of events (polarity ON/OFF).</attr>'
    '<attr key="typeIdentifier" type="string">EVTS</attr>'
    '<node name="info" path="/0/info/"><attr key="sizeX" type="int">{width}</attr>'
    '<attr key="sizeY" type="int">{height}</attr>'
    '<attr key="source" type="string">test</attr></node></node></node></dv>'
)


def aedat4_file(events, packet=50, sensor=(128, 128)):
    """AEDAT 4 without compression and without a data table: flatbuffers by hand."""
    text = AEDAT4_INFO.format(width=sensor[1], height=sensor[0]).encode()
    # vtable at 12 (four entries), table at 24: offset, compression, table position, string
    header = struct.pack("<I4sI", 24, b"IOHE", 0)
    header += struct.pack("<HHHHHxx", 10, 24, 4, 8, 16)
    header += struct.pack("<iiqIII", 12, 0, -1, 8, 0, len(text)) + text + b"\0"
    out = [b"#!AER-DAT4.0\r\n", struct.pack("<I", len(header)), header]
    for first in range(0, len(events), packet):
        part = events[first : first + packet]
        records = np.zeros(
            len(part), [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?"), ("_", "V3")]
        )
        for name in "txyp":
            records[name] = part[name]
        # vtable at 8 (one field), table at 16: offset to the vtable, offset to the vector
        body = struct.pack("<I4sHHHxx", 16, b"EVTS", 6, 8, 4)
        body += struct.pack("<iI", 8, 8) + struct.pack("<II", 0, len(part)) + records.tobytes()
        out.append(struct.pack("<iiI", 0, len(body) + 4, len(body)) + body)
    return b"".join(out)


FILES = {
    "bin": (".bin", lambda: bin_file(random_events(400, (240, 256), step=900))),
    "dat": (".dat", lambda: dat_file(random_events(400))),
    "aedat2": (".aedat", lambda: aedat2_file(random_events(400))),
    "aedat3": (".aedat", lambda: aedat3_file(random_events(400), 30)),
    "evt2": (".raw", lambda: evt2_file(random_events(400))),
    "evt3": (".raw", lambda: evt3_file(random_events(400, (4, 600), step=2))),
    "es": (".es", lambda: es_file(random_events(400))),
    "npy": (".npy", lambda: npy_file(random_events(400))),
    "npz": (".npz", lambda: npz_file(random_events(400))),
    "npz stored": (".npz", lambda: npz_file(random_events(100), False)),
    "text": (".csv", lambda: text_file(random_events(200))),
}
"""By name of a format: suffix and a whole file."""
