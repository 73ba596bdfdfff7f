"""Integer tables of a camera, which its kernels read.

This is the last place with floating point. Rounding to a few thousand levels removes differences in the last
bit of log or cosine between machines, so recordings have the same bits everywhere.
"""

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from neurosim.data.camera.model import Camera
from neurosim.kernels.data import scene

_ONE = 4096
TAIL_STEPS = 20
"""Steps after the end, since a recording may begin early; chosen here."""
_MANY_STRAYS = 500
"""Above this mean a Poisson distribution is taken for a normal one: exp(-mean) would underflow at 745."""


def _lens(camera: Camera, axis: int) -> scene.Lens:
    """Share of each field pixel's light at each scene pixel: a box seen through a Gaussian."""
    spread = NormalDist(0.0, camera.blur)
    size, pixels = camera.sensor[axis] + 2 * scene.MARGIN, camera.field[axis]
    share = np.zeros((size, pixels), np.int32)
    first, last = np.zeros(pixels, np.int64), np.zeros(pixels, np.int64)
    for pixel in range(pixels):
        start = (pixel - pixels / 2) * camera.magnification + (size - 1) / 2
        reach = 5 * camera.blur + 1
        first[pixel] = min(max(math.floor(start - reach), 0), size)
        last[pixel] = min(max(math.ceil(start + camera.magnification + reach), 0), size)
        for place in range(first[pixel], last[pixel]):
            left = (pixel - pixels / 2) * camera.magnification - (place - (size - 1) / 2)
            part = spread.cdf(left + camera.magnification) - spread.cdf(left)
            share[place, pixel] = round(_ONE * part)
    return scene.Lens(share, first, last)


def _path(camera: Camera) -> NDArray[np.int32]:
    """Displacement (x, y) each step: a Catmull-Rom curve through the nodes, then at rest."""
    steps = camera.length_us // camera.step_us + TAIL_STEPS
    nodes = camera.path
    path = np.zeros((steps, 2), np.int32)
    for step in range(steps):
        node, part = divmod(step * camera.step_us, camera.path_us)
        f = part / camera.path_us
        four = [nodes[min(max(node + k, 0), len(nodes) - 1)] for k in (-1, 0, 1, 2)]
        for axis in range(2):
            a, b, c, d = (place[axis] for place in four)
            curve = b + 0.5 * f * (
                c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a))
            )
            path[step, axis] = round(curve * (1 << scene.PATH_BITS))
    return path


def _pattern(camera: Camera, field: int) -> list[float]:
    """A fixed normal variate for each pixel: one sensor, the same in every recording."""
    normal = NormalDist()
    words = np.empty(camera.sensor[0] * camera.sensor[1], np.uint64)
    scene.pattern_words(scene.Draw(field, 0, 0), words)
    return [normal.inv_cdf((word + 0.5) / (1 << 32)) for word in words.tolist()]


def _thresholds(camera: Camera, side: int) -> NDArray[np.int32]:
    """Each pixel's mean threshold; part of its deviation is common to both sides."""
    return np.array(
        [
            round(
                _ONE
                * camera.threshold[side]
                * math.exp(camera.mismatch * both + camera.side_mismatch * own)
            )
            for both, own in zip(_pattern(camera, 0), _pattern(camera, 1 + side), strict=True)
        ],
        np.int32,
    )


def _leak(camera: Camera) -> tuple[float, NDArray[np.uint32]]:
    """Mean number of stray events, and the distribution function of their pixel in units of 2^-32."""
    weight = [math.exp(camera.stray_spread * z) for z in _pattern(camera, 3)]
    whole = sum(weight)
    rate = [camera.stray * w / whole for w in weight]
    for x, y, events in camera.hot:
        rate[y * camera.sensor[1] + x] += events
    total, table = 0.0, []
    for one in rate:
        total += one
        table.append(total)
    top = (1 << 32) - 1
    scale = top / total if total else 0.0
    return total, np.array([min(round(part * scale), top) for part in table], np.uint32)


def _poisson(mean: float) -> NDArray[np.uint32]:
    """Distribution function of a Poisson variate in units of 2^-32."""
    if mean > _MANY_STRAYS:
        return _normal_counts(mean)
    table, term, total = [], math.exp(-mean), 0.0
    for n in range(int(mean + 10 * math.sqrt(mean + 1)) + 10):
        total += term
        term *= mean / (n + 1)
        table.append(min(round(total * (1 << 32)), (1 << 32) - 1))
    return np.array(table, np.uint32)


def _normal_counts(mean: float) -> NDArray[np.uint32]:
    """Distribution function of a normal count of this mean and variance, rounded to 2^-16."""
    spread = NormalDist(mean, math.sqrt(mean))
    top = (1 << 16) - 1
    counts = range(math.ceil(mean + 6 * math.sqrt(mean)))
    return np.array([round(top * spread.cdf(n + 0.5)) << 16 for n in counts], np.uint32)


@lru_cache(maxsize=8)
def tables(camera: Camera) -> scene.Tables:
    """The camera in integers; rounding removes differences in the last bit of a library's log."""
    quantiles = 1 << scene.NORMAL_BITS
    light = 1 << (16 - scene.LOG_SHIFT)
    strays, leak = _leak(camera)
    settings = scene.Settings(
        bandwidth=round(_ONE * camera.bandwidth),
        refractory=camera.refractory_us,
        dead_spread=camera.dead_spread_us,
        noise=round(_ONE * camera.noise),
        start=round(_ONE * camera.start),
        when=camera.when_us,
        where=round((1 << scene.PATH_BITS) * camera.where),
        gain=round(_ONE * camera.gain),
        length=camera.length_us,
        brighter=camera.leading_edge,
        stray_one=round(_ONE * camera.stray_one),
        height=camera.sensor[0],
        width=camera.sensor[1],
        step=camera.step_us,
    )
    return scene.Tables(
        display=np.array([round(65535 * (g / 255) ** camera.gamma) for g in range(256)], np.int32),
        rows=_lens(camera, 0),
        columns=_lens(camera, 1),
        level=np.array(
            [round(_ONE * math.log(1 + i / light / camera.background)) for i in range(light + 1)],
            np.int32,
        ),
        path=_path(camera),
        normal=np.array(
            [round(_ONE * NormalDist().inv_cdf((i + 0.5) / quantiles)) for i in range(quantiles)],
            np.int32,
        ),
        on=_thresholds(camera, 0),
        off=_thresholds(camera, 1),
        stray=_poisson(strays),
        leak=leak,
        settings=settings,
    )
