"""Dense connection: every source neuron reaches every target neuron."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from neurosim.network.connections.base import Parameter, Synapses
from neurosim.network.shapes import Shape, lane_order, size_of


@dataclass(frozen=True)
class Dense:
    """Matrix (source, neuron). The rows of a source that is a map lie channels last: (y, x, channel)."""

    name: ClassVar[str] = "dense"

    def out_shape(self, in_shape: Shape) -> Shape | None:
        return None

    def parameter(self, in_shape: Shape, out_shape: Shape) -> Parameter:
        return Parameter(size_of(in_shape), size_of(out_shape), 1)

    def expand(
        self, matrix: NDArray[np.integer[Any]] | None, in_shape: Shape, out_shape: Shape
    ) -> Synapses:
        assert matrix is not None
        sources, targets = lane_order(in_shape), lane_order(out_shape)
        return Synapses(
            np.repeat(sources, len(targets)),
            np.tile(targets, len(sources)),
            matrix.astype(np.int64).reshape(-1),
        )
