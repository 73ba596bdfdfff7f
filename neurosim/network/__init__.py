"""Network description: inputs, populations, connections and the weights that learning changes."""

from neurosim.network.description import (
    Connection,
    Input,
    Network,
    NetworkError,
    Noise,
    Population,
    SignMode,
    Weights,
    check_weights,
    learned,
    mantissas,
)

__all__ = [
    "Connection",
    "Input",
    "Network",
    "NetworkError",
    "Noise",
    "Population",
    "SignMode",
    "Weights",
    "check_weights",
    "learned",
    "mantissas",
]
