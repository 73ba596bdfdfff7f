"""Rows of the comparison, measured on the chip and in float.

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
    from learning.settings import Settings

Row = dict[str, Any]
CHIP = {
    "eggroll": "chip EGGROLL",
    "full-rank": "chip full-rank ES",
    "event-aligned": "chip event-aligned ES",
}
"""What tables call learning on the chip by a method; another method by its name."""
ORIGINS = {"bptt": "float BPTT, weights brought to the chip"}
"""Where a run's weights come from, if not from learning on the chip."""


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
    sizes = [layer.beta.numel() for layer in model.layers]
    every = range(len(sizes))
    counted = [k for k in every if model.spiking_output or k != model.output]
    neurons = sum(sizes[k] for k in counted)
    steps = data.test.bits.shape[1]
    return {
        "method": method,
        "seed": seed,
        "where": "float",
        "accuracy": seen.accuracy,
        "by_class": (confusion.diagonal() / np.maximum(confusion.sum(1), 1)).tolist(),
        "spikes": list(seen.spikes),
        "silent": [seen.silent[k] for k in every if k != model.output],
        "dead_classes": int((confusion.sum(0) == 0).sum()),
        "activation_sparsity": 1 - sum(seen.spikes[k] for k in counted) / (neurons * steps),
        "all_operations": _all_operations(model, seen.spikes, data, len(samples)),
        **more,
    }


def _all_operations(
    model: "Model", spikes: tuple[float, ...], data: Dataset, samples: int
) -> float:
    """Synapses that spikes reach, a sample, where each source reaches as many as the mean of them."""
    network = model.network
    sent = {network.inputs[0].name: on_chip.spikes_of_inputs(data.test).sum() / samples}
    sent |= {p.name: count for p, count in zip(network.populations, spikes, strict=True)}
    total = 0.0
    for connection in network.connections:
        fan_out = on_chip.synapse_count(network, connection) / network.sizes[connection.source]
        total += sent[connection.source] * fan_out
    return float(total)


def way_of_training(settings: "Settings", origin: str = "") -> str:
    """How a run learned, in a few words; `origin` as its configuration has it."""
    if origin:
        return ORIGINS.get(origin, origin)
    words = [CHIP.get(settings.method, f"chip {settings.method}")]
    if settings.credit == "error":
        words.append("credit by error")
    if settings.estimator != "antithetic":
        words.append(f"{settings.estimator} members")
    if settings.output_rule != "same":
        words.append(f"{settings.output_rule} readout")
    return ", ".join(words)
