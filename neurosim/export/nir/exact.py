"""Exact import of NIR graphs that this project wrote, from the registers in their metadata.

The metadata are used only if the graph that they describe is the graph in the file: it may have been trained
further without a change of its metadata.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.chip.synapses import Dense, Sparse, Synapses, of_matrix
from neurosim.export.nir.to_nir import SPECIFICATION, to_graph
from neurosim.network import Connection, Network, NetworkError
from neurosim.network.serialise import network_of
from neurosim.storage import parse_json

OF_KINDS = ("Conv2d", "SumPool2d")
"""Nodes that stand for the synapses of a connection kind."""
KINDS = {"input": "inputs", "population": "populations", "connection": "connections"}


class Own(NamedTuple):
    """Network that the metadata of a graph of this project describe.

    weights  by name of connection, as `Chip` takes them
    run      what the exporter was given to keep
    recorded, found  hash of the exported graph, "" where the metadata have none, and of this one
    """

    network: Network
    weights: dict[str, Synapses]
    run: dict[str, Any] | None
    recorded: str = ""
    found: str = ""

    @property
    def changed(self) -> bool:
        """Whether the graph differs from the one that was exported."""
        return self.recorded != self.found


class NotExact(ValueError):
    """Metadata of this project that do not describe the graph they are in. The message says why."""


def exact(graph: Any) -> Own | None:
    """The network of a graph of ours; None for one of others; NotExact where the metadata disagree."""
    versions = {
        one for node in graph.nodes.values() for one in [_text(node, "specification")] if one
    }
    if not versions:
        return None
    if versions != {SPECIFICATION}:
        raise NotExact(f"its metadata are {sorted(versions)}; this version reads {SPECIFICATION!r}")
    try:
        own = _described(graph)
        rebuilt = to_graph(own.network, own.weights, own.run).graph
        _check_same(graph, rebuilt)
        own = own._replace(recorded=_text(graph, "sha256"), found=rebuilt.metadata["sha256"])
    except NotExact:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise NotExact(f"its metadata do not fit it ({error})") from error
    return own


def _check_same(graph: Any, rebuilt: Any) -> None:
    """Raise NotExact unless the graph is the one that its metadata describe."""
    for name in sorted(set(graph.nodes) | set(rebuilt.nodes)):
        if not _same(graph.nodes.get(name), rebuilt.nodes.get(name)):
            raise NotExact(f"node {name!r} is not what its metadata say")
    if sorted(graph.edges) != sorted(rebuilt.edges):
        raise NotExact("its edges are not those that its metadata say")


def _text(node: Any, key: str) -> str:
    metadata = getattr(node, "metadata", None)
    return str(metadata.get(key, "")) if isinstance(metadata, Mapping) else ""


def _described(graph: Any) -> Own:
    found: dict[str, dict[int, Any]] = {kind: {} for kind in KINDS.values()}
    matrices: dict[int, list[tuple[dict[str, Any], Any]]] = {}
    for node in graph.nodes.values():
        if part := _text(node, "part"):
            registers = _parsed(_text(node, "registers"))
            found[KINDS[part]][registers["index"]] = registers["fields"]
            if part == "connection":
                matrices.setdefault(registers["index"], []).append((registers, node))
    network = network_of({kind: [parts[i] for i in sorted(parts)] for kind, parts in found.items()})
    weights = {
        connection.name: _synapses(network, connection, matrices[index])
        for index, connection in enumerate(network.connections)
    }
    run = _text(graph, "run")
    return Own(network, weights, _parsed(run) if run else None)


def _parsed(text: str) -> Any:
    return parse_json(text.encode("utf-8", "surrogatepass"), constants=True)


def _synapses(
    network: Network, connection: Connection, pieces: list[tuple[dict[str, Any], Any]]
) -> Synapses:
    pieces = sorted(pieces, key=lambda piece: piece[0]["delay"])
    facts, first = pieces[0]
    if facts["sparse"] and len(pieces) == 1 and type(first).__name__ in OF_KINDS:
        return of_matrix(network, connection, _matrix(connection, first))
    matrices = [_written_out(network, connection, node) for _, node in pieces]
    delays = [piece["delay"] for piece, _ in pieces]
    if not facts["sparse"]:
        own = np.full(matrices[0].shape, delays[0], np.int64)
        for matrix, delay in zip(matrices, delays, strict=True):
            own[matrix != 0] = delay
        return Dense(sum(matrices[1:], matrices[0]), own if facts["own_delays"] else None)
    targets, sources = (np.concatenate(c) for c in zip(*map(np.nonzero, matrices), strict=True))
    weights = np.concatenate([matrix[matrix != 0] for matrix in matrices])
    each = np.repeat(delays, [np.count_nonzero(matrix) for matrix in matrices])
    given = each if facts["own_delays"] else None
    return Sparse.from_pairs(sources, targets, weights, given, source_size=matrices[0].shape[1])


def _written_out(network: Network, connection: Connection, node: Any) -> NDArray[np.int64]:
    """Weights (target, source) of the node that a connection became."""
    if type(node).__name__ in OF_KINDS:
        return network.synapses(connection, _matrix(connection, node))
    return _integers(connection, node.weight)


def _matrix(connection: Connection, node: Any) -> NDArray[np.int64] | None:
    """Mantissas (row, column) of a Conv2d; None of a SumPool2d."""
    if type(node).__name__ == "SumPool2d":
        return None
    weights = _integers(connection, np.asarray(node.weight).transpose(2, 3, 1, 0))
    return weights.reshape(-1, weights.shape[-1]) >> connection.grid_bits


def _integers(connection: Connection, currents: Any) -> NDArray[np.int64]:
    whole = np.ldexp(currents, -limits.STATE_SHIFT - connection.weight_exp)
    if not np.array_equal(whole, np.rint(whole)):
        raise NetworkError(f"connection {connection.name}: weights are no whole numbers")
    return whole.astype(np.int64)


def _same(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    names = [f.name for f in fields(one) if f.name not in ("metadata", "input_type", "output_type")]
    same = all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)
    shapes = [[np.asarray(v).tolist() for v in node.input_type.values()] for node in (one, other)]
    return same and shapes[0] == shapes[1]
