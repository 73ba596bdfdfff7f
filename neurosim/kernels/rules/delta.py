"""Delta rule of the readout: a local three-factor rule on errors and traces.

    r_j(t) = filtered spikes of neuron j, as the readout's membrane would filter them
    e_j    = (sum over t of r_j(t)) >> TRACE_SHIFT            the trace of neuron j
    err_k  = 127 * (1 if k is the label, else 0) - 127 * p_k  p: softmax of the scores
    sums[j, k] = sum over samples of e_j * err_k

For a readout by membrane this is the gradient of the log-likelihood but for rounding: the score of
class k is linear in its weights. It uses the unperturbed pass; paper section 7, "local plasticity rules".
"""

from typing import Any, NamedTuple

from numba import int32, int64, uint16

from neurosim import limits
from neurosim.kernels.arithmetic import decay_towards_zero
from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.neurons.integration import decays_of
from neurosim.kernels.simd import (
    WIDTH,
    load,
    pointer,
    select,
    shift_right,
    spikes_of,
    splat,
    store,
)

SPIKE = 64
"""Contribution of a spike to a trace: 2^STATE_SHIFT, as to u."""
TRACE_SHIFT = 4
"""Chosen here: traces of ten steps of spikes at dv = 400 then have 8 bits."""
ERROR_ONE = 127


def largest_trace(decay_u: int, decay_v: int, steps: int) -> int:
    """Largest trace: that of a neuron that spikes in every step."""
    current = filtered = total = 0
    for _ in range(steps):
        current = (current * (limits.DECAY_ONE - decay_u) >> limits.DECAY_BITS) + SPIKE
        filtered = (filtered * (limits.DECAY_ONE - decay_v) >> limits.DECAY_BITS) + current
        total += filtered
    return total >> TRACE_SHIFT


class Filtered(NamedTuple):
    """Traces of sixteen neurons: filtered spikes u and v, and the sum over steps of v."""

    current: Any
    potential: Any
    total: Any


@inlined
def filter_spikes(before, bits, decay_u, decay_v):
    """One step of sixteen neurons' spikes (uint16)."""
    arriving = select(spikes_of(uint16(bits)), splat(int32(SPIKE)), splat(int32(0)))
    if not decay_u.forgets:
        arriving = arriving + decay_towards_zero(before.current, decay_u)
    potential = decay_towards_zero(before.potential, decay_v) + arriving
    return Filtered(arriving, potential, before.total + potential)


@inlined
def no_spikes():
    """Before the first step."""
    zero = splat(int32(0))
    return Filtered(zero, zero, zero)


@inlined
def trace_of(filtered):
    """The trace of sixteen neurons, after the last step."""
    return shift_right(filtered.total, splat(int32(TRACE_SHIFT)))


@kernel
def accumulate_delta(
    begin,
    end,
    layer,
    decays_array,
    trains_array,
    errors_array,
    groups,
    neurons_in,
    spike_words,
    steps,
    traces_array,
    sums_array,
):
    """Add the sums of the samples in `groups` (flat int64) for the last layer, number `layer`.

    Of the sources `begin` * 16 .. `end` * 16 - 1, as far as there are `neurons_in`.
    trains   uint16 (sample, hidden layer, step, lane / 16) spikes of the unperturbed pass
    errors   int32 (sample, lane)
    traces   int32 (16,), scratch
    sums    int32 (source, lane), added to
    """
    trains, errors, traces = pointer(trains_array), pointer(errors_array), pointer(traces_array)
    sums, decays = pointer(sums_array), pointer(decays_array)
    lanes = sums_array.shape[1]
    row = 4 * spike_words
    train = trains_array.size // max(1, trains_array.shape[0])
    decay_u, decay_v = decays_of(decays, layer)
    for index in range(groups.size):
        sample = groups[index]
        for vector in range(begin, end):
            at = sample * train + (layer - 1) * steps * row + vector
            filtered = no_spikes()
            for t in range(steps):
                filtered = filter_spikes(filtered, trains[at + t * row], decay_u, decay_v)
            store(traces, 0, trace_of(filtered))
            for first in range(0, lanes, WIDTH):
                error = load(errors, sample * lanes + first)
                for place in range(min(WIDTH, neurons_in - vector * WIDTH)):
                    trace = int64(traces[place])
                    if trace != 0:
                        to = (vector * WIDTH + place) * lanes + first
                        store(sums, to, load(sums, to) + error * splat(int32(trace)))


@kernel
def accumulate_delta_biases(errors_array, groups, sums_array):
    """Add the errors of the samples in `groups` to int32 sums (lane,), as for a synapse with trace 1."""
    errors, sums = pointer(errors_array), pointer(sums_array)
    lanes = sums_array.size
    for index in range(groups.size):
        for first in range(0, lanes, WIDTH):
            error = load(errors, groups[index] * lanes + first)
            store(sums, first, load(sums, first) + error)
