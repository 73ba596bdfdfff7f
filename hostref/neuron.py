"""Leaky integrate-and-fire neurons in real numbers: spikes and membranes of a layer's input current.

    u[t]   = alpha u[t-1] + current[t] + recurrent[t]
    mem[t] = beta mem[t-1] + u[t] + bias     mem starts from 0 after a spike
    spk[t] = mem[t] > threshold              strictly, or as the neuron model says (hostref/neurons)

Neurons that cannot fire only integrate. With `Rounding`, decayed values are truncated and states are limited,
as in registers.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hostref.backend import Tensor, torch
from hostref.neurons import Neuron
from hostref.rounding import Rounding, decayed, kept
from hostref.surrogate import SLOPE


class Layer(NamedTuple):
    """Registers of one layer as real numbers.

    alpha       float (neuron,), or None where no neuron keeps a synaptic current
    beta        float (neuron,)  membrane decay
    threshold   float (neuron,)  in `unit`s
    bias        float (neuron,)  of the description, in `unit`s
    unit        float (neuron,)  how many units of the chip's u are 1.0 here
    dead_steps  int64 (neuron,) that v stays 0 after the step of a spike, or None where all are 0
    neuron      the step of the neuron model
    """

    alpha: Tensor | None
    beta: Tensor
    threshold: Tensor
    bias: Tensor
    unit: Tensor
    dead_steps: Tensor | None
    neuron: Neuron


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
    own = current.new_zeros(())
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
            spk, carried, own = layer.neuron.fire(mem, layer.threshold, own, slope, rounding)
            spks.append(spk)
            if layer.dead_steps is not None:
                dead = torch.where(spk > 0, layer.dead_steps, (dead - 1).clamp(min=0))
    membranes = torch.stack(mems, -2)
    return (torch.stack(spks, -2) if fires else torch.zeros_like(membranes)), membranes
