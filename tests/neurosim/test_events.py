"""Is a recording read back as it was written, and is anything else refused by name?"""

from pathlib import Path

import naive_events
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.data import events

PLACES = st.integers(0, 33)
TIMES = st.integers(0, 400_000) | st.integers(0, (1 << 24) + 50_000)


@st.composite
def recordings(draw: st.DrawFn, times: st.SearchStrategy[int] = TIMES, least: int = 1):
    quads = draw(
        st.lists(st.tuples(times, PLACES, PLACES, st.integers(0, 1)), min_size=least, max_size=60)
    )
    t, x, y, p = zip(*sorted(quads), strict=True) if quads else ((), (), (), ())
    return events.make(t, x, y, p)


@given(recordings())
def test_what_was_written_is_read(recording):
    assert np.array_equal(events.decode(events.encode(recording)), recording)


@given(recordings())
def test_reader_agrees_with_the_naive_one(recording):
    raw = events.encode(recording)
    assert [
        tuple(int(part) for part in event) for event in events.decode(raw)
    ] == naive_events.decode(raw)


def test_times_beyond_23_bits_are_preceded_by_overflow_records():
    late = events.make([5, (1 << 23) + 8192], [1, 2], [3, 4], [0, 1])
    raw = events.encode(late)
    assert len(raw) == 20
    assert [raw[i + 1] for i in range(0, 20, 5)] == [3, 240, 240, 4]
    assert np.array_equal(events.decode(raw), late)


def test_a_known_record():
    """x 3, y 17, p 1, t 0x012345: the format's five bytes."""
    event = events.decode(bytes([3, 17, 0x81, 0x23, 0x45]))
    assert event.tolist() == [(0x012345, 3, 17, 1)]


@given(recordings())
def test_files_hold_the_same_bytes(tmp_path_factory, recording):
    path = tmp_path_factory.mktemp("events") / "00001.bin"
    events.write(path, recording)
    assert path.read_bytes() == events.encode(recording)
    assert np.array_equal(events.read(path), recording)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no bytes"),
        (bytes(5 * 4 - 1), "19 bytes; allowed are multiples of 5"),
        (bytes([34, 0, 0, 0, 1]), "x = 34; allowed are 0..33"),
        (bytes([0, 0, 0, 0, 1, 0, 34, 0, 0, 2]), "event 1 has y = 34"),
        (bytes([0, 0, 0, 0, 2, 0, 0, 0, 0, 1]), "times may not decrease"),
        (bytes([0, 240, 0, 0, 0]), "no event"),
    ],
)
def test_broken_files_are_refused_by_name(tmp_path: Path, raw, said):
    path = tmp_path / "broken.bin"
    path.write_bytes(raw)
    with pytest.raises(events.EventFileError, match=said) as raised:
        events.read(path)
    assert str(path) in str(raised.value)


def test_a_missing_file_is_refused_by_name(tmp_path: Path):
    with pytest.raises(events.EventFileError, match=r"none\.bin: cannot be read"):
        events.read(tmp_path / "none.bin")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (([0], [40], [0], [0]), "x = 40"),
        (([0], [0], [0], [2]), "p = 2"),
        (([-1], [0], [0], [0]), "t reaches from -1"),
        (([0], [300], [0], [0]), "x reaches from 300"),
        (([0, 1], [0], [0, 0], [0, 0]), r"x has shape \(1,\)"),
        (([1, 0], [0, 0], [0, 0], [0, 0]), "may not decrease"),
    ],
)
def test_events_out_of_range_are_refused(columns, said):
    with pytest.raises(events.EventError, match=said):
        events.make(*columns)


def test_other_arrays_are_no_events():
    with pytest.raises(events.EventError, match="1-D array of dtype"):
        events.check(np.zeros((3, 4)))


def test_an_empty_recording_is_not_written():
    with pytest.raises(events.EventError, match="no events"):
        events.encode(events.make([], [], [], []))
