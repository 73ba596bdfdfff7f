"""Step-by-step runs on the chip emulator: cost of a sample, and agreement of spikes with the float twin.

The chip emulator moves spikes step by step, as the cores do, and counts every operation; it is slower
than the population evaluator, so it is given some samples only.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.data.frames import Frames
from neurosim.network import Network, Weights
from neurosim.network.faults import Faults

if TYPE_CHECKING:
    from hostref.agreement import LayerAgreement
    from neurosim.chip.emulator import Recording
    from neurosim.chip.mapping import Placement

SAMPLES = 100
"""Test samples that the cost is a mean of."""
AGREEMENT_SAMPLES = 200


def with_time_to_arrive(network: Network, frames: Frames, count: int) -> Frames:
    """The first samples, followed by the steps that the last spikes need to reach the last layer."""
    more = network.depth
    bits = np.pad(frames.bits[:count], ((0, 0), (0, more), (0, 0)))
    return Frames(bits, frames.labels[:count], frames.inputs)


def price(
    network: Network, weights: Weights, frames: Frames, faults: Faults | None = None
) -> dict[str, Any]:
    """Estimated energy of a sample, in microjoules: of its operations, and with static power."""
    from neurosim.chip import energy
    from neurosim.chip.mapping import MappingError

    try:
        recording, placement = on_cores(network, weights, frames, faults)
    except MappingError:
        return {"energy_uj": None, "energy_total_uj": None, "cores": None}
    estimate = energy.of_recording(recording, placement)[0]
    return {
        "energy_uj": estimate.dynamic_pj * 1e-6,
        "energy_total_uj": estimate.total_pj * 1e-6,
        "cores": len(placement.cores),
    }


def on_cores(
    network: Network, weights: Weights, frames: Frames, faults: Faults | None = None
) -> "tuple[Recording, Placement]":
    """The first SAMPLES through the network as it lies on the chip; MappingError if it does not fit."""
    from neurosim.chip.emulator import Chip

    chip = Chip.from_weights(network, weights, faults=faults)
    assert chip.placement is not None
    return chip.run(with_time_to_arrive(network, frames, SAMPLES)), chip.placement


def spike_agreement(network: Network, weights: Weights, frames: Frames) -> "list[LayerAgreement]":
    """Spikes of the chip beside those of its float64 twin, by layer."""
    from hostref import inputs
    from hostref.agreement import agree
    from hostref.backend import torch
    from hostref.twin import from_chip, parameters_from_chip
    from neurosim.chip.emulator import Chip

    given = with_time_to_arrive(network, frames, AGREEMENT_SAMPLES)
    recording = Chip.from_weights(network, weights, placement=None).run(given)
    model = from_chip(network, latency=1)
    x, _ = inputs.load(given).batch(slice(None), model.like.dtype)
    with torch.no_grad():
        trace = model.run(parameters_from_chip(model, weights), x)
    return agree(
        [recording.spikes[population.name] for population in network.populations],
        [spk.numpy() for spk in trace.spk],
    )
