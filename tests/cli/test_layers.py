"""Graphs of layers from the command line: training, resuming, evaluating, and what is refused."""

import json

import pytest
from command import assert_refused, here

from learning.recipes import RECIPES
from learning.record import Checkpoint, weights_sha256
from learning.settings import Settings
from learning.training import Training, start
from neurosim.data import datasets
from neurosim.network.layers import conv, dense, of_text, pool

SMALL = ["--data", "digits", "--generations", "4", "--groups", "8", "--evaluate-every", "2"]
DEEP = [*SMALL, "--pairs", "16"]


def weights_of(run):
    return json.loads((run / "summary.json").read_text())["weights_sha256"]


@pytest.mark.parametrize(
    "layers",
    [
        ["--layers", "conv 4 5x5 stride 3 pad 2, pool 2, dense 16"],
        ["--layers", "dense 12 adaptive, recurrent 8 delay 1", "--feedback", "gain-local"],
        ["--layers", "conv 3 9x9 stride 5 delays 2 0, dense 8 delays 0 1"],
        ["--hidden", "16", "12"],
        ["--layers", "conv 3 9x9 stride 5", "--feedback", "direct", "--threads", "1"],
    ],
)
def test_any_layers_train_and_are_evaluated(tmp_path, layers):
    run = tmp_path / "run"
    assert here("train", *DEEP, *layers, "--run", run).returncode == 0
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert all(rate >= 0 for rate in metrics[-1]["layer_rates"].values())
    seen = here("evaluate", run, "--json")
    assert seen.returncode == 0
    tested = json.loads((run / "summary.json").read_text())["test_accuracy"]
    assert json.loads(seen.stdout)["accuracy"] == tested


def test_layers_in_python_are_those_of_the_text():
    assert of_text("dense 5 delays 0 3, conv 2 3 delay 1, pool 2 delays 4 1") == (
        dense(5, delay=(0, 3)),
        conv(2, 3, delay=1),
        pool(2, delay=[4, 1]),
    )


@pytest.mark.parametrize(
    ("layers", "flags"),
    [
        ("conv 3 9x9 stride 5, dense 8", []),
        ("conv 3 9x9 stride 5, pool 2, dense 8", ["--output-rule", "delta", "--noise", "graded"]),
        (
            "recurrent 9 delays 0 2",
            ["--estimator", "one-sided", "--sigma-bias", "4", "--rank", "2"],
        ),
        ("dense 9 adaptive", ["--method", "full-rank", "--output-rule", "frozen"]),
        ("dense 12, dense 8", ["--output-rule", "delta"]),
        ("conv 3 9x9 stride 5, dense 8", ["--method", "event-aligned", "--batch", "1"]),
    ],
)
def test_evolution_strategies_train_any_layers(tmp_path, layers, flags):
    run = tmp_path / "run"
    start = ["--recipe", "eggroll", "--layers", layers, "--pairs", "16", *flags]
    assert here("train", *SMALL, *start, "--run", run).returncode == 0
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert metrics[-1]["layer_rates"]
    assert weights_of(run)


@pytest.mark.parametrize(
    ("flags", "status", "message"),
    [
        (["--layers", "conv 4 40x40"], 1, "allows up to 34"),
        (["--layers", "conv 4 5x5, dens 3"], 2, "layer 2 is 'dens 3'"),
        (["--layers", "dense 16", "--recipe", "fast"], 2, "needs an error"),
        (["--layers", "dense 16", "--feedback", "sideways"], 2, "sideways"),
        (["--layers", "dense 16", "--hidden", "12"], 2, "give the hidden layers once"),
        (["--layers", "conv 4 5x5 pad 5"], 1, "use less padding"),
        (["--layers", "conv 4 5x5 stride 35"], 1, "allows up to 34: use a smaller stride"),
        (["--layers", "pool 2 stride 40, dense 8"], 1, "layer 1, 'pool 2 stride 40'"),
        (["--layers", "conv 200 1x1, dense 9"], 1, "'hidden2': a fan-in of 231200 could add"),
        (["--layers", "recurrent 8", "--rank", "2"], 2, "leave it out, or use eggroll"),
        (["--layers", "conv 4 5x5", "--method", "full-rank"], 2, "--recipe eggroll for noise on"),
        (
            ["--recipe", "eggroll", "--layers", "dense 8", "--sigma", "900", "--rank", "64"],
            1,
            "layer 'hidden': noise scale 14400 could add",
        ),
        (
            ["--layers", "dense 8, conv 4 3x3"],
            1,
            "layer 2, 'conv 4 3x3': convolution of 4 maps needs a map",
        ),
        (["--layers", "conv 4 30x30, pool 9"], 1, "layer 2, 'pool 9'"),
        (["--layers", "dense 8 delay 63"], 1, "layer 1, 'dense 8 delay 63'"),
        (["--layers", "recurrent 8 delays 0 3 3"], 2, "delays are 0, 3, 3; give one or more, none"),
        (["--layers", "dense 8 delays"], 2, "the delay is 'nothing'"),
        (["--layers", "dense 8 delay 1 delays 2"], 2, "'delays' is not one of"),
        (["--layers", "dense 100000"], 2, "allowed are 1..8192"),
        (
            ["--layers", "dense 8", "--credit", "fitness", "--feedback", "gate"],
            2,
            "leave the feedback out",
        ),
        (["--layers", "dense 16", "--homeostasis-rate", "2"], 2, "give a --target-rate"),
        (["--recipe", "fast", "--target-rate", "0.1"], 2, "use layer-credit"),
        (["--layers", "dense 16", "--noise", "graded"], 2, "use --noise rademacher"),
        (["--layers", "dense 16", "--estimator", "one-sided"], 2, "use --estimator antithetic"),
    ],
)
def test_layers_that_cannot_be_are_refused_by_name(tmp_path, flags, status, message):
    assert_refused(here("train", *DEEP, *flags, "--run", tmp_path / "run"), status, message)
    assert not (tmp_path / "run").exists()


def test_a_run_of_another_network_is_refused_by_what_differs(tmp_path):
    maps, flat = ["--layers", "conv 3 9x9 stride 5, dense 8"], ["--hidden", "16", "12"]
    for name, layers in (("maps", maps), ("flat", flat)):
        done = here("train", *DEEP, *layers, "--run", tmp_path / name)
        assert done.returncode == 0, done.stderr
    differs = "input 'input': shape (2, 34, 34) and (2312,)"
    other = here("train", *DEEP, *flat, "--start", tmp_path / "maps", "--run", tmp_path / "new")
    assert_refused(other, 1, differs, '--layers "conv 3 9x9 stride 5, dense 8"')
    assert not (tmp_path / "new").exists()
    assert_refused(here("train", "--resume", tmp_path / "maps", *flat), 2, "resumed has its own")
    assert_refused(here("train", "--resume", tmp_path / "flat", *maps), 2, "resumed has its own")
    assert_refused(here("compare", tmp_path / "maps", tmp_path / "flat"), 1, differs)


@pytest.mark.parametrize(
    "given",
    [
        {
            **RECIPES["deep"][1].model_dump(exclude={"layers", "groups", "pairs", "generations"}),
            "target_rate": 0.1,
        },
        {"output_rule": "delta", "estimator": "one-sided", "noise": "graded", "batch": 2},
        {"method": "event-aligned", "batch": 1, "noise_window": 300},
    ],
)
def test_a_run_that_is_stopped_and_resumed_ends_with_the_same_bits(given):
    data = datasets.load("digits")
    settings = Settings(
        **given,
        layers="conv 3 7x7 stride 4, recurrent 8 adaptive delays 0 3",
        groups=8,
        pairs=16,
        generations=4,
    )
    whole = Training(start(settings, data), data)
    for _ in range(4):
        whole.step()
    first = Training(start(settings, data), data)
    for _ in range(2):
        first.step()
    kept = Checkpoint(first.chip.state, first.chip.weights(), 2, 0.0)
    second = Training(first.config, data, checkpoint=kept)
    for _ in range(2):
        second.step()
    assert weights_sha256(second.chip.weights()) == weights_sha256(whole.chip.weights())
