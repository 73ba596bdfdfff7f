"""Image files of every kind a person may have: read to the same pixels and labels, or refused with advice."""

import itertools
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from neurosim.app.cli import main
from neurosim.data import datasets, grey
from neurosim.data.datasets import Options
from neurosim.data.sets import images
from neurosim.data.source import SourceError

PIXELS = np.random.default_rng(5).integers(0, 256, (30, 9, 14)).astype(np.uint8)
PIXELS[0, 0, :2] = 0, 255
LABELS = np.arange(30) % 3

VALUES = {
    "uint8": lambda grey: grey,
    "uint16": lambda grey: grey.astype(np.uint16) * 257,
    "int16": lambda grey: grey.astype(np.int16),
    "int64": lambda grey: grey.astype(np.int64),
    "float32 0..1": lambda grey: grey.astype(np.float32) / 255,
    "float64 0..255": lambda grey: grey.astype(np.float64),
}
SHAPES = {
    "grey": lambda array: array,
    "one channel": lambda array: array[..., None],
    "colour": lambda array: np.stack([array] * 3, axis=-1),
    "channels first": lambda array: np.stack([array] * 3, axis=1),
    "transparent": lambda array: np.stack([array] * 4, axis=-1),
}
NAMES = ("cat", "dog", "eel")
LABEL_KINDS = {
    "uint8": lambda labels: labels.astype(np.uint8),
    "int64 from 7": lambda labels: labels + 7,
    "int32 column": lambda labels: labels.astype(np.int32)[:, None],
    "text": lambda labels: np.array(NAMES)[labels],
    "bytes": lambda labels: np.array([name.encode() for name in NAMES])[labels],
    "one-hot": lambda labels: np.eye(3, dtype=np.float32)[labels],
}
KEYS = {
    "own": ("train_x", "train_y", "test_x", "test_y"),
    "keras": ("x_train", "y_train", "x_test", "y_test"),
    "images": ("train_images", "train_labels", "test_images", "test_labels"),
    "data": ("data_train", "targets_train", "data_test", "targets_test"),
}
WANTED_NAMES = {"int64 from 7": ("7", "8", "9"), "text": NAMES, "bytes": NAMES}


def write(path, x, y, keys):
    np.savez(path, **dict(zip(keys, (x[:20], y[:20], x[20:], y[20:]), strict=True)))
    return path


@pytest.mark.parametrize("keys", KEYS)
@pytest.mark.parametrize("values", VALUES)
def test_every_kind_of_file_holds_the_same_images(tmp_path, values, keys):
    for shape, labels in itertools.product(SHAPES, LABEL_KINDS):
        x, y = SHAPES[shape](VALUES[values](PIXELS)), LABEL_KINDS[labels](LABELS)
        found = images.load_npz(write(tmp_path / "images.npz", x, y, KEYS[keys]))
        holds_the_images(found, values, shape, labels)


def holds_the_images(found, values, shape, labels):
    assert np.array_equal(found.pixels("train", np.arange(20)), PIXELS[:20])
    assert np.array_equal(found.pixels("test", np.arange(10)), PIXELS[20:])
    assert found.labels["train"].tolist() == LABELS[:20].tolist()
    assert found.labels["test"].tolist() == LABELS[20:].tolist()
    assert found.class_names == WANTED_NAMES.get(labels, ("0", "1", "2"))
    said = " ".join(found.notes)
    assert ("luma" in said) == (shape in ("colour", "channels first", "transparent"))
    assert ("float" in said) == ("float" in values)


PAIRS = [
    (values, list(SHAPES)[(row + column) % len(SHAPES)], labels)
    for row, values in enumerate(VALUES)
    for column, labels in enumerate(LABEL_KINDS)
]
"""Every dtype with every kind of label, shapes in turn: every shape meets every dtype, too."""
TINY = [
    *("--hidden", "8", "--pairs", "8", "--groups", "8", "--generations", "1", "--steps", "3"),
    *("--sensor", "17x17", "--validation-samples", "4"),
]


@pytest.mark.parametrize(("values", "shape", "labels"), PAIRS)
def test_every_kind_of_file_trains(tmp_path, monkeypatch, capfd, values, shape, labels):
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path / "cache"))
    x, y = SHAPES[shape](VALUES[values](PIXELS)), LABEL_KINDS[labels](LABELS)
    path = write(tmp_path / "images.npz", x, y, KEYS["keras"])
    run = tmp_path / "run"
    assert main(["train", "--data", f"images:{path}", "--run", str(run), *TINY]) == 0
    said = capfd.readouterr().err
    assert f"3 classes: {', '.join(WANTED_NAMES.get(labels, ('0', '1', '2')))}" in said
    assert "train: 18 samples of 3 classes" in said
    assert main(["evaluate", str(run), "--json"]) == 0
    results = json.loads(capfd.readouterr().out)
    assert results["classes"] == list(WANTED_NAMES.get(labels, ("0", "1", "2")))
    assert np.sum(results["confusion"]) == results["samples"] == 10


@pytest.mark.parametrize("skip", [1, 7, 18])
def test_images_at_the_beginning_are_left_out_of_training_alone(tmp_path, monkeypatch, skip):
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path / "cache"))
    path = write(tmp_path / "images.npz", PIXELS, LABELS, KEYS["keras"])
    source = datasets.source(f"images:{path}", options=Options(skip=skip))
    assert source.labels["train"].tolist() == LABELS[skip:20].tolist()
    assert source.labels["test"].tolist() == LABELS[20:].tolist()
    kept = images.load_npz(path).without_first(skip)
    assert np.array_equal(kept.pixels("train", np.arange(20 - skip)), PIXELS[skip:20])
    assert np.array_equal(kept.pixels("test", np.arange(10)), PIXELS[20:])
    data = datasets.load(f"images:{path}", options=Options(skip=skip))
    assert len(data.train.labels) + len(data.validation.labels) == 20 - skip
    assert any(f"first {skip} training images are left out" in note for note in data.notes)
    assert data.key != datasets.load(f"images:{path}").key


@pytest.mark.parametrize("skip", [19, 20, 1000])
def test_skipping_so_many_that_nothing_is_left_to_train_with_is_refused(tmp_path, skip):
    path = write(tmp_path / "images.npz", PIXELS, LABELS, KEYS["keras"])
    with pytest.raises(datasets.DatasetError, match=f"skip is {skip}; of 20 training images"):
        datasets.source(f"images:{path}", options=Options(skip=skip))


def test_a_folder_of_images_has_no_first_ones_to_skip(tmp_path):
    with pytest.raises(datasets.DatasetError, match=r"skip needs an \.npz file"):
        datasets.source(f"images:{tmp_path}", options=Options(skip=1))


@settings(max_examples=50)
@given(st.lists(st.integers(0, 255), min_size=3, max_size=3))
def test_luma_is_the_rounded_weighted_sum(colour):
    r, g, b = colour
    made = grey.luma(np.array([[colour]], np.uint8))
    assert made.tolist() == [[(299 * r + 587 * g + 114 * b + 500) // 1000]]


def test_names_of_classes_and_number_of_classes(tmp_path):
    y = np.arange(600) % 300
    np.savez(tmp_path / "many.npz", x=np.zeros((600, 5, 5), np.uint8), y=y)
    found = images.load_npz(tmp_path / "many.npz")
    assert len(found.class_names) == 300
    assert found.labels["train"].dtype == np.uint16
    assert sorted(np.concatenate(list(found.labels.values()))) == sorted(y)
    named = np.array([f"n{number}" for number in range(300)])
    np.savez(tmp_path / "named.npz", x=np.zeros((600, 5, 5), np.uint8), y=y, classes=named)
    assert images.load_npz(tmp_path / "named.npz").class_names == tuple(named)


def test_without_a_test_split_a_fifth_of_each_class_is_kept(tmp_path):
    np.savez(tmp_path / "all.npz", images=PIXELS, labels=LABELS)
    found = images.load_npz(tmp_path / "all.npz")
    assert np.bincount(found.labels["test"]).tolist() == [2, 2, 2]
    assert np.bincount(found.labels["train"]).tolist() == [8, 8, 8]
    assert any("no test split" in note for note in found.notes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x": PIXELS.astype(np.float32) - 1}, "pixels reach from -1"),
        ({"x": PIXELS.astype(np.float32) * 2}, "pixels reach to 510"),
        ({"x": PIXELS.astype(np.int64) << 20}, "pixels reach to"),
        ({"x": np.where(PIXELS == 255, np.nan, PIXELS)}, "not finite"),
        ({"x": PIXELS.astype(np.complex64)}, "complex64"),
        ({"x": PIXELS[0]}, r"needed is \(image, height, width\)"),
        ({"x": np.zeros((30, 3, 3, 7, 2))}, r"needed is \(image, height, width\)"),
        ({"x": np.zeros((30, 5000, 1), np.uint8)}, "allowed are 1..4096 a side"),
        ({"y": LABELS.astype(float)}, "needed are 30 integers or texts"),
        ({"y": LABELS[:-1]}, "needed are 30 integers or texts"),
        ({"y": np.zeros(30, np.uint8)}, "1 class; allowed are 2..1000"),
        ({"y": np.zeros((30, 3))}, "not one-hot"),
        ({"x": np.zeros((1200, 2, 2), np.uint8), "y": np.arange(1200)}, "1,200 classes"),
        ({"y": None}, "'x' without its labels"),
        ({"classes": np.array(["a", "b"])}, "2 class names allow 0..1"),
        ({"classes": np.array(["a", "b", "b"])}, "two classes have one name"),
    ],
)
def test_files_that_cannot_be_used_are_refused_with_advice(tmp_path, changes, said):
    arrays = {"x": PIXELS, "y": LABELS, **changes}
    np.savez(tmp_path / "bad.npz", **{n: a for n, a in arrays.items() if a is not None})
    with pytest.raises(SourceError, match=said) as raised:
        images.load_npz(tmp_path / "bad.npz")
    assert "bad.npz" in str(raised.value)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def folders(top, parts=("",)):
    for part, (number, name) in itertools.product(parts, enumerate(NAMES)):
        for index in range(5):
            save(top / part / name / f"{index}.png", PIXELS[5 * number + index])
    return top


def test_class_folders_are_classes(tmp_path):
    found = images.load_folder(folders(tmp_path))
    assert found.class_names == NAMES
    assert np.bincount(found.labels["train"]).tolist() == [4, 4, 4]
    assert np.bincount(found.labels["test"]).tolist() == [1, 1, 1]
    for part in ("train", "test"):
        read = found.pixels(part, np.arange(len(found.labels[part])))
        known = {PIXELS[n].tobytes(): n // 5 for n in range(15)}
        assert [known[one.tobytes()] for one in read] == found.labels[part].tolist()


@pytest.mark.parametrize("parts", [("train", "test"), ("Training", "val")])
def test_folders_of_parts_are_parts(tmp_path, parts):
    found = images.load_folder(folders(tmp_path / "pictures", parts))
    assert np.bincount(found.labels["train"]).tolist() == [5, 5, 5]
    assert np.bincount(found.labels["test"]).tolist() == [5, 5, 5]


@pytest.mark.parametrize("named", ["whole", "linked", "."])
def test_lists_beside_the_folder_split_it(tmp_path, monkeypatch, named):
    folders(tmp_path / "pictures")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(tmp_path / "pictures")
    monkeypatch.chdir(tmp_path / "pictures")
    top = {
        "whole": tmp_path / "pictures",
        "linked": tmp_path / "elsewhere" / "link",
        ".": Path("."),
    }
    chosen = {"train": range(1, 5), "test": range(1)}
    for part, numbers in chosen.items():
        lines = [f"{name}/{n}.png\n" for name in NAMES for n in numbers]
        (tmp_path / f"{part}.txt").write_text("".join(lines) + "cat/readme\n")
    found = images.load_folder(top[named])
    read = found.pixels("test", np.arange(3))
    assert [one.tobytes() for one in read] == [PIXELS[n].tobytes() for n in (0, 5, 10)]
    assert any("of other kinds" in note for note in found.notes)
    (tmp_path / "test.txt").write_text("cat/99.png\n")
    with pytest.raises(SourceError, match=r"test.txt: line 1: 'cat/99.png' is not in"):
        images.load_folder(top[named])


def test_files_of_any_mode_and_suffix(tmp_path):
    colour = np.random.default_rng(1).integers(0, 256, (6, 5, 3)).astype(np.uint8)
    folders(tmp_path)
    save(tmp_path / "cat" / "colour.PNG", colour)
    save(tmp_path / "dog" / "wide.png", (PIXELS[0].astype(np.uint16) * 257))
    save(tmp_path / "eel" / "photo.jpeg", colour, quality=95)
    found = images.load_folder(tmp_path)
    assert any("luma" in note for note in found.notes)
    assert np.array_equal(grey.read_file(tmp_path / "cat" / "colour.PNG"), grey.luma(colour))
    assert np.array_equal(grey.read_file(tmp_path / "dog" / "wide.png"), PIXELS[0])
    assert grey.read_file(tmp_path / "eel" / "photo.jpeg").shape == (6, 5)


def test_litter_is_left_out_and_said_once(tmp_path):
    folders(tmp_path)
    clean = images.load_folder(tmp_path)
    for path in ("._cat", ".DS_Store", "cat/._0.png", "dog/Thumbs.db", "__MACOSX/cat/._0.png"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"\0\5\x16\7")
    found = images.load_folder(tmp_path)
    assert found.content() == clean.content()
    assert sum("operating system" in note for note in found.notes) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cat/7.png", b"", "no bytes"),
        ("cat/7.png", bytes(300), "not a readable image"),
        ("cat/7.png.part", b"x", "has not ended"),
        ("fox/", None, "no data in 1 of 4 class folders: fox"),
        ("loose.png", b"x", "1 files lie beside the class folders"),
    ],
)
def test_missing_data_are_refused(tmp_path, name, content, said):
    folders(tmp_path)
    if content is None:
        (tmp_path / name).mkdir()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=said):
        images.load_folder(tmp_path)


def test_a_damaged_image_is_named_when_it_is_read(tmp_path):
    folders(tmp_path)
    whole = (tmp_path / "cat" / "1.png").read_bytes()
    (tmp_path / "cat" / "1.png").write_bytes(whole[: len(whole) // 2])
    found = images.load_folder(tmp_path)

    def read_all():
        for part in ("train", "test"):
            found.pixels(part, np.arange(len(found.labels[part])))

    with pytest.raises(SourceError, match=r"1\.png: not a readable image"):
        read_all()


@pytest.mark.parametrize("side", [5000, 20000, (1 << 31) - 1])
@pytest.mark.parametrize("read", [grey.probe_file, grey.read_file])
def test_a_size_beyond_all_bounds_is_refused_before_memory_is_taken(tmp_path, side, read):
    """Pillow has an error of its own for sizes that look like a bomb, which is no ValueError."""
    path = tmp_path / "large.bmp"
    Image.fromarray(PIXELS[0]).save(path)
    content = bytearray(path.read_bytes())
    content[18:26] = struct.pack("<ii", side, side)
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"large\.bmp"):
        read(path)


@pytest.mark.parametrize(
    "error", [KeyError("x"), struct.error("short"), IndexError(), MemoryError()]
)
def test_whatever_a_decoder_raises_names_the_file(tmp_path, monkeypatch, error):
    path = tmp_path / "odd.png"
    Image.fromarray(PIXELS[0]).save(path)

    def fails(*_, **__):
        raise error

    monkeypatch.setattr(Image.Image, "getchannel", fails)
    with pytest.raises(SourceError, match=r"odd\.png: not a readable image"):
        grey.read_file(path)
