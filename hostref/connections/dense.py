"""Dense connection: x W, channels last on both sides where they are maps."""

from typing import Any

from hostref.backend import Tensor
from hostref.connections.base import Operator, from_lanes, lanes, taken
from neurosim.network.shapes import Shape


class DenseOperator(Operator):
    """Operator of a dense connection."""

    def __init__(self, kind: Any, in_shape: Shape, out_shape: Shape) -> None:
        super().__init__(kind, in_shape, out_shape)
        self._lanes, self._neurons = lanes(in_shape), from_lanes(out_shape)

    def rows(self, x: Tensor) -> Tensor:
        return taken(x, self._lanes)

    def place(self, results: Tensor) -> Tensor:
        return taken(results, self._neurons)
