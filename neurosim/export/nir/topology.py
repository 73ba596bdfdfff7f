"""Which populations does a NIR graph have, and by which nodes do spikes travel between them?

    source (Input or neurons) -> [Delay, Flatten] -> [Linear or Affine] -> [Delay, Flatten] -> neurons

A graph within the graph is spread out first. Whatever else a graph holds is refused by name.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.export.nir.file_io import NirError

NEURONS = ("CubaLIF", "LIF", "IF")
PARAMETERS = ("v_threshold", "v_reset", "v_leak", "r", "tau", "tau_mem", "tau_syn", "w_in")
MATRICES = ("Linear", "Affine")
PASSED = ("Delay", "Flatten", "Inner")
KNOWN = (*NEURONS, *MATRICES, "Delay", "Flatten", "Input", "Output", "NIRGraph")

Float = NDArray[np.float64]


class Inner:
    """An Input or Output of a graph within the graph: passes on what comes."""


class Wire(NamedTuple):
    """One way from a source to neurons, without other neurons on it.

    node     name of the Linear or Affine; of the target where there is none
    weights  float64 (target, source): the matrix, or ones on the diagonal where there is none
    bias     float64 (target,)
    before, after  seconds of delay on the way to the matrix (source,) and from it (target,)
    """

    source: str
    target: str
    node: str
    weights: Float
    bias: Float
    before: Float
    after: Float


class Parts(NamedTuple):
    """inputs: name -> size; neurons: name -> node, in the order spikes reach them; wires: by target.

    sizes  neurons of each population
    """

    inputs: dict[str, int]
    neurons: dict[str, Any]
    wires: tuple[Wire, ...]
    sizes: dict[str, int]


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
    before: dict[str, list[str]] = {name: [] for name in nodes}
    for start, end in dict.fromkeys(edges):
        before[end].append(start)
    _check_ends(nodes, edges)
    ordered = _reached(nodes, edges)
    inputs = {n: _size(n, nodes[n]) for n in ordered if _kind(nodes[n]) == "Input"}
    neurons = {n: nodes[n] for n in ordered if _kind(nodes[n]) in NEURONS}
    if not inputs or not neurons:
        raise NirError(
            f"the graph has {len(inputs)} Input nodes and {len(neurons)} populations "
            f"({', '.join(NEURONS)}); needed is one of each at least"
        )
    sizes = _population_sizes(nodes, edges, neurons)
    wires = [
        _wire(nodes, path, end, {**inputs, **sizes})
        for end in neurons
        for path in _paths(nodes, before, end, ())
    ]
    return Parts(inputs, neurons, tuple(wires), sizes)


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
    sizes = [np.asarray(plain(getattr(node, one))).size for one in PARAMETERS if hasattr(node, one)]
    return next((size for size in sizes if size != 1), 1)


def _beside(
    nodes: dict[str, Any], edges: list[tuple[str, str]], name: str, step: int
) -> int | None:
    """Size that the nodes before (step 0) or after (step 1) a population give it; None: they do not say."""
    for edge in edges:
        if edge[1 - step] != name:
            continue
        node, kind = nodes[edge[step]], _kind(nodes[edge[step]])
        if kind in MATRICES:
            return int(np.asarray(plain(node.weight)).shape[step])
        if kind in NEURONS:
            size = _own_size(node)
            if size > 1:
                return size
        if kind in ("Input", "Output"):
            shape = node.input_type["input"] if kind == "Input" else node.output_type["output"]
            return None if shape is None else int(np.prod(plain(shape)))
        if kind in PASSED and (beyond := _beside(nodes, edges, edge[step], step)):
            return beyond
    return None


def _kind(node: Any) -> str:
    return type(node).__name__


def _spread(graph: Any, prefix: str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Nodes and edges, those of graphs within it included, as `outer.inner`."""
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


def _check_ends(nodes: dict[str, Any], edges: list[tuple[str, str]]) -> None:
    """Nothing but neurons may come out of the graph: the chip gives spikes."""
    going = {start for start, _ in edges}
    for name, node in nodes.items():
        loose = _kind(node) in MATRICES and name not in going
        for end in (end for start, end in edges if start == name):
            loose |= _kind(node) in (*MATRICES, "Input") and _kind(nodes[end]) == "Output"
        if loose:
            raise NirError(
                f"node {name!r} ({_kind(node)}) goes out of the graph without neurons after it; "
                f"the chip sends spikes: put CubaLIF, LIF or IF behind it"
            )


def _reached(nodes: dict[str, Any], edges: list[tuple[str, str]]) -> list[str]:
    """All nodes, those that spikes reach first before the others."""
    order = sorted(name for name, node in nodes.items() if _kind(node) == "Input")
    for name in order:
        order += sorted({end for start, end in edges if start == name} - set(order))
    return order + sorted(set(nodes) - set(order))


def _paths(
    nodes: dict[str, Any], before: dict[str, list[str]], end: str, path: tuple[str, ...]
) -> list[tuple[str, ...]]:
    """Every way to `end` from a source: source, node, node ..."""
    found = []
    for name in before[end]:
        if name in path:
            raise NirError(f"node {name!r} is in a circle without neurons")
        if _kind(nodes[name]) in (*NEURONS, "Input"):
            found.append((name, *path))
            continue
        longer = _paths(nodes, before, name, (name, *path))
        if not longer:
            raise NirError(f"nothing leads to node {name!r} ({_kind(nodes[name])}); add an Input")
        found += longer
    return found


def _wire(
    nodes: dict[str, Any], path: tuple[str, ...], target: str, size_of: dict[str, int]
) -> Wire:
    source, *between = path
    matrices = [name for name in between if _kind(nodes[name]) in MATRICES]
    if len(matrices) > 1:
        raise NirError(
            f"nodes {matrices[0]!r} and {matrices[1]!r} follow one another without neurons between "
            f"them; multiply their matrices"
        )
    sizes = size_of[source], size_of[target]
    at = between.index(matrices[0]) if matrices else len(between)
    node = matrices[0] if matrices else target
    weights, bias = np.eye(sizes[1], sizes[0]), np.zeros(sizes[1])
    if matrices:
        weights = numbers(node, "weight", nodes[node].weight)
        if hasattr(nodes[node], "bias"):
            bias = numbers(node, "bias", nodes[node].bias).ravel()
    if (
        weights.shape != sizes[::-1]
        or bias.size != sizes[1]
        or not (matrices or sizes[0] == sizes[1])
    ):
        raise NirError(
            f"node {node!r}: weights {weights.shape} and {bias.size} biases lead from {source!r} of "
            f"{sizes[0]} to {target!r} of {sizes[1]}; needed are weights {sizes[::-1]} and a bias each"
        )
    before = _delay(nodes, between[:at], sizes[0])
    after = _delay(nodes, between[at:], sizes[1])
    return Wire(source, target, node, weights, bias, before, after)


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
    shape = node.input_type["input"]
    size = 0 if shape is None else int(np.prod(plain(shape)))
    if size < 1:
        raise NirError(f"node {name!r}: its shape is {shape}; needed are whole numbers above 0")
    return size


def plain(given: Any) -> Any:
    """An array of PyTorch as one of NumPy, whatever device or gradient it has; anything else as it is."""
    return given.detach().cpu().numpy() if hasattr(given, "detach") else given


def numbers(name: str, what: str, given: Any, endless: bool = False) -> Float:
    """A parameter of a node as float64; NirError where it is not all numbers, finite unless `endless`."""
    array = np.asarray(plain(given))
    odd = np.isnan if endless else lambda values: ~np.isfinite(values)
    if array.dtype.kind not in "fiu" or odd(array).any():
        raise NirError(f"node {name!r}: {what} holds what is no finite number ({array.dtype})")
    return array.astype(np.float64)
