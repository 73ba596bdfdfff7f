"""Leaky integrate-and-fire neurons in real numbers: spikes and membranes of a layer's input current.

    u[t]   = alpha u[t-1] + current[t] + recurrent[t]
    mem[t] = beta mem[t-1] + u[t] + bias     mem starts from 0 after a spike
    b[t]   = fall b[t-1] + rise spk[t-1]     0 where the threshold does not adapt
    spk[t] = mem[t] > threshold + b[t]       strictly; neurons that cannot fire only integrate

With `Rounding`, decayed values are truncated and states are limited as in registers.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hostref.backend import Tensor, torch
from hostref.surrogate import SLOPE, spike
from neurosim import limits


class Adaptation(NamedTuple):
    """A threshold that rises with each spike: rise float (neuron,) in `unit`s, fall its decay a step."""

    rise: Tensor
    fall: float


class Layer(NamedTuple):
    """Registers of one layer as real numbers.

    alpha       float (neuron,), or None where no neuron keeps a synaptic current
    beta        float (neuron,)  membrane decay
    threshold   float (neuron,)  in `unit`s
    bias        float (neuron,)  of the description, in `unit`s
    unit        float (neuron,)  how many units of the chip's u are 1.0 here
    dead_steps  int64 (neuron,) that v stays 0 after the step of a spike, or None where all are 0
    adaptation  of the threshold, or None
    """

    alpha: Tensor | None
    beta: Tensor
    threshold: Tensor
    bias: Tensor
    unit: Tensor
    dead_steps: Tensor | None
    adaptation: Adaptation | None = None


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


def adapted(above: Tensor, spk: Tensor, by: Adaptation, rounding: Rounding | None) -> Tensor:
    """Rise of the threshold above the description's, a step after spikes `spk`."""
    return kept(decayed(above, above.new_tensor(by.fall), rounding) + by.rise * spk, rounding)


def integrate(
    layer: Layer,
    current: Tensor,
    bias: Tensor,
    *,
    fires: bool = True,
    slope: float = SLOPE,
    rounding: Rounding | None = None,
    feedback: Callable[[Sequence[Tensor]], Tensor | None] | None = None,
) -> tuple[Tensor, Tensor]:
    """Spikes and membranes (before reset), each (..., step, neuron) as `current`, from rest.

    `bias` broadcasts against one step of `current`; `feedback` gives the recurrent current of the next step
    from the spikes of the steps before, or None.
    """
    spks: list[Tensor] = []
    mems = []
    u = mem = carried = current.new_zeros(())
    dead = current.new_zeros((), dtype=torch.int64)
    above = current.new_zeros(())
    for arriving in current.unbind(-2):
        fed_back = feedback(spks) if feedback is not None and fires else None
        arriving = arriving if fed_back is None else arriving + fed_back
        u = arriving if layer.alpha is None else decayed(u, layer.alpha, rounding) + arriving
        u = kept(u, rounding)
        mem = kept(decayed(carried, layer.beta, rounding) + u + bias, rounding)
        if layer.dead_steps is not None:
            mem = mem * (dead == 0)
        mems.append(mem)
        carried = mem
        if fires:
            if layer.adaptation is not None and spks:
                above = adapted(above, spks[-1], layer.adaptation, rounding)
            spk = spike(mem - above, layer.threshold, slope)
            spks.append(spk)
            carried = mem * (1 - spk.detach())
            if layer.dead_steps is not None:
                dead = torch.where(spk > 0, layer.dead_steps, (dead - 1).clamp(min=0))
    membranes = torch.stack(mems, -2)
    return (torch.stack(spks, -2) if fires else torch.zeros_like(membranes)), membranes
