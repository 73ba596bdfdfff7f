"""Verilog core: equal to the emulator in spikes, bits and weights."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import rtl_cases
from rtl_tools import HARDWARE, ROOT, needs, script

from learning.recipes import RECIPES
from neurosim import storage
from neurosim.export import memory_images
from neurosim.export.memory_images import ImageError

pytestmark = needs("iverilog")


def tool(name, *arguments):
    """A script of hardware/ as people run it: status and all it printed."""
    done = subprocess.run(
        [sys.executable, HARDWARE / name, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    return done.returncode, done.stdout


def simulate(folder, *options):
    before = sorted(folder.iterdir())
    outcome = tool("simulate.py", folder, *options)
    assert sorted(folder.iterdir()) == before
    return outcome


def assert_passes(folder, *compared, options=()):
    status, printed = simulate(folder, *options)
    assert status == 0, printed
    for name in compared:
        assert re.search(rf"^{name}: [\d,]+ values equal$", printed, re.MULTILINE), printed


OTHER = {
    "hidden": (130, 3),
    "pairs": 3,
    "groups": 1,
    "batch": 1,
    "rank": 2,
    "momentum_bits": 0,
    "fraction_bits": 3,
    "du": 1000,
    "readout": "count",
    "temperature": 0.02,
    "shaping": "rank",
    "sigma": 40,
    "initial_std": 100,
}
"""More than a block of neurons, three layers, and every choice that is not the default's."""


@pytest.mark.parametrize(("inputs", "settings"), [(129, {}), (12, OTHER)], ids=["default", "other"])
def test_a_generation_on_hardware_is_one_on_the_chip(tmp_path, inputs, settings):
    """Noise, fitness, directions and new weights; and every spike and membrane without noise."""
    data = rtl_cases.striped(inputs)
    folder = rtl_cases.run_folder(tmp_path / "hdl", data, **settings)
    recorded = memory_images.read(folder)
    before, after = recorded.array("weights_L0"), recorded.array("new_weights_L0")
    assert (before != after).mean() > 0.3
    assert recorded.array("spikes_L0").any()
    if settings:
        assert (after.min(), after.max()) == (-128, 127)
        beyond_the_table = -(17 << 10)
        assert recorded.array("fitness").min() < beyond_the_table
    assert_passes(folder, "spikes_L0", "v_L1", "perturbation_B_L0", "fitness", "new_state_L1")


BY_ERROR = rtl_cases.BY_ERROR
ERROR_OTHER = {
    **BY_ERROR,
    "hidden": (130,),
    "pairs": 6,
    "groups": 2,
    "du": 1000,
    "dv": 700,
    "noise_window": 0,
    "momentum_bits": 0,
    "fraction_bits": 3,
    "readout": "count",
    "temperature": 0.02,
    "sigma": 20,
}
"""Two blocks of neurons, and every choice that is not the recipe's."""


@pytest.mark.parametrize(
    ("inputs", "settings"), [(40, BY_ERROR), (12, ERROR_OTHER)], ids=["fast", "other"]
)
def test_credit_by_error_on_hardware_is_that_of_the_evaluator(tmp_path, inputs, settings):
    """Noise, masks, traces, errors, credits, and everything that moves."""
    folder = rtl_cases.run_folder(tmp_path / "hdl", rtl_cases.striped(inputs), **settings)
    recorded = memory_images.read(folder)
    assert (recorded.array("weights_L0") != recorded.array("new_weights_L0")).mean() > 0.1
    for kind in ("spikes_L0", "errors", "credits", "traces"):
        assert recorded.array(kind).any()
    near = recorded.array("near")
    assert near.any()
    assert near.all() == (settings["noise_window"] == 0)
    assert_passes(folder, "errors", "credits", "new_state of the copy", "new_bias_state_L0")


DEEP = {
    **RECIPES["deep"][1].model_dump(exclude={"data"}),
    "hidden": (6, 4),
    "steps": 5,
    "pairs": 4,
    "groups": 4,
    "generations": 6,
}


def test_two_hidden_layers_that_learn_by_errors_infer_on_hardware(tmp_path):
    """Readouts of hidden layers teach alone, and are left out; learning says what the core lacks."""
    folder = rtl_cases.run_folder(tmp_path / "hdl", rtl_cases.striped(12), **DEEP)
    manifest = memory_images.read(folder).manifest
    assert [layer["name"] for layer in manifest["layers"]] == ["hidden1", "hidden2", "output"]
    assert "no error goes from one hidden layer" in manifest["no_learning_because"]
    assert_passes(folder, "spikes_L0", "v_L1", "v_L2")


def test_readouts_that_answer_too_are_not_left_out(tmp_path):
    with pytest.raises(ImageError, match="a chain of dense layers only"):
        rtl_cases.run_folder(tmp_path / "hdl", rtl_cases.striped(12), **{**DEEP, "readouts": "sum"})


@needs("verilator")
def test_verilator_reproduces_a_generation_too(tmp_path):
    folder = rtl_cases.run_folder(tmp_path / "hdl", rtl_cases.striped(12), **BY_ERROR)
    options = ("--simulator", "verilator", "--cores", "learning")
    assert_passes(folder, "spikes_L0", "credits", "new_state_L0", options=options)


@needs("verilator")
@pytest.mark.parametrize(
    "settings", [OTHER, BY_ERROR, ERROR_OTHER], ids=["eggroll", "fast", "other"]
)
def test_verilator_warns_of_nothing(tmp_path, settings):
    folder = rtl_cases.run_folder(tmp_path / "hdl", rtl_cases.striped(12), **settings)
    for learning in (0, 1):
        command = ["verilator", "--lint-only", "-Wall", f"-I{HARDWARE}", f"-I{folder}"]
        command += ["--top-module", "chip", f"-GLEARNING={learning}", *script("simulate").design()]
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("seed", [0, 2])
def test_a_core_that_only_infers_does_so_at_the_edges_of_its_registers(tmp_path, seed):
    folder = rtl_cases.extreme_folder(tmp_path / "hdl", seed)
    edges = [np.abs(memory_images.read(folder).array(f"v_L{layer}")).max() for layer in (0, 1)]
    assert max(edges) == (1 << 23) - 1
    assert_passes(folder, "spikes_L0", "v_L0", "spikes_L1", "v_L1")


@pytest.mark.parametrize(
    ("name", "seen"),
    [("weights_L0", "v_L0|spikes_L0"), ("fitness", "fitness"), ("new_state_L1", "new_state_L1")],
)
def test_one_wrong_bit_is_found(tmp_path, name, seen):
    """The comparison can fail: a bit is turned in one file, and the manifest made to agree."""
    data = rtl_cases.striped(40)
    folder = rtl_cases.run_folder(tmp_path / "hdl", data, hidden=(4,), pairs=2, groups=1)
    turn_a_bit(folder, name)
    status, printed = simulate(folder)
    assert status == 1
    assert re.search(rf"({seen}): \d+ of \d+ differ, first at", printed)


def turn_a_bit(folder, name):
    path = folder / f"{name}.mem"
    first, rest = path.read_text().split("\n", 1)
    path.write_text(f"{int(first, 16) ^ 1 << 6:0{len(first)}x}\n{rest}")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][path.name]["sha256"] = memory_images._sha256(path.read_bytes())
    manifest["sha256"] = storage.content_sha256(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_a_folder_that_was_changed_is_not_simulated(tmp_path):
    folder = rtl_cases.extreme_folder(tmp_path / "hdl", 0)
    (folder / "weights_L0.mem").write_text("00\n")
    status, printed = simulate(folder)
    assert status == 1
    assert "weights_L0.mem does not agree with manifest.json" in printed


def test_the_cost_of_a_core_is_what_its_sizes_say(tmp_path):
    """Counted from the elaborated design, and once more by hand."""
    data = rtl_cases.striped(140)
    folder = rtl_cases.run_folder(tmp_path / "hdl", data, rank=2)
    status, printed = tool("cost.py", folder)
    assert status == 0, printed
    rows = [
        re.split(r"  +", line.strip()) for line in printed.split("core of layer 1")[0].splitlines()
    ]
    cost = {row[0]: [int(number.replace(",", "")) for number in row[1:]] for row in rows[1:]}
    size, bits = 140 * 16, memory_images.read(folder).manifest["parameters"]["SUM_BITS"]
    assert cost["synapses"] == [8 * size, 16 * size]
    assert cost["directions of synapses"] == [0, bits * size]
    assert cost["neurons"] == [16 * (24 + 24 + 16 + 13 + 1)] * 2
    assert cost["A and B of a pair"] == [0, 2 * (128 + 256)]
    assert cost["drive of a rank"] == [0, 2 * 32]
    assert cost["state bits"] == [
        sum(row[i] for name, row in cost.items() if "x" not in name and name != "state bits")
        for i in (0, 1)
    ]
    multipliers = {name: row for name, row in cost.items() if name.startswith("multipliers")}
    assert multipliers == {
        f"multipliers {bits} x 48": [0, 1],
        "multipliers 23 x 13": [2, 2],
        "multipliers 32 x 32": [0, 2],
    }


def test_every_multiplier_is_counted():
    """Outside multiply.v a * stands only in constants, and inside brackets: sizes, and lanes of a row."""
    for path in script("simulate").design():
        code = re.sub(r"//.*", "", path.read_text()).replace("@(*)", "")
        code = re.sub(r"^ *(localparam|parameter) .*$", "", code, flags=re.MULTILINE)
        while re.search(r"\[[^\[\]]*\]", code):
            code = re.sub(r"\[[^\[\]]*\]", "", code)
        assert ("*" in code) == (path.name == "multiply.v"), path.name
