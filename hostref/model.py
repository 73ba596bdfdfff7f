"""What would the chip's network do if its registers held real numbers?

    current = x W        then hostref/neuron.py, layer after layer

One sample, a batch, or a population of perturbed networks: axes (pair, side, sample, step, neuron),
of which the leading two may be missing. A layer runs over all its steps before the next one begins,
so the input product of all steps is one matrix product. Not modelled: wrap-around on overflow.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from hostref.backend import Tensor, torch
from hostref.neuron import Layer, Rounding, integrate
from hostref.surrogate import SLOPE
from neurosim.network import Network


class Parameters(NamedTuple):
    """What learning changes, in `Layer.unit`s.

    weights  float (source, neuron) a layer
    biases   float (neuron,) a layer
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    def map(self, change: Callable[[Tensor], Tensor]) -> "Parameters":
        return Parameters(tuple(map(change, self.weights)), tuple(map(change, self.biases)))


class Noise(Protocol):
    """Perturbations of a population of antithetic pairs, in `Layer.unit`s."""

    def current(self, layer: int, x: Tensor) -> Tensor:
        """What spikes `x` cause beyond the network's current on side +.

        float (pair, side, sample, step, neuron); one side stands for both where `x` is the same.
        """

    def bias(self, layer: int) -> Tensor | None:
        """What side + adds to the bias: (pair, 1, 1, neuron), or None."""

    def perturbed(self, parameters: Parameters, sign: int, pair: int = 0) -> Parameters:
        """The same, written out: the parameters of one member (sign 1 or -1)."""


class Trace(NamedTuple):
    """What happened, float (..., step, neuron).

    spk  spikes, a layer each
    mem  membranes of the last layer, before reset
    """

    spk: tuple[Tensor, ...]
    mem: Tensor


@dataclass(frozen=True)
class Model:
    """The float twin of a chain of layers, as hostref/twin.py makes it.

    spiking_output  False: the last layer integrates and never fires (the membrane readout)
    latency         steps from a spike to its synapses beyond their delay: 0 as the population
                    evaluator has it, 1 as the chip
    slope           of the surrogate gradient
    rounding        of each layer: empty for real numbers, neuron.CHIP for the chip's registers
    """

    network: Network
    layers: tuple[Layer, ...]
    spiking_output: bool = True
    latency: int = 0
    slope: float = SLOPE
    rounding: tuple[Rounding | None, ...] = ()

    @property
    def inputs(self) -> int:
        return self.network.inputs[0].size

    @property
    def classes(self) -> int:
        return self.network.populations[-1].neurons

    @property
    def like(self) -> Tensor:
        """A tensor of the model's dtype and device."""
        return self.layers[0].beta

    def run(self, parameters: Parameters, x: Tensor, noise: Noise | None = None) -> Trace:
        """Run spikes `x` from rest: (sample, step, input), maybe with pair and side axes before."""
        spikes = []
        for k, layer in enumerate(self.layers):
            x = delayed(x, layer.delay + self.latency)
            current = product(x, parameters.weights[k])
            bias = layer.bias + parameters.biases[k]
            if noise is not None:
                current = on_both_sides(current, noise.current(k, x))
                shift = noise.bias(k)
                bias = bias if shift is None else on_both_sides(bias, shift)
            x, mem = integrate(
                layer,
                current,
                bias,
                fires=self.spiking_output or layer is not self.layers[-1],
                slope=self.slope,
                rounding=self.rounding[k] if self.rounding else None,
            )
            spikes.append(x)
        return Trace(tuple(spikes), mem)


def delayed(x: Tensor, steps: int) -> Tensor:
    """`x` (..., step, neuron) moved `steps` later; what moves beyond the end is lost."""
    if steps == 0:
        return x
    return torch.nn.functional.pad(x, (0, 0, steps, 0))[..., : x.shape[-2], :]


def product(x: Tensor, weight: Tensor) -> Tensor:
    """x W over whatever axes lead, as one matrix product."""
    return (x.flatten(0, -2) @ weight).unflatten(0, x.shape[:-1])


def on_both_sides(base: Tensor, shift: Tensor) -> Tensor:
    """base + shift on side 0 and base - shift on side 1, along the second axis."""
    sign = shift.new_tensor([1.0, -1.0]).view(2, *[1] * (shift.dim() - 2))
    return torch.addcmul(base, shift, sign)
