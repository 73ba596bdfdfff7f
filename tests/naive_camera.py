"""Simulated event camera, pixel by pixel in Python integers, from docs/camera.md and the docstrings."""

from bisect import bisect_left
from fractions import Fraction

from naive import MASK, philox4x32

STREAM, PER_IMAGE, THRESHOLD, EVENT, STRAY = 8, 0, 1, 2, 3
MARGIN = 8


def draw(who, purpose, count):
    """Four words for (number, split, seed)."""
    number, split, seed = who
    return philox4x32((count, STREAM << 16 | purpose, number, split), (seed & MASK, seed >> 32))


def event_words(who, pixel, when):
    """The words of an event: pixel and time in the counter, what does not fit in the purpose."""
    purpose = EVENT | pixel >> 12 << 4 | max(when, 0) >> 20 << 8
    return draw(who, purpose, (pixel & 0xFFF) << 20 | when & 0xFFFFF)


def scene_of(image, tables):
    """Log intensity of the scene, a list of rows."""
    rows, columns = tables.rows.share.tolist(), tables.columns.share.tolist()
    light = [[int(tables.display[grey]) for grey in line] for line in image.tolist()]
    wide = [
        [sum(a * b for a, b in zip(line, share, strict=True)) >> 12 for share in columns]
        for line in light
    ]
    made = []
    for share in rows:
        total = [
            sum(part * line[c] for part, line in zip(share, wide, strict=True))
            for c in range(len(columns))
        ]
        made.append([int(tables.level[min(one >> 16, len(tables.level) - 1)]) for one in total])
    return made


def seen_at(scene, pixel, width, dx, dy):
    """What a pixel sees of a displaced scene, interpolated in 1/128 pixel."""
    across = (pixel % width + MARGIN) * 128 - dx
    down = (pixel // width + MARGIN) * 128 - dy
    (x, fx), (y, fy) = divmod(across, 128), divmod(down, 128)
    above = scene[y][x] * (128 - fx) + scene[y][x + 1] * fx
    below = scene[y + 1][x] * (128 - fx) + scene[y + 1][x + 1] * fx
    return above * (128 - fy) + below * fy >> 14


def normal_of(tables, word):
    return int(tables.normal[word >> 22])


def events_of_pixel(pixel, levels, thresholds, start, tables, who, late):
    """Events (t, p) of one pixel that sees `levels`, one a step."""
    settings, step = tables.settings, tables.settings.step
    mean_on, mean_off = thresholds
    on, off, v, reference, free = mean_on, mean_off, levels[0], start, -(1 << 30)
    found = []
    for n, seen in enumerate(levels[1:]):
        begin = n * step + late
        was, v = v, v + ((seen - v) * settings.bandwidth >> 12)
        if free > begin + step:
            reference = v
        gone = 0
        while gone < step and not -off < v - reference < on:
            brighter = v > reference
            target = reference + (on if brighter else -off)
            when = begin
            if v != was:
                when += min(max((target - was) * step // (v - was), 0), step - 1)
            when = max(when, free)
            if 0 <= when < settings.length:
                found.append((when, settings.brighter if brighter else 1 - settings.brighter))
            w0, w1, w2, _ = event_words(who, pixel, when)
            on, off = (
                mean * max(4096 + (normal_of(tables, word) * settings.noise >> 12), 1024) >> 12
                for mean, word in ((mean_on, w0), (mean_off, w1))
            )
            free = when + settings.refractory + (w2 * settings.dead_spread >> 32)
            gone = min(free - begin, step)
            reference = was + (v - was) * gone // step
    return found


def record(image, tables, who):
    """All events (t, x, y, p) of an image uint8 (the field), sorted; `who` is (number, split, seed)."""
    settings, width = tables.settings, tables.settings.width
    scene = scene_of(image, tables)
    w0, w1, w2, w3 = draw(who, PER_IMAGE, 0)
    late = normal_of(tables, w0) * settings.when >> 12
    shift = [normal_of(tables, word) * settings.where >> 12 for word in (w1, w2)]
    gain = max(4096 + (normal_of(tables, w3) * settings.gain >> 12), 1024)
    limit = ((MARGIN - 1) << 7) - 1
    path = [
        [min(max(a + b, -limit), limit) for a, b in zip(shift, place, strict=True)]
        for place in tables.path.tolist()
    ]
    found = []
    for pixel in range(settings.height * width):
        thresholds = [int(mean[pixel]) * gain >> 12 for mean in (tables.on, tables.off)]
        levels = [seen_at(scene, pixel, width, dx, dy) for dx, dy in path]
        part = normal_of(tables, draw(who, THRESHOLD, pixel)[0]) * settings.start >> 12
        start = levels[0] + (part * thresholds[0] >> 12)
        for when, p in events_of_pixel(pixel, levels, thresholds, start, tables, who, late):
            found.append((when, pixel % width, pixel // width, p))
    for n in range(bisect_left(tables.stray.tolist(), draw(who, STRAY, 0)[0])):
        w0, w1, w2, _ = draw(who, STRAY, n + 1)
        pixel = bisect_left(tables.leak.tolist(), w0)
        p = int(w2 >> 20 < settings.stray_one)
        found.append((w1 * settings.length >> 32, pixel % width, pixel // width, p))
    return sorted(found)


def weights(size, made):
    """Weight of each of `size` pixels in each of `made`, as fractions that sum to one."""
    rows = []
    for i in range(made):
        if made < size:
            begin, end = Fraction(i * size, made), Fraction((i + 1) * size, made)
            row = [max(min(end, j + 1) - max(begin, j), 0) / (end - begin) for j in range(size)]
        else:
            place = Fraction((2 * i + 1) * size, 2 * made) - Fraction(1, 2)
            place = min(max(place, 0), size - 1)
            row = [max(1 - abs(place - j), 0) for j in range(size)]
        rows.append(row)
    return rows


def resampled(image, rows, columns):
    """An image as nested lists with so many rows and columns, halves rounded up."""
    down, across = weights(len(image), rows), weights(len(image[0]), columns)
    return [
        [
            int(
                Fraction(1, 2)
                + sum(
                    a * b * image[r][c]
                    for r, a in enumerate(line)
                    if a
                    for c, b in enumerate(column)
                    if b
                )
            )
            for column in across
        ]
        for line in down
    ]
