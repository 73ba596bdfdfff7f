"""Frames: every event in exactly one cell, and lossless packing."""

import naive_events
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from neurosim.data import events, frames
from neurosim.data.sensor import Sensor, channels
from neurosim.data.sets import nmnist
from neurosim.kernels.data import binning

STEPS = st.integers(1, 40)
POOLS = st.sampled_from([1, 2, 17, 34])


@st.composite
def recordings(draw: st.DrawFn):
    edge = st.sampled_from([0, 29_999, 30_000, 299_999, 300_000, (1 << 32) - 1])
    place = st.integers(0, 33)
    quad = st.tuples(st.integers(0, 330_000) | edge, place, place, st.integers(0, 1))
    quads = sorted(draw(st.lists(quad, max_size=80)))
    columns = zip(*quads, strict=True) if quads else ((), (), (), ())
    return events.make(*columns)


def quads(recording):
    return [tuple(int(part) for part in event) for event in recording]


@given(recordings(), STEPS, POOLS)
def test_every_event_lands_in_exactly_one_cell(recording, steps, pool):
    counts = frames.count(recording, nmnist.binning(steps, pool))
    assert counts.sum() == len(recording)
    for one in range(len(recording)):
        assert frames.count(recording[one : one + 1], nmnist.binning(steps, pool)).sum() == 1


@given(recordings(), STEPS, POOLS)
def test_counts_are_the_naive_ones(recording, steps, pool):
    expected = naive_events.counts(quads(recording), steps, pool, nmnist.WINDOW_US)
    assert frames.count(recording, nmnist.binning(steps, pool)).tolist() == expected


@given(st.lists(recordings(), max_size=4), STEPS, POOLS)
def test_frames_are_the_counts_clamped_and_packed(many, steps, pool):
    made = frames.from_events(many, [3] * len(many), nmnist.binning(steps, pool))
    assert made.inputs == 2 * (34 // pool) ** 2
    assert made.bits.shape == (len(many), steps, frames.words_for(made.inputs))
    for bits, recording in zip(made.bits, many, strict=True):
        cells = naive_events.counts(quads(recording), steps, pool, nmnist.WINDOW_US)
        assert bits.tolist() == naive_events.pack(cells)


@given(recordings(), STEPS, POOLS)
def test_binning_uncompiled_is_binning_compiled(recording, steps, pool):
    into = nmnist.binning(steps, pool)
    columns = into.steps_of(recording), *(recording[name] for name in "xyp")
    counts = np.zeros((steps, into.plane.inputs), np.int32)
    binning.count_events.py_func(*columns, into.cells, counts)
    assert np.array_equal(counts, frames.count(recording, nmnist.binning(steps, pool)))


@given(
    arrays.arrays(
        np.uint8,
        st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(1, 600)),
        elements=st.integers(0, 1),
    )
)
def test_unpacking_undoes_packing(dense):
    packed = frames.pack(dense, np.arange(len(dense)))
    assert packed.bits.dtype == np.uint64
    assert packed.bits.shape[2] % 8 == 0
    assert np.array_equal(frames.unpack(packed), dense)


@given(
    st.tuples(st.integers(1, 17), st.integers(1, 40)), st.integers(0, 4), st.integers(0, 1 << 32)
)
@example(sensor=(2, 1), reach=3, seed=2)  # off the sensor altogether
def test_a_moved_sample_is_what_a_moved_sensor_sees(sensor, reach, seed):
    numbers = np.random.default_rng(seed)
    dense = (numbers.random((3, 2, 2, *sensor)) < 0.5).astype(np.uint8)
    samples, offsets = numbers.integers(0, 3, 5), numbers.integers(-reach, reach + 1, (5, 2))
    packed = frames.pack(dense.reshape(3, 2, -1), [7, 8, 9])
    seen = frames.shifted(packed, samples, offsets, Sensor(*sensor))
    for index, (sample, (down, right)) in enumerate(zip(samples, offsets, strict=True)):
        wanted = np.zeros_like(dense[0])
        for p, y, x in np.ndindex(2, *sensor):
            if 0 <= y - down < sensor[0] and 0 <= x - right < sensor[1]:
                wanted[:, p, y, x] = dense[sample, :, p, y - down, x - right]
        assert np.array_equal(frames.unpack(seen)[index], wanted.reshape(2, -1))
        assert seen.labels[index] == 7 + sample
    assert not seen.bits[:, :, frames.words_for(seen.inputs) :].any()


def test_frames_that_are_no_sensor_cannot_be_moved():
    packed = frames.pack(np.zeros((1, 1, 9), np.uint8), [0])
    with pytest.raises(frames.FramesError, match="9 inputs are no sensor of 2 x 2"):
        frames.shifted(packed, np.zeros(1, np.int64), np.zeros((1, 2), np.int64), Sensor(2, 2))
    with pytest.raises(frames.FramesError, match="9 channels is no plane"):
        frames.shifted(packed, np.zeros(1, np.int64), np.zeros((1, 2), np.int64), channels(9))


SIDES = st.tuples(st.integers(1, 12), st.integers(1, 12))


@given(SIDES, st.data())
def test_a_plane_divides_what_a_crop_leaves(sides, data):
    """Every pixel of the crop belongs to one cell of every polarity, others to none."""
    sensor = Sensor(*sides)
    height, width = (data.draw(st.integers(1, side)) for side in sides)
    top, left = (
        data.draw(st.integers(0, sides[0] - height)),
        data.draw(st.integers(0, sides[1] - width)),
    )
    plane = tuple(data.draw(st.integers(1, side)) for side in (height, width))
    cells = frames.divide(sensor, plane=plane, crop=frames.Crop(top, left, height, width))
    into = frames.Binning(sensor, cells, 1, 1000)
    for p, y, x in np.ndindex(*sensor.shape):
        counted = frames.count(events.make([0], [x], [y], [p]), into).reshape(into.plane.shape)
        inside = top <= y < top + height and left <= x < left + width
        assert counted.sum() == inside
        if inside:
            row, column = (y - top) * plane[0] // height, (x - left) * plane[1] // width
            assert counted[p, row, column] == 1


@given(recordings(), st.integers(1, 9))
def test_bins_by_count_hold_equally_many_events(recording, steps):
    into = nmnist.binning(steps)._replace(by_count=True)
    each = frames.count(recording, into).sum(axis=1)
    assert each.sum() == len(recording)
    assert each.max() - each.min() <= 1


@given(recordings(), st.integers(1, 9))
def test_events_after_a_chosen_window_are_left_out(recording, steps):
    into = nmnist.binning(steps)._replace(keep_late=False, window_us=250_000)
    expected = naive_events.counts(
        [quad for quad in quads(recording) if quad[0] < 250_000], steps, 1, 250_000
    )
    assert frames.count(recording, into).tolist() == expected


def test_input_j_is_bit_j_mod_64_of_word_j_div_64():
    dense = np.zeros((1, 1, 2312), bool)
    dense[0, 0, [0, 63, 64, 2311]] = True
    bits = frames.pack(dense, [0]).bits[0, 0]
    assert bits.shape == (40,)
    assert int(bits[0]) == 1 | 1 << 63
    assert int(bits[1]) == 1
    assert int(bits[36]) == 1 << 2311 % 64
    assert not bits[37:].any()


def test_an_input_is_polarity_then_row_then_column():
    counts = frames.count(events.make([0], [5], [7], [1]), nmnist.binning(1))
    assert np.flatnonzero(counts[0]).tolist() == [(1 * 34 + 7) * 34 + 5]


@pytest.mark.parametrize("pool", [0, 3, 35, True, 2.0])
def test_pools_that_do_not_divide_the_sensor_are_refused(pool):
    with pytest.raises(
        frames.FramesError, match=r"allowed are the divisors of 34: \[1, 2, 17, 34\]"
    ):
        nmnist.binning(10, pool)


@pytest.mark.parametrize("steps", [0, -1, 1001, 2.5, True])
def test_steps_out_of_range_are_refused(steps):
    with pytest.raises(frames.FramesError, match=r"allowed are integers 1\.\.1000"):
        frames.count(events.make([0], [0], [0], [0]), nmnist.binning(steps))


@pytest.mark.parametrize(
    ("dense", "labels", "said"),
    [
        (np.zeros((2, 3)), [0, 0], "dense frames are float64"),
        (np.full((1, 1, 5), 2, np.uint8), [0], "of 0 and 1"),
        (np.zeros((2, 1, 5), bool), [0], "needed are 2 integers"),
        (np.zeros((1, 1, 5), bool), [1000], "0..999"),
        (np.zeros((1, 1, 5), bool), [0.5], "float64"),
    ],
)
def test_frames_that_cannot_be_are_refused(dense, labels, said):
    with pytest.raises(frames.FramesError, match=said):
        frames.pack(dense, labels)
