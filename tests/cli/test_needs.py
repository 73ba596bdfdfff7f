"""Optional packages are asked for before a command starts: every command, each of its packages."""

import command
import pytest
from command import assert_refused

from neurosim.app.cli import COMMANDS, needs

NOTHING = ()
NEEDS = {
    "train": [
        (("--cluster", "here:1", "--data", "images:none"), "distributed", "cluster"),
        (("--tensorboard", "--data", "images:none"), "tensorboardX", "tensorboard"),
    ],
    "watch": [(("none", "camera"), "dv_processing", "camera")],
    "import": [(("none.nir",), "nir", "nir")],
    "export": [(("none", "--to", "nir"), "nir", "nir")],
    "quantise": [(("none",), "torch", "reference")],
    "bptt": [(("--data", "images:none"), "torch", "reference")],
    "compare": [(("none",), "torch", "reference")],
    "ablation": [(("--data", "images:none"), "torch", "reference")],
    "depth": [(("--mnist", "images:none"), "torch", "reference")],
    "faults": [(("--data", "images:none"), "torch", "reference")],
    "reproduce": [(("paper", "--data", "images:none"), "torch", "reference")],
    "bench-host": [((), "torch", "reference")],
    **dict.fromkeys(
        (
            *("evaluate", "runs", "report", "run", "map", "check-hdl", "check-vectors"),
            *("bench", "warmup", "cache", "completion"),
        ),
        NOTHING,
    ),
}
"""Arguments, the package that is missing, and the extra that the message has to name. The data and files do
not exist: a command that began with them would complain of them."""
CASES = [
    pytest.param(name, *case, id=f"{name}-{case[1]}")
    for name, cases in NEEDS.items()
    for case in cases
]


def test_every_command_is_listed():
    assert set(NEEDS) == set(COMMANDS)


@pytest.mark.parametrize(("name", "arguments", "package", "extra"), CASES)
def test_a_missing_package_is_named_before_anything_is_read(
    name, arguments, package, extra, monkeypatch, tmp_path
):
    there = needs.find_spec
    monkeypatch.setattr(needs, "find_spec", lambda one: None if one == package else there(one))
    monkeypatch.chdir(tmp_path)
    assert_refused(
        command.here(name, *arguments), 1, "not installed", f'"neurosim-eggroll[{extra}]"'
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["ablation", "faults"])
def test_without_float_trainings_no_float_package_is_needed(name, monkeypatch, tmp_path):
    monkeypatch.setattr(needs, "find_spec", lambda one: None)
    without = {"ablation": "--bptt-seeds", "faults": "--bptt-epochs"}[name]
    done = command.here(name, "--data", "images:none", without, 0, "--out", tmp_path)
    assert_refused(done, 1, "none")
    assert "not installed" not in done.stderr
