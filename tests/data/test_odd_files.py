"""Files of one's own that are no such files: a message each, and never a traceback."""

import json

import event_encoders as encoders
import numpy as np
import pytest
from event_strategies import random_events
from PIL import Image

from neurosim.data.folders import text_lines
from neurosim.data.sets import events, images, spikes
from neurosim.data.sets.base import Options
from neurosim.data.source import SourceError

STEPS = (np.random.default_rng(0).random((6, 4, 8)) < 0.3).astype(np.uint8)
Y = np.arange(6) % 2
LISTS = {"times": np.arange(6) * 1000, "units": np.arange(6), "samples": np.arange(6), "y": Y}


def opened(reader, place):
    return reader.open_source(str(place), Options(), None)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": STEPS, "y": Y, "plane": np.array(["a", "b"])}, "plane is"),
        ({"x": STEPS, "y": Y, "plane": np.array([2.0, np.nan])}, "plane is"),
        ({"x": STEPS, "y": np.array(3)}, "single value"),
        ({"x": STEPS, "y": np.zeros((6, 0))}, "needed are 6 integers or texts"),
        ({"x": STEPS, "y": np.array([b"\xff"] * 6)}, "no UTF-8"),
        ({"x": STEPS, "y": np.full(6, 2**64 - 1, np.uint64)}, r"below 2\^63"),
        (
            {"x": STEPS[..., :1], "y": Y, "inputs": np.array(8), "bitorder": np.array([], "U3")},
            "bitorder",
        ),
        ({**LISTS, "times": np.array(["a"] * 6)}, "times are <U1"),
        ({**LISTS, "times": np.full(6, np.nan)}, "times reach from nan"),
        ({**LISTS, "times": np.full(6, 1e300)}, "times reach from 1e"),
        ({**LISTS, "units": np.full(6, 0.5)}, "units are float64"),
        ({**LISTS, "samples": np.full(6, 1 << 40)}, "samples reach from"),
        ({**LISTS, "samples": np.zeros(6, complex)}, "samples are complex128"),
    ],
)
def test_odd_arrays_of_spikes_are_refused(tmp_path, changed, message):
    np.savez(tmp_path / "a.npz", **changed)
    with pytest.raises(SourceError, match=message):
        opened(spikes, tmp_path / "a.npz")


def test_labels_of_two_integer_types_keep_their_names(tmp_path):
    parts = {"train_y": Y.astype(np.uint64), "test_y": Y.astype(np.int64)}
    np.savez(tmp_path / "a.npz", train_x=STEPS, test_x=STEPS, **parts)
    assert opened(spikes, tmp_path / "a.npz").about.class_names == ("0", "1")


@pytest.fixture
def recordings(tmp_path):
    for number in range(6):
        (tmp_path / f"{number}.npy").write_bytes(encoders.npy_file(random_events(9, (8, 8))))
    return tmp_path


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (b"0.npy,a\xff", "byte 7 is no UTF-8"),
        (b"0.npy,a\0b", "have no row|line contains NUL"),
        (b'0.npy,"' + b"a" * 200_000, "field larger than field limit"),
        (b"\0,a", "row 1|line contains NUL"),
    ],
)
def test_odd_tables_of_labels_are_refused(recordings, table, message):
    (recordings / "labels.csv").write_bytes(table)
    with pytest.raises(SourceError, match=message):
        opened(events, recordings)


def test_a_text_without_end_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("neurosim.data.folders.MOST_TEXT", 9)
    (tmp_path / "a").write_bytes(b"0123456789")
    with pytest.raises(SourceError, match="has 10 bytes; read are 9"):
        text_lines(tmp_path / "a")
    (tmp_path / "a").write_bytes("\ufeffa\r\nb".encode())
    assert text_lines(tmp_path / "a") == ["a", "b"]


def folder_of_images(tmp_path, names=("left hand", "right hand")):
    for name in names:
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(4):
            pixels = np.full((6, 6), 40 * number, np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / name / f"{number} a.png")
    return tmp_path / "images"


def test_lists_of_files_take_names_with_blanks(tmp_path):
    folder = folder_of_images(tmp_path)
    for part, numbers in (("train", (0, 1)), ("test", (2, 3))):
        lines = [f"{name.name}/{n} a.png" for name in sorted(folder.iterdir()) for n in numbers]
        (tmp_path / f"{part}.txt").write_text("\n".join(lines))
    found = opened(images, folder)
    assert {part: len(labels) for part, labels in found.labels.items()} == {"train": 4, "test": 4}
    assert not any("left out" in note for note in found.about.notes)


def test_a_list_that_is_no_text_is_refused(tmp_path):
    folder = folder_of_images(tmp_path)
    (tmp_path / "train.txt").write_bytes(b"\xff")
    (tmp_path / "test.txt").write_text("left hand/0 a.png")
    with pytest.raises(SourceError, match="byte 0 is no UTF-8"):
        opened(images, folder)


def summary_of(accuracy, samples, sha256):
    found = {"test_accuracy": accuracy, "test_samples": samples, "weights_sha256": sha256}
    return json.dumps({"generations": 4, **found})


@pytest.mark.parametrize(
    "summary",
    [
        "[]",
        "3",
        "[" * 100_000,
        "{}",
        summary_of("high", 9, "a"),
        summary_of(7, 9, "a"),
        summary_of(0.5, 0, 3),
    ],
)
def test_a_summary_that_is_none_counts_as_missing(tmp_path, summary):
    from learning.record import read_summary

    assert read_summary(tmp_path) == {}
    (tmp_path / "summary.json").write_text(summary)
    assert read_summary(tmp_path) == {}


@pytest.mark.parametrize(
    "starts",
    ["[3, null]", "7", '[{"date": 5, "compile_seconds": "x"}]', '[{"compile_seconds": 1e999}]'],
)
def test_odd_entries_of_provenance_are_left_out(tmp_path, starts):
    from neurosim.app import provenance

    text = f'{{"format": "{provenance.FORMAT}", "starts": {starts}}}'
    (tmp_path / provenance.PROVENANCE).write_text(text)
    assert not any(provenance.read(tmp_path))
    (tmp_path / provenance.PROVENANCE).write_text("[" * 100_000)
    assert provenance.read(tmp_path) == []
