"""Event-aligned perturbation: noise on the currents of neurons, and the update sums of its directions.

    input_k(t) += scale * xi_k(t)                     one number per neuron and step, from the counter
    sums[j, k]  = sum over directions i of c_ik * sum_t xi_ik(t) * x_ij(t)

c_ik is the utility of the direction: its coefficient f_i, the same for all neurons, or the credit of each
neuron (error_credit.py).

In step t the noise acts as the rank-1 weight perturbation xi(t) x(t)^T / |x(t)|^2, whose right factor is
the input spikes: synapses that the sample does not use are not perturbed. The update makes a second pass
over the same spikes, with the noise drawn again; every spike adds c_ik xi_ik(t) to its synapses, which keep
no trace. x is the unperturbed input of the layer: a direction perturbs one event-aligned layer only
(`perturbs`), so the input of that layer is unperturbed, and the estimate has no cross terms.

The noise can be restricted to every `period`-th step, and to neurons whose unperturbed membrane is within
`window` of its threshold (the near-threshold mask, one bit per neuron and step).
"""

from typing import Any, NamedTuple

import numpy as np
from numba import int32, int64, uint16, uint64

from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.generator import (
    ALIGNED,
    Field,
    draw_words,
    lane_words,
)
from neurosim.kernels.noise.weight_noise import (
    FIRST,
    GRADED_OFFSET,
    ONE_NUMBER,
    draw_noise,
    noise_lanes,
    noise_words,
)
from neurosim.kernels.simd import (
    WIDTH,
    WORDS,
    lane_index,
    load,
    load_words,
    pointer,
    select,
    spikes_of,
    splat,
    splat_words,
    store,
    store_words,
    trailing_zeros,
    without_lowest,
)
from neurosim.kernels.spikes import step_at
from neurosim.kernels.transpose import transpose_blocks

NO_WINDOW = np.int64(0)
COLUMN = 8 * WIDTH
MOMENTS = 128
"""Lanes and moments of an update at a time, 128 each: 32 KiB of terms, which stay in the L1 cache."""
NO_NEURON = np.iinfo(np.int32).max
"""Threshold of padding lanes."""


@kernel
def masked(value, masks, at, window):
    """`value`, or 0 in the lanes outside the near-threshold mask; without a window in no lane."""
    if window == NO_WINDOW:
        return value
    return select(spikes_of(masks[at]), value, splat(int32(0)))


@inlined
def aligned_current(chain, noise, layer, steps, masks, masks_at, out_at, scratch):
    """Write the event-aligned noise current int32 (step, lane) to scratch.noise; return its bound.

    masks  uint16 (layer, step, lane / 16) of the sample, from `masks_at` on
    """
    lanes = chain.lanes[layer]
    words = lane_words(chain.neurons[layer])
    row = 4 * chain.spike_words
    up, down = splat(int32(noise.scale[layer])), splat(int32(-noise.scale[layer]))
    zero = splat(int32(0))
    simple = not noise.graded and noise.window == NO_WINDOW
    for t in range(steps):
        at = chain.noise_at[layer] + t * noise_words(words, noise.graded)
        at_mask = masks_at + (layer * steps + t) * row
        silent = t % noise.period != 0
        for first in range(0, lanes, WIDTH):
            value = zero
            if simple:
                bits = uint16(scratch.inputs[at + (first >> 6)] >> uint64(first & 63))
                value = select(spikes_of(bits), up, down)
            elif not silent:
                drawn = noise_lanes(scratch.inputs, at, words, first, noise.graded)
                value = masked(up * drawn, masks, at_mask + first // WIDTH, noise.window)
            if silent:
                value = zero
            elif first + WIDTH > chain.neurons[layer]:
                value = select(lane_numbers(first, chain.neurons[layer]) > zero, value, zero)
            store(scratch.noise, out_at + t * lanes + first, value)
    return noise.scale[layer] * (GRADED_OFFSET if noise.graded else ONE_NUMBER)


class Directions(NamedTuple):
    """Directions and what their noise is multiplied by.

    numbers  int64 (direction,)
    credits  int16 (direction, lane)
    groups   int64 (group,): sample of each group, among which the directions are divided evenly, in order
    """

    numbers: Any
    credits: Any
    groups: Any


@kernel
def aligned_terms(begin, end, noise, directions, masks_array, steps, planes_array, terms_array):
    """Terms that a synapse adds per spike: the sum over the directions of a group of c_ik xi_ik(t).

    Of groups `begin` .. `end` - 1.
    noise       AlignedNoise of the layer; directions: Directions
    masks       uint16 (sample, layer * step, lane / 16): near-threshold masks
    planes      uint64 scratch: the noise of all steps, or `noise_words` of one if graded
    terms       int16, written: lanes in columns of COLUMN, of each (moment, lane); a moment is a step of
                a group. The last column has the lanes that are left
    """
    masks, planes, terms = pointer(masks_array), pointer(planes_array), pointer(terms_array)
    credits, lanes = pointer(directions.credits), directions.credits.shape[1]
    groups, graded, neurons = directions.groups, noise.graded, noise.neurons
    first, window, words = noise.field, int64(noise.windowed), lane_words(neurons)
    each = directions.numbers.size // groups.size
    mask_rows, mask_row = masks_array.shape[1], masks_array.shape[2]
    zero = splat(int32(0))
    for group in range(begin, end):
        for lane in range(0, lanes, WIDTH):
            column, row = term_place(lane, groups.size * steps, lanes)
            for moment in range(group * steps, (group + 1) * steps):
                store(terms, column + moment * row + lane % COLUMN, zero)
        mask_at = (groups[group] * mask_rows + first.number * steps) * mask_row
        for index in range(group * each, (group + 1) * each):
            direction = directions.numbers[index]
            if direction % noise.aligned_layers != noise.aligned_index:
                continue
            field = Field(ALIGNED, first.number, direction, first.generation, first.seed)
            if not graded:
                draw_words(planes, FIRST, FIRST, steps * words, field)
            for t in range(0, steps, noise.period):
                drawn_at = t * words
                if graded:
                    drawn_at = FIRST
                    draw_noise(planes, FIRST, words, FIRST, words, int64(t), graded, field)
                for lane in range(0, neurons, WIDTH):
                    column, row = term_place(lane, groups.size * steps, lanes)
                    at = column + (group * steps + t) * row + lane % COLUMN
                    drawn = noise_lanes(planes, drawn_at, words, lane, graded)
                    drawn = drawn * load(credits, index * lanes + lane)
                    drawn = masked(drawn, masks, mask_at + t * mask_row + lane // WIDTH, window)
                    real = lane_numbers(lane, neurons)
                    store(terms, at, load(terms, at) + select(real > zero, drawn, zero))


@kernel
def term_place(lane, moments, lanes):
    """Start of the column of `lane` in `terms`, and its number of lanes."""
    left = lane // COLUMN * COLUMN
    return left * moments, min(COLUMN, lanes - left)


@kernel
def lane_numbers(first, neurons):
    """Positive in the lanes that are neurons, when lane 0 is neuron `first`."""
    return splat(int32(neurons - first)) - lane_index()


@kernel
def accumulate_event_aligned_biases(moments, terms_array, sums_array):
    """Add the terms of all moments: a bias is a synapse whose source always spikes. sums int32 (lane,)."""
    terms, sums = pointer(terms_array), pointer(sums_array)
    lanes = sums_array.size
    for first in range(0, lanes, WIDTH):
        column, row = term_place(first, moments, lanes)
        total = load(sums, first)
        for moment in range(moments):
            total = total + load(terms, column + moment * row + first % COLUMN)
        store(sums, first, total)


@kernel
def accumulate_event_aligned(
    begin, end, source, groups, steps, terms_array, bits_array, sums_array
):
    """Second pass: every spike adds the terms of its step, for sources of words `begin` .. `end` - 1.

    source  Source of the input spikes of the layer; no more than WORDS words from `begin` to `end`
    groups  int64 (group,): rows of the source
    terms   int16 of `aligned_terms`
    bits    uint64 (part, source of a word, word), scratch: MOMENTS * WORDS
    sums   int32 (source, lane), added to

    A synapse is visited once for MOMENTS steps, with those in which its source spiked.
    """
    spikes, terms, bits = pointer(source.bits), pointer(terms_array), pointer(bits_array)
    sums = pointer(sums_array)
    sources, lanes = sums_array.shape
    moments = groups.size * steps
    first_word = min(begin, source.bits.shape[2] - WORDS)
    for chunk in range(0, moments, MOMENTS):
        _gather_moments(chunk, steps, groups, source, spikes, first_word, bits)
        for left in range(0, lanes, COLUMN):
            column, row = term_place(left, moments, lanes)
            column += chunk * row
            for axon in range(begin * 64, min(end * 64, sources)):
                at = (axon & 63) * WORDS + (axon >> 6) - first_word
                low, high = bits[at], bits[at + 64 * WORDS]
                if low | high == uint64(0):
                    continue
                to = axon * lanes + left
                if lanes - left < COLUMN:
                    for lane in range(0, lanes - left, WIDTH):
                        _add_vector(terms, column + lane, row, low, high, sums, to + lane)
                else:
                    _add_column(terms, column, low, high, sums, to)


@kernel
def _gather_moments(chunk, steps, groups, source, spikes, first_word, bits):
    """Write bit m of word (m / 64, axon, word): whether the axon spikes in moment `chunk` + m.

    Of the axons of WORDS words from `first_word` on; `spikes` points to those of the source.
    """
    inside = groups.size * steps - chunk
    group = chunk // steps
    step = chunk - group * steps
    nothing = splat_words(uint64(0))
    for place in range(MOMENTS):
        if place >= inside:
            store_words(bits, place * WORDS, nothing)
            continue
        at = step_at(source, groups[group], step) + first_word
        store_words(bits, place * WORDS, load_words(spikes, at))
        step += 1
        if step == steps:
            group, step = group + 1, int64(0)
    for part in range(0, MOMENTS, 64):
        transpose_blocks(bits, part * WORDS)


@kernel
def _add_column(terms, column, low, high, sums, to):
    """Add the terms of all moments in two words to COLUMN sums."""
    sum_0, sum_1 = load(sums, to), load(sums, to + WIDTH)
    sum_2, sum_3 = load(sums, to + 2 * WIDTH), load(sums, to + 3 * WIDTH)
    sum_4, sum_5 = load(sums, to + 4 * WIDTH), load(sums, to + 5 * WIDTH)
    sum_6, sum_7 = load(sums, to + 6 * WIDTH), load(sums, to + 7 * WIDTH)
    for part in range(2):
        word = high if part else low
        from_ = column + part * 64 * COLUMN
        while word != uint64(0):
            term = from_ + trailing_zeros(word) * COLUMN
            word = without_lowest(word)
            sum_0, sum_1 = sum_0 + load(terms, term), sum_1 + load(terms, term + WIDTH)
            sum_2 = sum_2 + load(terms, term + 2 * WIDTH)
            sum_3 = sum_3 + load(terms, term + 3 * WIDTH)
            sum_4 = sum_4 + load(terms, term + 4 * WIDTH)
            sum_5 = sum_5 + load(terms, term + 5 * WIDTH)
            sum_6 = sum_6 + load(terms, term + 6 * WIDTH)
            sum_7 = sum_7 + load(terms, term + 7 * WIDTH)
    store(sums, to, sum_0)
    store(sums, to + WIDTH, sum_1)
    store(sums, to + 2 * WIDTH, sum_2)
    store(sums, to + 3 * WIDTH, sum_3)
    store(sums, to + 4 * WIDTH, sum_4)
    store(sums, to + 5 * WIDTH, sum_5)
    store(sums, to + 6 * WIDTH, sum_6)
    store(sums, to + 7 * WIDTH, sum_7)


@kernel
def _add_vector(terms, column, row, low, high, sums, to):
    """Add the terms of all moments in two words to sixteen sums, of columns of `row` lanes."""
    total = load(sums, to)
    for part in range(2):
        word = high if part else low
        from_ = column + part * 64 * row
        while word != uint64(0):
            total = total + load(terms, from_ + trailing_zeros(word) * row)
            word = without_lowest(word)
    store(sums, to, total)
