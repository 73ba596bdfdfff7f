"""Operators of dense connections, and of dense connections from sum-pooled maps."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.frames import words_for
from neurosim.kernels.connections import dense_layer
from neurosim.kernels.connections.dense import LISTED, largest_sum
from neurosim.kernels.noise.layer_noise import Factors, row_dots, word_dots
from neurosim.kernels.rules import event_aligned
from neurosim.kernels.rules.layer_error import layer_delta
from neurosim.kernels.simd import WORDS, zeros
from neurosim.kernels.spikes import Source
from neurosim.network import Network, PooledDense
from neurosim.population.operators.operator import Operator, Totals


class Scratch(NamedTuple):
    """Axons of a step, deltas that are not 0, and bits of the update."""

    axons: NDArray[np.int32]
    listed: NDArray[np.int64]
    bits: NDArray[np.uint64]


class DenseOperator(Operator):
    """One weight for each source lane and neuron; source lanes may share a row."""

    has_dots = True

    def load_places(self, network: Network) -> None:
        assert self.parameter is not None
        self._rows = np.ascontiguousarray(self._rows_of_sources()[self.order], np.int32)
        self._in_order = np.array_equal(self._rows, np.arange(self.sources))
        self._sources_of_rows = np.argsort(self._rows)
        padded = -(-self.sources // dense_layer.TOGETHER) * dense_layer.TOGETHER
        self._weights = zeros((self.sources, self.lanes), np.int8)
        self._back = zeros((self.neurons, padded), np.int8)
        self._count = self.sources * self.neurons
        self._fan_out = self.neurons
        self._largest = 0

    def _rows_of_sources(self) -> NDArray[np.int64]:
        """The row of each source, in lane order."""
        return np.arange(self.sources)

    def load(self, matrix: NDArray[np.int8] | None) -> None:
        assert matrix is not None
        np.take(matrix, self._rows, axis=0, out=self._weights[:, : self.neurons])
        self._back[:, : self.sources] = self._weights[:, : self.neurons].T
        self._largest = largest_sum(self._weights)

    def scratch(self, block: int) -> Scratch:
        return Scratch(
            zeros(self.sources + LISTED, np.int32),
            np.zeros(self.neurons + 1, np.int64),
            zeros(event_aligned.MOMENTS * WORDS, np.uint64),
        )

    def _write_current(
        self, scratch: Scratch, span: range, arriving: Source, out: NDArray[Any]
    ) -> None:
        dense_layer.dense_current(
            span.start, span.stop, arriving, self._weights, self.shift, scratch.axons, out
        )

    def _write_dots(
        self,
        scratch: Scratch,
        span: range,
        arriving: Source,
        factors: Factors,
        together: int,
        products: NDArray[np.int32],
    ) -> None:
        steps = span.start, span.stop
        if self._in_order:
            word_dots(*steps, arriving, words_for(self.sources), factors, together, products)
        else:
            row_dots(*steps, arriving, self._rows, factors, together, products)

    def _sums_shape(self) -> tuple[int, int]:
        assert self.parameter is not None
        return self.parameter.rows, self.lanes

    def _add_terms(
        self,
        scratch: Scratch,
        arriving: Source,
        terms: NDArray[np.int16],
        active: NDArray[np.uint8],
        sums: NDArray[np.int32],
    ) -> None:
        columns = np.split(
            terms.reshape(-1, self.lanes),
            range(event_aligned.COLUMN, self.lanes, event_aligned.COLUMN),
            axis=1,
        )
        flat = [column.reshape(-1) for column in columns]
        laid_out = flat[0] if len(flat) == 1 else np.concatenate(flat)
        words = -(-self.sources // 64)
        trials = np.arange(len(terms))
        for begin in range(0, words, WORDS):
            end = min(begin + WORDS, words)
            event_aligned.accumulate_event_aligned(
                begin, end, arriving, trials, self.steps, laid_out, scratch.bits, sums
            )

    def matrix_of(self, sums: Totals) -> Totals:
        taken = sums[:, : self.neurons]
        return taken if self._in_order else taken[self._sources_of_rows]

    def _write_back(
        self, scratch: Scratch, count: int, deltas: NDArray[np.int32], errors: NDArray[np.int32]
    ) -> None:
        dense_layer.dense_back(0, count, self._back, deltas, scratch.listed, errors)

    def _add_delta(
        self,
        part: range,
        traces: NDArray[np.int32],
        errors: NDArray[np.int32],
        sums: NDArray[np.int32],
    ) -> None:
        layer_delta(part.start, part.stop, traces, errors, self._delta_rows(), sums)

    def _delta_rows(self) -> NDArray[np.int32]:
        """Row of the sums of each source lane."""
        return np.arange(self.sources, dtype=np.int32)


class PooledDenseOperator(DenseOperator):
    """Operator of a dense connection from a sum-pooled map: source lanes share the rows of the sums."""

    def _rows_of_sources(self) -> NDArray[np.int64]:
        assert isinstance(self.connection.kind, PooledDense)
        return self.connection.kind.rows_of(self.in_shape)

    def _add_terms(
        self,
        scratch: Scratch,
        arriving: Source,
        terms: NDArray[np.int16],
        active: NDArray[np.uint8],
        sums: NDArray[np.int32],
    ) -> None:
        full = zeros((self.sources, self.lanes), np.int32)
        super()._add_terms(scratch, arriving, terms, active, full)
        np.add.at(sums, self._rows, full)

    def matrix_of(self, sums: Totals) -> Totals:
        return sums[:, : self.neurons]

    def _delta_rows(self) -> NDArray[np.int32]:
        return self._rows
