"""NIR graphs of this project: bit-exact round trip, and changed graphs found."""

import json
from dataclasses import replace

import nir
import numpy as np
import pytest
from chip_strategies import cases
from hypothesis import HealthCheck, given, settings

from neurosim.chip.emulator import Chip, Probe
from neurosim.chip.synapses import Dense, Sparse
from neurosim.export.nir import exact, file_io, to_nir
from neurosim.network import Connection, Input, Network, Population
from neurosim.network.serialise import describe, network_of

SOME = settings(
    max_examples=20, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("nir") / "network.nir"


def there_and_back(file, network, weights, run=None):
    file_io.write(file, to_nir.to_graph(network, weights, run).graph)
    return exact.exact(file_io.read(file))


def steps(network, weights, case):
    profile, _, _, _, spikes, draws = case
    chip = Chip(network, weights, profile, placement=None)
    probes = [Probe(p.name, what) for p in network.populations for what in ("u", "v")]
    recording = chip.run({n: s[None] for n, s in spikes.items()}, probes, noise=draws)
    return [*recording.probed, *recording.spikes.values()]


@pytest.mark.parametrize("sparse", [False, True])
@SOME
@given(case=cases())
def test_any_network_comes_back_and_does_the_same(file, sparse, case):
    _, network, weights, delays, *_ = case
    make = Sparse.from_dense if sparse else Dense
    held = {name: make(w, delays.get(name)) for name, w in weights.items()}
    back = there_and_back(file, network, held, {"kept": [1, "two"]})
    assert back.network == network
    assert back.run == {"kept": [1, "two"]}
    for name, synapses in back.weights.items():
        assert type(synapses) is type(held[name])
    for one, other in zip(
        steps(network, held, case), steps(back.network, back.weights, case), strict=True
    ):
        assert np.array_equal(one, other)


@SOME
@given(case=cases())
def test_a_description_is_json_and_comes_back(case):
    assert network_of(json.loads(json.dumps(describe(case[1])))) == case[1]


def a_network(**registers):
    population = Population("a b", 2, 100, bias_mant=(3, -4), **registers)
    return Network((Input("in", 3),), (population,), (Connection("in", "a b"),))


WEIGHTS = {"in->a b": np.array([[2, 4, 6], [8, 10, -12]])}


def test_two_synapses_of_different_delay_stay_two(file):
    network = a_network()
    double = Sparse.from_pairs([0, 0, 2], [1, 1, 0], [2, 4, 6], [0, 3, 1], source_size=3)
    back = there_and_back(file, network, {"in->a b": double})
    spikes = np.random.default_rng(0).integers(0, 2, (1, 20, 3)).astype(np.uint8)
    found = [
        Chip(network, held, placement=None).run(spikes, [Probe("a b", "u")]).probed[0]
        for held in ({"in->a b": double}, back.weights)
    ]
    assert np.array_equal(*found)
    same = Sparse.from_pairs([0, 0], [1, 1], [2, 4], source_size=3)
    with pytest.raises(file_io.NirError, match=r"in->a b.*add them up"):
        to_nir.to_graph(network, {"in->a b": same})


@pytest.mark.parametrize(
    ("registers", "kind"),
    [
        ({}, nir.IF),
        ({"dv": 7}, nir.CubaLIF),
        ({"du": 9}, nir.CubaLIF),
        ({"dv": (0, 7)}, nir.CubaLIF),
    ],
)
def test_nodes_are_what_nir_has_for_the_registers(registers, kind):
    graph = to_nir.to_graph(a_network(**registers), WEIGHTS).graph
    assert set(graph.nodes) == {"in", "a_b", "in_a_b", "a_b_spikes"}
    node = graph.nodes["a_b"]
    assert type(node) is kind
    assert node.v_threshold.tolist() == [6400.0, 6400.0]
    if kind is nir.CubaLIF:
        dv = np.broadcast_to(registers.get("dv", 0), 2)
        assert np.allclose(to_nir.DT / node.tau_mem * 4096, dv)
        assert np.allclose(to_nir.DT / node.tau_syn * 4096, registers.get("du", 4095) + 1)
    affine = graph.nodes["in_a_b"]
    assert affine.weight.tolist() == (WEIGHTS["in->a b"] * 64.0).tolist()
    if "du" in registers:
        assert type(affine) is nir.Linear
        assert (node.v_leak / node.r).tolist() == [3.0, -4.0]
    else:
        assert affine.bias.tolist() == [3.0, -4.0]


def test_what_nir_cannot_say_is_said():
    exported = to_nir.to_graph(a_network(refractory=(1, 3), vmin=-9), WEIGHTS)
    assert len(exported.remarks) == 2
    assert all("'a b'" in remark for remark in exported.remarks)
    assert to_nir.to_graph(a_network(), WEIGHTS).remarks == ()


def test_same_network_same_bytes(tmp_path):
    for name in ("one", "two"):
        file_io.write(tmp_path / name, to_nir.to_graph(a_network(), WEIGHTS).graph)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def changed(graph, what):
    if what == "weight":
        graph.nodes["in_a_b"].weight[0, 0] += 128
        graph.nodes["in_a_b"].bias[0] += 1
    elif what == "half a weight":
        graph.nodes["in_a_b"].weight[0, 0] += 0.5
    elif what == "threshold":
        graph.nodes["a_b"].v_threshold[1] = 7
    elif what == "edge":
        graph.edges.append(("a_b", "in_a_b"))
    elif what == "metadata":
        graph.nodes["a_b"].metadata["registers"] = "{"
    elif what == "version":
        graph.nodes["a_b"].metadata["specification"] = "neurosim-nir/99"
    elif what == "missing":
        del graph.nodes["in"]
    return graph


@pytest.mark.parametrize(
    "what", ["weight", "half a weight", "threshold", "edge", "metadata", "version", "missing"]
)
def test_metadata_that_disagree_with_their_graph_are_not_believed(what):
    graph = changed(to_nir.to_graph(a_network(), WEIGHTS).graph, what)
    with pytest.raises(exact.NotExact):
        exact.exact(graph)


def test_graphs_of_others_are_not_ours():
    assert exact.exact(nir.NIRGraph.from_list(nir.Linear(np.ones((2, 3))))) is None


@pytest.mark.parametrize("content", [b"", b"no HDF5", None])
def test_files_that_are_no_graphs_are_named(tmp_path, content):
    path = tmp_path / "odd.nir"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(file_io.NirError, match=r"odd\.nir"):
        file_io.read(path)


def test_a_register_that_does_not_exist_is_named():
    plain = describe(a_network())
    plain["populations"][0]["colour"] = 1
    with pytest.raises(ValueError, match=r"'a b'.*colour"):
        network_of(plain)
    wrong = describe(replace(a_network()))
    wrong["populations"][0]["dv"] = 5000
    with pytest.raises(ValueError, match="dv is 5000"):
        network_of(wrong)
