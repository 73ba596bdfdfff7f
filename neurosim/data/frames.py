"""Frames: packed binary spikes of samples, made from events. They are the input of a network.

A cell (step, input) spikes if at least one event is binned to it; `Binning` defines the cell of an event.
Cells are packed 64 to a word, bit j % 64 of word j // 64 for input j, and a row of words is padded
with zeros to whole 64-byte lines.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim import threads
from neurosim.data.events import Events, check
from neurosim.data.sensor import Sensor
from neurosim.kernels import simd
from neurosim.kernels.data import binning, shift
from neurosim.kernels.data.binning import Cells

MOST_STEPS = 1000
MOST_CLASSES = 1000
"""Of a data set; N-Caltech101 has 101, ImageNet's images 1,000. Chosen here."""
_WORD = 64
_LINE_WORDS = 8
_PIECE = 64


class FramesError(ValueError):
    """Frames, or a request for frames, that are not valid. The message says what is allowed."""


class Frames(NamedTuple):
    """Binary spikes of many samples.

    bits    uint64 (sample, step, word)  bit j % 64 of word j // 64: input j spikes in this step
    labels  uint16 (sample,)             class of the sample
    inputs  int                          number of inputs; bits from there on are zero
    """

    bits: NDArray[np.uint64]
    labels: NDArray[np.uint16]
    inputs: int


class Binning(NamedTuple):
    """Binning: the cell of the frames in which an event is counted.

    sensor     what sent the events
    cells      the cell of each row and column, -1 outside a crop
    steps      1..1000
    window_us  time that is cut into `steps` equal bins
    by_count   bins of equally many events instead, in order of time: event i of n is in i * steps // n
    keep_late  events after the window belong to the last bin; otherwise they are left out
    """

    sensor: Sensor
    cells: Cells
    steps: int
    window_us: int
    by_count: bool = False
    keep_late: bool = True

    @property
    def plane(self) -> Sensor:
        """The sensor as the network sees it."""
        _, _, polarities, plane = self.sensor
        return Sensor(self.cells.rows, self.cells.columns, polarities, plane)

    def steps_of(self, events: Events) -> NDArray[np.int64]:
        """The bin of each event, int64 (event,)."""
        if self.by_count:
            return np.arange(len(events)) * self.steps // max(1, len(events))
        return np.minimum(events["t"] * self.steps // self.window_us, self.steps - 1)

    def kept(self, events: Events) -> Events:
        """The events that are binned at all."""
        if self.keep_late:
            return events
        return events[: np.searchsorted(events["t"], self.window_us)]


class Crop(NamedTuple):
    """A part of a plane, in pixels."""

    top: int
    left: int
    height: int
    width: int


def words_for(inputs: int) -> int:
    """Words a row needs, in whole cache lines."""
    return -(-inputs // (_WORD * _LINE_WORDS)) * _LINE_WORDS


def divide(
    sensor: Sensor,
    pool: int = 1,
    plane: tuple[int, int] | None = None,
    crop: Crop | None = None,
) -> Cells:
    """The cell of each pixel: `pool` x `pool` pixels joined, or the sensor divided into a plane.

    pool   a divisor of the height and width (of the crop)
    plane  rows and columns, at most the sensor's: row y belongs to y * rows // height, and a column
           likewise, so every pixel belongs to one cell and a divisor gives what pool gives
    crop   pixels outside belong to no cell
    """
    crop = _checked_crop(sensor, crop)
    if plane is None:
        _check_pool(crop, pool, sensor)
        plane = crop.height // pool, crop.width // pool
    elif pool != 1:
        raise FramesError(
            f"pool is {pool}, and the sensor is divided into {plane[1]} x {plane[0]}; allowed is "
            f"one of them"
        )
    for cut, of, what in ((plane[0], crop.height, "rows"), (plane[1], crop.width, "columns")):
        if isinstance(cut, bool) or not isinstance(cut, int) or not 1 <= cut <= of:
            raise FramesError(f"{cut!r} {what} of a sensor of {sensor}; allowed are 1..{of}")
    row, column = np.full(sensor.height, -1), np.full(sensor.width, -1)
    row[crop.top : crop.top + crop.height] = np.arange(crop.height) * plane[0] // crop.height
    column[crop.left : crop.left + crop.width] = np.arange(crop.width) * plane[1] // crop.width
    return Cells(row, column, *plane)


def _checked_crop(sensor: Sensor, crop: Crop | None) -> Crop:
    whole = Crop(0, 0, sensor.height, sensor.width)
    if crop is None:
        return whole
    inside = (
        min(crop.top, crop.left) >= 0
        and min(crop.height, crop.width) >= 1
        and crop.top + crop.height <= sensor.height
        and crop.left + crop.width <= sensor.width
    )
    if not inside:
        raise FramesError(
            f"a crop of {crop.width} x {crop.height} pixels from column {crop.left} and row "
            f"{crop.top} on is not within the sensor of {sensor}"
        )
    return crop


def _check_pool(crop: Crop, pool: object, sensor: Sensor) -> None:
    sides = {crop.height, crop.width} if sensor.plane else {crop.width}
    allowed = [n for n in range(1, min(sides) + 1) if not any(side % n for side in sides)]
    if not sensor.plane:
        allowed = [1]
    if isinstance(pool, bool) or not isinstance(pool, int) or pool not in allowed:
        advice = "" if sensor.plane and len(allowed) > 1 else "; divide it with --sensor instead"
        of = " and ".join(str(side) for side in sorted(sides))
        raise FramesError(
            f"pool is {pool!r}; allowed are the divisors of {of}: {allowed}{advice}"
            if sensor.plane
            else f"pool is {pool!r}; a sensor of {sensor} has no pixels to join{advice}"
        )


def check_steps(steps: int) -> None:
    """Raise FramesError unless the window can be cut into `steps`."""
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= MOST_STEPS:
        raise FramesError(f"steps is {steps!r}; allowed are integers 1..{MOST_STEPS}")


def count(events: Events, into: Binning) -> NDArray[np.int32]:
    """Events of one recording in each cell: int32 (step, input)."""
    check(events, into.sensor)
    check_steps(into.steps)
    counts = np.zeros((into.steps, into.plane.inputs), np.int32)
    binning.count_events(*_columns(events, into), into.cells, counts)
    return counts


def mark(events: Events, into: Binning, bits: NDArray[np.uint64]) -> None:
    """Set the bits of one recording in `bits`, uint64 (step, word), zero before."""
    check(events, into.sensor)
    binning.mark_events(*_columns(events, into), into.cells, bits)


def empty(samples: int, into: Binning) -> NDArray[np.uint64]:
    """Bits of `samples` recordings without an event."""
    check_steps(into.steps)
    return np.zeros((samples, into.steps, words_for(into.plane.inputs)), np.uint64)


def from_events(recordings: Sequence[Events], labels: ArrayLike, into: Binning) -> Frames:
    """Frames of many recordings, counts clamped to 1."""
    bits = empty(len(recordings), into)

    def work(begin: int, end: int) -> None:
        for number in range(begin, end):
            mark(recordings[number], into, bits[number])

    threads.in_pieces(len(recordings), _PIECE, work)
    return Frames(bits, checked_labels(labels, len(recordings)), into.plane.inputs)


def _columns(events: Events, into: Binning) -> tuple[NDArray[Any], ...]:
    """step, x, y, p as the kernels take them."""
    events = into.kept(events)
    return (
        into.steps_of(events),
        *(np.ascontiguousarray(events[name]) for name in "xyp"),
    )


def checked_labels(labels: ArrayLike, samples: int) -> NDArray[np.uint16]:
    """Labels as uint16 (sample,), or a FramesError."""
    array = np.asarray(labels)
    whole = array.dtype.kind in "iu" or array.size == 0
    if (
        array.shape != (samples,)
        or not whole
        or (array.size and not 0 <= array.min() <= array.max() < MOST_CLASSES)
    ):
        raise FramesError(
            f"labels are {array.dtype} {array.shape}; needed are {samples} integers 0..{MOST_CLASSES - 1}, "
            f"one a sample"
        )
    return array.astype(np.uint16)


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
    return Frames(bits, checked_labels(labels, samples), inputs)


def unpack(frames: Frames) -> NDArray[np.uint8]:
    """0/1, uint8 (sample, step, input)."""
    octets = np.ascontiguousarray(frames.bits, "<u8").view(np.uint8)
    return np.unpackbits(octets, axis=-1, count=frames.inputs, bitorder="little")


def select(frames: Frames, samples: NDArray[np.int64] | slice) -> Frames:
    """Some samples of frames."""
    return Frames(frames.bits[samples], frames.labels[samples], frames.inputs)


def check_plane(sensor: Sensor) -> None:
    """Raise FramesError unless samples of this sensor can be shifted."""
    if not sensor.plane:
        raise FramesError(
            f"a sensor of {sensor} is no plane: its samples cannot be shifted; use --shift 0"
        )


def shifted(
    frames: Frames, samples: NDArray[np.int64], offsets: NDArray[np.int64], sensor: Sensor
) -> Frames:
    """Some samples of frames, shifted on the sensor.

    samples  int64 (i,)
    offsets  int64 (i, 2): shift of sample i in pixels, down and right; events that leave the sensor are lost
    sensor   a plane of as many inputs as the frames have
    """
    check_plane(sensor)
    if frames.inputs != sensor.inputs:
        raise FramesError(
            f"{frames.inputs} inputs are no sensor of {sensor}; "
            f"samples of these frames cannot be shifted"
        )
    reach = int(np.abs(offsets).max(initial=0))
    masks = _reached(reach, sensor)
    down, right = offsets[:, 0], offsets[:, 1]
    moved_by, masked_by = (
        down * sensor.width + right,
        (down + reach) * (2 * reach + 1) + right + reach,
    )
    bits = simd.empty((len(samples), *frames.bits.shape[1:]), np.uint64)
    threads.in_pieces(
        len(samples),
        threads.balanced(len(samples), _PIECE),
        lambda begin, end: shift.move_frames(
            begin,
            end,
            frames.bits,
            samples,
            moved_by,
            masks,
            masked_by,
            bits,
        ),
    )
    return Frames(bits, frames.labels[samples], frames.inputs)


@lru_cache(maxsize=4)
def _reached(reach: int, sensor: Sensor) -> NDArray[np.uint64]:
    """Inputs that are valid after a shift: a row of words for each offset."""
    offsets = range(-reach, reach + 1)
    height, width = sensor.height, sensor.width
    dense = np.zeros((1, len(offsets) ** 2, *sensor.shape), np.uint8)
    for number, (down, right) in enumerate((y, x) for y in offsets for x in offsets):
        rows = slice(max(0, down), max(0, height + min(0, down)))
        columns = slice(max(0, right), max(0, width + min(0, right)))
        dense[0, number, :, rows, columns] = 1
    return pack(dense.reshape(1, len(offsets) ** 2, -1), [0]).bits[0]
