"""Dense connection: currents of spikes, by visiting synapses or by look-up of subset sums.

    input[t, k] = (sum over spiking j of mantissa[j, k]) << current_shift

Where a layer is small, the sums of all subsets of a few axons are computed once per generation and looked up
for every member, sample and step: this needs no list of spikes and no data-dependent branch. Four axons have
sixteen subsets, whose sums are kept in memory (`quad_sums`); those of five or six axons fill one or two
vectors, in which thirty-two trials are looked up at once (`subset_sums`, executors/output_batch.py).
"""

import numpy as np
from numba import int32, int64, uint64
from numpy.typing import NDArray

from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.simd import (
    LISTS,
    TWIN,
    WIDTH,
    greatest,
    load,
    load_shorts,
    load_twins,
    no_shorts,
    no_twins,
    pointer,
    popcount,
    select,
    splat,
    store,
    store_places,
    trailing_zeros,
    widen,
    widen_first,
    widen_second,
    without_lowest,
    zeros,
)

QUAD = 4
"""Axons looked up together."""
SUMS = 1 << QUAD
QUADS = 64 // QUAD
SHORT_SPIKES = 255
"""Number of 8-bit weights whose sum fits 16 bits: 255 * 128 < 2^15."""
TOGETHER = 4 * TWIN
"""Lanes whose sums are kept in registers while spikes visit their synapses."""
FLATTENED = 8
"""Spikes of a word that are listed at a time without a test for each, where the processor has no
compress instruction; chosen here."""
LISTED = WIDTH
"""Number of elements that may be written past the end of a list."""
TABLE_BYTES = 1 << 16
"""Larger tables leave the nearest caches (chosen here); spikes then visit their synapses one by one."""
FIVE = 5
"""Axons whose subsets' sums fill a vector; sixteen are two fives and a six."""
SUBSETS = 4 << FIVE
"""Sums of sixteen axons: 32, 32 and 64."""
SUBSET_BYTES = 1 << 20
"""As TABLE_BYTES for `subset_sums`, each of which is read for thirty-two trials at once (chosen here)."""


def quad_sums(weights: NDArray[np.int8]) -> NDArray[np.int16] | None:
    """Sums of the synapses of every subset of four axons, or None where they are too large.

    weights  int8 (source, lane), whole vectors of lanes
    returns  int16 (vector, quad, subset, lane of the vector), whole words of sources; every sum over
             any of the sources fits 16 bits
    """
    sources, lanes = weights.shape
    quads = -(-sources // 64) * QUADS
    if quads * SUMS * lanes * 2 > TABLE_BYTES or largest_sum(weights) > np.iinfo(np.int16).max:
        return None
    filled = np.zeros((quads, QUAD, lanes // WIDTH, WIDTH), np.int16)
    filled.reshape(-1, lanes)[:sources] = weights
    return np.ascontiguousarray(np.moveaxis(_sums(filled.transpose(2, 0, 3, 1)), -1, 2))


def subset_sums(weights: NDArray[np.int8]) -> NDArray[np.int16] | None:
    """Sums of the synapses of every subset of five, the next five and the next six axons, or None.

    weights  int8 (source, neuron)
    returns  int16 (neuron, sixteen axons, SUBSETS), as `zeros` lie; None where they are too large
    """
    sources, neurons = weights.shape
    sixteens = -(-sources // 16)
    if neurons * sixteens * SUBSETS * 2 > SUBSET_BYTES:
        return None
    filled = np.zeros((sixteens * 16, neurons), np.int16)
    filled[:sources] = weights
    filled = filled.T.reshape(neurons, sixteens, 16)
    parts = (filled[:, :, :FIVE], filled[:, :, FIVE : 2 * FIVE], filled[:, :, 2 * FIVE :])
    sums = zeros((neurons, sixteens, SUBSETS), np.int16)
    return np.concatenate([_sums(part) for part in parts], axis=2, out=sums)


def _sums(weights: NDArray[np.int16]) -> NDArray[np.int16]:
    """Sums over every subset of the last axis: entry i of those whose bit of i is set."""
    sums = np.zeros((*weights.shape[:-1], 1 << weights.shape[-1]), np.int16)
    for bit in range(weights.shape[-1]):
        one = 1 << bit
        sums[..., one : 2 * one] = sums[..., :one] + weights[..., bit, None]
    return sums


def largest_sum(weights: NDArray[np.int8]) -> int:
    """Largest sum of |weight| of a lane of int8 weights (source, lane)."""
    sums = np.zeros(weights.shape[1], np.int32)
    add_magnitudes(weights, sums)
    return int(sums.max())


@kernel
def add_magnitudes(weights, sums):
    """Add |weight| of every source to its lane's sum, int32 (lane,)."""
    for source in range(weights.shape[0]):
        for lane in range(weights.shape[1]):
            sums[lane] += abs(int32(weights[source, lane]))


@inlined
def tabled_current(spikes, at, row, sources, steps, sums, first_sum, shift, lanes, current, out_at):
    """As `synaptic_current`, of `quad_sums` from `first_sum` on; a step's spikes take `row` words."""
    scale = splat(int32(1) << int32(shift))
    words = (sources + 63) >> 6
    for t in range(steps):
        here = at + t * row
        for first in range(0, lanes, WIDTH):
            total = no_shorts()
            of_word = first_sum + first * words * QUADS * SUMS
            for word in range(words):
                pattern = spikes[here + word]
                for quad in range(QUADS):
                    subset = int64((pattern >> uint64(QUAD * quad)) & uint64(SUMS - 1))
                    total = total + load_shorts(sums, of_word + (quad * SUMS + subset) * WIDTH)
                of_word += QUADS * SUMS * WIDTH
            store(current, out_at + t * lanes + first, widen(total) * scale)


@kernel
def list_spikes(spikes, at, words, axons):
    """Write the numbers of the set bits of a row of spike words to `axons`; return how many.

    `axons` needs space for LISTED more: this many may be written at a time, since a branch on the number of
    spikes costs more.
    """
    count = int64(0)
    for index in range(words):
        word = spikes[at + index]
        more = popcount(word)
        if LISTS:
            store_places(axons, count, word, index << 6)
        else:
            for begin in range(0, more, FLATTENED):
                for place in range(begin, begin + FLATTENED):
                    axons[count + place] = int32((index << 6) + trailing_zeros(word))
                    word = without_lowest(word)
        count += more
    return count


@kernel
def synaptic_current(
    spikes, at, words, steps, weights, first_weight, shift, lanes, axons, current, out_at
):
    """Current int32 (step, lane) of spikes uint64 (step, word) through int8 weights (source, lane).

    All are `pointer`s, used from the given places on; `axons` is scratch, int32 (source + LISTED,).
    """
    scale = splat(int32(1) << int32(shift))
    zero = splat(int32(0))
    for t in range(steps):
        count = list_spikes(spikes, at + t * words, words, axons)
        first = int64(0)
        while first < lanes:
            row, place = first_weight + first, out_at + t * lanes + first
            if lanes - first >= TOGETHER:
                _add_axons(weights, row, lanes, axons, count, scale, current, place)
                first += TOGETHER
            elif lanes - first >= TWIN:
                _add_few_axons(weights, row, lanes, axons, count, scale, current, place)
                first += TWIN
            else:
                total = zero
                for index in range(count):
                    total = total + load(weights, row + int64(axons[index]) * lanes)
                store(current, place, total * scale)
                first += WIDTH


@kernel
def _add_axons(weights, row, lanes, axons, count, scale, current, place):
    """`synaptic_current` of one step and TOGETHER lanes: `row` is those of axon 0, `place` the result's."""
    for lane in range(0, TOGETHER, WIDTH):
        store(current, place + lane, splat(int32(0)))
    for begin in range(0, count, SHORT_SPIKES):
        part_0, part_1, part_2, part_3 = no_twins(), no_twins(), no_twins(), no_twins()
        for index in range(begin, min(begin + SHORT_SPIKES, count)):
            at = row + int64(axons[index]) * lanes
            part_0 = part_0 + load_twins(weights, at)
            part_1 = part_1 + load_twins(weights, at + TWIN)
            part_2 = part_2 + load_twins(weights, at + 2 * TWIN)
            part_3 = part_3 + load_twins(weights, at + 3 * TWIN)
        _add_scaled(current, place, part_0, scale)
        _add_scaled(current, place + TWIN, part_1, scale)
        _add_scaled(current, place + 2 * TWIN, part_2, scale)
        _add_scaled(current, place + 3 * TWIN, part_3, scale)


@kernel
def _add_few_axons(weights, row, lanes, axons, count, scale, current, place):
    """`_add_axons` of one twin."""
    store(current, place, splat(int32(0)))
    store(current, place + WIDTH, splat(int32(0)))
    for begin in range(0, count, SHORT_SPIKES):
        part = no_twins()
        for index in range(begin, min(begin + SHORT_SPIKES, count)):
            part = part + load_twins(weights, row + int64(axons[index]) * lanes)
        _add_scaled(current, place, part, scale)


@kernel
def _add_scaled(current, place, part, scale):
    store(current, place, load(current, place) + widen_first(part) * scale)
    second = place + WIDTH
    store(current, second, load(current, second) + widen_second(part) * scale)


@kernel
def base_currents(begin, end, chain, frames, axons, currents, max_current):
    """The current that all members share: first-layer synapses under each sample's frames.

    frames uint64 (sample, step, word); axons int32 (source + LISTED,), scratch; written for samples
    `begin` .. `end` - 1: currents int32 (sample, step, lane), and the largest of them,
    max_current int64 (sample,)
    """
    steps, words, lanes = frames.shape[1], frames.shape[2], chain.lanes[0]
    for sample in range(begin, end):
        synaptic_current(
            pointer(frames),
            sample * steps * words,
            words,
            steps,
            pointer(chain.weights),
            chain.weight_at[0],
            chain.shift[0],
            lanes,
            pointer(axons),
            pointer(currents),
            sample * steps * lanes,
        )
        zero = splat(int32(0))
        largest = zero
        for at in range(sample * steps * lanes, (sample + 1) * steps * lanes, WIDTH):
            value = load(pointer(currents), at)
            size = select(zero > value, zero - value, value)
            largest = select(size > largest, size, largest)
        max_current[sample] = greatest(largest)
