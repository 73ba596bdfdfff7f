"""LIF neuron in real numbers whose threshold rises by b with each spike, and falls back.

b[t] = fall b[t-1] + rise spk[t-1]
spk[t] = mem[t] > threshold + b[t]       strictly
"""

from dataclasses import replace
from typing import NamedTuple

from hostref.backend import Tensor
from hostref.neurons.base import Fired, FloatModel
from hostref.rounding import Rounding, decayed, kept
from hostref.surrogate import spike
from neurosim import limits
from neurosim.network import AdaptiveLif


class AdaptiveNeuron(NamedTuple):
    """rise float (neuron,) in units of the threshold; fall: the decay a step."""

    rise: Tensor
    fall: float

    def fire(
        self, mem: Tensor, threshold: Tensor, own: Tensor, slope: float, rounding: Rounding | None
    ) -> Fired:
        """As `Neuron.fire`; own: b."""
        spikes = spike(mem - own, threshold, slope)
        after = decayed(own, own.new_tensor(self.fall), rounding) + self.rise * spikes
        return Fired(spikes, mem * (1 - spikes.detach()), kept(after, rounding))


def _neuron(model: AdaptiveLif, unit: Tensor) -> AdaptiveNeuron:
    rise = (model.rise << limits.STATE_SHIFT) / unit
    return AdaptiveNeuron(rise, 1 - model.decay / limits.DECAY_ONE)


def _rescaled(model: AdaptiveLif, new: int, old: int) -> AdaptiveLif:
    return replace(model, rise=min(round(model.rise * new / old), limits.VTH_MANT.high))


MODEL = FloatModel(_neuron, _rescaled)
