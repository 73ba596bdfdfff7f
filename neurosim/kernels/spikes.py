"""Spikes of a part of a network over a block of trials, as connections read them and neurons write them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels.compilation import inlined


class Source(NamedTuple):
    """Spikes of a part over a block.

    bits     uint64 (row, lead + step, word); the first `lead` steps are zero
    repeats  trials side by side that have the same spikes, a row of `bits`
    """

    bits: NDArray[np.uint64]
    lead: int
    repeats: int = 1

    @property
    def words(self) -> int:
        """Words of a step."""
        return int(self.bits.shape[2])

    def delayed(self, delay: int) -> "Source":
        """The same spikes, `delay` steps later."""
        return self._replace(lead=self.lead - delay)


@inlined
def step_at(source, row, t):
    """Index of the first word of a step in row `row` of `bits`."""
    return (row * source.bits.shape[1] + source.lead + t) * source.bits.shape[2]
