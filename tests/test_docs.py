"""The documentation: the site builds without a warning, and the README's Python example runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def _mkdocs() -> str:
    beside = Path(sys.executable).parent / "mkdocs"
    command = str(beside) if beside.exists() else shutil.which("mkdocs")
    if command is None:
        pytest.skip("mkdocs is not installed: pip install '.[docs]'")
    return command


def test_site_with_its_reference_builds_strictly(tmp_path):
    done = subprocess.run(
        [_mkdocs(), "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "reference" / "population.html").read_text()
    assert "neurosim.population.evaluator.Evaluator.apply_update" in page
    assert "<li><code>saturated</code>: int64 (pair, 2): saturations of registers</li>" in page


def test_python_example_of_the_readme_runs():
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    short = re.sub(r"generations=\d+", "generations=2", example)
    assert short != example
    done = subprocess.run([sys.executable, "-c", short], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
