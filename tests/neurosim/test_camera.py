"""Simulated camera: reproducible events, with the properties of an event camera."""

import hashlib
from dataclasses import replace

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.data import events, frames
from neurosim.data.camera import camera
from neurosim.data.camera.tables import tables
from neurosim.data.sets import nmnist
from neurosim.kernels.data import scene


def shapes(count: int) -> np.ndarray:
    """Images with a bright bar or a box each, all different."""
    images = np.zeros((count, 28, 28), np.uint8)
    for i in range(count):
        images[i, 4 + i % 10 : 20, 6 + i : 10 + i + i % 3] = 255 - 8 * i
    return images


IMAGES = shapes(12)


@settings(max_examples=8)
@given(st.integers(0, (1 << 64) - 1), st.integers(0, 7), st.permutations(range(12)))
def test_an_image_does_not_depend_on_the_others(seed, split, order):
    together = camera.record(IMAGES, seed, split=split)
    shuffled = camera.record(IMAGES[order], seed, split=split, indices=order)
    for place, number in enumerate(order):
        assert np.array_equal(shuffled[place], together[number])
    alone = camera.record(IMAGES[3:4], seed, split=split, indices=[3])
    assert np.array_equal(alone[0], together[3])


def test_threads_do_not_change_a_bit():
    before = numba.get_num_threads()
    try:
        made = []
        for threads in {1, numba.config.NUMBA_NUM_THREADS}:
            numba.set_num_threads(threads)
            made.append((camera.bits(IMAGES, 5).tobytes(), camera.record(IMAGES, 5)))
    finally:
        numba.set_num_threads(before)
    for bits, recordings in made[1:]:
        assert bits == made[0][0]
        for one, other in zip(recordings, made[0][1], strict=True):
            assert np.array_equal(one, other)


def test_frames_are_those_of_the_events():
    for steps, pool in ((10, 1), (7, 2)):
        recorded = frames.from_events(
            camera.record(IMAGES, 2), [0] * 12, nmnist.binning(steps, pool)
        )
        assert np.array_equal(camera.bits(IMAGES, 2, steps=steps, pool=pool), recorded.bits)


def test_recordings_are_recordings():
    for recording in camera.record(IMAGES, 1):
        events.check(recording)
        assert len(recording)
        assert recording["t"].max() < camera.CAMERA.length_us


def test_seeds_and_splits_differ():
    made = {
        camera.record(IMAGES[:1], seed, split=split)[0].tobytes()
        for seed in (0, 1)
        for split in (0, 1)
    }
    assert len(made) == 4


def test_the_same_seed_gives_the_same_events_everywhere():
    """Measured once; another machine, numpy or numba that differs here would differ in training."""
    packed = np.dtype([("t", "<u4"), ("x", "u1"), ("y", "u1"), ("p", "u1")])
    recorded = camera.record(IMAGES, 7)
    digest = hashlib.sha256(b"".join(one.astype(packed).tobytes() for one in recorded))
    assert digest.hexdigest()[:16] == "cd5a0fa066335e71"


def test_a_black_image_sends_strays_alone():
    black = np.zeros((40, 28, 28), np.uint8)
    quiet = replace(camera.CAMERA, stray=0.0, hot=())
    assert sum(map(len, camera.record(black, camera=quiet))) == 0
    mean = np.mean([len(one) for one in camera.record(black)])
    strays = camera.CAMERA.stray + sum(events for _, _, events in camera.CAMERA.hot)
    assert abs(mean - strays) < 5 * np.sqrt(strays / 40)


def test_a_still_image_is_not_seen():
    still = replace(camera.CAMERA, path=((0.0, 0.0),), stray=0.0, hot=(), start=0.0)
    assert sum(map(len, camera.record(IMAGES, camera=still))) == 0


def test_a_leading_edge_has_the_polarity_of_the_files():
    """The image moves to the right: a bright bar covers new pixels on its right side."""
    path = tuple((step / 20, 0.0) for step in range(60))
    moving = replace(camera.CAMERA, path=path, stray=0.0, hot=())
    bar = np.zeros((1, 28, 28), np.uint8)
    bar[0, 6:22, 12:15] = 255
    recording = camera.record(bar, camera=moving)[0]
    leading, trailing = (recording[recording["p"] == p] for p in (0, 1))
    assert leading["x"].mean() > trailing["x"].mean() + 1
    other = camera.record(bar, camera=replace(moving, leading_edge=1))[0]
    assert np.array_equal(other["p"], 1 - recording["p"])


def test_a_pixel_is_blind_after_an_event():
    quiet = replace(camera.CAMERA, stray=0.0, hot=())
    for recording in camera.record(IMAGES, camera=quiet):
        pixel = recording["y"].astype(int) * 34 + recording["x"]
        order = np.lexsort((recording["t"], pixel))
        gap = np.diff(recording["t"][order].astype(int))[np.diff(pixel[order]) == 0]
        assert gap.min() >= camera.CAMERA.refractory_us


def test_the_lens_keeps_the_light():
    for lens in tables(camera.CAMERA)[1:3]:
        light = lens.share.sum(0)
        assert abs(light - 4096 * camera.CAMERA.magnification).max() <= 34 + 2 * scene.MARGIN


@pytest.mark.parametrize(
    ("images", "options", "said"),
    [
        (np.zeros((2, 28, 28)), {}, "images are float64"),
        (np.zeros((28, 28), np.uint8), {}, r"needed is uint8 \(image, height, width\)"),
        (np.zeros((2, 8, 0), np.uint8), {}, r"\(2, 8, 0\); .* sides of 1 to 4096 pixels"),
        ([np.zeros((2, 8, 8), np.uint8)], {}, r"image 0 are uint8 \(2, 8, 8\)"),
        (IMAGES, {"seed": -1}, r"seed is -1; allowed are integers 0\.\.2\^64 - 1"),
        (IMAGES, {"split": 1.5}, "split is 1.5"),
        (IMAGES, {"indices": [0]}, "needed are 12 integers"),
        (IMAGES, {"indices": [-1] * 12}, "indices reach from -1"),
    ],
)
def test_what_the_camera_cannot_take_is_refused(images, options, said):
    with pytest.raises(camera.CameraError, match=said):
        camera.record(images, **options)


@pytest.mark.parametrize(
    ("setting", "value"),
    [("background", 0.0), ("threshold", (0.1, 0.0)), ("refractory_us", 0), ("path", ((9.0, 0.0),))],
)
def test_settings_out_of_range_are_refused(setting, value):
    with pytest.raises(camera.CameraError, match=setting):
        replace(camera.CAMERA, **{setting: value})


def test_simulated_recordings_resemble_the_real_ones(shared):
    """The same digits, by eye of the ten bins: cells that a real and a simulated recording share."""
    numbers, real = np.arange(0, 700, 7), []
    for number in numbers:
        real += [
            nmnist.read(path)
            for path in (shared / "data/NMNIST/Train").glob(f"*/{number + 1:05}.bin")
        ]
    with np.load(shared / "data/mnist.npz") as mnist:
        simulated = camera.record(mnist["train_x"][numbers], indices=numbers)
    assert abs(np.mean([*map(len, simulated)]) / np.mean([*map(len, real)]) - 1) < 0.1
    cells = [
        frames.unpack(frames.from_events(recorded, [0] * len(numbers), nmnist.binning())).astype(
            float
        )
        for recorded in (real, simulated)
    ]
    per_bin = [cell.sum((0, 2)) for cell in cells]
    assert abs(per_bin[1] / per_bin[0] - 1).max() < 0.25
    pair = np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(*cells, strict=True)])
    other = np.mean(
        [
            np.corrcoef(a.ravel(), b.ravel())[0, 1]
            for a, b in zip(cells[0], cells[1][1:], strict=False)
        ]
    )
    assert pair > 0.5 > 2 * other


def test_recordings_pair_with_the_images_they_are_called_after(shared):
    """00001.bin is MNIST's first training image."""
    files, labels = nmnist.files(shared / "data/NMNIST", "train")
    with np.load(shared / "data/mnist.npz") as mnist:
        assert np.array_equal(mnist["train_y"][[int(file.stem) - 1 for file in files]], labels)
