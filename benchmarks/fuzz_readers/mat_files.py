"""Recordings of ST-MNIST: files of one recording of events that MATLAB wrote."""

import io

import numpy as np
import scipy.io

from fuzz_readers.event_files import events


def recording() -> bytes:
    """A recording of thirty events, compressed."""
    signs = np.random.default_rng(0).integers(-1, 2, (101, 30)).astype(float)
    signs[-1] = np.arange(30) / 100
    out = io.BytesIO()
    scipy.io.savemat(out, {"spiketrain": signs}, do_compression=True)
    return out.getvalue()


READERS = {"events-mat": events(".mat", recording)}
