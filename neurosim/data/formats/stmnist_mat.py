"""ST-MNIST recordings: MATLAB 5 files with one matrix of spikes by taxel, read in a child process.

    spiketrain   (101, event): rows 0-99 the taxels of a 10 x 10 pad, -1, 0 or 1; row 100: seconds

(See et al. 2020.) Taxels are taken to be numbered row by row, which the file does not say. Columns
with several spikes give as many events; polarity -1 is OFF. The file is opened by SciPy.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.data.formats import isolated
from neurosim.data.formats.recording import (
    MAX_EVENTS,
    Format,
    Recording,
    Sensor,
    columns_to_events,
    sort_by_time,
)
from neurosim.data.formats.source import Source
from neurosim.sandbox import Refused

MAGIC = b"MATLAB 5.0 MAT-file"
VARIABLE = "spiketrain"
SIDE = 10
MOST_EVENTS = 5_000_000
"""More are not read; the recordings have some thousand. Chosen here: 200 MB in this process."""
SENSOR: Sensor = (SIDE, SIDE)
LONGEST_SECONDS = 3600.0
"""Times beyond this are taken for damage. Chosen here: the recordings last 2 s."""


def sniff(head: bytes) -> bool:
    """The header text of MATLAB 5."""
    return head.startswith(MAGIC)


def read(path: str | os.PathLike[str], *, max_events: int = MAX_EVENTS) -> Recording:
    """The recording of one file. Raises EventFileError where it is none."""
    with Source(path) as source, tempfile.TemporaryDirectory(prefix="neurosim-") as folder:
        if not sniff(source.head(len(MAGIC))):
            raise source.error("no header of a MATLAB 5 file at the start", 0)
        most = min(max_events, MOST_EVENTS)
        isolated.run(source, f"{__name__}:extract", folder, max_events=most)
        t, taxel, p = (np.load(Path(folder) / f"{name}.npy") for name in ("t", "taxel", "p"))
        notes: tuple[str, ...] = ()
        events = columns_to_events(t, taxel % SIDE, taxel // SIDE, p)
        late = int(np.count_nonzero(t[1:] < t[:-1]))
        if late:
            notes = (f"times go back {late:,} times: sorted",)
            sort_by_time(events)
        return Recording(events, SENSOR, notes)


def extract(path: str, max_events: int, folder: Path) -> dict[str, Any]:
    """Within the child: t.npy (int64, microseconds), taxel.npy and p.npy."""
    import scipy.io

    found = scipy.io.loadmat(path, variable_names=[VARIABLE], verify_compressed_data_integrity=True)
    train = found.get(VARIABLE)
    if not isinstance(train, np.ndarray) or train.ndim != 2 or train.shape[0] != SIDE * SIDE + 1:
        shape = getattr(train, "shape", "missing")
        raise Refused(f"{VARIABLE} is {shape}; needed is a matrix (101, event)", 0)
    if train.dtype.kind not in "fiu" or not np.isfinite(train).all():
        raise Refused(f"{VARIABLE} is {train.dtype} or holds values that are no numbers", 0)
    seconds, spikes = train[-1].astype(np.float64), train[:-1].T
    if not np.isin(spikes, (-1, 0, 1)).all():
        raise Refused(f"{VARIABLE} holds values other than -1, 0 and 1", 0)
    column, taxel = np.nonzero(spikes)
    if not 0 < len(column) <= max_events:
        raise Refused(f"{len(column):,} spikes; allowed are 1 to {max_events:,}", 0)
    if not (seconds.min() >= 0 and seconds.max() <= LONGEST_SECONDS):
        raise Refused(f"times from {seconds.min()} to {seconds.max()} s; allowed are 0 to 3600", 0)
    np.save(folder / "t.npy", np.rint(seconds[column] * 1e6).astype(np.int64))
    np.save(folder / "taxel.npy", taxel.astype(np.int64))
    np.save(folder / "p.npy", (spikes[column, taxel] > 0).astype(np.uint8))
    return {"events": len(column)}


FORMAT = Format("stmnist", "ST-MNIST .mat", (".mat",), sniff, read)
