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
SHORT = {
    "6-faults": {
        '"generations": 200': '"generations": 20',
        '"generations": 100': '"generations": 10',
        '"generations": 240': '"generations": 24',
        "every=100": "every=10",
        "since 120": "since 12",
    },
    "7-depth": {
        '"generations": 80, "evaluate_every": 10': '"generations": 10, "evaluate_every": 5'
    },
}
"""Fewer generations of the longest, which show as much of whether they run."""
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
    text = path.read_text()
    for long, short in SHORT.get(path.stem, {}).items():
        quoted = json.dumps(long)[1:-1]
        assert text.count(quoted) == 1
        text = text.replace(quoted, json.dumps(short)[1:-1])
    fresh = tmp_path / path.name
    fresh.write_text(text)
    done = execute(fresh)
    assert done.returncode == 0, done.stderr
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
