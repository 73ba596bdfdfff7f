"""Connection kernels synapse by synapse, for any kind without kernels of its own.

Synapses are ordered by source: those of lane j are `start[j]` to `start[j + 1] - 1`. Each has a target lane
and the place of its weight in the connection's matrix, so that shared weights add up.
"""

from typing import Any, NamedTuple

from numba import int32, int64, uint64

from neurosim.kernels.compilation import kernel
from neurosim.kernels.simd import pointer, trailing_zeros, without_lowest


class Explicit(NamedTuple):
    """start int64 (source lane + 1,); target, place int32 (synapse,); weight int32 (synapse,)."""

    start: Any
    target: Any
    place: Any
    weight: Any


@kernel
def explicit_current(
    begin,
    end,
    first,
    last,
    steps,
    spikes_array,
    row,
    at,
    words,
    synapses,
    shift,
    lanes,
    current_array,
):
    """Write currents int32 (trial, step, lane) << shift: as `dense_layer.dense_current`."""
    spikes, current = pointer(spikes_array), pointer(current_array)
    for trial in range(begin, end):
        for t in range(first, last):
            out = (trial * steps + t) * lanes
            for lane in range(lanes):
                current[out + lane] = int32(0)
            here = trial * row + at + t * words
            for word in range(words):
                bits = spikes[here + word]
                while bits != uint64(0):
                    source = (word << 6) + trailing_zeros(bits)
                    bits = without_lowest(bits)
                    for synapse in range(synapses.start[source], synapses.start[source + 1]):
                        current[out + synapses.target[synapse]] += int32(
                            synapses.weight[synapse] << shift
                        )


@kernel
def explicit_accumulate(
    begin, end, steps, spikes_array, row, at, words, synapses, terms_array, lanes, sums_array
):
    """Add to int32 sums (flat matrix) the terms int16 (trial, step, lane) of the targets of each spike."""
    spikes, terms, sums = pointer(spikes_array), pointer(terms_array), pointer(sums_array)
    for trial in range(begin, end):
        for t in range(steps):
            out = (trial * steps + t) * lanes
            here = trial * row + at + t * words
            for word in range(words):
                bits = spikes[here + word]
                while bits != uint64(0):
                    source = (word << 6) + trailing_zeros(bits)
                    bits = without_lowest(bits)
                    for synapse in range(synapses.start[source], synapses.start[source + 1]):
                        sums[synapses.place[synapse]] += int32(
                            terms[out + synapses.target[synapse]]
                        )


@kernel
def explicit_back(begin, end, synapses, deltas_array, errors_array):
    """Write errors int32 (trial, source lane): sums of delta int32 (trial, lane) times weight."""
    deltas, errors = pointer(deltas_array), pointer(errors_array)
    lanes, sources = deltas_array.shape[1], errors_array.shape[1]
    for trial in range(begin, end):
        for source in range(synapses.start.size - 1):
            error = int64(0)
            for synapse in range(synapses.start[source], synapses.start[source + 1]):
                delta = int64(deltas[trial * lanes + synapses.target[synapse]])
                error += delta * int64(synapses.weight[synapse])
            errors[trial * sources + source] = int32(error)


@kernel
def explicit_delta(begin, end, synapses, traces_array, errors_array, sums_array):
    """Add to int32 sums (flat matrix) trace int32 (trial, source lane) times error int32 (trial, lane)."""
    traces, errors, sums = pointer(traces_array), pointer(errors_array), pointer(sums_array)
    lanes, sources = errors_array.shape[1], traces_array.shape[1]
    for trial in range(begin, end):
        for source in range(synapses.start.size - 1):
            trace = traces[trial * sources + source]
            if trace == 0:
                continue
            for synapse in range(synapses.start[source], synapses.start[source + 1]):
                error = errors[trial * lanes + synapses.target[synapse]]
                sums[synapses.place[synapse]] += int32(trace * error)
