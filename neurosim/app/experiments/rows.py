"""What is a row of the comparison, on the chip and in float?

A row is a plain dictionary (it goes into a JSON file): method, seed, and what `OnChip` counted; float
rows hold what has a meaning there.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.app.experiments import on_chip
from neurosim.app.experiments.cycle import price
from neurosim.data.datasets import Dataset
from neurosim.data.frames import Frames
from neurosim.network import Network, Weights
from neurosim.network.faults import Faults

if TYPE_CHECKING:
    from hostref.model import Model, Parameters

Row = dict[str, Any]


def chip_row(
    method: str,
    seed: int,
    network: Network,
    weights: Weights,
    frames: Frames,
    membrane: bool,
    faults: Faults | None = None,
    **more: Any,
) -> Row:
    """A row measured on the chip, which may have faults."""
    seen = on_chip.measure(network, weights, frames, membrane, faults)
    facts = seen._asdict()
    confusion = facts.pop("confusion")
    by_class = confusion.diagonal() / np.maximum(confusion.sum(1), 1)
    return {
        "method": method,
        "seed": seed,
        "where": "chip",
        **{key: list(value) if isinstance(value, tuple) else value for key, value in facts.items()},
        "by_class": by_class.tolist(),
        **price(network, weights, frames, faults),
        **more,
    }


def float_row(
    method: str,
    seed: int,
    model: "Model",
    parameters: "Parameters",
    data: Dataset,
    readout: Any,
    gain: float,
    **more: Any,
) -> Row:
    """A row measured in PyTorch."""
    from hostref import inputs
    from hostref.evaluation import evaluate

    samples = inputs.load(data.test, model.like.device)
    seen = evaluate(model, parameters, samples, readout, gain)
    confusion = seen.confusion.numpy()
    hidden = [layer.beta.numel() for layer in model.layers]
    counted = seen.spikes if model.spiking_output else seen.spikes[:-1]
    neurons = sum(hidden if model.spiking_output else hidden[:-1])
    steps = data.test.bits.shape[1]
    reaching = [on_chip.spikes_of_inputs(data.test).sum() / len(samples), *seen.spikes[:-1]]
    return {
        "method": method,
        "seed": seed,
        "where": "float",
        "accuracy": seen.accuracy,
        "by_class": (confusion.diagonal() / np.maximum(confusion.sum(1), 1)).tolist(),
        "spikes": list(seen.spikes),
        "silent": list(seen.silent[:-1]),
        "dead_classes": int((confusion.sum(0) == 0).sum()),
        "activation_sparsity": 1 - sum(counted) / (neurons * steps),
        "all_operations": float(
            sum(r * w.shape[1] for r, w in zip(reaching, parameters.weights, strict=True))
        ),
        **more,
    }
