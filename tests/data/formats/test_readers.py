"""Readers of all formats: files as described are read, for any block size."""

import event_encoders as encoders
import naive_formats as naive
import numpy as np
import pytest
from event_strategies import of_quads, quads_of, random_events, recordings
from hypothesis import given
from hypothesis import strategies as st

from neurosim.data.formats import (
    aedat2,
    aedat3,
    aer_bin,
    event_stream,
    evt2,
    evt3,
    prophesee_dat,
    registry,
    source,
)
from neurosim.data.formats.recording import EVENT, EventFileError

ATIS = (240, 256)
CASES = {
    "bin": (encoders.bin_file, aer_bin.read, naive.atis_bin, ATIS),
    "dat": (encoders.dat_file, prophesee_dat.read, naive.dat, (720, 1280)),
    "dat 1": (lambda e: encoders.dat_file(e, 1), prophesee_dat.read, naive.dat, ATIS),
    "aedat2": (encoders.aedat2_file, aedat2.read, naive.aedat2, (128, 128)),
    "cifar10dvs": (
        lambda e: encoders.aedat2_file(e, "cifar10dvs"),
        lambda path: aedat2.read(path, layout="cifar10dvs"),
        lambda raw: naive.aedat2(raw, "cifar10dvs"),
        (128, 128),
    ),
    "davis346": (
        lambda e: encoders.aedat2_file(e, "davis346", 260, 346),
        lambda path: aedat2.read(path, layout="davis346"),
        lambda raw: naive.aedat2(raw, "davis346", (260, 346)),
        (260, 346),
    ),
    "aedat3": (encoders.aedat3_file, aedat3.read, naive.aedat3, (128, 128)),
    "evt2": (encoders.evt2_file, evt2.read, naive.evt2, (480, 640)),
    "evt3": (encoders.evt3_file, evt3.read, naive.evt3, (720, 1280)),
    "es": (encoders.es_file, event_stream.read, naive.event_stream, (128, 128)),
}
"""By format: encoder, reader, naive reader, sensor."""


def written(folder, raw, suffix=".bin"):
    path = folder / f"recording{suffix}"
    path.write_bytes(raw)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("formats")


@pytest.mark.parametrize("name", CASES)
@given(st.data())
def test_what_was_written_is_read(name, folder, data):
    encode, read, decode, sensor = CASES[name]
    events = data.draw(recordings(sensor))
    raw = encode(events)
    found = read(written(folder, raw)).events
    assert found.dtype == EVENT
    assert np.array_equal(found, events)
    assert decode(raw) == quads_of(events)


@pytest.mark.parametrize("name", CASES)
def test_blocks_do_not_show(name, folder, monkeypatch):
    encode, read, decode, sensor = CASES[name]
    raw = encode(random_events(2000, sensor))
    path = written(folder, raw)
    whole = read(path)
    assert quads_of(whole.events) == decode(raw)
    for block in (7, 40, 999):
        monkeypatch.setattr(source, "BLOCK_BYTES", block)
        monkeypatch.setattr(aedat3, "BLOCK_BYTES", block)
        monkeypatch.setattr(event_stream, "BLOCK_BYTES", max(block, 10))
        monkeypatch.setattr(evt3, "BLOCK_WORDS", block)
        again = read(path)
        assert np.array_equal(again.events, whole.events)
        assert again.notes == whole.notes


@given(
    st.lists(
        st.tuples(st.sampled_from((0, 2, 3, 4, 5, 6, 8, 7, 10, 14)), st.integers(0, 0xFFF)),
        max_size=60,
    ),
    st.integers(1, 70),
)
def test_state_machine_of_evt3(folder, words, block):
    """Words in any order, split anywhere: times are made to rise, since falls are refused."""
    high, low, said = 5, 0, [(8, 5)]
    for kind, content in words:
        if kind == 8:
            high = max(high, high + content % 3)
            low = 0 if content % 3 else low
            content = high
        elif kind == 6:
            low = min(low + content % 9, 0xFFF)
            content = low
        elif kind in (0, 3):
            content &= 0x9FF
        said.append((kind, content))
    head = b"% evt 3.0\n% format EVT3;height=2048;width=2048\n"
    said += [(0, 3), (2, 7)]
    raw = head + np.array([kind << 12 | content for kind, content in said], "<u2").tobytes()
    expected = naive.evt3(raw)
    if max(x for _, x, _, _ in expected) > 2047:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evt3, "BLOCK_WORDS", block)
        found = evt3.read(written(folder, raw))
    assert quads_of(found.events) == expected


def test_words_before_the_first_time_are_left_out_and_noted(folder):
    events = np.array([0x2005, 0x0007, 0x2006, 0x8001, 0x2009, 0x6004, 0x2008], "<u2")
    found = evt3.read(written(folder, b"% evt 3.0\n" + events.tobytes()))
    assert quads_of(found.events) == [(4096, 9, 7, 0), (4100, 8, 7, 0)]
    assert found.notes == ("2 events before the first time left out",)
    words = np.array([0x10003806, 0x80000001, 0xA0000000, 0x10003806], "<u4")
    found = evt2.read(written(folder, b"% evt 2.0\n" + words.tobytes()))
    assert quads_of(found.events) == [(64, 7, 6, 1)]
    assert found.notes == (
        "1 events before the first time left out",
        "1 trigger and other words skipped",
    )


@pytest.mark.parametrize(
    ("name", "first", "bits"),
    [("dat", (1 << 32) - 50, 32), ("aedat2", (1 << 32) - 50, 32), ("evt2", (1 << 34) - 90, 34)],
)
def test_clocks_that_wrap_go_on(name, first, bits, folder):
    encode, read, decode, sensor = CASES[name]
    events = random_events(100, sensor, first=first, step=3)
    raw = encode(events)
    found = read(written(folder, raw))
    assert np.array_equal(found.events, events)
    assert decode(raw) == quads_of(events)
    assert f"the clock of {bits} bits wrapped once" in found.notes


def test_clock_of_evt3_wraps_several_times(folder):
    t = np.arange(0, 60_000_000, 30_000)
    events = of_quads([(when, 3, 4, 1) for when in t.tolist()])
    raw = encoders.evt3_file(events)
    found = evt3.read(written(folder, raw))
    assert np.array_equal(found.events, events)
    assert found.notes == ("the clock of 24 bits wrapped 3 times",)


def test_overflow_records_are_counted_and_give_no_event(folder):
    events = of_quads([(1, 2, 239, 0), ((1 << 23) + 3 * 8192, 3, 4, 1)])
    found = aer_bin.read(written(folder, encoders.bin_file(events)))
    assert np.array_equal(found.events, events)
    assert found.notes == ("4 time overflow records (y = 240)",)


def test_times_of_600_000_overflows_do_not_wrap(folder):
    raw = b"\0\0\0\0\5" + b"\0\xf0\0\0\0" * 600_000 + b"\1\1\0\0\5"
    found = aer_bin.read(written(folder, raw))
    assert int(found.events["t"][-1]) == 5 + 600_000 * 8192


def test_aedat3_overflows_and_marks(folder):
    head = encoders.AEDAT3_HEAD
    early, later = of_quads([(5, 1, 2, 0), (6, 3, 4, 1)]), of_quads([((1 << 31) + 7, 5, 6, 1)])
    special = encoders.aedat3_packet(early, kind=0)
    raw = head + encoders.aedat3_packet(early, valid=[1, 0]) + special
    raw += encoders.aedat3_packet(later)
    found = aedat3.read(written(folder, raw))
    assert quads_of(found.events) == [(5, 1, 2, 0), ((1 << 31) + 7, 5, 6, 1)] == naive.aedat3(raw)
    assert found.notes == ("2 events of type 0 skipped", "1 events marked invalid skipped")
    unmarked = bytearray(head + encoders.aedat3_packet(early))
    unmarked[len(head) + 28] &= 0xFE
    found = aedat3.read(written(folder, bytes(unmarked)))
    assert len(found.events) == 2
    assert "kept" in found.notes[0]


def test_samples_and_external_events_of_davis_are_skipped(folder):
    events = of_quads([(5, 1, 2, 0), (6, 3, 4, 1)])
    chip = encoders.AEDAT2_HEAD + b"# AEChip: eu.seebetter.ini.chips.davis.DAVIS240C\r\n"
    raw = bytearray(encoders.aedat2_file(events, "davis240", 180, 240, chip))
    for word in (1 << 31 | 77, 1 << 31 | 78, 0x402):
        raw += word.to_bytes(4, "big") + (7).to_bytes(4, "big")
    found = aedat2.read(written(folder, bytes(raw)))
    assert np.array_equal(found.events, events)
    assert found.sensor == (180, 240)
    assert found.notes == ("2 frame or IMU samples skipped", "1 external events skipped")


def test_a_chip_that_is_not_named_is_noted(folder):
    path = written(folder, encoders.aedat2_file(of_quads([(5, 1, 2, 0)])))
    assert "names no chip" in aedat2.read(path).notes[0]
    assert aedat2.read(path, layout="dvs128").notes == ()
    with pytest.raises(ValueError, match="known are cifar10dvs"):
        aedat2.read(path, layout="dvs129")


@pytest.mark.parametrize(
    ("line", "sensor"),
    [
        ("% geometry 1280x720\n", (720, 1280)),
        ("% plugin_name hal_plugin_gen31_fx3\n", (480, 640)),
        ("% plugin_name hal_plugin_unknown\n", None),
        ("", None),
    ],
)
def test_sensor_of_raw_files(folder, line, sensor):
    raw = f"% evt 2.0\n{line}".encode() + b"\1\0\0\x80\x06\x38\0\x10"
    assert evt2.read(written(folder, raw)).sensor == sensor


def test_a_first_byte_like_a_header_mark_is_data(folder):
    """0x23 is "#", 0x25 is "%": addresses may begin with them."""
    events = of_quads([(9, 1, 259 - 0x8C, 0), (10, 1, 7, 0)])
    raw = encoders.aedat2_file(events, "davis346", 260, 346)
    assert raw[len(encoders.AEDAT2_HEAD)] == ord("#")
    found = aedat2.read(written(folder, raw), layout="davis346")
    assert np.array_equal(found.events, events)
    words = np.array([0x80000001, 0x10003825, 0x1000380A], "<u4")
    assert len(evt2.read(written(folder, b"% evt 2.0\n" + words.tobytes())).events) == 2


@pytest.mark.parametrize("name", ["dat", "aedat2", "aedat3", "evt2"])
def test_few_events_that_come_late_are_sorted_and_noted(name, folder):
    encode, read, _, sensor = CASES[name]
    events = random_events(300, sensor, step=40)
    events["t"][100] -= 90
    raw = encode(events)
    found = read(written(folder, raw))
    order = np.argsort(events["t"], kind="stable")
    assert np.array_equal(found.events, events[order])
    assert any("came up to" in note and "event 100 at byte" in note for note in found.notes)


@pytest.mark.parametrize("name", ["dat", "aedat2", "aedat3"])
def test_times_that_go_back_far_or_often_are_refused_with_the_byte(name, folder):
    encode, read, _, sensor = CASES[name]
    far = random_events(300, sensor, step=2000, first=1_000_000)
    far["t"][200:] -= 150_000
    often = random_events(300, sensor, step=40)
    often["t"] = often["t"][::-1]
    for events in (far, often):
        with pytest.raises(EventFileError, match="times go back") as error:
            read(written(folder, encode(events)))
        assert error.value.offset is not None


def test_times_of_bin_files_may_not_decrease(folder):
    events = random_events(30, (34, 34), step=40)
    events["t"][20] -= 100
    with pytest.raises(EventFileError, match="times may not decrease") as error:
        aer_bin.read(written(folder, encoders.bin_file(events)))
    assert error.value.offset == 100


@pytest.mark.parametrize("name", sorted(set(CASES) - {"cifar10dvs", "davis346"}))
def test_more_events_than_allowed_are_refused(name, folder):
    encode, read, _, sensor = CASES[name]
    path = written(folder, encode(random_events(50, sensor)))
    assert len(read(path, max_events=50).events) == 50
    with pytest.raises(EventFileError, match="more than 49 events"):
        read(path, max_events=49)


@pytest.mark.parametrize("name", ["bin", "davis346", "aedat3", "evt2", "evt3", "es"])
def test_coordinates_outside_the_sensor_are_refused_with_the_byte(name, folder):
    """Every address of a DVS128 is within it, and .dat files may hold any."""
    encode, read, _, sensor = CASES[name]
    events = random_events(50, (min(sensor[0], 100), min(sensor[1], 100)))
    raw = bytearray(encode(events))
    if name == "bin":
        raw[5 * 7 + 1] = 241
    elif name == "es":
        raw[18:20] = b"\x04\0"
    elif name == "davis346":
        raw[len(encoders.AEDAT2_HEAD) + 8 * 7] |= 0x7F
    elif name == "aedat3":
        raw[len(encoders.AEDAT3_HEAD) + 28 + 8 * 3 + 3] |= 0x40
    elif name == "evt2":
        raw[-2:] = b"\xff\x1f"
    else:
        raw[-2:] = b"\xff\x27"
    with pytest.raises(EventFileError, match="allowed are") as error:
        read(written(folder, bytes(raw)))
    assert error.value.offset is not None


@pytest.mark.parametrize("name", CASES)
def test_holes_of_zero_bytes_are_refused(name, folder):
    encode, _, _, sensor = CASES[name]
    raw = bytearray(encode(random_events(3000, sensor, first=1)))
    for start, end in ((0, len(raw)), (len(raw) // 2, len(raw)), (2048, 6144)):
        damaged = bytearray(raw)
        damaged[start:end] = bytes(end - start)
        suffix = ".bin" if name == "bin" else ".xyz"
        with pytest.raises(EventFileError) as error:
            registry.read(written(folder, bytes(damaged), suffix))
        assert error.value.offset is not None


@pytest.mark.parametrize("name", CASES)
def test_files_cut_within_a_record_are_refused_with_the_byte(name, folder):
    encode, read, _, sensor = CASES[name]
    raw = encode(random_events(40, sensor))
    with pytest.raises(EventFileError) as error:
        read(written(folder, raw[:-1]))
    assert error.value.offset is not None
    assert error.value.offset >= len(raw) - 8 * 7 - 28
