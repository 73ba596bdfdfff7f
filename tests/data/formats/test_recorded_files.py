"""Recorded files of all formats: event for event as second readers, or their makers, report."""

import importlib.util

import naive_formats as naive
import numpy as np
import pytest
from event_strategies import quads_of

from neurosim.data.formats import aedat2, aer_bin, cue_accumulation, gesture, registry
from neurosim.data.formats.recording import EventFileError

DAVIS = (180, 240)
NAIVE = {
    "event-files/nmnist/sample_nmnist.bin": naive.atis_bin,
    "event-files/ncars/sample_ncars_td.dat": naive.dat,
    "event-files/ncars/cars/obj_004397_td.dat": naive.dat,
    "event-files/es/00002.es": naive.event_stream,
    "event-files/prophesee/evt2_sample.raw": naive.evt2,
    "event-files/prophesee/evt3_sample.raw": naive.evt3,
    "event-files/aedat-pyaedattools/IMU_translBoxes.aedat": (
        lambda raw: naive.aedat2(raw, "davis240", DAVIS)
    ),
    "event-files/aedat-pyaedattools/synthetic/RotatingBar.aedat": (
        lambda raw: naive.aedat2(raw, "davis240", DAVIS)
    ),
    "event-files/aedat-pyaedattools/synthetic/TranslatingBarX.aedat": (
        lambda raw: naive.aedat2(raw, "davis240", DAVIS)
    ),
    "event-files/dvsgesture-format/aedat1_for_testing.aedat": naive.aedat3,
    "event-files/dvsgesture-format/aedat2_for_testing.aedat": naive.aedat3,
    "event-files/dvsgesture-format/aedat2_led.aedat": naive.aedat3,
    "event-files/dvsgesture-format/aedat3_fluorescent.aedat": naive.aedat3,
    "event-files/dvsgesture-format/aedat3_for_testing.aedat": naive.aedat3,
}
COUNTS = {
    "event-files/ncars/cars/obj_004397_td.dat": 4_407,
    "event-files/ncars/sample_ncars_td.dat": 2_009,
    "event-files/aedat-pyaedattools/IMU_translBoxes.aedat": 162_771,
    "event-files/aedat-pyaedattools/synthetic/RotatingBar.aedat": 45_000,
    "event-files/aedat-pyaedattools/synthetic/TranslatingBarX.aedat": 10_000,
    "event-files/aedat4/davis346.aedat4": 117_667,
    "event-files/aedat4/tonic-sample.aedat4": 111_954,
    "event-files/prophesee/evt2_sample.raw": 539_481,
    "event-files/prophesee/evt3_sample.raw": 219_596,
    "event-files/st-mnist/sample_stmnist.mat": 2_346,
}
"""Events, as the list that comes with the files says."""


@pytest.fixture(scope="module")
def recorded(shared):
    folder = shared / "data"
    if not (folder / "event-files").is_dir():
        pytest.skip(f"{folder / 'event-files'} is not there: no recorded files to read")
    return folder


def same(events, t, x, y, p):
    for name, column in zip("txyp", (t, x, y, p), strict=True):
        assert np.array_equal(events[name].astype(np.int64), np.asarray(column).astype(np.int64))


@pytest.mark.parametrize("name", NAIVE)
def test_as_the_naive_readers(name, recorded):
    path = recorded / name
    assert quads_of(registry.read(path).events) == NAIVE[name](path.read_bytes())


@pytest.mark.parametrize("name", COUNTS)
def test_number_of_events(name, recorded):
    if name.endswith("4") and importlib.util.find_spec("aedat") is None:
        pytest.skip("the package aedat is not installed")
    assert len(registry.read(recorded / name).events) == COUNTS[name]


def test_a_header_alone_is_no_recording(recorded):
    path = recorded / "event-files/aedat2/sample_aedat_header.aedat"
    with pytest.raises(EventFileError, match="no event") as error:
        registry.read(path)
    assert error.value.offset == path.stat().st_size


@pytest.mark.parametrize(
    ("name", "encoding"), [("evt2_sample.raw", "evt2"), ("sample_ncars_td.dat", "dat")]
)
def test_as_expelliarmus(name, encoding, recorded):
    """Its EVT 3 takes a low time that falls for a wrap, against the maker's own decoder."""
    wizard = pytest.importorskip("expelliarmus").Wizard
    (path,) = (recorded / "event-files").rglob(name)
    other = wizard(encoding=encoding).read(str(path))
    same(registry.read(path).events, *(other[column] for column in "txyp"))


def test_as_aedat(recorded):
    aedat = pytest.importorskip("aedat")
    for path in sorted((recorded / "event-files/aedat4").glob("*.aedat4")):
        packets = [packet["events"] for packet in aedat.Decoder(str(path)) if "events" in packet]
        other = np.concatenate(packets)
        found = registry.read(path)
        same(found.events, other["t"], other["x"], other["y"], other["on"])
        assert any("packets of imus skipped" in note for note in found.notes)


def test_bin_as_tonic(recorded):
    read = pytest.importorskip("tonic.io").read_mnist_file
    paths = [recorded / "event-files/nmnist/sample_nmnist.bin"]
    paths += sorted((recorded / "layouts/N-Caltech101").rglob("*.bin"))
    paths += sorted((recorded / "NMNIST").rglob("*.bin"))
    assert len(paths) > 10
    dtype = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
    for path in paths:
        other = read(str(path), dtype)
        same(registry.read(path).events, *(other[column] for column in "txyp"))


def test_every_nmnist_file_is_within_its_sensor(recorded):
    for path in sorted((recorded / "NMNIST").rglob("*.bin")):
        assert aer_bin.read(path, sensor=(34, 34)).sensor == (34, 34)


@pytest.mark.parametrize("part", ["CIFAR10-DVS", "N-Caltech101"])
def test_layouts_begin_as_they_were_made(part, recorded):
    truth = np.load(recorded / "layouts/truth-first-100.npz")
    names = [name for name in truth.files if name.startswith(part)]
    assert len(names) == {"CIFAR10-DVS": 20, "N-Caltech101": 10}[part]
    for name in names:
        path = recorded / "layouts" / name
        if part == "CIFAR10-DVS":
            found = aedat2.read(path, layout="cifar10dvs")
            assert quads_of(found.events) == naive.aedat2(path.read_bytes(), "cifar10dvs")
        else:
            found = aer_bin.read(path, sensor=(180, 240))
        same(found.events[:100], *truth[name].T)


def test_shd_as_h5py(recorded):
    h5py = pytest.importorskip("h5py")
    path = recorded / "shd/layout.h5"
    found = registry.read_samples(path)
    with h5py.File(path) as file:
        assert found.labels.tolist() == file["labels"][:].tolist()
        assert found.extra["speaker"].tolist() == file["extra/speaker"][:].tolist()
        assert list(found.class_names) == [key.decode() for key in file["extra/keys"][:]]
        for i, sample in enumerate(found):
            t = np.rint(file["spikes/times"][i].astype(float) * 1e6)
            order = np.argsort(t, kind="stable")
            units = file["spikes/units"][i][order]
            none = np.zeros(len(t))
            same(sample.recording.events, t[order], units, none, none)
    reference = np.load(recorded / "shd/lauscher-reference.npz")["arr_0"]
    first = found[0].recording.events
    assert sorted(first["x"]) == sorted((reference[1] * 10).astype(int))
    assert np.allclose(np.sort(reference[0]) * 1e6, first["t"], atol=1000)


@pytest.mark.parametrize("part", ["train", "test"])
def test_cues_as_the_naive_reader(part, recorded):
    path = recorded / f"cue-accumulation/dataset_cueAcc_{part}.dat"
    expected = naive.cue_accumulation(path.read_bytes())
    found = registry.read_samples(path)
    assert len(found) == 50
    assert set(found.labels.tolist()) == {0, 1}
    for sample, (label, spikes, _) in zip(found, expected, strict=True):
        assert sample.label == label
        quads = [(tick * 1000, unit, 0, 0) for unit, tick in spikes]
        assert quads_of(sample.recording.events) == quads
    assert set(found.extra["duration_us"]) == {2_250_000}
    assert found.extra["target_us"].min() > 1_900_000


def test_weights_beside_the_cues_are_no_cues(recorded):
    for path in (recorded / "cue-accumulation").glob("init_rand*.dat"):
        for read in (registry.read_samples, cue_accumulation.samples):
            with pytest.raises(EventFileError) as error:
                read(path)
            assert error.value.offset is not None


def test_gestures_of_the_format_s_samples(recorded):
    folder = recorded / "event-files/dvsgesture-format"
    cut = gesture.samples(folder / "aedat1_for_testing.aedat")
    assert cut.labels.tolist() == [0, 4, 10]
    assert [sample.recording.events["t"].tolist() for sample in cut] == [
        [25, 38, 48],
        [102865, 102898, 119579],
        [],
    ]
    with pytest.raises(EventFileError, match="No such file"):
        gesture.samples(folder / "aedat2_for_testing.aedat")
    for name in ("aedat2_led", "aedat3_fluorescent", "aedat3_for_testing"):
        assert len(gesture.samples(folder / f"{name}.aedat")) in (2, 4)


def test_taxels_as_scipy(recorded):
    import scipy.io

    path = recorded / "event-files/st-mnist/sample_stmnist.mat"
    train = scipy.io.loadmat(path)["spiketrain"]
    events = registry.read(path).events
    expected = [
        (round(float(seconds) * 1e6), taxel % 10, taxel // 10, int(value > 0))
        for seconds, column in zip(train[100], train[:100].T, strict=True)
        for taxel, value in enumerate(column)
        if value
    ]
    assert quads_of(events) == expected
