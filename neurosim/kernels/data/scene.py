"""Scene of an event camera: log intensity on the sensor, for a displacement of the image.

luminance  = rows . image . columns^T               magnification and blur
level      = log(luminance + background)            by table, natural log in units of 1/4096
seen       = level, displaced                       bilinear, positions in 1/128 pixel
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels.compilation import kernel
from neurosim.kernels.generator import CAMERA, HALF, LOW, philox4x32

MARGIN = 8
"""Pixels of the scene kept on each side of the sensor: the path may move it so far, less one."""
PATH_BITS = 7
NORMAL_BITS = 10
LOG_SHIFT = 4
"""Luminance has 16 bits, the table of its log 12."""

PER_IMAGE, THRESHOLD, EVENT, STRAY, PATTERN = range(5)
"""Purposes of random words."""


class Settings(NamedTuple):
    """Integers: times in us, shares in 1/4096, `where` in 1/128 pixel.

    bandwidth   share of a change followed in a step     refractory, dead_spread   times blind
    noise       spread of a threshold                    start      spread of first references
    when, where spread of a recording's time and place   gain       spread of its thresholds
    brighter    p of an event where it became brighter   stray_one  share of strays with p = 1
    length      of a recording                           step       time between positions
    height, width   rows and columns of the sensor
    """

    bandwidth: int
    refractory: int
    dead_spread: int
    noise: int
    start: int
    when: int
    where: int
    gain: int
    length: int
    brighter: int
    stray_one: int
    height: int
    width: int
    step: int


class Lens(NamedTuple):
    """Projection of one axis of the field by the lens.

    share        int32 (scene, field)   share of a field pixel's light in each scene pixel, 4096 = all
    first, last  int64 (field,)         scene pixels first .. last - 1 get all of it
    """

    share: NDArray[np.int32]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


class Tables(NamedTuple):
    """Integer tables of a camera for the kernels, made by data/camera/tables.py.

    display     int32 (256,)           luminance of a grey value, 0..65535
    rows, columns   Lens               of the two axes; a scene has MARGIN pixels round the sensor
    level       int32 (4097,)          log of (luminance >> 4) + background, in 1/4096
    path        int32 (step, 2)        displacement of the scene (x, y), 1/128 pixel, one a step
    normal      int32 (1024,)          a normal distribution by its quantiles, 4096 = 1 sigma
    on, off     int32 (pixel,)         each pixel's mean threshold, in 1/4096 of log intensity
    stray       uint32 (count,)        distribution function of the number of stray events, in 2^-32
    leak        uint32 (pixel,)        distribution function of the pixel they come from, in 2^-32
    """

    display: NDArray[np.int32]
    rows: Lens
    columns: Lens
    level: NDArray[np.int32]
    path: NDArray[np.int32]
    normal: NDArray[np.int32]
    on: NDArray[np.int32]
    off: NDArray[np.int32]
    stray: NDArray[np.uint32]
    leak: NDArray[np.uint32]
    settings: Settings


class Draw(NamedTuple):
    """Key of a recording's random words: image number, split int64, seed uint64."""

    number: int
    split: int
    seed: int


@kernel
def words(draw, purpose, count):
    """Four random words, uint64 of 32 bits; purpose, count int64."""
    return philox4x32(
        np.uint64(count),
        np.uint64(CAMERA << 16 | purpose),
        np.uint64(draw.number),
        np.uint64(draw.split),
        np.uint64(draw.seed) & LOW,
        np.uint64(draw.seed) >> HALF,
    )


@kernel
def normal_of(normal, word):
    """A normal variate from the top bits of a word, 4096 = 1 sigma."""
    return np.int64(normal[np.int64(word) >> (32 - NORMAL_BITS)])


@kernel
def pattern_words(draw, out):
    """A word for each pixel of the sensor, uint64 (pixel,) of 32 bits."""
    for pixel in range(out.shape[0]):
        out[pixel] = words(draw, PATTERN, pixel)[0]


@kernel
def expose(image, tables, wide, scene):
    """Write the log intensity of an image (uint8, the field) behind the lens to `scene`.

    wide   int32 (row of the field, column of the scene), scratch
    scene  int32 (row, column), written
    """
    high, broad = image.shape
    rows, columns = tables.rows, tables.columns
    width = scene.shape[1]
    for i in range(high):
        for c in range(width):
            wide[i, c] = 0
        for j in range(broad):
            light = tables.display[image[i, j]]
            if light:
                for c in range(columns.first[j], columns.last[j]):
                    wide[i, c] += np.int32(light * columns.share[c, j])
        for c in range(width):
            wide[i, c] >>= np.int32(12)
    top = np.int32(tables.level.shape[0] - 1)
    for r in range(scene.shape[0]):
        for c in range(width):
            scene[r, c] = 0
    for i in range(high):
        for r in range(rows.first[i], rows.last[i]):
            share = rows.share[r, i]
            if share:
                for c in range(width):
                    scene[r, c] += np.int32(wide[i, c] * share)
    for r in range(scene.shape[0]):
        for c in range(width):
            scene[r, c] = tables.level[min(scene[r, c] >> np.int32(12 + LOG_SHIFT), top)]


@kernel
def look(scene, dx, dy, seen):
    """Log intensity on the sensor, int32 (height, width), of a scene displaced by dx, dy (1/128 pixel)."""
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
    height, width = seen.shape
    for y in range(height):
        upper = scene[y0 + y, x0 : x0 + width + 1]
        lower = scene[y0 + y + 1, x0 : x0 + width + 1]
        row = seen[y]
        for x in range(width):
            row[x] = np.int32(
                np.int32(upper[x] * a + upper[x + 1] * b)
                + np.int32(lower[x] * c + lower[x + 1] * d)
            ) >> np.int32(2 * PATH_BITS)
