"""Connections as linear nodes of NIR graphs, a connection kind's own node where it has one.

Conv2d       where the synapses are those of one convolution
SumPool2d    where they are those of a pool; a Scale behind it holds what a spike adds, unless the
             population has it in its w_in
Linear       of anything else, a Flatten before it where spikes come from a map; Affine with biases
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.chip.synapses import Dense, Synapses, matrix_of
from neurosim.export.nir.file_io import NirError, library
from neurosim.network import Connection, Network, NetworkError
from neurosim.network.connections import Conv2d, SumPool2d
from neurosim.network.shapes import MAP, Shape

Float = NDArray[np.float64]
Named = tuple[str, Any]


class Piece(NamedTuple):
    """The synapses of a connection that have one delay: weights int64 (target, source)."""

    delay: int
    weights: NDArray[np.int64]


def pieces(connection: Connection, synapses: Synapses, sizes: Mapping[str, int]) -> list[Piece]:
    """The synapses by their own delay, shortest first; one piece at least."""
    shape = (sizes[connection.target], sizes[connection.source])
    if isinstance(synapses, Dense):
        weights = np.asarray(synapses.weights, np.int64)
        if synapses.delays is None:
            return [Piece(0, weights)]
        delays = np.asarray(synapses.delays)
        used = np.unique(delays[weights != 0])
        return [Piece(int(d), np.where(delays == d, weights, 0)) for d in used] or [
            Piece(0, weights)
        ]
    sources = np.repeat(np.arange(shape[1]), np.diff(synapses.start))
    own = np.zeros(sources.size, np.int64) if synapses.delays is None else synapses.delays
    keys = np.stack([own, synapses.targets, sources])
    if np.unique(keys, axis=1).shape[1] != sources.size:
        raise NirError(
            f"connection {connection.name}: two synapses join the same two neurons with the same "
            f"delay; a matrix holds one: add them up"
        )
    found = []
    for delay in np.unique(own[synapses.weights != 0]) if synapses.weights.any() else [0]:
        mine = own == delay
        matrix = np.zeros(shape, np.int64)
        matrix[synapses.targets[mine], sources[mine]] = synapses.weights[mine]
        found.append(Piece(int(delay), matrix))
    return found


class LinearNode(NamedTuple):
    """A connection written out."""

    connection: Connection
    piece: Piece
    in_shape: Shape
    out_shape: Shape

    @property
    def name(self) -> str:
        return f"{self.connection.source}_{self.connection.target}"

    def carries(self, bias: Float, shape: Shape) -> bool:
        """Can the node bring these biases (neuron,)?"""
        return True

    def nodes(self, bias: Float | None, metadata: dict[str, str], with_gain: bool) -> list[Named]:
        """The nodes, the one with the metadata under the connection's name."""
        nir = library()
        weights = _currents(self.connection, self.piece.weights)
        flatten: list[Named] = []
        if len(self.in_shape) == MAP:
            flat = nir.Flatten({"input": np.array(self.in_shape)}, start_dim=0, end_dim=-1)
            flatten = [(f"{self.name}_flat", flat)]
        if bias is None or not bias.any():
            return [*flatten, (self.name, nir.Linear(weights, metadata=metadata))]
        return [*flatten, (self.name, nir.Affine(weights, bias, metadata=metadata))]


class ConvolutionNode(NamedTuple):
    """A convolution with its matrix int64 (row, column) of mantissas."""

    linear: LinearNode
    matrix: NDArray[np.int64]

    def carries(self, bias: Float, shape: Shape) -> bool:
        maps = bias.reshape(shape[0], -1)
        return bool((maps == maps[:, :1]).all())

    def nodes(self, bias: Float | None, metadata: dict[str, str], with_gain: bool) -> list[Named]:
        connection, in_shape = self.linear.connection, self.linear.in_shape
        kernel, stride, padding = connection.kind.pairs  # type: ignore[attr-defined]
        weights = _currents(connection, self.matrix << connection.grid_bits)
        shaped = weights.reshape(*kernel, in_shape[0], -1).transpose(3, 2, 0, 1)
        channels = self.linear.out_shape[0]
        each = np.zeros(channels) if bias is None else bias.reshape(channels, -1)[:, 0]
        node = library().Conv2d(
            input_shape=in_shape[1:],
            weight=np.ascontiguousarray(shaped),
            stride=stride,
            padding=padding,
            dilation=(1, 1),
            groups=1,
            bias=each,
            metadata=metadata,
        )
        return [(self.linear.name, node)]


class PoolNode(NamedTuple):
    """A sum of windows, and what a spike adds to u."""

    linear: LinearNode

    def carries(self, bias: Float, shape: Shape) -> bool:
        return False

    def nodes(self, bias: Float | None, metadata: dict[str, str], with_gain: bool) -> list[Named]:
        nir, connection = library(), self.linear.connection
        size, stride, padding = connection.kind.pairs  # type: ignore[attr-defined]
        node = nir.SumPool2d(np.array(size), np.array(stride), np.array(padding), metadata=metadata)
        if not with_gain:
            return [(self.linear.name, node)]
        gain = np.full(self.linear.out_shape, 2.0**connection.current_shift)
        return [(self.linear.name, node), (f"{self.linear.name}_gain", nir.Scale(gain))]


def operator_of(
    network: Network, connection: Connection, piece: Piece
) -> LinearNode | ConvolutionNode | PoolNode:
    """The nodes that a connection becomes."""
    shapes = network.shapes[connection.source], network.shapes[connection.target]
    linear = LinearNode(connection, piece, *shapes)
    if not isinstance(connection.kind, Conv2d | SumPool2d):
        return linear
    try:
        matrix = matrix_of(network, connection, Dense(piece.weights))
    except NetworkError:
        return linear
    return PoolNode(linear) if matrix is None else ConvolutionNode(linear, matrix)


def _currents(connection: Connection, weights: NDArray[np.int64]) -> Float:
    """Increments of u by spikes."""
    return np.ldexp(weights.astype(np.float64), limits.STATE_SHIFT + connection.weight_exp)
