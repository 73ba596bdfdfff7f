"""Membrane registers of limited width in the float network.

A register of b bits has b - 1 bits and a sign over a given range: for neurons that fire, the power of two
above 8 thresholds; for an output that only integrates, the power of two above its largest value on some
samples. Larger values saturate; finer ones are truncated towards zero.
"""

import math
from dataclasses import replace

from hostref.backend import Tensor, torch
from hostref.model import Model, Parameters
from hostref.rounding import Rounding

REGISTER_RANGE = 8.0
"""Thresholds that a firing neuron's register reaches to: chosen here, since inhibition goes below -1."""


def ranges(model: Model, parameters: Parameters, x: Tensor) -> tuple[float, ...]:
    """Powers of two that u and v of each layer stay below on spikes `x` (sample, step, input)."""
    reach = [REGISTER_RANGE * float(layer.threshold.max()) for layer in model.layers]
    if not model.spiking_output:
        with torch.no_grad():
            reach[model.output] = float(model.run(parameters, x).mem.abs().max())
    return tuple(2.0 ** math.ceil(math.log2(max(one, 1e-9))) for one in reach)


def narrowed(model: Model, ranges: tuple[float, ...], bits: int) -> Model:
    """`model` with u and v of `bits` bits over these ranges."""
    if not 2 <= bits <= 53:
        raise ValueError(f"bits is {bits}; allowed are 2..53, what float64 holds exactly")
    roundings = (Rounding(top / 2 ** (bits - 1), top - top / 2 ** (bits - 1)) for top in ranges)
    return replace(model, rounding=tuple(roundings))
