"""Registry of neuron models, by their names in JSON. A new model is a file and an entry."""

from neurosim.network.neurons.adaptive_lif import AdaptiveLif
from neurosim.network.neurons.base import NeuronModel
from neurosim.network.neurons.lif import Lif

MODELS: dict[str, type[NeuronModel]] = {model.name: model for model in (Lif, AdaptiveLif)}
"""Neuron models by name. One from elsewhere also needs a kernel: docs/notes/adding.md."""

__all__ = ["MODELS", "AdaptiveLif", "Lif", "NeuronModel"]
