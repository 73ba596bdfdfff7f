"""Run folders, and what stands beside them."""

import contextlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mutations
import numpy as np
from safetensors.numpy import load, save

from fuzz_readers.damage import ODD, Attempt, edited, equal
from learning import record
from learning.config import Config
from learning.record import CONFIG, METRICS, WEIGHTS, RunError, read_checkpoint
from learning.run_folder import RunFolder
from learning.settings import Settings
from learning.training import make_chip
from neurosim.app import provenance
from neurosim.app.cli import runs
from neurosim.population.state import initial_state, weights
from neurosim.storage import content_sha256


def _run(folder: Path) -> Path:
    settings = Settings(hidden=(5,), generations=9, pairs=4, groups=2, fraction_bits=4)
    config = Config(settings, "a" * 64, 12, 4)
    state = initial_state(config.network(), [20, 20], seed=1, fraction_bits=4, momentum=True)
    with RunFolder.create(folder / "whole", config) as made:
        for generation in (2, 4):
            made.log({"generation": generation, "validation_accuracy": 0.5})
            made.save(state, weights(state, 4), generation, 1.5)
    return folder / "whole"


def _copied(whole: Path, to: Path) -> Path:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(whole, to)
    return to


def run_damaged(folder: Path) -> Attempt:
    """A run folder of which a file is damaged, missing, or another's."""
    whole = _run(folder)
    wanted = read_checkpoint(whole)
    names = (CONFIG, WEIGHTS, METRICS)

    def attempt(numbers: random.Random) -> str:
        path = _copied(whole, folder / "run")
        file = path / numbers.choice(names)
        if numbers.random() < 0.03:
            file.unlink()
        elif numbers.random() < 0.05:
            shutil.copy(whole / numbers.choice(names), file)
        else:
            file.write_bytes(mutations.mutate(file.read_bytes(), numbers)[1])
        try:
            found = read_checkpoint(path)
        except RunError:
            return "refused"
        same = found[0] == wanted[0] and found[1].generation == wanted[1].generation
        same = same and equal(found[1].state, wanted[1].state)
        return "same" if same else "WRONG: another run"

    return attempt


def run_edited(folder: Path) -> Attempt:
    """A run folder with other tensors, header or configuration, and true hashes."""
    whole = _run(folder)
    raw = (whole / WEIGHTS).read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])["__metadata__"]
    tensors = load(raw)
    content = json.loads((whole / CONFIG).read_bytes())
    content.pop("sha256")

    def write(path: Path, numbers: random.Random) -> None:
        kept, metadata, said = dict(tensors), dict(header), content
        kind = numbers.randrange(3)
        if kind == 0:
            name = numbers.choice(sorted(kept))
            kept[name] = np.ascontiguousarray(odd_tensor(kept[name], numbers))
            if numbers.random() < 0.1:
                kept["more"] = kept.pop(name)
        elif kind == 1:
            name = numbers.choice(sorted(metadata))
            metadata[name] = str(numbers.choice(ODD))
        else:
            said = edited(content, numbers)
        metadata["tensors_sha256"] = record.tensors_sha256(kept)
        text = (
            json.dumps({**said, "sha256": content_sha256(said)})
            if isinstance(said, dict)
            else json.dumps(said)
        )
        (path / CONFIG).write_text(text)
        metadata["config_sha256"] = record.text_sha256(path / CONFIG)
        metadata["header_sha256"] = record.header_sha256(metadata)
        (path / WEIGHTS).write_bytes(save(kept, metadata))

    def attempt(numbers: random.Random) -> str:
        path = _copied(whole, folder / "run")
        if numbers.random() < 0.05:
            (path / METRICS).write_bytes(b"\x00")
        write(path, numbers)
        try:
            config, checkpoint = read_checkpoint(path)
            RunFolder.resume(path)[0].close()
        except RunError:
            return "refused"
        with contextlib.suppress(ValueError):  # settings that no chip has, in words
            make_chip(config, checkpoint.state)
        return "read"

    return attempt


def odd_tensor(array: Any, numbers: random.Random) -> Any:
    """A tensor of another type, shape or content."""
    changes: tuple[Callable[[Any], Any], ...] = (
        lambda a: a.astype(np.float32),
        lambda a: a.astype(np.int64),
        lambda a: a.astype(np.uint8),
        lambda a: a.astype(bool),
        lambda a: a[:-1],
        lambda a: np.concatenate([a, a]),
        lambda a: a.T,
        lambda a: a[:0],
        lambda a: a.reshape(-1),
        lambda a: a[None],
        lambda a: np.full_like(a, np.iinfo(a.dtype).max),
        lambda a: np.full_like(a, np.iinfo(a.dtype).min),
        lambda a: a + 1,
        lambda a: a[..., :1],
        lambda a: np.zeros((1 << 20,), np.int8),
    )
    return numbers.choice(changes)(array)


def run_notes(folder: Path) -> Attempt:
    """What stands beside a run, without a hash: its summary and how it came about."""
    path = _run(folder)
    wholes = {
        "summary.json": json.dumps(
            {"generations": 4, "test_accuracy": 0.5, "test_samples": 9, "weights_sha256": "a" * 64}
        ),
        provenance.PROVENANCE: json.dumps(
            {
                "format": provenance.FORMAT,
                "starts": [
                    {"date": "2026-11-01", "compile_seconds": 1.5, "version": "1", "command": "x"}
                ],
            }
        ),
    }
    for name, whole in wholes.items():
        (path / name).write_text(whole)
    wanted = runs.about(path)

    def attempt(numbers: random.Random) -> str:
        for name, whole in wholes.items():
            if numbers.random() < 0.5:
                (path / name).write_text(json.dumps(edited(json.loads(whole), numbers)))
            elif numbers.random() < 0.5:
                (path / name).write_bytes(mutations.mutate(whole.encode(), numbers)[1])
            elif numbers.random() < 0.05:
                (path / name).write_text("[" * 100_000)
        found = runs.about(path)
        runs.table([found, wanted])
        runs.side_by_side([wanted, found])
        return "same" if found == wanted else "refused"

    return attempt


READERS = {"run-damaged": run_damaged, "run-edited": run_edited, "run-notes": run_notes}
