"""Events: the record type of recordings, and checks of ranges and order.

t   int64    microseconds since the recording began
x   uint16   column, from the left (or the channel)
y   uint16   row, from the top
p   uint8    0 or 1: the polarity bit as the camera writes it (1: brighter, by its manual)
"""

from typing import Any

import numpy as np

from neurosim.data.formats.recording import EVENT, Events
from neurosim.data.sensor import Sensor

__all__ = ["EVENT", "POLARITIES", "EventError", "Events", "check", "make"]

POLARITIES = 2


class EventError(ValueError):
    """Events outside their ranges."""


def make(t: Any, x: Any, y: Any, p: Any, sensor: Sensor | None = None) -> Events:
    """Events from four sequences of the same length, checked; within `sensor` where it is given."""
    columns = [np.asarray(column) for column in (t, x, y, p)]
    events = np.empty(len(columns[0]), EVENT)
    for name, column in zip("txyp", columns, strict=True):
        if column.shape != events.shape:
            raise EventError(f"{name} has shape {column.shape}; needed is {events.shape}, as for t")
        if column.size and (column.min() < 0 or column.max() > np.iinfo(EVENT[name]).max):
            raise EventError(
                f"{name} reaches from {column.min()} to {column.max()}; "
                f"allowed are 0..{np.iinfo(EVENT[name]).max}"
            )
        events[name] = column
    check(events, sensor)
    return events


def _fault(events: Events, sensor: Sensor | None) -> str | None:
    """The fault in the ranges of `events` as text, or None."""
    limits = {"p": POLARITIES}
    if sensor is not None:
        limits = {"x": sensor.width, "y": sensor.height, "p": sensor.polarities}
    for name, limit in limits.items():
        if events.size and int(events[name].max()) >= limit:
            where = int(np.argmax(events[name] >= limit))
            return (
                f"event {where} has {name} = {int(events[name][where])}; allowed are 0..{limit - 1}"
            )
    back = np.flatnonzero(events["t"][1:] < events["t"][:-1])
    if back.size:
        return (
            f"event {int(back[0]) + 1} comes at {int(events['t'][back[0] + 1])} us, before the one "
            f"ahead of it; times may not decrease"
        )
    if events.size and events["t"][0] < 0:
        return f"event 0 comes at {int(events['t'][0])} us; times start at 0"
    return None


def check(events: Events, sensor: Sensor | None = None) -> None:
    """Raise EventError unless `events` is a recording in order of time and within its ranges."""
    if not isinstance(events, np.ndarray) or events.dtype != EVENT or events.ndim != 1:
        found = (
            f"{events.dtype} {events.shape}"
            if isinstance(events, np.ndarray)
            else type(events).__name__
        )
        raise EventError(
            f"events are {found}; needed is a 1-D array of dtype {EVENT}, see events.make"
        )
    fault = _fault(events, sensor)
    if fault:
        raise EventError(fault)
