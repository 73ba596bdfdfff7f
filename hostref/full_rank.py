"""Full-rank evolution strategies (the paper's vanilla ES): independent noise on every weight.

    x (W + sigma E_i) = x W + sigma x E_i,     E_i (source, neuron) standard normal
    estimate          = sum_i Delta_i E_i

Source: Salimans et al., arXiv 1703.03864. `perturbed` is for the paper's evaluation
of one member after another; the blocks do the same work at once.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hostref.backend import Tensor, torch
from hostref.connections import Operator
from hostref.model import Model, Parameters, written_out
from hostref.twin import column_units, shared


class FullRank(NamedTuple):
    """Perturbations of a block of pairs.

    e      float (pair, row, column) a parameter
    c      float (pair, bias) a population
    sigma  factor of both, in `Layer.unit`s
    """

    e: tuple[Tensor, ...]
    c: tuple[Tensor, ...]
    sigma: float

    def current(self, number: int, operator: Operator, x: Tensor) -> Tensor:
        """Noise current of spikes `x` on side +; see model.Noise."""
        if not operator.factored or operator.mask is not None:
            return written_out(operator, x, self.e[number] * self.sigma)
        return operator.place(self._product(number, operator.rows(x)))

    def _product(self, number: int, x: Tensor) -> Tensor:
        """x E of every pair, for `x` (..., step, row)."""
        e = self.e[number]
        lead = (len(e), 1, *x.shape[:2]) if x.dim() == 3 else x.shape[:-1]
        flat = x.flatten(0, 1) if x.dim() == 3 else x.flatten(1, 3)
        return (flat @ e * self.sigma).view(*lead, e.shape[-1])

    def bias(self, layer: int) -> Tensor | None:
        return self.sigma * self.c[layer][:, None, None]

    def perturbed(self, parameters: Parameters, sign: int, pair: int = 0) -> Parameters:
        """Parameters of one member, written out."""
        step = sign * self.sigma
        return Parameters(
            tuple(w + step * e[pair] for w, e in zip(parameters.weights, self.e, strict=True)),
            tuple(b + step * c[pair] for b, c in zip(parameters.biases, self.c, strict=True)),
        )


@dataclass(frozen=True)
class FullRankStrategy:
    """Vanilla ES, with the standard deviation of a perturbed weight in thresholds."""

    sigma: float

    def draw(self, model: Model, pairs: int, source: torch.Generator) -> FullRank:
        """Noise for every weight and bias of `model`."""
        like = model.like

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=source, dtype=like.dtype, device=like.device)

        sizes = [(matrix.rows, matrix.columns) for _, matrix in model.network.parameters]
        return FullRank(
            tuple(normal(pairs, rows, columns) for rows, columns in sizes),
            tuple(normal(pairs, p.shape[0]) for p in model.network.populations),
            self.sigma,
        )

    def estimate(self, noise: FullRank, delta: Tensor) -> Parameters:
        """sum_i delta_i E_i."""
        return Parameters(
            tuple(torch.tensordot(delta, e, 1) for e in noise.e),
            tuple(delta @ c for c in noise.c),
        )


def from_chip(
    model: Model,
    synapses: tuple[NDArray[np.integer], ...],
    biases: tuple[NDArray[np.integer], ...],
    scale: tuple[int, ...],
    bias_scale: tuple[int, ...],
) -> FullRank:
    """Noise with the chip's own perturbations, written out.

    synapses, biases   int (pair, row, column) a parameter and (pair, bias) a population
    scale, bias_scale  units of the chip's u and v that noise 1 adds, a parameter and a population
    """

    def scaled(noise: NDArray[np.integer], factor: int, unit: Tensor) -> Tensor:
        return torch.as_tensor(noise).to(model.like) * (float(factor) / unit)

    columns = [column_units(model, k) for k in range(len(synapses))]
    of_biases = [
        shared(population, layer.unit, "vth_mant")
        for population, layer in zip(model.network.populations, model.layers, strict=True)
    ]
    return FullRank(
        tuple(scaled(*case) for case in zip(synapses, scale, columns, strict=True)),
        tuple(scaled(*case) for case in zip(biases, bias_scale, of_biases, strict=True)),
        1.0,
    )
