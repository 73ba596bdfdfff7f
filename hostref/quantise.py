"""Quantisation of float weights to few bits per weight.

    m  = round(W s), clipped to the mantissas that `weight_bits` allow;  s one number a parameter
    vth_mant << 6 = s << current_shift                                  so the threshold carries s

"plain" rounding takes the largest s that clips nothing. The scale search tries smaller shares of
the largest weight, layer by layer, and keeps what scores best (a score is a pass over some samples:
the chip's accuracy or log-likelihood, whichever the caller measures). An output layer that does not
fire in the model gets the largest threshold of the register.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from hostref.model import Model, Parameters
from hostref.neurons import MODELS
from hostref.twin import shared
from neurosim import limits
from neurosim.network import (
    Connection,
    Network,
    NetworkError,
    Population,
    Weights,
)
from neurosim.network.neurons import NeuronModel

SHARES = (1.0, 0.85, 0.7, 0.6, 0.5, 0.42, 0.35, 0.3, 0.25, 0.2, 0.16, 0.12)
"""Chosen here: shares of the largest weight that the largest mantissa may stand for."""


class Quantised(NamedTuple):
    """A quantised network for the chip, and its errors; one value per parameter.

    share    of the largest weight that the largest mantissa stands for
    clipped  mantissas that stopped at their limit
    zeroed   weights that became 0 and were not
    error    root mean square of rounding over that of the weights
    """

    network: Network
    weights: Weights
    share: tuple[float, ...]
    clipped: tuple[int, ...]
    zeroed: tuple[int, ...]
    error: tuple[float, ...]


Score = Callable[[Network, Weights], float]


class _Matrix(NamedTuple):
    """A parameter on the chip's grid."""

    connection: Connection
    mantissa: np.ndarray
    clipped: int
    zeroed: int
    error: float


class _Rounding:
    """Mantissas for one width of weights; a population's threshold is set by the first of its matrices."""

    def __init__(
        self, model: Model, parameters: Parameters, weight_bits: int, shares: Sequence[float]
    ) -> None:
        self.model, self.parameters, self.bits = model, parameters, weight_bits
        self.shares = shares
        self.thresholds = {
            population.name: _given_threshold(population)
            for population, paths in zip(model.network.populations, model.incoming, strict=True)
            if any(path.number is None for path in paths)
        }

    def matrix(self, number: int, connection: Connection) -> _Matrix:
        """Parameter `number` in `weight_bits`."""
        form = replace(connection, weight_bits=self.bits, weight_exp=0)
        w = self.parameters.weights[number].detach().cpu().double().numpy()
        top = form.mantissa.high or 1
        scale = top / (self.shares[number] * max(float(np.abs(w).max()), 1e-12))
        if connection.target in self.thresholds:
            vth_mant = self.thresholds[connection.target]
            form = _format_at(vth_mant, scale, form)
        else:
            vth_mant, form = _threshold(scale, form)
            self.thresholds[connection.target] = vth_mant
        scale = vth_mant * 2.0 ** (limits.STATE_SHIFT - form.current_shift)
        exact = np.rint(w * scale)
        mantissa = np.clip(exact, form.mantissa.low, form.mantissa.high)
        rms = float(np.sqrt((w**2).mean()))
        return _Matrix(
            form,
            mantissa.astype(np.int8),
            clipped=int((exact != mantissa).sum()),
            zeroed=int(((mantissa == 0) & (w != 0)).sum()),
            error=float(np.sqrt(((mantissa / scale - w) ** 2).mean())) / rms if rms else 0.0,
        )

    def population(self, k: int) -> tuple[Population, np.ndarray]:
        """Population `k` with its threshold, and its bias mantissas."""
        population = self.model.network.populations[k]
        vth_mant = self.thresholds.get(population.name) or _given_threshold(population)
        described = shared(population, self.model.layers[k].bias, "bias_mant").cpu().double()
        own = described.numpy() + self.parameters.biases[k].detach().cpu().double().numpy()
        bias_mant, exponent = _bias(own * vth_mant * 2.0**limits.STATE_SHIFT)
        silent = k == self.model.output and not self.model.spiking_output
        made = replace(
            population,
            vth_mant=limits.VTH_MANT.high if silent else vth_mant,
            bias_mant=0,
            bias_exp=exponent,
            model=_neuron_model(population, vth_mant),
        )
        return made, bias_mant


def quantise(
    model: Model, parameters: Parameters, weight_bits: int, shares: Sequence[float] | None = None
) -> Quantised:
    """The chip's twin of a normalised `model`, a mantissa of `weight_bits` a weight.

    `shares` are one number in (0, 1] a parameter; 1 clips nothing. A population that a connection of
    fixed weights leads to keeps its threshold. Raises NetworkError where no register holds a scale.
    """
    learned = model.network.parameters
    chosen = tuple(shares) if shares is not None else (1.0,) * len(learned)
    rounding = _Rounding(model, parameters, weight_bits, chosen)
    found = [rounding.matrix(number, connection) for number, (connection, _) in enumerate(learned)]
    forms = {one.connection.name: one.connection for one in found}
    populations = [rounding.population(k) for k in range(len(model.layers))]
    network = Network(
        model.network.inputs,
        tuple(population for population, _ in populations),
        tuple(forms.get(c.name, c) for c in model.network.connections),
    )
    return Quantised(
        network,
        Weights(tuple(one.mantissa for one in found), tuple(bias for _, bias in populations)),
        chosen,
        tuple(one.clipped for one in found),
        tuple(one.zeroed for one in found),
        tuple(one.error for one in found),
    )


def _given_threshold(population: Population) -> int:
    values = set(population.each("vth_mant").tolist())
    if len(values) > 1:
        raise NetworkError(
            f"population {population.name!r}: vth_mant differs among its neurons ({sorted(values)[:4]} "
            f"...); weights on one grid need one threshold for all of them"
        )
    return int(values.pop())


def _neuron_model(population: Population, vth_mant: int) -> NeuronModel:
    """The population's model, its own registers in the same ratio to the threshold."""
    rescaled = MODELS[population.model.name].rescaled
    if rescaled is None:
        return population.model
    model: NeuronModel = rescaled(population.model, vth_mant, _given_threshold(population))
    return model


EXPONENTS = (
    0,
    *range(-1, limits.WEIGHT_EXP.low - 1, -1),
    *range(1, limits.WEIGHT_EXP.high + 1),
)
"""Weight exponents, 0 and those below it first."""


def _threshold(scale: float, form: Connection) -> tuple[int, Connection]:
    """vth_mant for at most `scale` mantissas a threshold, with the weight exponent that suits it.

    Below 64 the threshold is coarse; above 2,048 the 24-bit membrane has room for fewer than 64
    thresholds, and the sums of a membrane readout saturate.
    """
    for exponent in EXPONENTS:
        fit = replace(form, weight_exp=exponent)
        vth_mant = int(scale * 2.0 ** (fit.current_shift - limits.STATE_SHIFT))
        if 64 <= vth_mant <= 2048:
            return vth_mant, fit
    raise NetworkError(
        f"connection {form.name}: {scale:.3g} mantissas a threshold fit no threshold of the chip; "
        f"its weights are too small or too large beside it: train with another learning rate"
    )


def _format_at(vth_mant: int, scale: float, form: Connection) -> Connection:
    """The format of most mantissas a threshold, `scale` at most, where the threshold is set already."""
    for exponent in sorted(EXPONENTS):
        fit = replace(form, weight_exp=exponent)
        wanted = vth_mant * 2.0 ** (limits.STATE_SHIFT - fit.current_shift)
        if fit.current_shift >= 0 and wanted <= scale:
            return fit
    raise NetworkError(
        f"connection {form.name}: beside the threshold {vth_mant} of {form.target!r} its largest weight "
        f"is beyond its largest mantissa at every weight_exp; train with a smaller learning rate"
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
    """Search the shares a parameter after the other: the best by `score`, and all (shares, score)."""
    best = [1.0] * len(model.network.parameters)
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
