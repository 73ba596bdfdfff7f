"""Forward passes of any network on the chip emulator, with the latency of training (none)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.chip.emulator import Chip, Probe
from neurosim.chip.profiles import LAYERED
from neurosim.data.frames import Frames, select
from neurosim.network import Network, Weights
from neurosim.network.faults import Faults

STATE_BYTES = 1 << 28
"""Bytes of neuron state and pending input that are held at a time: chosen here."""
STATE_NUMBERS = 8
"""64-bit numbers a neuron and sample that a run holds without delays, about."""


class Emulated(NamedTuple):
    """Scores of the output, and spikes and counters of a run.

    counts, potentials  int64 (sample, class): spikes, and membranes after the reset summed over steps
    spikes              by population: int8 (sample, step, neuron)
    saturated           saturations of registers, over all samples
    """

    counts: NDArray[np.int64]
    potentials: NDArray[np.int64]
    spikes: dict[str, NDArray[np.int8]]
    saturated: int

    def scores(self, membrane: bool) -> NDArray[np.int64]:
        """Scores by which classes are predicted."""
        return self.potentials if membrane else self.counts


def forward(
    network: Network, weights: Weights, frames: Frames, faults: Faults | None = None
) -> Emulated:
    """Run all of `frames`, some samples at a time, on a chip with these faults."""
    chip = Chip.from_weights(network, weights, LAYERED, placement=None, faults=faults)
    output = network.populations[network.output].name
    longest = max((c.delay for c in network.connections), default=0)
    neurons = sum(population.neurons for population in network.populations)
    each = 8 * neurons * (STATE_NUMBERS + longest)
    size = max(1, STATE_BYTES // each)
    parts = []
    for first in range(0, len(frames.labels), size):
        parts.append(chip.run(select(frames, slice(first, first + size)), [Probe(output, "v")]))
    spikes = {
        population.name: np.concatenate([part.spikes[population.name] for part in parts])
        for population in network.populations
    }
    totals = [part.counters.total() for part in parts]
    return Emulated(
        spikes[output].sum(axis=1, dtype=np.int64),
        np.concatenate([part.probed[0].sum(axis=1) for part in parts]),
        spikes,
        sum(total["current_overflows"] + total["voltage_saturations"] for total in totals),
    )
