"""Neuron credit by error: the credit of each hidden neuron for its own noise, from the errors of the readout.

    feedback_k = sum over classes c of err_c * w_ck                  err_c: `readout.softmax_errors`
    credit_ik  = (feedback_k * (e_k(+) - e_k(-))) >> CREDIT_SHIFT    e_k: trace of its spikes (delta.py)

The members of pair i give neuron k of the last hidden layer +noise and -noise. Its credit is the resulting
change of its trace times its feedback error. Unlike a fitness that all neurons share, it does not contain
the noise of other neurons. No derivative of the neuron is used. w_ck are the weights of the readout: on a
chip, a core of the hidden layer would keep a copy of the few outgoing weights of its neurons, updated by
the same errors, traces and counters as the readout, and therefore with the same bits.
"""

from numba import int32, int64

from neurosim.kernels.compilation import inlined
from neurosim.kernels.rules.delta import filter_spikes, no_spikes, trace_of
from neurosim.kernels.simd import WIDTH, load, select, shift_right, splat, store

CREDIT_SHIFT = 5
"""Chosen here: credits of a trained network are then some hundreds, and one in 10^4 is clipped."""


@inlined
def feedback_errors(chain, errors, errors_at, feedback):
    """Write the feedback errors int32 (lane,) of the layer before the last, per unit of trace.

    Returns False if it is 0 for all neurons.
    """
    last = chain.layers - 1
    lanes = chain.lanes[last]
    anything = False
    for neuron in range(chain.neurons[last - 1]):
        weighted = int64(0)
        for index in range(chain.neurons[last]):
            at = chain.weight_at[last] + neuron * lanes + index
            weighted += int64(errors[errors_at + index]) * int64(chain.weights[at])
        feedback[neuron] = int32(weighted)
        anything |= weighted != 0
    return anything


@inlined
def neuron_credit(
    spikes, plus, minus, row, steps, decay_u, decay_v, feedback, largest, credits, at, lanes
):
    """Write a pair's credits int16 (lane,), clipped to ±largest, to `credits` from `at` on.

    spikes  uint16 of both members, `row` a step: of +noise from `plus` on, of -noise from `minus` on
    """
    for first in range(0, lanes, 2 * WIDTH):
        second = min(first + WIDTH, lanes - WIDTH)  # a vector too many repeats the last vector
        a, b = first // WIDTH, second // WIDTH
        plus_a, plus_b, minus_a, minus_b = no_spikes(), no_spikes(), no_spikes(), no_spikes()
        for t in range(steps):
            to_plus, to_minus = plus + t * row, minus + t * row
            plus_a = filter_spikes(plus_a, spikes[to_plus + a], decay_u, decay_v)
            plus_b = filter_spikes(plus_b, spikes[to_plus + b], decay_u, decay_v)
            minus_a = filter_spikes(minus_a, spikes[to_minus + a], decay_u, decay_v)
            minus_b = filter_spikes(minus_b, spikes[to_minus + b], decay_u, decay_v)
        change = trace_of(plus_a) - trace_of(minus_a)
        store(credits, at + first, _credit_of(change, load(feedback, first), largest))
        change = trace_of(plus_b) - trace_of(minus_b)
        store(credits, at + second, _credit_of(change, load(feedback, second), largest))


@inlined
def _credit_of(change, feedback, largest):
    high, low = splat(int32(largest)), splat(int32(-largest))
    credit = shift_right(change * feedback, splat(int32(CREDIT_SHIFT)))
    credit = select(credit > high, high, credit)
    return select(low > credit, low, credit)
