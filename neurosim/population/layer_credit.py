"""Neuron credit by error for every hidden layer, and the update sums of event-aligned noise.

    local   errors of a readout of the layer's own, over the readout's weights           DECOLLE
    gate    errors of the layers above, over copies of the forward weights, gated: only neurons whose trace
            changed under their own noise pass an error on
    gain    the same, times the size of that change
    gate-local, gain-local   the sum of both, each divided by its expected size
    direct  the output's errors over a fixed random matrix (direct feedback alignment, arXiv 1609.01596)

The error E_k estimates the change of the log-likelihood per unit of neuron k's trace. The members of a pair
run the neurons of the layer again with +noise and -noise on their currents; E_k times the change of the trace
is the credit of that noise, and a synapse accumulates credit x noise for each spike that it carries. Without
gates and above one hidden layer this is an approximation: the path through the layers above is linear, and
spikes of a recurrent connection are those of the unperturbed pass.
"""

from collections.abc import Sequence
from math import isqrt, prod
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.kernels import generator
from neurosim.kernels.executors import fused_chain
from neurosim.kernels.executors import layer as neurons
from neurosim.kernels.generator import ALIGNED, Field
from neurosim.kernels.rules.layer_error import ERROR_EDGE, MULTIPLIER_BITS, bias_terms, join_errors
from neurosim.network import Network, NetworkError, Weights
from neurosim.population.bounds import INT32_MAX
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
from neurosim.population.operators import Operator, Sums, Totals, cells
from neurosim.population.operators.operator import TERM_MAX, parts

Feedback = Literal["local", "gate", "gain", "gate-local", "gain-local", "direct"]
FEEDBACKS: tuple[Feedback, ...] = ("local", "gate", "gain", "gate-local", "gain-local", "direct")
ERROR_SIZE = 64
"""Approximate error of a class (at most 127) of an untrained readout."""
TARGET = 1024
"""Size to which errors of neurons are scaled; chosen here, because credits are then some hundreds."""
OPEN = 4
"""Assumed ratio of all gates to open gates, from which the size of a gated error is estimated."""
SHARE_ONE = 256
DIRECT_STREAM = np.int64(11)
"""The stream of the generator that direct feedback's matrices are drawn from; the next free one."""
DIRECT_WEIGHT = 16


class FeedbackSpec(NamedTuple):
    """How hidden layers learn from errors.

    kind             where their errors come from
    local_share      weight of the local readout's error relative to the returned one, in 1/256
    sum_of_readouts  whether local readouts add to the network's scores
    target_rate      spikes of hidden neurons per step, `TARGET_BITS` fraction bits, that biases keep; 0: any
    """

    kind: Feedback
    local_share: int = SHARE_ONE // 2
    sum_of_readouts: bool = False
    target_rate: int = 0

    @property
    def local(self) -> bool:
        """Whether a layer with a readout of its own learns from it."""
        return "local" in self.kind

    @property
    def sends_back(self) -> bool:
        """Whether layers send errors to the layers below."""
        return self.kind.startswith("ga")

    @property
    def gain(self) -> bool:
        """Whether a returned error is scaled by the change of the trace."""
        return self.kind.startswith("gain")


class Part(NamedTuple):
    """One term of a layer's error: its sender, the operator it passes, and its fixed-point multiplier.

    Without an operator it comes over a fixed matrix: int8 (class, source lane).
    """

    source: str
    operator: Operator | None
    multiplier: int
    matrix: NDArray[np.int8] | None = None


class LayerSums(NamedTuple):
    """Sums of a generation.

    matrices  update sums (row, column) per parameter, int32 or int64
    biases    update sums int64 (channel,) per population
    spikes    int64 (channel,) per population, of the unperturbed pass; 0 where they are not counted
    """

    matrices: Sequence[Totals]
    biases: list[NDArray[np.int64]]
    spikes: list[NDArray[np.int64]]

    def flat(self) -> NDArray[np.int64]:
        """All of them in a row, to be sent, or added to those of other pairs."""
        return np.concatenate(
            [array.reshape(-1) for array in (*self.matrices, *self.biases, *self.spikes)]
        )

    @staticmethod
    def of(network: Network, flat: NDArray[np.int64]) -> "LayerSums":
        """The inverse of `flat`, for the parameters and populations of a network."""
        channels = [(population.shape[0],) for population in network.populations]
        shapes: list[tuple[int, ...]] = [
            *((matrix.rows, matrix.columns) for _, matrix in network.parameters),
            *channels,
            *channels,
        ]
        ends = np.cumsum([prod(shape) for shape in shapes])
        if len(flat) != ends[-1]:
            raise NetworkError(f"{len(flat)} sums for a network that has {ends[-1]}")
        parts = [
            part.reshape(shape)
            for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)
        ]
        first, second = len(network.parameters), len(network.parameters) + len(channels)
        return LayerSums(parts[:first], parts[first:second], parts[second:])


class Generation(NamedTuple):
    """Constants of a generation: layers with their weights, terms of their errors, noise, readouts.

    counted  whether spikes of hidden layers are counted
    """

    loaded: dict[str, Loaded]
    parts: dict[str, list[Part]]
    spec: NoiseSpec
    readouts: dict[str, fused_chain.Readout]
    feedback: FeedbackSpec
    seed: np.uint64
    number: int
    counted: bool = False


def check_feedback(network: Network, feedback: FeedbackSpec) -> None:
    """Raise NetworkError, naming the layer, where no error reaches one that learns."""
    output, *local = network.readouts
    for name in dict.fromkeys(c.target for c, _ in network.parameters):
        targets = {c.target for c in network.connections if c.source == name and not c.recurrent}
        inner = targets - set(network.readouts)
        reached = (
            feedback.kind == "direct"
            or output in targets
            or (feedback.local and targets & set(local))
            or (feedback.sends_back and inner)
        )
        if name not in network.readouts and not reached:
            raise NetworkError(
                f"layer {name!r}: with feedback {feedback.kind!r} no error reaches it; give it a readout of "
                f"its own, or use feedback gate"
            )


def parts_of(
    plan: Plan, weights: Weights, feedback: FeedbackSpec, seed: np.uint64
) -> dict[str, list[Part]]:
    """The terms of each hidden layer's error, from the last layer to the first."""
    matrices = {
        operator.name: matrix
        for operator, matrix in zip(plan.operators, weights.mantissas, strict=True)
    }
    found: dict[str, list[Part]] = {}
    for layer in reversed(plan.layers):
        if layer.name in plan.readouts:
            continue
        found[layer.name] = [
            part
            for target in dict.fromkeys(layer.outgoing)
            for operator in plan.by_name[target].incoming
            if operator.connection.source == layer.name
            for part in _part(plan, operator, target, matrices, feedback)
        ]
        if feedback.kind == "direct" and plan.output not in layer.outgoing:
            found[layer.name].append(_direct(plan, layer, seed))
    return found


def _part(
    plan: Plan,
    operator: Operator,
    target: str,
    matrices: dict[str, NDArray[np.int8]],
    feedback: FeedbackSpec,
) -> list[Part]:
    """The term of the error that one connection to `target` returns, or none."""
    name = operator.name
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
    """Results of the unperturbed pass for learning: near-threshold masks, traces, scores of readouts."""

    def options(layer: LayerPlan, area: Area, saturated: NDArray[np.int64]) -> neurons.Kept:
        hidden = layer.name not in plan.readouts
        return kept(
            area,
            saturated,
            window=generation.spec.window_of(layer.number) if hidden else 0,
            traced=hidden,
            read=not hidden or generation.counted,
            goes_on=bool(layer.recurrent),
        )

    return options


def read_out(work: Workspace, readouts: dict[str, fused_chain.Readout], count: int) -> None:
    """Errors of these readouts, and the fitness of the output."""
    plan = work.plan
    for name, readout in readouts.items():
        area = work.areas[name]
        classes = plan.by_name[name].neurons
        scores = area.potentials if readout.membrane else area.counts
        fitness = work.fitness if name == plan.output else np.zeros(count, np.int64)
        fused_chain.readout_errors(
            0,
            count,
            readout,
            np.ascontiguousarray(scores[:, :classes]),
            work.labels,
            np.zeros(classes + 2, np.int64),
            area.errors,
            fitness,
        )
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
            scratch = work.scratch[part.operator.name]
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
    """Evaluate the members of a hidden layer, and accumulate the sums of its connections."""
    area, plan, loaded = work.areas[layer.name], work.plan, generation.loaded[layer.name]
    current, shift = currents(work, layer, loaded, count)
    scale = generation.spec.scale[layer.number]
    noise = neurons.Aligned(
        scale,
        generation.spec.period,
        Field(ALIGNED, layer.number, first_pair, generation.number, generation.seed),
        pairs,
        generation.spec.window_of(layer.number) > 0,
    )
    credit = neurons.Credit(
        plan.kernel, TERM_MAX // pairs, largest_delta(layer), generation.feedback.gain
    )
    credited = neurons.Credited(
        area.masks, area.errors, area.credits, area.terms, area.deltas, area.active
    )
    free = is_free(work, layer, loaded, count, scale)
    kernel = layer.kernels.perturb_free if free else layer.kernels.perturb_checked
    kernel(
        layer.neurons,
        loaded.registers,
        current,
        shift,
        noise,
        credit,
        credited,
        (work.planes, work.numbers),
    )
    accumulate_terms(work, layer, count, sums)


def accumulate_terms(work: Workspace, layer: LayerPlan, count: int, sums: "ThreadSums") -> None:
    """Accumulate the terms of a layer into the sums of its connections and biases."""
    area = work.areas[layer.name]
    terms, active = cells(area.terms, count, work.plan.steps, layer.lanes), area.active[:count]
    for operator in (*layer.incoming, *layer.recurrent):
        if operator.parameter is not None:
            name = operator.name
            source = work.source(operator.connection.source)
            operator.accumulate(work.scratch[name], source, terms, active, sums.matrices[name])
    of_lanes = np.empty(layer.lanes, np.int32)
    for part in parts(count, INT32_MAX // (TERM_MAX * work.plan.steps)):
        bias_terms(part.start, part.stop, work.plan.steps, area.terms, of_lanes)
        each = of_lanes[: layer.neurons].reshape(-1, layer.channels)
        sums.biases[layer.name] += each.sum(axis=0, dtype=np.int64)


def largest_delta(layer: LayerPlan) -> int:
    """Bound of a returned error, so that no sum over the synapses of a source exceeds 32 bits."""
    fan_out = max(operator.fan_out for operator in layer.incoming)
    return max(1, min(ERROR_EDGE, INT32_MAX // (128 * max(1, fan_out))))


def learn_readout(work: Workspace, layer: LayerPlan, count: int, sums: "ThreadSums") -> None:
    """The delta rule of a readout."""
    area, largest = work.areas[layer.name], largest_delta_term(work.plan)
    for operator in layer.incoming:
        if operator.parameter is None:
            continue
        traces = work.areas[operator.connection.source].traces
        operator.delta(count, traces, area.errors, largest, sums.matrices[operator.name])
    sums.biases[layer.name] += area.errors[:count, : layer.neurons].sum(axis=0)


def largest_delta_term(plan: Plan) -> int:
    """Largest product of a trace and an error of a readout."""
    return int(plan.kernel.sum(dtype=np.int64)) * int(fused_chain.ERROR_ONE)


class ThreadSums:
    """Update sums of one thread in a generation."""

    def __init__(self, plan: Plan) -> None:
        for layer in (plan.by_name[name] for name in plan.readouts):
            uses = max(o.parameter.uses if o.parameter else 0 for o in layer.incoming)
            if uses * largest_delta_term(plan) > INT32_MAX:
                raise NetworkError(
                    f"layer {layer.name!r}: the delta rule over {plan.steps} steps could overflow a 32-bit "
                    f"sum; raise dv or du, or use fewer steps"
                )
        self.matrices: dict[str, Sums] = {o.name: o.new_sums() for o in plan.operators}
        self.biases = {layer.name: np.zeros(layer.channels, np.int64) for layer in plan.layers}
        self.spikes = {layer.name: np.zeros(layer.channels, np.int64) for layer in plan.layers}


def total_sums(plan: Plan, threads: list[ThreadSums]) -> LayerSums:
    """Update sums of all threads, in the order of parameters and of populations."""
    matrices = [
        operator.matrix_of(_together([one.matrices[operator.name].total for one in threads]))
        for operator in plan.operators
    ]
    names = [population.name for population in plan.network.populations]
    biases = [np.asarray(sum(one.biases[name] for one in threads), np.int64) for name in names]
    spikes = [np.asarray(sum(one.spikes[name] for one in threads), np.int64) for name in names]
    return LayerSums(matrices, biases, spikes)


def _together(totals: list[Totals]) -> Totals:
    """The sum of those of all threads."""
    total = totals[0]
    for more in totals[1:]:
        total = np.add(total, more, dtype=np.int64)
    return total


def credit_block(
    work: Workspace,
    generation: Generation,
    count: int,
    first_pair: int,
    pairs: int,
    sums: ThreadSums,
) -> None:
    """Errors, members and sums of a block, after its unperturbed pass."""
    plan = work.plan
    read_out(work, generation.readouts, count)
    for layer in reversed(plan.layers):
        if layer.name in plan.readouts:
            learn_readout(work, layer, count, sums)
        else:
            if generation.counted:
                counts = work.areas[layer.name].counts[:count, : layer.neurons]
                sums.spikes[layer.name] += counts.reshape(-1, layer.channels).sum(axis=0)
            send_back(work, generation, layer, count)
            learn_layer(work, generation, layer, count, first_pair, pairs, sums)
