"""Members of a graph of layers: whole forward passes with noise, and the update of what they found.

    E = sum_r A_r B_r^T, or E itself, on any matrix with rows and columns     EGGROLL, full rank
    xi_k(t) on the currents of a population                                    event-aligned
    fitness of both members                            log-likelihood of the label less the cost of spikes
    update = sum over directions of f E, the noise drawn again                 population/update.py
             or of f sum_t xi(t) x(t)^T, in a second pass over the samples     event-aligned
             errors x traces of the unperturbed pass                           delta rule of the readout

Two trials side by side are the members of a pair on one sample. Streams are numbered by parameter, so that
a chain of dense layers draws what the fused kernel draws. x(t) are the spikes of the unperturbed pass, those
of a recurrent connection included.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.frames import words_for
from neurosim.kernels.arithmetic import LIMIT
from neurosim.kernels.executors import fused_chain
from neurosim.kernels.executors import layer as neurons
from neurosim.kernels.generator import ALIGNED, BIAS, INPUT_FACTOR, Field, lane_words
from neurosim.kernels.noise import layer_noise, weight_noise
from neurosim.kernels.noise.layer_noise import Factors
from neurosim.kernels.readout import COST_BITS
from neurosim.kernels.simd import WIDTH
from neurosim.network import Network, NetworkError
from neurosim.population.batch import Batch
from neurosim.population.bounds import COEFFICIENT, Bounds, Shape, check_coefficients
from neurosim.population.evaluator import Evaluation, ReadoutSpec
from neurosim.population.graph import (
    AddAligned,
    Area,
    LayerPlan,
    Loaded,
    Plan,
    Workspace,
    fan_in_of,
    forward,
    in_step,
    kept,
)
from neurosim.population.graph_evaluator import (
    GraphEvaluator,
    check_scales,
    narrowed,
    take_samples,
)
from neurosim.population.layer_credit import (
    FeedbackSpec,
    LayerSums,
    ThreadSums,
    accumulate_terms,
    largest_delta_term,
    learn_readout,
    read_out,
    total_sums,
)
from neurosim.population.layout import NOISE_LIMIT, NoiseSpec, source_words
from neurosim.population.operators import cells, flat
from neurosim.population.rules import Signal
from neurosim.population.state import PRECISION, Precision, SynapticState, padded
from neurosim.population.update import (
    Coefficients,
    Rates,
    accumulate_bias_noise,
    accumulate_matrix_noise,
)
from neurosim.threads import in_pieces, piece_of


class GraphMembers(GraphEvaluator):
    """A graph of layers that learns by evolution strategies.

    readout_signal  of the readout: FITNESS as of hidden layers, ERROR for the delta rule, NONE to leave it
    """

    by_error = False

    def __init__(
        self,
        network: Network,
        state: SynapticState,
        *,
        seed: int,
        noise: NoiseSpec,
        readout_spec: ReadoutSpec,
        precision: Precision = PRECISION,
        workspace_bytes: int,
        readout_signal: Signal = Signal.FITNESS,
    ) -> None:
        self.readout_signal = readout_signal
        self._bounds = Bounds(network)
        super().__init__(
            network,
            state,
            seed=seed,
            noise=noise,
            readout_spec=readout_spec,
            feedback=FeedbackSpec("gate"),
            precision=precision,
            workspace_bytes=workspace_bytes,
        )

    @property
    def _delta(self) -> bool:
        return self.readout_signal is Signal.ERROR

    def adjust(self, noise: NoiseSpec, readout_spec: ReadoutSpec) -> None:
        """As `Evaluator.adjust`."""
        check_scales(self.network, noise)
        if noise.aligned and len(noise.aligned) != len(self.network.populations):
            raise NetworkError(
                f"noise aligned has {len(noise.aligned)} flags for {len(self.network.populations)} "
                f"populations"
            )
        if noise.rank < 1 or noise.period < 1 or not 0 <= noise.window <= LIMIT:
            raise NetworkError(
                f"noise rank {noise.rank}, period {noise.period} and window {noise.window}; allowed are "
                f"from 1, from 1 and 0..{LIMIT}"
            )
        self.spec, self.readout_spec = noise, readout_spec
        for number, population in enumerate(self.network.populations):
            bounds = self._on_currents(number), noise.bias_scale[number] * self._largest_number
            if not (min(noise.scale[number], *bounds) >= 0 and max(bounds) < NOISE_LIMIT):
                raise NetworkError(
                    f"layer {population.name!r}: noise could add {bounds[0]} to u and {bounds[1]} to v; "
                    f"allowed is less than {NOISE_LIMIT}: lower sigma, sigma_bias or the rank"
                )

    @property
    def _largest_number(self) -> int:
        return int(weight_noise.GRADED_OFFSET) if self.spec.graded else 1

    def _on_currents(self, number: int) -> int:
        """Largest current that noise adds to population `number`."""
        spec, largest = self.spec, self._largest_number
        if spec.of_layer(number):
            return spec.scale[number] * largest
        each = largest if spec.full_rank else spec.rank * largest**2
        name = self.network.populations[number].name
        fan_in = sum(
            fan_in_of(self.network, c.name) for c, _ in self.network.parameters if c.target == name
        )
        return spec.scale[number] * each * fan_in

    def _target(self, number: int) -> int:
        """The population that parameter `number` leads to."""
        names = [population.name for population in self.network.populations]
        return names.index(self.network.parameters[number][0].target)

    def _words(self, number: int) -> int:
        """Words of a field of a matrix's rows."""
        if self.network.is_dense_chain:
            return source_words(self.network, number)
        return words_for(self.network.parameters[number][1].rows)

    def evaluate(
        self, batch: Batch, pairs: range, generation: int, part: range | None = None
    ) -> Evaluation:
        """Fitness of both members of each pair, summed over the samples of its group.

        As `Evaluator.evaluate`.
        """
        frames, groups = batch.frames, batch.groups
        self._check_frames(frames)
        part = pairs if part is None else part
        each, plan = batch.pairs_of_group(pairs, part), self._plan(batch.steps)
        loaded = self._loaded(plan)
        readout = self._readouts(plan)[plan.output]
        windowed = any(self.spec.aligned) and self.spec.window > 0
        fitness = np.zeros((len(part), 2), np.int64)
        saturated = np.zeros((len(part), 2), np.int64)

        most = max(1, self.workspace_bytes // self._pair_bytes(plan))
        block, alike = _block(part.start - pairs.start, len(part), each, most)

        def work(begin: int, end: int, space: Workspace) -> None:
            count = end - begin
            space.input = space.input._replace(repeats=2 * alike)
            first = (part.start + begin) * self.spec.directions
            factors = self._factors(space, block, count, first, generation)
            members = self._with_biases(plan, loaded, count, first, generation)
            aligned = self._add_aligned(plan, first, generation)
            numbers = part.start - pairs.start + np.arange(begin, end)
            for place in range(groups.shape[1]):
                samples = np.repeat(groups[numbers // each, place], 2)
                take_samples(space, frames, samples)
                space.factors, space.add_aligned = {}, {}
                if windowed:
                    forward(space, loaded, 2 * count, self._unperturbed)
                space.factors, space.add_aligned = factors, aligned
                forward(space, members, 2 * count, self._member)
                fitness[begin:end] += self._fitness(space, readout, 2 * count).reshape(-1, 2)
                saturated[begin:end] += space.saturated[: 2 * count].reshape(-1, 2)
            space.factors, space.add_aligned = {}, {}
            space.input = space.input._replace(repeats=1)

        spaces = self._spaces(plan, 2 * block, 1)
        spaces.give_back(in_pieces(len(part), block, work, spaces.take))
        return Evaluation(fitness, saturated)

    def _loaded(self, plan: Plan) -> dict[str, Loaded]:
        """Layers whose currents are int32 where noise is added to them, with room for it."""
        on_currents = {layer.name: self._on_currents(layer.number) for layer in plan.layers}
        on_biases = {
            layer.name: self.spec.bias_scale[layer.number] * self._largest_number
            for layer in plan.layers
        }
        _, loaded = self._load(plan, on_currents, on_biases)
        return {
            layer.name: loaded[layer.name]._replace(
                narrow=loaded[layer.name].narrow
                and (not on_currents[layer.name] or self._apart(plan, layer))
            )
            for layer in plan.layers
        }

    def _apart(self, plan: Plan, layer: LayerPlan) -> bool:
        """Whether the neurons of a layer add the noise on its matrix, so that its currents have none."""
        of_layer = self.spec.of_layer(layer.number)
        return in_step(plan, layer) and not self.spec.full_rank and not of_layer

    def _slots(self, pairs: int) -> tuple[int, int]:
        """Directions of so many pairs, and the shift from the number of a trial to that of its direction."""
        return pairs * self.spec.directions, int(not self.spec.one_sided)

    def _pair_bytes(self, plan: Plan) -> int:
        """Approximate bytes of a workspace for one pair."""
        cells = 0
        for layer in plan.layers:
            bytes_ = 2 if layer.incoming[0].can_be_narrow else 4
            each = bytes_ * plan.steps if self._apart(plan, layer) else plan.lane_bytes(1)
            cells += layer.lanes * each
        return 2 * (cells + plan.spike_bytes) + self._noise_bytes(plan)

    def _noise_bytes(self, plan: Plan) -> int:
        """Bytes of the noise of a pair."""
        lanes = sum(layer.lanes for layer in plan.layers) if any(self.spec.bias_scale) else 0
        noise = (self._factors_of(plan, number, 1) for number in self._noisy())
        return 8 * lanes + sum(f.inner.nbytes + f.outer.nbytes + f.products.nbytes for f in noise)

    def _noisy(self) -> list[int]:
        """Numbers of the parameters whose matrices carry noise."""
        numbers = range(len(self.network.parameters))
        targets = [(number, self._target(number)) for number in numbers]
        return [n for n, of in targets if self.spec.scale[of] and not self.spec.of_layer(of)]

    def _factors_of(self, plan: Plan, number: int, pairs: int) -> Factors:
        """Memory for the noise on a matrix, of so many pairs."""
        operator, (_, matrix) = plan.operators[number], self.network.parameters[number]
        slots, shared = self._slots(pairs)
        words = self._words(number)
        count = matrix.columns if self.spec.full_rank else self.spec.rank
        row = int(weight_noise.noise_words(words, self.spec.graded)) + 2
        positions = operator.neurons // matrix.columns if operator.has_dots else 0
        return Factors(
            np.zeros((slots, count, row), np.uint64),
            np.zeros(
                (slots, count, 1 if self.spec.full_rank else padded(matrix.columns) + WIDTH),
                np.int32,
            ),
            flat(2 * pairs * count * plan.steps * positions, np.int32),
            0,
            words,
            self.spec.full_rank,
            self.spec.graded,
            shared,
        )

    def _factors(
        self, space: Workspace, block: int, pairs: int, first: int, generation: int
    ) -> dict[str, Factors]:
        """The noise on all matrices, of the directions from number `first` on."""
        slots, _ = self._slots(pairs)
        found = {}
        for number in self._noisy():
            connection, matrix = self.network.parameters[number]
            spec, scale = self.spec, self.spec.scale[self._target(number)]
            key = connection.name, spec.rank, spec.full_rank, spec.graded, spec.one_sided
            if key not in space.kept_factors:
                space.kept_factors[key] = self._factors_of(space.plan, number, block)
            factors = space.kept_factors[key]._replace(largest=scale * self._largest_number)
            field = Field(INPUT_FACTOR, number, first, generation, self.seed)
            layer_noise.draw_factors(
                slots, field, matrix.columns, scale, _raw(matrix.columns), factors
            )
            found[connection.name] = factors
        return found

    def _with_biases(
        self, plan: Plan, loaded: dict[str, Loaded], pairs: int, first: int, generation: int
    ) -> dict[str, Loaded]:
        """The layers with noise on the biases of each trial."""
        slots, shared = self._slots(pairs)
        found = dict(loaded)
        for layer in plan.layers:
            scale = self.spec.bias_scale[layer.number]
            if not scale:
                continue
            drawn = np.zeros((slots, padded(layer.channels)), np.int32)
            field = Field(BIAS, layer.number, first, generation, self.seed)
            layer_noise.draw_biases(
                field, self.spec.graded, layer.channels, scale, _raw(layer.channels), drawn
            )
            trials = np.arange(2 * pairs)
            own = drawn[trials >> shared, : layer.channels] * np.where(trials & 1, -1, 1)[:, None]
            registers = loaded[layer.name].registers
            biases = np.repeat(registers.bias, len(trials), axis=0)
            biases[:, : layer.neurons] += np.tile(own, layer.neurons // layer.channels)
            found[layer.name] = found[layer.name]._replace(
                registers=registers._replace(bias=biases)
            )
        return found

    def _aligned(
        self, layer: LayerPlan, first: int, generation: int
    ) -> layer_noise.AlignedNoise | None:
        """The event-aligned noise of a layer from direction number `first` on, if it carries any."""
        spec, number = self.spec, layer.number
        if not spec.of_layer(number) or not spec.scale[number]:
            return None
        field = Field(ALIGNED, number, first, generation, self.seed)
        return spec.aligned_noise(number, layer.neurons, field)

    def _add_aligned(self, plan: Plan, first: int, generation: int) -> dict[str, AddAligned]:
        """What adds event-aligned noise, of the layers that carry any."""
        _, shared = self._slots(1)

        def add(noise: layer_noise.AlignedNoise, layer: LayerPlan, area: Area, count: int) -> None:
            currents = cells(area.wide, count, plan.steps, layer.lanes)
            layer_noise.aligned_noise(shared, noise, area.masks, _raw(layer.neurons), currents)

        noises = {layer.name: self._aligned(layer, first, generation) for layer in plan.layers}
        return {name: partial(add, noise) for name, noise in noises.items() if noise is not None}

    def _member(self, layer: LayerPlan, area: Area, saturated: NDArray[np.int64]) -> neurons.Kept:
        """Results of a member's pass: spikes, and scores of readouts."""
        read = layer.name in self.network.readouts
        return kept(area, saturated, read=read, goes_on=bool(layer.recurrent))

    def _unperturbed(
        self, layer: LayerPlan, area: Area, saturated: NDArray[np.int64]
    ) -> neurons.Kept:
        """Results of the unperturbed pass: near-threshold masks, traces, and scores of readouts."""
        readout = layer.name in self.network.readouts
        return kept(
            area,
            saturated,
            window=self.spec.window if self.spec.of_layer(layer.number) else 0,
            traced=not readout,
            read=readout,
            goes_on=bool(layer.recurrent),
        )

    def _fitness(
        self, space: Workspace, readout: fused_chain.Readout, count: int
    ) -> NDArray[np.int64]:
        plan = space.plan
        read_out(space, {plan.output: readout}, count)
        if not readout.spike_cost:
            return space.fitness[:count]
        spikes = np.zeros(count, np.int64)
        for layer in plan.layers:
            if layer.name not in plan.readouts:
                bits = space.areas[layer.name].spikes.bits[:count]
                spikes += np.bitwise_count(bits).sum(axis=(1, 2), dtype=np.int64)
        return space.fitness[:count] - (spikes * readout.spike_cost >> COST_BITS)

    def sums(
        self, number: int, coefficients: Coefficients, pairs: range, generation: int
    ) -> NDArray[np.int32]:
        """Sums int32 (row, lane) of the noise on a parameter, for one int8 a direction."""
        _, matrix = self.network.parameters[number]
        return accumulate_matrix_noise(
            (number, matrix.rows, matrix.columns, self._words(number)),
            self.spec,
            self._target(number),
            self.seed,
            coefficients,
            pairs.start * self.spec.directions,
            generation,
        )

    def sums_of_biases(
        self, number: int, coefficients: Coefficients, pairs: range, generation: int
    ) -> NDArray[np.int32]:
        """Sums int32 (lane,) of the noise on the biases of population `number`, one a channel."""
        first = pairs.start * self.spec.directions
        channels = self.network.populations[number].shape[0]
        return accumulate_bias_noise(
            self.spec, number, self.seed, coefficients, first, generation, channels
        )

    def sums_of_spikes(
        self, batch: Batch, coefficients: Coefficients, pairs: range, generation: int
    ) -> LayerSums:
        """Sums of event-aligned noise and of the delta rule, in a second pass over the samples of a batch."""
        self._bounds.check(self.spec, batch.shape(len(pairs)))
        plan, samples = self._plan(batch.steps), batch.groups.reshape(-1)
        loaded = self._loaded(plan)
        readouts = self._readouts(plan)
        of_sample = coefficients.reshape(len(batch.groups), -1)
        each = of_sample.shape[1]
        start = pairs.start * self.spec.directions

        def work(begin: int, end: int, scratch: tuple[Workspace, ThreadSums]) -> None:
            space, sums = scratch
            count = end - begin
            take_samples(space, batch.frames, samples[begin:end])
            forward(space, loaded, count, self._unperturbed)
            if self._delta:
                read_out(space, readouts, count)
                learn_readout(space, plan.by_name[plan.output], count, sums)
            for layer in plan.layers:
                noise = self._aligned(layer, start + begin * each, generation)
                if noise is None:
                    continue
                area = space.areas[layer.name]
                utilities = np.ascontiguousarray(of_sample[begin:end])
                terms = cells(area.terms, count, plan.steps, layer.lanes)
                layer_noise.aligned_terms(utilities, noise, area.masks, _raw(layer.neurons), terms)
                area.active[:count] = 1
                accumulate_terms(space, layer, count, sums)

        block = piece_of(len(samples), plan.block(1, self.workspace_bytes))
        spaces = self._spaces(plan, block, 1)
        used = in_pieces(len(samples), block, work, lambda: (spaces.take(), ThreadSums(plan)))
        spaces.give_back([space for space, _ in used])
        return total_sums(plan, [sums for _, sums in used])

    def apply_update(
        self,
        coefficients: Any,
        pairs: range,
        generation: int,
        rates: Sequence[Rates],
        batch: Batch | None = None,
    ) -> int:
        """Move the parameters by the utilities int8 (direction,); as `Evaluator.apply_update`."""
        directions = len(pairs) * self.spec.directions
        check_coefficients(coefficients, np.int8, directions)
        self._bounds.check(
            self.spec, Shape(len(pairs)) if batch is None else batch.shape(len(pairs))
        )
        matrices = [
            self.sums(number, coefficients, pairs, generation)
            for number in range(len(self.network.parameters))
        ]
        biases = [
            self.sums_of_biases(number, coefficients, pairs, generation)
            for number in range(len(self.network.populations))
        ]
        if self._delta or any(self.spec.aligned):
            if batch is None:
                raise NetworkError(
                    "this rule accumulates over spikes: give the batch of the evaluation"
                )
            second = self.sums_of_spikes(batch, coefficients, pairs, generation)
            for number, (_, matrix) in enumerate(self.network.parameters):
                largest = self._largest_of_spikes(batch, self._target(number), directions)
                if largest:
                    matrices[number] = narrowed(
                        second.matrices[number], largest * matrix.uses, matrix.columns
                    )
            for number, population in enumerate(self.network.populations):
                largest = self._largest_of_spikes(batch, number, directions)
                if largest:
                    channels = population.shape[0]
                    uses = population.neurons // channels
                    rows = second.biases[number][None, :]
                    biases[number] = narrowed(rows, largest * uses, channels)[0]
        return self._move(matrices, biases, generation, rates)

    def _largest_of_spikes(self, batch: Batch, number: int, directions: int) -> int:
        """Bound of the sums that population `number` has from the second pass, of one use; 0: none."""
        plan = self._plan(batch.steps)
        if self._delta and number == plan.by_name[plan.output].number:
            return batch.groups.size * largest_delta_term(plan)
        if self.spec.of_layer(number) and self.spec.scale[number]:
            return directions * COEFFICIENT * self._largest_number * batch.steps
        return 0


def _block(first: int, count: int, each: int, most: int) -> tuple[int, int]:
    """Pairs of a block, and how many side by side have the same sample, where groups have `each` pairs.

    Of `count` pairs from number `first` of the groups on, `most` at a time.
    """
    block = piece_of(count, most)
    if first % each:
        return block, 1
    if block >= each:
        return block // each * each, each
    block = next(size for size in range(block, 0, -1) if each % size == 0)
    return block, block


def _raw(numbers: int) -> NDArray[np.uint64]:
    """Scratch of the kernels that draw a field of so many numbers."""
    return np.zeros(int(weight_noise.noise_words(lane_words.py_func(numbers), True)), np.uint64)
