"""Grey images of any size on the field of a camera, resampled by exact fractions.

    n -> m pixels, m < n   pixel i is the mean of the image over [i n / m, (i + 1) n / m)
    n -> m pixels, m >= n  pixel i is interpolated linearly at its middle, (2 i + 1) n / (2 m) - 1/2;
                           beyond the middle of the first or last pixel the image keeps its value
    n -> n pixels          the image itself

An image keeps its aspect ratio: it is scaled to the largest size that fits the field, and centred on black.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.data.camera.model import Camera, CameraError
from neurosim.kernels.data.resample import Axis, resample

LONGEST = 4096
"""Largest allowed side in pixels; chosen here, because it keeps 255 * total^2 far below 2^63."""

Grey = NDArray[np.uint8]
"""An image (height, width), or several of one size (image, height, width)."""
Images = Grey | list[Grey]
"""Several images: of one size (image, height, width), or of any sizes."""


def check_images(images: ArrayLike | Sequence[Grey], what: str = "images") -> Images:
    """`images` as uint8 (image, height, width), or a list of such images of any sizes.

    CameraError unless every image is uint8 (height, width) with sides of 1..4096 pixels.
    """
    if isinstance(images, (list, tuple)) and all(isinstance(one, np.ndarray) for one in images):
        for number, image in enumerate(images):
            _check(image, image.shape, f"{what}: image {number}", "(height, width)")
        return [np.ascontiguousarray(image) for image in images]
    return check_stack(np.asarray(images), what)


def check_stack(images: ArrayLike, what: str = "images") -> Grey:
    """`images` as a contiguous uint8 (image, height, width), or a CameraError."""
    array = np.asarray(images)
    _check(array, array.shape[1:], what, "(image, height, width)")
    return np.ascontiguousarray(array.astype(np.uint8, copy=False))


def _check(array: NDArray[np.generic], sides: tuple[int, ...], what: str, needed: str) -> None:
    if (
        array.dtype != np.uint8
        or len(sides) != 2
        or not all(1 <= side <= LONGEST for side in sides)
    ):
        raise CameraError(
            f"{what} are {array.dtype} {array.shape}; needed is uint8 {needed}, "
            f"0 black to 255 white, sides of 1 to {LONGEST} pixels: convert or crop them"
        )


def fitted_size(size: tuple[int, int], field: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of an image that is made as large as the field allows."""
    (high, broad), (rows, columns) = size, field
    if rows * broad <= columns * high:
        return rows, min(columns, max(1, (2 * broad * rows + high) // (2 * high)))
    return min(rows, max(1, (2 * high * columns + broad) // (2 * broad))), columns


@lru_cache(maxsize=256)
def axis(size: int, made: int) -> Axis:
    """Resampling of `size` pixels to `made`."""
    pixels = np.arange(made, dtype=np.int64)
    if made < size:
        first = pixels * size // made
        taps = first[:, None] + np.arange(-(-size // made) + 1)
        begin = np.maximum(taps * made, (pixels * size)[:, None])
        end = np.minimum((taps + 1) * made, ((pixels + 1) * size)[:, None])
        return Axis(first, np.maximum(end - begin, 0), size)
    place = (2 * pixels + 1) * size - made
    place = np.clip(place, 0, 2 * made * (size - 1))
    first, part = np.divmod(place, 2 * made)
    return Axis(first, np.stack([2 * made - part, part], axis=1), 2 * made)


def fit(images: Images, camera: Camera) -> Grey:
    """Images, each uint8 (height, width), on the camera's field: uint8 (image, *camera.field)."""
    if isinstance(images, np.ndarray) and images.shape[1:] == camera.field:
        return images
    placed = np.zeros((len(images), *camera.field), np.uint8)
    for image, out in zip(images, placed, strict=True):
        rows, columns = fitted_size((image.shape[0], image.shape[1]), camera.field)
        top, left = (camera.field[0] - rows) // 2, (camera.field[1] - columns) // 2
        space = out[top : top + rows, left : left + columns]
        resample(image, axis(image.shape[0], rows), axis(image.shape[1], columns), space)
    return placed
