"""What is the float twin of a network on the chip, and what do the chip's integers mean in it?

    alpha     = 1 - (du + 1) / 4096           beta = 1 - dv / 4096
    threshold = vth_mant << 6                 W    = mantissa << current_shift

in the chip's units of u; a normalised twin divides threshold, weights and biases of each neuron by
its threshold, so that learning rates do not depend on the chip's scale.
"""

import math

import numpy as np
from numpy.typing import NDArray

from hostref.backend import Precision, Tensor, choose, generator, precision, torch
from hostref.model import Model, Parameters
from hostref.neuron import Layer, Rounding
from hostref.surrogate import SLOPE
from neurosim import limits
from neurosim.network import Connection, Network, NetworkError, Population, Weights, check_weights


def from_chip(
    network: Network,
    *,
    normalised: bool = False,
    spiking_output: bool = True,
    latency: int = 0,
    slope: float = SLOPE,
    rounding: Rounding | None = None,
    device: str | torch.device = "cpu",
    dtype: Precision = "float64",
) -> Model:
    """The model of `network`, in the chip's units of u, or normalised to thresholds of 1."""
    where = choose(str(device))
    layers = tuple(
        _layer(connection, population, normalised, where, precision(dtype))
        for connection, population in network.layers
    )
    of_layers = (rounding,) * len(layers) if rounding else ()
    return Model(network, layers, spiking_output, latency, slope, of_layers)


def _check_modelled(connection: Connection, population: Population) -> None:
    beyond = {
        "vth_low_mant": population.vth_low_mant is not None,
        "noise": population.noise is not None,
        "reset_interval": population.reset_interval > 0,
        "message_bits": connection.message_bits > 0,
    }
    found = [name for name, there in beyond.items() if there]
    if found:
        raise NetworkError(
            f"population {population.name!r}: the float twin does not model {', '.join(found)}; "
            f"leave it out, or run this network on the chip only"
        )


def _layer(
    connection: Connection,
    population: Population,
    normalised: bool,
    device: torch.device,
    dtype: torch.dtype,
) -> Layer:
    _check_modelled(connection, population)

    def each(values: NDArray[np.integer] | NDArray[np.floating]) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=device)

    threshold = each(population.each("vth_mant") << limits.STATE_SHIFT)
    if normalised and not bool((threshold > 0).all()):
        raise NetworkError(
            f"population {population.name!r}: vth_mant has a 0, and a normalised model "
            f"divides by it; give 1 or more"
        )
    unit = threshold if normalised else torch.ones_like(threshold)
    alpha = each(1 - (population.each("du") + 1) / limits.DECAY_ONE)
    refractory = population.each("refractory")
    return Layer(
        alpha=alpha if bool((alpha > 0).any()) else None,
        beta=each(1 - population.each("dv") / limits.DECAY_ONE),
        threshold=threshold / unit,
        bias=each(population.each("bias_mant") << population.each("bias_exp")) / unit,
        unit=unit,
        delay=connection.delay,
        dead_steps=torch.tensor(refractory - 1, device=device) if (refractory > 1).any() else None,
    )


def parameters_from_chip(model: Model, weights: Weights) -> Parameters:
    """The chip's integers as parameters of `model`."""
    check_weights(model.network, weights)

    def scaled(array: NDArray[np.integer], factor: Tensor, layer: Layer) -> Tensor:
        return torch.as_tensor(array).to(model.like) * factor / layer.unit

    synapses, biases = [], []
    for k, (connection, population) in enumerate(model.network.layers):
        layer = model.layers[k]
        gain = model.like.new_tensor(2.0**connection.current_shift)
        synapses.append(scaled(weights.mantissas[k], gain, layer))
        exponent = torch.tensor(population.each("bias_exp"))
        biases.append(scaled(weights.biases[k], (2.0**exponent).to(model.like), layer))
    return Parameters(tuple(synapses), tuple(biases))


def initial(model: Model, seed: int, gain: float) -> Parameters:
    """Normal weights of standard deviation gain / sqrt(sources), and no biases.

    They are drawn on the CPU, so that every device starts alike.
    """
    draw = generator(torch.device("cpu"), seed, 0)
    weights, biases = [], []
    for connection, population in model.network.layers:
        shape = (model.network.sizes[connection.source], population.neurons)
        w = torch.randn(shape, generator=draw, dtype=torch.float64) * gain / math.sqrt(shape[0])
        weights.append(w.to(model.like))
        biases.append(torch.zeros_like(w[0]).to(model.like))
    return Parameters(tuple(weights), tuple(biases))
