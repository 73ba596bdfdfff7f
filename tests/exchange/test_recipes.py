"""The recipes for networks of other libraries, as docs/recipes.md prints them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
PARTS = dict(re.findall(r"## From (\w+)\n\n```python\n(.*?)```", PAGE, re.DOTALL))


def test_there_is_a_recipe_for_each_library():
    assert sorted(PARTS) == ["norse", "snnTorch"]


@pytest.mark.parametrize("library", sorted(PARTS))
def test_a_recipe_ends_with_spikes_of_both_layers(library, tmp_path):
    pytest.importorskip("nir")
    pytest.importorskip("torch")
    pytest.importorskip(library.lower())
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PARTS[library]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Row(" in done.stdout
    assert all(int(count) > 0 for count in re.findall(r": (\d+)", done.stdout.splitlines()[-1]))
