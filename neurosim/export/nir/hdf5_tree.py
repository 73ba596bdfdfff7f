"""Content of a NIR file as plain data, read by h5py in a child process (neurosim/sandbox.py).

HDF5 can end a process at a damaged file, follow links to other files, and announce arrays of any size.
So the child reads it, and hands over one JSON document and one file of raw numbers an array:

    group    {"group": {name: item}}
    text     {"text": ...}             texts {"texts": [...], "shape": [...]}
    array    {"array": number of the file, "dtype": ..., "shape": [...]}

Groups and arrays of the file itself are read, links to other files and places are refused.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.sandbox import Refused
from neurosim.storage import JsonError, parse_json

TREE = "tree.json"
MOST_BYTES = 1 << 28
"""Bytes of all arrays of a file. Chosen here: 2^24 weights, the synapse memory of a chip, as float64 and
as much again."""
MOST_ITEMS = 200_000
"""Groups and arrays of a file; chosen here."""
MOST_DEPTH = 100
"""Groups within groups; chosen here."""
_KINDS = "biufSU"


def dump(path: str, *, folder: Path) -> int:
    """Write the tree of the NIR file at `path` to `folder`; the number of its arrays. Runs in a child.

    Raises Refused where the file holds what no NIR graph needs.
    """
    import h5py

    with h5py.File(path, "r") as file:
        if not isinstance(file.get("node"), h5py.Group):
            raise Refused("it has no group 'node', which is the graph of a NIR file")
        dumping = _Dump(folder)
        tree = dumping.group(file["node"], 0)
    (folder / TREE).write_text(json.dumps(tree))
    return dumping.arrays


class _Dump:
    """One dump under way: what was read so far counts against the limits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.arrays = self.items = self.bytes = 0

    def group(self, group: Any, depth: int) -> dict[str, Any]:
        import h5py

        if depth > MOST_DEPTH:
            raise Refused(f"groups lie {depth} deep; allowed are {MOST_DEPTH}")
        found: dict[str, Any] = {}
        for name in group:
            self.items += 1
            if self.items > MOST_ITEMS:
                raise Refused(f"more than {MOST_ITEMS} groups and arrays")
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise Refused(f"{name!r} is a link to another place; a NIR file has none")
            item = group[name]
            if isinstance(item, h5py.Group):
                found[str(name)] = self.group(item, depth + 1)
            elif isinstance(item, h5py.Dataset):
                found[str(name)] = self.dataset(str(name), item)
        return {"group": found}

    def dataset(self, name: str, item: Any) -> dict[str, Any]:
        import h5py

        if item.external or item.is_virtual:
            raise Refused(f"{name!r} lies in another file; a NIR file holds its own numbers")
        size = math.prod(item.shape or ()) * item.dtype.itemsize
        self.bytes += size
        if self.bytes > MOST_BYTES:
            raise Refused(f"its arrays take more than {MOST_BYTES:,} bytes")
        if item.shape is None:
            raise Refused(f"{name!r} holds nothing")
        if h5py.check_string_dtype(item.dtype) is not None:
            return _texts(name, item[()])
        if item.dtype.kind not in _KINDS:
            raise Refused(f"{name!r} holds {item.dtype}; needed are numbers or text")
        values = np.asarray(item[()])
        if values.dtype.kind in "SU":
            return _texts(name, values)
        self.arrays += 1
        values = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
        values.tofile(self.folder / f"{self.arrays}.raw")
        return {"array": self.arrays, "dtype": values.dtype.str, "shape": list(item.shape)}


def _texts(name: str, values: Any) -> dict[str, Any]:
    array = np.asarray(values, object)
    texts = [_text(name, one) for one in array.ravel().tolist()]
    if array.ndim == 0:
        return {"text": texts[0]}
    return {"texts": texts, "shape": list(array.shape)}


def _text(name: str, one: Any) -> str:
    try:
        return one.decode() if isinstance(one, bytes) else str(one)
    except UnicodeDecodeError as error:
        raise Refused(f"{name!r} holds bytes that are no text") from error


class TreeError(ValueError):
    """A dump that is not what `dump` writes."""


def load(folder: Path) -> dict[str, Any]:
    """The dictionaries that nir makes nodes of, from what `dump` wrote; TreeError where it is damaged."""
    try:
        tree = parse_json((folder / TREE).read_bytes(), constants=True)
        made = _made(folder, tree)
    except (OSError, JsonError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise TreeError(f"the child's answer is damaged ({error})") from error
    if not isinstance(made, dict):
        raise TreeError("the child's answer is no group")
    return made


def _made(folder: Path, item: dict[str, Any]) -> Any:
    if "group" in item:
        return {name: _made(folder, one) for name, one in item["group"].items()}
    if "text" in item:
        return str(item["text"])
    if "texts" in item:
        return np.array(item["texts"], object).reshape(item["shape"])
    return _array(folder / f"{int(item['array'])}.raw", np.dtype(item["dtype"]), item["shape"])


def _array(file: Path, dtype: np.dtype[Any], shape: list[int]) -> NDArray[Any] | Any:
    if dtype.kind not in _KINDS:
        raise TreeError(f"type {dtype} is no number")
    values = np.fromfile(file, dtype).reshape(shape)
    return values if shape else values[()]
