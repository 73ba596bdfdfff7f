"""RIFF WAVE files of PCM samples: 8, 16, 24 or 32 bits, any number of channels, any rate.

    "RIFF" size "WAVE", then chunks: name, size (uint32, little-endian), content, padded to even size
    "fmt "  format uint16, channels uint16, rate uint32, bytes a second uint32, block uint16, bits uint16
            format 1 is PCM; 0xFFFE says the format in a longer header, whose bytes 24-25 are then 1
    "data"  samples, channel by channel; 8 bits are unsigned, more are signed

(Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0, 1991.) Python's `wave`
reads fewer of these files (not the longer header before 3.12), and does not report where a file is damaged.
"""

import os
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PCM, EXTENSIBLE = 1, 0xFFFE
RATES = (1000, 384_000)
"""Allowed samples per second; chosen here."""


class AudioError(ValueError):
    """A recording, or a setting, that cannot be used. The message says what came and what is allowed."""


class Sound(NamedTuple):
    """One channel of sound: samples int32 (sample,), -2^23..2^23 - 1 at full scale; rate a second."""

    samples: NDArray[np.int32]
    rate: int


class _Format(NamedTuple):
    channels: int
    rate: int
    width: int


def read(path: str | os.PathLike[str]) -> Sound:
    """The sound of a .wav file, channels averaged (rounded down)."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    return decode(raw, str(path))


def decode(raw: bytes, name: str = "these bytes") -> Sound:
    """The sound in the bytes of a .wav file; `name` is what an error calls them."""
    if raw[:4] != b"RIFF" or raw[8:12] != b"WAVE":
        raise AudioError(
            f"{name}: begins with {raw[:12].hex(' ') or 'nothing'}; a .wav file has RIFF at byte 0 and "
            f"WAVE at byte 8. It is of another format or damaged: convert it, or fetch it again"
        )
    layout, place = None, 12
    while place + 8 <= len(raw):
        kind, size = struct.unpack_from("<4sI", raw, place)
        content = raw[place + 8 : place + 8 + size]
        if len(content) < size:
            raise AudioError(
                f"{name}: chunk {kind!r} at byte {place} has {size} bytes by its header, and "
                f"{len(content)} follow; the file is cut short: fetch it again"
            )
        if kind == b"fmt ":
            layout = _format(content, f"{name}: chunk b'fmt ' at byte {place}")
        elif kind == b"data":
            return _sound(content, layout, f"{name}: chunk b'data' at byte {place}")
        place += 8 + size + size % 2
    raise AudioError(
        f"{name}: ends at byte {len(raw)} with no chunk b'data'; the file is damaged: fetch it again"
    )


def _format(content: bytes, where: str) -> _Format:
    if len(content) < 16:
        raise AudioError(f"{where} has {len(content)} bytes; needed are 16: fetch the file again")
    kind, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", content)
    if kind == EXTENSIBLE and len(content) >= 26:
        (kind,) = struct.unpack_from("<H", content, 24)
    if kind != PCM or bits not in (8, 16, 24, 32):
        raise AudioError(
            f"{where} says format {kind} with {bits} bits; allowed is format 1 (PCM) with 8, 16, 24 or "
            f"32 bits: convert the file, for example with ffmpeg -i FILE -c:a pcm_s16le NEW.wav"
        )
    if not channels or block != channels * bits // 8 or not RATES[0] <= rate <= RATES[1]:
        raise AudioError(
            f"{where} says {channels} channels in blocks of {block} bytes at {rate} Hz; needed are one "
            f"channel or more, blocks of {channels * bits // 8} bytes and {RATES[0]}..{RATES[1]} Hz"
        )
    return _Format(channels, rate, bits // 8)


def _sound(content: bytes, layout: _Format | None, where: str) -> Sound:
    if layout is None:
        raise AudioError(f"{where} comes before a chunk b'fmt '; the file is damaged")
    block = layout.channels * layout.width
    if not content or len(content) % block:
        raise AudioError(
            f"{where} has {len(content)} bytes; needed is a multiple of {block}, a sample of "
            f"{layout.channels} channels, and at least one: fetch the file again"
        )
    samples = _scaled(content, layout.width).reshape(-1, layout.channels)
    if not samples.any():
        raise AudioError(
            f"{where} holds {len(samples)} samples that are all 0; a recording has some sound. The "
            f"file was not written to its end: fetch it again, or take it out"
        )
    mean = samples.sum(1, dtype=np.int64) // layout.channels
    return Sound(mean.astype(np.int32), layout.rate)


def _scaled(content: bytes, width: int) -> NDArray[np.int32]:
    """Samples at 24 bits, from any width in bytes."""
    if width == 1:
        return (np.frombuffer(content, np.uint8).astype(np.int32) - 128) << 16
    if width == 2:
        return np.frombuffer(content, "<i2").astype(np.int32) << 8
    if width == 4:
        return np.frombuffer(content, "<i4").astype(np.int32) >> 8
    wide = np.zeros((len(content) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(content, np.uint8).reshape(-1, 3)
    return wide.view("<i4")[:, 0].astype(np.int32) >> 8
