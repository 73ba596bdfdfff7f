"""Register widths: accuracy of one float-trained network with narrower weights, membranes and decays.

weights    on the chip, best scale at each width
membrane   float64 with truncating, saturating registers over the 8-bit weights (hostref.registers)
decay      on the chip, dv on a grid of b bits over the 8-bit weights
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from neurosim.app.experiments import on_chip
from neurosim.data.datasets import Dataset
from neurosim.network import Network, Weights

if TYPE_CHECKING:
    from hostref.bptt import Trained
    from hostref.settings import Readout

WEIGHT_BITS = (8, 7, 6, 5, 4, 3, 2)
MEMBRANE_BITS = (24, 16, 12, 10, 8, 7, 6, 5, 4)
DECAY_BITS = (12, 8, 6, 5, 4, 3, 2, 1)
DECAY_REGISTER = 12
Curve = list[list[float]]


def sweep(
    trained: "Trained",
    readout: "Readout",
    data: Dataset,
    score: Callable[[Network, Weights], float],
) -> dict[str, Curve]:
    """{register: [[bits, test accuracy]]}; `score` decides on the scale of the weights."""
    from hostref import quantise

    membrane = readout == "membrane"
    best = {
        bits: quantise.best_scale(trained.model, trained.parameters, bits, score)[0]
        for bits in WEIGHT_BITS
    }
    network, weights = best[8].network, best[8].weights
    return {
        "weights": [
            [bits, on_chip.accuracy(found.network, found.weights, data.test, membrane)]
            for bits, found in best.items()
        ],
        "membrane": _membrane(network, weights, readout, data),
        "decay": [
            [bits, on_chip.accuracy(with_decay_bits(network, bits), weights, data.test, membrane)]
            for bits in DECAY_BITS
        ],
    }


def with_decay_bits(network: Network, bits: int) -> Network:
    """`network` with dv rounded to a register of `bits` bits (its low bits are 0)."""
    grid = 1 << (DECAY_REGISTER - bits)
    top = (1 << DECAY_REGISTER) - grid
    populations = tuple(
        replace(p, dv=tuple(min(round(int(dv) / grid) * grid, top) for dv in p.each("dv")))
        for p in network.populations
    )
    return Network(network.inputs, populations, network.connections)


def _membrane(network: Network, weights: Weights, readout: "Readout", data: Dataset) -> Curve:
    from hostref import inputs, registers
    from hostref.evaluation import evaluate
    from hostref.twin import from_chip, parameters_from_chip

    model = from_chip(network, spiking_output=readout == "count")
    parameters = parameters_from_chip(model, weights)
    samples = inputs.load(data.validation)
    reach = registers.ranges(model, parameters, samples.batch(slice(0, 200), model.like.dtype)[0])
    test = inputs.load(data.test)
    return [
        [
            bits,
            evaluate(
                registers.narrowed(model, reach, bits), parameters, test, readout, 1e-6
            ).accuracy,
        ]
        for bits in MEMBRANE_BITS
    ]
