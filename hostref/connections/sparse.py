"""Sparse connection: a dense one whose masked weights stay 0."""

from typing import Any

from hostref.backend import Tensor, torch
from hostref.connections.dense import DenseOperator
from neurosim.network.shapes import Shape


class SparseOperator(DenseOperator):
    """x (W, 0 where the mask has no synapse)."""

    mask: Tensor

    def __init__(self, kind: Any, in_shape: Shape, out_shape: Shape) -> None:
        super().__init__(kind, in_shape, out_shape)
        self.mask = torch.as_tensor(kind.mask())

    def current(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        assert matrix is not None
        return super().current(x, matrix * self.mask.to(matrix))
