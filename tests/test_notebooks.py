"""Notebooks: they run, and those on integers alone give their stored results."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbclient", reason="needs the extra 'test' (nbclient, ipykernel)")
pytest.importorskip("ipykernel", reason="needs the extra 'test' (nbclient, ipykernel)")

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SPECIFIED = ("2-one-core", "3-low-rank-noise")
"""What these say follows from the chip's specification; the others' numbers follow recipes and floats."""
LARGEST = 300_000
"""Bytes of a notebook with its pictures: what web pages still show without a delay. Chosen here."""


def execute(*arguments):
    return subprocess.run(
        [sys.executable, FOLDER / "execute.py", *arguments], capture_output=True, text=True
    )


def outputs(path):
    """The outputs of each code cell."""
    cells = json.loads(path.read_text())["cells"]
    return [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]


def printed(path):
    return [["".join(o["text"]) for o in some if "text" in o] for some in outputs(path)]


def pictures(path):
    return [sum("image/png" in o.get("data", {}) for o in some) for some in outputs(path)]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_run_and_show_what_is_kept_with_them(path, tmp_path):
    if "hostref" in path.read_text():
        pytest.importorskip("torch", reason='needs the extra "reference" (torch)')
    done = execute("--out", tmp_path, path)
    assert done.returncode == 0, done.stderr
    fresh = tmp_path / path.name
    assert pictures(fresh) == pictures(path)
    assert sum(pictures(path)) >= 4
    if path.stem in SPECIFIED:
        assert printed(fresh) == printed(path)
    assert path.stat().st_size <= LARGEST


def test_there_are_seven():
    assert [path.name[0] for path in NOTEBOOKS] == list("1234567")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import warnings; warnings.warn('old ways')", "old ways"),
    ],
)
def test_a_cell_that_fails_or_warns_is_reported_and_nothing_written(source, message, tmp_path):
    import nbformat

    path = tmp_path / "broken.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    nbformat.write(notebook, path)
    before = path.read_bytes()
    done = execute(path)
    assert done.returncode == 1
    assert message in done.stderr
    assert path.read_bytes() == before
