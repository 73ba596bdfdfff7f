"""Batch: the samples of one generation, and the forward pass that its members and rules share.

The caller makes a batch and passes it to `Evaluator.evaluate` and then to `Evaluator.apply_update`, which
reuses the unperturbed forward pass of the first call. The pass is valid for one evaluator and for its
weights, noise and readout at that time; otherwise it is computed again.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from neurosim.data.frames import Frames
from neurosim.network import NetworkError
from neurosim.population.update import SharedForward

SAMPLES_AT_ONCE = 2048
"""Samples whose shared currents are held at a time: 10 MB at 10 steps and 128 neurons."""


class Batch:
    """Frames, and the samples of each group of pairs.

    frames  samples of a data set                 groups  int64 (group, place): numbers of samples
    """

    def __init__(self, frames: Frames, groups: NDArray[np.int64]) -> None:
        samples = len(frames.labels)
        if groups.ndim != 2 or not groups.size:
            raise NetworkError(
                f"groups have shape {groups.shape}; needed is (group, place), from 1 each"
            )
        if groups.min() < 0 or groups.max() >= samples:
            raise NetworkError(
                f"groups have samples {groups.min()}..{groups.max()}; there are 0..{samples - 1}"
            )
        self.frames = frames
        self.groups = groups
        self._key: tuple[object, int, range] | None = None
        self._shared: SharedForward | None = None

    @property
    def steps(self) -> int:
        """Time steps of a sample."""
        return int(self.frames.bits.shape[1])

    def pieces(self, groups: range) -> list[range]:
        """`groups` a few at a time, so that memory does not grow with the population."""
        at_once = max(1, SAMPLES_AT_ONCE // self.groups.shape[1])
        return [
            range(first, min(first + at_once, groups.stop))
            for first in range(groups.start, groups.stop, at_once)
        ]

    def shared(
        self, owner: object, number: int, groups: range, make: Callable[[], SharedForward]
    ) -> SharedForward:
        """The shared forward pass of some groups: the one that is kept, or a new one by `make`.

        owner, number  the evaluator, and how often its weights, noise and readout have changed
        """
        key = self._key
        at_hand = key is not None and key[0] is owner and key[1:] == (number, groups)
        if self._shared is None or not at_hand:
            self._key, self._shared = (owner, number, groups), make()
        return self._shared
