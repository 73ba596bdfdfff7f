"""Formats that libraries decode (AEDAT 4, ST-MNIST): reading, checks and refusals."""

import importlib.util

import event_encoders as encoders
import mutations
import numpy as np
import pytest
import scipy.io
from event_strategies import quads_of, random_events

from neurosim.data.formats import aedat4, registry
from neurosim.data.formats.recording import EventFileError

needs_aedat = pytest.mark.skipif(
    importlib.util.find_spec("aedat") is None, reason="the package aedat is not installed"
)


def written(folder, raw, name):
    path = folder / name
    path.write_bytes(raw)
    return path


@needs_aedat
def test_aedat4_is_read_as_written(tmp_path, monkeypatch):
    events = random_events(230, first=1_600_000_000_000_000)
    path = written(tmp_path, encoders.aedat4_file(events), "a.aedat4")
    for block in (13, 200, 1 << 20):
        monkeypatch.setattr(aedat4, "BLOCK_BYTES", block)
        found = registry.read(path)
        assert np.array_equal(found.events, events)
        assert (found.sensor, found.notes) == ((128, 128), ())


@needs_aedat
def test_aedat4_with_many_events_or_outside_the_sensor_is_refused_at_its_packet(tmp_path):
    events = random_events(230)
    path = written(tmp_path, encoders.aedat4_file(events, packet=50), "a.aedat4")
    with pytest.raises(EventFileError, match="more than 120 events") as error:
        registry.read(path, max_events=120)
    with pytest.raises(EventFileError, match=r"allowed are 0\.\.63"):
        registry.read(written(tmp_path, encoders.aedat4_file(events, sensor=(64, 128)), "b.aedat4"))
    starts = aedat4_packets(path.read_bytes())
    assert error.value.offset == starts[2]


def aedat4_packets(raw):
    at = 18 + int.from_bytes(raw[14:18], "little")
    starts = []
    while at < len(raw):
        starts.append(at)
        at += 8 + int.from_bytes(raw[at + 4 : at + 8], "little")
    return starts


@needs_aedat
def test_aedat4_that_is_cut_or_damaged_is_refused_with_the_byte(tmp_path):
    raw = encoders.aedat4_file(random_events(230), packet=50)
    starts = aedat4_packets(raw)
    with pytest.raises(EventFileError, match="cut short or damaged") as error:
        registry.read(written(tmp_path, raw[:-7], "a.aedat4"))
    assert error.value.offset == starts[-1]
    damaged = bytearray(raw)
    damaged[starts[3] + 8 : starts[3] + 40] = b"\xff" * 32
    with pytest.raises(EventFileError) as error:
        registry.read(written(tmp_path, bytes(damaged), "b.aedat4"))
    assert error.value.offset == starts[3]


@needs_aedat
def test_damaged_aedat4_files(tmp_path):
    whole = encoders.aedat4_file(random_events(150), packet=40)
    outcome = mutations.campaign(
        registry.read,
        lambda recording: recording.events["t"],
        mutations.inputs([whole], 40, 7),
        tmp_path / "a.aedat4",
        EventFileError,
    )
    assert not outcome.failures, [failure[:3] for failure in outcome.failures]


def test_aedat4_without_the_package_names_the_extra(tmp_path, monkeypatch):
    path = written(tmp_path, encoders.aedat4_file(random_events(9)), "a.aedat4")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EventFileError, match=r'pip install "neurosim-eggroll\[formats\]"'):
        registry.read(path)


def spike_train():
    train = np.zeros((101, 4))
    train[[7, 53, 99, 53], [0, 1, 2, 2]] = (1, -1, 1, 1)
    train[100] = (0.5, 0.25, 0.75, 1.0)
    return train


def test_taxels_become_a_plane(tmp_path):
    path = tmp_path / "LUT_Merge.mat"
    scipy.io.savemat(path, {"spiketrain": spike_train()}, do_compression=True)
    found = registry.read(path)
    assert quads_of(found.events) == [
        (250_000, 3, 5, 0),
        (500_000, 7, 0, 1),
        (750_000, 3, 5, 1),
        (750_000, 9, 9, 1),
    ]
    assert found.sensor == (10, 10)
    assert found.notes == ("times go back 1 times: sorted",)


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("other", lambda train: train, "spiketrain is missing"),
        ("spiketrain", lambda train: train[:-1], r"needed is a matrix \(101, event\)"),
        ("spiketrain", lambda train: train * 2, "values other than"),
        ("spiketrain", lambda train: train * np.nan, "no numbers"),
        ("spiketrain", lambda train: train - 1e9 * (np.arange(101) == 100)[:, None], "times from"),
        ("spiketrain", lambda train: train * (np.arange(101) == 100)[:, None], "0 spikes"),
    ],
)
def test_other_matrices_are_refused(name, change, text, tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {name: change(spike_train())})
    with pytest.raises(EventFileError, match=text):
        registry.read(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(EventFileError):
        registry.read(path)
