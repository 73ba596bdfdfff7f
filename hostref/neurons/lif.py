"""LIF neuron in real numbers: a spike where mem > threshold, then mem starts from 0."""

from typing import NamedTuple

from hostref.backend import Tensor
from hostref.neurons.base import Fired, FloatModel
from hostref.rounding import Rounding
from hostref.surrogate import spike


class LifNeuron(NamedTuple):
    """It has no variable of its own."""

    def fire(
        self, mem: Tensor, threshold: Tensor, own: Tensor, slope: float, rounding: Rounding | None
    ) -> Fired:
        """As `Neuron.fire`."""
        spikes = spike(mem, threshold, slope)
        return Fired(spikes, mem * (1 - spikes.detach()), own)


MODEL = FloatModel(lambda model, unit: LifNeuron())
