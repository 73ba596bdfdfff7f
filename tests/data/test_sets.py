"""Data sets of recordings: the real sets' layouts, one's own files, and nothing lost in silence."""

import json
import shutil
import sys
from pathlib import Path
from typing import ClassVar

import command
import event_encoders
import numpy as np
import pytest

from neurosim.data import cache, datasets, events, frames
from neurosim.data.datasets import DatasetError, Options
from neurosim.data.sensor import Sensor, channels
from neurosim.data.sets import cifar10dvs, ncaltech101, shd
from neurosim.data.splits import held_out


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NEUROSIM_DATA", str(tmp_path / "data"))


def recording(seed, sensor=(34, 34), count=60, length=250_000, start=0):
    rng = np.random.default_rng(seed)
    t = start + np.sort(rng.integers(0, length, count))
    x, y = rng.integers(0, sensor[1], count), rng.integers(0, sensor[0], count)
    return events.make(t, x, y, rng.integers(0, 2, count))


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def nmnist(folder, each=2):
    for part in ("Train", "Test"):
        for digit in range(10):
            for number in range(each):
                name = f"{part}/{digit}/{digit + 10 * number:05}.bin"
                write(folder / name, event_encoders.bin_file(recording(number)))
    return folder


def refused(name, said, **options):
    with pytest.raises(DatasetError, match=said):
        datasets.load(name, options=Options(**options))


def test_found_classes_and_samples_are_printed_for_every_split(tmp_path):
    printed = datasets.load(f"nmnist:{nmnist(tmp_path / 'n')}").notes
    assert printed[0] == "10 classes: 0, 1, 2, 3, ..., 9"
    assert [note.split(":")[0] for note in printed[1:4]] == ["train", "validation", "test"]
    assert printed[3] == "test: 20 samples of 10 classes, 2 of each"
    assert printed[1].startswith("train: 18 samples")


@pytest.mark.parametrize("part", ["Train", "Test"])
def test_a_missing_or_empty_class_of_a_named_set_is_refused(tmp_path, part):
    folder = nmnist(tmp_path / "n")
    for path in (folder / part / "7").iterdir():
        path.unlink()
    refused(f"nmnist:{folder}", f"{part}: no recording in 1 class folders: 7")
    (folder / part / "7").rmdir()
    refused(f"nmnist:{folder}", "1 of 10 class folders are missing: 7")
    data = datasets.load(f"nmnist:{folder}", options=Options(partial=True))
    assert data.classes == 10
    assert "none of 7" in " ".join(data.notes)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Train/eight/1.bin", "folder 'eight' is no class of this data set"),
        ("Train/3/00099.bin.part", "has not ended"),
        ("Train/3/00099.bin", "no bytes"),
    ],
)
def test_what_shows_a_broken_copy_is_refused(tmp_path, name, said):
    folder = nmnist(tmp_path / "n")
    write(folder / name, b"")
    refused(f"nmnist:{folder}", said)


def test_a_half_unpacked_archive_is_named(tmp_path):
    folder = nmnist(tmp_path / "n")
    shutil.rmtree(folder / "Train" / "9")
    write(folder / "Train" / "9.zip", b"PK")
    refused(f"nmnist:{folder}", r"9\.zip lies there: unpack it")


def test_a_class_of_another_spelling_is_named(tmp_path):
    for name in ncaltech101.CLASSES:
        write(tmp_path / name / "image_0001.bin", event_encoders.bin_file(recording(1)))
    (tmp_path / "yin_yang").rename(tmp_path / "Yin-Yang")
    refused(f"ncaltech101:{tmp_path}", "folder 'Yin-Yang' is spelt 'yin_yang'")


def test_zero_filled_files_are_refused(tmp_path):
    folder = nmnist(tmp_path / "n")
    (folder / "Train/3/00003.bin").write_bytes(bytes(4000))
    with pytest.raises(ValueError, match=r"00003\.bin: .*zero"):
        datasets.load(f"nmnist:{folder}")


@pytest.mark.parametrize(
    "litter", ["Train/3/._00003.bin", "Train/.DS_Store", "Train/__MACOSX/3/a.bin", "Test/Thumbs.db"]
)
def test_litter_of_systems_is_left_out(tmp_path, litter):
    folder = nmnist(tmp_path / "n")
    clean = datasets.load(f"nmnist:{folder}")
    write(folder / litter, b"\0\5\x16\7 AppleDouble")
    found = datasets.load(f"nmnist:{folder}")
    assert found.key == clean.key
    assert sum("operating system" in note for note in found.notes) == 1


def test_labels_of_another_set_are_numbered_by_the_network_s_classes(tmp_path):
    np.savez(
        tmp_path / "s.npz", x=np.eye(20)[:, None], y=np.array(["dog", "cat"])[np.arange(20) % 2]
    )
    data = datasets.load(f"spikes:{tmp_path / 's.npz'}", steps=1)
    again = datasets.relabelled(data, ("ant", "dog", "cat"))
    assert data.class_names == ("cat", "dog")
    assert again.class_names == ("ant", "dog", "cat")
    for one, other in zip(data[1:4], again[1:4], strict=True):
        names = [data.class_names[label] for label in one.labels]
        assert [again.class_names[label] for label in other.labels] == names
    with pytest.raises(
        DatasetError, match="has samples of dog; the network's classes are ant, cat"
    ):
        datasets.relabelled(data, ("ant", "cat"))


@pytest.mark.parametrize(
    ("name", "option", "said"),
    [
        ("digits", {"holdout": "jackson"}, "cannot use --holdout"),
        ("digits", {"partial": True}, "cannot use --partial"),
        ("nmnist:x", {"camera": "nmnist"}, "cannot use --camera"),
        ("spikes:x", {"camera": "nmnist"}, "cannot use --camera"),
        ("shd:x", {"crop": "3x3"}, "cannot use --crop"),
        ("digits", {"sensor": "48"}, "needed is WIDTHxHEIGHT"),
        ("digits", {"sensor": "48x36"}, "allowed are 1..34"),
        ("digits", {"crop": "40x10"}, "is not within the sensor"),
        ("digits", {"crop": "10"}, "needed is WIDTHxHEIGHT"),
        ("digits", {"window": 0}, "window is 0"),
    ],
)
def test_options_that_a_data_set_cannot_use_are_refused(name, option, said):
    with pytest.raises(ValueError, match=said):
        datasets.load(name, options=Options(**option))


def test_a_window_leaves_later_events_out_and_a_crop_what_is_beside(tmp_path):
    folder = nmnist(tmp_path / "n")
    name = f"nmnist:{folder}"
    first = datasets.load(name, options=Options(window=100_000, crop="20x10+4+8"), steps=4)
    assert (first.sensor, first.window_us) == (Sensor(10, 20), 100_000)
    raw = datasets.events(name, "test", 3)
    kept = raw[(raw["t"] < 100_000) & (raw["x"] >= 4) & (raw["x"] < 24)]
    kept = kept[(kept["y"] >= 8) & (kept["y"] < 18)]
    seen = frames.unpack(first.test)[3].reshape(4, 2, 10, 20)
    wanted = np.zeros_like(seen)
    for t, x, y, p in kept.tolist():
        wanted[t * 4 // 100_000, p, y - 8, x - 4] = 1
    assert np.array_equal(seen, wanted)


def test_bins_by_count_and_another_camera(tmp_path):
    by_count = datasets.load("digits", options=Options(bins="count"), recordings_per_image=1)
    cells = frames.unpack(by_count.test).sum(axis=2)
    assert cells.min() > 0.5 * cells.mean()
    by_time = frames.unpack(datasets.load("digits", recordings_per_image=1).test).sum(axis=2)
    assert by_time.min() < 0.3 * by_time.mean()


def test_a_test_split_is_the_same_every_time_and_has_every_class():
    labels = np.random.default_rng(0).integers(0, 40, 999)
    test = held_out(labels)
    assert np.array_equal(test, held_out(labels))
    for label in range(40):
        assert test[labels == label].sum() == max(1, (labels == label).sum() // 5)
    assert held_out([1, 2, 3, 4]).sum() == 1
    assert not held_out([5]).any()


def test_frames_beyond_the_stated_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROSIM_MEMORY", "0.0001")
    refused(f"nmnist:{nmnist(tmp_path / 'n', 9)}", "take 0.0 GiB; allowed are 0.0")
    monkeypatch.setenv("NEUROSIM_MEMORY", "much")
    refused(f"nmnist:{tmp_path / 'n'}", "NEUROSIM_MEMORY is 'much'")


def test_a_cache_that_cannot_be_written_costs_time_not_the_run(tmp_path, monkeypatch):
    kept = datasets.load("digits", recordings_per_image=1)
    monkeypatch.setenv("NEUROSIM_CACHE", "/proc/none")
    made = datasets.load("digits", recordings_per_image=1)
    assert made.key == kept.key
    assert "NEUROSIM_CACHE names another folder" in made.notes[-1]


def test_the_cache_is_listed_and_cleared(tmp_path):
    datasets.load("digits", recordings_per_image=1)
    listed = json.loads(command.here("cache", "--json").stdout)
    assert [one["data"] for one in listed["frames"]] == ["digits"]
    assert "34 x 34 pixels" in command.here("cache").stdout
    freed = json.loads(command.here("cache", "clear", "--json").stdout)["freed_bytes"]
    assert freed == listed["frames"][0]["bytes"] > 1_000_000
    assert json.loads(command.here("cache", "--json").stdout)["frames"] == []


def test_a_changed_manifest_is_not_trusted(tmp_path):
    first = datasets.load("digits", recordings_per_image=1)
    (manifest,) = (tmp_path / "cache" / "frames").glob("*/manifest.json")
    content = json.loads(manifest.read_bytes())
    content["inputs"]["train"] = 7
    manifest.write_text(json.dumps(content))
    assert datasets.load("digits", recordings_per_image=1).train.inputs == first.train.inputs


def own_events(folder, suffix=".npy"):
    encode = event_encoders.npy_file if suffix == ".npy" else event_encoders.aedat2_file
    for label in ("left", "right"):
        for number in range(8):
            made = recording(number, (48, 64), start=7_000_000)
            write(folder / label / f"{number}{suffix}", encode(made))
    return folder


@pytest.mark.parametrize("suffix", [".npy", ".aedat"])
def test_own_recordings_begin_at_their_first_event(tmp_path, suffix):
    name = f"events:{own_events(tmp_path / 'own', suffix)}"
    data = datasets.load(name)
    first = datasets.events(name, "train", 0)
    assert data.class_names == ("left", "right")
    assert first["t"][0] == 0
    assert data.window_us <= 250_000
    assert [len(split.labels) for split in data[1:4]] == [13, 1, 2]
    sensor = Sensor(128, 128) if suffix == ".aedat" else Sensor(48, 64)
    assert data.sensor == sensor
    assert datasets.load(name).key == data.key


def test_a_table_of_labels_splits_and_names(tmp_path):
    rows = ["file,label,part"]
    for number in range(12):
        write(tmp_path / f"{number}.npy", event_encoders.npy_file(recording(number)))
        rows.append(f"{number}.npy,{'ab'[number % 2]},{'test' if number > 8 else 'train'}")
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    data = datasets.load(f"events:{tmp_path}")
    assert data.class_names == ("a", "b")
    assert data.test.labels.tolist() == [1, 0, 1]
    write(tmp_path / "extra.npy", event_encoders.npy_file(recording(3)))
    refused(f"events:{tmp_path}", "1 recordings have no row, extra.npy")
    (tmp_path / "labels.csv").write_text("none.npy,a\n")
    refused(f"events:{tmp_path}", "row 1 names 'none.npy', which is not in")


SPIKES = np.random.default_rng(3).random((30, 12, 2, 3, 4)) < 0.3
LABELS = np.arange(30) % 3


def spike_files():
    flat = SPIKES.reshape(30, 12, 24)
    sample, step, unit = np.nonzero(flat)
    return {
        "plane": {"x": SPIKES},
        "flat with a plane": {"x": flat.astype(np.float32), "plane": (2, 3, 4)},
        "packed": {"x": np.packbits(flat, axis=-1), "inputs": 24},
        "packed little": {
            "x": np.packbits(flat, axis=-1, bitorder="little"),
            "inputs": 24,
            "bitorder": "little",
        },
        "lists": {
            "times": step * 1000,
            "units": unit,
            "samples": sample,
            "inputs": 24,
            "window_us": 12_000,
        },
        "lists in seconds": {
            "times": step[::-1] / 1000,
            "units": unit[::-1].astype(np.uint16),
            "samples": sample[::-1],
            "inputs": 24,
            "window_us": 12_000,
        },
    }


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
@pytest.mark.parametrize("kind", spike_files())
def test_spikes_of_every_kind_of_file_are_the_same(tmp_path, kind, suffix):
    path = tmp_path / f"spikes{suffix}"
    arrays = {"y": LABELS, **spike_files()[kind]}
    if suffix == ".npz":
        np.savez(path, **arrays)
    else:
        h5py = pytest.importorskip("h5py")
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name] = array
    data = datasets.load(f"spikes:{path}", steps=12)
    assert data.sensor == (Sensor(3, 4) if "plane" in kind else channels(24))
    test = held_out(LABELS)
    assert np.array_equal(frames.unpack(data.test), SPIKES.reshape(30, 12, 24)[test])
    assert data.test.labels.tolist() == LABELS[test].tolist()
    joined = datasets.load(f"spikes:{path}", steps=4)
    pairs = SPIKES.reshape(30, 4, 3, 24).any(axis=2)[test]
    assert np.array_equal(frames.unpack(joined.test), pairs)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.full((30, 2, 3), 2)}, "spikes are 0 and 1"),
        ({"x": np.zeros((30, 6))}, r"needed is \(sample, step, input\)"),
        ({"x": np.zeros((30, 2, 3)), "y": np.zeros(4)}, "needed are 4 integers"),
        ({"x": np.zeros((29, 2, 3))}, "29 samples and 30 labels"),
        ({"x": np.zeros((30, 2, 6)), "plane": (3, 5, 1, 2)}, "a plane of shape"),
        ({"x": np.zeros((30, 2, 9)), "plane": (2, 4)}, "inputs of train have shape"),
        ({"times": [1], "units": [1]}, "no samples; lists of spikes need"),
        ({"times": [1], "units": [1], "samples": [30]}, r"allowed are 0\.\.29"),
        ({"times": [1, 2], "units": [1], "samples": [3]}, "needed are as many of each"),
        ({}, "no times, units, samples"),
    ],
)
def test_spikes_that_cannot_be_are_refused(tmp_path, arrays, said):
    np.savez(tmp_path / "s.npz", **{"y": LABELS, **arrays})
    refused(f"spikes:{tmp_path / 's.npz'}", said)


def test_every_file_of_the_layouts_is_what_it_was_meant_to_be(shared):
    top = shared / "data" / "layouts"
    with np.load(top / "truth-first-100.npz") as truth:
        assert len(truth.files) == 30
        for name in truth.files:
            record = cifar10dvs.record if name.endswith(".aedat") else ncaltech101.record
            meant = truth[name]
            start = meant[0, 0] if name.endswith(".aedat") else 0
            found = record(top / name).events[:100]
            columns = [found[axis].astype(np.int64) for axis in "txyp"]
            assert np.array_equal(np.stack(columns, axis=1), meant - [start, 0, 0, 0]), name


def test_the_layouts_are_data_sets(shared):
    top = shared / "data" / "layouts"
    seen = datasets.load(f"cifar10dvs:{top / 'CIFAR10-DVS'}", options=Options(sensor="48x48"))
    assert (seen.class_names, seen.sensor) == (cifar10dvs.CLASSES, Sensor(48, 48))
    assert sum(len(split.labels) for split in seen[1:4]) == 20
    folder = f"ncaltech101:{top / 'N-Caltech101'}"
    refused(folder, "96 of 101 class folders are missing")
    some = datasets.load(folder, options=Options(partial=True, sensor="48x36"))
    assert sum(len(split.labels) for split in some[1:4]) == 10
    assert "10 recordings of the data set's 8,709" in some.notes


def test_gestures_are_cut_by_their_tables(shared):
    name = f"dvsgesture:{shared / 'data/event-files/dvsgesture-format'}"
    data = datasets.load(name)
    assert (data.classes, data.sensor) == (11, Sensor(128, 128))
    assert any("without a table" in note for note in data.notes)
    lengths = [len(datasets.events(name, "train", n)) for n in range(len(data.train.labels))]
    assert max(lengths) > 0


def test_gestures_of_the_other_distribution(tmp_path):
    """tonic's: a .npy for each sample, columns x, y, p, t, with t in milliseconds."""
    for part, user in (("ibmGestureTrain", "user01_led"), ("ibmGestureTest", "user24_led")):
        for gesture in range(11):
            made = recording(gesture, (128, 128), length=900_000)
            columns = [made["x"], made["y"], made["p"], made["t"] // 1000]
            path = tmp_path / part / user / f"{gesture}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.stack(columns, axis=1).astype(np.float64))
    name = f"dvsgesture:{tmp_path}"
    data = datasets.load(name)
    assert data.test.labels.tolist() == list(range(11)) or sorted(data.test.labels) == list(
        range(11)
    )
    assert 800_000 < datasets.events(name, "test", 4)["t"].max() < 900_000


def test_shd_s_layout_is_read(shared):
    pytest.importorskip("h5py")
    file = shared / "data" / "shd" / "layout.h5"
    data = datasets.load(f"shd:{file}", steps=100)
    assert (data.classes, data.sensor, data.window_us) == (20, channels(700), 1_400_000)
    assert sum(len(split.labels) for split in data[1:4]) == 4
    refused(f"shd:{file}", "no speaker 'x'; speakers are", holdout="x")
    refused(f"shd:{file.parent}", "shd_train.h5, shd_test.h5 missing")


def test_official_splits_of_hdf5_files(tmp_path):
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    for part, count in (("train", 40), ("valid", 10), ("test", 20)):
        with h5py.File(tmp_path / f"ssc_{part}.h5", "w") as file:
            times = file.create_dataset("spikes/times", count, h5py.vlen_dtype(np.float16))
            units = file.create_dataset("spikes/units", count, h5py.vlen_dtype(np.uint16))
            for n in range(count):
                times[n] = np.sort(rng.random(30)).astype(np.float16)
                units[n] = rng.integers(0, 700, 30)
            file["labels"] = np.arange(count) % 5
            file["extra/speaker"] = np.arange(count) % 4
            file["extra/keys"] = [f"word{n}" for n in range(5)]
    data = datasets.load(f"ssc:{tmp_path}", options=Options(sensor="70"))
    assert [len(split.labels) for split in data[1:4]] == [40, 10, 20]
    assert data.sensor == channels(70)
    held = datasets.load(f"ssc:{tmp_path}", options=Options(holdout="3"))
    assert [len(split.labels) for split in held[1:4]] == [30, 10, 10]
    assert held.sensor.width == shd.CHANNELS


def test_cue_accumulation_is_a_data_set(shared):
    data = datasets.load(f"cue-accumulation:{shared / 'data/cue-accumulation'}", steps=50)
    assert [len(split.labels) for split in data[1:4]] == [45, 5, 50]
    assert (data.classes, data.sensor, data.window_us) == (2, channels(40), 2_250_000)
    refused(f"cue-accumulation:{shared / 'data'}", "needed is one")


def test_spoken_digits_are_split_officially_or_by_speaker(shared):
    name = f"audio:{shared / 'data/spoken-digits/recordings'}"
    behind = datasets.source(name)
    assert {part: len(labels) for part, labels in behind.labels.items()} == {
        "train": 2700,
        "test": 300,
    }
    held = datasets.source(name, options=Options(holdout="theo"))
    assert len(held.labels["test"]) == 500
    with pytest.raises(DatasetError, match="no speaker 'x'; speakers are george"):
        datasets.source(name, options=Options(holdout="x"))


def test_every_event_file_is_read_as_a_data_set(shared, tmp_path):
    """Two files of each kind, as two classes, each from its first event on."""
    top = shared / "data" / "event-files"
    for number, path in enumerate(
        sorted(top.rglob("*_td.dat")) + sorted(top.rglob("Translating*"))
    ):
        for label in ("a", "b"):
            target = tmp_path / f"{number}" / label / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
            shutil.copy(path, target.with_stem("second"))
        data = datasets.load(f"events:{tmp_path / f'{number}'}", options=Options(sensor="10x10"))
        assert data.test.bits.any()


def test_a_run_follows_its_data(tmp_path):
    """Names, sensor and window are in the run folder, the evaluation and the report."""
    flat = SPIKES.reshape(30, 12, 24)
    np.savez(tmp_path / "s.npz", x=flat, y=np.array(["ant", "bee", "cow"])[LABELS])
    run = tmp_path / "run"
    small = ["--hidden", "8", "--pairs", "8", "--groups", "8", "--generations", "2", "--steps", "4"]
    done = command.here("train", "--data", f"spikes:{tmp_path / 's.npz'}", "--run", run, *small)
    assert done.returncode == 0, done.stderr
    assert "samples are not moved" in done.stderr
    kept = json.loads((run / "config.json").read_text())["data"]
    assert kept["class_names"] == ["ant", "bee", "cow"]
    assert kept["window_us"] == 12_000
    assert kept["sensor"] == {"height": 1, "width": 24, "polarities": 1, "plane": False}
    shown = command.here("evaluate", run)
    assert "bee" in shown.stdout
    report = command.here("report", run)
    assert report.returncode == 0, report.stderr
    assert "cow" in (run / "report.html").read_text()
    np.savez(tmp_path / "other.npz", x=flat, y=np.array(["bee", "cow", "dog"])[LABELS])
    other = command.here("evaluate", run, "--data", f"spikes:{tmp_path / 'other.npz'}")
    command.assert_refused(other, 1, "has samples of dog; the network's classes are ant, bee, cow")
    given = command.here(
        "train",
        "--data",
        f"spikes:{tmp_path / 's.npz'}",
        "--run",
        tmp_path / "r2",
        "--shift",
        1,
        *small,
    )
    command.assert_refused(given, 1, "24 channels is no plane")


def test_clearing_the_cache_leaves_what_the_cache_did_not_write(tmp_path, monkeypatch):
    """The variable may name a folder that holds frames and recordings of somebody's own."""
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path))
    mine = [
        tmp_path / "frames" / "film" / "1.png",
        tmp_path / "frames" / "notes.txt",
        tmp_path / "recordings" / "song.json",
        tmp_path / "kernels-of-corn" / "a",
    ]
    for file in mine:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"mine")
    made = [
        tmp_path / "frames" / ("a" * 64) / "manifest.json",
        tmp_path / "recordings" / f"{'b' * 64}.json",
        tmp_path / f"kernels-{'c' * 16}" / "k",
    ]
    for file in made:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"made")
    assert cache.clear(kernels_too=True) == 12
    assert all(file.read_bytes() == b"mine" for file in mine)
    assert not any(file.exists() for file in made)


def test_a_run_of_own_spikes_goes_to_nir_and_back_and_to_the_float_reference(tmp_path):
    flat = SPIKES.reshape(30, 12, 24)
    np.savez(tmp_path / "s.npz", x=flat, y=np.array(["ant", "bee", "cow"])[LABELS])
    name, run = f"spikes:{tmp_path / 's.npz'}", tmp_path / "run"
    small = "--hidden 8 --pairs 8 --groups 8 --generations 2 --steps 4 --sensor 12".split()  # noqa: SIM905
    assert command.here("train", "--data", name, "--run", run, *small).returncode == 0
    graph = tmp_path / "network.nir"
    done = command.here("export", run, "--to", "nir", "--out", graph)
    if done.returncode:
        pytest.skip(done.stderr)
    back = command.here("import", graph, "--run", tmp_path / "back")
    assert back.returncode == 0, back.stderr
    kept = json.loads((tmp_path / "back" / "config.json").read_text())
    assert kept["settings"]["sensor"] == "12"
    assert kept["data"]["class_names"] == ["ant", "bee", "cow"]
    pytest.importorskip("torch")
    small = ("--epochs", 1, "--hidden", 8)
    moved = command.here("bptt", "--data", name, *small)
    command.assert_refused(moved, 1, "24 channels: shift 1 has no meaning; use 0")
    trained = command.here("bptt", "--data", name, "--shift", 0, *small)
    assert trained.returncode == 0, trained.stderr


def test_many_classes_are_told_apart(tmp_path):
    """300 classes, more than 8 bits of label, each an input of its own."""
    labels = np.arange(900) % 300
    np.savez(tmp_path / "s.npz", x=np.eye(300, dtype=np.uint8)[labels][:, None], y=labels)
    run = tmp_path / "run"
    small = [
        "--hidden",
        "64",
        "--pairs",
        "8",
        "--groups",
        "8",
        "--generations",
        "2",
        "--steps",
        "1",
    ]
    done = command.here("train", "--data", f"spikes:{tmp_path / 's.npz'}", "--run", run, *small)
    assert done.returncode == 0, done.stderr
    printed = json.loads(command.here("evaluate", run, "--json").stdout)
    assert len(printed["confusion"]) == len(printed["classes"]) == 300
    assert np.array(printed["confusion"]).sum(axis=1).tolist() == [1] * 300
    assert "most often taken for" in command.here("evaluate", run).stdout


def fetched(monkeypatch, **sets):
    """A stand-in for tonic whose data sets are written by functions."""

    class Tonic:
        datasets = type("datasets", (), {n: staticmethod(work) for n, work in sets.items()})

        class download_utils:
            _urlretrieve = check_integrity = None
            _ARCHIVE_EXTRACTORS: ClassVar = {}

    monkeypatch.setitem(sys.modules, "tonic", Tonic)


def test_named_sets_are_downloaded_into_their_place(tmp_path, monkeypatch):
    def cifar10dvs_(save_to):
        for name in cifar10dvs.CLASSES:
            for number in range(3):
                made = event_encoders.aedat2_file(recording(number, (128, 128)))
                path = Path(save_to) / "CIFAR10DVS" / name / f"cifar10_{name}_{number}.aedat"
                write(path, made)

    def ncaltech101_(save_to):
        top = Path(save_to) / "NCALTECH101" / "N-Caltech101-archive"
        for name in ncaltech101.CLASSES:
            for number in range(2):
                path = top / "Caltech101" / name / f"image_{number:04}.bin"
                write(path, event_encoders.bin_file(recording(number, (180, 240))))

    fetched(monkeypatch, CIFAR10DVS=cifar10dvs_, NCALTECH101=ncaltech101_)
    data = datasets.load("cifar10dvs", options=Options(sensor="8x8"))
    assert [len(split.labels) for split in data[1:4]] == [18, 2, 10]
    data = datasets.load("ncaltech101", options=Options(sensor="8x6"))
    assert data.classes == 101
    places = sorted(path.name for path in (tmp_path / "data").iterdir())
    assert places == ["CIFAR10DVS", "N-Caltech101"]
    again = datasets.load("ncaltech101", options=Options(sensor="8x6"))
    assert again.key == data.key
