"""An error for every hidden layer, and the update that event-aligned noise makes of it.

    local   errors of a readout of the layer's own, over the readout's weights           DECOLLE
    gate    errors of the layers above, over copies of the forward weights, behind gates: only neurons whose
            own trace reacted to their own noise send an error on
    gain    the same, times how much the trace reacted
    gate-local, gain-local   the sum of both, each over its expected size
    direct  the output's errors over a fixed random matrix (direct feedback alignment, arXiv 1609.01596)

An error E_k says what a unit of neuron k's trace is worth to the log-likelihood. The members of a pair
rerun the layer's own neurons with +noise and -noise on their currents; E_k times the change of the trace
is the credit of that noise, and a synapse adds credit x noise for every spike that it carries. Without
gates and above one hidden layer it is an approximation: the path through the layers above is linear, and
spikes of a recurrent connection are held as they are without noise.
"""

from math import isqrt
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels import generator
from neurosim.kernels.executors import fused_chain
from neurosim.kernels.neurons import layer as neurons
from neurosim.kernels.rules.layer_error import ERROR_EDGE, MULTIPLIER_BITS, bias_terms, join_errors
from neurosim.network import NetworkError, Weights
from neurosim.population.graph import (
    Area,
    LayerPlan,
    Loaded,
    Options,
    Plan,
    Workspace,
    currents,
    is_free,
    kept,
)
from neurosim.population.layout import NoiseSpec
from neurosim.population.operators import Operator, Sums
from neurosim.population.operators.operator import INT32_MAX, TERM_MAX

Feedback = Literal["local", "gate", "gain", "gate-local", "gain-local", "direct"]
FEEDBACKS: tuple[Feedback, ...] = ("local", "gate", "gain", "gate-local", "gain-local", "direct")
ERROR_SIZE = 64
"""Errors of a class (largest 127) that an untrained readout makes, about."""
TARGET = 1024
"""Errors of neurons that those become, so that credits are some hundreds; chosen here."""
OPEN = 4
"""One gate in so many lets an error pass, as far as the size of what it sends on is concerned."""
SHARE_ONE = 256
DIRECT_STREAM = np.int64(11)
"""The stream of the generator that direct feedback's matrices are drawn from; the next free one."""
DIRECT_WEIGHT = 16


class FeedbackSpec(NamedTuple):
    """kind, and in 1/256 how much the local readout's error counts beside the one sent back."""

    kind: Feedback
    local_share: int = SHARE_ONE // 2

    @property
    def local(self) -> bool:
        """Does a layer with a readout of its own learn from it?"""
        return "local" in self.kind

    @property
    def sends_back(self) -> bool:
        """Do layers send errors to the layers below?"""
        return self.kind.startswith("ga")

    @property
    def gain(self) -> bool:
        return self.kind.startswith("gain")


class Part(NamedTuple):
    """One share of a layer's error: what sends it, over which operator, and its fixed-point multiplier.

    Without an operator it comes over a fixed matrix: int8 (class, source lane).
    """

    source: str
    operator: Operator | None
    multiplier: int
    matrix: NDArray[np.int8] | None = None


class LayerSums(NamedTuple):
    """What a generation has added up: int64 (row, column) a parameter, and int64 (channel,) a population."""

    matrices: list[NDArray[np.int64]]
    biases: list[NDArray[np.int64]]


class Generation(NamedTuple):
    """What is fixed for a generation: layers with their weights, parts of their errors, noise, readouts."""

    loaded: dict[str, Loaded]
    parts: dict[str, list[Part]]
    spec: NoiseSpec
    readouts: dict[str, fused_chain.Readout]
    feedback: FeedbackSpec
    seed: np.uint64
    number: int


def parts_of(
    plan: Plan, weights: Weights, feedback: FeedbackSpec, seed: np.uint64
) -> dict[str, list[Part]]:
    """For each hidden layer, from the last to the first, where its error comes from."""
    matrices = {
        operator.connection.name: matrix
        for operator, matrix in zip(plan.operators, weights.mantissas, strict=True)
    }
    found: dict[str, list[Part]] = {}
    for layer in reversed(plan.layers):
        if layer.name in plan.readouts:
            continue
        found[layer.name] = [
            part
            for target in layer.outgoing
            for part in _part(plan, layer, target, matrices, feedback, found)
        ]
        if feedback.kind == "direct" and plan.output not in layer.outgoing:
            found[layer.name].append(_direct(plan, layer, seed))
        if not found[layer.name] and any(o.parameter is not None for o in layer.incoming):
            raise NetworkError(
                f"layer {layer.name!r}: with feedback {feedback.kind!r} no error reaches it; give it a "
                f"readout of its own, or use feedback gate"
            )
    return found


def _part(
    plan: Plan,
    layer: LayerPlan,
    target: str,
    matrices: dict[str, NDArray[np.int8]],
    feedback: FeedbackSpec,
    found: dict[str, list[Part]],
) -> list[Part]:
    """The share that one connection brings, or none."""
    above = plan.by_name[target]
    operator = next(o for o in above.incoming if o.connection.source == layer.name)
    name = operator.connection.name
    readout = target in plan.readouts
    if readout and target != plan.output and not feedback.local:
        return []
    if not readout and not feedback.sends_back:
        return []
    size = _rms(matrices.get(name)) * isqrt(max(1, operator.synapses // operator.sources))
    if readout:
        sent = ERROR_SIZE * size
        both = target != plan.output and feedback.sends_back
        share = feedback.local_share if both else SHARE_ONE
    else:
        sent, share = TARGET * size // isqrt(OPEN), SHARE_ONE
    target_size = TARGET * share // SHARE_ONE
    return [Part(target, operator, (target_size << (MULTIPLIER_BITS + 4)) // max(1, sent))]


def _rms(matrix: NDArray[np.int8] | None) -> int:
    """Root of the mean square of a matrix, 4 fraction bits, 1/4 at least."""
    if matrix is None:
        return 16
    square = int((matrix.astype(np.int64) ** 2).sum())
    return max(4, isqrt((square << 8) // matrix.size))


def _direct(plan: Plan, layer: LayerPlan, seed: np.uint64) -> Part:
    """A fixed matrix of ±DIRECT_WEIGHT from the counter."""
    classes = plan.by_name[plan.output].neurons
    words = np.zeros(-(-classes * layer.lanes // 64) + 1 & ~1, np.uint64)
    generator.draw_blocks(words, DIRECT_STREAM, layer.number, 0, 0, seed)
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")[: classes * layer.lanes]
    matrix = (bits.reshape(classes, layer.lanes).astype(np.int8) * 2 - 1) * DIRECT_WEIGHT
    size = ERROR_SIZE * (DIRECT_WEIGHT << 4) * isqrt(classes)
    return Part(
        plan.output, None, (TARGET << (MULTIPLIER_BITS + 4)) // size, matrix.astype(np.int8)
    )


def learning(plan: Plan, generation: Generation) -> Options:
    """What the unperturbed pass keeps where layers learn: masks and traces, and what readouts read."""

    def options(layer: LayerPlan, area: Area, saturated: NDArray[np.int64]) -> neurons.Kept:
        hidden = layer.name not in plan.readouts
        return kept(
            area,
            saturated,
            window=generation.spec.window_of(layer.number) if hidden else 0,
            traced=hidden,
            read=not hidden,
            goes_on=bool(layer.recurrent),
        )

    return options


def read_out(work: Workspace, generation: Generation, count: int) -> None:
    """Errors of every readout, and the fitness of the output."""
    plan = work.plan
    for name in plan.readouts:
        area, readout = work.areas[name], generation.readouts[name]
        classes = plan.by_name[name].neurons
        scores = area.potentials if readout.membrane else area.counts
        fitness = work.fitness if name == plan.output else np.zeros(count, np.int64)
        fused_chain.readout_errors(
            0, count, readout, np.ascontiguousarray(scores[:, :classes]), work.labels,
            np.zeros(classes + 2, np.int64), area.errors, fitness,
        )  # fmt: skip
        area.deltas[:count] = area.errors[:count]


def send_back(work: Workspace, generation: Generation, layer: LayerPlan, count: int) -> None:
    """The error of each neuron of a hidden layer."""
    area = work.areas[layer.name]
    if not generation.parts[layer.name]:  # nothing to learn, and nothing to send on
        area.errors[:count] = 0
    for index, part in enumerate(generation.parts[layer.name]):
        deltas = work.areas[part.source].deltas
        if part.operator is None:
            assert part.matrix is not None
            classes = len(part.matrix)
            area.sent[:count] = deltas[:count, :classes] @ part.matrix.astype(np.int32)
        else:
            scratch = work.scratch[part.operator.connection.name]
            part.operator.back(scratch, count, deltas, area.sent)
        join_errors(0, count, area.sent, part.multiplier, index == 0, area.errors)


def learn_layer(
    work: Workspace,
    generation: Generation,
    layer: LayerPlan,
    count: int,
    first_pair: int,
    pairs: int,
    sums: "ThreadSums",
) -> None:
    """Members of a hidden layer, and what its connections add up."""
    area, plan, loaded = work.areas[layer.name], work.plan, generation.loaded[layer.name]
    current, shift = currents(work, layer, loaded)
    scale = generation.spec.scale[layer.number]
    noise = neurons.Aligned(
        scale,
        generation.spec.period,
        layer.number,
        generation.seed,
        generation.number,
        first_pair,
        pairs,
        generation.spec.window_of(layer.number) > 0,
    )
    credit = neurons.Credit(TERM_MAX // pairs, largest_delta(layer), generation.feedback.gain)
    free = is_free(work, layer, loaded, count, scale)
    kernel = layer.model.perturb_free if free else layer.model.perturb_checked
    kernel(
        0, count, plan.steps, layer.lanes, layer.neurons, loaded.registers, current, shift, plan.kernel,
        area.masks, noise, credit, area.errors, work.planes, work.numbers, area.credits, area.terms,
        area.deltas, area.told,
    )  # fmt: skip
    for operator in (*layer.incoming, *layer.recurrent):
        if operator.parameter is not None:
            name = operator.connection.name
            source = work.source(operator.connection.source)
            operator.accumulate(
                work.scratch[name], count, source, area.terms, area.told, sums.matrices[name]
            )
    of_lanes = np.empty(layer.lanes, np.int32)
    bias_terms(0, count, plan.steps, area.terms, of_lanes)
    each = of_lanes[: layer.neurons].reshape(-1, layer.channels)
    sums.biases[layer.name] += each.sum(axis=0, dtype=np.int64)


def largest_delta(layer: LayerPlan) -> int:
    """What a neuron may send back so that no sum over a source's synapses passes 32 bits."""
    fan_out = max(operator.fan_out for operator in layer.incoming)
    return max(1, min(ERROR_EDGE, INT32_MAX // (128 * max(1, fan_out))))


def learn_readout(work: Workspace, layer: LayerPlan, count: int, sums: "ThreadSums") -> None:
    """The delta rule of a readout."""
    area = work.areas[layer.name]
    largest = int(work.plan.kernel.sum()) * int(fused_chain.ERROR_ONE)
    for operator in layer.incoming:
        if operator.parameter is None:
            continue
        traces = work.areas[operator.connection.source].traces
        operator.delta(count, traces, area.errors, largest, sums.matrices[operator.connection.name])
    sums.biases[layer.name] += area.errors[:count, : layer.neurons].sum(axis=0)


class ThreadSums:
    """What one thread adds up in a generation."""

    def __init__(self, plan: Plan) -> None:
        self.matrices: dict[str, Sums] = {o.connection.name: o.new_sums() for o in plan.operators}
        self.biases = {layer.name: np.zeros(layer.channels, np.int64) for layer in plan.layers}


def total_sums(plan: Plan, threads: list[ThreadSums]) -> LayerSums:
    """What all threads have added up, in the order of parameters and of populations."""
    matrices = []
    for operator in plan.operators:
        name = operator.connection.name
        wide = sum(one.matrices[name].wide + one.matrices[name].narrow for one in threads)
        matrices.append(operator.matrix_of(np.asarray(wide, np.int64)))
    biases = [
        np.asarray(sum(one.biases[p.name] for one in threads), np.int64)
        for p in plan.network.populations
    ]
    return LayerSums(matrices, biases)


def credit_block(
    work: Workspace,
    generation: Generation,
    count: int,
    first_pair: int,
    pairs: int,
    sums: ThreadSums,
) -> None:
    """Everything between the unperturbed pass of a block and its sums."""
    plan = work.plan
    read_out(work, generation, count)
    for layer in reversed(plan.layers):
        if layer.name in plan.readouts:
            learn_readout(work, layer, count, sums)
        else:
            send_back(work, generation, layer, count)
            learn_layer(work, generation, layer, count, first_pair, pairs, sums)
