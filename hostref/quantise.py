"""What is left of float weights when each synapse has few bits?

    m  = round(W s), clipped to the mantissas that `weight_bits` allow;  s one number a layer
    vth_mant << 6 = s << current_shift                                  so the threshold carries s

"plain" rounding takes the largest s that clips nothing. The scale search tries smaller shares of
the largest weight, layer by layer, and keeps what scores best (a score is a pass over some samples:
the chip's accuracy or log-likelihood, whichever the caller measures). An output layer that does not
fire in the model is given the largest threshold there is.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from hostref.backend import Tensor
from hostref.model import Model, Parameters
from neurosim import limits
from neurosim.network import Connection, Network, NetworkError, Population, Weights

SHARES = (1.0, 0.85, 0.7, 0.6, 0.5, 0.42, 0.35, 0.3, 0.25, 0.2, 0.16, 0.12)
"""Chosen here: shares of the largest weight that the largest mantissa may stand for."""


class Quantised(NamedTuple):
    """A network for the chip, and what it lost.

    share    of the largest weight that the largest mantissa stands for, a layer
    clipped  mantissas that stopped at their limit, a layer
    zeroed   weights that became 0 and were not, a layer
    error    root mean square of rounding over that of the weights, a layer
    """

    network: Network
    weights: Weights
    share: tuple[float, ...]
    clipped: tuple[int, ...]
    zeroed: tuple[int, ...]
    error: tuple[float, ...]


Score = Callable[[Network, Weights], float]


class _Layer(NamedTuple):
    population: Population
    connection: Connection
    mantissa: np.ndarray
    bias: np.ndarray
    clipped: int
    zeroed: int
    error: float


def quantise(
    model: Model, parameters: Parameters, weight_bits: int, shares: Sequence[float] | None = None
) -> Quantised:
    """The chip's twin of a normalised `model`, a mantissa of `weight_bits` a synapse.

    `shares` are one number in (0, 1] a layer; 1 clips nothing.
    """
    chosen = tuple(shares) if shares is not None else (1.0,) * len(model.layers)
    layers = [
        _layer(model, k, parameters.weights[k], parameters.biases[k], weight_bits, share)
        for k, share in enumerate(chosen)
    ]
    network = Network(
        model.network.inputs,
        tuple(layer.population for layer in layers),
        tuple(layer.connection for layer in layers),
    )
    weights = Weights(
        tuple(layer.mantissa for layer in layers), tuple(layer.bias for layer in layers)
    )
    return Quantised(
        network,
        weights,
        chosen,
        tuple(layer.clipped for layer in layers),
        tuple(layer.zeroed for layer in layers),
        tuple(layer.error for layer in layers),
    )


def _layer(
    model: Model, k: int, weight: Tensor, bias: Tensor, weight_bits: int, share: float
) -> _Layer:
    connection, population = model.network.layers[k]
    form = replace(connection, weight_bits=weight_bits, weight_exp=0)
    w = weight.detach().cpu().double().numpy()
    top = form.mantissa.high or 1
    scale = top / (share * max(float(np.abs(w).max()), 1e-12))
    vth_mant, form = _threshold(scale, form)
    scale = vth_mant * 2.0 ** (limits.STATE_SHIFT - form.current_shift)
    exact = np.rint(w * scale)
    mantissa = np.clip(exact, form.mantissa.low, form.mantissa.high)
    own = model.layers[k].bias.cpu().double().numpy() + bias.detach().cpu().double().numpy()
    bias_mant, exponent = _bias(own * vth_mant * 2.0**limits.STATE_SHIFT)
    rms = float(np.sqrt((w**2).mean()))
    silent = k == len(model.layers) - 1 and not model.spiking_output
    register = limits.VTH_MANT.high if silent else vth_mant
    return _Layer(
        replace(population, vth_mant=register, bias_mant=0, bias_exp=exponent),
        form,
        mantissa.astype(np.int8),
        bias_mant,
        clipped=int((exact != mantissa).sum()),
        zeroed=int(((mantissa == 0) & (w != 0)).sum()),
        error=float(np.sqrt(((mantissa / scale - w) ** 2).mean())) / rms if rms else 0.0,
    )


def _threshold(scale: float, form: Connection) -> tuple[int, Connection]:
    """vth_mant for at most `scale` mantissas a threshold, with the weight exponent that suits it.

    Below 64 the threshold is coarse; above 2,048 the 24-bit membrane has room for fewer than 64
    thresholds, and the sums of a membrane readout saturate.
    """
    for exponent in (
        0,
        *range(-1, limits.WEIGHT_EXP.low - 1, -1),
        *range(1, limits.WEIGHT_EXP.high + 1),
    ):
        fit = replace(form, weight_exp=exponent)
        vth_mant = int(scale * 2.0 ** (fit.current_shift - limits.STATE_SHIFT))
        if 64 <= vth_mant <= 2048:
            return vth_mant, fit
    raise NetworkError(
        f"{scale:.3g} mantissas a threshold fit no threshold of the chip; "
        f"the weights of this layer are too small or too large beside it"
    )


def _bias(units: np.ndarray) -> tuple[np.ndarray, int]:
    """Bias mantissas and their common exponent for biases in units of u, clipped to what fits."""
    exponent = limits.BIAS_EXP.low
    reach = float(np.abs(units).max()) if units.size else 0.0
    while reach / 2.0**exponent > limits.BIAS_MANT.high and exponent < limits.BIAS_EXP.high:
        exponent += 1
    mantissa = np.clip(np.rint(units / 2.0**exponent), limits.BIAS_MANT.low, limits.BIAS_MANT.high)
    return mantissa.astype(np.int16), exponent


def best_scale(
    model: Model, parameters: Parameters, weight_bits: int, score: Score, rounds: int = 2
) -> tuple[Quantised, list[tuple[tuple[float, ...], float]]]:
    """Search the shares a layer after the other: the best by `score`, and all (shares, score)."""
    best = [1.0] * len(model.layers)
    tried: dict[tuple[float, ...], float] = {}

    def value(shares: Sequence[float]) -> float:
        key = tuple(shares)
        if key not in tried:
            candidate = quantise(model, parameters, weight_bits, key)
            tried[key] = score(candidate.network, candidate.weights)
        return tried[key]

    for _ in range(rounds):
        for k in range(len(best)):
            options = [[*best[:k], share, *best[k + 1 :]] for share in SHARES]
            best = max(options, key=value)
    return quantise(model, parameters, weight_bits, best), list(tried.items())
