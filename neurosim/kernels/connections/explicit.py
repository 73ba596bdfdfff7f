"""Connection kernels synapse by synapse, for any kind without kernels of its own.

Synapses are ordered by source: those of lane j are `start[j]` to `start[j + 1] - 1`. Each has a target lane
and the place of its weight in the connection's matrix, so that shared weights add up.
"""

from typing import Any, NamedTuple

from numba import int32, int64, uint64

from neurosim.kernels.compilation import kernel
from neurosim.kernels.simd import pointer, trailing_zeros, without_lowest
from neurosim.kernels.spikes import step_at


class Explicit(NamedTuple):
    """start int64 (source lane + 1,); target, place int32 (synapse,); weight int32 (synapse,)."""

    start: Any
    target: Any
    place: Any
    weight: Any


@kernel
def explicit_current(first, last, source, synapses, shift, current_array):
    """Write currents int32 (trial, step, lane) << shift: as `dense_layer.dense_current`."""
    spikes, current = pointer(source.bits), pointer(current_array)
    trials, steps, lanes = current_array.shape
    for trial in range(trials):
        for t in range(first, last):
            out = (trial * steps + t) * lanes
            for lane in range(lanes):
                current[out + lane] = int32(0)
            here = step_at(source, trial, t)
            for word in range(source.bits.shape[2]):
                bits = spikes[here + word]
                while bits != uint64(0):
                    lane = (word << 6) + trailing_zeros(bits)
                    bits = without_lowest(bits)
                    for synapse in range(synapses.start[lane], synapses.start[lane + 1]):
                        current[out + synapses.target[synapse]] += int32(
                            synapses.weight[synapse] << shift
                        )


@kernel
def explicit_accumulate(source, synapses, terms_array, sums_array):
    """Add to int32 sums (flat matrix) the terms int16 (trial, step, lane) of the targets of each spike."""
    spikes, terms, sums = pointer(source.bits), pointer(terms_array), pointer(sums_array)
    trials, steps, lanes = terms_array.shape
    for trial in range(trials):
        for t in range(steps):
            out = (trial * steps + t) * lanes
            here = step_at(source, trial, t)
            for word in range(source.bits.shape[2]):
                bits = spikes[here + word]
                while bits != uint64(0):
                    lane = (word << 6) + trailing_zeros(bits)
                    bits = without_lowest(bits)
                    for synapse in range(synapses.start[lane], synapses.start[lane + 1]):
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
