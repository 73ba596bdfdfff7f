"""Recordings for tests of event formats, as Hypothesis strategies and from a seed."""

import numpy as np
from hypothesis import strategies as st

from neurosim.data.formats.recording import EVENT


def of_quads(quads):
    """Events of (t, x, y, p), in order of time."""
    return np.array(sorted(quads, key=lambda quad: quad[0]), EVENT)


def quads_of(events):
    """(t, x, y, p) of events, as Python integers."""
    return [tuple(int(part) for part in event) for event in events.tolist()]


@st.composite
def recordings(draw, sensor=(128, 128), longest=1 << 22, first=1, most=60):
    """Events of a sensor (height, width) from `first` on, at most `longest` us apart in all."""
    quads = st.tuples(
        st.integers(first, first + longest),
        st.integers(0, sensor[1] - 1),
        st.integers(0, sensor[0] - 1),
        st.integers(0, 1),
    )
    return of_quads(draw(st.lists(quads, min_size=1, max_size=most)))


def random_events(count, sensor=(128, 128), seed=0, step=20, first=1):
    """`count` events of a sensor, up to `step` us apart."""
    numbers = np.random.default_rng(seed)
    events = np.zeros(count, EVENT)
    events["t"] = first + np.cumsum(numbers.integers(0, step, count))
    events["y"], events["x"] = (numbers.integers(0, side, count) for side in sensor)
    events["p"] = numbers.integers(0, 2, count)
    return events
