"""Registry of connection kinds, by their names in JSON. A new kind is a file and an entry."""

from neurosim.network.connections.base import ConnectionKind, Parameter, Synapses
from neurosim.network.connections.conv2d import Conv2d
from neurosim.network.connections.dense import Dense
from neurosim.network.connections.pooled_dense import PooledDense
from neurosim.network.connections.sparse import Sparse
from neurosim.network.connections.sum_pool2d import SumPool2d

KINDS: dict[str, type[ConnectionKind]] = {
    kind.name: kind for kind in (Dense, Conv2d, SumPool2d, Sparse, PooledDense)
}
"""Connection kinds by name. A kind from elsewhere is entered here before networks are read."""

__all__ = [
    "KINDS",
    "ConnectionKind",
    "Conv2d",
    "Dense",
    "Parameter",
    "PooledDense",
    "Sparse",
    "SumPool2d",
    "Synapses",
]
