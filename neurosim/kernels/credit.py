"""What was a neuron's own noise worth, where the readout tells its errors to the neurons before it?

    blame_k   = sum over classes c of err_c * w_ck                  err_c: `readout.softmax_errors`
    credit_ik = (blame_k * (e_k(+) - e_k(-))) >> CREDIT_SHIFT       e_k: trace of its spikes (delta.py)

The members of pair i give neuron k of the last hidden layer +noise and -noise. What that changes in its
own trace, times what its trace is worth to the readout, is what its noise was worth: the noise of other
neurons does not enter, as it does in a fitness that all share. No derivative of the neuron is taken.
w_ck are the readout's weights: a core of the hidden layer keeps a copy of the few that leave its
neurons, which learns as the readout does, from the same errors, traces and counter: the same bits.
"""

from numba import int32, int64

from neurosim.kernels.compilation import inlined
from neurosim.kernels.delta import trace_of
from neurosim.kernels.lanes import WIDTH, load, select, shift_right, splat, store

CREDIT_SHIFT = 5
"""Credits of a trained network are then some hundreds, and one in 10^4 meets its edge; chosen here."""


@inlined
def tell_blame(chain, errors, errors_at, blame):
    """Write what a unit of trace is worth: blame int32 (lane,) of the layer before the last.

    Returns False if it is 0 for all neurons.
    """
    last = chain.layers - 1
    lanes = chain.lanes[last]
    anything = False
    for neuron in range(chain.neurons[last - 1]):
        told = int64(0)
        for index in range(chain.neurons[last]):
            at = chain.weight_at[last] + neuron * lanes + index
            told += int64(errors[errors_at + index]) * int64(chain.weights[at])
        blame[neuron] = int32(told)
        anything |= told != 0
    return anything


@inlined
def give_credit(
    spikes, plus, minus, row, steps, decay_u, decay_v, blame, largest, credits, at, lanes
):
    """Write a pair's credits int16 (lane,), no further than ±largest, to `credits` from `at` on.

    spikes  uint16 of both members, `row` a step: of +noise from `plus` on, of -noise from `minus` on
    """
    high, low = splat(int32(largest)), splat(int32(-largest))
    shift = splat(int32(CREDIT_SHIFT))
    for first in range(0, lanes, WIDTH):
        change = trace_of(spikes, plus + first // WIDTH, row, steps, decay_u, decay_v)
        change = change - trace_of(spikes, minus + first // WIDTH, row, steps, decay_u, decay_v)
        credit = shift_right(change * load(blame, first), shift)
        credit = select(credit > high, high, credit)
        store(credits, at + first, select(low > credit, low, credit))
