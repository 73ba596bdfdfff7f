"""Style: the project's tools find nothing, so that one command tests everything."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = ("neurosim", "learning", "hostref", "tests", "benchmarks", "hardware", "notebooks")
TOOLS = {
    "ruff check": ("ruff", "check", *PYTHON),
    "ruff format": ("ruff", "format", "--check", *PYTHON),
    "mypy": ("mypy",),
    "import-linter": ("lint-imports",),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_tools_find_nothing(tool):
    name, *arguments = TOOLS[tool]
    beside = Path(sys.executable).parent / name
    command = str(beside) if beside.exists() else shutil.which(name)
    if command is None:
        pytest.skip(f"{name} is not installed: pip install '.[test]'")
    done = subprocess.run([command, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
