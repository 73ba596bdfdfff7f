"""What the event formats say, in Python integers, one record after another, from their descriptions alone.

Each gives a list of (t, x, y, p) in the order of the file.
"""

import struct

Quad = tuple[int, int, int, int]


def _after_lines(raw: bytes, mark: bytes) -> int:
    """Where the lines of text that begin with `mark` end: data may begin with the same byte."""
    start = 0
    while raw[start : start + 1] == mark:
        line = raw[start:].partition(b"\n")[0]
        if not all(32 <= byte < 127 or byte in b"\t\r" for byte in line):
            break
        start += len(line) + 1
    return start


def atis_bin(raw: bytes) -> list[Quad]:
    events, late = [], 0
    for i in range(0, len(raw), 5):
        x, y, high, middle, low = raw[i : i + 5]
        if y == 240:
            late += 8192
        else:
            events.append(((high & 127) << 16 | middle << 8 | low, x, y, high >> 7))
            events[-1] = (events[-1][0] + late, *events[-1][1:])
    return events


def dat(raw: bytes) -> list[Quad]:
    start = _after_lines(raw, b"%")
    new = b"% Version 2" in raw[:start]
    events, wraps, before = [], 0, 0
    for t, a in struct.iter_unpack("<II", raw[start + 2 :]):
        wraps += t < before - (1 << 31)
        before = t
        x_bits, y_bits = (14, 14) if new else (9, 8)
        y = a >> x_bits & (1 << y_bits) - 1
        events.append((t + (wraps << 32), a & (1 << x_bits) - 1, y, a >> x_bits + y_bits & 1))
    return events


def aedat2(raw: bytes, layout: str = "dvs128", sensor: tuple[int, int] = (128, 128)) -> list[Quad]:
    start = _after_lines(raw, b"#")
    events, wraps, before = [], 0, 0
    for a, t in struct.iter_unpack(">II", raw[start:]):
        wraps += t < before - (1 << 31)
        before = t
        t += wraps << 32
        if layout.startswith("davis"):
            if not a >> 31 and not a >> 10 & 1:
                x, y = sensor[1] - 1 - (a >> 12 & 1023), sensor[0] - 1 - (a >> 22 & 511)
                events.append((t, x, y, a >> 11 & 1))
        elif a < 1 << 15:
            first, second = 127 - (a >> 1 & 127), 127 - (a >> 8 & 127)
            x, y = (first, second) if layout == "dvs128" else (second, first)
            events.append((t, x, y, 1 - (a & 1)))
    return events


def aedat3(raw: bytes) -> list[Quad]:
    end = b"#!END-HEADER\r\n"
    at = raw.index(end) + len(end)
    events = []
    while at < len(raw):
        kind, _, size, _, overflow, _, number, valid = struct.unpack_from("<hhiiiiii", raw, at)
        at += 28
        for i in range(number):
            if kind == 1:
                data, t = struct.unpack_from("<Ii", raw, at + i * size)
                if data & 1 or valid == number:
                    quad = (data >> 17, data >> 2 & 0x7FFF, data >> 1 & 1)
                    events.append((t + (overflow << 31), *quad))
        at += size * number
    return events


def evt2(raw: bytes) -> list[Quad]:
    events, high, wraps = [], None, 0
    for (word,) in struct.iter_unpack("<I", raw[_after_lines(raw, b"%") :]):
        kind = word >> 28
        if kind == 8:
            now = word & 0x0FFFFFFF
            wraps += high is not None and now < high - (1 << 27)
            high = now
        elif kind < 2 and high is not None:
            t = (wraps << 34) + (high << 6) + (word >> 22 & 63)
            events.append((t, word >> 11 & 2047, word & 2047, kind))
    return events


def evt3(raw: bytes) -> list[Quad]:
    events, high, wraps, low, y, base, p = [], None, 0, 0, 0, 0, 0
    for (word,) in struct.iter_unpack("<H", raw[_after_lines(raw, b"%") :]):
        kind, said = word >> 12, word & 0xFFF
        if kind == 0:
            y = said & 2047
        elif kind == 3:
            base, p = said & 2047, said >> 11
        elif kind == 6:
            low = said
        elif kind == 8:
            if said != high:
                low = 0
            wraps += high is not None and said < high - (1 << 11)
            high = said
        t = None if high is None else (wraps << 24) + (high << 12) + low
        if kind == 2 and t is not None:
            events.append((t, said & 2047, y, said >> 11))
        if kind in (4, 5):
            width = 12 if kind == 4 else 8
            if t is not None:
                events += [(t, base + i, y, p) for i in range(width) if said >> i & 1]
            base += width
    return events


def event_stream(raw: bytes) -> list[Quad]:
    events, at, t = [], 20, 0
    while at < len(raw):
        first = raw[at]
        if first >= 254:
            t += 127 if first == 255 else 0
            at += 1
            continue
        t += first >> 1
        x, y = struct.unpack_from("<HH", raw, at + 1)
        events.append((t, x, y, first & 1))
        at += 5
    return events


def cue_accumulation(raw: bytes) -> list[tuple[int, list[tuple[int, int]], int]]:
    """(label, [(unit, tick), ...], tick of the end) of each sample."""
    samples, spikes, label = [], [], None
    for line in raw.decode().split("\r\n")[1:]:
        if line:
            unit, value = (int(part) for part in line.split(","))
            if unit == -2:
                label = value
            elif unit == -1:
                samples.append((label, spikes, value))
                spikes, label = [], None
            else:
                spikes.append((unit, value))
    return samples
