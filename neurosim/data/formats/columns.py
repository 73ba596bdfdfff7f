"""Events from columns of numbers: usual column names, units of time, signs of polarity.

Used by arrays (.npy, .npz) and by tables (.csv, .txt), which carry no format of their own:

    times        integers are microseconds; where one has a fraction, all are seconds (noted)
    polarities   0 and 1, or -1 and 1 (noted), or booleans
    order        any: sorted where needed (noted)
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats.recording import (
    EVENT,
    MAX_EVENTS,
    EventFileError,
    Recording,
    sort_by_time,
)

NAMES: dict[str, tuple[str, ...]] = {
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps", "t_us", "time_us", "timestamp_us"),
    "x": ("x", "xs", "col", "column", "x_pos", "xpos"),
    "y": ("y", "ys", "row", "y_pos", "ypos"),
    "p": ("p", "ps", "pol", "polarity", "polarities", "on"),
}
"""Names in lower case; p may be missing, then all events are ON (noted)."""
SECOND_US = 1_000_000
_EXACT = 1 << 53
"""Whole numbers beyond this are not exact as float64."""


def names_of(given: Any) -> dict[str, str]:
    """For each of t, x, y and p that is there, its name among `given`."""
    lower = {str(name).lower(): str(name) for name in given}
    found = {}
    for key, names in NAMES.items():
        name = next((lower[name] for name in names if name in lower), None)
        if name is not None:
            found[key] = name
    return found


def recording(
    path: Any,
    columns: Mapping[str, NDArray[Any]],
    *,
    unit_us: float | None = None,
    max_events: int = MAX_EVENTS,
) -> Recording:
    """A recording of the columns t, x, y and perhaps p, of one length.

    `unit_us` is the unit of the times in microseconds; without it, the rule above. Raises
    EventFileError (of the file `path`) where a column is missing or its values are no such thing.
    """
    missing = [name for name in "txy" if name not in columns]
    if missing:
        raise EventFileError(
            path,
            f"no column {', '.join(missing)}; known names are "
            + "; ".join(f"{name}: {', '.join(NAMES[name])}" for name in missing),
        )
    shapes = {name: column.shape for name, column in columns.items()}
    size = len(columns["t"]) if columns["t"].ndim else 0
    if set(shapes.values()) != {(size,)} or not size:
        raise EventFileError(path, f"columns of shape {shapes}; needed is one length, at least 1")
    if size > max_events:
        raise EventFileError(path, f"{size:,} events; allowed are {max_events:,} (max_events)")
    notes: list[str] = []
    events = np.empty(size, EVENT)
    events["t"] = _times(path, columns["t"], unit_us, notes)
    for name in "xy":
        events[name] = _whole(path, name, columns[name], 0, 0xFFFF)
    events["p"] = _polarities(path, columns.get("p"), notes)
    late = int(np.count_nonzero(events["t"][1:] < events["t"][:-1]))
    if late:
        first = int(np.argmax(events["t"][1:] < events["t"][:-1])) + 1
        notes.append(f"times go back {late:,} times, first at event {first}: sorted")
        sort_by_time(events)
    return Recording(events, None, tuple(notes))


def _numbers(path: Any, name: str, values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind not in "buif":
        raise EventFileError(path, f"column {name} is {values.dtype}; needed are numbers")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        where = int(np.argmin(np.isfinite(values)))
        raise EventFileError(path, f"column {name} holds {values[where]} at event {where}")
    return values


def _whole(path: Any, name: str, values: NDArray[Any], low: int, high: int) -> NDArray[Any]:
    """The values, which must be whole and within low..high."""
    numbers = _numbers(path, name, values)
    bad = (numbers < low) | (numbers > high)
    if numbers.dtype.kind == "f":
        bad |= numbers != np.floor(numbers)
    if bad.any():
        where = int(np.argmax(bad))
        raise EventFileError(
            path,
            f"event {where} has {name} = {numbers[where]}; allowed are whole numbers {low}..{high}",
        )
    return numbers


def _times(
    path: Any, values: NDArray[Any], unit_us: float | None, notes: list[str]
) -> NDArray[Any]:
    numbers = _numbers(path, "t", values)
    if unit_us is None:
        fractions = numbers.dtype.kind == "f" and bool((numbers != np.floor(numbers)).any())
        unit_us = SECOND_US if fractions else 1
        if fractions:
            notes.append("times have fractions: taken as seconds")
    if unit_us != 1:
        numbers = np.rint(numbers.astype(np.float64) * unit_us)
    limit = _EXACT if numbers.dtype.kind == "f" else np.iinfo(np.int64).max
    return _whole(path, "t", numbers, 0, limit)


def _polarities(
    path: Any, values: NDArray[Any] | None, notes: list[str]
) -> NDArray[np.bool_] | bool:
    if values is None:
        notes.append("no polarity: all events taken as ON")
        return True
    signs = _whole(path, "p", values, -1, 1)
    if (signs < 0).any():
        if (signs == 0).any():
            raise EventFileError(path, "polarities -1, 0 and 1; needed are two values")
        notes.append("polarities -1 and 1: taken as OFF and ON")
    return signs > 0
