"""Every example of docs/data.md runs, in order, as it stands there."""

import re
import shlex
from pathlib import Path

import command
import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
_BLOCK = re.compile(r"^```(python|sh)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_examples_of_the_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path / "cache"))
    names = {"np": np}
    blocks = _BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert len(blocks) > 10
    for kind, text in blocks:
        if kind == "python":
            exec(compile(text, PAGE.name, "exec"), names)
            continue
        for line in text.strip().splitlines():
            program, *arguments = shlex.split(line)
            assert program == "neurosim"
            done = command.here(*arguments)
            assert done.returncode == 0, done.stderr
    assert learned(tmp_path / "runs") == {
        "bars",
        "folder",
        "waves",
        "trains",
        "packed",
        "lists",
        "tones",
    }


def learned(runs):
    return {path.parent.name for path in runs.glob("*/summary.json")}
