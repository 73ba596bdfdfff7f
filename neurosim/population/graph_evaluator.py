"""Graph evaluator: an evaluator for any graph of layers, on the general executor.

    evaluate       unperturbed pass, errors, members of each layer; returns fitness and update sums
    apply_update   moves every matrix and every bias along these sums
    forward        scores and spikes of the unperturbed network

It has the interface of `Evaluator`. Credit by error is local to a sample, so the update is accumulated while
the samples are evaluated, in one pass over their spikes.
"""

from collections.abc import Sequence
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from neurosim.data.frames import Frames
from neurosim.kernels import readout
from neurosim.kernels.executors import fused_chain
from neurosim.network import Network, NetworkError, Weights, check_weights
from neurosim.network.shapes import lane_order
from neurosim.population.batch import Batch, check_frames
from neurosim.population.evaluator import Evaluation, Forward, ReadoutSpec, check_no_cost
from neurosim.population.graph import (
    WORKSPACE_BYTES,
    Loaded,
    Plan,
    Workspace,
    check_graph,
    forward,
    inference,
)
from neurosim.population.layer_credit import (
    FEEDBACKS,
    FeedbackSpec,
    Generation,
    LayerSums,
    ThreadSums,
    check_feedback,
    credit_block,
    largest_delta_term,
    learning,
    parts_of,
    total_sums,
)
from neurosim.population.layout import NoiseSpec
from neurosim.population.operators import Totals
from neurosim.population.operators.operator import TERM_MAX
from neurosim.population.state import (
    PRECISION,
    Precision,
    SynapticState,
    check_start,
    padded,
    weights,
)
from neurosim.population.update import Rates, Step, move_biases, move_matrix, move_to_rate
from neurosim.threads import in_pieces, piece_of

READOUT_FAN_IN = 128
"""Sources of the readout for which the temperature is the settings' own; chosen here: hidden neurons of
the default network."""


class Spaces:
    """Workspaces of one size: a thread takes one, and all are given back when its loop has ended."""

    def __init__(self, plan: Plan, block: int, pairs: int) -> None:
        self._size = plan, block, pairs
        self._free: list[Workspace] = []

    def take(self) -> Workspace:
        """A workspace that no other thread has."""
        try:
            return self._free.pop()
        except IndexError:
            return Workspace(*self._size)

    def give_back(self, spaces: list[Workspace]) -> None:
        """Let the next loop take them."""
        self._free += spaces


class GraphEvaluator:
    """A graph of layers that learns, in integers throughout."""

    by_error = True
    """Do parameters learn from errors, rather than from the fitness of members?"""

    def __init__(
        self,
        network: Network,
        state: SynapticState,
        *,
        seed: int,
        noise: NoiseSpec,
        readout_spec: ReadoutSpec,
        feedback: FeedbackSpec,
        precision: Precision = PRECISION,
        workspace_bytes: int = WORKSPACE_BYTES,
    ) -> None:
        self._check_network(network)
        if self._delta:
            _check_hidden(network)
        check_start(network, state, seed, precision.fraction_bits)
        if feedback.kind not in FEEDBACKS:
            raise NetworkError(f"feedback is {feedback.kind!r}; allowed are {', '.join(FEEDBACKS)}")
        if self._delta:
            check_feedback(network, feedback)
        self.network, self.state, self.seed = network, state, np.uint64(seed)
        self.fraction_bits, self.momentum_bits = precision
        self.feedback = feedback
        self.workspace_bytes = workspace_bytes
        self._plans: dict[int, Plan] = {}
        self._kept: dict[tuple[int, int, int], Spaces] = {}
        self.adjust(noise, readout_spec)
        check_weights(network, self.weights())

    def _check_network(self, network: Network) -> None:
        """Raise NetworkError, naming the layer, where this evaluator does not compute the network exactly."""
        check_graph(network)

    @property
    def _delta(self) -> bool:
        """Whether the readout learns by the delta rule."""
        return True

    def adjust(self, noise: NoiseSpec, readout_spec: ReadoutSpec) -> None:
        """Set the noise scales and the readout of the next generation, as given by schedules."""
        check_scales(self.network, noise)
        if noise.one_sided or noise.full_rank or any(noise.bias_scale):
            raise NetworkError(
                "credit by error compares +noise and -noise on the current of a neuron, from which its bias "
                "learns as well; leave one_sided, full_rank and bias_scale off"
            )
        if noise.graded:
            raise NetworkError(
                "credit by error on a graph of layers has noise of one bit a neuron and step, so that a "
                "member reads it from a register; leave graded off"
            )
        check_no_cost(readout_spec)
        self.spec, self.readout_spec = noise, readout_spec

    @property
    def hidden(self) -> list[str]:
        """Names of the hidden populations, in the description's order."""
        names = (population.name for population in self.network.populations)
        return [name for name in names if name not in self.network.readouts]

    def weights(self) -> Weights:
        """The weights as the cores use them."""
        return weights(self.state, self.fraction_bits)

    def _plan(self, steps: int) -> Plan:
        if steps not in self._plans:
            self._plans[steps] = Plan(self.network, steps)
        return self._plans[steps]

    def _load(
        self, plan: Plan, noise: dict[str, int], on_biases: dict[str, int] | None = None
    ) -> tuple[Weights, dict[str, Loaded]]:
        """The weights that the synapses read, and the layers with them; noise as in `Plan.load`."""
        held = self.weights()
        return held, plan.load(held, noise, on_biases)

    def _spaces(self, plan: Plan, block: int, pairs: int) -> "Spaces":
        """Workspaces of this size, kept from one call to the next."""
        key = (plan.steps, block, pairs)
        if key not in self._kept:
            while len(self._kept) >= KEPT_SIZES:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = Spaces(plan, block, pairs)
        return self._kept[key]

    def _readouts(self, plan: Plan) -> dict[str, fused_chain.Readout]:
        """Scaling of the scores of each readout to logits."""
        spec = self.readout_spec
        found = {plan.output: scaling(spec)}
        for name in plan.readouts[1:]:
            multiplier = max(1, spec.multiplier * READOUT_ONE // _relative(plan, name))
            found[name] = scaling(spec._replace(membrane=True, multiplier=multiplier))
        return found

    def _check_frames(self, frames: Frames) -> None:
        output = self.network.readouts[0]
        check_frames(frames, self.network.inputs[0].size, self.network.sizes[output])

    def evaluate(
        self, batch: Batch, pairs: range, generation: int, part: range | None = None
    ) -> Evaluation:
        """Fitness of the unperturbed network on the sample of each pair, and the sums of all pairs.

        As `Evaluator.evaluate`, with one sample a group; `part` is of whole groups.
        """
        frames, groups = batch.frames, batch.groups
        self._check_frames(frames)
        each = self._pairs_of_group(len(pairs), groups)
        part = pairs if part is None else part
        first, last = (part.start - pairs.start) // each, (part.stop - pairs.start) // each
        if (part.start - pairs.start) % each or (part.stop - pairs.start) % each or first >= last:
            raise NetworkError(
                f"{part} to evaluate of {pairs}; needed are whole groups of {each} pairs"
            )
        plan = self._plan(batch.steps)
        now = self._generation(plan, generation)
        samples = groups[first:last, 0]
        fitness, saturated = np.zeros(len(samples), np.int64), np.zeros(len(samples), np.int64)

        def work(begin: int, end: int, scratch: tuple[Workspace, ThreadSums]) -> None:
            space, sums = scratch
            count = end - begin
            take_samples(space, frames, samples[begin:end])
            forward(space, now.loaded, count, learning(plan, now))
            credit_block(space, now, count, part.start + begin * each, each, sums)
            fitness[begin:end] = space.fitness[:count]
            saturated[begin:end] = space.saturated[:count]

        block = piece_of(len(samples), plan.block(each, self.workspace_bytes))
        spaces = self._spaces(plan, block, each)
        used = in_pieces(len(samples), block, work, lambda: (spaces.take(), ThreadSums(plan)))
        spaces.give_back([space for space, _ in used])
        return Evaluation(
            np.repeat(fitness, 2 * each).reshape(-1, 2),
            np.repeat(saturated, 2 * each).reshape(-1, 2),
            total_sums(plan, [sums for _, sums in used]),
        )

    def _pairs_of_group(self, pairs: int, groups: NDArray[np.int64]) -> int:
        if groups.shape[1] != 1 or pairs % len(groups) or not 0 < pairs // len(groups) <= 64:
            raise NetworkError(
                f"{pairs} pairs for groups {groups.shape}; needed are groups of 1 sample, each with the "
                f"same number of pairs, 1..64"
            )
        return pairs // len(groups)

    def _generation(self, plan: Plan, number: int) -> Generation:
        noise = {
            layer.name: self.spec.scale[layer.number]
            for layer in plan.layers
            if layer.name not in plan.readouts
        }
        held, loaded = self._load(plan, noise)
        return Generation(
            loaded,
            parts_of(plan, held, self.feedback, self.seed),
            self.spec,
            self._readouts(plan),
            self.feedback,
            self.seed,
            number,
            self.feedback.target_rate > 0,
        )

    def apply_update(
        self,
        coefficients: LayerSums,
        pairs: range,
        generation: int,
        rates: Sequence[Rates],
        batch: Batch | None = None,
    ) -> int:
        """Apply the sums of an evaluation; return how many synapses are at the edge of their range.

        rates  one for each parameter
        """
        if batch is None:
            raise NetworkError("the update of a graph of layers needs its batch")
        plan, samples = self._plan(batch.steps), len(batch.groups)
        matrices, biases = [], []
        for number, (connection, matrix) in enumerate(self.network.parameters):
            largest = samples * self._largest(plan, connection.target, matrix.uses)
            matrices.append(narrowed(coefficients.matrices[number], largest, matrix.columns))
        for number, population in enumerate(self.network.populations):
            uses = population.neurons // population.shape[0]
            largest = samples * self._largest(plan, population.name, uses)
            rows = coefficients.biases[number][None, :]
            biases.append(narrowed(rows, largest, population.shape[0])[0])
        edges = self._move(matrices, biases, generation, rates)
        if self.feedback.target_rate:
            self._to_target(coefficients.spikes, samples * batch.steps, rates)
        return edges

    def _to_target(
        self, spikes: list[NDArray[np.int64]], cells: int, rates: Sequence[Rates]
    ) -> None:
        """Move the biases of hidden layers that learn by the spikes of so many samples times steps."""
        of_target = self._first_parameters()
        for number, population in enumerate(self.network.populations):
            if population.name in of_target and population.name not in self.network.readouts:
                move_to_rate(
                    population,
                    self.state,
                    number,
                    spikes[number],
                    cells * (population.neurons // population.shape[0]),
                    self.feedback.target_rate,
                    rates[of_target[population.name]].to_target,
                )

    def _first_parameters(self) -> dict[str, int]:
        """Number of the first parameter that leads to each population, by its name."""
        numbered = list(enumerate(self.network.parameters))
        return {connection.target: number for number, (connection, _) in reversed(numbered)}

    def _move(
        self,
        matrices: Sequence[NDArray[np.int32]],
        biases: Sequence[NDArray[np.int32]],
        generation: int,
        rates: Sequence[Rates],
    ) -> int:
        """Move the parameters along sums int32 (row, lane), and biases of populations that learn (lane,)."""
        steps = [
            Step(rate, generation, self.seed, self.fraction_bits, self.momentum_bits)
            for rate in rates
        ]
        edges = sum(
            move_matrix(connection, self.state, number, matrices[number], steps[number])
            for number, (connection, _) in enumerate(self.network.parameters)
        )
        first = self._first_parameters()
        for number, population in enumerate(self.network.populations):
            if population.name in first:
                step = steps[first[population.name]]
                move_biases(population, self.state, number, biases[number], step)
        return edges

    def _largest(self, plan: Plan, target: str, uses: int) -> int:
        """Largest change of a sum by one sample."""
        if target in plan.readouts:
            return largest_delta_term(plan) * uses
        return TERM_MAX * plan.steps * uses

    def forward(self, frames: Frames) -> Forward:
        """Run the unperturbed network on samples.

        `spikes` has the hidden populations in the description's order and then the output; neurons of
        maps in C order.
        """
        self._check_frames(frames)
        count = len(frames.labels)
        plan = self._plan(frames.bits.shape[1])
        _, loaded = self._load(plan, {})
        classes = plan.by_name[plan.output].neurons
        potentials, counts = np.zeros((2, count, classes), np.int64)
        names = self.hidden
        names.append(plan.output)
        spikes = {name: np.zeros((count, plan.by_name[name].neurons), np.uint16) for name in names}
        saturated = np.zeros(count, np.int64)
        orders = {name: lane_order(plan.by_name[name].population.shape) for name in names}
        readouts = self._readouts(plan)

        def work(begin: int, end: int, space: Workspace) -> None:
            size, part = end - begin, slice(begin, end)
            take_samples(space, frames, np.arange(begin, end))
            forward(space, loaded, size, inference)
            potentials[part] = space.areas[plan.output].potentials[:size, :classes]
            counts[part] = space.areas[plan.output].counts[:size, :classes]
            if self.feedback.sum_of_readouts:
                potentials[part] = self._summed(plan, space, readouts, size)
            for name in names:
                lanes = space.areas[name].counts[:size, : plan.by_name[name].neurons]
                spikes[name][part][:, orders[name]] = lanes
            saturated[part] = space.saturated[:size]

        block = piece_of(count, plan.block(1, self.workspace_bytes))
        if count:
            spaces = self._spaces(plan, block, 1)
            spaces.give_back(in_pieces(count, block, work, spaces.take))
        return Forward(potentials, counts, tuple(spikes[name] for name in names), saturated)

    def _summed(
        self, plan: Plan, space: Workspace, readouts: dict[str, fused_chain.Readout], size: int
    ) -> NDArray[np.int64]:
        """The sum of all readouts' scores, each at its own temperature, in the output's unit."""
        unit = readouts[plan.output].multiplier
        total = np.zeros((size, plan.by_name[plan.output].neurons), np.int64)
        for name, one in readouts.items():
            scores = space.areas[name].potentials[:size, : total.shape[1]]
            total += scores * one.multiplier // unit
        return total


READOUT_ONE = 1 << 8
KEPT_SIZES = 3
"""Sizes of workspaces that are kept: of training, of validation, and of what is left of it."""
LOCAL_RANGE = 4
"""A local readout's scores count so many times more, so that its weights stay inside 8 bits in long runs:
without, half of those of the first map stood at their edge after 500,000 samples (docs/notes/layers.md)."""


def scaling(spec: ReadoutSpec) -> fused_chain.Readout:
    """The scaling of scores to logits as the kernels read it."""
    return fused_chain.Readout(
        spec.membrane,
        spec.multiplier,
        spec.shift,
        readout.exp2_table(),
        readout.log2_table(),
        spec.spike_cost,
    )


def check_scales(network: Network, noise: NoiseSpec) -> None:
    """Raise NetworkError unless noise has one scale for each population."""
    count = len(network.populations)
    if (len(noise.scale), len(noise.bias_scale)) != (count, count):
        raise NetworkError(
            f"noise scale has {len(noise.scale)} values and bias_scale {len(noise.bias_scale)} for "
            f"{count} populations"
        )


def _check_hidden(network: Network) -> None:
    """Raise NetworkError where an input feeds a readout: the delta rule needs traces of neurons."""
    for connection in network.connections:
        if connection.source == network.inputs[0].name and connection.target in network.readouts:
            raise NetworkError(
                f"layer {connection.target!r}: a readout that the input feeds has no hidden layer to "
                f"learn with; put a layer between, or use --method eggroll with --output-rule same"
            )


def _relative(plan: Plan, name: str) -> int:
    """Expected size of a readout's scores relative to the output's, 8 fraction bits.

    With weights of equal size, scores of independent sources grow with the square root of their number.
    """
    (operator,) = plan.by_name[name].incoming
    assert operator.parameter is not None
    rows, uses = operator.parameter.rows, operator.parameter.uses
    return max(1, isqrt((rows * uses << 16) // READOUT_FAN_IN) // LOCAL_RANGE)


def narrowed(sums: Totals, largest: int, columns: int) -> NDArray[np.int32]:
    """Sums as int32 (row, lane), shifted right so that even `largest` would fit, rounded."""
    shift = max(0, largest.bit_length() - 30)
    found = np.zeros((len(sums), padded(columns)), np.int32)
    found[:, :columns] = (sums.astype(np.int64) + (1 << shift - 1)) >> shift if shift else sums
    return found


def take_samples(space: Workspace, frames: Frames, samples: NDArray[np.int64]) -> None:
    """Copy samples into a workspace, those of trials side by side that have the same spikes once."""
    lead, repeats = space.input.lead, space.input.repeats
    distinct = samples[::repeats]
    np.take(
        frames.bits, distinct, axis=0, out=space.input.bits[: len(distinct), lead:], mode="clip"
    )
    space.labels[: len(samples)] = frames.labels[samples]
