"""What does an event camera send when it is shown a still image?

N-MNIST was made by showing MNIST to a real event camera that moved in three quick turns (saccades) of
100 ms. This stands in for that camera: the image moves over a 34 x 34 sensor whose pixels compare log
intensity with their last event. Simulated events are not N-MNIST; docs/camera.md says how near they
come.
"""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim import threads
from neurosim.data import frames
from neurosim.data.camera.model import CAMERA, Camera, CameraError
from neurosim.data.camera.tables import IMAGE, tables
from neurosim.data.events import EVENT, Events
from neurosim.kernels.data import camera as kernels

__all__ = ["CAMERA", "IMAGE", "Camera", "CameraError", "bits", "check_images", "record"]

CAPACITY = 1 << 14
"""Events kept of one recording; the longest of the 800 real ones has 7,152."""
_PIECE = 8
"""Images a thread takes at a time, some 5 ms of work, chosen here."""
_RECORD_CHUNK = 256
"""Recordings made at a time: 46 MB of room for events, chosen here."""


def check_images(images: ArrayLike, what: str = "images") -> NDArray[np.uint8]:
    """`images` as a contiguous uint8 (image, 28, 28), or a CameraError."""
    array = np.asarray(images)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[1:] != (IMAGE, IMAGE):
        raise CameraError(
            f"{what} are {array.dtype} {array.shape}; needed is uint8 (image, {IMAGE}, {IMAGE}), "
            f"0 black to 255 white: scale or pad them"
        )
    return np.ascontiguousarray(array)


def _door(
    images: ArrayLike, indices: ArrayLike | None, split: int, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64], np.int64, np.uint64]:
    array = check_images(images)
    numbers = np.arange(len(array)) if indices is None else np.asarray(indices)
    if numbers.shape != (len(array),) or numbers.dtype.kind not in "iu":
        raise CameraError(
            f"indices are {numbers.dtype} {numbers.shape}; needed are {len(array)} integers, one an image"
        )
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < 1 << 32:
        raise CameraError(
            f"indices reach from {numbers.min()} to {numbers.max()}; allowed are 0..2^32 - 1"
        )
    for name, value, width in (("split", split, 32), ("seed", seed, 64)):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << width:
            raise CameraError(f"{name} is {value!r}; allowed are integers 0..2^{width} - 1")
    return array, numbers.astype(np.int64), np.int64(split), np.uint64(seed)


def record(
    images: ArrayLike,
    seed: int = 0,
    *,
    split: int = 0,
    indices: ArrayLike | None = None,
    camera: Camera = CAMERA,
) -> list[Events]:
    """One recording for each image, uint8 (image, 28, 28), in order of time.

    The events of an image depend on the image and (seed, split, its index) and nothing else;
    indices are 0, 1, 2 ... unless given.
    """
    array, numbers, split_word, seed_word = _door(images, indices, split, seed)
    recordings = []
    for begin in range(0, len(array), _RECORD_CHUNK):
        part = array[begin : begin + _RECORD_CHUNK]
        t = np.empty((len(part), CAPACITY), np.int64)
        x, y, p = (np.empty(t.shape, np.uint8) for _ in range(3))
        counts = np.empty(len(part), np.int64)
        places = numbers[begin : begin + _RECORD_CHUNK]
        some = (part, tables(camera), places, split_word, seed_word)
        room = (counts, t, x, y, p)
        threads.in_pieces(len(part), _PIECE, partial(_record_piece, some, room))
        for i, count in enumerate(counts):
            events = np.empty(count, EVENT)
            for name, column in (("t", t), ("x", x), ("y", y), ("p", p)):
                events[name] = column[i, :count]
            recordings.append(events[np.argsort(events["t"], kind="stable")])
    return recordings


def _record_piece(some: tuple[Any, ...], room: tuple[Any, ...], begin: int, end: int) -> None:
    kernels.record_images(*some, begin, end, *room)


def bits(
    images: ArrayLike,
    seed: int = 0,
    *,
    split: int = 0,
    indices: ArrayLike | None = None,
    steps: int = 10,
    pool: int = 1,
    camera: Camera = CAMERA,
) -> NDArray[np.uint64]:
    """Frames' bits of each image: those of frames.from_events(record(...)), without the events."""
    array, numbers, split_word, seed_word = _door(images, indices, split, seed)
    frames.check_steps(steps)
    out = np.zeros((len(array), steps, frames.words_for(frames.sensor_inputs(pool))), np.uint64)
    some = (array, tables(camera), numbers, split_word, seed_word)
    threads.in_pieces(
        len(array),
        _PIECE,
        lambda begin, end: kernels.mark_images(
            *some, begin, end, CAPACITY, pool, frames.WINDOW_US, out
        ),
    )
    return out
