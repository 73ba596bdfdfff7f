"""What does an event camera send when it is shown a still image?

N-MNIST was made by showing MNIST to a real event camera that moved in three quick turns (saccades) of
100 ms. This stands in for that camera: the image moves over a 34 x 34 sensor whose pixels compare log
intensity with their last event. Its constants are fitted on 800 recordings of N-MNIST, and how well
that went is in docs/camera.md. Simulated events are not N-MNIST.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim import frames
from neurosim.events import EVENT, Events
from neurosim.kernels import camera as kernels

IMAGE = 28
CAPACITY = 1 << 14
"""Events kept of one recording; the longest of the 800 real ones has 7,152."""
_ONE = 4096
_RECORD_CHUNK = 256


class CameraError(ValueError):
    """Images, or a setting, that the camera cannot take."""


@dataclass(frozen=True)
class Camera:
    """The camera and the scene in physical units."""

    corners: tuple[tuple[float, float], ...] = ((-3.0, -2.2), (-1.0, 3.6), (3.0, -2.2))
    moving: float = 0.75
    saccade_us: int = 100_000
    length_us: int = 308_000
    magnification: float = 1.0
    centre: tuple[float, float] = (0.0, 0.0)
    blur: float = 0.6
    gamma: float = 1.0
    background: float = 0.10
    threshold: tuple[float, float] = (0.35, 0.35)
    mismatch: float = 0.2
    noise: float = 0.1
    start: float = 0.3
    refractory_us: int = 1000
    bandwidth: float = 0.5
    when_us: int = 1500
    where: float = 0.1
    swing: float = 0.02
    stray: float = 20.0
    swap: bool = True
    """A bright digit's leading edge has p = 0 in N-MNIST's files."""


CAMERA = Camera()


def _lens(camera: Camera, axis: int) -> NDArray[np.int32]:
    """Share of each image pixel's light at each scene pixel: a box seen through a Gaussian."""
    spread = NormalDist(0.0, camera.blur)
    lens = np.zeros((kernels.SCENE, IMAGE), np.int32)
    for scene in range(kernels.SCENE):
        place = scene - (kernels.SCENE - 1) / 2 - camera.centre[axis]
        for pixel in range(IMAGE):
            left = (pixel - IMAGE / 2) * camera.magnification - place
            share = spread.cdf(left + camera.magnification) - spread.cdf(left)
            lens[scene, pixel] = round(_ONE * share)
    return lens


def _path(camera: Camera) -> NDArray[np.int32]:
    """Displacement (x, y) each millisecond, from the first corner to the next ones and back."""
    steps = camera.length_us // kernels.STEP_US + 20
    unit = 1 << kernels.PATH_BITS
    corners = camera.corners
    path = np.zeros((steps, 2), np.int32)
    for step in range(steps):
        leg, rest = divmod(step * kernels.STEP_US, camera.saccade_us)
        part = (rest / camera.saccade_us - (1 - camera.moving) / 2) / camera.moving
        done = leg + 0.5 * (1 - math.cos(math.pi * min(max(part, 0.0), 1.0)))
        done = min(done, float(len(corners)))
        leg = min(int(done), len(corners) - 1)
        start, end = corners[leg], corners[(leg + 1) % len(corners)]
        for axis in range(2):
            path[step, axis] = round(
                unit * (start[axis] + (done - leg) * (end[axis] - start[axis]))
            )
    return path


def _thresholds(camera: Camera, side: int) -> NDArray[np.int32]:
    """Each pixel's mean threshold: a fixed pattern, the same sensor in every recording."""
    mean = camera.threshold[side]
    normal = NormalDist()
    pixels = kernels.SIZE * kernels.SIZE
    return np.array(
        [
            round(
                _ONE * mean * max(0.3, 1 + camera.mismatch * normal.inv_cdf(_fraction(pixel, side)))
            )
            for pixel in range(pixels)
        ],
        np.int32,
    )


def _fraction(pixel: int, side: int) -> float:
    word = int(kernels.words(0x5E45, side, 9, pixel, np.uint64(0))[0])
    return (word + 0.5) / (1 << 32)


def _poisson(mean: float) -> NDArray[np.uint32]:
    """Distribution function of a Poisson variate in units of 2^-32."""
    table, term, total = [], math.exp(-mean), 0.0
    for n in range(int(mean + 10 * math.sqrt(mean + 1)) + 10):
        total += term
        term *= mean / (n + 1)
        table.append(min(round(total * (1 << 32)), (1 << 32) - 1))
    return np.array(table, np.uint32)


@lru_cache(maxsize=8)
def tables(camera: Camera) -> kernels.Tables:
    """The camera in integers; rounding hides what the last bit of a library's log may differ in."""
    quantiles = 1 << kernels.NORMAL_BITS
    light = 1 << (16 - kernels.LOG_SHIFT)
    scalars = (
        round(_ONE * camera.bandwidth),
        camera.refractory_us,
        round(_ONE * camera.noise),
        round(_ONE * camera.start),
        camera.when_us,
        round((1 << kernels.PATH_BITS) * camera.where),
        round(_ONE * camera.swing),
        camera.length_us,
        int(camera.swap),
    )
    return kernels.Tables(
        display=np.array([round(65535 * (g / 255) ** camera.gamma) for g in range(256)], np.int32),
        rows=_lens(camera, 1),
        columns=_lens(camera, 0),
        level=np.array(
            [round(_ONE * math.log(1 + i / light / camera.background)) for i in range(light + 1)],
            np.int32,
        ),
        path=_path(camera),
        normal=np.array(
            [round(_ONE * NormalDist().inv_cdf((i + 0.5) / quantiles)) for i in range(quantiles)],
            np.int32,
        ),
        on=_thresholds(camera, 0),
        off=_thresholds(camera, 1),
        stray=_poisson(camera.stray),
        scalars=np.array(scalars, np.int32),
    )


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
        kernels.record_all(part, tables(camera), places, split_word, seed_word, counts, t, x, y, p)
        for i, count in enumerate(counts):
            events = np.empty(count, EVENT)
            for name, column in (("t", t), ("x", x), ("y", y), ("p", p)):
                events[name] = column[i, :count]
            recordings.append(events[np.argsort(events["t"], kind="stable")])
    return recordings


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
    kernels.mark_images(
        array, tables(camera), numbers, split_word, seed_word, CAPACITY, pool, frames.WINDOW_US, out
    )
    return out
