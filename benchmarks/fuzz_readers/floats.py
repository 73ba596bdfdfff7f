"""Checkpoints of the float reference."""

import random
from pathlib import Path

import mutations
import torch

from fuzz_readers.damage import Attempt
from hostref import checkpoint


def float_checkpoint(folder: Path) -> Attempt:
    """A checkpoint of the float reference."""
    file = folder / "a.safetensors"
    tensors = {"a": torch.arange(12.0).reshape(3, 4), "b": torch.ones(3)}
    checkpoint.save(file, "bptt", tensors, {"epoch": 3})
    whole = file.read_bytes()

    def attempt(numbers: random.Random) -> str:
        file.write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            found, facts = checkpoint.load(file, "bptt")
        except checkpoint.CheckpointError:
            return "refused"
        same = all(torch.equal(found[name], tensors[name]) for name in tensors)
        return "same" if same and facts["epoch"] == 3 else "WRONG: another checkpoint"

    return attempt


READERS = {"float": float_checkpoint}
