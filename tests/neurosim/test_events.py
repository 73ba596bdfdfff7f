"""Events: ranges and order of time, and refusals by name."""

import event_encoders
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.data import events
from neurosim.data.formats.recording import EventFileError
from neurosim.data.sets import nmnist

PLACES = st.integers(0, 33)
TIMES = st.integers(0, 400_000) | st.integers(0, (1 << 24) + 50_000)


@st.composite
def recordings(draw: st.DrawFn):
    quads = draw(
        st.lists(st.tuples(TIMES, PLACES, PLACES, st.integers(0, 1)), min_size=1, max_size=60)
    )
    t, x, y, p = zip(*sorted(quads), strict=True)
    return events.make(t, x, y, p, nmnist.SENSOR)


@given(recordings())
def test_an_nmnist_file_is_read_as_it_was_written(tmp_path_factory, recording):
    path = tmp_path_factory.mktemp("events") / "00001.bin"
    path.write_bytes(event_encoders.bin_file(recording))
    assert np.array_equal(nmnist.read(path), recording)


@pytest.mark.parametrize(
    ("raw", "said"),
    [(bytes([34, 0, 0, 0, 1]), "34"), (b"", "no bytes"), (bytes(range(19)), "19|byte")],
)
def test_a_file_of_another_sensor_is_no_nmnist_file(tmp_path, raw, said):
    path = tmp_path / "broken.bin"
    path.write_bytes(raw)
    with pytest.raises(EventFileError, match=said) as raised:
        nmnist.read(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (([0], [40], [0], [0]), "x = 40"),
        (([0], [0], [0], [2]), "p = 2"),
        (([-1], [0], [0], [0]), "t reaches from -1"),
        (([0], [70000], [0], [0]), "x reaches from 70000"),
        (([0, 1], [0], [0, 0], [0, 0]), r"x has shape \(1,\)"),
        (([1, 0], [0, 0], [0, 0], [0, 0]), "may not decrease"),
    ],
)
def test_events_out_of_range_are_refused(columns, said):
    with pytest.raises(events.EventError, match=said):
        events.make(*columns, nmnist.SENSOR)


def test_other_arrays_are_no_events():
    with pytest.raises(events.EventError, match="1-D array of dtype"):
        events.check(np.zeros((3, 4)))
