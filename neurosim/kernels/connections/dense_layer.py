"""Dense connection over blocks of trials: currents, and errors sent back over the same weights.

current[t, k] = sum over spikes j of step t of W[j, k]            (kernels/connections/dense.py)
error[j]      = sum over k of delta[k] W[j, k]
"""

from numba import int32, int64

from neurosim.kernels.compilation import kernel
from neurosim.kernels.connections.dense import synaptic_current
from neurosim.kernels.simd import WIDTH, load, pointer, splat, store
from neurosim.kernels.spikes import step_at

TOGETHER = 4 * WIDTH
"""Sources whose errors are summed side by side: a cache line of weights."""


@kernel
def dense_current(first, last, source, weights_array, shift, axons_array, current_array):
    """Write currents int32 (trial, step, lane) << shift of steps `first` .. `last` - 1.

    source  Source of the spikes
    weights int8 (source, lane); axons int32 (source + LISTED,), scratch
    """
    spikes, weights, axons = pointer(source.bits), pointer(weights_array), pointer(axons_array)
    current = pointer(current_array)
    trials, steps, lanes = current_array.shape
    for trial in range(trials):
        synaptic_current(
            spikes,
            step_at(source, trial, first),
            source.bits.shape[2],
            last - first,
            weights,
            int64(0),
            shift,
            lanes,
            axons,
            current,
            (trial * steps + first) * lanes,
        )


@kernel
def dense_back(begin, end, weights_array, deltas_array, listed, errors_array):
    """Write errors int32 (trial, source lane) of deltas int32 (trial, lane), trials `begin` .. `end` - 1.

    weights  int8 (neuron, source lane padded to TOGETHER)
    listed   int64 (neuron,), scratch
    """
    weights, deltas, errors = pointer(weights_array), pointer(deltas_array), pointer(errors_array)
    neurons, padded = weights_array.shape
    lanes, sources = deltas_array.shape[1], errors_array.shape[1]
    zero = splat(int32(0))
    for trial in range(begin, end):
        count = int64(0)
        for neuron in range(neurons):
            listed[count] = neuron
            count += int64(deltas[trial * lanes + neuron] != 0)
        for first in range(0, padded, TOGETHER):
            sum_0, sum_1, sum_2, sum_3 = zero, zero, zero, zero
            for index in range(count):
                neuron = listed[index]
                delta = splat(int32(deltas[trial * lanes + neuron]))
                from_ = neuron * padded + first
                sum_0 = sum_0 + load(weights, from_) * delta
                sum_1 = sum_1 + load(weights, from_ + WIDTH) * delta
                sum_2 = sum_2 + load(weights, from_ + 2 * WIDTH) * delta
                sum_3 = sum_3 + load(weights, from_ + 3 * WIDTH) * delta
            to = trial * sources + first
            store(errors, to, sum_0)
            if first + WIDTH < sources:
                store(errors, to + WIDTH, sum_1)
            if first + 2 * WIDTH < sources:
                store(errors, to + 2 * WIDTH, sum_2)
            if first + 3 * WIDTH < sources:
                store(errors, to + 3 * WIDTH, sum_3)
