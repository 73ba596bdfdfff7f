"""What current do spikes make of the weights? Each arriving spike visits the synapses of its axon.

input[t, k] = (sum over spiking j of mantissa[j, k]) << current_shift
"""

from numba import int32, int64, uint64

from neurosim.kernels.compilation import kernel
from neurosim.kernels.lanes import WIDTH, load, pointer, splat, store, trailing_zeros


@kernel
def list_spikes(spikes, at, words, axons):
    """Write the numbers of the set bits of a row of spike words to `axons`; return how many."""
    count = 0
    for index in range(words):
        word = spikes[at + index]
        while word != uint64(0):
            axons[count] = (index << 6) + trailing_zeros(word)
            word &= word - uint64(1)
            count += 1
    return count


@kernel
def synaptic_current(
    spikes, at, words, steps, weights, first_weight, shift, lanes, axons, counts, counts_at, current,
    out_at,
):  # fmt: skip
    """Current int32 (step, lane) of spikes uint64 (step, word) through int8 weights (source, lane).

    All are `pointer`s, used from the given places on; `counts` int32 (step,) gets the number of spikes
    of each step; `axons` is int64 scratch, one entry a source.
    """
    scale = splat(int32(1) << int32(shift))
    zero = splat(int32(0))
    for t in range(steps):
        count = list_spikes(spikes, at + t * words, words, axons)
        counts[counts_at + t] = int32(count)
        first = int64(0)
        while first < lanes:
            place = out_at + t * lanes + first
            if lanes - first >= 4 * WIDTH:
                total_0, total_1, total_2, total_3 = zero, zero, zero, zero
                for index in range(count):
                    row = first_weight + axons[index] * lanes + first
                    total_0 = total_0 + load(weights, row)
                    total_1 = total_1 + load(weights, row + WIDTH)
                    total_2 = total_2 + load(weights, row + 2 * WIDTH)
                    total_3 = total_3 + load(weights, row + 3 * WIDTH)
                store(current, place, total_0 * scale)
                store(current, place + WIDTH, total_1 * scale)
                store(current, place + 2 * WIDTH, total_2 * scale)
                store(current, place + 3 * WIDTH, total_3 * scale)
                first += 4 * WIDTH
            else:
                total = zero
                for index in range(count):
                    total = total + load(weights, first_weight + axons[index] * lanes + first)
                store(current, place, total * scale)
                first += WIDTH


@kernel
def base_currents(begin, end, chain, frames, axons, counts, currents, reach):
    """The current that all members share: first-layer synapses under each sample's frames.

    frames uint64 (sample, step, word); axons int64 (source,), scratch; written for samples `begin` ..
    `end` - 1: counts int32 (sample, step) spikes, currents int32 (sample, step, lane), and reach int64
    (sample,) the largest of its currents
    """
    steps, words, lanes = frames.shape[1], frames.shape[2], chain.lanes[0]
    for sample in range(begin, end):
        synaptic_current(
            pointer(frames), sample * steps * words, words, steps, pointer(chain.weights),
            chain.weight_at[0], chain.shift[0], lanes, pointer(axons), pointer(counts),
            sample * steps, pointer(currents), sample * steps * lanes,
        )  # fmt: skip
        largest = int64(0)
        for t in range(steps):
            for lane in range(lanes):
                largest = max(largest, abs(int64(currents[sample, t, lane])))
        reach[sample] = largest
