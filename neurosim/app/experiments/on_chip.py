"""Accuracy, spikes and cost of a network on the chip, by the measures of NeuroBench.

Yik et al., Nature Communications 16, 2025, applied to the integer network:

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

from neurosim.app.experiments import emulated
from neurosim.data.frames import Frames
from neurosim.network import Connection, Network, Weights, matrices_by_name
from neurosim.network.connections import Dense
from neurosim.network.faults import Faults
from neurosim.population.evaluator import Evaluator, ReadoutSpec
from neurosim.population.faulty import FaultyEvaluator
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import Precision, state_of

_AT_ONCE = 4096
"""Samples counted at a time."""


class OnChip(NamedTuple):
    """One pass of the chip over some samples.

    accuracy               fraction of correct predictions
    confusion              int64 (label, answer)
    spikes                 spikes per sample, of each layer
    silent                 neurons that never spiked, of each layer but the last
    dead_classes           classes never predicted
    saturated              saturations of registers, over all samples
    activation_sparsity, connection_sparsity, footprint_bytes   see the module
    synaptic_operations    effective ones, a sample
    all_operations         synapses reached, of any weight, per sample
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
        precision=Precision(0),
    )


class Passed(NamedTuple):
    """A forward pass: scores (sample, class); spikes int8 (sample, step, neuron) of each population, in the
    description's order; saturated: saturations of registers."""

    scores: NDArray[np.integer]
    spikes: tuple[NDArray[np.integer], ...]
    saturated: int


def passed(
    network: Network,
    weights: Weights,
    frames: Frames,
    membrane: bool,
    faults: Faults | None = None,
) -> Passed:
    """Run `frames`: a chain of dense layers on the population evaluator, the others on the emulator."""
    if not network.is_dense_chain:
        done = emulated.forward(network, weights, frames, faults)
        return Passed(done.scores(membrane), tuple(done.spikes.values()), done.saturated)
    forward = still_chip(network, weights, membrane, faults).forward(frames)
    scores = forward.potentials if membrane else forward.counts
    return Passed(scores, tuple(forward.spikes), int(forward.saturated.sum()))


def accuracy(
    network: Network,
    weights: Weights,
    frames: Frames,
    membrane: bool,
    faults: Faults | None = None,
) -> float:
    """Share of `frames` that the chip answers rightly."""
    scores = passed(network, weights, frames, membrane, faults).scores
    return float((scores.argmax(1) == frames.labels).mean())


def log_likelihood(
    network: Network, weights: Weights, frames: Frames, membrane: bool, spread: float
) -> float:
    """Mean log p(label) where the chip's scores are scaled to logits of this standard deviation."""
    scores = passed(network, weights, frames, membrane).scores.astype(np.float64)
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
    forward = passed(network, weights, frames, membrane, faults)
    answers = forward.scores.argmax(1)
    classes = forward.scores.shape[1]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (frames.labels, answers), 1)
    samples, steps = frames.bits.shape[:2]
    hidden = [spikes for k, spikes in enumerate(forward.spikes) if k != network.output]
    counted = hidden if membrane else forward.spikes
    neurons = sum(layer.shape[1 + (layer.ndim == 3)] for layer in counted)
    spikes = sum(int(layer.sum(dtype=np.int64)) for layer in counted)
    synapses = Synapses.of(network, weights)
    reaching = synapses.reaching(network, spikes_of_inputs(frames), forward.spikes)
    return OnChip(
        accuracy=float((answers == frames.labels).mean()),
        confusion=confusion,
        spikes=tuple(float(layer.sum(dtype=np.int64)) / samples for layer in forward.spikes),
        silent=tuple(int((_by_neuron(layer) == 0).sum()) for layer in hidden),
        dead_classes=int((confusion.sum(0) == 0).sum()),
        saturated=forward.saturated,
        activation_sparsity=1 - spikes / (neurons * steps * samples),
        connection_sparsity=1 - sum(int(n.sum()) for n in synapses.nonzero) / synapses.total,
        footprint_bytes=-(-synapses.bits // 8) + sum(2 * bias.size for bias in weights.biases),
        synaptic_operations=sum(
            float(r @ n) for r, n in zip(reaching, synapses.nonzero, strict=True)
        )
        / samples,
        all_operations=sum(float(r @ n) for r, n in zip(reaching, synapses.all, strict=True))
        / samples,
        input_spikes=float(spikes_of_inputs(frames).sum()) / samples,
    )


def _by_neuron(layer: NDArray[np.integer]) -> NDArray[np.int64]:
    """Spikes of each neuron over all samples and steps."""
    return layer.sum(axis=tuple(range(layer.ndim - 1)), dtype=np.int64)


class Synapses(NamedTuple):
    """How far spikes of each source go; one array (source,) a connection.

    nonzero, all  synapses of the source, without and with those of mantissa 0
    bits          of all weights that are stored: shared ones once
    """

    nonzero: tuple[NDArray[np.int64], ...]
    all: tuple[NDArray[np.int64], ...]
    bits: int

    @property
    def total(self) -> int:
        """Synapses of all connections."""
        return sum(int(one.sum()) for one in self.all)

    @staticmethod
    def of(network: Network, weights: Weights) -> "Synapses":
        """Those of a network with its weights."""
        matrices = matrices_by_name(network, weights)
        nonzero, every = [], []
        for connection in network.connections:
            size = network.sizes[connection.source]
            found = network.expand(connection, matrices.get(connection.name))
            nonzero.append(np.bincount(found.sources[found.weights != 0], minlength=size))
            every.append(np.bincount(found.sources, minlength=size))
        bits = sum(
            matrix.size * connection.weight_bits
            for matrix, (connection, _) in zip(weights.mantissas, network.parameters, strict=True)
        )
        return Synapses(tuple(nonzero), tuple(every), bits)

    def reaching(
        self, network: Network, given: NDArray[np.int64], spikes: tuple[NDArray[np.integer], ...]
    ) -> list[NDArray[np.int64]]:
        """Spikes of each source of each connection."""
        sent = {network.inputs[0].name: given}
        sent |= {p.name: _by_neuron(s) for p, s in zip(network.populations, spikes, strict=True)}
        return [sent[connection.source] for connection in network.connections]


def synapse_count(network: Network, connection: Connection) -> int:
    """How many synapses a connection has, those of weight 0 included."""
    matrix = network.parameter(connection)
    if matrix is not None and isinstance(connection.kind, Dense):
        return matrix.rows * matrix.columns
    zeros = None if matrix is None else np.zeros((matrix.rows, matrix.columns), np.int8)
    return len(network.expand(connection, zeros).sources)


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
