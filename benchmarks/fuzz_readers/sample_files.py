"""Files of many samples of events in HDF5, as SHD."""

import random
from pathlib import Path

import h5py
import mutations
import numpy as np

from fuzz_readers.damage import Attempt
from neurosim.data.formats import registry
from neurosim.data.formats.recording import EventFileError


def spike_hdf5(folder: Path) -> Attempt:
    """A file of many samples in HDF5, as SHD."""
    file = folder / "a.h5"
    with h5py.File(file, "w") as made:
        for name, kind in (("times", np.float16), ("units", np.uint16)):
            rows = made.create_dataset(f"spikes/{name}", (6,), h5py.vlen_dtype(np.dtype(kind)))
            for row in range(6):
                rows[row] = np.sort(np.linspace(0, 0.9, 20 + row) * (1 if name == "times" else 600))
        made["labels"] = np.arange(6, dtype=np.uint8) % 3
    whole = file.read_bytes()

    def attempt(numbers: random.Random) -> str:
        file.write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            for sample in registry.read_samples(file):
                if not (np.diff(sample.recording.events["t"]) >= 0).all():
                    return "WRONG: no recording"
        except EventFileError:
            return "refused"
        return "read"

    return attempt


READERS = {"events-hdf5": spike_hdf5}
