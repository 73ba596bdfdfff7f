"""Convolution (cross-correlation) of a map, with weights shared between its positions."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.network.connections.base import Parameter, Synapses
from neurosim.network.connections.planes import (
    CHANNELS,
    EXTENT,
    PADDING,
    map_of,
    out_plane,
    pair_of,
    taps,
)
from neurosim.network.errors import check_register
from neurosim.network.shapes import Shape


@dataclass(frozen=True)
class Conv2d:
    """channels output maps; kernel, stride and padding are integers or pairs (y, x).

    out[k, oy, ox] = sum of in[c, oy * stride + ky - padding, ox * stride + kx - padding] W[(ky, kx, c), k]
    Matrix (ky * kernel_x * c_in + kx * c_in + c, k).

    Examples:
        >>> import neurosim
        >>> neurosim.Conv2d(12, 5, stride=2, padding=2).out_shape((2, 34, 34))
        (12, 17, 17)
    """

    channels: int
    kernel: int | tuple[int, int]
    stride: int | tuple[int, int] = 1
    padding: int | tuple[int, int] = 0
    name: ClassVar[str] = "conv2d"

    def __post_init__(self) -> None:
        check_register(self.where, "channels", self.channels, CHANNELS)
        for field, allowed in (("kernel", EXTENT), ("stride", EXTENT), ("padding", PADDING)):
            pair = pair_of(self.where, field, getattr(self, field), allowed)
            object.__setattr__(self, field, pair)

    @property
    def where(self) -> str:
        """The kind, as errors name it."""
        return f"convolution of {self.channels} maps"

    @property
    def pairs(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """kernel, stride and padding as pairs (y, x)."""
        assert isinstance(self.kernel, tuple)
        assert isinstance(self.stride, tuple)
        assert isinstance(self.padding, tuple)
        return self.kernel, self.stride, self.padding

    def out_shape(self, in_shape: Shape) -> Shape:
        return (self.channels, *out_plane(self.where, in_shape, *self.pairs))

    def parameter(self, in_shape: Shape, out_shape: Shape) -> Parameter:
        channels, _, _ = map_of(self.where, in_shape)
        kernel, _, _ = self.pairs
        _, height, width = self.out_shape(in_shape)
        return Parameter(kernel[0] * kernel[1] * channels, self.channels, height * width)

    def expand(
        self, matrix: NDArray[np.integer[Any]] | None, in_shape: Shape, out_shape: Shape
    ) -> Synapses:
        assert matrix is not None
        channels, height, width = map_of(self.where, in_shape)
        kernel, _, _ = self.pairs
        _, out_y, out_x = out_shape
        found = taps((height, width), (out_y, out_x), *self.pairs)
        shape = (len(found.row), channels, self.channels)
        c, k = np.arange(channels)[None, :, None], np.arange(self.channels)[None, None, :]
        sources = np.broadcast_to(c * (height * width) + found.source[:, None, None], shape)
        targets = np.broadcast_to(k * (out_y * out_x) + found.out[:, None, None], shape)
        taken = matrix.astype(np.int64).reshape(kernel[0] * kernel[1], channels, self.channels)
        weights = taken[found.row]
        return Synapses(sources.reshape(-1), targets.reshape(-1), weights.reshape(-1))
