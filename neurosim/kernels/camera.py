"""Which events does a pixel of the camera send while an image moves in front of it?

    luminance  = lens . image . lens^T                  magnification and blur
    level      = log(luminance + background)            by table, natural log in units of 1/4096
    seen       = level, shifted along the path          bilinear, 1 ms a step
    v         += (seen - v) * bandwidth / 4096          the photoreceptor follows
    v - ref   >= on threshold  -> event, p = 1          ref - v >= off threshold -> event, p = 0

After an event the pixel is blind for its refractory time, then takes the level of that moment as its
new reference and a new threshold (its own mean, plus noise). All of it is whole numbers, and every
random word is a function of (seed, split, image, purpose, count), so the bits of a recording depend on
nothing else. Time is in us, positions on the path in 1/128 pixel.
"""

from typing import NamedTuple

import numpy as np
from numba import prange
from numpy.typing import NDArray

from neurosim.kernels.binning import mark_events
from neurosim.kernels.compilation import kernel, parallel_kernel
from neurosim.kernels.counter_rng import CAMERA, HALF, LOW, philox4x32

SIZE = 34
MARGIN = 8
"""Pixels of the scene kept on each side of the sensor: the path may move it so far, less one."""
SCENE = SIZE + 2 * MARGIN
STEP_US = 1000
PATH_BITS = 7
NORMAL_BITS = 10
LOG_SHIFT = 4

_PER_IMAGE, _THRESHOLD, _EVENT, _STRAY, PATTERN = range(5)


class Tables(NamedTuple):
    """What the kernels read: the camera's description in integers, made by camera.tables.

    display     int32 (256,)           luminance of a grey value, 0..65535
    lens        int32 (SCENE, 28)      share of an image row's light in each scene row, 4096 = all
    level       int32 (4097,)          log of (luminance >> 4) + background, in 1/4096
    path        int32 (step, 2)        displacement of the scene (x, y), 1/128 pixel, one a ms
    normal      int32 (1024,)          a normal distribution by its quantiles, 4096 = 1 sigma
    on, off     int32 (1156,)          each pixel's mean threshold, in 1/4096 of log intensity
    stray       uint32 (count,)        distribution function of the number of stray events, in 2^-32
    leak        uint32 (1156,)         distribution function of the pixel they come from, in 2^-32
    scalars     int32 (scalar,)        see the names S_* below
    """

    display: NDArray[np.int32]
    lens: NDArray[np.int32]
    level: NDArray[np.int32]
    path: NDArray[np.int32]
    normal: NDArray[np.int32]
    on: NDArray[np.int32]
    off: NDArray[np.int32]
    stray: NDArray[np.uint32]
    leak: NDArray[np.uint32]
    scalars: NDArray[np.int32]


(
    S_BANDWIDTH,
    S_REFRACTORY,
    S_DEAD_SPREAD,
    S_NOISE,
    S_START,
    S_WHEN,
    S_WHERE,
    S_GAIN,
    S_LENGTH,
    S_SWAP,
    S_STRAY_ONE,
) = range(11)
"""Places in `scalars`: shares and log intensities in 1/4096, times in us, WHERE in 1/128 pixel."""


class Draw(NamedTuple):
    """Which recording random words are for: index, split int64, seed uint64."""

    index: int
    split: int
    seed: int


class Pixels(NamedTuple):
    """The sensor's state in one recording, each (1156,): int32, times in us.

    v, before   level that the photoreceptor follows, now and a step ago
    ref         level of the last event          free      when the pixel sees again
    on, off     thresholds until the next event  mean_*    what they vary around
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
    """Where events go: t int64, x, y, p uint8, each (capacity,)."""

    t: NDArray[np.int64]
    x: NDArray[np.uint8]
    y: NDArray[np.uint8]
    p: NDArray[np.uint8]


@kernel
def words(draw, purpose, count):
    """Four random words, uint64 of 32 bits; purpose, count int64."""
    return philox4x32(
        np.uint64(count),
        np.uint64(CAMERA << 16 | purpose),
        np.uint64(draw.index),
        np.uint64(draw.split),
        draw.seed & LOW,
        draw.seed >> HALF,
    )


@kernel
def normal_of(normal, word):
    """A normal variate from the top bits of a word, 4096 = 1 sigma."""
    return np.int64(normal[np.int64(word) >> (32 - NORMAL_BITS)])


@kernel
def expose(image, tables, scene):
    """Log intensity of an image (uint8 28 x 28) as the lens throws it, int32 (SCENE, SCENE)."""
    size = image.shape[0]
    wide = np.zeros((size, SCENE), np.int32)
    for i in range(size):
        for j in range(size):
            light = tables.display[image[i, j]]
            if light:
                for c in range(SCENE):
                    wide[i, c] += np.int32(light * tables.lens[c, j])
        for c in range(SCENE):
            wide[i, c] >>= np.int32(12)
    total = np.empty(SCENE, np.int32)
    for r in range(SCENE):
        total[:] = np.int32(0)
        for i in range(size):
            share = tables.lens[r, i]
            if share:
                for c in range(SCENE):
                    total[c] += np.int32(wide[i, c] * share)
        for c in range(SCENE):
            scene[r, c] = tables.level[total[c] >> np.int32(12 + LOG_SHIFT)]


@kernel
def look(scene, dx, dy, seen):
    """What the sensor sees, int32 (1156,), of a scene displaced by dx, dy (int64, 1/128 pixel)."""
    across = np.int64(MARGIN << PATH_BITS) - dx
    down = np.int64(MARGIN << PATH_BITS) - dy
    x0 = across >> PATH_BITS
    y0 = down >> PATH_BITS
    fx = np.int32(across & ((1 << PATH_BITS) - 1))
    fy = np.int32(down & ((1 << PATH_BITS) - 1))
    one = np.int32(1 << PATH_BITS)
    a = np.int32((one - fy) * (one - fx))
    b = np.int32((one - fy) * fx)
    c = np.int32(fy * (one - fx))
    d = np.int32(fy * fx)
    for y in range(SIZE):
        upper = scene[y0 + y, x0 : x0 + SIZE + 1]
        lower = scene[y0 + y + 1, x0 : x0 + SIZE + 1]
        row = seen[y * SIZE : (y + 1) * SIZE]
        for x in range(SIZE):
            row[x] = np.int32(
                np.int32(upper[x] * a + upper[x + 1] * b)
                + np.int32(lower[x] * c + lower[x + 1] * d)
            ) >> np.int32(2 * PATH_BITS)


@kernel
def follow(seen, bandwidth, end, pixels, hit):
    """Let each photoreceptor follow what it sees, and note in `hit` who reached a threshold.

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
def list_hits(hit, crossed):
    """The pixels noted in `hit` (uint8, whole 64-bit words), eight looked at together; how many."""
    words = hit.view(np.uint64)
    count = 0
    for word in range(words.shape[0]):
        if words[word]:
            for i in range(8 * word, 8 * word + 8):
                if hit[i]:
                    crossed[count] = i
                    count += 1
    return count


@kernel
def new_pixels(tables, gain):
    """The sensor before a recording: thresholds of this recording, references not yet set."""
    count = tables.on.shape[0]
    mean_on = np.empty(count, np.int32)
    mean_off = np.empty(count, np.int32)
    for i in range(count):
        mean_on[i] = np.int64(tables.on[i]) * gain >> 12
        mean_off[i] = np.int64(tables.off[i]) * gain >> 12
    return Pixels(
        np.zeros(count, np.int32),
        np.zeros(count, np.int32),
        np.zeros(count, np.int32),
        np.full(count, -(1 << 30), np.int32),
        mean_on.copy(),
        mean_off.copy(),
        mean_on,
        mean_off,
    )


@kernel
def settle(tables, draw, seen, pixels):
    """Start from a still scene: references are off by what earlier movements left."""
    spread = np.int64(tables.scalars[S_START])
    for i in range(seen.shape[0]):
        word = words(draw, _THRESHOLD, i)[0]
        part = normal_of(tables.normal, word) * spread >> 12
        pixels.v[i] = seen[i]
        pixels.ref[i] = np.int64(seen[i]) + (part * np.int64(pixels.mean_on[i]) >> 12)


@kernel
def record_image(image, tables, draw, sink):
    """Send the events of one image to `sink`, by step, not sorted within it.

    Returns their number, at most the sink's capacity: whatever comes after is lost.
    """
    scalars, normal = tables.scalars, tables.normal
    scene = np.empty((SCENE, SCENE), np.int32)
    expose(image, tables, scene)
    w0, w1, w2, w3 = words(draw, _PER_IMAGE, 0)
    late = normal_of(tables.normal, w0) * scalars[S_WHEN] >> 12
    shift_x = normal_of(tables.normal, w1) * scalars[S_WHERE] >> 12
    shift_y = normal_of(tables.normal, w2) * scalars[S_WHERE] >> 12
    gain = 4096 + (normal_of(tables.normal, w3) * scalars[S_GAIN] >> 12)

    pixels = new_pixels(tables, max(gain, 1024))
    count = pixels.v.shape[0]
    seen = np.empty(count, np.int32)
    hit = np.zeros(-(-count // 8) * 8, np.uint8)
    crossed = np.empty(count, np.int64)
    bandwidth = np.int32(scalars[S_BANDWIDTH])
    limit = ((MARGIN - 1) << PATH_BITS) - 1
    found = 0
    for step in range(tables.path.shape[0]):
        dx = min(max(shift_x + tables.path[step, 0], -limit), limit)
        dy = min(max(shift_y + tables.path[step, 1], -limit), limit)
        look(scene, dx, dy, seen)
        if step == 0:
            settle(tables, draw, seen, pixels)
            continue
        start = (step - 1) * STEP_US + late
        follow(seen, bandwidth, np.int32(start + STEP_US), pixels, hit)
        hits = list_hits(hit, crossed)
        found = cross(normal, scalars, draw, crossed, hits, start, pixels, sink, found)
    return add_strays(tables, draw, sink, found)


@kernel
def moment(was, level, target, start):
    """When a level that goes from `was` to `level` in a step passes `target`."""
    if level == was:
        return start
    return start + min(max((target - was) * STEP_US // (level - was), 0), STEP_US - 1)


@kernel
def cross(normal, scalars, draw, crossed, hits, start, pixels, sink, found):
    """Send the events of the first `hits` pixels in `crossed`, whose levels go from `before` to `v`."""
    v, before, ref, free, on, off, mean_on, mean_off = pixels
    t, x, y, p = sink
    swap, length, noise = scalars[S_SWAP], scalars[S_LENGTH], np.int64(scalars[S_NOISE])
    for n in range(hits):
        i = crossed[n]
        was, level = np.int64(before[i]), np.int64(v[i])
        gone = np.int64(0)
        while gone < STEP_US:
            change = level - ref[i]
            if -off[i] < change < on[i]:
                break
            brighter = np.int64(change > 0)
            target = ref[i] + (on[i] if brighter else -off[i])
            when = max(moment(was, level, target, start), np.int64(free[i]))
            if 0 <= when < length and found < t.shape[0]:
                t[found] = when
                x[found] = i % SIZE
                y[found] = i // SIZE
                p[found] = brighter ^ swap
                found += 1
            w0, w1, w2, _ = words(draw, _EVENT, i << 20 | (when & 0xFFFFF))
            on[i] = noisy(normal, noise, mean_on[i], w0)
            off[i] = noisy(normal, noise, mean_off[i], w1)
            blind = scalars[S_REFRACTORY] + (np.int64(w2) * scalars[S_DEAD_SPREAD] >> 32)
            free[i] = when + blind
            gone = min(when + blind - start, STEP_US)
            ref[i] = was + (level - was) * gone // STEP_US
    return found


@kernel
def noisy(normal, noise, threshold, word):
    """A threshold with its noise for once; at least a quarter of its mean."""
    part = 4096 + (normal_of(normal, word) * noise >> 12)
    return np.int64(threshold) * max(part, 1024) >> 12


@kernel
def add_strays(tables, draw, sink, found):
    """Events that no light caused, at any time; returns the number of all events."""
    scalars = tables.scalars
    count = np.searchsorted(tables.stray, words(draw, _STRAY, 0)[0])
    for n in range(count):
        w0, w1, w2, _ = words(draw, _STRAY, n + 1)
        pixel = np.searchsorted(tables.leak, w0)
        if found < sink.t.shape[0]:
            sink.t[found] = np.int64(w1) * scalars[S_LENGTH] >> 32
            sink.x[found] = pixel % SIZE
            sink.y[found] = pixel // SIZE
            sink.p[found] = (np.int64(w2) >> 20) < scalars[S_STRAY_ONE]
            found += 1
    return found


@kernel
def new_sink(capacity):
    """Room for the events of one recording."""
    return Sink(
        np.empty(capacity, np.int64),
        np.empty(capacity, np.uint8),
        np.empty(capacity, np.uint8),
        np.empty(capacity, np.uint8),
    )


@kernel
def record_into(image, tables, index, split, seed, t, x, y, p):
    """record_image into the arrays t int64, x, y, p uint8 (event,); returns the number of events."""
    return record_image(image, tables, Draw(index, split, seed), Sink(t, x, y, p))


@parallel_kernel
def record_all(images, tables, indices, split, seed, counts, t, x, y, p):
    """record_into for every image; t, x, y, p are (image, event), counts int64 (image,)."""
    for i in prange(images.shape[0]):
        counts[i] = record_into(images[i], tables, indices[i], split, seed, t[i], x[i], y[i], p[i])


@kernel
def mark_image(image, tables, index, split, seed, capacity, pool, window, bits):
    """Record one image and set the bits of its frames, uint64 (step, word), zero before."""
    sink = new_sink(capacity)
    found = record_image(image, tables, Draw(index, split, seed), sink)
    mark_events(sink.t, sink.x, sink.y, sink.p, 0, found, SIZE, SIZE, pool, window, bits)


@parallel_kernel
def mark_images(images, tables, indices, split, seed, capacity, pool, window, bits):
    """mark_image for every image, bits uint64 (image, step, word)."""
    for i in prange(images.shape[0]):
        mark_image(images[i], tables, indices[i], split, seed, capacity, pool, window, bits[i])
