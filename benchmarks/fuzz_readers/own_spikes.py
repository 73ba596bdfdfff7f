"""Files of one's own spikes."""

import contextlib
import importlib.util
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mutations
import numpy as np

from fuzz_readers.damage import Attempt, all_events, odd_array
from neurosim.data.formats.recording import EventFileError
from neurosim.data.sets import spikes as reader
from neurosim.data.sets.base import Options
from neurosim.data.source import SourceError


def _spike_arrays() -> list[dict[str, Any]]:
    """Spikes as steps, on a plane, packed, and as lists."""
    spikes = np.random.default_rng(0).random((6, 4, 12)) < 0.3
    y = np.arange(6) % 2
    sample, step, unit = np.nonzero(spikes)
    lists = {"times": step * 1000, "units": unit, "samples": sample}
    of_part = {**lists, "y": y}.items()
    return [
        {"x": spikes.astype(np.uint8), "y": y},
        {
            "train_x": spikes.reshape(6, 4, 1, 3, 4),
            "train_y": y,
            "test_x": spikes.reshape(6, 4, 1, 3, 4),
            "test_y": np.array(["a", "b"])[y],
        },
        {
            "x": np.packbits(spikes, axis=-1),
            "inputs": np.array(12),
            "y": y,
            "bitorder": np.array("big"),
        },
        {**lists, "y": np.array(["a", "b"])[y], "inputs": np.array(12), "plane": np.array([3, 4])},
        {
            **{f"{part}_{name}": array for part in ("train", "test") for name, array in of_part},
            "step_us": np.array(1000),
            "window_us": np.array(4000),
        },
    ]


def spikes(suffix: str) -> Callable[[Path], Attempt]:
    """A file of one's own spikes: damaged bytes, odd arrays."""

    def write(file: Path, arrays: dict[str, Any]) -> None:
        if suffix == ".npz":
            np.savez(file, **arrays)
            return
        import h5py

        with h5py.File(file, "w") as made:
            for name, array in arrays.items():
                text = np.asarray(array).dtype.kind == "U"
                made[name] = np.asarray(array).astype("S8") if text else array

    def prepare(folder: Path) -> Attempt:
        file = folder / f"a{suffix}"
        every = _spike_arrays()
        wholes = []
        for arrays in every:
            write(file, arrays)
            wholes.append(file.read_bytes())

        def attempt(numbers: random.Random) -> str:
            which = numbers.randrange(len(every))
            if numbers.random() < 0.5:
                file.write_bytes(mutations.mutate(wholes[which], numbers)[1])
            else:
                arrays = dict(every[which])
                name = numbers.choice(sorted(arrays))
                with contextlib.suppress(TypeError, ValueError, IndexError):  # not for every array
                    arrays[name] = odd_array(np.asarray(arrays[name]), numbers)
                    write(file, arrays)
            try:
                return all_events(reader.open_source(str(file), Options(), None))
            except (SourceError, EventFileError):
                return "refused"

        return attempt

    return prepare


READERS = {"spikes-npz": spikes(".npz")}
if importlib.util.find_spec("h5py") is not None:
    READERS["spikes-hdf5"] = spikes(".h5")
