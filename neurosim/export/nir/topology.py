"""Topology of a NIR graph: its populations, and the nodes that spikes pass between them.

    source (Input or neurons) -> [Delay, Flatten, linear nodes] -> neurons

Linear nodes (neurosim/export/nir/operators.py) on one way are multiplied; one of them at most has weights.

A graph within the graph is spread out first. Whatever else a graph holds is refused by name.
"""

import math
import operator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.export.nir.file_io import NirError
from neurosim.export.nir.operators import OPERATORS, WEIGHTED, Operator, out_shape
from neurosim.export.nir.values import numbers, plain
from neurosim.network.connections import ConnectionKind
from neurosim.network.shapes import MAP, Shape

NEURONS = ("CubaLIF", "LIF", "IF")
PARAMETERS = ("v_threshold", "v_reset", "v_leak", "r", "tau", "tau_mem", "tau_syn", "w_in")
MATRICES = ("Linear", "Affine")
PASSED = ("Delay", "Flatten", "Inner")
KNOWN = (*NEURONS, *OPERATORS, "Delay", "Flatten", "Input", "Output", "NIRGraph")

MOST_WAYS = 4096
"""Ways between populations. Chosen here: each is a connection of its own on the chip."""
MOST_DEPTH = 50
"""Graphs within graphs; chosen here."""
MOST_INPUTS = 1 << 24
"""Axons of an input (network/description.py)."""
MOST_WEIGHTS = limits.CORES_PER_CHIP * limits.SYNAPSE_BYTES_PER_CORE
"""Synapses of 8 bits that the memories of a chip hold."""

Float = NDArray[np.float64]


class Inner:
    """An Input or Output of a graph within the graph, which passes spikes on."""


class Wire(NamedTuple):
    """One way from a source to neurons, without other neurons on it.

    node     name of the linear node with weights; of another, or of the target, where there is none
    weights  float64 (target, source): the matrix, or ones on the diagonal where there is none
    bias     float64 (target,)
    before, after  seconds of delay on the way to the matrix (source,) and from it (target,)
    kind     connection kind of a way with one linear node that has one, or None
    """

    source: str
    target: str
    node: str
    weights: Float
    bias: Float
    before: Float
    after: Float
    kind: ConnectionKind | None = None


class Parts(NamedTuple):
    """inputs: name -> size; neurons: name -> node, in the order spikes reach them; wires: by target.

    sizes  neurons of each population
    shapes  (channels, height, width) or (size,) of inputs and populations
    """

    inputs: dict[str, int]
    neurons: dict[str, Any]
    wires: tuple[Wire, ...]
    sizes: dict[str, int]
    shapes: dict[str, Shape]


def parts(graph: Any) -> Parts:
    """The parts of a graph, or NirError naming the node that the chip has nothing for."""
    nodes, edges = _spread(graph, "")
    for name, node in nodes.items():
        if _kind(node) not in (*KNOWN, "Inner"):
            raise NirError(
                f"node {name!r} is {_kind(node)}; the chip has something for {', '.join(KNOWN)}"
            )
    for start, end in edges:
        for name in (start, end):
            if name not in nodes:
                raise NirError(f"edge {start!r} -> {end!r}: there is no node {name!r}")
    edges = list(dict.fromkeys(edges))
    before: dict[str, list[str]] = {name: [] for name in nodes}
    after: dict[str, list[str]] = {name: [] for name in nodes}
    for start, end in edges:
        before[end].append(start)
        after[start].append(end)
    _check_ends(nodes, after)
    ordered = _reached(nodes, after)
    inputs = {n: _size(n, nodes[n]) for n in ordered if _kind(nodes[n]) == "Input"}
    neurons = {n: nodes[n] for n in ordered if _kind(nodes[n]) in NEURONS}
    if not inputs or not neurons:
        raise NirError(
            f"the graph has {len(inputs)} Input nodes and {len(neurons)} populations "
            f"({', '.join(NEURONS)}); needed is one of each at least"
        )
    paths = _all_paths(nodes, before, list(neurons))
    sizes = _population_sizes(nodes, edges, neurons)
    shapes = _shapes(nodes, before, ordered, {**inputs, **sizes})
    sizes = {name: math.prod(shapes[name]) for name in neurons}
    _check_weights({**inputs, **sizes}, paths)
    wires = tuple(_wire(nodes, path, end, shapes) for path, end in paths)
    return Parts(inputs, neurons, wires, sizes, {n: shapes[n] for n in (*inputs, *neurons)})


def _shapes(
    nodes: dict[str, Any], before: dict[str, list[str]], ordered: list[str], sizes: dict[str, int]
) -> dict[str, Shape]:
    """Shape of what each node gives; neurons have that of what comes, where it is as many."""
    found: dict[str, Shape] = {}
    for name in ordered:
        node, kind = nodes[name], _kind(nodes[name])
        came = next((found[one] for one in before[name] if one in found), None)
        if kind == "Input":
            found[name] = _axes(node.input_type["input"], sizes[name])
        elif kind in NEURONS:
            own = _axes(np.shape(plain(node.v_threshold)), sizes[name])
            fits = came is not None and (math.prod(came) == sizes[name] or sizes[name] == 1)
            found[name] = came if came is not None and fits and len(own) != MAP else own
        elif came is not None and kind in OPERATORS:
            found[name] = out_shape(name, node, came)
        elif came is not None:
            found[name] = (math.prod(came),) if kind == "Flatten" else came
    return found


def _axes(shape: Any, size: int) -> Shape:
    """A shape of three axes that holds `size` neurons, or (size,)."""
    axes = tuple(int(axis) for axis in np.asarray(plain(shape)).ravel().tolist())
    return axes if len(axes) == MAP and math.prod(axes) == size else (size,)


def _population_sizes(
    nodes: dict[str, Any], edges: list[tuple[str, str]], neurons: dict[str, Any]
) -> dict[str, int]:
    """Neurons of each population; of one value for all of them, as the nodes around it have it."""
    found = {}
    for name, node in neurons.items():
        own = _own_size(node)
        around = [_beside(nodes, edges, name, step) for step in (0, 1)] if own == 1 else []
        found[name] = next((size for size in around if size), own)
    return found


def _own_size(node: Any) -> int:
    """Neurons that the parameters of a population are given for; 1 may stand for any number."""
    sizes = [_count(getattr(node, one)) for one in PARAMETERS if hasattr(node, one)]
    return next((size for size in sizes if size != 1), 1)


def _count(given: Any) -> int:
    """Numbers of a parameter; 1 of what is no array, which is refused where it is read."""
    try:
        return np.asarray(plain(given)).size
    except (TypeError, ValueError):
        return 1


def _beside(
    nodes: dict[str, Any], edges: list[tuple[str, str]], name: str, step: int
) -> int | None:
    """Size that the nodes before (step 0) or after (step 1) a population give it, or None.

    Nodes that pass on what comes are passed, each once.
    """
    seen, waiting = set(), [name]
    while waiting:
        here = waiting.pop()
        for edge in edges:
            other = edge[step]
            if edge[1 - step] != here or other in seen:
                continue
            seen.add(other)
            if _kind(nodes[other]) in PASSED:
                waiting.append(other)
            elif size := _told_size(other, nodes[other], step):
                return size
    return None


def _told_size(name: str, node: Any, step: int) -> int | None:
    """Size that a node gives a population after it (step 0) or before it (step 1), or None."""
    kind = _kind(node)
    if kind in MATRICES:
        shape = np.asarray(plain(node.weight)).shape
        return int(shape[step]) if len(shape) == 2 else None
    if kind in NEURONS:
        return size if (size := _own_size(node)) > 1 else None
    if kind == "Input":
        return _size(name, node)
    types = getattr(node, "output_type", None) or {}
    return _product(types.get("output")) if kind == "Output" else None


def _kind(node: Any) -> str:
    return type(node).__name__


def _spread(graph: Any, prefix: str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Nodes and edges, those of graphs within it included, as `outer.inner`."""
    if prefix.count(".") > MOST_DEPTH:
        raise NirError(f"graphs lie {MOST_DEPTH + 1} deep in the graph; allowed are {MOST_DEPTH}")
    nodes: dict[str, Any] = {}
    edges: list[tuple[str, str]] = []
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    for name, node in sorted(graph.nodes.items()):
        full = prefix + name
        if _kind(node) != "NIRGraph":
            inner = prefix and _kind(node) in ("Input", "Output")
            nodes[full] = Inner() if inner else node
            continue
        within, between = _spread(node, full + ".")
        nodes |= within
        edges += between
        for found, kind in ((first, "Input"), (last, "Output")):
            ends = [n for n, one in node.nodes.items() if _kind(one) == kind]
            if len(ends) != 1:
                raise NirError(
                    f"node {full!r} is a graph with {len(ends)} {kind} nodes; needed is one"
                )
            found[full] = f"{full}.{ends[0]}"
    for start, end in graph.edges:
        start, end = prefix + start, prefix + end
        edges.append((last.get(start, start), first.get(end, end)))
    return nodes, edges


def _check_ends(nodes: dict[str, Any], after: dict[str, list[str]]) -> None:
    """Nothing but neurons may come out of the graph: the chip gives spikes."""
    for name, node in nodes.items():
        ends = after[name]
        loose = _kind(node) in OPERATORS and not ends
        if _kind(node) in (*OPERATORS, "Input"):
            loose |= any(_kind(nodes[end]) == "Output" for end in ends)
        if loose:
            raise NirError(
                f"node {name!r} ({_kind(node)}) goes out of the graph without neurons after it; "
                f"the chip sends spikes: put CubaLIF, LIF or IF behind it"
            )


def _reached(nodes: dict[str, Any], after: dict[str, list[str]]) -> list[str]:
    """All nodes, those that spikes reach first before the others."""
    order = sorted(name for name, node in nodes.items() if _kind(node) == "Input")
    seen = set(order)
    for name in order:
        new = sorted(set(after[name]) - seen)
        order += new
        seen.update(new)
    return order + sorted(set(nodes) - seen)


def _all_paths(
    nodes: dict[str, Any], before: dict[str, list[str]], ends: list[str]
) -> list[tuple[tuple[str, ...], str]]:
    """Every way to each of `ends` from a source: (source, node, node ...), end.

    Counted first, since a graph of n nodes may have 2^n of them; NirError beyond MOST_WAYS.
    """
    ways: dict[str, int] = {}
    total = 0
    for end in ends:
        for name in before[end]:
            _count_ways(nodes, before, name, ways)
            total += ways[name]
    if total > MOST_WAYS:
        raise NirError(
            f"the graph has {total:,} ways on which spikes travel between populations; allowed are "
            f"{MOST_WAYS:,}: join parallel ways"
        )
    return [(path, end) for end in ends for path in _paths(nodes, before, end)]


def _is_source(node: Any) -> bool:
    return _kind(node) in (*NEURONS, "Input")


def _count_ways(
    nodes: dict[str, Any], before: dict[str, list[str]], start: str, ways: dict[str, int]
) -> None:
    """Put down in `ways` how many ways lead from a source to `start` and to all nodes on them."""
    open_: set[str] = set()
    stack = [start]
    while stack:
        name = stack[-1]
        if name in ways:
            stack.pop()
        elif _is_source(nodes[name]):
            ways[name] = 1
        elif name in open_:  # all before it are counted
            ways[name] = sum(ways[one] for one in before[name])
            if not ways[name]:
                raise NirError(
                    f"nothing leads to node {name!r} ({_kind(nodes[name])}); add an Input"
                )
        else:
            open_.add(name)
            for one in before[name]:
                if one in open_ and one not in ways:
                    raise NirError(f"node {one!r} is in a circle without neurons")
            stack += before[name]


def _paths(nodes: dict[str, Any], before: dict[str, list[str]], end: str) -> list[tuple[str, ...]]:
    """Every way to `end` from a source: source, node, node ...; the graph has no circles."""
    found: list[tuple[str, ...]] = []
    path: list[str] = []
    rest = [iter(before[end])]
    while rest:
        name = next(rest[-1], None)
        if name is None:
            rest.pop()
            if path:
                path.pop()
        elif _is_source(nodes[name]):
            found.append((name, *reversed(path)))
        else:
            path.append(name)
            rest.append(iter(before[name]))
    return found


def _check_weights(size_of: dict[str, int], paths: list[tuple[tuple[str, ...], str]]) -> None:
    """Raise NirError where the matrices of all ways, full as they are kept here, fit no chip."""
    total = sum(size_of[path[0]] * size_of[end] for path, end in paths)
    if total > MOST_WEIGHTS:
        raise NirError(
            f"the ways between populations are matrices of {total:,} weights; a chip keeps "
            f"{MOST_WEIGHTS:,} synapses"
        )


def _wire(
    nodes: dict[str, Any], path: tuple[str, ...], target: str, shapes: dict[str, Shape]
) -> Wire:
    source, *between = path
    linear = [name for name in between if _kind(nodes[name]) in OPERATORS]
    weighted = [name for name in linear if _kind(nodes[name]) in WEIGHTED]
    if len(weighted) > 1:
        raise NirError(
            f"nodes {weighted[0]!r} and {weighted[1]!r} follow one another without neurons between "
            f"them; multiply their matrices"
        )
    sizes = math.prod(shapes[source]), math.prod(shapes[target])
    at = between.index(linear[0]) if linear else len(between)
    node = (weighted or linear or [target])[0]
    found = _operators(nodes, between, shapes[source])
    weights, bias = _product_of(found, sizes)
    if weights.shape != sizes[::-1] or not (linear or sizes[0] == sizes[1]):
        raise NirError(
            f"node {node!r}: weights {weights.shape} lead from {source!r} of {sizes[0]} to {target!r} of "
            f"{sizes[1]}; needed are weights {sizes[::-1]} and a bias each"
        )
    before = _delay(nodes, between[:at], sizes[0])
    after = _delay(nodes, between[at:], sizes[1])
    kind = found[0].kind if len(found) == 1 else None
    return Wire(source, target, node, weights, bias, before, after, kind)


def _operators(nodes: dict[str, Any], between: list[str], shape: Shape) -> list[Operator]:
    """The linear nodes of a way, each for the shape that comes to it."""
    found = []
    for name in between:
        kind = _kind(nodes[name])
        if kind in OPERATORS:
            found.append(OPERATORS[kind](name, nodes[name], shape))
            shape = found[-1].out_shape
        elif kind == "Flatten":
            shape = (math.prod(shape),)
    return found


def _product_of(found: list[Operator], sizes: tuple[int, int]) -> tuple[Float, Float]:
    """Matrix (target, source) and bias (target,) of linear nodes one after another."""
    if not found:
        return np.eye(sizes[1], sizes[0]), np.zeros(sizes[1])
    weights, bias = found[0].matrix, found[0].bias
    for one in found[1:]:
        weights, bias = one.matrix @ weights, one.matrix @ bias + one.bias
    return weights, bias


def _delay(nodes: dict[str, Any], names: list[str], size: int) -> Float:
    total = np.zeros(size)
    for name in names:
        if _kind(nodes[name]) == "Delay":
            delay = numbers(name, "delay", nodes[name].delay).ravel()
            if delay.size not in (1, size):
                raise NirError(f"node {name!r}: {delay.size} delays for {size} spikes")
            total = total + delay
    return total


def _size(name: str, node: Any) -> int:
    """Inputs of an Input node."""
    shape = node.input_type.get("input") if isinstance(node.input_type, dict) else None
    size = _product(shape) or 0
    if not 1 <= size <= MOST_INPUTS:
        raise NirError(
            f"node {name!r}: its shape is {str(shape)[:80]}; needed are whole numbers above 0, of "
            f"{MOST_INPUTS:,} inputs at most"
        )
    return size


def _product(shape: Any) -> int | None:
    """Numbers that a shape stands for; None where it is none."""
    try:
        sizes = [operator.index(n) for n in np.asarray(plain(shape)).ravel().tolist()]
    except (TypeError, ValueError):
        return None
    return math.prod(sizes) if sizes and min(sizes) > 0 else None
