"""Reading of data that was stopped: the next one goes on after what was made, to the same frames."""

import json
from pathlib import Path

import numpy as np
import pytest

from neurosim.app.cli.cache import Cache, run
from neurosim.data import datasets, unfinished
from neurosim.data.source import SourceError


class Stopping:
    """A source that is stopped after some chunks, and counts the samples that it makes."""

    def __init__(self, behind, chunks):
        self._behind, self._left, self.made, self.chunk = behind, chunks, 0, 4

    def __getattr__(self, name):
        return getattr(self._behind, name)

    def bits(self, part, numbers, *rest):
        if not self._left:
            raise SourceError("stopped")
        self._left -= 1
        self.made += len(numbers)
        self.said.add(Path(f"{part}-{numbers[0]}"), [f"sample {numbers[0]} was sorted"])
        return self._behind.bits(part, numbers, *rest)


@pytest.fixture
def load(tmp_path, monkeypatch):
    """load(chunks) -> the data set, or None where it was stopped, and the samples that were made."""
    images = np.random.default_rng(0).integers(0, 256, (23, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "few.npz", x=images, y=np.arange(23) % 2)
    monkeypatch.setattr(unfinished, "KEEP_AFTER", 0.0)
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path / "cache"))
    there = datasets.source

    def load(chunks, progress=None):
        made = []

        def source(*given):
            made.append(Stopping(there(*given), chunks))
            return made[0]

        monkeypatch.setattr(datasets, "source", source)
        try:
            found = datasets.load(f"images:{tmp_path / 'few.npz'}", pool=17, progress=progress)
        except SourceError:
            found = None
        return found, made[0].made

    return load


def folder(tmp_path):
    return [*(tmp_path / "cache" / "unfinished").glob("*/*")]


def test_a_stopped_reading_goes_on_to_the_same_frames(load, tmp_path, monkeypatch):
    assert load(3) == (None, 12)
    assert len(folder(tmp_path)) == 4
    assert load(1) == (None, 4)
    calls = []
    found, made = load(99, lambda *call: calls.append(call))
    assert calls[0][:2] == (16, calls[0][1])
    assert calls[-1][0] == calls[-1][1]
    assert not folder(tmp_path)
    monkeypatch.setenv("NEUROSIM_CACHE", str(tmp_path / "other"))
    whole, all_made = load(99)
    assert made == all_made - 16
    assert found.key == whole.key
    sorted_notes = [note for note in found.notes if "was sorted" in note]
    assert len(sorted_notes) == len([note for note in whole.notes if "was sorted" in note]) == 1


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-8], lambda b: b[:99] + b"?" + b[100:], lambda b: b""]
)
def test_a_damaged_chunk_is_made_again(load, tmp_path, damage):
    load(3)
    chunk = next(file for file in folder(tmp_path) if file.name != unfinished.NOTES)
    chunk.write_bytes(damage(chunk.read_bytes()))
    (chunk.parent / unfinished.NOTES).write_bytes(damage(b'["a: b"]' + b" " * 100))
    found, made = load(99)
    assert found is not None
    assert made > load(99)[1] == 0


def test_a_short_reading_keeps_nothing(load, tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished, "KEEP_AFTER", 1000.0)
    load(3)
    assert not folder(tmp_path)


def test_the_cache_command_shows_and_clears_what_a_stopped_reading_left(load, tmp_path, capsys):
    load(3)
    left = sum(file.stat().st_size for file in folder(tmp_path))
    run(Cache(as_json=True))
    assert json.loads(capsys.readouterr().out)["unfinished_bytes"] == left > 0
    run(Cache())
    assert "of stopped readings" in capsys.readouterr().out
    run(Cache(what="clear", as_json=True))
    assert json.loads(capsys.readouterr().out)["freed_bytes"] >= left
    assert not folder(tmp_path)
