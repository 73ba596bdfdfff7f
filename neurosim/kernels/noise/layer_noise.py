"""Noise on a layer of any kind: on its matrices, as a current beside that of the weights, or on its currents.

    E = sum_r outer_r inner_r^T        low rank: inner B_r, outer scale * A_r
    current[t, k] += sign * sum_r outer_rk * (x(t) . inner_r)
    current[t, k] += sign * scale * (x(t) . inner_k)            full rank: inner the column E_k
    current[t, k] += sign * scale * xi_k(t)                     event-aligned

x(t) are the spikes of the rows of the matrix: all sources of a dense connection, the window of each
position of a convolution. So a member has one number for each position, step and factor, its dot product,
and neurons read those of their position. Trials with odd numbers have a minus sign; two of them share a
direction where the members of a pair are antithetic. A row's number is the planes of `weight_noise`, so that
a dot product is one popcount a plane.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import int32, int64, uint16, uint64

from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.generator import (
    ALIGNED,
    BIAS,
    FULL_RANK,
    INPUT_FACTOR,
    OUTPUT_FACTOR,
    lane_words,
)
from neurosim.kernels.noise.weight_noise import (
    draw_lanes,
    draw_noise,
    noise_lanes,
    noise_number,
    planes_of,
    weighted,
)
from neurosim.kernels.simd import (
    WIDTH,
    lane_index,
    load,
    permute,
    pointer,
    popcount,
    select,
    spikes_of,
    splat,
    store,
    trailing_zeros,
    without_lowest,
)

NONE = np.int64(0)
"""Typed, since a literal would compile the callee once more."""


class AlignedNoise(NamedTuple):
    """Event-aligned noise of population `number`, of `neurons`; fields as in `NoiseSpec`.

    aligned_index, aligned_layers  directions perturb the event-aligned populations one after another
    windowed     whether near-threshold masks restrict it
    """

    number: int
    neurons: int
    scale: int
    graded: bool
    period: int
    windowed: bool
    aligned_index: int
    aligned_layers: int
    generation: int
    seed: Any


@kernel
def draw_factors(
    begin, end, first_direction, full_rank, graded, number, words, columns, scale, generation, seed, raw,
    inner_array, outer_array,
):  # fmt: skip
    """Draw the factors of slots `begin` .. `end` - 1: directions from `first_direction` + begin on.

    number  of the parameter; words: row length of a field of rows
    inner   uint64 (slot, factor, noise_words(words) + 2), written
    outer   int32 (slot, factor, columns padded + WIDTH), written, and repeated to its end; one element a
            factor for full rank
    raw     uint64 scratch of `noise_words`
    """
    inner, outer = pointer(inner_array), pointer(outer_array)
    factors, row, lanes = inner_array.shape[1], inner_array.shape[2], outer_array.shape[2]
    stream = FULL_RANK if full_rank else INPUT_FACTOR
    for slot in range(begin, end):
        direction = int64(first_direction + slot)
        for factor in range(factors):
            at = slot * factors + factor
            draw_noise(
                inner, at * row, words, NONE, words, int64(factor), graded, stream, number, direction,
                generation, seed,
            )  # fmt: skip
            if full_rank:
                outer[at] = int32(scale)
                continue
            draw_lanes(
                outer, at * lanes, columns, int64(factor), graded, scale, OUTPUT_FACTOR, number,
                direction, generation, seed, raw,
            )  # fmt: skip
            for lane in range(at * lanes + columns, (at + 1) * lanes):
                outer[lane] = outer[lane - columns]


@kernel
def draw_biases(
    begin, end, first_direction, graded, number, channels, scale, generation, seed, raw, noise_array
):
    """Draw the noise int32 (slot, lane) on the biases of population `number`, one a channel."""
    noise, lanes = pointer(noise_array), noise_array.shape[1]
    for slot in range(begin, end):
        draw_lanes(
            noise, slot * lanes, channels, NONE, graded, scale, BIAS, number,
            int64(first_direction + slot), generation, seed, raw,
        )  # fmt: skip


@inlined
def real_lanes(first, neurons):
    """Lanes that are neurons, when lane 0 is neuron `first`."""
    return splat(int32(neurons - first)) > lane_index()


@inlined
def _dot(spikes, here, words, inner, field, inner_words, graded):
    """The dot product of `words` words of spikes with a field of noise."""
    ones, hits = int64(0), int64(0)
    for word in range(words):
        bits = spikes[here + word]
        ones += popcount(bits)
        for plane in range(planes_of(graded)):
            hits += popcount(bits & inner[field + plane * inner_words + word]) << plane
    return weighted(hits, ones, graded)


@kernel
def word_dots(
    begin, end, first, last, spikes_array, row, at, words, used, positions, repeats, inner_array,
    inner_words, graded, shared, together, dots_array,
):  # fmt: skip
    """Write dot products int32 (row, factor, step, position) of spikes in the order of the matrix's rows.

    Rows begin .. end - 1 of the result: trials, or two trials that have the same spikes and one direction.

    spikes   `row` words a trial, step 0 from word `at` on, `words` a step: for each position the `used` of
             its rows
    repeats  trials side by side that have the same spikes
    shared, together  1 where two trials have one slot, and one row of the result
    """
    spikes, inner, dots = pointer(spikes_array), pointer(inner_array), pointer(dots_array)
    factors, inner_row = inner_array.shape[1], inner_array.shape[2]
    steps = dots_array.shape[2]
    for number in range(begin, end):
        trial = number << together
        for factor in range(factors):
            field = ((trial >> shared) * factors + factor) * inner_row
            for t in range(first, last):
                here = trial // repeats * row + at + t * words
                to = ((number * factors + factor) * steps + t) * positions
                for position in range(positions):
                    amount = _dot(spikes, here, used, inner, field, inner_words, graded)
                    dots[to + position] = int32(amount)
                    here += used


@kernel
def row_dots(
    begin, end, first, last, spikes_array, row, at, words, rows_array, repeats, inner_array, inner_words,
    graded, shared, together, dots_array,
):  # fmt: skip
    """As `word_dots`, for one position, where source lane j has row rows[j] of the matrix."""
    spikes, inner, dots = pointer(spikes_array), pointer(inner_array), pointer(dots_array)
    factors, inner_row = inner_array.shape[1], inner_array.shape[2]
    steps = dots_array.shape[2]
    for number in range(begin, end):
        trial = number << together
        for factor in range(factors):
            field = ((trial >> shared) * factors + factor) * inner_row
            for t in range(first, last):
                here = trial // repeats * row + at + t * words
                amount = int64(0)
                for word in range(words):
                    bits = spikes[here + word]
                    while bits != uint64(0):
                        of = int64(rows_array[(word << 6) + trailing_zeros(bits)])
                        bits = without_lowest(bits)
                        amount += noise_number(inner, field, inner_words, of, graded)
                dots[(number * factors + factor) * steps + t] = int32(amount)


class DotProducts(NamedTuple):
    """Noise currents of a layer as factors, for the kernels that add them to currents.

    products  int32 (row, factor, step, position) of `word_dots`, flat, WIDTH longer
    outer     int32 (slot, factor, columns padded + WIDTH) of `draw_factors`
    position  int32 (lane,): position of each lane
    shared, together  as for `word_dots`
    """

    products: Any
    outer: Any
    position: Any
    positions: int
    columns: int
    factors: int
    shared: int
    together: int


@inlined
def places_of(position, first):
    """Positions of lanes `first` .. `first + 15`, from that of the first on."""
    return load(position, first) - splat(int32(position[first]))


@inlined
def low_rank_lanes(products, at, of_factor, outer, from_, tile, factors, places):
    """Noise currents of sixteen lanes: products of the first from `at`, its outer factors from `from_` on."""
    total = permute(load(products, at), places) * load(outer, from_)
    for factor in range(1, factors):
        amount = permute(load(products, at + factor * of_factor), places)
        total = total + amount * load(outer, from_ + factor * tile)
    return total


@kernel
def add_noise(begin, end, first, last, steps, noise, full_rank, lanes, neurons, current_array):
    """Add noise currents to int32 (trial, step, lane)."""
    products, outer = pointer(noise.products), pointer(noise.outer)
    position, current = pointer(noise.position), pointer(current_array)
    tile, of_factor, zero = noise.outer.shape[2], steps * noise.positions, splat(int32(0))
    for trial in range(begin, end):
        sign = int32(-1 if trial & 1 else 1)
        slot = (trial >> noise.shared) * noise.factors
        row = (trial >> noise.together) * noise.factors * of_factor
        for t in range(first, last):
            out, from_ = (trial * steps + t) * lanes, row + t * noise.positions
            if full_rank:
                for lane in range(neurons):
                    place = int64(position[lane])
                    column = lane - place * noise.columns
                    drive = sign * products[from_ + column * of_factor + place]
                    current[out + lane] += int32(drive * outer[slot + column])
                continue
            for lane in range(0, neurons, WIDTH):
                place = int64(position[lane])
                added = low_rank_lanes(
                    products, from_ + place, of_factor, outer,
                    slot * tile + lane - place * noise.columns, tile, noise.factors,
                    places_of(position, lane),
                )  # fmt: skip
                added = select(real_lanes(lane, neurons), added * splat(sign), zero)
                store(current, out + lane, load(current, out + lane) + added)


@kernel
def explicit_noise(
    begin, end, first, last, steps, spikes_array, row, at, words, repeats, synapses, columns, inner_array,
    inner_words, full_rank, graded, shared, outer_array, lanes, current_array,
):  # fmt: skip
    """Add the noise currents of any connection, synapse by synapse (`connections/explicit.py`).

    repeats  trials side by side that have the same spikes

    The noise of a synapse is that of its place in the matrix, row * `columns` + column.
    """
    spikes, current = pointer(spikes_array), pointer(current_array)
    inner, outer = pointer(inner_array), pointer(outer_array)
    factors, inner_row = inner_array.shape[1], inner_array.shape[2]
    outer_lanes = outer_array.shape[2]
    for trial in range(begin, end):
        slot = (trial >> shared) * factors
        for t in range(first, last):
            here = trial // repeats * row + at + t * words
            out = (trial * steps + t) * lanes
            for word in range(words):
                bits = spikes[here + word]
                while bits != uint64(0):
                    source = (word << 6) + trailing_zeros(bits)
                    bits = without_lowest(bits)
                    for synapse in range(synapses.start[source], synapses.start[source + 1]):
                        place = int64(synapses.place[synapse])
                        of, column = place // columns, place % columns
                        amount = int64(0)
                        for index in range(1 if full_rank else factors):
                            factor = slot + (column if full_rank else index)
                            number = noise_number(
                                inner, factor * inner_row, inner_words, of, graded
                            )
                            lane = 0 if full_rank else column
                            amount += number * int64(outer[factor * outer_lanes + lane])
                        to = out + synapses.target[synapse]
                        current[to] += int32(-amount if trial & 1 else amount)


@kernel
def aligned_noise(
    begin, end, steps, first_direction, shared, aligned, masks_array, planes_array, lanes, current_array,
):  # fmt: skip
    """Add event-aligned noise to currents int32 (trial, step, lane) where the direction perturbs it.

    first_direction  of the first trial; shared: 1 where two trials have one direction, else 0
    aligned          AlignedNoise; masks uint16 (trial, step, lane / 16); planes: scratch of `noise_words`
    """
    masks, planes, current = pointer(masks_array), pointer(planes_array), pointer(current_array)
    words, vectors, zero = lane_words(aligned.neurons), lanes // WIDTH, splat(int32(0))
    for trial in range(begin, end):
        direction = int64(first_direction + (trial >> shared))
        if direction % aligned.aligned_layers != aligned.aligned_index:
            continue
        scale = splat(int32(-aligned.scale if trial & 1 else aligned.scale))
        for t in range(0, steps, aligned.period):
            draw_noise(
                planes, NONE, words, NONE, words, int64(t), aligned.graded, ALIGNED, aligned.number,
                direction, aligned.generation, aligned.seed,
            )  # fmt: skip
            for first in range(0, aligned.neurons, WIDTH):
                drawn = noise_lanes(planes, NONE, words, first, aligned.graded) * scale
                drawn = select(real_lanes(first, aligned.neurons), drawn, zero)
                at = (trial * steps + t) * vectors + first // WIDTH
                if aligned.windowed:
                    drawn = select(spikes_of(uint16(masks[at])), drawn, zero)
                store(current, at * WIDTH, load(current, at * WIDTH) + drawn)


@kernel
def aligned_terms(
    begin, end, steps, first_direction, coefficients_array, aligned, masks_array, planes_array, lanes,
    terms_array,
):  # fmt: skip
    """Write the terms int16 (trial, step, lane) that a synapse adds per spike: sums of f_i xi_i(t).

    coefficients  int8 (trial, direction): f of the directions from `first_direction` on
    """
    coefficients, masks = pointer(coefficients_array), pointer(masks_array)
    planes, terms = pointer(planes_array), pointer(terms_array)
    each, words = coefficients_array.shape[1], lane_words(aligned.neurons)
    vectors, zero = lanes // WIDTH, splat(int32(0))
    for trial in range(begin, end):
        for at in range(trial * steps * lanes, (trial + 1) * steps * lanes, WIDTH):
            store(terms, at, zero)
        for index in range(each):
            direction = int64(first_direction + trial * each + index)
            utility = int32(coefficients[trial * each + index])
            if utility == 0 or direction % aligned.aligned_layers != aligned.aligned_index:
                continue
            for t in range(0, steps, aligned.period):
                draw_noise(
                    planes, NONE, words, NONE, words, int64(t), aligned.graded, ALIGNED, aligned.number,
                    direction, aligned.generation, aligned.seed,
                )  # fmt: skip
                for first in range(0, aligned.neurons, WIDTH):
                    drawn = noise_lanes(planes, NONE, words, first, aligned.graded)
                    drawn = select(real_lanes(first, aligned.neurons), drawn * splat(utility), zero)
                    at = (trial * steps + t) * vectors + first // WIDTH
                    if aligned.windowed:
                        drawn = select(spikes_of(uint16(masks[at])), drawn, zero)
                    store(terms, at * WIDTH, load(terms, at * WIDTH) + drawn)
