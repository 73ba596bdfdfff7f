"""Content hash of a NIR graph: nodes, parameters, edges and metadata, whatever file they pass through."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

SHAPES = ("input_type", "output_type")
HASH = "sha256"
"""Key of the graph's metadata under which the hash stands; it is no part of what is hashed."""


def content_hash(graph: Any) -> str:
    """sha256 of a graph, in hexadecimal; equal for a graph that was written and read again."""
    digest = hashlib.sha256()
    for name in sorted(graph.nodes):
        node = graph.nodes[name]
        _add(digest, name, type(node).__name__, _metadata(node))
        for field in fields(node):
            if field.name != "metadata":
                _add(digest, field.name, *_values(field.name, getattr(node, field.name)))
    _add(digest, sorted([list(edge) for edge in graph.edges]), _metadata(graph))
    return digest.hexdigest()


def _values(name: str, value: Any) -> list[Any]:
    """Shape and numbers of a parameter; of a type, its shapes by port."""
    if name in SHAPES:
        value = [np.asarray(value[port]).tolist() for port in sorted(value)]
    array = np.asarray(value, np.float64)
    return [list(array.shape), hashlib.sha256(array.astype("<f8").tobytes()).hexdigest()]


def _metadata(node: Any) -> dict[str, str]:
    found = getattr(node, "metadata", None)
    if not isinstance(found, Mapping):
        return {}
    return {str(key): str(found[key]) for key in sorted(found) if key != HASH}


def _add(digest: Any, *facts: Any) -> None:
    digest.update(json.dumps(facts, sort_keys=True).encode() + b"\n")
