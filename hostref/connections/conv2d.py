"""Convolution by PyTorch, and its unfolded windows for products with factors of the matrix."""

from hostref.backend import Tensor, torch
from hostref.connections.base import Operator, by_map


class Conv2dOperator(Operator):
    """Windows in the order of the matrix's rows: (ky, kx, channel)."""

    def _maps(self, x: Tensor) -> Tensor:
        """(sample x step, channel, height, width)."""
        return x.reshape(-1, *self.in_shape)

    def rows(self, x: Tensor) -> Tensor:
        kernel, stride, padding = self.kind.pairs
        windows = torch.nn.functional.unfold(self._maps(x), kernel, padding=padding, stride=stride)
        taps, places = kernel[0] * kernel[1], windows.shape[-1]
        ordered = windows.view(-1, self.in_shape[0], taps, places).permute(0, 3, 2, 1)
        return ordered.reshape(*x.shape[:-2], x.shape[-2] * places, -1)

    def place(self, results: Tensor) -> Tensor:
        _, height, width = self.out_shape
        each = results.unflatten(-2, (-1, height * width))
        return each.transpose(-1, -2).flatten(-2)

    def current(self, x: Tensor, matrix: Tensor | None) -> Tensor:
        assert matrix is not None
        kernel, stride, padding = self.kind.pairs
        weight = matrix.view(*kernel, self.in_shape[0], -1).permute(3, 2, 0, 1)
        maps = torch.nn.functional.conv2d(self._maps(x), weight, stride=stride, padding=padding)
        return maps.reshape(*x.shape[:-1], -1)

    def columns(self, values: Tensor) -> Tensor:
        return by_map(values, self.out_shape, self.kind.where)
