"""Damaged event files: an EventFileError, or a valid recording.

Never in another exception, a hang, or more memory than is stated.
"""

import io

import event_encoders as encoders
import mutations
import numpy as np
import pytest
from event_strategies import random_events

from neurosim.data.formats import aedat4, cue_accumulation, gesture, registry, source
from neurosim.data.formats.recording import EVENT, EventFileError

INPUTS = 100
"""Damaged inputs of each kind; more in a campaign of its own."""
SEED = 20261127


def keeps_promises(recording):
    """Dtype, order, sensor and number as a Recording says."""
    events = recording.events
    assert events.dtype == EVENT
    assert events.ndim == 1
    assert len(events) > 0
    assert (events["t"][1:] >= events["t"][:-1]).all()
    assert events["t"][0] >= 0
    assert (events["p"] < 2).all()
    if recording.sensor is not None:
        assert (events["y"] < recording.sensor[0]).all()
        assert (events["x"] < recording.sensor[1]).all()
    assert all(isinstance(note, str) for note in recording.notes)


def samples_keep_promises(samples):
    assert len(samples) == len(samples.labels)
    for sample in samples:
        assert sample.recording.events.dtype == EVENT
        assert (np.diff(sample.recording.events["t"]) >= 0).all()


@pytest.mark.parametrize("name", encoders.FILES)
def test_damaged_files(name, tmp_path):
    suffix, whole = encoders.FILES[name]
    damaged = mutations.inputs([whole()], INPUTS, SEED)
    file = tmp_path / f"damaged{suffix}"
    outcome = mutations.campaign(registry.read, keeps_promises, damaged, file, EventFileError)
    assert not outcome.failures, [failure[:3] for failure in outcome.failures]
    assert outcome.counts["refused"] > INPUTS // 4


def test_damaged_samples(tmp_path):
    whole = encoders.cue_file([(0, [(3, 1), (4, 5), (7, 5)], 30), (1, [(3, 2), (39, 29)], 30)] * 3)
    damaged = mutations.inputs([whole], INPUTS, SEED)
    outcome = mutations.campaign(
        cue_accumulation.samples,
        samples_keep_promises,
        damaged,
        tmp_path / "cues.dat",
        EventFileError,
    )
    assert not outcome.failures, [failure[:3] for failure in outcome.failures]


def test_damaged_labels(tmp_path):
    whole = b"class,startTime_usec,endTime_usec\n1,24,50\n5,102865,126562\n11,2157620,2178812\n"
    damaged = mutations.inputs([whole], INPUTS, SEED)
    outcome = mutations.campaign(
        gesture.read_labels,
        lambda table: table["class"],
        damaged,
        tmp_path / "a.csv",
        EventFileError,
    )
    assert not outcome.failures, [failure[:3] for failure in outcome.failures]


@pytest.mark.parametrize("size", [1, 3, 8, 17, 4096])
@pytest.mark.parametrize("suffix", sorted(registry.suffixes()))
def test_random_zero_and_constant_bytes(suffix, size, tmp_path):
    numbers = np.random.default_rng(size)
    for raw in (bytes(size), b"\xff" * size, numbers.bytes(size)):
        path = tmp_path / f"file{suffix}"
        damaged = [(size, "constant", raw)]
        outcome = mutations.campaign(registry.read, keeps_promises, damaged, path, EventFileError)
        assert not outcome.failures, outcome.failures


@pytest.mark.parametrize("suffix", sorted(registry.suffixes()))
def test_empty_files(suffix, tmp_path):
    path = tmp_path / f"file{suffix}"
    path.touch()
    with pytest.raises(EventFileError, match="no bytes") as error:
        registry.read(path)
    assert error.value.offset == 0


def claimed(shape):
    """A .npy file that claims a shape and has no data."""
    file = io.BytesIO()
    header = {"descr": np.lib.format.dtype_to_descr(EVENT), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


@pytest.mark.parametrize("shape", [(10**12,), (10**6, 10**6), (2**62, 2**62), (-5,)])
def test_claims_of_arrays_are_compared_with_the_file(shape, tmp_path):
    path = tmp_path / "claim.npy"
    path.write_bytes(claimed(shape))
    with pytest.raises(EventFileError, match=r"claims shape|cannot be read|no array"):
        registry.read(path)


def test_claims_of_packets_are_compared_with_the_file(tmp_path):
    raw = bytearray(encoders.aedat3_file(random_events(20)))
    at = len(encoders.AEDAT3_HEAD)
    raw[at + 16 : at + 24] = b"\xff\xff\xff\x7f" * 2
    path = tmp_path / "claim.aedat"
    path.write_bytes(bytes(raw))
    with pytest.raises(EventFileError, match="cut short or damaged") as error:
        registry.read(path)
    assert error.value.offset == at
    assert "2,147,483,647 events" in error.value.fault


def test_an_archive_that_unpacks_to_much_is_refused(tmp_path):
    file = io.BytesIO()
    np.savez_compressed(file, t=np.zeros(1 << 26, np.int64), x=np.zeros(1), y=np.zeros(1))
    path = tmp_path / "bomb.npz"
    path.write_bytes(file.getvalue())
    assert path.stat().st_size < 1 << 20
    with pytest.raises(EventFileError, match="allowed at once"):
        registry.read(path, max_events=1_000_000)


def test_vectors_that_expand_to_much_are_refused(tmp_path):
    """A word of EVT 3 can hold twelve events: two bytes become 156."""
    path = tmp_path / "vectors.raw"
    words = np.full(200_000, 0x4FFF, "<u2")
    words[:2] = 0x8001, 0x3000
    words[2::100] = 0x3000
    path.write_bytes(b"% evt 3.0\n" + words.tobytes())
    with pytest.raises(EventFileError, match="more than 1,000,000 events"):
        registry.read(path, max_events=1_000_000)


def test_headers_and_packets_without_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "HEADER_BYTES", 1000)
    monkeypatch.setattr(source, "LINE_BYTES", 100)
    path = tmp_path / "header.aedat"
    path.write_bytes(encoders.AEDAT2_HEAD + b"# more\r\n" * 500)
    with pytest.raises(EventFileError, match="a header of more than 1,000 bytes"):
        registry.read(path)
    monkeypatch.setattr(aedat4, "MOST_PACKETS", 3)
    path = tmp_path / "packets.aedat4"
    path.write_bytes(encoders.aedat4_file(random_events(50), packet=10))
    with pytest.raises(EventFileError, match="more than 3 packets"):
        registry.read(path)


def test_packets_without_events_are_nothing(tmp_path):
    events = random_events(9)
    empty = encoders.aedat3_packet(events[:0])
    path = tmp_path / "empty.aedat"
    path.write_bytes(encoders.AEDAT3_HEAD + empty * 3 + encoders.aedat3_packet(events) + empty)
    assert np.array_equal(registry.read(path).events, events)
