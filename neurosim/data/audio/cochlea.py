"""Cochlea settings, and the integer coefficients and constants that its kernels use.

This is the last place with floating point: coefficients are rounded once, to 28 bits, and constants to 16.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from neurosim.data.audio.wav import AudioError
from neurosim.kernels.data import filterbank

_HIGHEST_SHARE = 0.45
"""Highest centre as a share of the rate, where none is given: a tenth below half of it, chosen here."""
_OCTAVE_DB = 20 * math.log10(2)


@dataclass(frozen=True)
class Cochlea:
    """Settings of the cochlea. There is one unit per channel and kind of spike.

    channels     of the filter bank, from low to high frequency
    spacing      of their centres: "erb" (Glasberg and Moore 1990) or "mel" (O'Shaughnessy 1987)
    low_hz, high_hz   first and last centre; high_hz None: 45 % of the rate
    spikes       "level" (rate by level), "onset" (each rise of the level), or "both", onsets last
    hop_us       time step: a unit spikes at most once in it
    smooth_us    time constant of a channel's envelope
    floor_db     level that drives no spikes, below a sine of full scale
    charge_us    time to a spike at a level twice the floor, without leak;  leak_us  its time constant
    silent_us    time without a spike after one (level spikes)
    rise_db      rise of the level that makes an onset spike; forget_us: time constant of its reference
    normalise    whether a recording's largest sample is made full scale
    trim_db      trimmed at both ends: pieces of 10 ms this far below the largest sample; 0: no trimming
    margin_ms    kept before and after the part that is loud enough
    window_ms    time that is cut into bins; what comes later is left out
    """

    channels: int = 64
    spacing: str = "erb"
    low_hz: int = 60
    high_hz: int | None = None
    spikes: str = "both"
    hop_us: int = 1000
    smooth_us: int = 4000
    floor_db: float = 55.0
    charge_us: int = 20_000
    leak_us: int = 12_000
    silent_us: int = 2000
    rise_db: float = 6.0
    forget_us: int = 50_000
    normalise: bool = True
    trim_db: float = 30.0
    margin_ms: int = 20
    window_ms: int = 700

    def __post_init__(self) -> None:
        for name, (low, high) in _ALLOWED.items():
            value = getattr(self, name)
            if name == "high_hz" and value is None:
                continue
            whole = isinstance(low, int)
            kinds = (int,) if whole else (int, float)
            if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
                raise AudioError(
                    f"cochlea: {name} is {value!r}; allowed are {'integers ' * whole}{low} to {high}"
                )
        for name, words in (("spacing", _SPACINGS), ("spikes", _SPIKES)):
            if getattr(self, name) not in words:
                raise AudioError(
                    f"cochlea: {name} is {getattr(self, name)!r}; allowed are {', '.join(words)}"
                )
        if not isinstance(self.normalise, bool):
            raise AudioError(
                f"cochlea: normalise is {self.normalise!r}; allowed are True and False"
            )

    @property
    def units(self) -> int:
        """Units of a recording: one a channel, two where both kinds of spikes are wanted."""
        return self.channels * (2 if self.spikes == "both" else 1)

    @property
    def steps(self) -> int:
        """Time steps of the window, the last one perhaps cut."""
        return -(-self.window_ms * 1000 // self.hop_us)


_SPACINGS = ("erb", "mel")
_SPIKES = ("level", "onset", "both")
_ALLOWED = {
    "channels": (1, 700),
    "low_hz": (20, 20_000),
    "high_hz": (20, 100_000),
    "hop_us": (500, 100_000),
    "smooth_us": (100, 1_000_000),
    "floor_db": (6.0, 150.0),
    "charge_us": (1000, 10_000_000),
    "leak_us": (1000, 10_000_000),
    "silent_us": (0, 1_000_000),
    "rise_db": (0.1, 100.0),
    "forget_us": (1000, 10_000_000),
    "trim_db": (0.0, 90.0),
    "margin_ms": (0, 1000),
    "window_ms": (10, 10_000),
}
"""Bounds of the settings; 700 channels are those of SHD (Cramer et al. 2020), the others chosen here."""


def erb(hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Equivalent rectangular bandwidth of hearing, Hz (Glasberg and Moore 1990)."""
    return 24.7 * (0.00437 * np.asarray(hz) + 1)


def centres(cochlea: Cochlea, rate: int) -> NDArray[np.float64]:
    """Centre frequencies of the channels, Hz, float64 (channel,), ascending."""
    high = round(_HIGHEST_SHARE * rate) if cochlea.high_hz is None else cochlea.high_hz
    if not cochlea.low_hz < high < rate / 2:
        raise AudioError(
            f"cochlea: channels reach from {cochlea.low_hz} to {high} Hz; at {rate} samples a second "
            f"needed is low_hz < high_hz < {rate / 2:g}: change low_hz or high_hz"
        )
    scale, knee = (21.4, 1 / 0.00437) if cochlea.spacing == "erb" else (2595.0, 700.0)
    first, last = (scale * math.log10(1 + hz / knee) for hz in (cochlea.low_hz, high))
    return knee * (10 ** (np.linspace(first, last, cochlea.channels) / scale) - 1)


@lru_cache(maxsize=16)
def bank(cochlea: Cochlea, rate: int) -> filterbank.Bank:
    """Resonators of the channels: all-pole gammatone filters of order 4 (Slaney 1993, Lyon 1997).

    The pole's radius is exp(-2 pi 1.019 ERB / rate), its angle the centre's; each stage passes the
    centre with gain 1. AudioError where a sound of full scale could leave the kernels' width.
    """
    hz = centres(cochlea, rate)
    radius = np.exp(-2 * np.pi * 1.019 * erb(hz) / rate)
    angle = 2 * np.pi * hz / rate
    gain = (1 - radius) * np.abs(1 - radius * np.exp(-2j * angle))
    made = filterbank.Bank(
        *(
            np.round(values * (1 << filterbank.COEFFICIENT_BITS)).astype(np.int64)
            for values in (gain, 2 * radius * np.cos(angle), radius**2)
        )
    )
    if not made.gain.all() or largest_output(made).max() >= 1 << filterbank.OUTPUT_BITS:
        raise AudioError(
            f"cochlea: channels from {hz[0]:.0f} Hz at {rate} samples a second need more than the "
            f"filters' bits; raise low_hz, or convert the recordings to a lower rate"
        )
    return made


def largest_output(made: filterbank.Bank) -> NDArray[np.float64]:
    """Bound of what any stage of a channel puts out for any sound below 2^31, float64 (channel,).

    A stage's output is at most the sum of the absolute values of its impulse response times the
    largest input, and its rounding, half a unit a sample, passes through the same filter without the
    gain. The sum is taken until what follows is below a thousandth, and one per cent is added.
    """
    gain, back_1, back_2 = (values / (1 << filterbank.COEFFICIENT_BITS) for values in made)
    radius = np.sqrt(back_2)
    sine = np.sqrt(np.maximum(1 - (back_1 / (2 * radius)) ** 2, 1e-12))
    now, before, total = np.ones_like(gain), np.zeros_like(gain), np.zeros_like(gain)
    samples = math.ceil(math.log(1e-3 * (1 - radius.max()) * sine.min()) / math.log(radius.max()))
    for _ in range(samples):
        total += np.abs(now)
        now, before = back_1 * now - back_2 * before, now
    total = 1.01 * (total + 1e-3)
    bound = np.full_like(gain, 1 << filterbank.SOUND_BITS)
    largest = bound
    for _ in range(filterbank.STAGES):
        bound = total * (gain * bound + 0.5)
        largest = np.maximum(largest, bound)
    return largest


def _share(step_us: float, constant_us: float) -> int:
    """Share of a difference that goes in a step, in 2^-16."""
    return round((1 << filterbank.SHARE_BITS) * (1 - math.exp(-step_us / constant_us)))


def _levels(db: float) -> int:
    return round(db / _OCTAVE_DB * (1 << filterbank.LEVEL_BITS))


@lru_cache(maxsize=16)
def cells(cochlea: Cochlea, rate: int) -> filterbank.Cells:
    """Settings of the spiking cells, in integers."""
    full = filterbank.SOUND_BITS << filterbank.LEVEL_BITS
    return filterbank.Cells(
        rate=rate,
        hop_us=cochlea.hop_us,
        smooth=_share(1_000_000 / rate, cochlea.smooth_us),
        floor=max(full - _levels(cochlea.floor_db), 0),
        leak=_share(cochlea.hop_us, cochlea.leak_us),
        threshold=max(1, round((1 << filterbank.LEVEL_BITS) * cochlea.charge_us / cochlea.hop_us)),
        refractory=cochlea.silent_us // cochlea.hop_us,
        forget=_share(cochlea.hop_us, cochlea.forget_us),
        rise=max(1, _levels(cochlea.rise_db)),
        level=int(cochlea.spikes != "onset"),
        onset=int(cochlea.spikes != "level"),
    )
