"""Neuron models in real numbers, by the names of their descriptions. A new model is a file and an entry."""

from hostref.neurons import adaptive_lif, lif
from hostref.neurons.base import Fired, FloatModel, Neuron

MODELS: dict[str, FloatModel] = {"lif": lif.MODEL, "adaptive_lif": adaptive_lif.MODEL}

__all__ = ["MODELS", "Fired", "FloatModel", "Neuron"]
