"""What does the chip make of a network, and what does it cost there?

NeuroBench's measures (Yik et al., Nature Communications 16, 2025), on the integer network:

    activation sparsity   1 - spikes / (neurons x steps), inputs left out
    connection sparsity   share of synapses whose mantissa is 0
    synaptic operations   synapses with a mantissa other than 0 that a spike reaches (effective ACs)
    footprint             bytes of synapses and biases
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.frames import Frames
from neurosim.network import Network, Weights
from neurosim.network.faults import Faults
from neurosim.population.evaluator import Evaluator, ReadoutSpec
from neurosim.population.faulty import FaultyEvaluator
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import state_of

_AT_ONCE = 4096
"""Samples counted at a time."""


class OnChip(NamedTuple):
    """One pass of the chip over some samples.

    accuracy               share answered rightly
    confusion              int64 (label, answer)
    spikes                 spikes a sample, of each layer
    silent                 neurons that never spiked, of each layer but the last
    dead_classes           classes never answered
    saturated              registers that met their edge, over all samples
    activation_sparsity, connection_sparsity, footprint_bytes   see the module
    synaptic_operations    effective ones, a sample
    all_operations         synapses reached whatever their weight, a sample
    input_spikes           a sample
    """

    accuracy: float
    confusion: NDArray[np.int64]
    spikes: tuple[float, ...]
    silent: tuple[int, ...]
    dead_classes: int
    saturated: int
    activation_sparsity: float
    connection_sparsity: float
    footprint_bytes: int
    synaptic_operations: float
    all_operations: float
    input_spikes: float


def still_chip(
    network: Network, weights: Weights, membrane: bool, faults: Faults | None = None
) -> Evaluator:
    """A chip that holds `weights` and learns nothing; the faults are there, whenever they come."""
    none = (0,) * len(network.layers)
    form: Callable[..., Evaluator] = Evaluator
    if faults is not None:
        form = partial(FaultyEvaluator, faults=faults, generation=faults.since)
    return form(
        network,
        state_of(weights),
        seed=0,
        noise=NoiseSpec(none, none),
        readout_spec=ReadoutSpec(membrane, 1, 0),
        fraction_bits=0,
    )


def accuracy(
    network: Network,
    weights: Weights,
    frames: Frames,
    membrane: bool,
    faults: Faults | None = None,
) -> float:
    """Share of `frames` that the chip answers rightly."""
    forward = still_chip(network, weights, membrane, faults).forward(frames)
    scores = forward.potentials if membrane else forward.counts
    return float((scores.argmax(1) == frames.labels).mean())


def log_likelihood(
    network: Network, weights: Weights, frames: Frames, membrane: bool, spread: float
) -> float:
    """Mean log p(label) where the chip's scores are scaled to logits of this standard deviation."""
    forward = still_chip(network, weights, membrane).forward(frames)
    scores = (forward.potentials if membrane else forward.counts).astype(np.float64)
    scores *= spread / max(float(scores.std()), 1e-12)
    scores -= scores.max(1, keepdims=True)
    log_p = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    return float(log_p[np.arange(len(log_p)), frames.labels].mean())


def measure(
    network: Network,
    weights: Weights,
    frames: Frames,
    membrane: bool,
    faults: Faults | None = None,
) -> OnChip:
    """Run the chip on all of `frames` and count; weights and synapses are counted as they are written."""
    forward = still_chip(network, weights, membrane, faults).forward(frames)
    scores = forward.potentials if membrane else forward.counts
    answers = scores.argmax(1)
    classes = scores.shape[1]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (frames.labels, answers), 1)
    samples, steps = frames.bits.shape[:2]
    reaching = [spikes_of_inputs(frames), *(s.sum(0, dtype=np.int64) for s in forward.spikes[:-1])]
    nonzero = [np.count_nonzero(mantissa, axis=1) for mantissa in weights.mantissas]
    widths = [mantissa.shape[1] for mantissa in weights.mantissas]
    counted = forward.spikes if not membrane else forward.spikes[:-1]
    neurons = sum(layer.shape[1] for layer in counted)
    spikes = sum(int(layer.sum(dtype=np.int64)) for layer in counted)
    synapses = sum(mantissa.size for mantissa in weights.mantissas)
    bits = sum(
        mantissa.size * connection.weight_bits
        for mantissa, (connection, _) in zip(weights.mantissas, network.layers, strict=True)
    )
    return OnChip(
        accuracy=float((answers == frames.labels).mean()),
        confusion=confusion,
        spikes=tuple(float(layer.sum(dtype=np.int64)) / samples for layer in forward.spikes),
        silent=tuple(int((layer.sum(0) == 0).sum()) for layer in forward.spikes[:-1]),
        dead_classes=int((confusion.sum(0) == 0).sum()),
        saturated=int(forward.saturated.sum()),
        activation_sparsity=1 - spikes / (neurons * steps * samples),
        connection_sparsity=1 - sum(int(row.sum()) for row in nonzero) / synapses,
        footprint_bytes=-(-bits // 8) + sum(2 * bias.size for bias in weights.biases),
        synaptic_operations=sum(float(r @ n) for r, n in zip(reaching, nonzero, strict=True))
        / samples,
        all_operations=sum(
            float(r.sum()) * width for r, width in zip(reaching, widths, strict=True)
        )
        / samples,
        input_spikes=float(reaching[0].sum()) / samples,
    )


def spikes_of_inputs(frames: Frames) -> NDArray[np.int64]:
    """Spikes of each input over all samples, int64 (input,)."""
    total = np.zeros(frames.inputs, np.int64)
    octets = np.ascontiguousarray(frames.bits, "<u8").view(np.uint8)
    for begin in range(0, len(octets), _AT_ONCE):
        dense = np.unpackbits(
            octets[begin : begin + _AT_ONCE], axis=-1, count=frames.inputs, bitorder="little"
        )
        total += dense.sum((0, 1), dtype=np.int64)
    return total
