"""Operators by connection kind; a kind that is not listed here is computed synapse by synapse."""

from neurosim.network import Connection, Conv2d, Dense, Network, PooledDense
from neurosim.population.operators.conv2d import Conv2dOperator
from neurosim.population.operators.dense import DenseOperator, PooledDenseOperator
from neurosim.population.operators.operator import Operator, Sums, Totals, cells, flat

OPERATORS: dict[type, type[Operator]] = {
    Dense: DenseOperator,
    PooledDense: PooledDenseOperator,
    Conv2d: Conv2dOperator,
}
"""Operators with kernels of their own, by connection kind."""


def operator_of(network: Network, connection: Connection, steps: int) -> Operator:
    """The operator of a connection, for samples of so many steps."""
    return OPERATORS.get(type(connection.kind), Operator)(network, connection, steps)


__all__ = ["OPERATORS", "Operator", "Sums", "Totals", "cells", "flat", "operator_of"]
