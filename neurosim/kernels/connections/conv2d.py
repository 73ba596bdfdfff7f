"""Convolution kernels: currents by look-up of spike patterns, update sums, and errors sent back.

Maps are stored channels last: (y, x, channel). `pack_rows` copies spikes to rows of a padded map, so that
a kernel row covers a run of kernel_x * channels bits, which is looked up in chunks:

    current[oy, ox, :] = sum over chunks of table[chunk][bits of the chunk]      exact, in 16 or 32 bits
    sums[(ky, kx, c), :] += term[t, oy, ox, :]                                    for every spike
    error[y, x, c] += sum over (ky, kx, k) of delta[oy, ox, k] W[(ky, kx, c), k]

Outputs are written in order of position and overlap: the lanes of the next position overwrite the unused
lanes of a whole vector, so that maps of any number of channels are stored without gaps.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import int32, int64, uint64
from numpy.typing import NDArray

from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.simd import (
    TWIN,
    WIDTH,
    load,
    load_bits,
    load_shorts,
    load_twins,
    no_shorts,
    no_twins,
    pointer,
    splat,
    store,
    store_twins,
    trailing_zeros,
    widen,
    without_lowest,
    zeros,
)

TABLE_BYTES = 1 << 18
"""Tables of patterns that stay in the second cache; chosen here."""
MOST_BITS = 10
"""A chunk's table has 2^bits entries; chosen here."""


class Geometry(NamedTuple):
    """Sizes of a convolution for the kernels.

    row_words             words of a padded row, row_bits = 64 * row_words
    map_words             words of a padded map of one step, and one more
    out_height, out_width positions
    step_y                rows from one output row to the next
    step_bits             bits from one output column to the next
    rows, run             rows of the kernel, bits of one of them
    channels              output channels
    """

    row_words: int
    map_words: int
    out_height: int
    out_width: int
    step_y: int
    step_bits: int
    rows: int
    run: int
    channels: int


class Table(NamedTuple):
    """Sums of weights of every pattern of every chunk.

    sums    int16 (entry, lane), lanes padded to sixteen
    row, first, mask, at  int64 (chunk,): its kernel row, first bit in the run, mask, and first entry
    wide    whether a sum could exceed 16 bits
    """

    sums: NDArray[np.int16]
    row: NDArray[np.int64]
    first: NDArray[np.int64]
    mask: NDArray[np.int64]
    at: NDArray[np.int64]
    wide: bool


def geometry(
    in_shape: tuple[int, ...],
    out_shape: tuple[int, ...],
    size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Geometry:
    """The `Geometry` of a convolution of maps (channels, height, width)."""
    channels, height, width = in_shape
    row_words = -(-(width + 2 * padding[1]) * channels // 64)
    return Geometry(
        row_words,
        (height + 2 * padding[0]) * row_words + 1,
        out_shape[1],
        out_shape[2],
        stride[0],
        stride[1] * channels,
        size[0],
        size[1] * channels,
        out_shape[0],
    )


def places(
    in_shape: tuple[int, ...], order: NDArray[np.int64], padding: tuple[int, int], row_words: int
) -> NDArray[np.int32]:
    """Bit index of each source lane in a padded map: int32 (lane,).

    order  int64 (lane,): the place (y, x, channel) of each source lane in its map
    """
    channels, _, width = in_shape
    y, x, c = order // (width * channels), order // channels % width, order % channels
    at = (y + padding[0]) * (64 * row_words) + (x + padding[1]) * channels + c
    return at.astype(np.int32)


def make_table(weights: NDArray[np.int8], run: int) -> Table:
    """The table of int8 weights (row, channel), `run` of the rows in each kernel row."""
    rows, channels = weights.shape
    lanes = -(-channels // WIDTH) * WIDTH
    bits = _chunk_bits(rows // run, run, lanes)
    chunks = [
        (row, first, min(bits, run - first))
        for row in range(rows // run)
        for first in range(0, run, bits)
    ]
    entries = np.cumsum([0, *(1 << count for _, _, count in chunks)])
    sums = zeros((int(entries[-1]), lanes), np.int16)
    for (row, first, count), at in zip(chunks, entries, strict=False):
        own = weights[row * run + first : row * run + first + count].astype(np.int16)
        table = sums[at : at + (1 << count), :channels]
        for bit in range(count):
            table[1 << bit : 2 << bit] = table[: 1 << bit] + own[bit]
    largest = int(np.abs(weights.astype(np.int64)).sum(axis=0).max())
    row_of, first_of, count_of = (
        np.array(column, np.int64) for column in zip(*chunks, strict=True)
    )
    return Table(
        sums,
        row_of,
        first_of,
        (np.int64(1) << count_of) - 1,
        entries[:-1].astype(np.int64),
        largest > np.iinfo(np.int16).max,
    )


def _chunk_bits(rows: int, run: int, lanes: int) -> int:
    """Largest number of bits of a chunk for which all tables together stay small, divided evenly."""
    for chunks in range(-(-run // MOST_BITS), run + 1):
        bits = -(-run // chunks)
        if rows * chunks * (1 << bits) * lanes * 2 <= TABLE_BYTES:
            return bits
    return 1


@kernel
def pack_rows(begin, end, spikes_array, row, at, words, first, last, places_array, packed_array):
    """Write the padded maps of trials `begin` .. `end` - 1, steps `first` .. `last` - 1.

    spikes  uint64, `row` words a trial, its step 0 from word `at` on, `words` a step
    places  int32 (source lane,) of `places`
    packed  uint64 (trial, step, word), written
    """
    spikes, targets, packed = pointer(spikes_array), pointer(places_array), pointer(packed_array)
    steps, width = packed_array.shape[1], packed_array.shape[2]
    for trial in range(begin, end):
        for t in range(first, last):
            to = (trial * steps + t) * width
            for word in range(width):
                packed[to + word] = uint64(0)
            here = trial * row + at + t * words
            for word in range(words):
                bits = spikes[here + word]
                while bits != uint64(0):
                    place = int64(targets[(word << 6) + trailing_zeros(bits)])
                    bits = without_lowest(bits)
                    packed[to + (place >> 6)] |= uint64(1) << uint64(place & 63)


def _compile_current(wide):
    @kernel
    def conv_current(
        begin, end, first, last, geometry, table, packed_array, shift, lanes, current_array
    ):
        """Write the currents of trials `begin` .. `end` - 1, steps `first` .. `last` - 1.

        packed   uint64 (trial, step, word) of `pack_rows`
        current  (trial, step, lane), flat, 2 * TWIN elements longer, written: int16 sums of mantissas,
                 or int32 sums << shift
        """
        packed, current, sums = pointer(packed_array), pointer(current_array), pointer(table.sums)
        of_row, of_bit = pointer(table.row), pointer(table.first)
        masks, starts = pointer(table.mask), pointer(table.at)
        steps, width = packed_array.shape[1], packed_array.shape[2]
        chunks, channels = table.row.size, geometry.channels
        row_bits, step_bits = geometry.row_words * 64, geometry.step_bits
        padded = table.sums.shape[1]
        scale = splat(int32(1) << int32(shift))
        for trial in range(begin, end):
            for t in range(first, last):
                here = (trial * steps + t) * width * 64
                out = (trial * steps + t) * lanes
                for oy in range(geometry.out_height):
                    bit = here + oy * geometry.step_y * row_bits
                    for _ in range(geometry.out_width):
                        lane = int64(0)
                        while lane < channels:
                            if wide:
                                total = splat(int32(0))
                                for chunk in range(chunks):
                                    place = bit + of_row[chunk] * row_bits + of_bit[chunk]
                                    entry = int64(load_bits(packed, place)) & masks[chunk]
                                    entry = (starts[chunk] + entry) * padded + lane
                                    total = total + load(sums, entry)
                                store(current, out + lane, total * scale)
                                lane += WIDTH
                            elif channels - lane > WIDTH:
                                both = no_twins()
                                for chunk in range(chunks):
                                    place = bit + of_row[chunk] * row_bits + of_bit[chunk]
                                    entry = int64(load_bits(packed, place)) & masks[chunk]
                                    entry = (starts[chunk] + entry) * padded + lane
                                    both = both + load_twins(sums, entry)
                                store_twins(current, out + lane, both)
                                lane += TWIN
                            else:
                                short = no_shorts()
                                for chunk in range(chunks):
                                    place = bit + of_row[chunk] * row_bits + of_bit[chunk]
                                    entry = int64(load_bits(packed, place)) & masks[chunk]
                                    entry = (starts[chunk] + entry) * padded + lane
                                    short = short + load_shorts(sums, entry)
                                store(current, out + lane, widen(short))
                                lane += WIDTH
                        bit += step_bits
                        out += channels

    return conv_current


current_narrow = _compile_current(wide=False)
current_wide = _compile_current(wide=True)


class Classes(NamedTuple):
    """Classes of sources that use the same rows of the matrix, in the order of the update.

    A class is a channel and a pixel position modulo the stride. Its sources have the same taps, whose terms
    are at the same offsets from each of them, in a map of terms with margins of zeros.

    of_lane, base  int32 (source lane,): class, and index of the term of tap 0 in step 0
    list_at        int64 (class + 1,): start of the list of a class
    tap_at         int64 (class + 1,): start of its taps in `offset` and `target`
    offset         int64 (tap,): from an event's base to a tap's terms
    target         int64 (tap,): index of its sixteen sums in the sums (row, lane)
    height, width, margin  of the map of terms: positions (y, x), and those above and left of the first
    """

    of_lane: NDArray[np.int32]
    base: NDArray[np.int32]
    list_at: NDArray[np.int64]
    tap_at: NDArray[np.int64]
    offset: NDArray[np.int64]
    target: NDArray[np.int64]
    height: int
    width: int
    margin: tuple[int, int]


def classes(
    in_shape: tuple[int, ...],
    out_shape: tuple[int, ...],
    order: NDArray[np.int64],
    size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    steps: int,
) -> Classes:
    """The classes of a convolution; `order` as for `places`."""
    channels, height, width = in_shape
    y, x = order // (width * channels) + padding[0], order // channels % width + padding[1]
    c, out_channels = order % channels, out_shape[0]
    margin = ((size[0] - 1) // stride[0], (size[1] - 1) // stride[1])
    tall = (height + 2 * padding[0] - 1) // stride[0] + 1 + margin[0]
    broad = (width + 2 * padding[1] - 1) // stride[1] + 1 + margin[1]
    of_lane = (y % stride[0] * stride[1] + x % stride[1]) * channels + c
    base = ((y // stride[0] + margin[0]) * broad + x // stride[1] + margin[1]) * out_channels
    count = stride[0] * stride[1] * channels
    sizes = np.bincount(of_lane, minlength=count) * steps
    lanes = -(-out_channels // WIDTH) * WIDTH
    offsets: list[int] = []
    targets: list[int] = []
    tap_at = [0]
    for index in range(count):
        first_y, first_x = index // channels // stride[1], index // channels % stride[1]
        for ky in range(first_y, size[0], stride[0]):
            for kx in range(first_x, size[1], stride[1]):
                row = (ky * size[1] + kx) * channels + index % channels
                back = (ky // stride[0] * broad + kx // stride[1]) * out_channels
                offsets += [lane - back for lane in range(0, lanes, WIDTH)]
                targets += [row * lanes + lane for lane in range(0, lanes, WIDTH)]
        tap_at.append(len(offsets))
    return Classes(
        of_lane.astype(np.int32),
        base.astype(np.int32),
        np.cumsum([0, *sizes]).astype(np.int64),
        np.array(tap_at, np.int64),
        np.array(offsets, np.int64),
        np.array(targets, np.int64),
        tall,
        broad,
        margin,
    )


@kernel
def conv_accumulate(
    begin,
    end,
    spikes_array,
    row,
    at,
    words,
    steps,
    classes,
    geometry,
    terms_array,
    lanes,
    active,
    events_array,
    counts,
    padded_array,
    sums_array,
):
    """Add to int32 sums (row, channel padded to sixteen) the terms of every spike of trials begin..end-1.

    spikes  as for `pack_rows`
    terms   int16 (trial, step, lane), flat
    active  uint8 (trial,): 0 where all terms of a trial are 0
    events  int32 (classes.list_at[-1],), counts int64 (class,): scratch
    padded  int16 (step, y, x, channel), flat, WIDTH longer: scratch, zeroed once
    """
    spikes, terms, sums = pointer(spikes_array), pointer(terms_array), pointer(sums_array)
    events, padded = pointer(events_array), pointer(padded_array)
    of_lane, base = pointer(classes.of_lane), pointer(classes.base)
    plane = classes.height * classes.width * geometry.channels
    for trial in range(begin, end):
        if active[trial] == 0:
            continue
        _pad_terms(classes, geometry, terms, trial * steps * lanes, lanes, steps, padded)
        for index in range(counts.size):
            counts[index] = classes.list_at[index]
        for t in range(steps):
            here = trial * row + at + t * words
            for word in range(words):
                bits = spikes[here + word]
                while bits != uint64(0):
                    lane = (word << 6) + trailing_zeros(bits)
                    bits = without_lowest(bits)
                    own = of_lane[lane]
                    events[counts[own]] = int32(base[lane] + t * plane)
                    counts[own] += 1
        for index in range(counts.size):
            first, last = classes.list_at[index], counts[index]
            tap, past = classes.tap_at[index], classes.tap_at[index + 1]
            while tap < past:
                if past - tap >= 4:
                    _sum_four(events, first, last, classes, tap, padded, sums)
                    tap += 4
                elif past - tap >= 2:
                    _sum_two(events, first, last, classes, tap, padded, sums)
                    tap += 2
                else:
                    _sum_one(events, first, last, classes, tap, padded, sums)
                    tap += 1


@inlined
def _pad_terms(classes, geometry, terms, at, lanes, steps, padded):
    """Copy a trial's terms to a map with margins; they stay zero."""
    row = geometry.out_width * geometry.channels
    for t in range(steps):
        for y in range(geometry.out_height):
            from_ = at + t * lanes + y * row
            to = (t * classes.height + y + classes.margin[0]) * classes.width + classes.margin[1]
            to *= geometry.channels
            for lane in range(row):
                padded[to + lane] = terms[from_ + lane]


@inlined
def _sum_one(events, first, last, classes, tap, padded, sums):
    total, offset = splat(int32(0)), classes.offset[tap]
    for event in range(first, last):
        total = total + load(padded, int64(events[event]) + offset)
    _add(sums, classes.target[tap], total)


@inlined
def _sum_two(events, first, last, classes, tap, padded, sums):
    total_0, total_1 = splat(int32(0)), splat(int32(0))
    offset_0, offset_1 = classes.offset[tap], classes.offset[tap + 1]
    for event in range(first, last):
        base = int64(events[event])
        total_0 = total_0 + load(padded, base + offset_0)
        total_1 = total_1 + load(padded, base + offset_1)
    _add(sums, classes.target[tap], total_0)
    _add(sums, classes.target[tap + 1], total_1)


@inlined
def _sum_four(events, first, last, classes, tap, padded, sums):
    total_0, total_1 = splat(int32(0)), splat(int32(0))
    total_2, total_3 = splat(int32(0)), splat(int32(0))
    offset_0, offset_1 = classes.offset[tap], classes.offset[tap + 1]
    offset_2, offset_3 = classes.offset[tap + 2], classes.offset[tap + 3]
    for event in range(first, last):
        base = int64(events[event])
        total_0 = total_0 + load(padded, base + offset_0)
        total_1 = total_1 + load(padded, base + offset_1)
        total_2 = total_2 + load(padded, base + offset_2)
        total_3 = total_3 + load(padded, base + offset_3)
    _add(sums, classes.target[tap], total_0)
    _add(sums, classes.target[tap + 1], total_1)
    _add(sums, classes.target[tap + 2], total_2)
    _add(sums, classes.target[tap + 3], total_3)


@inlined
def _add(sums, at, value):
    store(sums, at, load(sums, at) + value)


@kernel
def conv_back(begin, end, geometry, weights_array, deltas_array, channels_in, errors_array):
    """Write the errors that deltas int32 (trial, lane) of the outputs send back, trials begin..end-1.

    weights  int8 (ky, output channel, run padded to sixteen)
    errors   int32 (trial, padded map of row_bits... each bit a lane), flat, WIDTH longer; written
    """
    weights, deltas, errors = pointer(weights_array), pointer(deltas_array), pointer(errors_array)
    lanes_out, row = deltas_array.shape[1], weights_array.shape[2]
    row_lanes, map_lanes = channels_in[1], channels_in[2]
    for trial in range(begin, end):
        start = trial * map_lanes
        for place in range(start, start + map_lanes):
            errors[place] = int32(0)
        out = trial * lanes_out
        for oy in range(geometry.out_height):
            for ox in range(geometry.out_width):
                to = start + oy * geometry.step_y * row_lanes + ox * geometry.step_bits
                for channel in range(geometry.channels):
                    delta = deltas[out + channel]
                    if delta == 0:
                        continue
                    factor = splat(int32(delta))
                    for ky in range(geometry.rows):
                        from_ = (ky * geometry.channels + channel) * row
                        place = to + ky * row_lanes
                        for lane in range(0, row, WIDTH):
                            value = load(weights, from_ + lane) * factor
                            store(errors, place + lane, load(errors, place + lane) + value)
                out += geometry.channels


class BackShape(NamedTuple):
    """Lanes of a padded row and of a padded map of errors, a lane a source."""

    channels: Any
    row: Any
    map: Any


@kernel
def crop_errors(begin, end, padded_array, map_lanes, places, errors_array):
    """Write errors int32 (trial, source lane) of padded maps of errors, `map_lanes` a trial."""
    padded, errors = pointer(padded_array), pointer(errors_array)
    lanes = errors_array.shape[1]
    for trial in range(begin, end):
        for lane in range(places.size):
            errors[trial * lanes + lane] = padded[trial * map_lanes + places[lane]]
