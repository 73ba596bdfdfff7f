"""Low-rank perturbations of EGGROLL, applied as two thin matrix products.

    E_i        = B_i^T A_i / sqrt(r)            A_i (rank, neuron), B_i (rank, source)
    x (W + s E_i) = x W + (s / sqrt(r)) (x B_i^T) A_i
    estimate   = 1 / sqrt(r) sum_i Delta_i B_i^T A_i

Source: Sarkar et al., arXiv 2511.16652, section 4.2. Biases have independent noise of their own.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hostref.backend import Tensor, torch
from hostref.connections import Operator
from hostref.model import Model, Parameters, written_out
from hostref.twin import column_units


class LowRank(NamedTuple):
    """Perturbations of a block of pairs, in `Layer.unit`s once scaled.

    a      float (pair, rank, column) a parameter
    b      float (pair, rank, row) a parameter
    c      float (pair, bias) a population, or None: biases are left alone
    scale  factor of A and B, per parameter: float (column,) or a number
    sigma  factor of c
    """

    a: tuple[Tensor, ...]
    b: tuple[Tensor, ...]
    c: tuple[Tensor, ...] | None
    scale: tuple[Tensor | float, ...]
    sigma: float = 0.0

    def current(self, number: int, operator: Operator, x: Tensor) -> Tensor:
        """Noise current of spikes `x` on side +; see model.Noise."""
        if not operator.factored or operator.mask is not None:
            a, b = self.a[number] * self.scale[number], self.b[number]
            return written_out(operator, x, b.transpose(1, 2) @ a)
        return operator.place(self._product(number, operator.rows(x)))

    def _product(self, number: int, x: Tensor) -> Tensor:
        """(x B^T) A, for `x` (..., step, row)."""
        a, b = self.a[number] * self.scale[number], self.b[number]
        pairs, rank, _ = a.shape
        if x.dim() == 3:
            felt = x.flatten(0, 1) @ b.flatten(0, 1).T
            felt = felt.view(-1, pairs, rank).transpose(0, 1)
            lead = (pairs, 1, *x.shape[:2])
        else:
            felt = x.flatten(1, 3) @ b.transpose(1, 2)
            lead = x.shape[:-1]
        return (felt @ a).view(*lead, a.shape[-1])

    def bias(self, layer: int) -> Tensor | None:
        return None if self.c is None else self.sigma * self.c[layer][:, None, None]

    def perturbed(self, parameters: Parameters, sign: int, pair: int = 0) -> Parameters:
        """Parameters of one member, written out: what the tests compare with."""
        noise = (
            b[pair].T @ a[pair] * s for a, b, s in zip(self.a, self.b, self.scale, strict=True)
        )
        weights = (w + sign * e for w, e in zip(parameters.weights, noise, strict=True))
        biases = parameters.biases
        if self.c is not None:
            step = sign * self.sigma
            biases = tuple(b + step * c[pair] for b, c in zip(biases, self.c, strict=True))
        return Parameters(tuple(weights), biases)


@dataclass(frozen=True)
class LowRankStrategy:
    """EGGROLL: rank, standard deviation of a perturbed weight, distribution of the factors."""

    rank: int
    sigma: float
    factors: Literal["gaussian", "rademacher"] = "gaussian"

    def draw(self, model: Model, pairs: int, source: torch.Generator) -> LowRank:
        """Noise for every layer and bias of `model`."""
        like = model.like

        def normal(*shape: int) -> Tensor:
            drawn = torch.randn(shape, generator=source, dtype=like.dtype, device=like.device)
            return drawn if self.factors == "gaussian" else drawn.sign()

        sizes = [(matrix.rows, matrix.columns) for _, matrix in model.network.parameters]
        return LowRank(
            a=tuple(normal(pairs, self.rank, columns) for _, columns in sizes),
            b=tuple(normal(pairs, self.rank, rows) for rows, _ in sizes),
            c=tuple(normal(pairs, p.shape[0]) for p in model.network.populations),
            scale=(self.sigma / math.sqrt(self.rank),) * len(sizes),
            sigma=self.sigma,
        )

    def estimate(self, noise: LowRank, delta: Tensor) -> Parameters:
        """sum_i delta_i E_i: two matrix products a layer."""
        assert noise.c is not None
        return Parameters(
            tuple(
                b.flatten(0, 1).T @ (a * delta[:, None, None]).flatten(0, 1) / math.sqrt(self.rank)
                for a, b in zip(noise.a, noise.b, strict=True)
            ),
            tuple(delta @ c for c in noise.c),
        )


def from_chip(
    model: Model,
    a: tuple[NDArray[np.integer], ...],
    b: tuple[NDArray[np.integer], ...],
    scale: tuple[float, ...],
) -> LowRank:
    """Noise with the chip's own factors.

    a, b   int (pair, rank, column) and (pair, rank, row) a parameter
    scale  units of the chip's u that a product of two factors of 1 adds, a parameter
    """
    wanted = [(matrix.rows, matrix.columns) for _, matrix in model.network.parameters]
    if not len(a) == len(b) == len(scale) == len(wanted):
        raise ValueError(
            f"factors for {len(a)} and {len(b)} layers and {len(scale)} scales; "
            f"the network has {len(wanted)} layers"
        )
    for layer, (one, other, (sources, neurons)) in enumerate(zip(a, b, wanted, strict=True)):
        if one.shape != (*other.shape[:2], neurons) or other.shape[2:] != (sources,):
            raise ValueError(
                f"layer {layer}: factors are {one.shape} and {other.shape}; needed are "
                f"(pair, rank, {neurons}) and (pair, rank, {sources})"
            )
    return LowRank(
        a=tuple(torch.as_tensor(one).to(model.like) for one in a),
        b=tuple(torch.as_tensor(other).to(model.like) for other in b),
        c=None,
        scale=tuple(s / column_units(model, k) for k, s in enumerate(scale)),
    )
