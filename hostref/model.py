"""Float model of a graph of layers: the chip's network with registers that hold real numbers.

    current = sum over the connections that lead to a layer of  spikes x W      hostref/connections
    then hostref/neuron.py, layer after layer

One sample, a batch, or a population of perturbed networks: axes (pair, side, sample, step, neuron),
of which the leading two may be missing. A layer runs over all its steps before the next one begins,
so the input product of all steps is one matrix product; a recurrent layer adds its own spikes of the
step before as it goes. Not modelled: wrap-around on overflow.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

from hostref.backend import Tensor, torch
from hostref.connections import Operator
from hostref.connections.base import product
from hostref.neuron import Layer, integrate
from hostref.rounding import Rounding
from hostref.surrogate import SLOPE
from neurosim.network import Network

__all__ = ["Model", "Noise", "Parameters", "Path", "Trace", "delayed", "on_both_sides", "product"]


class Parameters(NamedTuple):
    """Learned parameters, in `Layer.unit`s.

    weights  float (row, column) a parameter, in the order of `Network.parameters`
    biases   float (neuron,) a population, in the description's order; of maps (channel,)
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]

    def map(self, change: Callable[[Tensor], Tensor]) -> "Parameters":
        """The same parameters, each tensor changed by a function."""
        return Parameters(tuple(map(change, self.weights)), tuple(map(change, self.biases)))


class Noise(Protocol):
    """Perturbations of a population of antithetic pairs, in `Layer.unit`s."""

    def current(self, number: int, operator: Operator, x: Tensor) -> Tensor:
        """Noise current of spikes `x` on side +, by parameter `number`.

        float (pair, side, sample, step, neuron); one side stands for both where `x` is the same.
        """

    def bias(self, layer: int) -> Tensor | None:
        """Noise on the biases of a population on side +: (pair, 1, 1, bias), or None."""

    def perturbed(self, parameters: Parameters, sign: int, pair: int = 0) -> Parameters:
        """The same, written out: the parameters of one member (sign 1 or -1)."""


class Trace(NamedTuple):
    """Spikes and membranes of a run, float (..., step, neuron).

    spk  spikes, a population each, in the description's order
    mem  membranes of the output, before reset
    """

    spk: tuple[Tensor, ...]
    mem: Tensor


class Path(NamedTuple):
    """A connection on its way to a population.

    number  of its parameter; None where its weights are fixed
    gain    of fixed weights: float (neuron,), increment of u by a weight of 1, in `Layer.unit`s
    delay   steps from a spike to its synapses; of a recurrent connection one more than its own
    """

    source: str
    operator: Operator
    number: int | None
    gain: Tensor | None
    delay: int


@dataclass(frozen=True)
class Model:
    """The float twin of a graph of layers, as hostref/twin.py makes it.

    layers, incoming, recurrent   one a population, in the description's order
    spiking_output  False: the output integrates and never fires (the membrane readout)
    latency         steps from a spike to its synapses beyond their delay: 0 as the population
                    evaluator has it, 1 as the chip
    slope           of the surrogate gradient
    rounding        of each layer: empty for real numbers, rounding.CHIP for the chip's registers
    """

    network: Network
    layers: tuple[Layer, ...]
    incoming: tuple[tuple[Path, ...], ...]
    recurrent: tuple[tuple[Path, ...], ...]
    spiking_output: bool = True
    latency: int = 0
    slope: float = SLOPE
    rounding: tuple[Rounding | None, ...] = ()

    @property
    def inputs(self) -> int:
        """Number of inputs, of all parts together."""
        return sum(part.size for part in self.network.inputs)

    @cached_property
    def output(self) -> int:
        """Number of the population that is read out."""
        return self.network.output

    @property
    def classes(self) -> int:
        """Number of output neurons."""
        return self.network.populations[self.output].neurons

    @property
    def like(self) -> Tensor:
        """A tensor of the model's dtype and device."""
        return self.layers[0].beta

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Numbers of the populations, each after all that feed it."""
        numbers = {p.name: k for k, p in enumerate(self.network.populations)}
        return tuple(numbers[layer.population.name] for layer in self.network.graph)

    @cached_property
    def masks(self) -> tuple[Tensor | None, ...]:
        """For each parameter the mask of the weights that exist; None: all."""
        paths = [path for many in (*self.incoming, *self.recurrent) for path in many]
        found = {path.number: path.operator.mask for path in paths if path.number is not None}
        return tuple(found[number] for number in range(len(self.network.parameters)))

    def run(self, parameters: Parameters, x: Tensor, noise: Noise | None = None) -> Trace:
        """Run spikes `x` from rest: (sample, step, input), maybe with pair and side axes before.

        Several inputs lie one after another along the last axis, in the description's order.
        """
        sizes = [part.size for part in self.network.inputs]
        seen = dict(zip([i.name for i in self.network.inputs], split(x, sizes), strict=True))
        spikes: list[Tensor] = [x] * len(self.layers)
        for k in self.order:
            spikes[k], mem = self.layer(k, parameters, seen, noise)
            seen[self.network.populations[k].name] = spikes[k]
            if k == self.output:
                membranes = mem
        return Trace(tuple(spikes), membranes)

    def layer(
        self, k: int, parameters: Parameters, seen: dict[str, Tensor], noise: Noise | None = None
    ) -> tuple[Tensor, Tensor]:
        """Spikes and membranes of population `k`, from the spikes of all that feed it, by name."""
        layer = self.layers[k]
        currents = [
            perturbed_current(
                path, delayed(seen[path.source], path.delay + self.latency), parameters, noise
            )
            for path in self.incoming[k]
        ]
        bias = layer.bias + over_maps(parameters.biases[k], layer.bias)
        shift = None if noise is None else noise.bias(k)
        if shift is not None:
            bias = on_both_sides(bias, over_maps(shift, layer.bias))

        def feedback(spks: Sequence[Tensor]) -> Tensor | None:
            arriving = [
                perturbed_current(path, spks[-path.delay][..., None, :], parameters, noise)
                for path in self.recurrent[k]
                if path.delay <= len(spks)
            ]
            return sum(arriving[1:], arriving[0]).squeeze(-2) if arriving else None

        return integrate(
            layer,
            sum(currents[1:], currents[0]) if currents else self._silence(k, seen),
            bias,
            fires=self.spiking_output or k != self.output,
            slope=self.slope,
            rounding=self.rounding[k] if self.rounding else None,
            feedback=feedback if self.recurrent[k] else None,
        )

    def _silence(self, k: int, seen: dict[str, Tensor]) -> Tensor:
        """The current of a population that nothing feeds."""
        x = next(iter(seen.values()))
        return x.new_zeros(*x.shape[:-1], self.network.populations[k].neurons)


def split(x: Tensor, sizes: list[int]) -> Sequence[Tensor]:
    """`x` by inputs."""
    return (x,) if len(sizes) == 1 else x.split(sizes, -1)


def perturbed_current(path: Path, x: Tensor, parameters: Parameters, noise: Noise | None) -> Tensor:
    """Current of spikes `x` through one connection, on both sides where there is noise."""
    if path.number is None:
        fixed = path.operator.current(x, None)
        return fixed if path.gain is None else fixed * path.gain
    current = path.operator.current(x, parameters.weights[path.number])
    if noise is None:
        return current
    return on_both_sides(current, noise.current(path.number, path.operator, x))


def over_maps(biases: Tensor, each: Tensor) -> Tensor:
    """Biases (..., neuron) of biases (..., channel), as many as `each` has."""
    times = each.shape[-1] // biases.shape[-1]
    return biases if times == 1 else biases.repeat_interleave(times, -1)


def delayed(x: Tensor, steps: int) -> Tensor:
    """`x` (..., step, neuron) moved `steps` later; what moves beyond the end is lost."""
    if steps == 0:
        return x
    return torch.nn.functional.pad(x, (0, 0, steps, 0))[..., : x.shape[-2], :]


def on_both_sides(base: Tensor, shift: Tensor) -> Tensor:
    """base + shift on side 0 and base - shift on side 1, along the second axis."""
    sign = shift.new_tensor([1.0, -1.0]).view(2, *[1] * (shift.dim() - 2))
    return torch.addcmul(base, shift, sign)


def written_out(operator: Operator, x: Tensor, matrices: Tensor) -> Tensor:
    """Currents of spikes `x` by a matrix for each pair, (pair, row, column): as `Noise.current`."""
    shared = x.dim() == 3
    found = [operator.current(x if shared else x[i], one) for i, one in enumerate(matrices)]
    stacked = torch.stack(found)
    return stacked[:, None] if shared else stacked
