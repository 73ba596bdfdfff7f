"""Networks: inputs, populations, connections, layers, and the weights that learning changes."""

from neurosim.network.connections import Conv2d, Dense, PooledDense, Sparse, SumPool2d
from neurosim.network.description import (
    Connection,
    Input,
    Layer,
    Network,
    Noise,
    Population,
    SignMode,
    Weights,
    check_weights,
    learned,
    mantissas,
    matrices_by_name,
    with_biases,
)
from neurosim.network.errors import NetworkError
from neurosim.network.neurons import AdaptiveLif, Lif

__all__ = [
    "AdaptiveLif",
    "Connection",
    "Conv2d",
    "Dense",
    "Input",
    "Layer",
    "Lif",
    "Network",
    "NetworkError",
    "Noise",
    "PooledDense",
    "Population",
    "SignMode",
    "Sparse",
    "SumPool2d",
    "Weights",
    "check_weights",
    "learned",
    "mantissas",
    "matrices_by_name",
    "with_biases",
]
