"""`neurosim import`: runs that continue, and nothing left behind after a refusal."""

import json
from itertools import pairwise

import command
import nir
import numpy as np
import pytest
from command import assert_refused

from learning.record import CONFIG, read_checkpoint, read_config, weights_sha256


@pytest.fixture(scope="module")
def exported(done, tmp_path_factory):
    path = tmp_path_factory.mktemp("graphs") / "own.nir"
    assert command.here("export", done[1], "--to", "nir", "--out", path).returncode == 0
    return path


@pytest.fixture(scope="module")
def foreign(exported):
    """The same network as somebody else would write it: other units, no metadata."""
    graph = nir.read(exported)
    for node in graph.nodes.values():
        node.metadata = {}
        if isinstance(node, nir.Linear):
            node.weight = node.weight / 32768
        if isinstance(node, nir.CubaLIF):
            node.v_threshold = node.v_threshold / 32768
    path = exported.with_name("foreign.nir")
    nir.write(path, graph)
    return path


def test_our_own_run_comes_back_as_it_was(done, exported, tmp_path):
    printed = command.results("import", exported, "--run", tmp_path / "back")
    assert printed["exact"]
    assert printed["registers"] == printed["remarks"] == []
    back = read_config(tmp_path / "back")
    assert back.begun_sha256 == weights_sha256(read_checkpoint(done[1])[1].weights)
    assert back._replace(begun_sha256=None) == read_config(done[1])
    found = json.loads(command.here("evaluate", tmp_path / "back", "--json").stdout)
    assert found["weights_sha256"] == done[0]["weights_sha256"]
    assert found["accuracy"] == done[0]["test_accuracy"]


def test_a_graph_of_others_becomes_a_run_that_is_evaluated_and_trained(done, foreign, tmp_path):
    run = tmp_path / "run"
    flags = ("--run", run, "--readout", "membrane", "--generations", "2")
    shown = command.here("import", foreign, *flags)
    assert shown.returncode == 0, shown.stderr
    for word in ("vth_mant", "input_hidden", "weight", "%", str(run)):
        assert word in shown.stdout
    config, checkpoint = read_checkpoint(run)
    assert config.given is not None
    assert config.network() == config.given
    assert checkpoint.generation == 0
    printed = command.here("evaluate", run, "--json")
    assert abs(json.loads(printed.stdout)["accuracy"] - done[0]["test_accuracy"]) < 0.02
    for words in (("map", run), ("run", run, "--sample", "3"), ("train", "--resume", run)):
        done_ = command.here(*words)
        assert done_.returncode == 0, done_.stderr
    assert read_checkpoint(run)[1].generation == 2
    again = command.here("export", run, "--to", "nir")
    assert again.returncode == 0
    assert command.here("import", run / "network.nir", "--run", tmp_path / "b").returncode == 0
    assert read_config(tmp_path / "b").network() == config.network()


def test_a_graph_is_tabulated_without_a_run(foreign, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = command.here("import", foreign)
    assert printed.returncode == 0
    assert "vth_mant" in printed.stdout
    assert not list(tmp_path.iterdir())


def test_values_clipped_to_a_register_are_listed(foreign):
    printed = command.here("import", foreign, "--dt", "1", "--clip")
    assert printed.returncode == 0
    assert "node 'hidden', dv held at its end: [0]: 4e+06 -> 4095; [1]" in printed.stdout


def test_a_graph_that_no_kernel_has_learns_on_the_emulator_and_this_is_said(tmp_path):
    """Its output neurons differ in their decays."""
    rng = np.random.default_rng(0)
    nodes = {"in": nir.Input(np.array([2312]))}
    for layer, (sources, neurons) in enumerate(((2312, 9), (9, 10))):
        nodes[f"w{layer}"] = nir.Linear(rng.normal(0, 0.1, (neurons, sources)))
        ones = np.ones(neurons)
        tau = np.linspace(1e-3, 5e-3, neurons)
        nodes[f"n{layer}"] = nir.LIF(tau=tau, r=10 * ones, v_leak=0 * ones, v_threshold=ones)
    nodes["out"] = nir.Output(np.array([10]))
    nir.write(tmp_path / "g.nir", nir.NIRGraph(nodes, list(pairwise(nodes))))
    run, sizes = tmp_path / "run", ("--pairs", 16, "--groups", 8, "--generations", 2)
    printed = command.here("import", tmp_path / "g.nir", "--run", run, *sizes, "--json")
    settings, remark = json.loads(printed.stdout)["remarks"]
    assert "recipe paper" in settings
    assert "train --resume: members are runs of the chip emulator" in remark
    assert "dv" in remark
    assert command.here("evaluate", run).returncode == 0
    before = read_checkpoint(run)[1].weights
    trained = command.here("train", "--resume", run)
    assert trained.returncode == 0, trained.stderr
    assert "layer 'n1': compiled executors need one dv" in trained.stderr
    after = read_checkpoint(run)[1]
    assert after.generation == 2
    assert (after.weights.mantissas[0] != before.mantissas[0]).any()
    refused = command.here(
        "import", tmp_path / "g.nir", "--run", tmp_path / "b", "--recipe", "fast"
    )
    assert "train --resume will refuse this network: layer 'n1'" in refused.stdout
    assert_refused(command.here("train", "--resume", tmp_path / "b"), 1, "'n1'", "--recipe eggroll")


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ((3, 4, 10), ("3 inputs", "2312", "--pool")),
        ((2312, 4, 2), ("2 outputs", "10")),
        ((2312, 10), ("hidden layer",)),
    ],
)
def test_graphs_that_do_not_fit_the_data_are_refused(tmp_path, sizes, named):
    nodes = {"in": nir.Input(np.array([sizes[0]]))}
    for layer, (sources, neurons) in enumerate(pairwise(sizes)):
        nodes[f"w{layer}"] = nir.Linear(np.ones((neurons, sources)))
        nodes[f"n{layer}"] = nir.IF(r=np.ones(neurons), v_threshold=np.ones(neurons))
    nodes["out"] = nir.Output(np.array([sizes[-1]]))
    nir.write(tmp_path / "g.nir", nir.NIRGraph(nodes, list(pairwise(nodes))))
    run = tmp_path / "run"
    assert_refused(command.here("import", tmp_path / "g.nir", "--run", run), 1, *named)
    assert not run.exists()


@pytest.mark.parametrize(
    ("flags", "status", "named"),
    [
        (("--data", "nope"), 1, ("'nope'",)),
        (("--recipe", "magic"), 1, ("'magic'", "eggroll")),
        (("--dt", "0"), 2, ("--dt is 0", "allowed are values above 0")),
        (("--dt", "1"), 1, ("'hidden'", "du", "--clip")),
        (("--steps", "0"), 2, ("--steps is 0", "allowed are values from 1")),
    ],
)
def test_requests_that_do_not_fit_leave_nothing_behind(foreign, tmp_path, flags, status, named):
    run = tmp_path / "run"
    assert_refused(command.here("import", foreign, "--run", run, *flags), status, *named)
    assert not run.exists()


def test_a_process_refuses_what_is_no_graph_or_no_free_folder(done, exported, tmp_path):
    odd = tmp_path / "odd.nir"
    odd.write_bytes(b"odd")
    assert_refused(command.neurosim("import", odd, "--run", tmp_path / "run"), 1, odd)
    assert not (tmp_path / "run").exists()
    before = (done[1] / CONFIG).read_bytes()
    assert_refused(command.here("import", exported, "--run", done[1]), 1, "already holds a run")
    assert (done[1] / CONFIG).read_bytes() == before


def test_a_graph_of_convolutions_learns_on_with_settings_that_fit_it(tmp_path):
    """With fewer generations than its recipe has, since none is done yet."""
    layers = ("--layers", "conv 2 5x5 stride 4, dense 8", "--feedback", "gate")
    sizes = ("--generations", 1, "--pairs", 16, "--groups", 16, "--shift", 0)
    made = command.here("train", *layers, *sizes, "--run", tmp_path / "made", "--json")
    assert made.returncode == 0, made.stderr
    graph = tmp_path / "conv.nir"
    assert command.here("export", tmp_path / "made", "--to", "nir", "--out", graph).returncode == 0
    written = nir.read(graph)
    for node in written.nodes.values():
        node.metadata = {}
    nir.write(graph, written)  # as others write it
    run = tmp_path / "run"
    done = command.here("import", graph, "--run", run, "--readout", "membrane", "--clip")
    assert done.returncode == 0, done.stderr
    assert "refuse" not in done.stdout
    assert read_config(run).settings.feedback == "gate"
    longer = command.here("train", "--resume", run, "--generations", 1, "--json")
    assert longer.returncode == 0, longer.stderr
    assert "shortened" not in longer.stderr
    assert json.loads(longer.stdout)["generations"] == 1
