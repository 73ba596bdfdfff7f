"""Cameras of other sensors and images of other sizes: equal bits with the oracle, whoever asks."""

import hashlib
from dataclasses import replace

import naive_camera
import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.data import frames
from neurosim.data.camera import camera
from neurosim.data.camera import images as camera_images
from neurosim.data.camera.tables import tables
from neurosim.kernels.data import camera as kernels
from neurosim.kernels.data.scene import Draw

OTHERS = ("ncaltech101", "cifar10dvs")


@st.composite
def cameras(draw):
    """Small cameras for a few milliseconds, each setting somewhere in its range."""
    places = st.tuples(st.floats(-6, 6), st.floats(-6, 6))
    return camera.Camera(
        sensor=(draw(st.integers(8, 11)), draw(st.integers(8, 13))),
        field=(draw(st.integers(1, 12)), draw(st.integers(1, 12))),
        path=tuple(draw(st.lists(places, min_size=1, max_size=4))),
        path_us=draw(st.sampled_from([1000, 1500, 4000])),
        step_us=draw(st.sampled_from([300, 1000, 2500])),
        length_us=draw(st.integers(1000, 6000)),
        window_us=draw(st.integers(1000, 8000)),
        magnification=draw(st.floats(0.5, 1.5)),
        threshold=draw(st.sampled_from([(0.05, 0.05), (0.084, 0.2), (0.3, 0.1)])),
        bandwidth=draw(st.sampled_from([1.0, 0.3])),
        refractory_us=draw(st.sampled_from([100, 1700])),
        stray=draw(st.sampled_from([0.0, 12.0])),
        hot=draw(st.sampled_from([(), ((2, 3, 5.5),)])),
        leading_edge=draw(st.integers(0, 1)),
    )


def noise_image(size, seed):
    return np.random.default_rng(seed).integers(0, 256, size).astype(np.uint8)


@settings(max_examples=25)
@given(
    cameras(),
    st.integers(0, (1 << 32) - 1),
    st.integers(0, (1 << 32) - 1),
    st.integers(0, (1 << 64) - 1),
)
def test_a_recording_is_the_oracles(small, number, split, seed):
    image = noise_image(small.field, number % 1000)
    expected = naive_camera.record(image, tables(small), (number, split, seed))
    recorded = camera.record([image], seed, split=split, indices=[number], camera=small)[0]
    assert sorted(recorded.tolist()) == expected
    assert (np.diff(recorded["t"].astype(np.int64)) >= 0).all()


def test_pixels_and_times_beyond_one_counter_word_are_the_oracles():
    for pixel in (0, 4095, 4096, 43_199, 65_535):
        for when in (-700, 0, 0xFFFFF, 1 << 20, 3_999_999):
            found = kernels.event_words(Draw(3, 1, 9), pixel, when)
            assert [*map(int, found)] == [*naive_camera.event_words((3, 1, 9), pixel, when)]


def test_uncompiled_kernels_agree():
    small = camera.Camera(sensor=(8, 9), field=(5, 6), length_us=2000, stray=20.0, hot=())
    image = noise_image((5, 6), 0)
    made = []
    for kernel in (kernels.record_image, kernels.record_image.py_func):
        sink, scratch = kernels.make_sink(4000), kernels.make_scratch(tables(small))
        draw = Draw(np.int64(1), np.int64(2), np.uint64(3))
        found = kernel(image, tables(small), draw, sink, scratch)
        made.append(sorted(zip(*(column[:found].tolist() for column in sink), strict=True)))
    assert made[0] == made[1] == naive_camera.record(image, tables(small), (1, 2, 3))


@given(st.data(), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_resampling_is_exact(data, high, broad, rows, columns):
    image = noise_image((high, broad), data.draw(st.integers(0, 99)))
    out = np.empty((rows, columns), np.uint8)
    kernel = data.draw(
        st.sampled_from([camera_images.resample, camera_images.resample.py_func]), "kernel"
    )
    kernel(image, camera_images.axis(high, rows), camera_images.axis(broad, columns), out)
    assert out.tolist() == naive_camera.resampled(image.tolist(), rows, columns)


@given(st.integers(1, 4096), st.integers(1, 256))
def test_weights_of_a_pixel_sum_to_the_total(size, made):
    way = camera_images.axis(size, made)
    assert (way.weight.sum(1) == way.total).all()
    assert way.weight.min() >= 0
    inside = way.first[:, None] + np.arange(way.weight.shape[1])
    assert not way.weight[inside >= size].any()
    assert way.first.min() >= 0
    assert 255 * way.total**2 < 1 << 62


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 256), st.integers(1, 256))
def test_a_fitted_image_touches_the_field_and_keeps_its_shape(high, broad, rows, columns):
    made = camera_images.fitted_size((high, broad), (rows, columns))
    assert made[0] <= rows
    assert made[1] <= columns
    assert made[0] == rows or made[1] == columns
    scale = min(rows / high, columns / broad)
    assert abs(made[0] - scale * high) <= 1
    assert abs(made[1] - scale * broad) <= 1


def test_an_image_of_the_fields_size_stays_as_it_is():
    image = noise_image((28, 28), 1)
    assert np.array_equal(camera_images.fit([image], camera.CAMERA)[0], image)
    stack = image[None]
    assert np.array_equal(camera.record(stack)[0], camera.record([image])[0])


def test_what_an_image_leaves_free_is_black():
    white = [np.full((10, 40), 255, np.uint8)]
    placed = camera_images.fit(white, camera.by_name("ncaltech101"))[0]
    assert placed.shape == (180, 240)
    assert (placed[60:120] == 255).all()
    assert not placed[:60].any()
    assert not placed[120:].any()


def bits_of(recordings, chosen, steps, plane):
    """Frames of recordings, event by event."""
    (height, width), (rows, columns) = chosen.sensor, plane
    dense = np.zeros((len(recordings), steps, 2 * rows * columns), np.uint8)
    for sample, recording in enumerate(recordings):
        for t, x, y, p in recording.tolist():
            step = min(t * steps // chosen.window_us, steps - 1)
            place = (p * rows + y * rows // height) * columns + x * columns // width
            dense[sample, step, place] = 1
    return frames.pack(dense, np.zeros(len(recordings), np.uint8)).bits


def cells_of(chosen, plane):
    return frames.divide(camera.sensor_of(chosen), plane=plane)


@settings(max_examples=10)
@given(cameras(), st.integers(1, 12), st.data())
def test_bits_are_those_of_the_events(small, steps, data):
    plane = tuple(data.draw(st.integers(1, side)) for side in small.sensor)
    images = [noise_image((7, 5 + n), n) for n in range(3)]
    recorded = camera.record(images, 3, camera=small)
    made = camera.bits(images, 3, camera=small, steps=steps, cells=cells_of(small, plane))
    assert np.array_equal(made, bits_of(recorded, small, steps, plane))


@pytest.mark.parametrize("name", OTHERS)
def test_a_named_cameras_bits_are_those_of_its_events(name):
    chosen = camera.by_name(name)
    images = [noise_image((20, 30), 1), noise_image((9, 9), 2)]
    recorded = camera.record(images, 1, camera=chosen)
    for plane in ((30, 40), (7, 11)):
        made = camera.bits(images, 1, camera=chosen, steps=6, cells=cells_of(chosen, plane))
        assert np.array_equal(made, bits_of(recorded, chosen, 6, plane))
    pooled = camera.bits(images, 1, camera=chosen, pool=4)
    sides = tuple(side // 4 for side in chosen.sensor)
    assert np.array_equal(
        pooled, camera.bits(images, 1, camera=chosen, cells=cells_of(chosen, sides))
    )


@pytest.mark.parametrize("name", OTHERS)
def test_threads_and_neighbours_change_nothing(name):
    chosen = camera.by_name(name)
    images = [noise_image((6 + n, 8), n) for n in range(4)]
    before = numba.get_num_threads()
    try:
        made = []
        for threads in {1, numba.config.NUMBA_NUM_THREADS}:
            numba.set_num_threads(threads)
            made.append(
                camera.bits(images, 5, camera=chosen, cells=cells_of(chosen, (30, 40))).tobytes()
            )
    finally:
        numba.set_num_threads(before)
    assert len(set(made)) == 1
    alone = camera.bits(
        images[2:3], 5, indices=[2], camera=chosen, cells=cells_of(chosen, (30, 40))
    )
    assert alone.tobytes() in made[0]


@pytest.mark.parametrize(
    ("name", "digest"),
    [("ncaltech101", "d031376d1d489568"), ("cifar10dvs", "bb07f9290cf0f83f")],
)
def test_the_same_seed_gives_the_same_events_everywhere(name, digest):
    """Measured once; another machine, numpy or numba that differs here would differ in training."""
    recording = camera.record([noise_image((12, 16), 0)], 7, camera=camera.by_name(name))[0]
    columns = [recording[column].astype("<i8").tobytes() for column in "txyp"]
    assert hashlib.sha256(b"".join(columns)).hexdigest()[:16] == digest


def test_a_recording_longer_than_expected_is_kept_whole(monkeypatch):
    small = camera.Camera(sensor=(8, 8), field=(8, 8), stray=100.0, hot=())
    images = [noise_image((8, 8), n) for n in range(2)]
    whole = camera.record(images, camera=small), camera.bits(images, camera=small).tobytes()
    monkeypatch.setattr(camera, "_MIN_EVENTS", 10)
    monkeypatch.setattr(camera, "_EVENTS_PER_PIXEL", 0)
    again = camera.record(images, camera=small), camera.bits(images, camera=small).tobytes()
    assert again[1] == whole[1]
    for one, other in zip(whole[0], again[0], strict=True):
        assert len(one) > 10
        assert np.array_equal(one, other)


def test_the_closed_loops_are_closed_and_as_long_as_the_window():
    chosen = camera.by_name("cifar10dvs")
    path = np.array(chosen.path)
    assert (len(path) - 1) * chosen.path_us == chosen.window_us == 1_200_000
    loop = (len(path) - 1) // 6
    assert np.allclose(path[:-loop], path[loop:])
    assert np.allclose(np.abs(np.diff(path, axis=0)), 0.5)
    assert np.allclose(np.abs(path).sum(1), 2.5)


def test_many_strays_are_counted_as_few_are():
    for mean in (400.0, 600.0, 4000.0):
        quiet = camera.Camera(stray=mean, hot=())
        counts = [len(one) for one in camera.record(np.zeros((60, 28, 28), np.uint8), camera=quiet)]
        assert abs(np.mean(counts) - mean) < 5 * np.sqrt(mean / 60)
        assert 0.5 < np.std(counts) / np.sqrt(mean) < 1.6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"plane": (35, 34)}, r"35 rows of a sensor of 34 x 34 pixels.*allowed are 1\.\.34"),
        ({"plane": (5, 0)}, "0 columns"),
        ({"plane": (5.0, 5)}, "5.0 rows"),
        ({"plane": (17, 17), "pool": 2}, "allowed is one of them"),
    ],
)
def test_planes_that_cannot_be_are_refused(options, said):
    with pytest.raises((camera.CameraError, frames.FramesError), match=said):
        frames.divide(camera.sensor_of(camera.CAMERA), **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pool": 3}, r"pool is 3; allowed are the divisors of 34: \[1, 2, 17, 34\]"),
        ({"steps": 0}, "steps is 0"),
    ],
)
def test_frames_that_cannot_be_are_refused(options, said):
    with pytest.raises((camera.CameraError, frames.FramesError), match=said):
        camera.bits(np.zeros((1, 28, 28), np.uint8), **options)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("sensor", (34, 300)),
        ("sensor", (34.0, 34)),
        ("sensor", (34, 34, 2)),
        ("field", (0, 1)),
        ("hot", ((34, 0, 1.0),)),
        ("window_us", 0),
        ("step_us", 1.5),
        ("path_us", 1),
        ("length_us", 5_000_000),
    ],
)
def test_geometry_out_of_range_is_refused(setting, value):
    with pytest.raises(camera.CameraError, match=setting):
        replace(camera.CAMERA, **{setting: value})


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([np.zeros((3, 3))], r"image 0 are float64 \(3, 3\)"),
        ([np.zeros((3, 3), np.uint8), np.zeros(3, np.uint8)], "image 1 are uint8"),
        (np.zeros((1, 5000, 3), np.uint8), "sides of 1 to 4096 pixels"),
    ],
)
def test_images_that_no_camera_takes_are_refused(images, said):
    with pytest.raises(camera.CameraError, match=said):
        camera.record(images)


def test_a_camera_of_another_name_is_refused():
    assert [camera.by_name(name) for name in camera.CAMERAS] == [*camera.CAMERAS.values()]
    with pytest.raises(camera.CameraError, match=r"'dvs'.*nmnist, ncaltech101, cifar10dvs"):
        camera.by_name("dvs")


def test_no_images_make_no_recordings():
    assert camera.record([]) == []
    assert camera.bits(np.zeros((0, 28, 28), np.uint8)).shape[0] == 0
