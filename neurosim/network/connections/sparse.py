"""Sparse connection: a dense matrix with a mask of the synapses that exist."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.network.connections.base import Parameter, Synapses
from neurosim.network.errors import NetworkError, check_register
from neurosim.network.shapes import SIZES, Shape, lane_order, size_of


@dataclass(frozen=True)
class Sparse:
    """sources, targets: the mask's rows and columns; bits: the mask in C order, packed, in hexadecimal.

    Rows and columns are those of a dense matrix: of a map, channels last. `Sparse.of` takes an array.
    """

    sources: int
    targets: int
    bits: str
    name: ClassVar[str] = "sparse"

    def __post_init__(self) -> None:
        for field in ("sources", "targets"):
            check_register("sparse connection", field, getattr(self, field), SIZES)
        wanted = 2 * -(-self.sources * self.targets // 8)
        if not isinstance(self.bits, str) or len(self.bits) != wanted:
            raise NetworkError(
                f"sparse connection: bits has {len(self.bits)} digits for a mask of {self.sources} x "
                f"{self.targets}; needed are {wanted} hexadecimal digits, as Sparse.of makes them"
            )

    @staticmethod
    def of(mask: ArrayLike) -> "Sparse":
        """From a mask (source, neuron) of truth values."""
        array = np.asarray(mask, bool)
        if array.ndim != 2:
            raise NetworkError(f"sparse connection: a mask is (source, neuron), not {array.shape}")
        return Sparse(array.shape[0], array.shape[1], np.packbits(array).tobytes().hex())

    def mask(self) -> NDArray[np.bool_]:
        """Mask of the synapses that exist: bool (source, neuron)."""
        packed = np.frombuffer(bytes.fromhex(self.bits), np.uint8)
        count = self.sources * self.targets
        return np.unpackbits(packed, count=count).astype(bool).reshape(self.sources, self.targets)

    def out_shape(self, in_shape: Shape) -> Shape | None:
        if size_of(in_shape) != self.sources:
            raise NetworkError(
                f"sparse connection: its mask has {self.sources} rows, its source {in_shape} has "
                f"{size_of(in_shape)} neurons"
            )
        return (self.targets,)

    def parameter(self, in_shape: Shape, out_shape: Shape) -> Parameter:
        return Parameter(self.sources, self.targets, 1)

    def expand(
        self, matrix: NDArray[np.integer[Any]] | None, in_shape: Shape, out_shape: Shape
    ) -> Synapses:
        assert matrix is not None
        rows, columns = np.nonzero(self.mask())
        return Synapses(
            lane_order(in_shape)[rows],
            lane_order(out_shape)[columns],
            matrix[rows, columns].astype(np.int64),
        )
