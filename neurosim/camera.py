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


# fmt: off
PATH = (
    (-2.50, -1.68), (-2.51, -1.63), (-2.55, -1.52), (-2.57, -1.39), (-2.58, -1.24),
    (-2.60, -1.01), (-2.61, -0.60), (-2.63, -0.12), (-2.63, 0.49), (-2.59, 1.12),
    (-2.52, 1.77), (-2.31, 2.41), (-1.98, 2.85), (-1.65, 3.21), (-1.33, 3.48),
    (-1.10, 3.58), (-1.02, 3.61), (-0.96, 3.62), (-0.91, 3.60), (-0.85, 3.56),
    (-0.77, 3.50), (-0.69, 3.46), (-0.60, 3.42), (-0.48, 3.41), (-0.38, 3.39),
    (-0.24, 3.34), (0.02, 3.21), (0.38, 2.85), (0.72, 2.42), (1.05, 1.86),
    (1.32, 1.28), (1.46, 0.62), (1.55, 0.09), (1.70, -0.52), (1.89, -0.97),
    (2.08, -1.31), (2.22, -1.48), (2.32, -1.56), (2.39, -1.59), (2.46, -1.58),
    (2.55, -1.56), (2.62, -1.54), (2.71, -1.52), (2.76, -1.54), (2.78, -1.57),
    (2.79, -1.59), (2.65, -1.62), (2.28, -1.63), (1.81, -1.59), (1.33, -1.56),
    (0.83, -1.57), (0.31, -1.58), (-0.26, -1.62), (-0.78, -1.66), (-1.27, -1.70),
    (-1.62, -1.74), (-1.85, -1.79), (-2.07, -1.81), (-2.25, -1.81), (-2.35, -1.79),
    (-2.38, -1.78), (-2.38, -1.77), (-2.37, -1.77),
)
# fmt: on
"""Displacement (x right, y down) of the image from the middle of the sensor, in pixels, every PATH_MS
milliseconds from 0 on: fitted on the recordings, see docs/camera.md."""
PATH_MS = 5


@dataclass(frozen=True)
class Camera:
    """The camera and the scene in front of it.

    path            displacement of the image (x right, y down), pixels, every PATH_MS milliseconds
    length_us       end of the recording
    magnification   sensor pixels an image pixel covers; blur: sigma of the lens, sensor pixels
    gamma           luminance = grey^gamma; background: added to it, white being 1
    threshold       change of log luminance that makes an event (brighter, darker)
    mismatch        spread of a pixel's thresholds, both sides alike; side_mismatch: each for itself
    noise           spread of a threshold from event to event; gain: from recording to recording
    start           spread of the references at the beginning, in thresholds
    refractory_us   time a pixel is blind after an event, and dead_spread_us: at most so much more
    bandwidth       share of a change that the photoreceptor follows in a millisecond
    when_us, where  spread of a recording's beginning and of its position (pixels)
    stray           events without a cause in a recording: mean, spread between pixels, share with p = 1
    hot             pixels (x, y, mean number of events) that send by themselves
    leading_edge    p of the events where a pixel becomes brighter
    """

    path: tuple[tuple[float, float], ...] = PATH
    length_us: int = 308_000
    magnification: float = 1.01
    blur: float = 0.38
    gamma: float = 2.8
    background: float = 1.0
    threshold: tuple[float, float] = (0.084, 0.084)
    mismatch: float = 0.2
    side_mismatch: float = 0.1
    noise: float = 0.3
    gain: float = 0.1
    start: float = 0.2
    refractory_us: int = 1700
    dead_spread_us: int = 300
    bandwidth: float = 1.0
    when_us: int = 1400
    where: float = 0.11
    stray: float = 105.0
    stray_spread: float = 0.5
    stray_one: float = 0.96
    hot: tuple[tuple[int, int, float], ...] = ((18, 30, 13.3), (7, 15, 5.7), (9, 15, 2.3))
    leading_edge: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in _ALLOWED.items():
            value = getattr(self, name)
            for one in value if isinstance(value, tuple) else (value,):
                if not low <= one <= high:
                    raise CameraError(f"camera: {name} is {value}; allowed are {low} to {high}")
        reach = kernels.MARGIN - 2
        if not self.path or any(abs(d) > reach for place in self.path for d in place):
            raise CameraError(f"camera: path needs places within {reach} pixels of the middle")


_ALLOWED = {
    "length_us": (1000, 1_000_000),
    "magnification": (0.2, 1.5),
    "blur": (0.05, 5.0),
    "gamma": (0.2, 5.0),
    "background": (0.001, 100.0),
    "threshold": (0.005, 10.0),
    "mismatch": (0.0, 0.5),
    "side_mismatch": (0.0, 0.5),
    "noise": (0.0, 1.0),
    "gain": (0.0, 0.3),
    "start": (0.0, 1.0),
    "refractory_us": (100, 100_000),
    "dead_spread_us": (0, 100_000),
    "bandwidth": (0.001, 1.0),
    "when_us": (0, 10_000),
    "where": (0.0, 1.0),
    "stray": (0.0, 500.0),
    "stray_spread": (0.0, 2.0),
    "stray_one": (0.0, 1.0),
    "leading_edge": (0, 1),
}
"""What the kernels' 32-bit integers and their 16,384 events a recording leave room for."""

CAMERA = Camera()


def _lens(camera: Camera) -> NDArray[np.int32]:
    """Share of each image pixel's light at each scene pixel: a box seen through a Gaussian."""
    spread = NormalDist(0.0, camera.blur)
    lens = np.zeros((kernels.SCENE, IMAGE), np.int32)
    for scene in range(kernels.SCENE):
        place = scene - (kernels.SCENE - 1) / 2
        for pixel in range(IMAGE):
            left = (pixel - IMAGE / 2) * camera.magnification - place
            share = spread.cdf(left + camera.magnification) - spread.cdf(left)
            lens[scene, pixel] = round(_ONE * share)
    return lens


def _path(camera: Camera) -> NDArray[np.int32]:
    """Displacement (x, y) each millisecond: a Catmull-Rom curve through the nodes, then at rest."""
    steps = camera.length_us // kernels.STEP_US + 20
    nodes = camera.path
    path = np.zeros((steps, 2), np.int32)
    for step in range(steps):
        node, part = divmod(step, PATH_MS)
        f = part / PATH_MS
        four = [nodes[min(max(node + k, 0), len(nodes) - 1)] for k in (-1, 0, 1, 2)]
        for axis in range(2):
            a, b, c, d = (place[axis] for place in four)
            curve = b + 0.5 * f * (
                c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a))
            )
            path[step, axis] = round(curve * (1 << kernels.PATH_BITS))
    return path


def _pattern(field: int) -> list[float]:
    """A fixed normal variate for each pixel: one sensor, the same in every recording."""
    normal = NormalDist()
    draw = kernels.Draw(np.int64(field), np.int64(0), np.uint64(0))
    return [
        normal.inv_cdf(
            (int(kernels.words(draw, kernels.PATTERN, np.int64(pixel))[0]) + 0.5) / (1 << 32)
        )
        for pixel in range(kernels.SIZE * kernels.SIZE)
    ]


def _thresholds(camera: Camera, side: int) -> NDArray[np.int32]:
    """Each pixel's mean threshold; part of its deviation is common to both sides."""
    return np.array(
        [
            round(
                _ONE
                * camera.threshold[side]
                * math.exp(camera.mismatch * both + camera.side_mismatch * own)
            )
            for both, own in zip(_pattern(0), _pattern(1 + side), strict=True)
        ],
        np.int32,
    )


def _leak(camera: Camera) -> tuple[float, NDArray[np.uint32]]:
    """Mean number of stray events, and the distribution function of their pixel in units of 2^-32."""
    weight = [math.exp(camera.stray_spread * z) for z in _pattern(3)]
    rate = [camera.stray * w / sum(weight) for w in weight]
    for x, y, events in camera.hot:
        rate[y * kernels.SIZE + x] += events
    total, table = 0.0, []
    for one in rate:
        total += one
        table.append(total)
    top = (1 << 32) - 1
    return total, np.array([min(round(part / total * top), top) for part in table], np.uint32)


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
    strays, leak = _leak(camera)
    scalars = {
        kernels.S_BANDWIDTH: _ONE * camera.bandwidth,
        kernels.S_REFRACTORY: camera.refractory_us,
        kernels.S_DEAD_SPREAD: camera.dead_spread_us,
        kernels.S_NOISE: _ONE * camera.noise,
        kernels.S_START: _ONE * camera.start,
        kernels.S_WHEN: camera.when_us,
        kernels.S_WHERE: (1 << kernels.PATH_BITS) * camera.where,
        kernels.S_GAIN: _ONE * camera.gain,
        kernels.S_LENGTH: camera.length_us,
        kernels.S_SWAP: 1 - camera.leading_edge,
        kernels.S_STRAY_ONE: _ONE * camera.stray_one,
    }
    return kernels.Tables(
        display=np.array([round(65535 * (g / 255) ** camera.gamma) for g in range(256)], np.int32),
        lens=_lens(camera),
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
        stray=_poisson(strays),
        leak=leak,
        scalars=np.array([round(scalars[place]) for place in sorted(scalars)], np.int32),
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
