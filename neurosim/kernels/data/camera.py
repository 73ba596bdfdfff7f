"""Event camera: the events of each pixel while an image moves in front of the sensor.

    seen         log luminance at this pixel, in each step of the path           scene.py
    v         += (seen - v) * bandwidth / 4096          the photoreceptor follows
    v - ref   >= on threshold  -> a brighter event      ref - v >= off threshold -> a darker one

After an event the pixel is blind for its refractory time; then the present level becomes its reference, and
a new threshold is drawn (its own mean, plus noise). All numbers are integers, and every random word is a
function of (seed, split, image, purpose, count), so the bits of a recording depend on
nothing else.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels.compilation import kernel
from neurosim.kernels.data.scene import (
    EVENT,
    MARGIN,
    PATH_BITS,
    PER_IMAGE,
    STRAY,
    THRESHOLD,
    Tables,
    expose,
    look,
    normal_of,
    words,
)


class Pixels(NamedTuple):
    """The sensor's state in one recording, each (pixel,): int32, times in us.

    v, before   output of the photoreceptor, now and a step ago
    ref         level of the last event          free      end of the refractory time
    on, off     thresholds until the next event  mean_*    their means
    """

    v: NDArray[np.int32]
    before: NDArray[np.int32]
    ref: NDArray[np.int32]
    free: NDArray[np.int32]
    on: NDArray[np.int32]
    off: NDArray[np.int32]
    mean_on: NDArray[np.int32]
    mean_off: NDArray[np.int32]


class Sink(NamedTuple):
    """Destination of events: t int64, x, y uint16, p uint8, each (capacity,)."""

    t: NDArray[np.int64]
    x: NDArray[np.uint16]
    y: NDArray[np.uint16]
    p: NDArray[np.uint8]


class Scratch(NamedTuple):
    """Scratch of one thread for the recordings of one camera, made by `make_scratch`.

    wide        int32 (field row, scene column)      seen        int32 (pixel,)
    scene       int32 (scene row, scene column)      plane       the same memory, (height, width)
    hit         uint8 (pixel,), whole words          hit_words   the same memory, uint64
    crossed     int64 (pixel,)                       pixels      the sensor's state
    """

    wide: NDArray[np.int32]
    scene: NDArray[np.int32]
    seen: NDArray[np.int32]
    plane: NDArray[np.int32]
    hit: NDArray[np.uint8]
    hit_words: NDArray[np.uint64]
    crossed: NDArray[np.int64]
    pixels: Pixels


def make_scratch(tables: Tables) -> Scratch:
    """Scratch for one thread. Memory that kernels allocate themselves would double what they compile."""
    rows, columns = tables.rows.share.shape[0], tables.columns.share.shape[0]
    size = tables.settings.height, tables.settings.width
    count = size[0] * size[1]
    seen, hit = np.zeros(count, np.int32), np.zeros(-(-count // 8) * 8, np.uint8)
    state = np.zeros((len(Pixels._fields), count), np.int32)
    return Scratch(
        np.zeros((tables.rows.share.shape[1], columns), np.int32),
        np.zeros((rows, columns), np.int32),
        seen,
        seen.reshape(size),
        hit,
        hit.view(np.uint64),
        np.zeros(count, np.int64),
        Pixels(*state),
    )


def make_sink(capacity: int) -> Sink:
    """Scratch for the events of one recording."""
    return Sink(
        np.empty(capacity, np.int64),
        np.empty(capacity, np.uint16),
        np.empty(capacity, np.uint16),
        np.empty(capacity, np.uint8),
    )


@kernel
def follow(seen, bandwidth, end, pixels, hit):
    """Update each photoreceptor, and mark in `hit` the pixels that reached a threshold.

    A pixel still blind at `end` of the step keeps its reference at the present level.
    """
    v, before, ref, free, on, off, _, _ = pixels
    for i in range(v.shape[0]):
        was = v[i]
        step = np.int32(np.int32(np.int32(seen[i] - was) * bandwidth) >> np.int32(12))
        level = np.int32(was + step)
        held = level if free[i] > end else ref[i]
        change = np.int32(level - held)
        before[i] = was
        v[i] = level
        ref[i] = held
        hit[i] = np.uint8(change >= on[i]) | np.uint8(np.int32(-change) >= off[i])


@kernel
def list_hits(hit, words, crossed):
    """List the pixels marked in `hit`, eight at a time (`words`); return their number."""
    count = 0
    for word in range(words.shape[0]):
        if words[word]:
            for i in range(8 * word, 8 * word + 8):
                if hit[i]:
                    crossed[count] = i
                    count += 1
    return count


@kernel
def reset(tables, gain, pixels):
    """The sensor before a recording: thresholds of this recording, references not yet set."""
    for i in range(pixels.v.shape[0]):
        pixels.mean_on[i] = np.int64(tables.on[i]) * gain >> 12
        pixels.mean_off[i] = np.int64(tables.off[i]) * gain >> 12
        pixels.on[i] = pixels.mean_on[i]
        pixels.off[i] = pixels.mean_off[i]
        pixels.v[i] = 0
        pixels.before[i] = 0
        pixels.ref[i] = 0
        pixels.free[i] = -(1 << 30)


@kernel
def settle(tables, spread, draw, seen, pixels):
    """Start from a still scene: references are off by what earlier movements left."""
    for i in range(seen.shape[0]):
        word = words(draw, THRESHOLD, i)[0]
        part = normal_of(tables.normal, word) * spread >> 12
        pixels.v[i] = seen[i]
        pixels.ref[i] = np.int64(seen[i]) + (part * np.int64(pixels.mean_on[i]) >> 12)


@kernel
def record_image(image, tables, draw, sink, scratch):
    """Send the events of one image to `sink`, by step, not sorted within it.

    Returns their number; where it is more than the sink's capacity, those beyond it were not kept.
    """
    settings, normal = tables.settings, tables.normal
    scene, seen, hit, pixels = scratch.scene, scratch.seen, scratch.hit, scratch.pixels
    expose(image, tables, scratch.wide, scene)
    w0, w1, w2, w3 = words(draw, PER_IMAGE, 0)
    late = normal_of(normal, w0) * settings.when >> 12
    shift_x = normal_of(normal, w1) * settings.where >> 12
    shift_y = normal_of(normal, w2) * settings.where >> 12
    gain = 4096 + (normal_of(normal, w3) * settings.gain >> 12)

    reset(tables, max(gain, 1024), pixels)
    bandwidth = np.int32(settings.bandwidth)
    limit = ((MARGIN - 1) << PATH_BITS) - 1
    found = 0
    for step in range(tables.path.shape[0]):
        dx = min(max(shift_x + tables.path[step, 0], -limit), limit)
        dy = min(max(shift_y + tables.path[step, 1], -limit), limit)
        look(scene, dx, dy, scratch.plane)
        if step == 0:
            settle(tables, settings.start, draw, seen, pixels)
            continue
        start = (step - 1) * settings.step + late
        follow(seen, bandwidth, np.int32(start + settings.step), pixels, hit)
        hits = list_hits(hit, scratch.hit_words, scratch.crossed)
        found = cross(normal, settings, draw, scratch.crossed, hits, start, pixels, sink, found)
    return add_strays(tables, settings, draw, sink, found)


@kernel
def moment(was, level, target, start, step):
    """Time at which a level that goes from `was` to `level` in `step` microseconds passes `target`."""
    if level == was:
        return start
    return start + min(max((target - was) * step // (level - was), 0), step - 1)


@kernel
def event_words(draw, pixel, when):
    """Four random words for the event of a pixel (below 2^16) at a time (below 2^24 us).

    The counter holds the low 12 bits of the pixel and the low 20 of the time, the purpose the others.
    """
    purpose = EVENT | (pixel >> 12) << 4 | (max(when, 0) >> 20) << 8
    return words(draw, purpose, (pixel & 0xFFF) << 20 | (when & 0xFFFFF))


@kernel
def cross(normal, settings, draw, crossed, hits, start, pixels, sink, found):
    """Send the events of the first `hits` pixels in `crossed`, whose levels go from `before` to `v`."""
    v, before, ref, free, on, off, mean_on, mean_off = pixels
    t, x, y, p = sink
    length, noise = settings.length, settings.noise
    width, duration = settings.width, settings.step
    for n in range(hits):
        i = crossed[n]
        was, level = np.int64(before[i]), np.int64(v[i])
        gone = np.int64(0)
        while gone < duration:
            change = level - ref[i]
            if -off[i] < change < on[i]:
                break
            target = ref[i] + (on[i] if change > 0 else -off[i])
            when = max(moment(was, level, target, start, duration), np.int64(free[i]))
            if 0 <= when < length:
                if found < t.shape[0]:
                    t[found] = when
                    x[found] = i % width
                    y[found] = i // width
                    p[found] = settings.brighter if change > 0 else 1 - settings.brighter
                found += 1
            w0, w1, w2, _ = event_words(draw, i, when)
            on[i] = noisy(normal, noise, mean_on[i], w0)
            off[i] = noisy(normal, noise, mean_off[i], w1)
            blind = settings.refractory + (np.int64(w2) * settings.dead_spread >> 32)
            free[i] = when + blind
            gone = min(when + blind - start, np.int64(duration))
            ref[i] = was + (level - was) * gone // duration
    return found


@kernel
def noisy(normal, noise, threshold, word):
    """A threshold with noise; at least a quarter of its mean."""
    part = 4096 + (normal_of(normal, word) * noise >> 12)
    return np.int64(threshold) * max(part, 1024) >> 12


@kernel
def place_in(table, word):
    """Index of the first entry of a rising uint32 table that is at least `word`; its length if none is."""
    low, high = 0, table.shape[0]
    while low < high:
        middle = (low + high) >> 1
        if np.uint64(table[middle]) < word:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def add_strays(tables, settings, draw, sink, found):
    """Add stray events, which no light caused; returns the number of all events."""
    count = place_in(tables.stray, words(draw, STRAY, 0)[0])
    for n in range(count):
        w0, w1, w2, _ = words(draw, STRAY, n + 1)
        pixel = place_in(tables.leak, w0)
        if found < sink.t.shape[0]:
            sink.t[found] = np.int64(w1) * settings.length >> 32
            sink.x[found] = pixel % settings.width
            sink.y[found] = pixel // settings.width
            sink.p[found] = (np.int64(w2) >> 20) < settings.stray_one
        found += 1
    return found
