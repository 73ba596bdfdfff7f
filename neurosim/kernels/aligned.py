"""What is noise that is drawn along the events worth? Event-aligned perturbations, and their update.

    input_k(t) += scale * xi_k(t)                     one number a neuron and step, from the counter
    votes[j, k]  = sum over pairs i of c_ik * sum_t xi_ik(t) * x_ij(t)

c_ik is what the pair's noise was worth: its coefficient f_i, the same for all neurons, or what each
neuron's own noise was worth (credit.py).

In step t the noise acts as the rank-1 weight perturbation xi(t) x(t)^T / |x(t)|^2, whose right factor is
the spikes that arrive: no noise is spent on synapses that the sample does not use. The update
presents the same spikes a second time; every synapse that one visits adds c_ik xi_ik(t), the noise drawn
again, and keeps no trace. x is the unperturbed input of the layer: a pair perturbs one event-aligned
layer only (`perturbs`), so what reaches that layer is the same for both members and the estimate has
no cross terms.

The noise may be left out where it can do nothing: in all but every `period`-th step, or wherever the
unperturbed membrane is further than `window` from its threshold (a gate, one bit a neuron and step).
"""

import numpy as np
from numba import int32, int64, uint16, uint64

from neurosim.kernels.compilation import kernel
from neurosim.kernels.counter_rng import ALIGNED
from neurosim.kernels.lanes import (
    WIDTH,
    lane_index,
    load,
    pointer,
    select,
    spikes_of,
    splat,
    store,
    trailing_zeros,
)
from neurosim.kernels.perturbation import (
    FIRST,
    GRADED_OFFSET,
    ONE_NUMBER,
    draw_noise,
    noise_lanes,
    noise_words,
)
from neurosim.kernels.transpose import transpose_bits

NO_GATE = np.int64(0)
COLUMN = 64
PRESENTED = 2
"""An update takes 64 lanes and 2 x 64 moments together: 16 KiB of terms, which stay in the cache."""
NO_NEURON = np.iinfo(np.int32).max
"""Threshold of the lanes that only fill a vector."""


@kernel
def gated(value, gates, at, window):
    """`value`, or 0 in the lanes whose gate is shut; without a window all gates are open."""
    if window == NO_GATE:
        return value
    return select(spikes_of(gates[at]), value, splat(int32(0)))


@kernel
def aligned_current(chain, noise, layer, steps, gates, gates_at, out_at, room):
    """Write the event-aligned noise current int32 (step, lane) to room.noise; return its bound.

    gates  uint16 (layer, step, lane / 16) of the sample, from `gates_at` on
    """
    lanes = chain.lanes[layer]
    words = ((chain.neurons[layer] + 127) >> 7) << 1
    row = 4 * chain.spike_words
    up, down = splat(int32(noise.scale[layer])), splat(int32(-noise.scale[layer]))
    zero = splat(int32(0))
    simple = not noise.graded and noise.window == NO_GATE
    for t in range(steps):
        at = chain.noise_at[layer] + t * noise_words(words, noise.graded)
        gate = gates_at + (layer * steps + t) * row
        silent = t % noise.period != 0
        for first in range(0, lanes, WIDTH):
            value = zero
            if simple:
                bits = uint16(room.inputs[at + (first >> 6)] >> uint64(first & 63))
                value = select(spikes_of(bits), up, down)
            elif not silent:
                drawn = noise_lanes(room.inputs, at, words, first, noise.graded)
                value = gated(up * drawn, gates, gate + first // WIDTH, noise.window)
            if silent:
                value = zero
            elif first + WIDTH > chain.neurons[layer]:
                value = select(lane_numbers(first, chain.neurons[layer]) > zero, value, zero)
            store(room.noise, out_at + t * lanes + first, value)
    return noise.scale[layer] * (GRADED_OFFSET if noise.graded else ONE_NUMBER)


@kernel
def aligned_terms(
    begin, end, layer, neurons, graded, period, window, turn, turns, credits_array,
    groups, pairs, generation, seed, gates_array, gate_row, planes_array, terms_array,
):  # fmt: skip
    """What a synapse adds for a spike: sum over the pairs of a group of c_ik xi_ik(t).

    Groups `begin` .. `end` - 1 of int64 groups (group,), the sample that the pairs of a group saw.
    credits       int16 (pair, lane), divided among the groups evenly and in order
    pairs         int64 (pair,) their numbers
    gates         uint16 (sample, layer, step, lane / 16), `gate_row` a step
    terms         int16 (column, group, step, 64), written: lanes in columns of 64
    """
    gates, planes, terms = pointer(gates_array), pointer(planes_array), pointer(terms_array)
    credits, lanes = pointer(credits_array), credits_array.shape[1]
    steps = terms_array.shape[2]
    words = ((neurons + 127) >> 7) << 1
    each = credits_array.shape[0] // groups.size
    gates_of_sample = gates_array.size // max(1, gates_array.shape[0])
    zero = splat(int32(0))
    for group in range(begin, end):
        for t in range(0, steps, period):
            gate = groups[group] * gates_of_sample + (layer * steps + t) * gate_row
            for index in range(group * each, (group + 1) * each):
                pair = pairs[index]
                if pair % turns != turn:
                    continue
                draw_noise(
                    planes, FIRST, words, FIRST, words, int64(t), graded, ALIGNED, layer, pair,
                    generation, seed,
                )  # fmt: skip
                for first in range(0, neurons, WIDTH):
                    column = first // COLUMN
                    at = ((column * groups.size + group) * steps + t) * COLUMN + first % COLUMN
                    drawn = noise_lanes(planes, FIRST, words, first, graded)
                    drawn = drawn * load(credits, index * lanes + first)
                    drawn = gated(drawn, gates, gate + first // WIDTH, window)
                    real = lane_numbers(first, neurons)
                    store(terms, at, load(terms, at) + select(real > zero, drawn, zero))


@kernel
def lane_numbers(first, neurons):
    """Positive in the lanes that are neurons, when lane 0 is neuron `first`."""
    return splat(int32(neurons - first)) - lane_index()


@kernel
def aligned_votes(
    begin, end, sources, words_in, spikes_array, spike_row, spikes_at, groups, terms_array,
    bits_array, votes_array,
):  # fmt: skip
    """Present the samples again: every spike adds its step's terms, sources of words `begin` .. `end`-1.

    spikes  uint64: what reaches the layer, sample s from s * spike_row + spikes_at on, `words_in`
            words a step
    terms   int16 (column, group, step, 64) of `aligned_terms`
    bits    uint64 scratch, 64 * PRESENTED a word
    votes   int32 (source, lane), added to

    A synapse is visited once for PRESENTED * 64 steps, with the steps in which its source spiked.
    """
    spikes, terms, bits = pointer(spikes_array), pointer(terms_array), pointer(bits_array)
    votes = pointer(votes_array)
    lanes, steps = votes_array.shape[1], terms_array.shape[2]
    presented = groups.size * steps
    for chunk in range(0, presented, 64 * PRESENTED):
        for word in range(begin, end):
            for part in range(PRESENTED):
                at = ((word - begin) * PRESENTED + part) * 64
                for place in range(64):
                    moment = chunk + part * 64 + place
                    row = uint64(0)
                    if moment < presented:
                        group = moment // steps
                        step = moment - group * steps
                        row = spikes[groups[group] * spike_row + spikes_at + step * words_in + word]
                    bits[at + place] = row
                transpose_bits(bits, at)
        for column in range(terms_array.shape[0]):
            left = column * COLUMN
            of_chunk = column * presented + chunk
            for source in range(begin * 64, min(end * 64, sources)):
                word = (source >> 6) - begin
                synapse = source * lanes + left
                at = word * PRESENTED * 64 + (source & 63)
                if lanes - left >= COLUMN:
                    total_0, total_1 = load(votes, synapse), load(votes, synapse + WIDTH)
                    total_2 = load(votes, synapse + 2 * WIDTH)
                    total_3 = load(votes, synapse + 3 * WIDTH)
                    for part in range(PRESENTED):
                        left_over = bits[at + part * 64]
                        while left_over != uint64(0):
                            moment = of_chunk + part * 64 + trailing_zeros(left_over)
                            left_over &= left_over - uint64(1)
                            term = moment * COLUMN
                            total_0 = total_0 + load(terms, term)
                            total_1 = total_1 + load(terms, term + WIDTH)
                            total_2 = total_2 + load(terms, term + 2 * WIDTH)
                            total_3 = total_3 + load(terms, term + 3 * WIDTH)
                    store(votes, synapse, total_0)
                    store(votes, synapse + WIDTH, total_1)
                    store(votes, synapse + 2 * WIDTH, total_2)
                    store(votes, synapse + 3 * WIDTH, total_3)
                else:
                    for first in range(0, lanes - left, WIDTH):
                        total = load(votes, synapse + first)
                        for part in range(PRESENTED):
                            left_over = bits[at + part * 64]
                            while left_over != uint64(0):
                                moment = of_chunk + part * 64 + trailing_zeros(left_over)
                                left_over &= left_over - uint64(1)
                                total = total + load(terms, moment * COLUMN + first)
                        store(votes, synapse + first, total)
