"""Sum pooling: each target neuron counts the spikes of a window of its own map, with weight 1."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.network.connections.base import Synapses
from neurosim.network.connections.planes import EXTENT, map_of, out_plane, pair_of, taps
from neurosim.network.shapes import Shape


@dataclass(frozen=True)
class SumPool2d:
    """Windows of `size`, one integer or a pair (y, x), `stride` apart: the size by default.

    The weights are fixed at mantissa 1 and not learned; `weight_exp` of the connection and the threshold of
    the target set the effect of a spike.
    """

    size: int | tuple[int, int]
    stride: int | tuple[int, int] | None = None
    name: ClassVar[str] = "sum_pool2d"

    def __post_init__(self) -> None:
        size = pair_of(self.where, "size", self.size, EXTENT)
        stride = size if self.stride is None else pair_of(self.where, "stride", self.stride, EXTENT)
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "stride", stride)

    @property
    def where(self) -> str:
        """The kind, as errors name it."""
        return f"sum pooling of {self.size}"

    @property
    def pairs(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """Window, stride and padding as pairs (y, x)."""
        assert isinstance(self.size, tuple)
        assert isinstance(self.stride, tuple)
        return self.size, self.stride, (0, 0)

    def out_shape(self, in_shape: Shape) -> Shape:
        channels, _, _ = map_of(self.where, in_shape)
        return (channels, *out_plane(self.where, in_shape, *self.pairs))

    def parameter(self, in_shape: Shape, out_shape: Shape) -> None:
        return None

    def expand(
        self, matrix: NDArray[np.integer[Any]] | None, in_shape: Shape, out_shape: Shape
    ) -> Synapses:
        channels, height, width = map_of(self.where, in_shape)
        _, out_y, out_x = out_shape
        found = taps((height, width), (out_y, out_x), *self.pairs)
        c = np.arange(channels)[:, None]
        sources = (c * (height * width) + found.source[None, :]).reshape(-1)
        targets = (c * (out_y * out_x) + found.out[None, :]).reshape(-1)
        return Synapses(sources, targets, np.ones(len(sources), np.int64))
