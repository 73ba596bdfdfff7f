"""Imports: each loads only what it needs, in processes of their own."""

import json
import subprocess
import sys

import pytest

REFERENCE = ("torch", "tonic", "snntorch")
HEAVY = (*REFERENCE, "matplotlib", "numba", "llvmlite", "sklearn", "pydantic", "numpy")
HELP = (
    "import contextlib, io, neurosim.app.cli\n"
    "with contextlib.redirect_stdout(io.StringIO()): neurosim.app.cli.main(['--help'])"
)


def loaded(script, heavy):
    """Which of `heavy` are loaded once `script` has run."""
    script += f"\nimport sys, json; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "script",
    ["import neurosim", "import neurosim.app.cli", "import learning", "import hostref", HELP],
)
def test_packages_and_help_load_nothing_heavy(script):
    assert loaded(script, HEAVY) == []


def test_training_loads_neither_reference_nor_pictures():
    script = "import learning.training, neurosim.app.cli.train, neurosim.app.cli.evaluate"
    assert loaded(script, (*REFERENCE, "matplotlib", "hostref")) == []


def test_descriptions_load_no_kernel():
    """The float reference reads these, and knows no kernel."""
    assert loaded("import neurosim.limits, neurosim.network", ("numba", "neurosim.kernels")) == []
