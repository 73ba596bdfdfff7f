"""Float operator of any connection kind, from its synapses one by one, through a dense matrix."""

from typing import Any

import numpy as np

from hostref.backend import Tensor, torch
from hostref.connections.base import Operator
from neurosim.network import NetworkError
from neurosim.network.shapes import Shape, size_of


class ExpandedOperator(Operator):
    """Each synapse has the weight of one entry of the matrix, or a fixed one."""

    factored = False

    def __init__(self, kind: Any, in_shape: Shape, out_shape: Shape) -> None:
        super().__init__(kind, in_shape, out_shape)
        self._size = (size_of(in_shape), size_of(out_shape))
        self._matrix = kind.parameter(in_shape, out_shape)
        numbers = None
        if self._matrix is not None:
            numbers = np.arange(self._matrix.rows * self._matrix.columns, dtype=np.int64)
            numbers = numbers.reshape(self._matrix.rows, self._matrix.columns)
        found = kind.expand(numbers, in_shape, out_shape)
        self._places = torch.as_tensor(found.sources * self._size[1] + found.targets)
        self._entries = torch.as_tensor(found.weights)
        if numbers is not None:
            again = kind.expand(numbers + 1, in_shape, out_shape)
            if not np.array_equal(again.weights, found.weights + 1):
                raise NetworkError(
                    f"connection kind {kind.name!r}: its synapses do not have the weights of its "
                    f"matrix one by one; give it a float operator (hostref/connections)"
                )

    def current(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        weights = self._entries.to(x) if matrix is None else matrix.flatten()[self._entries]
        full = x.new_zeros(self._size[0] * self._size[1])
        full = full.index_add(0, self._places.to(x.device), weights)
        return x @ full.view(self._size)

    def columns(self, values: Tensor) -> Tensor:
        assert self._matrix is not None
        column, target = self._entries % self._matrix.columns, self._places % self._size[1]
        found = values.new_zeros(self._matrix.columns)
        found[column] = values[target]
        if not bool((found[column] == values[target]).all()):
            raise NetworkError(
                f"connection kind {self.kind.name!r}: neurons of one column have different thresholds; "
                f"a normalised model needs one for each column"
            )
        return found
