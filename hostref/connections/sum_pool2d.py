"""Sum pooling: the spikes of each window, counted."""

from hostref.backend import Tensor, torch
from hostref.connections.base import Operator


class SumPool2dOperator(Operator):
    """Fixed weights of 1."""

    def current(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        size, stride, _ = self.kind.pairs
        maps = x.reshape(-1, *self.in_shape)
        pooled = torch.nn.functional.avg_pool2d(maps, size, stride, divisor_override=1)
        return pooled.reshape(*x.shape[:-1], -1)
