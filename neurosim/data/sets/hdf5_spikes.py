"""Sources of HDF5 files of spikes by channel, as SHD and SSC have them: read in blocks, side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats import spike_hdf5
from neurosim.data.formats.recording import Events, Samples
from neurosim.data.source import About, Grouped, Said, content_of


class SpikeFiles(Grouped):
    """Samples of HDF5 files, a block of them at a time.

    files     the file of each part            numbers  int64 (sample,) of each part: which of the file's
    samples   the samples of each file
    """

    chunk = 8 * spike_hdf5.BLOCK

    def __init__(
        self,
        about: About,
        files: Mapping[str, Path],
        samples: Mapping[Path, Samples],
        numbers: Mapping[str, NDArray[np.int64]],
        labels: Mapping[str, NDArray[np.uint16]],
    ) -> None:
        self.about, self.labels = about, labels
        self._files, self._samples, self._numbers = files, samples, numbers
        self._lock, self.said = Lock(), Said()

    def content(self) -> str:
        names = "/".join(self.about.class_names)
        chosen = [f"{part} {len(numbers)} {names}" for part, numbers in self._numbers.items()]
        return content_of(
            [(what, self._files[part]) for what, part in zip(chosen, self._numbers, strict=True)]
        )

    def group_of(self, part: str, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._numbers[part][numbers] // spike_hdf5.BLOCK

    def read_group(self, part: str, group: int, numbers: Sequence[int]) -> Sequence[Events]:
        """A file keeps the block that was read last, for one thread at a time."""
        samples = self._samples[self._files[part]]
        with self._lock:
            read = [samples[int(self._numbers[part][n])].recording for n in numbers]
        self.said.add(self._files[part], (note for one in read for note in one.notes))
        return [one.events for one in read]
