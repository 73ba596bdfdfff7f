"""Neuron models in real numbers, by the names of their descriptions. A new model is a file and an entry."""

from hostref.neurons import adaptive_lif, lif
from hostref.neurons.base import Fired, FloatModel, Neuron

MODELS: dict[str, FloatModel] = {"lif": lif.MODEL, "adaptive_lif": adaptive_lif.MODEL}
"""Float models by the name of the neuron model; a model that is not listed is refused by name."""

__all__ = ["MODELS", "Fired", "FloatModel", "Neuron"]
