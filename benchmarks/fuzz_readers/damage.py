"""Damage to documents and arrays, and what readers of events have to give."""

import copy
import json
import random
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

Attempt = Callable[[random.Random], str]


ODD: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 7, 63, 64, 65, 255, 256, 1 << 20, 1 << 31, 1 << 62, 1 << 63,
    10**30, -(10**30), 0.5, -1.5, 1e30, 1e300, "", "x", "0", "\x00", "[/x]", [], [0], [-1], [1, 2, 3],
    [[]], {}, {"a": 1}, {"name": "x"},
)  # fmt: skip
"""Values that take the place of another in a JSON document."""


def places(document: Any, path: tuple[Any, ...] = ()) -> Iterable[tuple[Any, ...]]:
    """Paths to every value of a JSON document."""
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(document, dict):
        items = document.items()
    elif isinstance(document, list):
        items = list(enumerate(document))[:8]
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def edited(document: Any, numbers: random.Random) -> Any:
    """The document with one value, or two, replaced by an odd one, left out, or doubled."""
    made = json.loads(json.dumps(document))
    for _ in range(numbers.choice((1, 1, 2))):
        paths = list(places(made))
        if not paths:
            break
        path = numbers.choice(paths)
        parent = made
        for key in path[:-1]:
            parent = parent[key]
        if numbers.random() < 0.15:
            del parent[path[-1]]
        elif numbers.random() < 0.1 and isinstance(parent, dict):
            parent["more"] = copy.deepcopy(numbers.choice(ODD))
        else:
            parent[path[-1]] = copy.deepcopy(numbers.choice(ODD))
    return made


def odd_array(array: Any, numbers: random.Random) -> Any:
    """An array of another type, shape or content."""
    changes: tuple[Callable[[Any], Any], ...] = (
        lambda a: a.astype(np.float64) + 0.5,
        lambda a: a.astype(np.float64) * float("nan"),
        lambda a: a[:-1],
        lambda a: a[..., :0],
        lambda a: a.reshape(-1),
        lambda a: a.astype(np.int64) + (1 << 62),
        lambda a: a.astype(np.int64) * (1 << 40) + 1,
        lambda a: a.astype("U8"),
        lambda a: np.zeros((0, 0)),
        lambda a: np.array(5),
        lambda a: a.astype(np.uint64) + np.uint64(1 << 63),
        lambda a: a.astype(np.complex64),
        lambda a: a.T,
        lambda a: np.concatenate([a, a]),
        lambda a: a + 1,
    )
    return numbers.choice(changes)(array)


def all_events(source: Any) -> str:
    """Every recording of a source must have events in order of time, inside its sensor."""
    sensor = source.about.sensor
    for part, labels in source.labels.items():
        if len(labels) and int(labels.max()) >= len(source.about.class_names):
            return "WRONG: a label without a class"
        for number in range(len(labels)):
            found = source.one(part, number)
            if len(found) and (
                (np.diff(found["t"]) < 0).any()
                or int(found["x"].max()) >= sensor.width
                or int(found["y"].max()) >= sensor.height
            ):
                return "WRONG: no recording"
    return "read"


def equal(one: Any, other: Any) -> bool:
    """Whether these tuples of arrays are the same."""
    return all(
        len(a) == len(b) and all(map(np.array_equal, a, b)) for a, b in zip(one, other, strict=True)
    )
