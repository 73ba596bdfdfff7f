"""The how-to pages: arguments of every command exist, files are there, and Python examples run."""

import os
import re
import shlex
import subprocess
import sys
import wave
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from event_encoders import evt2_file

from neurosim.app import cli

h5py = pytest.importorskip("h5py", reason='needs the extra "formats" (h5py)')
ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"^ {4}\S.*$", re.MULTILINE)
INLINE = re.compile(r"`((?:neurosim|python|make) [^`]*)`")


def commands(page):
    """Command lines of a page: of indented blocks, of fenced blocks of sh, and within sentences."""
    text = page.read_text(encoding="utf-8")
    for kind, block in FENCED.findall(text):
        if kind == "sh":
            yield from block.strip().splitlines()
    text = FENCED.sub("", text)
    for line in INDENTED.findall(text):
        yield line.strip()
    for line in INLINE.findall(text):
        yield line.replace("\n", " ")


def words(line):
    """The words of a command, without its comment, redirections and what is piped into it."""
    found = shlex.split(line, comments=True)
    if "|" in found and found[0] != "python":
        found = found[found.index("|") + 1 :]
    ends = [found.index(word) for word in ("2>&1", "|", ">", "&") if word in found]
    return found[: min(ends, default=len(found))]


def of(program):
    lines = {(page.name, line) for page in PAGES for line in commands(page)}
    return sorted(
        (name, line) for name, line in lines if re.match(rf"(some-program \| )?{program} ", line)
    )


@pytest.mark.parametrize(("page", "line"), of("neurosim"))
def test_the_arguments_of_a_command_exist(page, line, monkeypatch):
    """The command is read up to the point where it would run."""
    monkeypatch.chdir(ROOT)
    name, *given = words(line)[1:]
    if name == "COMMAND" or given[-1:] == ["..."]:
        return
    read = []
    monkeypatch.setattr(
        "neurosim.app.cli.needs.check", lambda needed: read.append(needed) or stop()
    )
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said), pytest.raises((Read, SystemExit)) as ended:
        raise SystemExit(cli.main([name, *given]))
    mistakes = said.getvalue().splitlines()[:-1]
    mentioned = all("is missing" in one or "needs a value" in one for one in mistakes)
    assert read or ended.value.code == 0 or mentioned, f"{page}: {line}\n{said.getvalue()}"


class Read(Exception):
    """The arguments of a command were read."""


def stop():
    raise Read


@pytest.mark.parametrize(("page", "line"), of("python"))
def test_a_program_is_there(page, line):
    program = words(line)[1]
    if program.endswith(".py"):
        assert (ROOT / program).exists(), f"{page}: {line}"


@pytest.mark.parametrize(("page", "line"), of("make"))
def test_a_target_of_make_is_there(page, line):
    target = words(line)[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), page


def recorded(folder):
    """Files that the examples read: what their reader has."""
    clicks = np.zeros(4, [("t", "i8"), ("x", "u2"), ("y", "u2"), ("p", "u1")])
    clicks["t"], clicks["x"] = [0, 10, 20, 900], [1, 2, 3, 4]
    (folder / "recording.raw").write_bytes(evt2_file(clicks))
    with h5py.File(folder / "shd_train.h5", "w") as file:
        times = file.create_dataset("spikes/times", (2,), h5py.vlen_dtype(np.float16))
        units = file.create_dataset("spikes/units", (2,), h5py.vlen_dtype(np.uint16))
        times[:], units[:] = [[0.1, 0.2], [0.3]], [[3, 4], [5]]
        file["labels"] = np.array([0, 1], np.uint16)
        file["extra/keys"] = np.array([b"null", b"eins"])
    tone = (9000 * np.sin(np.arange(4000) / 5)).astype(np.int16)
    for label in "ab":
        (folder / "recordings" / label).mkdir(parents=True)
        for number in range(8):
            with wave.open(str(folder / "recordings" / label / f"{number}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8000)
                file.writeframes(tone[number:].tobytes())


@pytest.mark.parametrize("page", ["audio", "camera", "chip", "exchange", "formats", "learning"])
def test_the_python_of_a_page_runs(page, tmp_path):
    """Of docs/data.md and docs/recipes.md, and of the README, there are tests of their own."""
    recorded(tmp_path)
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    blocks = [block for kind, block in FENCED.findall(text) if kind == "python"]
    assert blocks
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_every_page_with_python_is_run():
    tested = {"audio", "camera", "chip", "data", "exchange", "formats", "learning", "recipes"}
    with_python = {page.stem for page in PAGES if "```python" in page.read_text(encoding="utf-8")}
    assert with_python == tested | {"README"}
