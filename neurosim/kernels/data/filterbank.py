"""Integer cochlea: an all-pole gammatone filter bank, an envelope of each channel, and spikes.

    y_k       = (gain y_{k-1} + back_1 y_k' - back_2 y_k'' + 1/2) >> 28     four resonators, y_0 the sound
    envelope += (max(y_4, 0) - envelope) * smooth >> 16                     half-wave, leaky integration
    level     = log2(envelope), piecewise linear, in 1/256                  compression

once a sample, and then once a step of hop_us microseconds

    drive     = max(level - floor, 0)
    v        += drive - (v * leak >> 16)        v >= threshold: a level spike, v = 0, then silence for
                                                `refractory` steps
    reference falls to drive by `forget`        drive - reference >= rise: an onset spike, and the
                                                reference becomes drive

Widths: the sound is below 2^31, and the bank is refused unless its outputs stay below 2^33 (cochlea.py);
28-bit coefficients below 2 keep every sum below 2^63.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels.compilation import kernel

STAGES = 4
COEFFICIENT_BITS = 28
SOUND_BITS = 31
OUTPUT_BITS = 33
LEVEL_BITS = 8
SHARE_BITS = 16
_HALF = 1 << (COEFFICIENT_BITS - 1)


class Bank(NamedTuple):
    """Resonators of the channels, int64 (channel,), in units of 2^-28: all stages of a channel alike."""

    gain: NDArray[np.int64]
    back_1: NDArray[np.int64]
    back_2: NDArray[np.int64]


class Cells(NamedTuple):
    """Parameters of the spiking neurons of a channel; shares in 2^-16, levels in 2^-8 of a factor of two.

    rate    samples a second        hop_us    time between two levels
    smooth  of the envelope, a sample         leak, forget   of v and of the reference, a step
    floor   level that drives nothing         threshold      of v        rise   of the drive
    refractory   steps                        level, onset   1 where these spikes are wanted
    """

    rate: int
    hop_us: int
    smooth: int
    floor: int
    leak: int
    threshold: int
    refractory: int
    forget: int
    rise: int
    level: int
    onset: int


@kernel
def log2_level(value):
    """log2 of a positive int64, piecewise linear between powers of two, in 1/256; 0 of anything else."""
    if value <= 0:
        return np.int64(0)
    power = np.int64(0)
    rest = value
    for shift in (32, 16, 8, 4, 2, 1):
        if rest >> shift:
            rest >>= shift
            power += shift
    below = value - (np.int64(1) << power)
    return (power << LEVEL_BITS) + ((below << LEVEL_BITS) >> power)


@kernel
def listen(sound, bank, smooth, once, twice, envelope):
    """Filter `sound`, int64 (sample,), in every channel.

    once, twice   int64 (STAGES, channel)   outputs one and two samples ago
    envelope      int64 (channel,)
    """
    gain, back_1, back_2 = bank
    for n in range(sound.shape[0]):
        for c in range(gain.shape[0]):
            y = sound[n]
            for k in range(STAGES):
                total = gain[c] * y + back_1[c] * once[k, c] - back_2[c] * twice[k, c]
                y = (total + _HALF) >> COEFFICIENT_BITS
                twice[k, c] = once[k, c]
                once[k, c] = y
            envelope[c] += ((max(y, 0) - envelope[c]) * smooth) >> SHARE_BITS


@kernel
def level_spike(drive, cells, v, silent):
    """The level neuron's next (v, steps it is silent, whether it spikes)."""
    if silent > 0:
        return np.int64(0), silent - 1, False
    v += drive - ((v * cells.leak) >> SHARE_BITS)
    if v >= cells.threshold:
        return np.int64(0), np.int64(cells.refractory), True
    return v, silent, False


@kernel
def onset_spike(drive, cells, reference):
    """The onset neuron's next (reference, whether it spikes)."""
    if drive < reference:
        return drive + (((reference - drive) * (65536 - cells.forget)) >> SHARE_BITS), False
    if drive - reference >= cells.rise:
        return drive, True
    return reference, False


@kernel
def encode(sound, bank, cells, spikes):
    """Spikes of a sound, int64 (sample,): set in `spikes`, uint8 (step, unit), zero before.

    Unit c is channel c's level neuron; the onset neurons follow, or are alone. The sound up to the end of
    step n determines the spikes of step n; steps after the end of the sound stay empty.
    """
    channels = bank.gain.shape[0]
    once = np.zeros((STAGES, channels), np.int64)
    twice = np.zeros((STAGES, channels), np.int64)
    envelope, v = np.zeros(channels, np.int64), np.zeros(channels, np.int64)
    silent, reference = np.zeros(channels, np.int64), np.zeros(channels, np.int64)
    onsets = channels * cells.level
    first = np.int64(0)
    for step in range(spikes.shape[0]):
        last = min((step + 1) * cells.hop_us * cells.rate // 1_000_000, sound.shape[0])
        listen(sound[first:last], bank, cells.smooth, once, twice, envelope)
        first = last
        for c in range(channels):
            drive = max(log2_level(envelope[c]) - cells.floor, 0)
            v[c], silent[c], fires = level_spike(drive, cells, v[c], silent[c])
            if cells.level and fires:
                spikes[step, c] = 1
            reference[c], rises = onset_spike(drive, cells, reference[c])
            if cells.onset and rises:
                spikes[step, onsets + c] = 1
        if last == sound.shape[0]:
            break


@kernel
def mark_spikes(spikes, bits):
    """Set in bits, uint64 (bin, word), zero before, each unit that spikes within a bin.

    spikes   uint8 (step, unit); bin = step * bins // steps
    """
    steps, units = spikes.shape
    for step in range(steps):
        row = bits[step * bits.shape[0] // steps]
        for unit in range(units):
            if spikes[step, unit]:
                row[unit >> 6] |= np.uint64(1) << np.uint64(unit & 63)
