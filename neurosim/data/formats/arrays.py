"""Events in NumPy files: a structured array, or arrays by name, or a matrix whose columns are named.

.npy   structured array with fields t, x, y, p (or other usual names, see columns.NAMES)
.npz   one such array, or one array for each of t, x, y, p
either a matrix (event, column) with `order`, as tonic's DVS128 Gesture: order="xypt", unit_us=1000
"""

import os
from typing import Any

from numpy.typing import NDArray

from neurosim.data.formats import array_files, columns
from neurosim.data.formats.recording import MAX_EVENTS, EventFileError, Format, Recording


def sniff(head: bytes) -> bool:
    """An array or an archive."""
    return head.startswith((array_files.NPY_MAGIC, array_files.ZIP_MAGIC))


def read(
    path: str | os.PathLike[str],
    *,
    order: str | None = None,
    unit_us: float | None = None,
    max_events: int = MAX_EVENTS,
) -> Recording:
    """The recording of one file.

    order     what the columns of a matrix are, as "xypt"
    unit_us   the unit of the times in microseconds; without it see columns

    Raises EventFileError where the arrays are no events.
    """
    arrays = array_files.load(path)
    found = _columns(path, arrays, order)
    return columns.recording(path, found, unit_us=unit_us, max_events=max_events)


def _columns(
    path: str | os.PathLike[str], arrays: dict[str, NDArray[Any]], order: str | None
) -> dict[str, NDArray[Any]]:
    named = columns.names_of(arrays)
    if {"t", "x", "y"} <= set(named):
        return {key: arrays[name] for key, name in named.items()}
    structured = [array for array in arrays.values() if array.dtype.names]
    if len(structured) == 1:
        array = structured[0]
        return {key: array[name] for key, name in columns.names_of(array.dtype.names).items()}
    if order is not None and len(arrays) == 1:
        (array,) = arrays.values()
        if array.ndim != 2 or array.shape[1] != len(order):
            raise EventFileError(path, f"an array {array.shape}; order {order!r} needs a matrix")
        return {name: array[:, place] for place, name in enumerate(order)}
    shapes = {name or "array": f"{array.dtype} {array.shape}" for name, array in arrays.items()}
    raise EventFileError(
        path,
        f"holds {shapes}; needed is one structured array with fields t, x, y, p, or an array for "
        f"each of them",
    )


FORMAT = Format("numpy", "NumPy .npy and .npz", (".npy", ".npz"), sniff, read)
