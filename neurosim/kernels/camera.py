"""Which events does a pixel of the camera send while an image moves in front of it?

    luminance  = rows . image . columns^T               the lens: magnification, offset and blur
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
from neurosim.kernels.counter_rng import CAMERA, HALF, LOW, philox4x32
from neurosim.kernels.compilation import kernel, parallel_kernel

SIZE = 34
MARGIN = 8
"""Pixels of the scene kept on each side of the sensor: the path may move it so far, less one."""
SCENE = SIZE + 2 * MARGIN
STEP_US = 1000
PATH_BITS = 7
NORMAL_BITS = 10
LOG_SHIFT = 4

_PER_IMAGE, _THRESHOLD, _EVENT, _STRAY = range(4)


class Tables(NamedTuple):
    """What the kernels read: the camera's description in integers, made by camera.tables.

    display     int32 (256,)           luminance of a grey value, 0..65535
    rows        int32 (SCENE, 28)      lens along y, 4096 = all of the light
    columns     int32 (SCENE, 28)      lens along x
    level       int32 (4097,)          log of (luminance >> 4) + background, in 1/4096
    path        int32 (step, 2)        displacement of the scene (x, y), 1/128 pixel, one a ms
    normal      int32 (1024,)          a normal distribution by its quantiles, 4096 = 1 sigma
    on, off     int32 (1156,)          each pixel's mean threshold, in 1/4096 of log intensity
    stray       uint32 (count,)        distribution function of the number of stray events, in 2^-32
    scalars     int32 (scalar,)        see the names S_* below
    """

    display: NDArray[np.int32]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    level: NDArray[np.int32]
    path: NDArray[np.int32]
    normal: NDArray[np.int32]
    on: NDArray[np.int32]
    off: NDArray[np.int32]
    stray: NDArray[np.uint32]
    scalars: NDArray[np.int32]


S_BANDWIDTH, S_REFRACTORY, S_NOISE, S_START, S_WHEN, S_WHERE, S_SWING, S_LENGTH, S_SWAP = range(9)


@kernel
def words(index, split, purpose, count, seed):
    """Four random words; index, split, count int64, seed uint64."""
    return philox4x32(
        np.uint64(count),
        np.uint64(CAMERA << 16 | purpose),
        np.uint64(index),
        np.uint64(split),
        seed & LOW,
        seed >> HALF,
    )


@kernel
def normal_of(tables, word):
    """A normal variate from the top bits of a word, 4096 = 1 sigma."""
    return np.int64(tables.normal[np.int64(word) >> (32 - NORMAL_BITS)])


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
                    wide[i, c] += np.int32(light * tables.columns[c, j])
        for c in range(SCENE):
            wide[i, c] >>= np.int32(12)
    total = np.empty(SCENE, np.int32)
    for r in range(SCENE):
        total[:] = np.int32(0)
        for i in range(size):
            share = tables.rows[r, i]
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
def follow(seen, bandwidth, end, free, on, off, v, ref, hit):
    """Let each photoreceptor follow what it sees, and note in `hit` who reached a threshold.

    A pixel still blind at `end` of the step keeps its reference at the present level.
    """
    for i in range(v.shape[0]):
        level = np.int32(
            v[i] + np.int32(np.int32(np.int32(seen[i] - v[i]) * bandwidth) >> np.int32(12))
        )
        v[i] = level
        held = level if free[i] > end else ref[i]
        ref[i] = held
        change = np.int32(level - held)
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
def record_image(image, tables, index, split, seed, t, x, y, p):
    """Fill t int64, x, y, p uint8 with the events of one image, by step, not sorted within it.

    Returns their number, at most t.shape[0]: whatever comes after is lost.
    """
    scalars = tables.scalars
    pixels = SIZE * SIZE
    scene = np.empty((SCENE, SCENE), np.int32)
    expose(image, tables, scene)

    w0, w1, w2, w3 = words(index, split, _PER_IMAGE, 0, seed)
    late = normal_of(tables, w0) * scalars[S_WHEN] >> 12
    shift_x = normal_of(tables, w1) * scalars[S_WHERE] >> 12
    shift_y = normal_of(tables, w2) * scalars[S_WHERE] >> 12
    swing = 4096 + (normal_of(tables, w3) * scalars[S_SWING] >> 12)

    steps = tables.path.shape[0]
    limit = ((MARGIN - 1) << PATH_BITS) - 1
    v = np.empty(pixels, np.int32)
    ref = np.empty(pixels, np.int32)
    before = np.empty(pixels, np.int32)
    seen = np.empty(pixels, np.int32)
    free = np.full(pixels, -(1 << 30), np.int32)
    hit = np.zeros(-(-pixels // 8) * 8, np.uint8)
    bandwidth = np.int32(scalars[S_BANDWIDTH])
    crossed = np.empty(pixels, np.int64)
    on = tables.on.copy()
    off = tables.off.copy()
    found = 0
    for step in range(steps):
        dx = shift_x + (tables.path[step, 0] * swing >> 12)
        dy = shift_y + (tables.path[step, 1] * swing >> 12)
        look(scene, min(max(dx, -limit), limit), min(max(dy, -limit), limit), seen)
        if step == 0:
            v[:] = seen
            start_levels(tables, index, split, seed, v, ref)
            continue
        before[:] = v
        start = (step - 1) * STEP_US + late
        end = np.int32(start + STEP_US)
        follow(seen, bandwidth, end, free, on, off, v, ref, hit)
        for n in range(list_hits(hit, crossed)):
            i = crossed[n]
            found = cross(
                tables,
                index,
                split,
                seed,
                i,
                start,
                before[i],
                v[i],
                ref,
                on,
                off,
                free,
                found,
                t,
                x,
                y,
                p,
            )
    return add_strays(tables, index, split, seed, found, t, x, y, p)


@kernel
def start_levels(tables, index, split, seed, v, ref):
    """References at the beginning: what earlier movements left, a fraction of a threshold off."""
    spread = np.int64(tables.scalars[S_START])
    for i in range(v.shape[0]):
        if i % 4 == 0:
            w = words(index, split, _THRESHOLD, i, seed)
        z = normal_of(tables, w[i % 4])
        ref[i] = v[i] + np.int32((z * spread >> 12) * np.int64(tables.on[i]) >> 12)


@kernel
def cross(tables, index, split, seed, i, start, was, level, ref, on, off, free, found, t, x, y, p):
    """Send the events of pixel i while its level goes from `was` to `level` in one step."""
    scalars = tables.scalars
    while True:
        change = level - ref[i]
        if change >= on[i]:
            polarity, target = 1, ref[i] + on[i]
        elif -change >= off[i]:
            polarity, target = 0, ref[i] - off[i]
        else:
            return found
        when = start
        if level != was:
            when += min(max((target - was) * STEP_US // (level - was), 0), STEP_US - 1)
        when = max(when, free[i])
        if 0 <= when < scalars[S_LENGTH] and found < t.shape[0]:
            t[found] = when
            x[found] = i % SIZE
            y[found] = i // SIZE
            p[found] = polarity ^ scalars[S_SWAP]
            found += 1
        w0, w1, _, _ = words(index, split, _EVENT, np.int64(i) << 16 | (when & 0xFFFF), seed)
        on[i] = noisy(tables, tables.on[i], w0)
        off[i] = noisy(tables, tables.off[i], w1)
        free[i] = when + scalars[S_REFRACTORY]
        gone = min(free[i] - start, STEP_US)
        ref[i] = was + (level - was) * gone // STEP_US
        if gone == STEP_US:
            return found


@kernel
def noisy(tables, threshold, word):
    """A threshold with its noise for once; at least a quarter of its mean."""
    part = 4096 + (normal_of(tables, word) * tables.scalars[S_NOISE] >> 12)
    return np.int32(np.int64(threshold) * max(part, 1024) >> 12)


@kernel
def add_strays(tables, index, split, seed, found, t, x, y, p):
    """Events that no light caused, anywhere and at any time; returns the number of all events."""
    count = np.searchsorted(tables.stray, words(index, split, _STRAY, 0, seed)[0])
    for n in range(count):
        if found == t.shape[0]:
            break
        w0, w1, w2, _ = words(index, split, _STRAY, n + 1, seed)
        pixel = np.int64(w0) * (SIZE * SIZE) >> 32
        t[found] = np.int64(w1) * tables.scalars[S_LENGTH] >> 32
        x[found] = pixel % SIZE
        y[found] = pixel // SIZE
        p[found] = np.int64(w2) & 1
        found += 1
    return found


@parallel_kernel
def record_all(images, tables, indices, split, seed, counts, t, x, y, p):
    """record_image for every image; t, x, y, p are (image, event), counts int64 (image,)."""
    for i in prange(images.shape[0]):
        counts[i] = record_image(images[i], tables, indices[i], split, seed, t[i], x[i], y[i], p[i])


@kernel
def mark_image(image, tables, index, split, seed, capacity, pool, window, bits):
    """Record one image and set the bits of its frames, uint64 (step, word), zero before."""
    t = np.empty(capacity, np.int64)
    x = np.empty(capacity, np.uint8)
    y = np.empty(capacity, np.uint8)
    p = np.empty(capacity, np.uint8)
    count = record_image(image, tables, index, split, seed, t, x, y, p)
    mark_events(t, x, y, p, 0, count, SIZE, SIZE, pool, window, bits)


@parallel_kernel
def mark_images(images, tables, indices, split, seed, capacity, pool, window, bits):
    """mark_image for every image, bits uint64 (image, step, word)."""
    for i in prange(images.shape[0]):
        mark_image(images[i], tables, indices[i], split, seed, capacity, pool, window, bits[i])
