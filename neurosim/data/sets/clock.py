"""Clock of a recording: times from zero."""

import numpy as np

from neurosim.data.formats.recording import Events


def from_first(events: Events) -> Events:
    """The same events, the first one at time 0."""
    return events if not len(events) else since(events, int(events["t"][0]))


def since(events: Events, start: int) -> Events:
    """The same events on a clock that begins at `start`, which is not after the first one."""
    made = np.array(events)
    made["t"] -= start
    return made
