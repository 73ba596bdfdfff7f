"""NIR graphs from strangers: damaged files, graphs of any shape, numbers of any size."""

import json
import math
import re
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

nir = pytest.importorskip("nir", reason='needs the extra "nir"')
h5py = pytest.importorskip("h5py")

from neurosim.export.nir import file_io, from_nir, hdf5_tree, to_nir, topology  # noqa: E402
from neurosim.export.nir.file_io import NirError  # noqa: E402
from neurosim.network import Network, Population, Weights, learned  # noqa: E402

NETWORK = Network.chain(3, [Population("a", 2, 100, dv=40), Population("b", 2, 90)])
WEIGHTS = Weights(
    (np.array([[1, 2], [3, -4], [5, 6]], np.int8), np.array([[7, 8], [9, 1]], np.int8)),
    (np.zeros(2, np.int16),) * 2,
)


def exported():
    return to_nir.to_graph(*learned(NETWORK, WEIGHTS), {"settings": {"steps": 10}}).graph


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    path = tmp_path_factory.mktemp("nir") / "a.nir"
    file_io.write(path, exported())
    return path.read_bytes()


def same(found):
    network, weights = from_nir.as_run(found)
    return network == NETWORK and all(
        np.array_equal(one, other)
        for kinds in zip(weights, WEIGHTS, strict=True)
        for one, other in zip(*kinds, strict=True)
    )


def test_what_was_written_is_read_exactly(tmp_path, raw):
    (tmp_path / "a.nir").write_bytes(raw)
    found = from_nir.read(tmp_path / "a.nir")
    assert (found.exact, found.remarks, same(found)) == (True, (), True)
    assert found.run == {"settings": {"steps": 10}}


@given(data=st.data())
def test_a_damaged_file_is_refused_or_said_to_be_changed(tmp_path_factory, raw, data):
    path = tmp_path_factory.mktemp("nir") / "a.nir"
    damaged = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(damaged[: data.draw(st.integers(1, len(raw)) | st.just(len(raw)))])
    try:
        found = from_nir.read(path)
    except NirError:
        return
    assert same(found) if found.exact else found.remarks


def test_a_changed_register_or_weight_is_said_to_be_changed():
    for change in (
        lambda graph: graph.nodes["input_a"].weight.__setitem__((0, 0), 384.0),
        lambda graph: graph.metadata.pop("sha256"),
        lambda graph: graph.metadata.update(sha256="0" * 64),
        lambda graph: graph.metadata.update(run=json.dumps({"settings": {"steps": 11}})),
    ):
        graph = exported()
        change(graph)
        found = from_nir.of_graph(graph)
        assert not found.exact
        assert re.search(
            "changed since it was exported, or damaged: the hash .* again", found.remarks[0]
        )


def hdf5(path, make):
    with h5py.File(path, "w") as file:
        node = file.create_group("node")
        node["type"] = "NIRGraph"
        node.create_group("nodes")
        make(file, node)
    return path


def _loop(file, node):
    node["nodes/again"] = node


def _deep(file, node):
    group = node["nodes"]
    for _ in range(hdf5_tree.MOST_DEPTH + 5):
        group = group.create_group("x")


@pytest.mark.parametrize(
    "make",
    [
        lambda file, node: None,
        lambda file, node: node.__setitem__("edges", np.zeros((3, 2))),
        lambda file, node: node.__setitem__("edges", h5py.ExternalLink("/etc/x.h5", "/")),
        lambda file, node: node.__setitem__("edges", h5py.SoftLink("/node/type")),
        lambda file, node: node.create_dataset(
            "edges", (4,), "u1", external=[("/etc/hostname", 0, 4)]
        ),
        lambda file, node: node.create_dataset("edges", (1 << 40,), "f8", chunks=(1 << 10,)),
        lambda file, node: node.__setitem__("edges", h5py.Empty("f4")),
        lambda file, node: node.__setitem__("type", h5py.SoftLink("/node")),
        _loop,
        _deep,
    ],
)
def test_other_content_of_hdf5_is_refused(tmp_path, make):
    def made(file, node):
        if make not in (_loop, _deep):
            del node["type"]
            node["type"] = "NIRGraph"
        try:
            make(file, node)
        except (OSError, ValueError):  # a name that is there
            del node["type"]
            make(file, node)

    with pytest.raises(NirError, match=r"a\.nir"):
        file_io.read(hdf5(tmp_path / "a.nir", made))


def test_a_file_of_another_kind_is_not_replaced(tmp_path):
    path = tmp_path / "thesis.tex"
    path.write_text("years of work")
    with pytest.raises(NirError, match="is not replaced"):
        file_io.write(path, exported())
    assert path.read_text() == "years of work"
    file_io.write(tmp_path / "a.nir", exported())
    file_io.write(tmp_path / "a.nir", exported())


# --- graphs --------------------------------------------------------------------------------------


def lif(size=3, **changes):
    ones = np.ones(size)
    values = {
        "tau": 0.002 * ones,
        "r": ones,
        "v_leak": 0 * ones,
        "v_threshold": ones,
        "v_reset": 0 * ones,
    }
    values |= {name: np.full(size, value) for name, value in changes.items()}
    return nir.LIF(**values)


def graph_of(nodes, edges):
    return nir.NIRGraph(nodes, edges, type_check=False)


def delay(seconds=1e-4, size=3):
    return nir.Delay(np.full(size, seconds))


def diamonds(count):
    nodes = {"in": nir.Input(np.array([3])), "out": lif()}
    edges, last = [], "in"
    for number in range(count):
        for side in "ab":
            nodes[f"{side}{number}"] = delay()
            edges.append((last, f"{side}{number}"))
        nodes[f"c{number}"] = delay()
        edges += [(f"a{number}", f"c{number}"), (f"b{number}", f"c{number}")]
        last = f"c{number}"
    return graph_of(nodes, [*edges, (last, "out")])


def quick(graph):
    began = time.perf_counter()
    try:
        return from_nir.of_graph(graph, clip=True)
    finally:
        assert time.perf_counter() - began < 5


def test_a_graph_with_more_ways_than_anybody_can_walk_is_refused_at_once():
    with pytest.raises(NirError, match="1,152,921,504,606,846,976 ways"):
        quick(diamonds(60))
    assert len(topology.parts(diamonds(2)).wires) == 4


def test_long_chains_and_many_nodes_take_no_recursion():
    chain = [f"d{number}" for number in range(3000)]
    nodes = {"in": nir.Input(np.array([3])), "out": lif(), **{name: delay(0) for name in chain}}
    way = ["in", *chain, "out"]
    found = quick(graph_of(nodes, list(pairwise(way))))
    assert len(found.network.connections) == 1
    circle = graph_of(nodes, [*pairwise(way), ("d2999", "d0")])
    with pytest.raises(NirError, match="in a circle without neurons"):
        quick(circle)
    with pytest.raises(NirError, match="nothing leads to node 'd0'"):
        quick(graph_of(nodes, [*pairwise(way[1:]), ("in", "out")]))


@pytest.mark.parametrize(
    "shape", [[10**12], [2**40, 2**40], [-3], [0], [], [1.5], ["x"], [math.nan]]
)
def test_inputs_of_any_shape_are_refused_before_memory_is_taken(shape):
    graph = graph_of({"in": nir.Input(np.array(shape)), "out": lif()}, [("in", "out")])
    with pytest.raises(NirError, match="node 'in'"):
        quick(graph)


def test_matrices_that_no_chip_holds_are_refused_before_memory_is_taken():
    size = 1 << 20
    nodes = {"in": nir.Input(np.array([size])), "out": lif(size)}
    with pytest.raises(NirError, match="a chip keeps 16,777,216 synapses"):
        quick(graph_of(nodes, [("in", "out")]))


def test_graphs_within_graphs_end():
    graph = graph_of({"in": nir.Input(np.array([3])), "out": lif()}, [("in", "out")])
    for _ in range(60):
        graph = graph_of({"in": nir.Input(np.array([3])), "g": graph}, [("in", "g")])
    with pytest.raises(NirError, match=r"graphs lie 51 deep|Output nodes"):
        quick(graph)


EXTREME = [0.0, -1.0, 1e-308, 1e-20, 1e20, 1e300, 1e308, -1e308, math.inf, math.nan]


@pytest.mark.parametrize("value", EXTREME)
@pytest.mark.parametrize("name", ["tau", "r", "v_leak", "v_threshold", "v_reset", "weight", "bias"])
def test_extreme_numbers_are_refused_or_quantised(name, value):
    matrix = np.full((3, 3), value if name == "weight" else 0.5)
    bias = np.full(3, value if name == "bias" else 0.0)
    nodes = {
        "in": nir.Input(np.array([3])),
        "fc": nir.Affine(matrix, bias),
        "out": lif(**{name: value} if name not in ("weight", "bias") else {}),
    }
    graph = graph_of(nodes, [("in", "fc"), ("fc", "out")])
    for clip in (False, True):
        try:
            found = from_nir.of_graph(graph, clip=clip)
        except NirError:
            continue
        assert all(np.isfinite([row.wanted, row.got]).all() for row in found.rows)


@pytest.mark.parametrize("value", ["x", None, [[1], [2, 3]], [1 + 2j], [b"x"]])
def test_parameters_that_are_no_numbers_are_refused(value):
    node = lif()
    node.tau = value
    with pytest.raises(NirError, match="node 'out': tau"):
        quick(graph_of({"in": nir.Input(np.array([3])), "out": node}, [("in", "out")]))
