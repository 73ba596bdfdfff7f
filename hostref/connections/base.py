"""Float operator of a connection: spikes of a source to currents of a target, by a matrix.

    rows      inputs of the matrix                   (..., step, source) -> (..., step * uses, rows)
    place     results to their neurons               (..., step * uses, columns) -> (..., step, neuron)
    current   place(rows(x) W)

Neurons lie in C order of their shape; rows and columns are those of the connection kind's matrix.
"""

from typing import Any

import numpy as np

from hostref.backend import Tensor, torch
from neurosim.network import NetworkError
from neurosim.network.shapes import MAP, Shape, lane_order


class Operator:
    """Float operator of a connection kind between two shapes.

    mask  bool (rows, columns) of the weights that exist, or None where all do
    """

    mask: Tensor | None = None
    factored = True
    """Whether there are `rows` and `place`, so that a low-rank factor can replace the matrix."""

    def __init__(self, kind: Any, in_shape: Shape, out_shape: Shape) -> None:
        self.kind, self.in_shape, self.out_shape = kind, in_shape, out_shape

    def rows(self, x: Tensor) -> Tensor:
        """Inputs of the matrix."""
        raise NotImplementedError

    def place(self, results: Tensor) -> Tensor:
        """Currents of neurons."""
        raise NotImplementedError

    def current(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        """Currents (..., step, neuron) of spikes (..., step, source)."""
        assert matrix is not None
        return self.place(product(self.rows(x), matrix))

    def columns(self, values: Tensor) -> Tensor:
        """Of values (neuron,), those of the columns; NetworkError where neurons of a column differ."""
        return values[lanes(self.out_shape)]


def product(x: Tensor, weight: Tensor) -> Tensor:
    """x W with any leading axes, as one matrix product."""
    return (x.flatten(0, -2) @ weight).unflatten(0, x.shape[:-1])


def lanes(shape: Shape) -> slice | Tensor:
    """For each lane, channels last, the number of its neuron; all in order where that is no change."""
    return torch.as_tensor(lane_order(shape)) if len(shape) == MAP else slice(None)


def from_lanes(shape: Shape) -> slice | Tensor:
    """For each neuron its lane."""
    return torch.as_tensor(np.argsort(lane_order(shape))) if len(shape) == MAP else slice(None)


def taken(x: Tensor, index: slice | Tensor) -> Tensor:
    """x[..., index], and x itself where that is all of it."""
    return x if isinstance(index, slice) else x[..., index.to(x.device)]


def by_map(values: Tensor, out_shape: Shape, where: str) -> Tensor:
    """Of values (neuron,), those of the maps; NetworkError where a map's neurons differ."""
    maps = values.reshape(out_shape[0], -1)
    if not bool((maps == maps[:, :1]).all()):
        raise NetworkError(
            f"{where}: neurons of one map have different thresholds, and share weights; a normalised "
            f"model needs one threshold for each map"
        )
    return maps[:, 0]
