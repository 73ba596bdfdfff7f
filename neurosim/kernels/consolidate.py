"""What becomes of the weights once every pair has been scored? Each core draws the noise again.

    votes[j, k]  = sum over pairs i of f_i * sum_r A_irk * B_irj          (low rank)
                 = sum over pairs i of f_i * E_ikj                        (full rank)
    step[j, k]   = (votes * rate - state * decay) >> 32                   stochastically rounded
    state[j, k] += step[j, k]                                             stops at the register's edge

f_i is the one small integer a pair sends to every core (int8). Paper, appendix B, equation 6.

Noise numbers are bits (perturbation.py), so with c_ik = f_i * A_ik a vote is a sum of c over the pairs whose
bit is set. Four pairs have sixteen such sums: made once, looked up for every source (the "method of
four Russians", Arlazarov et al. 1970). Sixteen lookups then add 64 pairs.
"""

import numpy as np
from numba import int16, int32, int64, uint64

from neurosim.kernels.compilation import kernel
from neurosim.kernels.counter_rng import (
    BIAS,
    BIAS_ROUNDING,
    FULL_RANK,
    INPUT_FACTOR,
    OUTPUT_FACTOR,
    ROUNDING,
    draw_words,
)
from neurosim.kernels.lanes import WIDTH, load, pointer, splat, store
from neurosim.kernels.perturbation import (
    FIRST,
    GRADED_OFFSET,
    draw_lanes,
    draw_noise,
    planes_of,
)
from neurosim.kernels.transpose import transpose_bits

PAIRS = 64
"""Pairs taken together: the bits of one word."""
QUAD = 4
SUMS = 1 << QUAD
QUADS = PAIRS // QUAD
RATE_BITS = 32
"""Fraction bits of `rate` and `decay`."""
RANDOM_BITS = 16
MOMENTUM_MAX = np.int64((1 << 31) - 1)
ONE = np.int64(1)


@kernel
def gather_bits(
    bits, planes, words, begin, count, component, plane, graded, stream, layer, first_pair, last_pair,
    generation, seed,
):  # fmt: skip
    """Write to `bits`, for each source of words `begin` .. `begin + count - 1`, a word: one bit a pair."""
    for place in range(PAIRS):
        pair = first_pair + place
        if pair < last_pair:
            draw_noise(
                planes, FIRST, words, begin, count, component, graded, stream, layer, pair,
                generation, seed,
            )  # fmt: skip
        for word in range(count):
            drawn = planes[plane * count + word] if pair < last_pair else uint64(0)
            bits[word * 64 + place] = drawn
    for word in range(count):
        transpose_bits(bits, word * 64)


@kernel
def make_sums(sums, terms, first, lanes, weight):
    """sums[quad, subset] = weight * sum of terms (pair, lane) over the pairs of the subset, 16 lanes."""
    for quad in range(QUADS):
        at = quad * SUMS * WIDTH
        store(sums, at, splat(int32(0)))
        for bit in range(QUAD):
            term = load(terms, (quad * QUAD + bit) * lanes + first) * splat(int32(weight))
            for subset in range(1 << bit):
                old = load(sums, at + subset * WIDTH)
                store(sums, at + (subset + (1 << bit)) * WIDTH, old + term)


@kernel
def low_rank_votes(
    begin, end, layer, sources, neurons, words, rank, graded, coefficients, first_pair, generation,
    seed, planes_array, bits_array, terms_array, sums_array, raw_array, votes_array,
):  # fmt: skip
    """Add the pairs' votes for the sources of words `begin` .. `end` - 1 (both even).

    coefficients  int8 (pair,): f of pairs first_pair, first_pair + 1, ...
    votes         int32 (source, lane), added to
    planes, bits, terms, sums, raw: scratch of `consolidate.scratch`
    """
    planes, bits, sums = pointer(planes_array), pointer(bits_array), pointer(sums_array)
    terms, raw, votes = pointer(terms_array), pointer(raw_array), pointer(votes_array)
    lanes = votes_array.shape[1]
    last_pair = first_pair + coefficients.size
    limit = min(end * 64, sources) - begin * 64
    for chunk in range(0, coefficients.size, PAIRS):
        for r in range(rank):
            for place in range(PAIRS):
                f = int64(0)
                if chunk + place < coefficients.size:
                    f = int64(coefficients[chunk + place])
                if f == 0:
                    for lane in range(lanes):
                        terms[place * lanes + lane] = int32(0)
                else:
                    draw_lanes(
                        terms, place * lanes, neurons, r, graded, f, OUTPUT_FACTOR, layer,
                        first_pair + chunk + place, generation, seed, raw,
                    )  # fmt: skip
            for plane in range(planes_of(graded)):
                gather_bits(
                    bits, planes, words, begin, end - begin, r, plane, graded, INPUT_FACTOR, layer,
                    first_pair + chunk, last_pair, generation, seed,
                )  # fmt: skip
                weight = (ONE << plane) if graded else 2 * ONE
                offset = int64(0)
                if plane == 0:
                    offset = GRADED_OFFSET * ONE if graded else ONE
                for first in range(0, lanes, WIDTH):
                    make_sums(sums, terms, first, lanes, weight)
                    all_terms = splat(int32(0))
                    if offset != 0:
                        for place in range(PAIRS):
                            all_terms = all_terms + load(terms, place * lanes + first)
                        all_terms = all_terms * splat(int32(offset))
                    for index in range(limit):
                        at = (begin * 64 + index) * lanes + first
                        total = load(votes, at) - all_terms
                        word = bits[index]
                        for quad in range(QUADS):
                            subset = int64((word >> uint64(QUAD * quad)) & uint64(SUMS - 1))
                            total = total + load(sums, (quad * SUMS + subset) * WIDTH)
                        store(votes, at, total)


@kernel
def full_rank_votes(
    begin, end, layer, sources, words, graded, coefficients, first_pair, generation, seed,
    planes_array, bits_array, sums_array, votes,
):  # fmt: skip
    """Add the pairs' votes for neurons `begin` .. `end` - 1; arrays as for `low_rank_votes`."""
    planes, bits, sums = pointer(planes_array), pointer(bits_array), pointer(sums_array)
    last_pair = first_pair + coefficients.size
    for chunk in range(0, coefficients.size, PAIRS):
        everyone = int64(0)
        for place in range(min(PAIRS, coefficients.size - chunk)):
            everyone += int64(coefficients[chunk + place])
        for quad in range(QUADS):
            for subset in range(SUMS):
                total = int64(0)
                for bit in range(QUAD):
                    place = chunk + quad * QUAD + bit
                    if (subset >> bit) & 1 and place < coefficients.size:
                        total += int64(coefficients[place])
                sums[quad * SUMS + subset] = int32(total)
        for neuron in range(begin, end):
            for plane in range(planes_of(graded)):
                gather_bits(
                    bits, planes, words, FIRST, words, neuron, plane, graded, FULL_RANK, layer,
                    first_pair + chunk, last_pair, generation, seed,
                )  # fmt: skip
                weight = (ONE << plane) if graded else 2 * ONE
                offset = int64(0)
                if plane == 0:
                    offset = everyone * (GRADED_OFFSET * ONE if graded else ONE)
                for source in range(sources):
                    word = bits[source]
                    total = int64(0)
                    for quad in range(QUADS):
                        subset = int64((word >> uint64(QUAD * quad)) & uint64(SUMS - 1))
                        total += int64(sums[quad * SUMS + subset])
                    votes[source, neuron] += int32(total * weight - offset)


@kernel
def bias_votes(
    layer, neurons, graded, coefficients, first_pair, generation, seed, terms_array, raw_array, votes
):  # fmt: skip
    """Add the pairs' votes for the biases of a layer; votes int32 (lane,), added to."""
    terms, raw = pointer(terms_array), pointer(raw_array)
    for index in range(coefficients.size):
        f = int64(coefficients[index])
        if f != 0:
            draw_lanes(
                terms, FIRST, neurons, FIRST, graded, f, BIAS, layer, first_pair + index, generation,
                seed, raw,
            )  # fmt: skip
            for neuron in range(neurons):
                votes[neuron] += terms[neuron]


@kernel
def gather_momentum(begin, end, momentum, decay_bits, votes):
    """momentum = momentum - (momentum >> decay_bits, towards zero) + votes; int32 (source, lane).

    It stops at ±MOMENTUM_MAX, where 32 bits end.
    """
    for source in range(begin, end):
        for lane in range(votes.shape[1]):
            old = int64(momentum[source, lane])
            kept = old - (abs(old) >> decay_bits) * (1 if old > 0 else -1)
            exact = kept + int64(votes[source, lane])
            momentum[source, lane] = int32(min(max(exact, -MOMENTUM_MAX), MOMENTUM_MAX))


@kernel
def move(state, direction, rate, decay, random, low, high):
    """state + (direction * rate - state * decay) / 2^32, rounded by 16 random bits, inside the register."""
    exact = direction * rate - state * decay + (random << (RATE_BITS - RANDOM_BITS))
    return min(max(state + (exact >> RATE_BITS), low), high)


@kernel
def move_synapses(
    begin, end, layer, generation, seed, direction, rate, decay, low, high, random, state
):  # fmt: skip
    """Move the synapses of sources `begin` .. `end` - 1; return how many stand at the register's edge.

    direction  int32 (source, lane): votes or momentum; rate, decay: fixed point, RATE_BITS
    state      int16 (source, neuron), updated, inside low .. high; random: uint64 scratch (lane / 4,)
    """
    neurons, lanes = state.shape[1], direction.shape[1]
    words = lanes // 4
    drawn = pointer(random)
    edge = int64(0)
    for source in range(begin, end):
        draw_words(
            drawn, FIRST, int64(source * words), int64(words), ROUNDING, layer, FIRST, generation, seed
        )  # fmt: skip
        for neuron in range(neurons):
            bits = int64((drawn[neuron >> 2] >> uint64(16 * (neuron & 3))) & uint64(0xFFFF))
            moved = move(
                int64(state[source, neuron]), int64(direction[source, neuron]), rate, decay, bits,
                low, high,
            )  # fmt: skip
            state[source, neuron] = int16(moved)
            edge += int64(moved in (low, high))
    return edge


@kernel
def move_biases(layer, generation, seed, direction, rate, decay, low, high, random, state):
    """Move the biases of a layer; as `move_synapses`, with state int32 (neuron,)."""
    draw_words(
        pointer(random), FIRST, FIRST, int64(random.size), BIAS_ROUNDING, layer, FIRST, generation, seed
    )  # fmt: skip
    edge = int64(0)
    for neuron in range(state.size):
        bits = int64((random[neuron >> 2] >> uint64(16 * (neuron & 3))) & uint64(0xFFFF))
        moved = move(int64(state[neuron]), int64(direction[neuron]), rate, decay, bits, low, high)
        state[neuron] = int32(moved)
        edge += int64(moved in (low, high))
    return edge
