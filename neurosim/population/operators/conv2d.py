"""Operator of convolutions: look-up of spike patterns, and sums over classes of events."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels.connections import conv2d
from neurosim.kernels.noise.layer_noise import Factors, word_dots
from neurosim.kernels.simd import zeros
from neurosim.kernels.spikes import Source
from neurosim.network import Conv2d, Network
from neurosim.network.connections.planes import taps
from neurosim.population.operators.operator import Operator, flat
from neurosim.population.state import padded


class Scratch(NamedTuple):
    """Windows of spikes, lists of events, and a padded map of errors."""

    of_spikes: conv2d.Windows
    of_terms: conv2d.EventLists
    errors: NDArray[np.int32]


class Conv2dOperator(Operator):
    """Operator of a convolution."""

    can_be_narrow = True
    has_dots = True

    def load_places(self, network: Network) -> None:
        kind = self.connection.kind
        assert isinstance(kind, Conv2d)
        size, stride, padding = kind.pairs
        self._geometry = conv2d.geometry(self.in_shape, self.out_shape, size, stride, padding)
        self._layout = conv2d.layout(self.in_shape, self.order, padding, self._geometry)
        self._classes = conv2d.classes(
            self.in_shape, self.out_shape, self.order, size, stride, padding, self.steps
        )
        channels, height, width = self.in_shape
        self._back_shape = conv2d.BackShape(
            channels,
            (width + 2 * padding[1]) * channels,
            (height + 2 * padding[0]) * (width + 2 * padding[1]) * channels,
        )
        y, x = self.order // (width * channels), self.order // channels % width
        self._error_places = (
            (y + padding[0]) * self._back_shape.row
            + (x + padding[1]) * channels
            + self.order % channels
        )
        assert self.parameter is not None
        self._count = self.parameter.rows * self.parameter.columns * self.parameter.uses
        self.load(np.zeros((self.parameter.rows, self.parameter.columns), np.int8))
        met = taps(
            (height, width), (self.out_shape[1], self.out_shape[2]), size, stride, padding
        ).source
        self._fan_out = int(np.bincount(met).max(initial=0)) * self.parameter.columns

    @property
    def looked_up(self) -> int:
        """Sums that are looked up for the currents of a step, a lane each."""
        return self.neurons * self._sums.chunks

    @property
    def narrow(self) -> bool:
        return not self._sums.wide

    def load(self, matrix: NDArray[np.int8] | None) -> None:
        assert matrix is not None
        self._sums = conv2d.make_table(matrix)
        self._largest = int(np.abs(matrix.astype(np.int64)).sum(axis=0).max())
        run = self._geometry.run
        self._back = zeros((self._geometry.rows, matrix.shape[1], padded(run)), np.int8)
        self._back[:, :, :run] = matrix.reshape(-1, run, matrix.shape[1]).transpose(0, 2, 1)

    @property
    def trial_bytes(self) -> int:
        return 8 * self.steps * self._geometry.positions * self._geometry.window_words

    def scratch(self, block: int) -> Scratch:
        plane = self._classes.height * self._classes.width * self._geometry.channels
        size = self.steps, self._geometry.positions, self._geometry.window_words
        return Scratch(
            conv2d.Windows(
                np.zeros(self._geometry.map_words, np.uint64), zeros((block, *size), np.uint64)
            ),
            conv2d.EventLists(
                np.zeros(int(self._classes.list_at[-1]), np.int32),
                np.zeros(len(self._classes.list_at) - 1, np.int64),
                flat(self.steps * plane, np.int16),
            ),
            flat(block * self._back_shape.map, np.int32),
        )

    def _write_current(
        self, scratch: Scratch, span: range, arriving: Source, out: NDArray[Any]
    ) -> None:
        kernel = conv2d.current_narrow if out.dtype == np.int16 else conv2d.current_wide
        windows = scratch.of_spikes
        kernel(span.start, span.stop, arriving, self._layout, windows, self._sums, self.shift, out)

    def _write_dots(
        self,
        scratch: Scratch,
        span: range,
        arriving: Source,
        factors: Factors,
        together: int,
        products: NDArray[np.int32],
    ) -> None:
        windows = scratch.of_spikes.windows
        block, steps, positions, words = windows.shape
        gathered = Source(windows.reshape(block, steps, positions * words), 0, arriving.repeats)
        word_dots(span.start, span.stop, gathered, words, factors, together, products)

    def _sums_shape(self) -> tuple[int, int]:
        assert self.parameter is not None
        return self.parameter.rows, padded(self.parameter.columns)

    def _add_terms(
        self,
        scratch: Scratch,
        arriving: Source,
        terms: NDArray[np.int16],
        active: NDArray[np.uint8],
        sums: NDArray[np.int32],
    ) -> None:
        lists = scratch.of_terms
        conv2d.conv_accumulate(arriving, self._classes, self._geometry, terms, active, lists, sums)

    def _write_back(
        self, scratch: Scratch, count: int, deltas: NDArray[np.int32], errors: NDArray[np.int32]
    ) -> None:
        conv2d.conv_back(
            0, count, self._geometry, self._back, deltas, self._back_shape, scratch.errors
        )
        conv2d.crop_errors(
            0, count, scratch.errors, self._back_shape.map, self._error_places, errors
        )

    def _add_delta(
        self,
        part: range,
        traces: NDArray[np.int32],
        errors: NDArray[np.int32],
        sums: NDArray[np.int32],
    ) -> None:
        raise NotImplementedError("a convolution is no readout")
