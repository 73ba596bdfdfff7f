"""What is noise that is drawn along the events worth? Event-aligned perturbations, and their update.

    input_k(t) += scale * xi_k(t)                     one number a neuron and step, from the counter
    votes[j, k]  = sum over pairs i of f_i * sum_t xi_ik(t) * x_ij(t)

In step t the noise acts as the rank-1 weight perturbation xi(t) x(t)^T / |x(t)|^2, whose right factor is
the spikes that arrive: no noise is spent on synapses that the sample does not use. The update
presents the same spikes a second time; every synapse that one visits adds f_i xi_ik(t), the noise drawn
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
from neurosim.kernels.lanes import WIDTH, load, pointer, select, spikes_of, splat, store
from neurosim.kernels.perturbation import (
    FIRST,
    GRADED_OFFSET,
    ONE_NUMBER,
    draw_noise,
    noise_words,
    planes_of,
)
from neurosim.kernels.synapse import list_spikes

NO_GATE = np.int64(0)
NO_NEURON = np.iinfo(np.int32).max
"""Threshold of the lanes that only fill a vector."""


@kernel
def noise_lanes(planes, at, words, first, graded):
    """Noise numbers `first` .. `first + 15` of a field written by `draw_noise`."""
    zero = splat(int32(0))
    total = zero
    for plane in range(planes_of(graded)):
        word = planes[at + plane * words + (first >> 6)]
        bits = spikes_of(uint16(word >> uint64(first & 63)))
        total = total + select(bits, splat(int32(ONE_NUMBER << plane)), zero)
    if graded:
        return total - splat(int32(GRADED_OFFSET))
    return total + total - splat(int32(1))


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
    scale = splat(int32(noise.scale[layer]))
    zero = splat(int32(0))
    for t in range(steps):
        at = chain.noise_at[layer] + t * noise_words(words, noise.graded)
        gate = gates_at + (layer * steps + t) * row
        for first in range(0, lanes, WIDTH):
            value = zero
            if t % noise.period == 0:
                drawn = noise_lanes(room.inputs, at, words, first, noise.graded)
                value = gated(scale * drawn, gates, gate + first // WIDTH, noise.window)
                edge = load(chain.threshold, layer * chain.width + first)
                value = select(splat(int32(NO_NEURON)) > edge, value, zero)
            store(room.noise, out_at + t * lanes + first, value)
    return noise.scale[layer] * (GRADED_OFFSET if noise.graded else ONE_NUMBER)


@kernel
def aligned_votes(
    begin, end, layer, neurons, words_in, chain_spike_words, noise_graded, period, window, turn,
    turns, coefficients, groups, first_pair, generation, seed, spikes_array, spike_row, spikes_at,
    gates_array, steps, axons_array, terms_array, planes_array, votes_array, bias_votes_array,
):  # fmt: skip
    """Add the pairs' votes for lanes 16 * `begin` .. 16 * `end` - 1 of one layer.

    groups        int64 (group,): the sample that the pairs of a group saw
    coefficients  int8 (pair,), divided among the groups evenly and in order
    spikes        uint64: what reaches the layer, sample s from s * spike_row + spikes_at on,
                  `words_in` words a step
    gates         uint16 (sample, layer, step, lane / 16)
    votes         int32 (source, lane), added to; bias_votes int32 (lane,), added to
    """
    spikes, gates = pointer(spikes_array), pointer(gates_array)
    axons, terms, planes = pointer(axons_array), pointer(terms_array), pointer(planes_array)
    votes, of_biases = pointer(votes_array), pointer(bias_votes_array)
    lanes = votes_array.shape[1]
    words = ((neurons + 127) >> 7) << 1
    each = coefficients.size // groups.size
    gate_row = 4 * chain_spike_words
    gates_of_sample = gates_array.size // max(1, gates_array.shape[0])
    for group in range(groups.size):
        sample = groups[group]
        for t in range(0, steps, period):
            for block in range(begin, end):
                store(terms, block * WIDTH, splat(int32(0)))
            busy = False
            for index in range(group * each, (group + 1) * each):
                f = int64(coefficients[index])
                pair = first_pair + index
                if f == 0 or pair % turns != turn:
                    continue
                busy = True
                draw_noise(
                    planes, FIRST, words, FIRST, words, int64(t), noise_graded, ALIGNED, layer, pair,
                    generation, seed,
                )  # fmt: skip
                for block in range(begin, end):
                    drawn = noise_lanes(planes, FIRST, words, block * WIDTH, noise_graded)
                    store(
                        terms,
                        block * WIDTH,
                        load(terms, block * WIDTH) + drawn * splat(int32(f)),
                    )
            if not busy:
                continue
            gate = sample * gates_of_sample + (layer * steps + t) * gate_row
            count = list_spikes(
                spikes, sample * spike_row + spikes_at + t * words_in, words_in, axons
            )
            for block in range(begin, end):
                first = block * WIDTH
                term = gated(load(terms, first), gates, gate + block, window)
                store(of_biases, first, load(of_biases, first) + term)
                for index in range(count):
                    at = axons[index] * lanes + first
                    store(votes, at, load(votes, at) + term)
