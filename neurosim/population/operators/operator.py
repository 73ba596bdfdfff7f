"""Connection operators: what the general executor does with a connection, over a block of trials.

    current      spikes of the source -> currents of the target
    accumulate   spikes of the source x terms of the target -> sums of the matrix
    back         numbers of the target -> errors of the source, over the same weights
    delta        traces of the source x errors of the target -> sums of the matrix

An operator is made once for a network and a number of steps, loaded with the matrix of a generation, and
then shared by threads; what a thread writes to is its `Scratch`. `Operator` runs any connection kind
from its synapses one by one; a kind with kernels of its own has a subclass, named in the registry. Over
axons that are lost, neither spikes and traces arrive nor errors return, whatever the kind.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.frames import words_for
from neurosim.kernels.connections import explicit
from neurosim.kernels.noise.layer_noise import DotProducts, Factors, explicit_noise
from neurosim.kernels.simd import TWIN, zeros
from neurosim.kernels.spikes import Source
from neurosim.network import Connection, Network, NetworkError
from neurosim.network.shapes import lane_order
from neurosim.population.bounds import INT16_MAX, INT32_MAX
from neurosim.population.state import padded

TERM_MAX = INT16_MAX
"""Largest term that a synapse adds for a spike: 16 bits."""
BYTE_MAX = 255


Totals = NDArray[np.int32] | NDArray[np.int64]
"""Sums as int64, or as int32 where that holds them."""


class Sums:
    """Update sums of a matrix: int32 sums of kernels, a bound on them, and int64 totals of earlier ones."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.narrow = zeros(shape, np.int32)
        self._wide: NDArray[np.int64] | None = None
        self._added = 0

    def make_room(self, added: int) -> None:
        """Fold the sums if up to `added` more in each could overflow them."""
        self._added += added
        if self._added > INT32_MAX:
            self.fold(0)
            self._added = added

    def fold(self, shift: int) -> None:
        """Add the sums, times 2^shift, to the totals."""
        if self._wide is None:
            self._wide = np.zeros(self.narrow.shape, np.int64)
        np.add(self._wide, self.narrow.astype(np.int64) << shift, out=self._wide)
        self.narrow[:] = 0
        self._added = 0

    @property
    def total(self) -> Totals:
        """All that was added."""
        return self.narrow if self._wide is None else self._wide + self.narrow


def flat(count: int, kind: Any) -> NDArray[Any]:
    """Zeros that a whole vector may be read or written past."""
    return zeros(count + 2 * TWIN, kind)


def cells(memory: NDArray[Any], *shape: int) -> NDArray[Any]:
    """The first elements of flat memory, as an array that can be read and written past as well."""
    return memory[: prod(shape)].reshape(shape)


def parts(count: int, most: int) -> Iterator[range]:
    """Trials 0 .. count - 1, at most `most` at a time."""
    for begin in range(0, count, most):
        yield range(begin, min(begin + most, count))


class Operator:
    """Operator of any connection kind, synapse by synapse, without a fast kernel."""

    can_be_narrow = False
    """Whether its currents may be int16 sums of mantissas."""
    has_dots = False
    """Whether `dots` has the noise on its matrix as dot products; else `add_noise` adds its currents."""

    def __init__(self, network: Network, connection: Connection, steps: int) -> None:
        self.connection, self.name, self.steps = connection, connection.name, steps
        self.in_shape = network.shapes[connection.source]
        self.out_shape = network.shapes[connection.target]
        self.sources, self.neurons = (
            network.sizes[connection.source],
            network.sizes[connection.target],
        )
        self.lanes = padded(self.neurons)
        self.parameter = network.parameter(connection)
        columns = self.parameter.columns if self.parameter else self.neurons
        self.position = (np.arange(self.lanes) // columns).astype(np.int32)
        """For each lane of the target, its position: that of its column among all uses of the matrix."""
        self.delay = connection.delay + connection.recurrent
        self.shift = connection.current_shift
        order = np.arange(self.sources, dtype=np.int64)
        if connection.source in {part.name for part in network.inputs}:  # spikes come in C order
            order = np.argsort(lane_order(self.in_shape))
        self.order = order
        """For each lane of the source, its place with channels last."""
        self._lost: NDArray[np.int64] = np.zeros(0, np.int64)
        """Lanes of the source whose axons are lost."""
        self.load_places(network)

    @property
    def narrow(self) -> bool:
        """Whether all sums of mantissas of the loaded matrix fit 16 bits, so that currents are int16."""
        return False

    @property
    def bound(self) -> int:
        """Largest |current|, in units of u."""
        return self._largest << self.shift

    @property
    def synapses(self) -> int:
        """Number of synapses."""
        return self._count

    @property
    def fan_out(self) -> int:
        """Largest number of synapses of a source."""
        return self._fan_out

    def lose(self, axons: NDArray[np.bool_]) -> None:
        """Lose axons: bool (source,), channels last."""
        self._lost = np.flatnonzero(axons[self.order])
        lanes = np.ones(64 * words_for(self.sources), np.uint8)
        lanes[self._lost] = 0
        self._kept = np.packbits(lanes, bitorder="little").view(np.uint64)

    def _arriving(self, source: Source, span: range) -> Source:
        """The spikes that arrive in the steps of `span`, later by the connection's delay."""
        delayed = source.delayed(self.delay)
        if not len(self._lost):
            return delayed
        first = delayed.lead + span.start
        bits = source.bits[:, first : delayed.lead + span.stop] & self._kept
        return delayed._replace(bits=bits, lead=delayed.lead - first)

    def load_places(self, network: Network) -> None:
        """Lay out what does not depend on the weights."""
        count = self.parameter.rows * self.parameter.columns if self.parameter else 0
        places = None
        if self.parameter is not None:
            places = np.arange(count).reshape(self.parameter.rows, self.parameter.columns)
        found = network.expand(self.connection, places)
        lane_of_source = np.argsort(lane_order(self.in_shape))
        if not np.array_equal(self.order, np.arange(self.sources)):
            lane_of_source = np.arange(self.sources)  # an input: its lanes are its neurons
        source = lane_of_source[found.sources]
        target = np.argsort(lane_order(self.out_shape))[found.targets]
        by_source = np.argsort(source, kind="stable")
        start = np.searchsorted(source[by_source], np.arange(self.sources + 1))
        self._count = len(source)
        self._fan_out = int(np.diff(start).max(initial=0))
        self._fixed = None if self.parameter else found.weights[by_source].astype(np.int32)
        self._table = explicit.Explicit(
            start.astype(np.int64),
            target[by_source].astype(np.int32),
            (found.weights if self.parameter else np.zeros(len(source), np.int64))[
                by_source
            ].astype(np.int32),
            np.zeros(len(source), np.int32),
        )
        self._largest = 0
        if self._fixed is not None:
            self.load(None)

    def load(self, matrix: NDArray[np.int8] | None) -> None:
        """Take the mantissas of a generation."""
        if matrix is None:
            assert self._fixed is not None
            weight = self._fixed
        else:
            weight = matrix.reshape(-1)[self._table.place].astype(np.int32)
        self._table = self._table._replace(weight=weight)
        sums = np.bincount(self._table.target, np.abs(weight), self.lanes)
        self._largest = int(sums.max(initial=0))

    @property
    def trial_bytes(self) -> int:
        """Bytes of the scratch memory that each trial takes."""
        return 0

    def scratch(self, block: int) -> Any:
        """Memory that a thread needs for `block` trials."""
        return None

    def current(self, scratch: Any, span: range, source: Source, out: NDArray[Any]) -> None:
        """Write the currents (trial, step, lane) of the steps in `span`, a trial for each row of spikes."""
        self._write_current(scratch, span, self._arriving(source, span), out)

    def _write_current(
        self, scratch: Any, span: range, arriving: Source, out: NDArray[Any]
    ) -> None:
        """`current` of spikes that arrive."""
        explicit.explicit_current(span.start, span.stop, arriving, self._table, self.shift, out)

    def add_noise(
        self, span: range, source: Source, factors: Factors, out: NDArray[np.int32]
    ) -> None:
        """Add the currents of noise on the matrix, synapse by synapse, where there are no `dots`."""
        assert self.parameter is not None
        arriving, columns = self._arriving(source, span), self.parameter.columns
        explicit_noise(span.start, span.stop, arriving, self._table, columns, factors, out)

    def dots(
        self, scratch: Any, count: int, span: range, source: Source, factors: Factors
    ) -> DotProducts:
        """Dot products of the noise on the matrix, of trials whose currents have just been written."""
        assert self.parameter is not None
        ranks, columns = factors.inner.shape[1], self.parameter.columns
        positions = self.neurons // columns
        together = factors.shared if source.repeats % 2 == 0 else 0
        products = cells(factors.products, count >> together, ranks, self.steps, positions)
        self._write_dots(scratch, span, self._arriving(source, span), factors, together, products)
        return DotProducts(
            factors.products,
            factors.outer,
            self.position,
            positions,
            columns,
            ranks,
            factors.shared,
            together,
        )

    def _write_dots(
        self,
        scratch: Any,
        span: range,
        arriving: Source,
        factors: Factors,
        together: int,
        products: NDArray[np.int32],
    ) -> None:
        """Write dot products int32 (row, factor, step, position) of spikes that arrive."""
        raise NotImplementedError(f"connection {self.name} has no dot products")

    def new_sums(self) -> Sums:
        """Empty update sums."""
        assert self.parameter is not None
        most = INT32_MAX // BYTE_MAX // self.parameter.uses
        if self.steps > most:
            raise NetworkError(
                f"connection {self.name}: each weight is used at {self.parameter.uses:,} "
                f"places, so that learning takes samples of up to {most:,} steps, not {self.steps:,}: use "
                f"fewer steps, or a larger stride"
            )
        return Sums(self._sums_shape())

    def _sums_shape(self) -> tuple[int, int]:
        assert self.parameter is not None
        return self.parameter.rows, self.parameter.columns

    def matrix_of(self, sums: Totals) -> Totals:
        """Sums as a matrix (row, column)."""
        assert self.parameter is not None
        return sums[:, : self.parameter.columns]

    def most_terms(self) -> int:
        """Largest number of terms that a sum takes from one trial."""
        assert self.parameter is not None
        return self.steps * self.parameter.uses

    def accumulate(
        self,
        scratch: Any,
        source: Source,
        terms: NDArray[np.int16],
        active: NDArray[np.uint8],
        sums: Sums,
    ) -> None:
        """Add the terms int16 (trial, step, lane) of the neurons that each spike reaches.

        active  uint8 (trial,): 0 where all terms of a trial are 0
        """
        arriving = self._arriving(source, range(self.steps))
        most, largest, count = self.most_terms(), TERM_MAX, len(terms)
        if count * largest * most > INT32_MAX:
            largest = max(1, int(terms.max(initial=0)), -int(terms.min(initial=0)))
        trials = INT32_MAX // (largest * most)
        if trials:
            for part in parts(count, trials):
                sums.make_room(len(part) * largest * most)
                self._add_part(scratch, part, arriving, terms, active, sums.narrow)
            return
        # terms of one trial could overflow: the upper and the lower bytes of all terms, one after the other
        for shift, part_of in ((8, terms >> 8), (0, terms & BYTE_MAX)):
            for part in parts(count, INT32_MAX // (BYTE_MAX * most)):
                sums.fold(0)
                self._add_part(scratch, part, arriving, part_of, active, sums.narrow)
                sums.fold(shift)

    def _add_part(
        self,
        scratch: Any,
        part: range,
        arriving: Source,
        terms: NDArray[np.int16],
        active: NDArray[np.uint8],
        sums: NDArray[np.int32],
    ) -> None:
        """`_add_terms` of the trials in `part`."""
        trials = slice(part.start, part.stop)
        of_part = arriving._replace(bits=arriving.bits[trials])
        self._add_terms(scratch, of_part, terms[trials], active[trials], sums)

    def _add_terms(
        self,
        scratch: Any,
        arriving: Source,
        terms: NDArray[np.int16],
        active: NDArray[np.uint8],
        sums: NDArray[np.int32],
    ) -> None:
        """Add the terms of spikes that arrive to the sums of a kernel, whose 32 bits hold them."""
        explicit.explicit_accumulate(arriving, self._table, terms, sums)

    def back(
        self, scratch: Any, count: int, deltas: NDArray[np.int32], errors: NDArray[np.int32]
    ) -> None:
        """Write errors int32 (trial, source lane) of deltas int32 (trial, lane)."""
        self._write_back(scratch, count, deltas, errors)
        if len(self._lost):
            errors[:count, self._lost] = 0

    def _write_back(
        self, scratch: Any, count: int, deltas: NDArray[np.int32], errors: NDArray[np.int32]
    ) -> None:
        """`back` over all axons."""
        explicit.explicit_back(0, count, self._table, deltas, errors)

    def delta(
        self,
        count: int,
        traces: NDArray[np.int32],
        errors: NDArray[np.int32],
        largest: int,
        sums: Sums,
    ) -> None:
        """Add traces int32 (trial, source lane) times errors int32 (trial, lane), each within `largest`."""
        assert self.parameter is not None
        arriving = traces
        if len(self._lost):
            arriving = traces.copy()
            arriving[:, self._lost] = 0
        for part in parts(count, max(1, INT32_MAX // (largest * self.parameter.uses))):
            sums.make_room(len(part) * largest * self.parameter.uses)
            self._add_delta(part, arriving, errors, sums.narrow)

    def _add_delta(
        self,
        part: range,
        traces: NDArray[np.int32],
        errors: NDArray[np.int32],
        sums: NDArray[np.int32],
    ) -> None:
        """Add those of the trials in `part` to the sums of a kernel, whose 32 bits hold them."""
        explicit.explicit_delta(part.start, part.stop, self._table, traces, errors, sums)
