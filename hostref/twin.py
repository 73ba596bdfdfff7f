"""Float twin of a network on the chip: registers and integer weights as real numbers.

    alpha     = 1 - (du + 1) / 4096           beta = 1 - dv / 4096
    threshold = vth_mant << 6                 W    = mantissa << current_shift

in the chip's units of u; a normalised twin divides threshold, weights and biases of each neuron by
its threshold, so that learning rates do not depend on the chip's scale.
"""

import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from hostref.backend import Precision, Tensor, choose, generator, precision, torch
from hostref.connections import operator_of
from hostref.model import Model, Parameters, Path
from hostref.neuron import Layer
from hostref.neurons import MODELS
from hostref.rounding import Rounding
from hostref.surrogate import SLOPE
from neurosim import limits
from neurosim.network import (
    Connection,
    Network,
    NetworkError,
    Population,
    Weights,
    check_weights,
)


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
    """The model of `network`, in the chip's units of u, or normalised to thresholds of 1.

    Raises NetworkError, naming the part, for a register that the twin does not model, and for a graph
    with a cycle through several populations.
    """
    where = choose(str(device))
    graph = {layer.population.name: layer for layer in network.graph}
    _check_connections(network)
    layers = tuple(
        _layer(population, normalised, where, precision(dtype))
        for population in network.populations
    )
    units = {p.name: layer.unit for p, layer in zip(network.populations, layers, strict=True)}
    numbers = {connection.name: k for k, (connection, _) in enumerate(network.parameters)}

    def paths(connections: tuple[Connection, ...]) -> tuple[Path, ...]:
        return tuple(
            _path(network, connection, numbers.get(connection.name), units[connection.target])
            for connection in connections
        )

    return Model(
        network,
        layers,
        tuple(paths(graph[p.name].incoming) for p in network.populations),
        tuple(paths(graph[p.name].recurrent) for p in network.populations),
        spiking_output,
        latency,
        slope,
        (rounding,) * len(layers) if rounding else (),
    )


def _path(network: Network, connection: Connection, number: int | None, unit: Tensor) -> Path:
    gain = 2.0**connection.current_shift / unit if number is None else None
    operator = operator_of(network, connection)
    if number is not None:
        operator.columns(unit.cpu())  # refuses units that differ within a column
    delay = connection.delay + connection.recurrent
    return Path(connection.source, operator, number, gain, delay)


def _check_connections(network: Network) -> None:
    for connection in network.connections:
        if connection.message_bits:
            raise NetworkError(
                f"connection {connection.name}: the float twin does not model message_bits "
                f"({connection.message_bits}); set it to 0, or run this network on the chip only"
            )


def _check_modelled(population: Population) -> None:
    beyond = {
        "vth_low_mant": population.vth_low_mant is not None,
        "noise": population.noise is not None,
        "reset_interval": population.reset_interval > 0,
        "vmin": population.vmin != limits.VMIN.low,
        "vmax": population.vmax != limits.VMAX.high,
        f"model {population.model.name}": population.model.name not in MODELS,
    }
    found = [name for name, there in beyond.items() if there]
    if found:
        raise NetworkError(
            f"population {population.name!r}: the float twin does not model {', '.join(found)}; "
            f"leave it out, or run this network on the chip only"
        )


def _layer(
    population: Population, normalised: bool, device: torch.device, dtype: torch.dtype
) -> Layer:
    _check_modelled(population)

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
        dead_steps=torch.tensor(refractory - 1, device=device) if (refractory > 1).any() else None,
        neuron=MODELS[population.model.name].neuron(population.model, unit),
    )


def parameters_from_chip(model: Model, weights: Weights) -> Parameters:
    """The chip's integers as parameters of `model`."""
    check_weights(model.network, weights)

    def scaled(array: NDArray[np.integer], factor: Tensor, unit: Tensor) -> Tensor:
        return torch.as_tensor(array).to(model.like) * factor / unit

    synapses, biases = [], []
    for k, (connection, _) in enumerate(model.network.parameters):
        gain = model.like.new_tensor(2.0**connection.current_shift)
        synapses.append(scaled(weights.mantissas[k], gain, column_units(model, k)))
    for k, population in enumerate(model.network.populations):
        exponent = shared(population, torch.tensor(population.each("bias_exp")), "bias_exp")
        unit = shared(population, model.layers[k].unit, "vth_mant")
        biases.append(scaled(weights.biases[k], (2.0**exponent).to(model.like), unit))
    return Parameters(tuple(synapses), tuple(biases))


def column_units(model: Model, number: int) -> Tensor:
    """`Layer.unit` of the columns of a parameter: float (column,)."""
    for k, layer in enumerate(model.layers):
        for path in (*model.incoming[k], *model.recurrent[k]):
            if path.number == number:
                return path.operator.columns(layer.unit)
    raise ValueError(f"parameter {number}; there are 0..{len(model.network.parameters) - 1}")


def shared(population: Population, values: Tensor, register: str) -> Tensor:
    """Of values (neuron,) those of the maps, or all where there are no maps."""
    maps = values.reshape(population.shape[0], -1)
    if not bool((maps == maps[:, :1]).all()):
        raise NetworkError(
            f"population {population.name!r}: {register} differs within a map, whose neurons share a "
            f"bias; the float twin needs one for each map"
        )
    return maps[:, 0]


def initial(model: Model, seed: int, gain: float) -> Parameters:
    """Normal weights of standard deviation gain / sqrt(fan-in), and no biases.

    The fan-in is that of all delays at which a layer reads the same source. Weights are drawn on the CPU, so
    that every device starts alike.
    """
    draw = generator(torch.device("cpu"), seed, 0)
    ends = Counter((c.source, c.target) for c in model.network.connections)
    weights = []
    for (connection, matrix), mask in zip(model.network.parameters, model.masks, strict=True):
        shape = (matrix.rows, matrix.columns)
        fan_in = shape[0] * ends[connection.source, connection.target]
        w = torch.randn(shape, generator=draw, dtype=torch.float64) * gain / math.sqrt(fan_in)
        weights.append((w if mask is None else w * mask).to(model.like))
    biases = [model.like.new_zeros(p.shape[0]) for p in model.network.populations]
    return Parameters(tuple(weights), tuple(biases))
