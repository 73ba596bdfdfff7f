"""Spikes of recorded sounds: normalisation, trimming of silence, filter bank, spiking cells.

All arithmetic on samples is in integers. The spikes of a recording depend on the recording and the settings
alone, not on threads or on other recordings. Recordings are read and encoded in parallel.
"""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import threads
from neurosim.data import frames
from neurosim.data.audio import cochlea as design
from neurosim.data.audio import wav
from neurosim.data.audio.cochlea import Cochlea
from neurosim.data.audio.wav import Sound
from neurosim.kernels.data import filterbank

_FRAME_MS = 10
"""Length of the pieces of trimming: the usual shift of speech frames, chosen here."""
_GUARD_BITS = filterbank.SOUND_BITS - 23

Recording = Sound | str | os.PathLike[str]
"""A sound, or the path of a .wav file."""


class Spikes(NamedTuple):
    """Spikes in order of time, then unit: t int64 (spike,), us; unit int64 (spike,), 0..units - 1."""

    t: NDArray[np.int64]
    unit: NDArray[np.int64]


def loud_part(sound: Sound, trim_db: float, margin_ms: int = 0) -> tuple[int, int]:
    """First sample that trimming keeps, and the one after the last."""
    count = len(sound.samples)
    if not trim_db:
        return 0, count
    size = max(1, sound.rate * _FRAME_MS // 1000)
    loudness = np.abs(sound.samples.astype(np.int64))
    peaks = np.maximum.reduceat(loudness, np.arange(0, count, size))
    share = round((1 << 16) * 10 ** (-trim_db / 20))
    loud = np.flatnonzero(peaks << 16 >= peaks.max() * share)
    margin = sound.rate * margin_ms // 1000
    return max(0, int(loud[0]) * size - margin), min(count, (int(loud[-1]) + 1) * size + margin)


def prepared(sound: Sound, cochlea: Cochlea) -> NDArray[np.int64]:
    """Input of the filter bank: int64 (sample,) within +-2^31, trimmed and cut to the window."""
    first, last = loud_part(sound, cochlea.trim_db, cochlea.margin_ms)
    last = min(last, first + -(-sound.rate * cochlea.window_ms // 1000))
    part = sound.samples[first:last].astype(np.int64)
    if not cochlea.normalise:
        return part << _GUARD_BITS
    peak = int(np.abs(sound.samples.astype(np.int64)).max())
    return part * ((1 << filterbank.SOUND_BITS) - 1) // max(peak, 1)


def raster(recording: Recording, cochlea: Cochlea) -> NDArray[np.uint8]:
    """Spikes of a recording, 0/1, uint8 (step, unit), steps of hop_us over the window."""
    sound = recording if isinstance(recording, Sound) else wav.read(recording)
    spikes = np.zeros((cochlea.steps, cochlea.units), np.uint8)
    bank, cells = design.bank(cochlea, sound.rate), design.cells(cochlea, sound.rate)
    filterbank.encode(prepared(sound, cochlea), bank, cells, spikes)
    return spikes


def encode(recording: Recording, cochlea: Cochlea | None = None) -> Spikes:
    """Spikes of a recording; a spike's time is the beginning of its step."""
    chosen = cochlea or Cochlea()
    step, unit = np.nonzero(raster(recording, chosen))
    return Spikes(step.astype(np.int64) * chosen.hop_us, unit.astype(np.int64))


def bits(
    recordings: Sequence[Recording],
    cochlea: Cochlea | None = None,
    *,
    steps: int = 10,
    progress: Callable[[int], object] | None = None,
) -> NDArray[np.uint64]:
    """Frames' bits of each recording, uint64 (recording, bin, word): input u spikes where unit u does.

    steps     bins of the window, 1..1000; time step n belongs to bin n * steps // cochlea.steps
    progress  called with 1 for each recording done, from any thread
    """
    chosen = cochlea or Cochlea()
    frames.check_steps(steps)
    out = np.zeros((len(recordings), steps, frames.words_for(chosen.units)), np.uint64)

    def piece(begin: int, end: int) -> None:
        for number in range(begin, end):
            filterbank.mark_spikes(raster(recordings[number], chosen), out[number])
            if progress is not None:
                progress(1)

    threads.in_pieces(len(recordings), 1, piece)
    return out
