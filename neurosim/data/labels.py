"""Class names and labels of a data set, from integers, text or folder names."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.frames import MOST_CLASSES
from neurosim.data.source import SourceError

FEWEST_CLASSES = 2


class Labelled(NamedTuple):
    """Class names, and for each part uint16 (sample,): numbers of the names."""

    names: tuple[str, ...]
    labels: dict[str, NDArray[np.uint16]]


def check_count(names: Sequence[str], where: str) -> None:
    """Raise SourceError unless there are as many classes as a network can tell apart."""
    if not FEWEST_CLASSES <= len(names) <= MOST_CLASSES:
        raise SourceError(
            f"{where}: {plural(len(names), 'class')}; allowed are {FEWEST_CLASSES}..{MOST_CLASSES}"
        )


def _column(array: NDArray[Any], samples: int, where: str) -> NDArray[Any]:
    """One label a sample: integers or text (sample,), from (sample, 1) and one-hot rows too."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim == 2 and array.size and array.dtype.kind in "buif" and len(array) == samples:
        if not (np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()):
            raise SourceError(
                f"{where} is {array.dtype} {array.shape} and not one-hot; needed is one label a sample"
            )
        array = array.argmax(axis=1)
    if array.dtype.kind == "b":
        array = array.astype(np.uint8)
    if array.dtype.kind == "S":
        try:
            array = np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise SourceError(f"{where} are bytes that are no UTF-8 text ({error})") from error
    if array.dtype.kind not in "iuU" or array.shape != (samples,):
        raise SourceError(
            f"{where} is {array.dtype} {array.shape}; needed are {samples} integers or texts, "
            f"one a sample"
        )
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise SourceError(f"{where} reach up to {array.max()}; allowed are integers below 2^63")
    return array if array.dtype.kind == "U" else array.astype(np.int64)


def labelled(
    given: Mapping[str, NDArray[Any]],
    samples: Mapping[str, int],
    names: NDArray[Any] | None,
    where: str,
) -> Labelled:
    """Classes of arrays of labels, a part each.

    names   of the classes 0, 1, ... where the file gives them; without, the labels that occur, in
            ascending order, are the classes
    """
    columns = {
        part: _column(np.asarray(array), samples[part], f"{where}: labels of {part}")
        for part, array in given.items()
    }
    if len({column.dtype.kind == "U" for column in columns.values()}) > 1:
        raise SourceError(f"{where}: labels are integers in one part and text in the other")
    if names is not None and next(iter(columns.values())).dtype.kind != "U":
        return _by_number(columns, names, where)
    values = np.unique(np.concatenate([np.unique(column) for column in columns.values()]))
    found = tuple(str(value) for value in values)
    check_count(found, where)
    return Labelled(
        found,
        {part: np.searchsorted(values, c).astype(np.uint16) for part, c in columns.items()},
    )


def _by_number(columns: Mapping[str, NDArray[Any]], names: NDArray[Any], where: str) -> Labelled:
    text = tuple(
        name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
        for name in names.reshape(-1)
    )
    check_count(text, where)
    if len(set(text)) != len(text):
        raise SourceError(f"{where}: two classes have one name; give each its own")
    for part, column in columns.items():
        if column.size and not 0 <= int(column.min()) <= int(column.max()) < len(text):
            raise SourceError(
                f"{where}: labels of {part} reach from {column.min()} to {column.max()}; "
                f"{len(text)} class names allow 0..{len(text) - 1}"
            )
    return Labelled(text, {part: c.astype(np.uint16) for part, c in columns.items()})


def relabelled(
    labels: NDArray[np.uint16], names: Sequence[str], wanted: Sequence[str], what: str
) -> NDArray[np.uint16]:
    """Labels numbered by `names`, numbered by `wanted` instead. SourceError for a name not in it."""
    if tuple(names) == tuple(wanted):
        return labels
    place = {name: number for number, name in enumerate(wanted)}
    used = [names[number] for number in np.unique(labels).tolist()]
    unknown = [name for name in used if name not in place]
    if unknown:
        raise SourceError(
            f"{what} has samples of {shown(unknown)}; the network's classes are {shown(wanted)}"
        )
    table = np.array([place.get(name, 0) for name in names], np.uint16)
    return table[labels]


def shown(names: Sequence[str], most: int = 6) -> str:
    """Names in a line: the first ones and the last where there are many."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[: most - 2])}, ..., {names[-1]}"


def found(part: str, labels: NDArray[np.uint16], names: Sequence[str]) -> str:
    """Samples and classes of a part, and which classes have none."""
    counts = np.bincount(labels, minlength=len(names))
    absent = [names[number] for number in np.flatnonzero(counts == 0).tolist()]
    summary = (
        f"{part}: {plural(len(labels), 'sample')} of {plural(len(names) - len(absent), 'class')}"
    )
    if absent:
        return f"{summary}; none of {shown(absent)}"
    low, high = int(counts.min()), int(counts.max())
    return (
        f"{summary}, {low:,} of each" if low == high else f"{summary}, {low:,} to {high:,} of each"
    )


def plural(count: int, what: str) -> str:
    """A number of things: 1 class, 2 classes."""
    ending = "" if count == 1 else "es" if what.endswith("s") else "s"
    return f"{count:,} {what}{ending}"
