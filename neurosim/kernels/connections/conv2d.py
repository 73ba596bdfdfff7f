"""Convolution kernels: currents by look-up of spike patterns, update sums, and errors sent back.

Maps are stored channels last: (y, x, channel). `conv_current` copies the spikes that a position reads, its
window, to words whose bits are the rows of the matrix; eight or four of them at a time are looked up:

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
    pointer_past,
    pointer_to_bytes,
    splat,
    store,
    store_twins,
    trailing_zeros,
    widen,
    without_lowest,
    zeros,
)
from neurosim.kernels.spikes import step_at

TABLE_BYTES = 1 << 20
"""Tables of bytes are smaller, else they are of half bytes; chosen here: the second cache."""
BYTE, HALF = 8, 4
ALL = np.uint64(2**64 - 1)
PIECE_BITS = 57
"""Bits that `load_bits` gives at any place."""


class Geometry(NamedTuple):
    """Sizes of a convolution for the kernels.

    row_words             words of a padded row, row_bits = 64 * row_words
    map_words             words of a padded map of one step, and one more
    out_height, out_width positions
    step_y                rows from one output row to the next
    step_bits             bits from one output column to the next
    rows, run             rows of the kernel, bits of one of them
    channels              output channels
    window_words          words of a window
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
    window_words: int

    @property
    def positions(self) -> int:
        """Number of positions."""
        return self.out_height * self.out_width


class Layout(NamedTuple):
    """Where the spikes of a source lie in a padded map, and the pieces of a window in it.

    shape    of the convolution
    of_lane  int32 (source lane,): bit in a padded map
    height, run  rows of the map and bits of each, where lanes are in its order, so that rows are copied
             whole; else run is 0
    bit, mask, shift  int64, uint64, uint64 (piece,): first bit of a piece in the padded map, from that of
             the window on, a mask of its bits, and its place in a word of the window
    at       int64 (word + 1,): the first piece of each word
    """

    shape: Geometry
    of_lane: NDArray[np.int32]
    height: int
    run: int
    bit: NDArray[np.int64]
    mask: NDArray[np.uint64]
    shift: NDArray[np.uint64]
    at: NDArray[np.int64]


class Table(NamedTuple):
    """Sums of weights of every pattern of every chunk of a window.

    sums    int16, flat: (chunk, pattern, lane), lanes padded to sixteen
    stride  elements of a chunk: one row more than patterns, because the commonest patterns, those of few
            spikes, would all lie in the same few sets of the cache
    lanes, bits, chunks  padded lanes; bits of a chunk, BYTE or HALF; number of chunks, even
    wide    whether a sum could exceed 16 bits
    """

    sums: NDArray[np.int16]
    stride: int
    lanes: int
    bits: int
    chunks: int
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
    run = size[1] * channels
    return Geometry(
        row_words,
        (height + 2 * padding[0]) * row_words + 1,
        out_shape[1],
        out_shape[2],
        stride[0],
        stride[1] * channels,
        size[0],
        run,
        out_shape[0],
        -(-size[0] * run // 64),
    )


def layout(
    in_shape: tuple[int, ...],
    order: NDArray[np.int64],
    padding: tuple[int, int],
    shape: Geometry,
) -> Layout:
    """The `Layout` of maps (channels, height, width).

    order  int64 (lane,): the place (y, x, channel) of each source lane in its map
    """
    channels, height, width = in_shape
    y, x, c = order // (width * channels), order // channels % width, order % channels
    of_lane = (y + padding[0]) * (64 * shape.row_words) + (x + padding[1]) * channels + c
    pieces, at = [], [0]
    for word in range(shape.window_words):
        place, past = 64 * word, min(64 * word + 64, shape.rows * shape.run)
        while place < past:
            row, first = divmod(place, shape.run)
            count = min(shape.run - first, past - place, PIECE_BITS)
            pieces.append((row * 64 * shape.row_words + first, (1 << count) - 1, place % 64))
            place += count
        at.append(len(pieces))
    bits, masks, shifts = zip(*pieces, strict=True)
    return Layout(
        shape,
        of_lane.astype(np.int32),
        height,
        width * channels if np.array_equal(order, np.arange(len(order))) else 0,
        np.array(bits, np.int64),
        np.array(masks, np.uint64),
        np.array(shifts, np.uint64),
        np.array(at, np.int64),
    )


def make_table(weights: NDArray[np.int8]) -> Table:
    """The table of int8 weights (row, channel)."""
    rows, channels = weights.shape
    lanes = -(-channels // WIDTH) * WIDTH
    bits = BYTE if 2 * -(-rows // BYTE) * lanes << BYTE <= TABLE_BYTES else HALF
    chunks = -(-rows // (2 * bits)) * 2
    stride = ((1 << bits) + 1) * lanes
    sums = zeros(chunks * stride + TWIN, np.int16)
    by_pattern = sums[: chunks * stride].reshape(chunks, -1, lanes)
    own = np.zeros((chunks, bits, channels), np.int16)
    own.reshape(-1, channels)[:rows] = weights
    for bit in range(bits):
        some = by_pattern[:, : 1 << bit, :channels]
        np.add(some, own[:, bit, None], out=by_pattern[:, 1 << bit : 2 << bit, :channels])
    largest = int(np.abs(weights.astype(np.int64)).sum(axis=0).max())
    return Table(sums, stride, lanes, bits, chunks, largest > np.iinfo(np.int16).max)


class Windows(NamedTuple):
    """Scratch of `conv_current`.

    packed   uint64 (map_words,), zeroed once
    windows  uint64 (trial, step, position, word), written
    """

    packed: NDArray[np.uint64]
    windows: NDArray[np.uint64]


@inlined
def _place_spikes(spikes, here, words, of_lane, packed):
    """Set the bit of every spike of a step in a padded map."""
    for word in range(words):
        bits = spikes[here + word]
        while bits != uint64(0):
            place = int64(of_lane[(word << 6) + trailing_zeros(bits)])
            bits = without_lowest(bits)
            packed[place >> 6] |= uint64(1) << uint64(place & 63)


@inlined
def _copy_rows(spikes, here, words, layout, first, packed):
    """Copy the rows of a map to a padded map from bit `first` on.

    Each word that has a bit of the map is written as a whole; the others stay 0.
    """
    height, run, row_words = layout.height, layout.run, layout.shape.row_words
    last, top, left = here + words - 1, first // (64 * row_words), first % (64 * row_words)
    for word in range(row_words):
        begin, end = max(64 * word, left), min(64 * word + 64, left + run)
        if begin >= end:
            continue
        mask, place = ALL >> uint64(64 - (end - begin)), uint64(begin - 64 * word)
        for y in range(height):
            from_ = y * run + begin - left
            source, shift = here + (from_ >> 6), uint64(from_ & 63)
            above = spikes[min(source + 1, last)]
            part = (spikes[source] >> shift) | (above << uint64(1)) << (uint64(63) - shift)
            packed[(top + y) * row_words + word] = (part & mask) << place


@inlined
def _gather_windows(trial, first, last, source, layout, packed_array, windows_array):
    """Write the windows of a trial's steps `first` .. `last` - 1."""
    spikes, packed, windows = pointer(source.bits), pointer(packed_array), pointer(windows_array)
    of_lane, pieces_at = pointer(layout.of_lane), pointer(layout.at)
    bits, masks, shifts = pointer(layout.bit), pointer(layout.mask), pointer(layout.shift)
    steps, positions = windows_array.shape[1], windows_array.shape[2]
    shape, words = layout.shape, source.bits.shape[2]
    row_bits, wide = shape.row_words * 64, shape.window_words
    start = int64(of_lane[0])
    for t in range(first, last):
        here = step_at(source, trial, t)
        if layout.run > 0:
            _copy_rows(spikes, here, words, layout, start, packed)
        else:
            for word in range(shape.map_words):
                packed[word] = uint64(0)
            _place_spikes(spikes, here, words, of_lane, packed)
        to = (trial * steps + t) * positions * wide
        for oy in range(shape.out_height):
            bit = oy * shape.step_y * row_bits
            for _ in range(shape.out_width):
                for word in range(wide):
                    window = uint64(0)
                    for piece in range(pieces_at[word], pieces_at[word + 1]):
                        part = load_bits(packed, bit + bits[piece]) & masks[piece]
                        window |= part << shifts[piece]
                    windows[to + word] = window
                to += wide
                bit += shape.step_bits


@inlined
def _patterns(windows, at, chunk, whole):
    """The bits of two chunks: of whole bytes, or of the halves of one."""
    if whole:
        return int64(windows[at + chunk]), int64(windows[at + chunk + 1])
    both = int64(windows[at + (chunk >> 1)])
    return both & 15, both >> 4


def _compile_looked_up(loaded, none):
    """Compile the sums of one position: `loaded` adds a vector of the table to `none`, twice."""

    @inlined
    def looked_up(sums, chunks, whole, stride, lanes, windows, at, lane):
        even, odd, place = none(), none(), lane
        for chunk in range(0, chunks, 2):
            first, second = _patterns(windows, at, chunk, whole)
            even = even + loaded(sums, place + first * lanes)
            odd = odd + loaded(sums, place + stride + second * lanes)
            place += 2 * stride
        return even + odd

    return looked_up


@inlined
def _no_lanes():
    return splat(int32(0))


_wide_sums = _compile_looked_up(load, _no_lanes)
_short_sums = _compile_looked_up(load_shorts, no_shorts)
_twin_sums = _compile_looked_up(load_twins, no_twins)


def _compile_current(wide):
    @inlined
    def look_up(trial, first, last, shape, table, windows_array, shift, current_array):
        """Write the currents of the windows of a trial's steps `first` .. `last` - 1."""
        windows, current = pointer_to_bytes(windows_array), pointer_past(current_array)
        sums, steps, lanes = pointer(table.sums), current_array.shape[1], current_array.shape[2]
        positions = windows_array.shape[2]
        channels, bytes_ = shape.channels, 8 * shape.window_words
        chunks, whole = table.chunks, table.bits == BYTE
        stride, row = table.stride, table.lanes
        scale = splat(int32(1) << int32(shift))
        for t in range(first, last):
            at = (trial * steps + t) * positions * bytes_
            out = (trial * steps + t) * lanes
            for _ in range(positions):
                lane = int64(0)
                while lane < channels:
                    if wide:
                        total = _wide_sums(sums, chunks, whole, stride, row, windows, at, lane)
                        store(current, out + lane, total * scale)
                        lane += WIDTH
                    elif channels - lane > WIDTH:
                        twins = _twin_sums(sums, chunks, whole, stride, row, windows, at, lane)
                        store_twins(current, out + lane, twins)
                        lane += TWIN
                    else:
                        short = _short_sums(sums, chunks, whole, stride, row, windows, at, lane)
                        store(current, out + lane, widen(short))
                        lane += WIDTH
                at += bytes_
                out += channels

    @kernel
    def conv_current(first, last, source, layout, scratch, table, shift, current_array):
        """Write the windows and the currents of steps `first` .. `last` - 1.

        source   Source of the spikes
        scratch  Windows of this convolution
        current  (trial, step, lane), 2 * TWIN elements longer in memory, written: int16 sums of
                 mantissas, or int32 sums << shift
        """
        packed, windows = scratch
        for trial in range(current_array.shape[0]):
            _gather_windows(trial, first, last, source, layout, packed, windows)
            look_up(trial, first, last, layout.shape, table, windows, shift, current_array)

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
    """The classes of a convolution; `order` as for `layout`."""
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


class EventLists(NamedTuple):
    """Scratch of `conv_accumulate`: the spikes of a trial by class, and its terms with margins.

    events  int32 (classes.list_at[-1],), counts int64 (class,)
    padded  int16 (step, y, x, channel), flat, WIDTH longer: zeroed once
    """

    events: NDArray[np.int32]
    counts: NDArray[np.int64]
    padded: NDArray[np.int16]


@kernel
def conv_accumulate(source, classes, geometry, terms_array, active, scratch, sums_array):
    """Add to int32 sums (row, channel padded to sixteen) the terms of every spike of the source.

    terms    int16 (trial, step, lane)
    active   uint8 (trial,): 0 where all terms of a trial are 0
    scratch  EventLists of this convolution
    """
    spikes, terms, sums = pointer(source.bits), pointer(terms_array), pointer(sums_array)
    events, counts, padded = pointer(scratch.events), scratch.counts, pointer(scratch.padded)
    of_lane, base = pointer(classes.of_lane), pointer(classes.base)
    plane = classes.height * classes.width * geometry.channels
    trials, steps, lanes = terms_array.shape
    for trial in range(trials):
        if active[trial] == 0:
            continue
        _pad_terms(classes, geometry, terms, trial * steps * lanes, lanes, steps, padded)
        for index in range(counts.size):
            counts[index] = classes.list_at[index]
        for t in range(steps):
            here = step_at(source, trial, t)
            for word in range(source.bits.shape[2]):
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
