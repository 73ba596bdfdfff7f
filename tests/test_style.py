"""Style: the project's tools find nothing, so that one command tests everything."""

import ast
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


MOST_ARGUMENTS = 8
LONG_KERNELS = 28
"""Kernels with more arguments (docs/notes/adding.md says why); there may be fewer, not more."""


def test_argument_lists_stay_short():
    """None is long outside the kernels, and no more of the kernels are."""
    long, kernels = [], 0
    for path in (path for name in PYTHON[:3] for path in (ROOT / name).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            names = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
            count = len([one for one in names if one not in ("self", "cls")])
            if count + len(node.args.kwonlyargs) > MOST_ARGUMENTS:
                if (ROOT / "neurosim" / "kernels") in path.parents:
                    kernels += 1
                else:
                    long.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert long == []
    assert kernels <= LONG_KERNELS


KEPT_FROM_THE_FORMATTER = 3
"""Tables that are read by columns; there may be fewer, not more."""


def test_code_is_laid_out_by_the_formatter():
    kept = [
        path
        for name in PYTHON
        for path in (ROOT / name).rglob("*.py")
        for line in path.read_text().splitlines()
        if line.endswith(("# fmt: skip", "# fmt: off"))
    ]
    assert len(kept) <= KEPT_FROM_THE_FORMATTER, kept
