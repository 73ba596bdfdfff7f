"""Files of many samples: SHD, ReckOn's cues, DVS128 Gesture."""

import pickle

import event_encoders as encoders
import mutations
import naive_formats as naive
import numpy as np
import pytest
from event_strategies import of_quads, quads_of
from hypothesis import given
from hypothesis import strategies as st

from neurosim import sandbox
from neurosim.data.formats import cue_accumulation, gesture, registry, spike_hdf5
from neurosim.data.formats.recording import EventFileError

SAMPLES = [
    (1, [(3, 4), (39, 4), (0, 2100)], 2250),
    (0, [(7, 0)], 30),
    (1, [], 5),
    (0, [(1, 1), (1, 2), (1, 2)], 2),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("samples")


def written(folder, raw, name):
    path = folder / name
    path.write_bytes(raw)
    return path


SPIKES = st.lists(st.tuples(st.integers(0, 39), st.integers(0, 2250)), max_size=9)


@given(st.lists(st.tuples(st.integers(0, 3), SPIKES), min_size=1, max_size=5))
def test_cues_are_read_as_written(folder, drawn):
    made = [(label, sorted(spikes, key=lambda s: s[1]), 2250 + label) for label, spikes in drawn]
    if not any(spikes for _, spikes, _ in made):
        return
    raw = encoders.cue_file(made)
    assert naive.cue_accumulation(raw) == made
    found = cue_accumulation.samples(written(folder, raw, "cues.dat"))
    assert found.labels.tolist() == [label for label, _, _ in made]
    assert found.extra["duration_us"].tolist() == [end * 1000 for _, _, end in made]
    for sample, (_, spikes, _) in zip(found, made, strict=True):
        expected = [(tick * 1000, unit, 0, 0) for unit, tick in spikes]
        assert quads_of(sample.recording.events) == expected


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (b"4\r\n", b"5\r\n", "5 samples are announced and 4 end"),
        (b"4\r\n", b"four\r\n", "number of samples"),
        (b"3, 4", b"3; 4", "needed are two numbers"),
        (b"3, 4", b"-7, 4", "needed are inputs"),
        (b"39, 4", b"39, 3", "ticks that do not decrease"),
        (b"-2, 1", b"5, 4", "has 0 classes"),
        (b"-1, 2\r\n", b"-1, 2\r\n9, 9\r\n", "behind the end"),
        (b"-1, 2250\r\n", b"-1, 2000\r\n", "do not decrease"),
    ],
)
def test_faults_of_cues_are_refused_with_the_byte(old, new, text, tmp_path):
    raw = encoders.cue_file(SAMPLES)
    assert old in raw
    with pytest.raises(EventFileError, match=text) as error:
        cue_accumulation.samples(written(tmp_path, raw.replace(old, new, 1), "cues.dat"))
    assert error.value.offset is not None


def test_gestures_are_cut_by_their_labels(tmp_path):
    events = of_quads([(10, 1, 2, 0), (24, 3, 4, 1), (49, 5, 6, 0), (50, 7, 8, 1)])
    path = written(tmp_path, encoders.aedat3_file(events), "user01.aedat")
    labels = b"class,startTime_usec,endTime_usec\n1,24,50\n11,49,60\n8,90,99\n"
    written(tmp_path, labels, "user01_labels.csv")
    found = gesture.samples(path)
    assert found.labels.tolist() == [0, 10, 7]
    assert [found.class_names[label] for label in found.labels] == [
        "hand clapping",
        "other gestures",
        "arm roll",
    ]
    cut = [quads_of(sample.recording.events) for sample in found]
    assert cut == [[(24, 3, 4, 1), (49, 5, 6, 0)], [(49, 5, 6, 0), (50, 7, 8, 1)], []]
    assert "no event between start and end of samples 2" in found.notes
    assert "times of 1 samples overlap" in found.notes
    assert found.extra["end_us"].tolist() == [50, 60, 99]
    assert [len(sample.recording.events) for sample in pickle.loads(pickle.dumps(found))] == [
        2,
        2,
        0,
    ]


@pytest.mark.parametrize(
    "line", ["0,1,2", "12,1,2", "3,5,5", "3,6,5", "3,x,5", "3,4", "3,4,5,6", "-3,4,5"]
)
def test_faults_of_labels_are_refused_with_the_byte(line, tmp_path):
    raw = f"class,startTime_usec,endTime_usec\n1,24,50\n{line}\n".encode()
    with pytest.raises(EventFileError, match="class \\(1 to 11\\)") as error:
        gesture.read_labels(written(tmp_path, raw, "labels.csv"))
    assert error.value.offset == 42


h5py = pytest.importorskip("h5py")
SPIKE_TRAINS = [
    ([0.0, 0.25, 0.2502], [1, 699, 5]),
    ([], []),
    ([1.0, 0.5], [3, 4]),
]


def shd_file(path, trains=SPIKE_TRAINS, times="f2", extra=True):
    """A file of SHD's layout."""
    size = len(trains)
    with h5py.File(path, "w") as file:
        t = file.create_dataset("spikes/times", (size,), h5py.vlen_dtype(np.dtype(times)))
        u = file.create_dataset("spikes/units", (size,), h5py.vlen_dtype(np.uint16))
        for i, (seconds, units) in enumerate(trains):
            t[i], u[i] = np.array(seconds, times), np.array(units, "u2")
        file["labels"] = np.arange(size, dtype="u2") % 20
        if extra:
            file["extra/speaker"] = np.arange(size, dtype="u2")
            file["extra/keys"] = np.array([f"class {i}".encode() for i in range(20)])
    return path


@pytest.mark.parametrize("times", ["f2", "f4", "f8"])
def test_shd_is_read_as_written(times, tmp_path):
    found = registry.read_samples(shd_file(tmp_path / "a.h5", times=times))
    assert found.labels.tolist() == [0, 1, 2]
    assert found.class_names[1] == "class 1"
    assert found.extra["speaker"].tolist() == [0, 1, 2]
    late = round(float(np.dtype(times).type(0.2502)) * 1e6)
    assert quads_of(found[0].recording.events) == [
        (0, 1, 0, 0),
        (250_000, 699, 0, 0),
        (late, 5, 0, 0),
    ]
    assert len(found[1].recording.events) == 0
    assert quads_of(found[2].recording.events) == [(500_000, 4, 0, 0), (1_000_000, 3, 0, 0)]
    assert found[2].recording.notes == ("times go back 1 times: sorted",)


def test_shd_without_extras_in_blocks_and_after_a_pickle(tmp_path):
    trains = [([i / 1000, 0.5], [i % 700, 7]) for i in range(2 * spike_hdf5.BLOCK + 3)]
    found = registry.read_samples(shd_file(tmp_path / "a.h5", trains, extra=False))
    assert (found.class_names, found.extra) == (None, {})
    found = pickle.loads(pickle.dumps(found))
    for index in (0, spike_hdf5.BLOCK - 1, spike_hdf5.BLOCK, len(trains) - 1, 5):
        assert int(found[index].recording.events["x"][0]) == index % 700


def other_layout(path, change):
    shd_file(path)
    with h5py.File(path, "a") as file:
        change(file)
    return path


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda f: f.pop("labels"), "no labels"),
        (lambda f: f.pop("spikes"), "no spikes/times"),
        (
            lambda f: (f.pop("labels"), f.create_dataset("labels", data=np.arange(2))),
            "needed are 3",
        ),
        (lambda f: (f.pop("labels"), f.create_dataset("labels", data=np.ones(3))), "integers"),
        (
            lambda f: (f.pop("spikes/units"), f.create_dataset("spikes/units", data=np.arange(3))),
            "needed are arrays",
        ),
        (
            lambda f: (f.pop("labels"), f.__setitem__("labels", h5py.ExternalLink("/etc/x", "y"))),
            "a link in its place",
        ),
        (
            lambda f: (
                f.pop("labels"),
                f.create_dataset("labels", (3,), "u2", external=[("/etc/passwd", 0, 6)]),
            ),
            "no data set within this file",
        ),
        (lambda f: (f.pop("extra/keys"), f.__setitem__("extra/keys", [b"one"])), "1 names"),
    ],
)
def test_other_hdf5_files_are_refused(change, text, tmp_path):
    with pytest.raises(EventFileError, match=text):
        registry.read_samples(other_layout(tmp_path / "a.h5", change))


@pytest.mark.parametrize(
    ("trains", "text"),
    [
        ([([0.1, 0.2], [1])], "2 times and 1 channels"),
        ([([-0.1], [1])], "times from"),
        ([([float("nan")], [1])], "times from nan"),
        ([([5000.0], [1])], "allowed are seconds"),
    ],
)
def test_faults_of_spikes_are_refused_when_they_are_fetched(trains, text, tmp_path):
    found = registry.read_samples(shd_file(tmp_path / "a.h5", trains))
    with pytest.raises(EventFileError, match=text):
        found[0]


def test_a_file_that_ends_its_reader_is_refused(tmp_path, monkeypatch):
    """What HDF5 does on some damaged files, without one of them."""
    path = shd_file(tmp_path / "a.h5")

    def crash(function, arguments, folder, *, seconds):
        assert seconds >= 6
        raise sandbox.SandboxError("the library that reads it was ended by SIGSEGV")

    monkeypatch.setattr(sandbox, "call", crash)
    with pytest.raises(EventFileError, match=r"ended by SIGSEGV\. The file is damaged"):
        registry.read_samples(path)


def test_damaged_hdf5_files_end_in_an_error(tmp_path):
    whole = shd_file(tmp_path / "a.h5").read_bytes()
    damaged = []
    for place in range(8, len(whole), len(whole) // 12):
        raw = bytearray(whole)
        raw[place : place + 8] = b"\xff" * 8
        damaged.append((place, "ones", bytes(raw[: len(raw) - place % 3])))
    outcome = mutations.campaign(
        lambda path: list(registry.read_samples(path)),
        lambda samples: len(samples),
        damaged,
        tmp_path / "b.h5",
        EventFileError,
    )
    assert not outcome.failures, [failure[:3] for failure in outcome.failures]
    assert outcome.counts["refused"]
