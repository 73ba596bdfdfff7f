"""Recordings of ST-MNIST."""

import random
from pathlib import Path

import mutations
import numpy as np
import scipy.io

from fuzz_readers.damage import Attempt
from neurosim.data.formats import registry
from neurosim.data.formats.recording import EventFileError


def matlab(folder: Path) -> Attempt:
    """A recording of ST-MNIST."""
    file = folder / "a.mat"
    signs = np.random.default_rng(0).integers(-1, 2, (101, 30)).astype(float)
    signs[-1] = np.arange(30) / 100
    scipy.io.savemat(file, {"spiketrain": signs}, do_compression=True)
    whole = file.read_bytes()
    registry.read(file)

    def attempt(numbers: random.Random) -> str:
        file.write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            found = registry.read(file).events
        except EventFileError:
            return "refused"
        return "read" if (np.diff(found["t"]) >= 0).all() else "WRONG: no recording"

    return attempt


READERS = {"events-mat": matlab}
