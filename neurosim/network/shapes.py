"""Shapes of inputs and populations: (n,), or the channels, height and width of a map.

Outside kernels a neuron's number is its place in C order of (channel, y, x). Kernels number the
neurons of a map in lane order, channels last: (y, x, channel); `lane_order` translates.
"""

from math import prod

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.network.errors import NetworkError, check_register

Shape = tuple[int, ...]
SIZES = limits.Range(1, 1 << 24)
"""Neurons of a part, chosen here: beyond any chip."""
FLAT, MAP = 1, 3
"""Axes of a part without a plane, and of a map."""


def size_of(shape: Shape) -> int:
    """Neurons of a shape."""
    return prod(shape)


def checked_shape(where: str, shape: object, size: int) -> Shape:
    """The shape of a part of `size` neurons, (size,) where none is given; or a NetworkError."""
    if shape is None:
        return (size,)
    if not isinstance(shape, tuple) or len(shape) not in (FLAT, MAP):
        raise NetworkError(
            f"{where}: shape is {shape!r}; allowed are (n,) and (channels, height, width)"
        )
    for axis in shape:
        check_register(where, "an axis of shape", axis, SIZES)
    if prod(shape) != size:
        raise NetworkError(
            f"{where}: shape {shape} has {prod(shape)} neurons, but its size is {size}"
        )
    return shape


def lane_order(shape: Shape) -> NDArray[np.int64]:
    """For each lane, channels last, the number of its neuron: int64 (neuron,)."""
    numbers = np.arange(prod(shape), dtype=np.int64)
    if len(shape) == MAP:
        return np.ascontiguousarray(numbers.reshape(shape).transpose(1, 2, 0)).reshape(-1)
    return numbers
