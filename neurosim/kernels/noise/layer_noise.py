"""Noise on the matrix of any connection: low rank or full rank, as a current beside that of the weights.

    E = sum_r outer_r inner_r^T        low rank: inner B_r, outer scale * A_r
                                       full rank: inner the column E_k, outer scale in lane k alone
    current[t, k] += sign * sum_r outer_rk * (x(t) . inner_r)

x(t) are the spikes of the rows of the matrix: all sources of a dense connection, the window of each
position of a convolution. Trial i has the factors of slot i / 2; the odd one of the two has a minus sign.
inner has one bit per row, 1 for +1 and 0 for -1, so that a dot product is two popcounts.
"""

from numba import int32, int64, uint64

from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.generator import FULL_RANK, INPUT_FACTOR, OUTPUT_FACTOR, draw_words
from neurosim.kernels.noise.weight_noise import draw_lanes
from neurosim.kernels.simd import (
    WIDTH,
    load,
    load_bits,
    pointer,
    popcount,
    splat,
    store,
)

RUN_BITS = 56
"""Bits that `load_bits` gives at any place."""


@kernel
def draw_factors(
    begin, end, first_direction, full_rank, number, words, columns, scale, generation, seed, raw,
    inner_array, outer_array,
):  # fmt: skip
    """Draw the factors of slots `begin` .. `end` - 1: directions from `first_direction` + begin on.

    number  of the parameter; words: row length of a field of rows
    inner   uint64 (slot, factor, words + 2), outer int32 (slot, factor, lane), written
    raw     uint64 scratch of `noise_words`
    """
    inner, outer = pointer(inner_array), pointer(outer_array)
    factors, row, lanes = inner_array.shape[1], inner_array.shape[2], outer_array.shape[2]
    stream = FULL_RANK if full_rank else INPUT_FACTOR
    for slot in range(begin, end):
        direction = int64(first_direction + slot)
        for factor in range(factors):
            at = slot * factors + factor
            draw_words(
                inner, at * row, int64(factor * words), int64(words), stream, number, direction,
                generation, seed,
            )  # fmt: skip
            if full_rank:
                for lane in range(lanes):
                    outer[at * lanes + lane] = int32(scale if lane == factor else 0)
            else:
                draw_lanes(
                    outer, at * lanes, columns, int64(factor), False, scale, OUTPUT_FACTOR, number,
                    direction, generation, seed, raw,
                )  # fmt: skip


@inlined
def _dot(bits, inner):
    return 2 * popcount(bits & inner) - popcount(bits)


@inlined
def _add_outer(current, at, outer, from_, lanes, amount):
    factor = splat(int32(amount))
    for lane in range(0, lanes, WIDTH):
        store(current, at + lane, load(current, at + lane) + load(outer, from_ + lane) * factor)


@kernel
def dense_noise(
    begin, end, first, last, steps, spikes_array, row, at, words, sources, inner_array, outer_array,
    lanes, current_array,
):  # fmt: skip
    """Add the noise currents of dense connections to int32 (trial, step, lane); spikes as elsewhere."""
    spikes, current = pointer(spikes_array), pointer(current_array)
    inner, outer = pointer(inner_array), pointer(outer_array)
    factors, inner_row = inner_array.shape[1], inner_array.shape[2]
    used = (sources + 63) >> 6
    for trial in range(begin, end):
        slot = trial >> 1
        for t in range(first, last):
            here = trial * row + at + t * words
            out = (trial * steps + t) * lanes
            for factor in range(factors):
                field = (slot * factors + factor) * inner_row
                amount = int64(0)
                for word in range(used):
                    amount += _dot(spikes[here + word], inner[field + word])
                if amount != 0:
                    amount = -amount if trial & 1 else amount
                    _add_outer(
                        current, out, outer, (slot * factors + factor) * lanes, lanes, amount
                    )


@kernel
def conv_noise(
    begin, end, first, last, steps, geometry, packed_array, inner_array, outer_array, lanes,
    current_array,
):  # fmt: skip
    """Add the noise currents of convolutions to int32 (trial, step, lane); packed as by `pack_rows`."""
    packed, current = pointer(packed_array), pointer(current_array)
    inner, outer = pointer(inner_array), pointer(outer_array)
    factors, inner_row = inner_array.shape[1], inner_array.shape[2]
    outer_lanes, width = outer_array.shape[2], packed_array.shape[2]
    row_bits = geometry.row_words * 64
    for trial in range(begin, end):
        slot = trial >> 1
        for t in range(first, last):
            here = (trial * steps + t) * width * 64
            out = (trial * steps + t) * lanes
            for oy in range(geometry.out_height):
                bit = here + oy * geometry.step_y * row_bits
                for _ in range(geometry.out_width):
                    for factor in range(factors):
                        field = (slot * factors + factor) * inner_row * 64
                        amount = int64(0)
                        for ky in range(geometry.rows):
                            for begun in range(0, geometry.run, RUN_BITS):
                                count = min(RUN_BITS, geometry.run - begun)
                                bits = load_bits(packed, bit + ky * row_bits + begun)
                                bits &= (uint64(1) << uint64(count)) - uint64(1)
                                if bits != uint64(0):
                                    place = field + ky * geometry.run + begun
                                    amount += _dot(bits, load_bits(inner, place))
                        if amount != 0:
                            amount = -amount if trial & 1 else amount
                            from_ = (slot * factors + factor) * outer_lanes
                            _add_outer(current, out, outer, from_, outer_lanes, amount)
                    bit += geometry.step_bits
                    out += geometry.channels
