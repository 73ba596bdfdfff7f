"""Recordings of other emulators."""

import json
import random
import tempfile
from pathlib import Path
from typing import Any

import mutations
import numpy as np
from vector_cases import lava

from fuzz_readers.damage import Attempt, edited, odd_array
from neurosim.chip.conformance.dense_layer import read, replay
from neurosim.chip.conformance.recorded import Recorded
from neurosim.chip.conformance.vectors import check_file

PARAMS = lava(vth=400, du=409, dv=205)


def _vector_arrays() -> dict[str, Any]:
    made = {"s_in": np.eye(6, 4, dtype=np.int64), "w": np.arange(-6, 6).reshape(3, 4) * 20}
    zeros = np.zeros((6, 3), np.int64)
    path = Path(_scratch()) / "a.npz"
    np.savez(path, params=json.dumps(PARAMS), u=zeros, v=zeros, s_out=zeros, **made)
    return {**made, **replay(read(Recorded(path)))}


def _scratch() -> str:
    return tempfile.mkdtemp(prefix="neurosim-fuzz-")


def vectors(folder: Path) -> Attempt:
    """A recording of another emulator: damaged bytes, odd params, odd arrays."""
    arrays, file = _vector_arrays(), folder / "a.npz"
    np.savez(file, params=json.dumps(PARAMS), **arrays)
    whole = file.read_bytes()
    if not check_file(file).matches:
        raise RuntimeError("the undamaged recording does not match")

    def changed(numbers: random.Random) -> dict[str, Any]:
        params: Any = dict(PARAMS)
        kept = dict(arrays)
        if numbers.random() < 0.5:
            params = edited(params, numbers)
        else:
            name = numbers.choice(sorted(kept))
            kept[name] = odd_array(kept[name], numbers)
        return {"params": json.dumps(params), **kept}

    def attempt(numbers: random.Random) -> str:
        if numbers.random() < 0.5:
            file.write_bytes(mutations.mutate(whole, numbers)[1])
        else:
            np.savez(file, **changed(numbers))
        found = check_file(file)
        if not found.matches:
            return "refused"
        return "same" if _same_numbers(file, arrays) else "WRONG: other numbers match"

    return attempt


def _same_numbers(file: Path, arrays: dict[str, Any]) -> bool:
    """Whether what is recorded of the outcome is what the undamaged file says."""
    with np.load(file, allow_pickle=False) as found:
        same = all(
            np.array_equal(found[name], arrays[name])
            for name in ("s_in", "s_out", "u", "v")
            if name in found.files
        )
        weights = found["w"] if "w" in found.files else arrays["w"]
        # mixed weights of 8 bits are even: one more is the same weight
        return (
            same and weights.shape == arrays["w"].shape and np.abs(weights - arrays["w"]).max() <= 1
        )


READERS = {"vectors": vectors}
