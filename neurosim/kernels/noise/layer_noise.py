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
from numpy.typing import NDArray

from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.generator import (
    ALIGNED,
    BIAS,
    FULL_RANK,
    INPUT_FACTOR,
    OUTPUT_FACTOR,
    Field,
    field_of,
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
from neurosim.kernels.spikes import step_at

NONE = np.int64(0)
"""Typed, since a literal would compile the callee once more."""


class AlignedNoise(NamedTuple):
    """Event-aligned noise of a population of `neurons`; scale, graded and period as in `NoiseSpec`.

    field        Field of its first direction
    aligned_index, aligned_layers  directions perturb the event-aligned populations one after another
    windowed     whether near-threshold masks restrict it
    """

    field: Field
    neurons: int
    scale: int
    graded: bool
    period: int
    windowed: bool
    aligned_index: int
    aligned_layers: int


class Factors(NamedTuple):
    """Noise on a matrix, of the directions of a block: a slot each.

    inner     uint64 (slot, factor, noise_words(words) + 2): fields of `words` words
    outer     int32 (slot, factor, columns padded + WIDTH), repeated to its end; one element a factor for
              full rank
    products  int32 scratch for dot products, one for each trial, factor, step and position
    largest   bound on |outer|
    shared    1 where two trials side by side have one slot, 0 where each has its own
    """

    inner: NDArray[np.uint64]
    outer: NDArray[np.int32]
    products: NDArray[np.int32]
    largest: int
    words: int
    full_rank: bool
    graded: bool
    shared: int


@kernel
def draw_factors(slots, first, columns, scale, raw, factors):
    """Draw the factors of slots 0 .. `slots` - 1, of the directions from that of Field `first` on.

    first   its number is that of the parameter; the streams are these kernels' own
    raw     uint64 scratch of `noise_words`
    """
    inner, outer = pointer(factors.inner), pointer(factors.outer)
    count, row, lanes = factors.inner.shape[1], factors.inner.shape[2], factors.outer.shape[2]
    words, graded = factors.words, factors.graded
    stream = FULL_RANK if factors.full_rank else INPUT_FACTOR
    for slot in range(slots):
        for factor in range(count):
            at, component = slot * count + factor, int64(factor)
            field = field_of(first, stream, slot)
            draw_noise(inner, at * row, words, NONE, words, component, graded, field)
            if factors.full_rank:
                outer[at] = int32(scale)
                continue
            field = field_of(first, OUTPUT_FACTOR, slot)
            draw_lanes(outer, at * lanes, columns, component, graded, scale, field, raw)
            for lane in range(at * lanes + columns, (at + 1) * lanes):
                outer[lane] = outer[lane - columns]


@kernel
def draw_biases(first, graded, channels, scale, raw, noise_array):
    """Draw the noise int32 (slot, lane) on the biases of a population, one a channel; as `draw_factors`."""
    noise, lanes = pointer(noise_array), noise_array.shape[1]
    for slot in range(noise_array.shape[0]):
        field = field_of(first, BIAS, slot)
        draw_lanes(noise, slot * lanes, channels, NONE, graded, scale, field, raw)


@inlined
def real_lanes(first, neurons):
    """Lanes that are neurons, when lane 0 is neuron `first`."""
    return splat(int32(neurons - first)) > lane_index()


@inlined
def _dot_of_words(spikes, here, position, _, used, inner, at, noise):
    """The dot product of a position's spikes, in the order of the matrix's rows, with a field of noise."""
    ones, hits = int64(0), int64(0)
    for word in range(used):
        bits = spikes[here + position * used + word]
        ones += popcount(bits)
        for plane in range(planes_of(noise.graded)):
            hits += popcount(bits & inner[at + plane * noise.words + word]) << plane
    return weighted(hits, ones, noise.graded)


@inlined
def _dot_of_rows(spikes, here, _, words, rows, inner, at, noise):
    """The same of the only position, where source lane j has row rows[j] of the matrix."""
    amount = int64(0)
    for word in range(words):
        bits = spikes[here + word]
        while bits != uint64(0):
            row = int64(rows[(word << 6) + trailing_zeros(bits)])
            bits = without_lowest(bits)
            amount += noise_number(inner, at, noise.words, row, noise.graded)
    return amount


def _compile_dots(dot):
    @kernel
    def dots(first, last, source, rows, noise, together, dots_array):
        """Write dot products int32 (row, factor, step, position) of spikes, of steps `first` .. `last` - 1.

        A row of the result is a trial, or two trials that have the same spikes and one direction.

        source    Source
        rows      what `dot` reads: how many words of each position there are, or the row of each lane
        noise     Factors
        together  1 where two trials have one row of the result
        """
        spikes, inner, out = pointer(source.bits), pointer(noise.inner), pointer(dots_array)
        inner_row, words = noise.inner.shape[2], source.bits.shape[2]
        count, factors, steps, positions = dots_array.shape
        for number in range(count):
            trial = number << together
            for factor in range(factors):
                at = ((trial >> noise.shared) * factors + factor) * inner_row
                for t in range(first, last):
                    here = step_at(source, trial // source.repeats, t)
                    to = ((number * factors + factor) * steps + t) * positions
                    for position in range(positions):
                        amount = dot(spikes, here, position, words, rows, inner, at, noise)
                        out[to + position] = int32(amount)

    return dots


word_dots = _compile_dots(_dot_of_words)
"""Of spikes in the order of the matrix's rows; `rows`: words of each position."""
row_dots = _compile_dots(_dot_of_rows)
"""Of spikes of one position, whose lanes may share rows; `rows`: int32 (source lane,)."""


class DotProducts(NamedTuple):
    """Noise currents of a layer as factors, for the kernels that add them to currents.

    products  int32 (row, factor, step, position) of `word_dots`, flat, WIDTH longer
    outer     int32 (slot, factor, columns padded + WIDTH) of `Factors`
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
def add_noise(first, last, noise, full_rank, neurons, current_array):
    """Add noise currents to int32 (trial, step, lane), in steps `first` .. `last` - 1."""
    products, outer = pointer(noise.products), pointer(noise.outer)
    position, current = pointer(noise.position), pointer(current_array)
    trials, steps, lanes = current_array.shape
    tile, of_factor, zero = noise.outer.shape[2], steps * noise.positions, splat(int32(0))
    for trial in range(trials):
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
                place, places = int64(position[lane]), places_of(position, lane)
                of_lane = slot * tile + lane - place * noise.columns
                added = low_rank_lanes(
                    products, from_ + place, of_factor, outer, of_lane, tile, noise.factors, places
                )
                added = select(real_lanes(lane, neurons), added * splat(sign), zero)
                store(current, out + lane, load(current, out + lane) + added)


@inlined
def _noise_of_synapse(inner, outer, noise, slot, row, column):
    """The noise on the element of a matrix."""
    factors, inner_row, lanes = noise.inner.shape[1], noise.inner.shape[2], noise.outer.shape[2]
    amount = int64(0)
    for index in range(1 if noise.full_rank else factors):
        factor = slot * factors + (column if noise.full_rank else index)
        number = noise_number(inner, factor * inner_row, noise.words, row, noise.graded)
        lane = 0 if noise.full_rank else column
        amount += number * int64(outer[factor * lanes + lane])
    return amount


@kernel
def explicit_noise(first, last, source, synapses, columns, noise, current_array):
    """Add the noise currents of any connection, synapse by synapse (`connections/explicit.py`).

    To int32 (trial, step, lane), in steps `first` .. `last` - 1. The noise of a synapse is that of its
    place in the matrix, row * `columns` + column.
    """
    spikes, current = pointer(source.bits), pointer(current_array)
    inner, outer = pointer(noise.inner), pointer(noise.outer)
    trials, steps, lanes = current_array.shape
    for trial in range(trials):
        for t in range(first, last):
            here = step_at(source, trial // source.repeats, t)
            out = (trial * steps + t) * lanes
            for word in range(source.bits.shape[2]):
                bits = spikes[here + word]
                while bits != uint64(0):
                    lane = (word << 6) + trailing_zeros(bits)
                    bits = without_lowest(bits)
                    for synapse in range(synapses.start[lane], synapses.start[lane + 1]):
                        place = int64(synapses.place[synapse])
                        row, column = place // columns, place % columns
                        slot = trial >> noise.shared
                        amount = _noise_of_synapse(inner, outer, noise, slot, row, column)
                        to = out + synapses.target[synapse]
                        current[to] += int32(-amount if trial & 1 else amount)


@kernel
def aligned_noise(shared, aligned, masks_array, planes_array, current_array):
    """Add event-aligned noise to currents int32 (trial, step, lane) where the direction perturbs it.

    shared   1 where two trials have one direction, else 0
    aligned  AlignedNoise, its field that of the first trial
    masks    uint16 (trial, step, lane / 16); planes: scratch of `noise_words`
    """
    masks, planes, current = pointer(masks_array), pointer(planes_array), pointer(current_array)
    trials, steps, lanes = current_array.shape
    words, vectors, zero = lane_words(aligned.neurons), lanes // WIDTH, splat(int32(0))
    for trial in range(trials):
        field = field_of(aligned.field, ALIGNED, trial >> shared)
        if field.direction % aligned.aligned_layers != aligned.aligned_index:
            continue
        scale = splat(int32(-aligned.scale if trial & 1 else aligned.scale))
        for t in range(0, steps, aligned.period):
            draw_noise(planes, NONE, words, NONE, words, int64(t), aligned.graded, field)
            for first in range(0, aligned.neurons, WIDTH):
                drawn = noise_lanes(planes, NONE, words, first, aligned.graded) * scale
                drawn = select(real_lanes(first, aligned.neurons), drawn, zero)
                at = (trial * steps + t) * vectors + first // WIDTH
                if aligned.windowed:
                    drawn = select(spikes_of(uint16(masks[at])), drawn, zero)
                store(current, at * WIDTH, load(current, at * WIDTH) + drawn)


@kernel
def aligned_terms(coefficients_array, aligned, masks_array, planes_array, terms_array):
    """Write the terms int16 (trial, step, lane) that a synapse adds per spike: sums of f_i xi_i(t).

    coefficients  int8 (trial, direction): f of the directions from that of the field of `aligned` on
    """
    coefficients, masks = pointer(coefficients_array), pointer(masks_array)
    planes, terms = pointer(planes_array), pointer(terms_array)
    each, words = coefficients_array.shape[1], lane_words(aligned.neurons)
    trials, steps, lanes = terms_array.shape
    vectors, zero = lanes // WIDTH, splat(int32(0))
    for trial in range(trials):
        for at in range(trial * steps * lanes, (trial + 1) * steps * lanes, WIDTH):
            store(terms, at, zero)
        for index in range(each):
            field = field_of(aligned.field, ALIGNED, trial * each + index)
            utility = int32(coefficients[trial * each + index])
            if utility == 0 or field.direction % aligned.aligned_layers != aligned.aligned_index:
                continue
            for t in range(0, steps, aligned.period):
                draw_noise(planes, NONE, words, NONE, words, int64(t), aligned.graded, field)
                for first in range(0, aligned.neurons, WIDTH):
                    drawn = noise_lanes(planes, NONE, words, first, aligned.graded)
                    drawn = select(real_lanes(first, aligned.neurons), drawn * splat(utility), zero)
                    at = (trial * steps + t) * vectors + first // WIDTH
                    if aligned.windowed:
                        drawn = select(spikes_of(uint16(masks[at])), drawn, zero)
                    store(terms, at * WIDTH, load(terms, at * WIDTH) + drawn)
