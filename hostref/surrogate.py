"""Surrogate gradient of a spike: the fast sigmoid.

    forward    s = 1 where v > threshold, else 0
    backward   ds/dv = 1 / (1 + slope |v - threshold| / threshold)^2 / threshold     fast sigmoid

The fast sigmoid is Zenke and Ganguli's (Neural Computation 30, 2018); slope 25 is snnTorch's.
In units of the threshold (threshold = 1) the values equal snnTorch's. A threshold of 0 has no scale: there
the flanks are as wide as for a threshold of 1.
"""

from typing import Any

from hostref.backend import Tensor, torch

SLOPE = 25.0
"""snnTorch's default."""


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor, threshold: Tensor, slope: float) -> Tensor:
        ctx.save_for_backward(v, threshold)
        ctx.slope = slope
        return (v > threshold).to(v.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        v, threshold = ctx.saved_tensors
        unit = torch.where(threshold > 0, threshold, torch.ones_like(threshold))
        flank = 1 + ctx.slope * ((v - threshold) / unit).abs()
        return grads[0] / (flank * flank * unit), None, None


def spike(v: Tensor, threshold: Tensor, slope: float = SLOPE) -> Tensor:
    """0 or 1 in the dtype of `v`; gradients flow to `v` only."""
    return _Spike.apply(v, threshold, slope)
