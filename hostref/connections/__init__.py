"""Registry of float operators, by connection kind. A kind with an operator is a file and an entry."""

from hostref.connections.base import Operator
from hostref.connections.conv2d import Conv2dOperator
from hostref.connections.dense import DenseOperator
from hostref.connections.expanded import ExpandedOperator
from hostref.connections.pooled_dense import PooledDenseOperator
from hostref.connections.sparse import SparseOperator
from hostref.connections.sum_pool2d import SumPool2dOperator
from neurosim.network import Connection, Network

OPERATORS: dict[str, type[Operator]] = {
    "dense": DenseOperator,
    "conv2d": Conv2dOperator,
    "sum_pool2d": SumPool2dOperator,
    "sparse": SparseOperator,
    "pooled_dense": PooledDenseOperator,
}
"""Float operators by the name of the connection kind; the others are expanded to synapses."""


def operator_of(network: Network, connection: Connection) -> Operator:
    """The operator of a connection; for a kind without one, that of its synapses one by one."""
    of_kind = OPERATORS.get(connection.kind.name, ExpandedOperator)
    shapes = network.shapes[connection.source], network.shapes[connection.target]
    return of_kind(connection.kind, *shapes)


__all__ = ["OPERATORS", "Operator", "operator_of"]
