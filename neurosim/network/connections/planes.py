"""Windows of a map: checks and sizes that convolution and pooling share."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.network.errors import NetworkError, check_register
from neurosim.network.shapes import MAP, Shape

Pair = tuple[int, int]
EXTENT = limits.Range(1, 1024)
PADDING = limits.Range(0, 1023)
CHANNELS = limits.Range(1, 1 << 16)
"""Chosen here: far beyond what the synapses of a chip can hold."""


class Taps(NamedTuple):
    """Taps of all windows: int64 (tap,) each.

    row          ky * kernel_x + kx
    source, out  positions y * width + x of the source map and of the target map
    """

    row: NDArray[np.int64]
    source: NDArray[np.int64]
    out: NDArray[np.int64]


def pair_of(where: str, field: str, value: object, allowed: limits.Range) -> Pair:
    """(y, x) of one number or a pair."""
    both = (value, value) if isinstance(value, int) else value
    if not isinstance(both, tuple) or len(both) != 2:
        raise NetworkError(f"{where}: {field} is {value!r}; give one integer or a pair (y, x)")
    for one in both:
        check_register(where, field, one, allowed)
    return both[0], both[1]


def map_of(where: str, in_shape: Shape) -> Shape:
    """The source's shape, if it is a map."""
    if len(in_shape) != MAP:
        raise NetworkError(
            f"{where} needs a map (channels, height, width); its source has shape {in_shape}: put it before "
            f"dense layers, or use a data set with a plane of pixels"
        )
    return in_shape


def out_plane(where: str, in_shape: Shape, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Height and width of the target map; NetworkError where no window fits."""
    _, height, width = map_of(where, in_shape)
    for axis, size, extent, stride_, pad in zip(
        ("height", "width"), (height, width), kernel, stride, padding, strict=True
    ):
        if extent > size + 2 * pad:
            raise NetworkError(
                f"{where}: its window {kernel} is larger than its map; {axis} {size} with padding "
                f"{pad} allows up to {size + 2 * pad}: use a smaller window, or more padding"
            )
        if stride_ > size + 2 * pad > extent:
            raise NetworkError(
                f"{where}: its stride {stride} is larger than its map, of which one window is left; {axis} "
                f"{size} with padding {pad} allows up to {size + 2 * pad}: use a smaller stride"
            )
        if pad >= extent:
            raise NetworkError(
                f"{where}: padding {pad} puts whole windows of {extent} outside the map; "
                f"allowed are 0..{extent - 1}: use less padding, or a larger window"
            )
    return (
        (height + 2 * padding[0] - kernel[0]) // stride[0] + 1,
        (width + 2 * padding[1] - kernel[1]) // stride[1] + 1,
    )


def taps(in_plane: Pair, out: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Taps:
    """The source positions in the window of each target position, without those in the padding."""
    oy, ox, ky, kx = (axis.reshape(-1) for axis in np.indices((*out, *kernel), dtype=np.int64))
    y, x = oy * stride[0] + ky - padding[0], ox * stride[1] + kx - padding[1]
    inside = (y >= 0) & (y < in_plane[0]) & (x >= 0) & (x < in_plane[1])
    return Taps(
        (ky * kernel[1] + kx)[inside],
        (y * in_plane[1] + x)[inside],
        (oy * out[1] + ox)[inside],
    )
