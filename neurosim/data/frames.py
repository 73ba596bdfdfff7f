"""How do events become the spikes that the chip is given?

Time is cut into `steps` equal bins of WINDOW_US // steps; a cell (step, input) spikes if at least one
event landed in it. Cells are packed 64 to a word, bit j % 64 of word j // 64 for input j, and a row
of words is padded with zeros to whole 64-byte lines.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim import threads
from neurosim.data.events import HEIGHT, POLARITIES, WIDTH, Events, check
from neurosim.kernels.data import binning, shift

WINDOW_US = 300_000
"""Three saccades of 100 ms (Orchard et al. 2015); see docs/camera.md for the choice."""
_WORD = 64
_LINE_WORDS = 8
_PIECE = 64


class FramesError(ValueError):
    """Frames, or a request for frames, that cannot be. The message says what is allowed."""


class Frames(NamedTuple):
    """Binary spikes of many samples.

    bits    uint64 (sample, step, word)  bit j % 64 of word j // 64: input j spikes in this step
    labels  uint8 (sample,)              class of the sample
    inputs  int                          number of inputs; bits from there on are zero
    """

    bits: NDArray[np.uint64]
    labels: NDArray[np.uint8]
    inputs: int


def words_for(inputs: int) -> int:
    """Words a row needs, in whole cache lines."""
    return -(-inputs // (_WORD * _LINE_WORDS)) * _LINE_WORDS


def sensor_inputs(pool: int = 1) -> int:
    """Inputs of the 34 x 34 sensor with `pool` x `pool` pixels joined, both polarities."""
    if isinstance(pool, bool) or not isinstance(pool, int) or pool < 1 or HEIGHT % pool:
        allowed = [n for n in range(1, HEIGHT + 1) if HEIGHT % n == 0]
        raise FramesError(f"pool is {pool!r}; allowed are the divisors of {HEIGHT}: {allowed}")
    return POLARITIES * (HEIGHT // pool) * (WIDTH // pool)


def check_steps(steps: int) -> None:
    """Raise FramesError unless the window can be cut into `steps`."""
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= 1000:
        raise FramesError(f"steps is {steps!r}; allowed are integers 1..1000")


def count(events: Events, *, steps: int = 10, pool: int = 1) -> NDArray[np.int32]:
    """Events of one recording in each cell: int32 (step, input), summing to the number of events."""
    check(events)
    check_steps(steps)
    counts = np.zeros((steps, sensor_inputs(pool)), np.int32)
    binning.count_events(*_columns(events), HEIGHT, WIDTH, pool, WINDOW_US, counts)
    return counts


def from_events(
    recordings: Sequence[Events], labels: ArrayLike, *, steps: int = 10, pool: int = 1
) -> Frames:
    """Frames of many recordings, counts clamped to 1."""
    check_steps(steps)
    inputs = sensor_inputs(pool)
    for recording in recordings:
        check(recording)
    bits = np.zeros((len(recordings), steps, words_for(inputs)), np.uint64)
    if len(recordings):
        start = np.zeros(len(recordings) + 1, np.int64)
        np.cumsum([len(recording) for recording in recordings], out=start[1:])
        columns = _columns(np.concatenate(recordings))
        threads.in_pieces(
            len(recordings),
            _PIECE,
            lambda begin, end: binning.mark_recordings(
                *columns, start, begin, end, HEIGHT, WIDTH, pool, WINDOW_US, bits
            ),
        )
    return Frames(bits, _checked_labels(labels, len(recordings)), inputs)


def _columns(events: Events) -> tuple[NDArray[np.int64], ...]:
    """t, x, y, p as the kernels take them."""
    return (
        events["t"].astype(np.int64),
        *(np.ascontiguousarray(events[name]) for name in "xyp"),
    )


def _checked_labels(labels: ArrayLike, samples: int) -> NDArray[np.uint8]:
    array = np.asarray(labels)
    whole = array.dtype.kind in "iu" or array.size == 0
    if (
        array.shape != (samples,)
        or not whole
        or (array.size and not 0 <= array.min() <= array.max() <= 255)
    ):
        raise FramesError(
            f"labels are {array.dtype} {array.shape}; needed are {samples} integers 0..255, one a sample"
        )
    return array.astype(np.uint8)


def pack(dense: ArrayLike, labels: ArrayLike) -> Frames:
    """Frames from 0/1 or bool (sample, step, input)."""
    array = np.asarray(dense)
    if (
        array.ndim != 3
        or array.dtype not in (np.bool_, np.uint8)
        or (array.size and array.max() > 1)
    ):
        raise FramesError(
            f"dense frames are {array.dtype} {array.shape}; needed is bool or uint8 "
            f"(sample, step, input) of 0 and 1"
        )
    samples, steps, inputs = array.shape
    padded = np.zeros((samples, steps, words_for(inputs) * _WORD), np.uint8)
    padded[:, :, :inputs] = array
    bits = np.packbits(padded, axis=-1, bitorder="little").view("<u8").astype(np.uint64, copy=False)
    return Frames(bits, _checked_labels(labels, samples), inputs)


def unpack(frames: Frames) -> NDArray[np.uint8]:
    """0/1, uint8 (sample, step, input)."""
    octets = np.ascontiguousarray(frames.bits, "<u8").view(np.uint8)
    return np.unpackbits(octets, axis=-1, count=frames.inputs, bitorder="little")


def take(frames: Frames, samples: NDArray[np.int64] | slice) -> Frames:
    """Some samples of frames."""
    return Frames(frames.bits[samples], frames.labels[samples], frames.inputs)


def moved(
    frames: Frames, samples: NDArray[np.int64], offsets: NDArray[np.int64], sensor: tuple[int, int]
) -> Frames:
    """Some samples of frames, as a sensor that stood elsewhere would have seen them.

    samples  int64 (i,)
    offsets  int64 (i, 2): pixels that sample i is moved down and right; what leaves the sensor is lost
    sensor   height and width in pixels; POLARITIES * height * width inputs
    """
    if frames.inputs != POLARITIES * sensor[0] * sensor[1]:
        raise FramesError(
            f"{frames.inputs} inputs are no sensor of {sensor[0]} x {sensor[1]} pixels and "
            f"{POLARITIES} polarities; samples of these frames cannot be moved"
        )
    reach = int(np.abs(offsets).max(initial=0))
    masks = _reached(reach, sensor)
    down, right = offsets[:, 0], offsets[:, 1]
    bits = np.empty((len(samples), *frames.bits.shape[1:]), np.uint64)
    threads.in_pieces(
        len(samples),
        _PIECE,
        lambda begin, end: shift.move_frames(
            begin, end, frames.bits, samples, down * sensor[1] + right, masks,
            (down + reach) * (2 * reach + 1) + right + reach, bits,
        ),
    )  # fmt: skip
    return Frames(bits, frames.labels[samples], frames.inputs)


@lru_cache(maxsize=4)
def _reached(reach: int, sensor: tuple[int, int]) -> NDArray[np.uint64]:
    """Inputs that something on the sensor can have moved to: a row of words for each offset."""
    offsets = range(-reach, reach + 1)
    dense = np.zeros((1, len(offsets) ** 2, POLARITIES, *sensor), np.uint8)
    for number, (down, right) in enumerate((y, x) for y in offsets for x in offsets):
        rows = slice(max(0, down), max(0, sensor[0] + min(0, down)))
        columns = slice(max(0, right), max(0, sensor[1] + min(0, right)))
        dense[0, number, :, rows, columns] = 1
    return pack(dense.reshape(1, len(offsets) ** 2, -1), [0]).bits[0]
