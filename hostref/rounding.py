"""Registers of finite width in real numbers: truncation and saturation, in units of u."""

from typing import NamedTuple

from hostref.backend import Tensor, torch
from neurosim import limits


class Rounding(NamedTuple):
    """Rounding and saturation of registers of finite width, in units of u.

    lsb    u, v and decayed values are truncated towards zero to multiples of this
    limit  u and v stop at plus and minus this
    """

    lsb: float
    limit: float


CHIP = Rounding(1.0, float(limits.STATE_MAX))
"""The chip's own registers; in chip units and float64 every u, v and spike is then exact."""


def decayed(state: Tensor, factor: Tensor, rounding: Rounding | None) -> Tensor:
    """state * factor, truncated where registers are of finite width."""
    if rounding is None:
        return state * factor
    return torch.trunc(state * factor / rounding.lsb) * rounding.lsb


def kept(state: Tensor, rounding: Rounding | None) -> Tensor:
    """`state` in a register of finite width: on its grid, and saturated."""
    if rounding is None:
        return state
    grid = torch.trunc(state / rounding.lsb) * rounding.lsb
    return grid.clamp(-rounding.limit, rounding.limit)
