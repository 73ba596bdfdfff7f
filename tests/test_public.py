"""The public names of the package: there, lazy, and with real types for a type checker."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import neurosim

SCRIPT = """
import numpy as np

import neurosim

network = neurosim.Network.chain(4, [neurosim.Population("output", 2, vth_mant=60)])
chip = neurosim.Chip(network, {"input->output": np.full((2, 4), 20)}, neurosim.profiles.LAYERED)
data = neurosim.datasets.load("digits", steps=5)
settings = neurosim.Settings(generations=3, hidden=(8,))
training = neurosim.Training(neurosim.start(settings, data), data)
reveal_type(network)
reveal_type(chip)
reveal_type(data)
reveal_type(settings)
reveal_type(training)
reveal_type(training.chip.network)
reveal_type(neurosim.load_run)
reveal_type(neurosim.__version__)
"""
TYPES = ("Network", "Chip", "Dataset", "Settings", "Training", "Network", "Checkpoint", "str")


@pytest.mark.parametrize("name", neurosim.__all__)
def test_every_public_name_is_there(name):
    assert getattr(neurosim, name) is not None


def test_all_names_what_is_public():
    assert sorted(neurosim.__all__) == sorted([*neurosim._HOME, "__version__"])
    assert set(neurosim.__all__) <= set(dir(neurosim))


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'Brain'"):
        _ = neurosim.Brain


def test_importing_the_package_loads_no_numba():
    script = "import neurosim, sys, json; neurosim.Network; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert {"numba", "llvmlite", "torch", "pydantic"}.isdisjoint(json.loads(done.stdout))


def test_a_type_checker_sees_real_types(tmp_path: Path):
    pytest.importorskip("mypy", reason='needs the extra "test" (mypy)')
    script = tmp_path / "user_script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", script.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    revealed = [line for line in done.stdout.splitlines() if "Revealed type" in line]
    for wanted, line in zip(TYPES, revealed, strict=True):
        assert wanted in line
        assert 'is "Any"' not in line
