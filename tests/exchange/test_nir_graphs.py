"""NIR graphs of convolutions, pools, masks and recurrent layers: both ways, exact where possible."""

import itertools
from dataclasses import replace

import nir
import numpy as np
import pytest
import strategies as own
from hypothesis import given, settings

from neurosim.chip import profiles
from neurosim.chip.emulator import Chip
from neurosim.chip.synapses import synapses_of
from neurosim.export.nir import exact, file_io, from_nir, to_nir
from neurosim.export.nir.file_io import NirError
from neurosim.network import AdaptiveLif, with_biases
from neurosim.network.connections import Conv2d, Dense, SumPool2d
from neurosim.network.layers import LayerRegisters, network_of_layers, of_text

DT = to_nir.DT


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("nir") / "network.nir"


def spikes(network, weights, shown):
    chip = Chip(network, weights, profiles.LAYERED, placement=None)
    return chip.run(shown).spikes


@settings(max_examples=40, deadline=None)
@given(own.graph_cases())
def test_any_graph_comes_back_to_the_last_bit(file, case):
    network, weights = (
        with_biases(case.network, case.weights),
        synapses_of(case.network, case.weights),
    )
    file_io.write(file, to_nir.to_graph(network, weights).graph)
    back = from_nir.read(file)
    assert back.exact
    assert back.network == network
    wanted = spikes(network, weights, case.dense)
    for name, found in spikes(back.network, back.weights, case.dense).items():
        assert np.array_equal(found, wanted[name])
    learned, matrices = from_nir.as_run(back)
    chip = Chip.from_weights(learned, matrices, profiles.LAYERED, placement=None)
    for name, found in chip.run(case.dense).spikes.items():
        assert np.array_equal(found, wanted[name])


def layered(text, shape=(2, 6, 6), seed=0, **registers):
    """A network of such layers with drawn weights: description with biases, and synapses."""
    one = LayerRegisters(**{"vth_mant": 60, "du": 4095, "dv": 400, "bias_exp": 0, **registers})
    layers = of_text(text)
    each = [
        one._replace(vth_mant=1) if isinstance(layer.kind, SumPool2d) else one for layer in layers
    ]
    network = network_of_layers(shape, layers, 4, [*each, one])
    drawn = own.graph_weights(network, np.random.default_rng(seed))
    weights = drawn._replace(mantissas=tuple(m // 2 for m in drawn.mantissas))
    return with_biases(network, weights), synapses_of(network, weights)


def stripped(graph):
    """The graph as others would have written it: no metadata of ours."""
    for node in (graph, *graph.nodes.values()):
        node.metadata = {}
    return graph


@pytest.mark.parametrize(
    "text",
    [
        "conv 3 3x3 stride 2 pad 1",
        "conv 3 2 pad 1, conv 2 3 stride 2, dense 7",
        "pool 2, conv 3 2",
        "conv 2 3, pool 2, dense 5",
        "dense 6 recurrent",
        "conv 2 3 recurrent, dense 5",
    ],
)
@pytest.mark.parametrize("registers", [{}, {"du": 1024}, {"dv": 0}])
def test_without_our_metadata_the_same_kinds_and_spikes_come_back(text, registers):
    """Quantised weights are whole numbers of some unit, so that no register is rounded."""
    network, weights = layered(text, **registers)
    graph = stripped(to_nir.to_graph(network, weights).graph)
    found = from_nir.of_graph(graph)
    assert not found.exact
    kinds = {c.name: c.kind for c in network.connections}
    for connection in found.network.connections:
        wanted = kinds[connection.name]
        assert connection.kind == (wanted if isinstance(wanted, Conv2d | SumPool2d) else Dense())
    assert found.network.shapes == network.shapes
    shown = (np.random.default_rng(1).random((5, 12, 72)) < 0.3).astype(np.uint8)
    ours, theirs = spikes(network, weights, shown), spikes(found.network, found.weights, shown)
    for name, one in ours.items():
        assert one.any()
        assert np.mean(one == theirs[name]) > 0.999, name
    learned, matrices = from_nir.as_run(found)
    again = Chip.from_weights(learned, matrices, profiles.LAYERED, placement=None).run(shown).spikes
    assert all(np.array_equal(theirs[name], one) for name, one in again.items())


def test_what_only_we_know_is_said():
    network, weights = layered("dense 3")
    first, *rest = network.populations
    adaptive = replace(first, model=AdaptiveLif(3, 4))
    exported = to_nir.to_graph(replace(network, populations=(adaptive, *rest)), weights)
    assert any("model 'adaptive_lif'" in remark for remark in exported.remarks)


def lif(*shape, threshold=1.0):
    ones = np.ones(shape)
    return nir.LIF(
        tau=2 * DT * ones,
        r=2 * ones,
        v_leak=0 * ones,
        v_threshold=threshold * ones,
        v_reset=0 * ones,
    )


def graph_of(*named, edges=None):
    nodes = dict(named)
    names = list(nodes)
    joined = edges or list(itertools.pairwise(names))
    return nir.NIRGraph(nodes, joined, type_check=False)


def through(pool, *after, shape=(2, 6, 6)):
    nodes = [("in", nir.Input(np.array(shape))), ("pool", pool), *after]
    return graph_of(*nodes)


def pooled(kind, size=2):
    return kind(np.array([size, size]), np.array([size, size]), np.array([0, 0]))


def test_pools_are_ours_and_averages_are_sums_of_another_threshold():
    shown = (np.random.default_rng(0).random((4, 9, 72)) < 0.3).astype(np.uint8)
    found = [
        from_nir.of_graph(through(pooled(kind), ("n", lif(2, 3, 3, threshold=threshold))))
        for kind, threshold in ((nir.SumPool2d, 3.5), (nir.AvgPool2d, 3.5 / 4))
    ]
    for one in found:
        (connection,) = one.network.connections
        assert connection.kind == SumPool2d(2)
    ours = [spikes(one.network, one.weights, shown)["n"] for one in found]
    assert np.array_equal(*ours)
    maps = shown.reshape(4, 9, 2, 3, 2, 3, 2).sum(axis=(4, 6)).reshape(4, 9, 18)
    v, wanted = np.zeros((4, 18)), []
    for step in range(9):
        v = v / 2 + maps[:, step]
        wanted.append(v > 3.5)
        v = np.where(wanted[-1], 0, v)
    assert np.array_equal(np.stack(wanted, 1), ours[0].astype(bool))


def test_a_pool_before_a_convolution_is_multiplied_with_it():
    weight = np.arange(1, 9, dtype=float).reshape(1, 2, 2, 2) / 16
    convolution = nir.Conv2d((3, 3), weight, (1, 1), (0, 0), (1, 1), 1, np.zeros(1))
    graph = through(pooled(nir.SumPool2d), ("conv", convolution), ("n", lif(1, 2, 2)))
    found = from_nir.of_graph(graph)
    shown = (np.random.default_rng(0).random((4, 9, 72)) < 0.2).astype(np.uint8)
    maps = shown.reshape(4, 9, 2, 3, 2, 3, 2).sum(axis=(4, 6)).astype(float)
    wanted, v = [], np.zeros((4, 2, 2))
    for step in range(9):
        come = np.zeros((4, 2, 2))
        for y, x in np.ndindex(2, 2):
            window = maps[:, step, :, y : y + 2, x : x + 2]
            come[:, y, x] = (window * weight[0]).sum(axis=(1, 2, 3))
        v = v / 2 + come
        wanted.append((v > 1).reshape(4, -1))
        v = np.where(v > 1, 0, v)
    ours = spikes(found.network, found.weights, shown)["n"].astype(bool)
    assert np.array_equal(np.stack(wanted, 1), ours)


def test_groups_dilation_and_padding_by_name_are_written_out():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    for stride, padding, dilation, groups in (
        ((1, 1), "same", (1, 1), 1),
        ((2, 1), "valid", (1, 1), 2),
        ((1, 2), (2, 1), (2, 1), 2),
    ):
        weight = rng.integers(-8, 9, (4, 2 // groups, 3, 3)) / 8
        node = nir.Conv2d((6, 6), weight, stride, padding, dilation, groups, rng.random(4))
        from neurosim.export.nir.operators import OPERATORS

        made = OPERATORS["Conv2d"]("c", node, (2, 6, 6))
        x = rng.random((5, 2, 6, 6))
        wanted = torch.nn.functional.conv2d(
            torch.tensor(x),
            torch.tensor(weight),
            torch.tensor(node.bias),
            stride,
            padding,
            dilation,
            groups,
        )
        assert wanted.shape[1:] == made.out_shape
        ours = x.reshape(5, -1) @ made.matrix.T + made.bias
        assert np.allclose(ours, wanted.reshape(5, -1).numpy())


CONV = nir.Conv2d((6, 6), np.ones((3, 2, 2, 2)), (1, 1), (0, 0), (1, 1), 1, np.zeros(3))


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [
        ((("in", nir.Input(np.array([72]))), ("c", CONV), ("n", lif(3, 5, 5))), "'c'.*takes a map"),
        ((("in", nir.Input(np.array([3, 6, 6]))), ("c", CONV), ("n", lif(3, 5, 5))), "for 3 maps"),
        (
            (("in", nir.Input(np.array([2, 1, 6]))), ("c", CONV), ("n", lif(3, 5, 5))),
            "does not fit",
        ),
        ((("in", nir.Input(np.array([2, 6, 6]))), ("c", CONV), ("n", lif(3, 4, 4))), r"\(75, 72\)"),
        (
            (
                ("in", nir.Input(np.array([2, 6, 6]))),
                ("p", pooled(nir.SumPool2d, 9)),
                ("n", lif(2, 1, 1)),
            ),
            "'p'.*does not fit",
        ),
        (
            (("in", nir.Input(np.array([72]))), ("p", pooled(nir.AvgPool2d)), ("n", lif(18))),
            "takes a map",
        ),
        (
            (
                ("in", nir.Input(np.array([2, 6, 6]))),
                ("c", CONV),
                ("l", nir.Linear(np.ones((3, 75)))),
                ("n", lif(3)),
            ),
            "multiply their matrices",
        ),
    ],
)
def test_maps_that_do_not_fit_are_named(nodes, wanted):
    with pytest.raises(NirError, match=wanted):
        from_nir.of_graph(graph_of(*nodes))


def test_a_recurrent_subgraph_of_others_is_a_recurrent_layer():
    weight = np.array([[0.0, 0.75], [0.75, 0.0]])
    inner = nir.NIRGraph(
        {
            "input": nir.Input(np.array([2])),
            "lif": lif(2),
            "w_rec": nir.Linear(weight),
            "output": nir.Output(np.array([2])),
        },
        [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
        type_check=False,
    )
    nodes = [("in", nir.Input(np.array([2]))), ("w", nir.Linear(1.5 * np.eye(2)))]
    graph = graph_of(*nodes, ("rnn", inner), ("out", nir.Output(np.array([2]))))
    found = from_nir.of_graph(graph)
    assert [c.recurrent for c in found.network.connections].count(True) == 1
    shown = np.zeros((1, 4, 2), np.uint8)
    shown[0, 0, 0] = 1
    ours = spikes(found.network, found.weights, shown)
    (name,) = ours
    assert ours[name][0].tolist() == [[1, 0], [0, 0], [0, 0], [0, 0]]
    inner.nodes["w_rec"].weight = np.array([[0.0, 1.5], [1.5, 0.0]])
    found = from_nir.of_graph(graph)
    ours = spikes(found.network, found.weights, shown)[name]
    assert ours[0].tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]


def test_a_changed_convolution_is_noticed(file):
    network, weights = layered("conv 3 3")
    file_io.write(file, to_nir.to_graph(network, weights).graph)
    graph = file_io.read(file)
    graph.nodes["input_hidden"].weight[0, 0, 0, 0] += 128
    assert exact.exact(graph).changed
    graph.nodes["input_hidden"].stride = (2, 2)
    with pytest.raises(exact.NotExact):
        exact.exact(graph)
