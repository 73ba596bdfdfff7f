"""Update of weights: sums over directions with the noise drawn again, momentum, and stochastic rounding.

    sums[j, k]  = sum over directions i of f_i * sum_r A_irk * B_irj     (low rank)
                 = sum over directions i of f_i * E_ikj                   (full rank)
    step[j, k]   = (sums * rate - state * decay) >> 32                   stochastically rounded
    state[j, k] += step[j, k]                                             stops at the register's edge

f_i is the coefficient of direction i (int8), the only number sent to the cores. Paper, appendix B, equation
6.

Noise numbers are bits (noise/weight_noise.py), so with c_ik = f_i * A_ik a sum is a sum of c over the
directions whose bit is set, minus those whose bit is not. Four directions have sixteen such sums: made
once, looked up for every source (the "method of four Russians", Arlazarov et al. 1970). Sixteen lookups
then add 64 directions, in 16 bits where |f| of the 64 allows it and 32 directions at a time where it does
not. Full rank has one f for all its neurons and no A: bits of f instead of looked_up, and a popcount for
each.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import int16, int32, int64, uint64

from neurosim.kernels.compilation import kernel
from neurosim.kernels.generator import (
    BIAS,
    FULL_RANK,
    INPUT_FACTOR,
    OUTPUT_FACTOR,
    draw_words,
    field_of,
    lane_words,
)
from neurosim.kernels.noise.weight_noise import (
    FIRST,
    GRADED_OFFSET,
    draw_lanes,
    draw_noise,
    noise_lanes,
    planes_of,
    weighted,
)
from neurosim.kernels.simd import (
    TWIN,
    WIDTH,
    WORDS,
    lane_index,
    load,
    load_twins,
    load_words,
    no_twins,
    pointer,
    popcounts,
    select,
    shift_words_left,
    splat,
    splat_words,
    store,
    store_twins,
    store_words,
    widen_first,
    widen_second,
)
from neurosim.kernels.transpose import transpose_blocks

DIRECTIONS = 64
"""Directions per word: one bit each."""
QUAD = 4
SUMS = 1 << QUAD
QUADS = DIRECTIONS // QUAD
SHORT_MAX = (1 << 15) - 1
COEFFICIENT_BITS = 8
RATE_BITS = 32
"""Fraction bits of `rate` and `decay`."""
RANDOM_BITS = 16
MOMENTUM_MAX = np.int64((1 << 31) - 1)
ONE = np.int64(1)


class Matrix(NamedTuple):
    """A matrix and the noise that it had.

    words  of a field of its rows
    """

    sources: int
    neurons: int
    words: int
    rank: int
    graded: bool


class Tile(NamedTuple):
    """Sums for sources of words `begin` .. `end` - 1 (even) and lanes `left` .. `right` - 1."""

    begin: int
    end: int
    left: int
    right: int


class LowRankScratch(NamedTuple):
    """Scratch of `accumulate_low_rank`: see the functions that write its arrays."""

    planes: Any
    bits: Any
    terms: Any
    looked_up: Any
    raw: Any


class FullRankScratch(NamedTuple):
    """Scratch of `accumulate_full_rank`: planes and bits as of `LowRankScratch`.

    totals  uint64 (block of words, source of a word, word of the block): signed sums
    """

    planes: Any
    bits: Any
    totals: Any


class Move(NamedTuple):
    """How far states move: fixed point, RATE_BITS; they stay inside low .. high."""

    rate: int
    decay: int
    low: int
    high: int


@kernel
def gather_bits(bits, planes, matrix, begin, count, component, field, directions):
    """Draw words `begin` .. `begin + count - 1` (even) of 64 directions: bit i of a source is direction i's.

    field, directions  Field of the first direction, and how many there are from it on
    bits    uint64 (plane, block of words, source of a word, word of the block), written; what no direction
            has drawn is left as it was
    planes  uint64, scratch: `noise_words` of the words, and a block more
    """
    blocks, graded = (count + WORDS - 1) // WORDS, matrix.graded
    for place in range(min(DIRECTIONS, directions)):
        one = field_of(field, field.stream, place)
        draw_noise(planes, FIRST, matrix.words, begin, count, component, graded, one)
        for plane in range(planes_of(graded)):
            for block in range(blocks):
                to = ((plane * blocks + block) * DIRECTIONS + place) * WORDS
                store_words(bits, to, load_words(planes, plane * count + block * WORDS))
    for block in range(planes_of(graded) * blocks):
        transpose_blocks(bits, block * DIRECTIONS * WORDS)


@kernel
def draw_terms(scratch, matrix, left, lanes, component, coefficients, first, field):
    """Write f_i * A_ik of directions `first` .. `first + 63` to int16 `terms` (direction, lane), whole twins.

    Of the `lanes` neurons from `left` on; 0 where there are no more. Returns the sum of |f_i|.
    scratch  pointers to LowRankScratch; field: of direction 0
    """
    terms, raw, neurons = scratch.terms, scratch.raw, matrix.neurons
    rows = lane_words(neurons)
    size = int64(0)
    zero = splat(int32(0))
    for place in range(DIRECTIONS):
        f = int64(0)
        if first + place < coefficients.size:
            f = int64(coefficients[first + place])
        size += abs(f)
        if f != 0:
            one = field_of(field, OUTPUT_FACTOR, first + place)
            draw_noise(raw, FIRST, rows, FIRST, rows, component, matrix.graded, one)
        for lane in range(0, lanes, WIDTH):
            term = zero
            if f != 0 and left + lane < neurons:
                term = noise_lanes(raw, FIRST, rows, left + lane, matrix.graded) * splat(int32(f))
                term = select(splat(int32(neurons - left - lane)) > lane_index(), term, zero)
            store(terms, place * lanes + lane, term)
    return size


@kernel
def make_sums(looked_up, terms, lanes, lane_a, lane_b, begin, end, graded):
    """Write int16 looked_up (quad, subset, lane of two twins) of terms (direction, lane); return the
    sum of all.

    The two twins start at `lane_a` and `lane_b`. A subset's directions count positive; the others count
    negative, or for graded noise nothing. Only directions `begin` .. `end` - 1 have terms.
    """
    all_a, all_b = no_twins(), no_twins()
    for quad in range(QUADS):
        at = quad * SUMS * 2 * TWIN
        base_a, base_b = no_twins(), no_twins()
        if begin <= quad * QUAD < end:
            for bit in range(QUAD):
                term = (quad * QUAD + bit) * lanes
                base_a = base_a + load_twins(terms, term + lane_a)
                base_b = base_b + load_twins(terms, term + lane_b)
        all_a, all_b = all_a + base_a, all_b + base_b
        if graded:
            base_a, base_b = no_twins(), no_twins()
        store_twins(looked_up, at, no_twins() - base_a)
        store_twins(looked_up, at + TWIN, no_twins() - base_b)
        for bit in range(QUAD):
            step_a, step_b = no_twins(), no_twins()
            if begin <= quad * QUAD < end:
                term = (quad * QUAD + bit) * lanes
                step_a, step_b = load_twins(terms, term + lane_a), load_twins(terms, term + lane_b)
            if not graded:
                step_a, step_b = step_a + step_a, step_b + step_b
            for subset in range(1 << bit):
                old = at + subset * 2 * TWIN
                new = old + (1 << bit) * 2 * TWIN
                store_twins(looked_up, new, load_twins(looked_up, old) + step_a)
                store_twins(looked_up, new + TWIN, load_twins(looked_up, old + TWIN) + step_b)
    return all_a, all_b


@kernel
def add_sums(
    sums, row, at, vectors, bits, bits_at, count, sources, looked_up, plane, graded, all_a, all_b
):
    """Add the looked-up sums of 64 directions to 1..4 `vectors` of sums of `sources` sources, `row` apart."""
    weight = splat(int32(1 << plane))
    offset = splat(int32(GRADED_OFFSET if graded and plane == 0 else 0))
    less_0, less_1 = widen_first(all_a) * offset, widen_second(all_a) * offset
    less_2, less_3 = widen_first(all_b) * offset, widen_second(all_b) * offset
    for word in range(count):
        here = bits_at + (word // WORDS) * DIRECTIONS * WORDS + word % WORDS
        for place in range(min(DIRECTIONS, sources - word * DIRECTIONS)):
            pattern = bits[here + place * WORDS]
            if graded and plane > 0 and pattern == uint64(0):
                continue
            total_a, total_b = no_twins(), no_twins()
            for quad in range(QUADS):
                subset = int64((pattern >> uint64(QUAD * quad)) & uint64(SUMS - 1))
                entry = (quad * SUMS + subset) * 2 * TWIN
                total_a = total_a + load_twins(looked_up, entry)
                total_b = total_b + load_twins(looked_up, entry + TWIN)
            to = (word * DIRECTIONS + place) * row + at
            _add_to(sums, to, widen_first(total_a) * weight - less_0)
            if vectors > 1:
                _add_to(sums, to + WIDTH, widen_second(total_a) * weight - less_1)
            if vectors > 2:
                _add_to(sums, to + 2 * WIDTH, widen_first(total_b) * weight - less_2)
            if vectors > 3:
                _add_to(sums, to + 3 * WIDTH, widen_second(total_b) * weight - less_3)


@kernel
def _add_to(sums, at, value):
    store(sums, at, load(sums, at) + value)


@kernel
def accumulate_low_rank(tile, matrix, coefficients, field, scratch_arrays, sums_array):
    """Add the sums of Tile `tile` of Matrix `matrix`.

    coefficients  int8 (direction,): f of the directions from that of Field `field` on
    scratch       LowRankScratch
    sums         int32 (source, lane), added to
    """
    planes, bits, terms, looked_up, raw = scratch_arrays
    scratch = LowRankScratch(
        pointer(planes), pointer(bits), pointer(terms), pointer(looked_up), pointer(raw)
    )
    begin, end, left, right = tile
    graded, sums = matrix.graded, pointer(sums_array)
    row, lanes = sums_array.shape[1], scratch_arrays.terms.shape[1]
    used = min(end * 64, matrix.sources) - begin * 64
    blocks = (end - begin + WORDS - 1) // WORDS
    largest = GRADED_OFFSET * ONE if graded else ONE
    for chunk in range(0, coefficients.size, DIRECTIONS):
        of_rows, left_over = field_of(field, INPUT_FACTOR, chunk), coefficients.size - chunk
        for r in range(matrix.rank):
            size = draw_terms(scratch, matrix, left, lanes, r, coefficients, chunk, field)
            if size == 0:
                continue
            gather_bits(
                scratch.bits, scratch.planes, matrix, begin, end - begin, r, of_rows, left_over
            )
            at_once = DIRECTIONS if size * largest <= SHORT_MAX else DIRECTIONS // 2
            for part in range(0, DIRECTIONS, at_once):
                for first in range(0, right - left, 2 * TWIN):
                    second = min(first + TWIN, lanes - TWIN)
                    vectors = (right - left - first) // WIDTH
                    all_a, all_b = make_sums(
                        scratch.looked_up,
                        scratch.terms,
                        lanes,
                        first,
                        second,
                        part,
                        part + at_once,
                        graded,
                    )
                    for plane in range(planes_of(graded)):
                        add_sums(
                            sums,
                            row,
                            begin * 64 * row + left + first,
                            vectors,
                            scratch.bits,
                            plane * blocks * DIRECTIONS * WORDS,
                            end - begin,
                            used,
                            scratch.looked_up,
                            plane,
                            graded,
                            all_a,
                            all_b,
                        )


@kernel
def accumulate_full_rank(begin, end, matrix, coefficients, field, scratch, sums):
    """Add the directions' sums for neurons `begin` .. `end` - 1; as `accumulate_low_rank`.

    scratch  FullRankScratch
    """
    planes, bits, totals = pointer(scratch.planes), pointer(scratch.bits), pointer(scratch.totals)
    graded, used = matrix.graded, lane_words(matrix.sources)
    size = (used + WORDS - 1) // WORDS * DIRECTIONS * WORDS
    everyone = int64(0)
    for index in range(coefficients.size):
        everyone += int64(coefficients[index])
    for neuron in range(begin, end):
        for at in range(0, size, WORDS):
            store_words(totals, at, splat_words(uint64(0)))
        for chunk in range(0, coefficients.size, DIRECTIONS):
            of_chunk = field_of(field, FULL_RANK, chunk)
            left_over = coefficients.size - chunk
            gather_bits(bits, planes, matrix, FIRST, used, neuron, of_chunk, left_over)
            for plane in range(planes_of(graded)):
                shift = splat_words(uint64(plane))
                for bit in range(COEFFICIENT_BITS):
                    members = splat_words(coefficient_bits(coefficients, chunk, bit))
                    place = splat_words(uint64(bit)) + shift
                    for at in range(0, size, WORDS):
                        hits = popcounts(load_words(bits, plane * size + at) & members)
                        hits = shift_words_left(hits, place)
                        old = load_words(totals, at)
                        new = old + hits if bit < COEFFICIENT_BITS - 1 else old - hits
                        store_words(totals, at, new)
        for source in range(matrix.sources):
            word, place = source >> 6, source & 63
            at = ((word // WORDS) * DIRECTIONS + place) * WORDS + word % WORDS
            sums[source, neuron] += int32(weighted(int64(totals[at]), everyone, graded))


@kernel
def coefficient_bits(coefficients, first, bit):
    """Bit `bit` of the 8-bit f of 64 directions from `first` on: a word, bit i for direction `first` + i."""
    word = uint64(0)
    for place in range(min(DIRECTIONS, coefficients.size - first)):
        one = uint64(int64(coefficients[first + place]) >> bit) & uint64(1)
        word |= one << uint64(place)
    return word


@kernel
def accumulate_biases(neurons, graded, coefficients, field, terms_array, raw_array, sums):
    """Add the directions' sums for the biases of a layer; sums int32 (lane,), added to."""
    terms, raw = pointer(terms_array), pointer(raw_array)
    for index in range(coefficients.size):
        f = int64(coefficients[index])
        if f != 0:
            one = field_of(field, BIAS, index)
            draw_lanes(terms, FIRST, neurons, FIRST, graded, f, one, raw)
            for neuron in range(neurons):
                sums[neuron] += terms[neuron]


@kernel
def gather_momentum(begin, end, momentum, decay_bits, sums):
    """momentum = momentum - (momentum >> decay_bits, towards zero) + sums; int32 (source, lane).

    It saturates at ±MOMENTUM_MAX, the edge of 32 bits.
    """
    for source in range(begin, end):
        for lane in range(sums.shape[1]):
            old = int64(momentum[source, lane])
            kept = old - (abs(old) >> decay_bits) * (1 if old > 0 else -1)
            exact = kept + int64(sums[source, lane])
            momentum[source, lane] = int32(min(max(exact, -MOMENTUM_MAX), MOMENTUM_MAX))


@kernel
def absolute_sum(sums):
    """Sum of |sum| of int32 sums, 0 in the lanes that are no neurons."""
    size = int64(0)
    for sum in sums.flat:
        size += abs(int64(sum))
    return size


@kernel
def move(state, direction, rate, decay, random, low, high):
    """state + (direction * rate - state * decay) / 2^32, rounded by 16 random bits, inside the register."""
    exact = direction * rate - state * decay + (random << (RATE_BITS - RANDOM_BITS))
    return min(max(state + (exact >> RATE_BITS), low), high)


@kernel
def move_synapses(begin, end, field, direction, step, random, state):
    """Move the synapses of sources `begin` .. `end` - 1; return how many are at the register's edge.

    field      Field of stream ROUNDING, from which the rounding is drawn
    direction  int32 (source, lane): sums or momentum
    step       Move
    state      int16 (source, neuron), updated; random: uint64 scratch (lane / 4,)
    """
    rate, decay, low, high = step
    neurons, lanes = state.shape[1], direction.shape[1]
    words = lanes // 4
    drawn = pointer(random)
    edge = int64(0)
    for source in range(begin, end):
        draw_words(drawn, FIRST, int64(source * words), int64(words), field)
        for neuron in range(neurons):
            bits = int64((drawn[neuron >> 2] >> uint64(16 * (neuron & 3))) & uint64(0xFFFF))
            moved = move(
                int64(state[source, neuron]),
                int64(direction[source, neuron]),
                rate,
                decay,
                bits,
                low,
                high,
            )
            state[source, neuron] = int16(moved)
            edge += int64(moved in (low, high))
    return edge


@kernel
def round_states(states_array, fraction_bits, mantissas_array):
    """Write the mantissas int8 nearest to the states int16; both in C order."""
    states, mantissas = pointer(states_array), pointer(mantissas_array)
    half = (int32(1) << int32(fraction_bits)) >> int32(1)
    for place in range(states_array.size):
        mantissas[place] = np.int8((int32(states[place]) + half) >> int32(fraction_bits))


@kernel
def move_biases(field, direction, step, random, state):
    """Move the biases of a layer; as `move_synapses`, with state int32 (neuron,) and stream BIAS_ROUNDING."""
    rate, decay, low, high = step
    draw_words(pointer(random), FIRST, FIRST, int64(random.size), field)
    edge = int64(0)
    for neuron in range(state.size):
        bits = int64((random[neuron >> 2] >> uint64(16 * (neuron & 3))) & uint64(0xFFFF))
        moved = move(int64(state[neuron]), int64(direction[neuron]), rate, decay, bits, low, high)
        state[neuron] = int32(moved)
        edge += int64(moved in (low, high))
    return edge
