"""Batch: the samples of one generation, and the forward pass that its members and rules share.

The caller makes a batch and passes it to `Evaluator.evaluate` and then to `Evaluator.apply_update`, which
reuses the unperturbed forward pass of the first call. The pass is valid for one evaluator and for its
weights, noise and readout at that time; otherwise it is computed again.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.data.frames import MOST_STEPS, Frames
from neurosim.network import NetworkError
from neurosim.population.bounds import Shape
from neurosim.population.update import SharedForward

STEPS = limits.Range(1, MOST_STEPS)
"""Time steps of a sample."""
SAMPLES_AT_ONCE = 2048
"""Samples whose shared currents are held at a time: 10 MB at 10 steps and 128 neurons."""


class Batch:
    """Frames, and the samples of each group of pairs.

    frames  samples of a data set
    groups  int64 (group, place): numbers of samples; the pairs of a group are evaluated on them

    Raises NetworkError for a group without samples, or a number that no sample has.

    Examples:
        >>> import numpy as np
        >>> import neurosim
        >>> samples = neurosim.frames.pack(np.zeros((6, 10, 40), np.uint8), [0, 1] * 3)
        >>> batch = neurosim.Batch(samples, np.array([[0, 1], [4, 5]]))  # two groups of two samples
        >>> batch.steps
        10
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

    def shape(self, pairs: int) -> Shape:
        """What the bounds of a generation of so many pairs depend on."""
        groups, samples = self.groups.shape
        return Shape(pairs, groups, samples, self.steps)

    def pairs_of_group(self, pairs: range, part: range) -> int:
        """Pairs of each group; NetworkError unless groups have equally many and `part` lies in `pairs`."""
        if pairs.step != 1 or len(pairs) == 0 or len(pairs) % len(self.groups):
            raise NetworkError(
                f"{len(pairs)} pairs for {len(self.groups)} groups; each group needs the same number, from 1"
            )
        if part.step != 1 or len(part) == 0 or part[0] not in pairs or part[-1] not in pairs:
            raise NetworkError(
                f"{part} to evaluate of {pairs}; needed is a range within, from 1 pair"
            )
        return len(pairs) // len(self.groups)

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


def check_frames(frames: Frames, inputs: int, classes: int) -> None:
    """Raise NetworkError unless a network of so many inputs and output neurons can run these frames."""
    if frames.inputs != inputs:
        raise NetworkError(
            f"frames of {frames.inputs} inputs for a network of {inputs}; "
            f"use the data and pooling the network was made for"
        )
    if frames.bits.shape[1] not in STEPS:
        raise NetworkError(
            f"frames of {frames.bits.shape[1]} steps; allowed are {STEPS.low}..{STEPS.high}"
        )
    if frames.labels.size and int(frames.labels.max()) >= classes:
        raise NetworkError(
            f"label {int(frames.labels.max())} for a network of {classes} output neurons"
        )
