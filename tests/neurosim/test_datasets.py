"""Data sets: a name gives the same frames each time, and everything else is refused with advice."""

import sys
from pathlib import Path
from typing import ClassVar

import event_encoders
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.data import cache, datasets, events, frames
from neurosim.data.camera import camera
from neurosim.data.formats.recording import EventFileError
from neurosim.data.sensor import Sensor
from neurosim.data.sets import digits, nmnist


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NEUROSIM_DATA", str(tmp_path / "data"))
    return tmp_path / "cache"


def recording(number: int) -> events.Events:
    rng = np.random.default_rng(number)
    t = np.sort(rng.integers(0, 310_000, 40))
    return events.make(t, *(rng.integers(0, top, 40) for top in (34, 34, 2)))


def write_recording(path: Path, recorded: events.Events) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(event_encoders.bin_file(recorded))


def write_recordings(folder: Path, train: int = 30, test: int = 10) -> Path:
    for part, count in (("Train", train), ("Test", test)):
        for number in range(count):
            name = f"{part}/{number * 7 % 10}/{number + 1:05}.bin"
            write_recording(folder / name, recording(1000 * (part == "Test") + number))
    return folder


def write_images(path: Path, **changes: object) -> Path:
    rng = np.random.default_rng(0)
    arrays: dict[str, object] = {}
    for part, count in (("train", 20), ("test", 4)):
        arrays[f"{part}_x"] = rng.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        arrays[f"{part}_y"] = (np.arange(count) % 10).astype(np.uint8)
    arrays |= changes
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def same(one: datasets.Dataset, other: datasets.Dataset) -> bool:
    return one.key == other.key and all(
        np.array_equal(a.bits, b.bits) and np.array_equal(a.labels, b.labels)
        for a, b in zip(one[1:4], other[1:4], strict=True)
    )


def test_a_folder_of_recordings(tmp_path: Path):
    folder = write_recordings(tmp_path / "recordings")
    data = datasets.load(f"nmnist:{folder}")
    assert [len(split.labels) for split in data[1:4]] == [27, 3, 10]
    assert (data.classes, data.sensor, data.steps, data.train.inputs) == (
        10,
        Sensor(34, 34),
        10,
        2312,
    )
    expected = frames.from_events(
        [recording(1000 + n) for n in range(10)], data.test.labels, nmnist.binning()
    )
    assert np.array_equal(data.test.bits, expected.bits)
    assert data.test.labels.tolist() == [n * 7 % 10 for n in range(10)]
    first = datasets.events(f"nmnist:{folder}", "train", 0)
    made = frames.from_events([first], data.train.labels[:1], nmnist.binning())
    assert np.array_equal(made.bits[0], data.train.bits[0])


def test_images_are_shown_to_the_camera(tmp_path: Path):
    path = write_images(tmp_path / "images.npz")
    data = datasets.load(f"images:{path}", steps=5, pool=2, seed=3)
    assert [split.bits.shape for split in data[1:4]] == [(18, 5, 16), (2, 5, 16), (4, 5, 16)]
    assert data.sensor == Sensor(17, 17)
    with np.load(path) as archive:
        test = camera.bits(archive["test_x"], 3, split=1, steps=5, pool=2)
    assert np.array_equal(data.test.bits, test)


def test_recordings_repeat_each_training_image(tmp_path: Path):
    name = f"images:{write_images(tmp_path / 'images.npz')}"
    once, thrice = datasets.load(name), datasets.load(name, recordings_per_image=3)
    assert thrice.train.bits.shape[0] == 3 * 18
    assert np.array_equal(thrice.train.bits[:18], once.train.bits)
    assert np.array_equal(thrice.train.labels[18:36], once.train.labels)
    assert not np.array_equal(thrice.train.bits[18:36], once.train.bits)
    assert np.array_equal(thrice.test.bits, once.test.bits)
    second = frames.from_events(
        [datasets.events(name, "train", 5, recording=1)], [0], nmnist.binning()
    )
    assert np.array_equal(second.bits[0], thrice.train.bits[18 + 5])


def test_digits_are_those_of_scikit_learn(monkeypatch):
    """Read from its file, or where the file is elsewhere by its function."""
    read = digits._digits_table()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    loaded = digits._digits_table()
    assert read.shape == (1797, 65)
    assert read.dtype == loaded.dtype == np.int64
    assert np.array_equal(read, loaded)


def test_digits_need_no_download():
    shown = digits.digits()
    assert shown.pixels["train"].shape == (1437, 28, 28)
    assert shown.pixels["test"].shape == (360, 28, 28)
    ink = shown.pixels["train"] > 127
    assert not ink[:, :3].any()
    assert not ink[:, -3:].any()
    assert 0.05 < ink.mean() < 0.25
    splits = datasets._splits(datasets.source("digits"), 0)
    assert [len(numbers) for _, numbers in splits.values()] == [1294, 143, 360]


def test_nmnist_is_split_as_in_the_paper():
    class Whole:
        labels = {"train": np.zeros(60_000), "test": np.zeros(10_000)}  # noqa: RUF012

    splits = datasets._splits(Whole(), 0)
    assert [len(numbers) for _, numbers in splits.values()] == [54_000, 6_000, 10_000]
    both = np.concatenate([splits["train"][1], splits["validation"][1]])
    assert np.array_equal(np.sort(both), np.arange(60_000))
    assert splits["validation"][1][:5].tolist() == [12188, 24953, 42192, 27214, 21627]


@settings(max_examples=10)
@given(st.integers(0, 500), st.integers(0, (1 << 64) - 1))
def test_a_shuffle_keeps_every_number_once(count, seed):
    order = datasets.shuffled(count, seed)
    assert np.array_equal(np.sort(order), np.arange(count))
    assert np.array_equal(order, datasets.shuffled(count, seed))


def test_the_second_load_is_the_first(tmp_path: Path, monkeypatch):
    name = f"images:{write_images(tmp_path / 'images.npz')}"
    calls: list[tuple[int, int, str]] = []
    first = datasets.load(name, progress=lambda *call: calls.append(call))
    assert calls[-1][:2] == (24, 24)
    monkeypatch.setattr(camera, "bits", None)
    assert same(datasets.load(name), first)


@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "manifest"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, own_cache: Path, damage):
    name = f"images:{write_images(tmp_path / 'images.npz')}"
    first = datasets.load(name)
    (kept,) = (own_cache / "frames").iterdir()
    file = kept / ("manifest.json" if damage == "manifest" else "train-bits.npy")
    content = bytearray(file.read_bytes())
    if damage == "remove":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(content[:-7])
    else:
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    assert cache.load(kept.name) is None
    assert same(datasets.load(name), first)
    assert cache.load(kept.name) is not None


def test_changed_content_is_seen(tmp_path: Path):
    folder = write_recordings(tmp_path / "recordings")
    first = datasets.load(f"nmnist:{folder}")
    write_recording(folder / "Test/0/00001.bin", recording(99))
    second = datasets.load(f"nmnist:{folder}")
    assert first.key != second.key
    assert not np.array_equal(first.test.bits[0], second.test.bits[0])


def test_equal_data_has_equal_keys_wherever_it_lies(tmp_path: Path):
    keys = {
        datasets.load(f"nmnist:{write_recordings(tmp_path / place)}").key
        for place in ("here", "there")
    }
    assert len(keys) == 1


def test_parameters_change_the_key(tmp_path: Path):
    name = f"images:{write_images(tmp_path / 'images.npz')}"
    options = [{}, {"steps": 5}, {"pool": 2}, {"seed": 1}, {"recordings_per_image": 2}]
    assert len({datasets.load(name, **option).key for option in options}) == len(options)


def test_unpacked_nmnist_is_used_where_it_is(tmp_path: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tonic", None)
    write_recordings(tmp_path / "data" / "NMNIST")
    assert len(datasets.load("nmnist").test.labels) == 10
    assert len(datasets.load("nmnist", folder=tmp_path / "data").test.labels) == 10
    assert len(datasets.load("nmnist", folder=tmp_path / "data" / "NMNIST").test.labels) == 10


def test_missing_tonic_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tonic", None)
    with pytest.raises(datasets.DatasetError, match=r'pip install "neurosim-eggroll\[nmnist\]"'):
        datasets.load("nmnist")


def stand_in(monkeypatch, work):
    class Tonic:
        class datasets:
            NMNIST = staticmethod(work)

        class download_utils:
            _urlretrieve = check_integrity = None
            _ARCHIVE_EXTRACTORS: ClassVar = {}

    monkeypatch.setitem(sys.modules, "tonic", Tonic)


def test_a_download_appears_when_it_is_whole(tmp_path: Path, monkeypatch):
    def download(save_to: str, train: bool) -> None:
        write_recordings(Path(save_to) / "NMNIST", *((30, 0) if train else (0, 10)))

    stand_in(monkeypatch, download)
    with pytest.raises(datasets.DatasetError, match="30 recordings to train; 60000 are right"):
        datasets.load("nmnist")
    assert list((tmp_path / "data").iterdir()) == []
    monkeypatch.setattr(nmnist, "RECORDINGS", {"train": 30, "test": 10})
    assert len(datasets.load("nmnist").validation.labels) == 3
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["NMNIST"]


def test_a_broken_connection_is_explained(tmp_path: Path, monkeypatch):
    def download(save_to: str, train: bool) -> None:
        raise ConnectionError("no route to host")

    stand_in(monkeypatch, download)
    with pytest.raises(
        datasets.DatasetError, match=r"failed \(ConnectionError: no route to host\)"
    ):
        datasets.load("nmnist")
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("name", ["mnist", "", "nmnist:", "images:", "digits:x", "DIGITS"])
def test_errors_on_unknown_names_list_the_known_ones(name):
    with pytest.raises(
        datasets.DatasetError,
        match=r"names are digits, images:FILE\.npz, images:FOLDER, spikes:FILE",
    ):
        datasets.load(name)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train_x": None}, "'train_y' without its images .*; needed are train_x, train_y"),
        ({"train_x": np.full((20, 28, 28), 256.0)}, "pixels reach to 256; allowed are"),
        ({"test_x": np.zeros((4, 8), np.uint8)}, r"test_x is uint8 \(4, 8\)"),
        (
            {"train_y": np.zeros(19, np.uint8)},
            r"labels of train is uint8 \(19,\); needed are 20 integers",
        ),
        ({"train_y": np.zeros(20)}, "labels of train is float64"),
        ({"test_x": np.zeros((0, 28, 28), np.uint8)}, "test_x holds no image"),
        (
            {"train_x": np.zeros((1, 28, 28), np.uint8), "train_y": np.zeros(1, np.uint8)},
            "1 sample to train with",
        ),
        ({"train_x": np.array([None])}, "not a readable .npz file"),
    ],
)
def test_unfit_images_are_refused(tmp_path: Path, changes, said):
    path = write_images(tmp_path / "images.npz", **changes)
    with pytest.raises(datasets.DatasetError, match=said) as raised:
        datasets.load(f"images:{path}")
    assert "images.npz" in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 broken"])
def test_files_that_are_no_archive_are_refused(tmp_path: Path, content):
    (tmp_path / "images.npz").write_bytes(content)
    with pytest.raises(datasets.DatasetError, match=r"not a readable \.npz file"):
        datasets.load(f"images:{tmp_path / 'images.npz'}")


def test_missing_files_and_folders_are_refused(tmp_path: Path):
    with pytest.raises(datasets.DatasetError, match="no such file"):
        datasets.load(f"images:{tmp_path / 'none.npz'}")
    with pytest.raises(datasets.DatasetError, match="no folder 'Train' in it"):
        datasets.load(f"nmnist:{tmp_path / 'none'}")


def test_wrong_layouts_are_refused(tmp_path: Path):
    folder = write_recordings(tmp_path / "recordings")
    (folder / "Test" / "eleven").mkdir()
    with pytest.raises(datasets.DatasetError, match="folder 'eleven' is no class of this data set"):
        datasets.load(f"nmnist:{folder}")
    empty = tmp_path / "empty"
    (empty / "Train" / "0").mkdir(parents=True)
    (empty / "Test").mkdir()
    with pytest.raises(datasets.DatasetError, match=r"9 of 10 class folders are missing"):
        datasets.load(f"nmnist:{empty}")


def test_a_broken_recording_is_named(tmp_path: Path):
    folder = write_recordings(tmp_path / "recordings")
    (folder / "Train/0/00001.bin").write_bytes(b"1234")
    with pytest.raises(EventFileError, match=r"00001\.bin: .*4"):
        datasets.load(f"nmnist:{folder}")


@pytest.mark.parametrize(
    "option",
    [{"seed": -1}, {"seed": 0.5}, {"recordings_per_image": 0}, {"recordings_per_image": True}],
)
def test_options_out_of_range_are_refused(option):
    with pytest.raises(datasets.DatasetError, match=r"allowed are integers"):
        datasets.load("digits", **option)


def test_recorded_files_are_read_once(tmp_path: Path):
    folder = write_recordings(tmp_path / "recordings")
    with pytest.raises(datasets.DatasetError, match="recordings exist once"):
        datasets.load(f"nmnist:{folder}", recordings_per_image=2)


@pytest.mark.parametrize(("split", "index"), [("exam", 0), ("test", 4), ("test", -1)])
def test_samples_that_are_not_there_are_refused(tmp_path: Path, split, index):
    path = write_images(tmp_path / "images.npz")
    with pytest.raises(datasets.DatasetError, match=r"splits are train|has samples 0\.\.3"):
        datasets.events(f"images:{path}", split, index)


def test_real_recordings_end_to_end(shared):
    data = datasets.load(f"nmnist:{shared / 'data/NMNIST'}")
    assert [len(split.labels) for split in data[1:4]] == [630, 70, 100]
    cells = frames.unpack(data.test).sum((1, 2))
    assert 500 < cells.min() < cells.mean() < 2200
