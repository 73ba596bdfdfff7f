"""Dense connection from a pooled map: the spikes of each window and channel, times the matrix."""

from typing import Any

from hostref.backend import Tensor, torch
from hostref.connections.base import Operator, from_lanes, lanes, taken
from neurosim.network.shapes import Shape


class PooledDenseOperator(Operator):
    """Rows (window, channel)."""

    def __init__(self, kind: Any, in_shape: Shape, out_shape: Shape) -> None:
        super().__init__(kind, in_shape, out_shape)
        self._lanes, self._neurons = lanes(in_shape), from_lanes(out_shape)
        self._row = torch.as_tensor(kind.rows_of(in_shape))
        self._count = kind.parameter(in_shape, out_shape).rows

    def rows(self, x: Tensor) -> Tensor:
        empty = x.new_zeros(*x.shape[:-1], self._count)
        return empty.index_add(-1, self._row.to(x.device), taken(x, self._lanes))

    def place(self, results: Tensor) -> Tensor:
        return taken(results, self._neurons)
