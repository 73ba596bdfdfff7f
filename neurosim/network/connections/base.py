"""Connection kind: the interface with shapes, the learned matrix, and the expansion to synapses.

A parameter is always a matrix (rows = fan-in, columns = outputs). A kind defines which of its elements
connect which neurons.
"""

from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from neurosim.network.shapes import Shape


class Parameter(NamedTuple):
    """The matrix of a connection.

    rows, columns  its shape: rows = full fan-in of an output, columns = outputs
    uses           largest number of outputs that share a row: 1, or the positions of a map
    """

    rows: int
    columns: int
    uses: int


class Synapses(NamedTuple):
    """A connection's synapses one by one: source, target and weight, each int64 (synapse,).

    Sources and targets are neuron numbers in C order; a pair may occur more than once: its weights add.
    """

    sources: NDArray[np.int64]
    targets: NDArray[np.int64]
    weights: NDArray[np.int64]


class ConnectionKind(Protocol):
    """A frozen, hashable dataclass whose fields are integers, strings or tuples of integers.

    `name` is how descriptions in JSON call it.
    """

    name: ClassVar[str]

    def out_shape(self, in_shape: Shape) -> Shape | None:
        """The shape that its target must have; None: any. NetworkError where the source does not fit."""

    def parameter(self, in_shape: Shape, out_shape: Shape) -> Parameter | None:
        """The matrix that it learns; None where its weights are fixed."""

    def expand(
        self, matrix: NDArray[np.integer[Any]] | None, in_shape: Shape, out_shape: Shape
    ) -> Synapses:
        """Its synapses with the weights of `matrix` (rows, columns)."""
