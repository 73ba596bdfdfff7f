"""Dense connection from a sum-pooled map: the spikes of a window share one weight per target neuron.

A local readout of a map has windows x channels x classes weights, few enough for a core.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.network.connections.base import Parameter, Synapses
from neurosim.network.connections.dense import Dense
from neurosim.network.connections.planes import EXTENT, Pair, map_of, pair_of
from neurosim.network.shapes import Shape, size_of


@dataclass(frozen=True)
class PooledDense:
    """Matrix ((window_y * windows_x + window_x) * c_in + c, neuron); windows at the far edges may be cut."""

    window: int | tuple[int, int]
    name: ClassVar[str] = "pooled_dense"

    def __post_init__(self) -> None:
        pair = pair_of("pooled dense connection", "window", self.window, EXTENT)
        object.__setattr__(self, "window", pair)

    @property
    def pair(self) -> Pair:
        """The window (y, x)."""
        assert isinstance(self.window, tuple)
        return self.window

    def windows(self, in_shape: Shape) -> Pair:
        """Number of windows (y, x)."""
        _, height, width = map_of("pooled dense connection", in_shape)
        return -(-height // self.pair[0]), -(-width // self.pair[1])

    def out_shape(self, in_shape: Shape) -> Shape | None:
        self.windows(in_shape)
        return None

    def parameter(self, in_shape: Shape, out_shape: Shape) -> Parameter:
        down, across = self.windows(in_shape)
        return Parameter(
            down * across * in_shape[0], size_of(out_shape), self.pair[0] * self.pair[1]
        )

    def rows_of(self, in_shape: Shape) -> NDArray[np.int64]:
        """For each source neuron, in lane order, its row: int64 (source,)."""
        channels, height, width = map_of("pooled dense connection", in_shape)
        y, x, c = np.indices((height, width, channels), dtype=np.int64)
        _, across = self.windows(in_shape)
        rows = (y // self.pair[0] * across + x // self.pair[1]) * channels + c
        return rows.reshape(-1)

    def expand(
        self, matrix: NDArray[np.integer[Any]] | None, in_shape: Shape, out_shape: Shape
    ) -> Synapses:
        assert matrix is not None
        return Dense().expand(matrix[self.rows_of(in_shape)], in_shape, out_shape)
