"""Simulated event camera: recordings and frames of still images that move in front of it.

N-MNIST, N-Caltech101 and CIFAR10-DVS were made by showing images to a real event camera while the camera
or the image moved. This module simulates such a camera: the image moves over a sensor whose pixels compare
log intensity with that of their last event. Simulated events are not those data sets; docs/camera.md compares
them.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim import threads
from neurosim.data import frames
from neurosim.data.camera.images import Grey, Images, check_images, check_stack, fit
from neurosim.data.camera.model import CAMERA, CAMERAS, Camera, CameraError, by_name
from neurosim.data.camera.tables import TAIL_STEPS, tables
from neurosim.data.events import EVENT, Events
from neurosim.data.sensor import Sensor
from neurosim.kernels.data import camera as kernels
from neurosim.kernels.data.binning import Cells, mark_plane
from neurosim.kernels.data.scene import Draw

__all__ = [
    "CAMERA",
    "CAMERAS",
    "Camera",
    "CameraError",
    "bits",
    "by_name",
    "check_images",
    "check_stack",
    "images_a_second",
    "record",
    "sensor_of",
]

_MIN_EVENTS = 1 << 14
"""Events that memory is allocated for at first; the longest of the 800 real recordings has 7,152."""
_EVENTS_PER_PIXEL = 32
"""The same for a large sensor. A recording with more events is repeated with enough memory."""
_PIECE = 8
"""Images of N-MNIST's camera a thread takes at a time, some 5 ms of work, chosen here."""
_PIXEL_STEPS = 5e8
"""Pixels times steps that a core of 2.5 GHz simulates in a second: N-MNIST's camera, measured."""


class _Job(NamedTuple):
    """Arguments that all pieces of a call share; numbers int64 (image,)."""

    images: Images
    camera: Camera
    numbers: NDArray[np.int64]
    split: np.int64
    seed: np.uint64


def _job(
    images: ArrayLike | Sequence[Grey],
    indices: ArrayLike | None,
    split: int,
    seed: int,
    camera: Camera,
) -> _Job:
    array = check_images(images)
    numbers = np.arange(len(array)) if indices is None else np.asarray(indices)
    if numbers.shape != (len(array),) or (numbers.size and numbers.dtype.kind not in "iu"):
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
    return _Job(array, camera, numbers.astype(np.int64), np.int64(split), np.uint64(seed))


def _pieces(job: _Job, each: Callable[[int, kernels.Sink, int], object]) -> None:
    """Record all images on several threads, and call each(number, sink, events in it) for every one."""
    made = tables(job.camera)

    def piece(begin: int, end: int) -> None:
        sink, scratch = kernels.make_sink(_capacity(job.camera)), kernels.make_scratch(made)
        for number, image in enumerate(fit(job.images[begin:end], job.camera), begin):
            draw: Any = Draw(job.numbers[number], job.split, job.seed)  # type: ignore[arg-type]
            found = kernels.record_image(image, made, draw, sink, scratch)
            if found > len(sink.t):
                sink = kernels.make_sink(found)
                kernels.record_image(image, made, draw, sink, scratch)
            each(number, sink, found)

    threads.in_pieces(len(job.images), _piece(job.camera), piece)


def _capacity(camera: Camera) -> int:
    return max(_MIN_EVENTS, _EVENTS_PER_PIXEL * camera.sensor[0] * camera.sensor[1])


def _pixel_steps(camera: Camera) -> int:
    return camera.sensor[0] * camera.sensor[1] * (camera.length_us // camera.step_us + TAIL_STEPS)


def _piece(camera: Camera) -> int:
    return max(1, _PIECE * _pixel_steps(CAMERA) // _pixel_steps(camera))


def images_a_second(camera: Camera = CAMERA) -> float:
    """A rough forecast for one thread, to choose the number of images between two progress reports."""
    return _PIXEL_STEPS / _pixel_steps(camera)


def record(
    images: ArrayLike | Sequence[Grey],
    seed: int = 0,
    *,
    split: int = 0,
    indices: ArrayLike | None = None,
    camera: Camera = CAMERA,
) -> list[Events]:
    """One recording per image, in order of time.

    images   uint8 (image, height, width), or a list of uint8 (height, width) of any sizes
    indices  the number of each image, 0..2^32 - 1; 0, 1, 2 ... unless given

    The events of an image depend on the image, the camera and (seed, split, its number) and nothing
    else. CameraError where one of them is not allowed.
    """
    job = _job(images, indices, split, seed, camera)
    recordings: list[Events] = [np.empty(0, EVENT)] * len(job.images)

    def keep(number: int, sink: kernels.Sink, found: int) -> None:
        recordings[number] = _in_order(sink, found)

    _pieces(job, keep)
    return recordings


def _in_order(sink: kernels.Sink, found: int) -> Events:
    events = np.empty(found, EVENT)
    for name in "txyp":
        events[name] = getattr(sink, name)[:found]
    return events[np.argsort(events["t"], kind="stable")]


def sensor_of(camera: Camera) -> Sensor:
    """The camera's sensor."""
    return Sensor(*camera.sensor)


def bits(
    images: ArrayLike | Sequence[Grey],
    seed: int = 0,
    *,
    split: int = 0,
    indices: ArrayLike | None = None,
    steps: int = 10,
    pool: int = 1,
    cells: Cells | None = None,
    camera: Camera = CAMERA,
) -> NDArray[np.uint64]:
    """Frames' bits of each image, uint64 (image, step, word): those of record(...), without the events.

    steps   bins of camera.window_us, 1..1000
    pool    as in frames.divide; cells: in its place, the cell of each pixel
    An input is (p * rows + row) * columns + column.
    """
    job = _job(images, indices, split, seed, camera)
    frames.check_steps(steps)
    division = cells or frames.divide(sensor_of(camera), pool)
    out = frames.empty(
        len(job.images), frames.Binning(sensor_of(camera), division, steps, camera.window_us)
    )

    def mark(number: int, sink: kernels.Sink, found: int) -> None:
        mark_plane(*sink, found, division, camera.window_us, out[number])

    _pieces(job, mark)
    return out
