"""Initial weights by measured firing rates: matrices are scaled up until each layer spikes often enough.

Layers are taken in the order in which spikes reach them, on the same few samples. A layer that has fixed
weights alone, and an output that never fires, are left unchanged.
"""

from hostref.backend import Tensor, torch
from hostref.model import Model, Parameters, split

RATE = 0.05
"""Mean spikes per neuron and step that a layer starts with at least: chosen here, of the order that trained
networks have (docs/notes/hostref.md)."""
FACTOR, TRIES = 1.5, 16
"""Growth of a try, and tries, of which the one with most spikes is kept: 1.5^15 is 438; chosen here."""


@torch.no_grad()
def calibrated(model: Model, parameters: Parameters, x: Tensor, rate: float = RATE) -> Parameters:
    """`parameters` with larger matrices where layers would start silent on `x` (sample, step, input)."""
    sizes = [part.size for part in model.network.inputs]
    seen = dict(zip([i.name for i in model.network.inputs], split(x, sizes), strict=True))
    weights = list(parameters.weights)
    for k in model.order:
        numbers = [path.number for path in model.incoming[k] if path.number is not None]
        tries = TRIES if numbers and (model.spiking_output or k != model.output) else 1
        best, most, kept = 1.0, -1.0, x
        for factor in (FACTOR**i for i in range(tries)):
            grown = [w * factor if i in numbers else w for i, w in enumerate(weights)]
            spk, _ = model.layer(k, Parameters(tuple(grown), parameters.biases), seen)
            if float(spk.mean()) > most:
                best, most, kept = factor, float(spk.mean()), spk
            if most >= rate:
                break
        for number in numbers:
            weights[number] = weights[number] * best
        seen[model.network.populations[k].name] = kept
    return Parameters(tuple(weights), parameters.biases)
