"""Members of a graph of layers: whole forward passes with noise on the weights, and their update.

    E = sum_r A_r B_r^T, or E itself, on any matrix with rows and columns     EGGROLL, full rank
    fitness of +E and -E                                                       log-likelihood of the label
    update = sum over directions of f E, the noise drawn again                 population/update.py

Two trials side by side are the members of a pair on one sample. Streams are numbered by parameter, so that
a chain of dense layers draws what the fused kernel draws.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.frames import words_for
from neurosim.kernels.executors import fused_chain
from neurosim.kernels.generator import lane_words
from neurosim.kernels.noise import layer_noise, weight_noise
from neurosim.network import Network, NetworkError
from neurosim.population.batch import Batch
from neurosim.population.evaluator import Evaluation, ReadoutSpec
from neurosim.population.graph import Loaded, Plan, Workspace, forward, inference
from neurosim.population.graph_evaluator import GraphEvaluator, take_samples
from neurosim.population.layer_credit import FeedbackSpec
from neurosim.population.layout import NOISE_LIMIT, NoiseSpec, source_words
from neurosim.population.operators import Factors
from neurosim.population.state import SynapticState, padded
from neurosim.population.update import (
    Coefficients,
    Rates,
    Step,
    accumulate_matrix_noise,
    move_matrix,
)
from neurosim.threads import in_pieces


class GraphMembers(GraphEvaluator):
    """A graph of layers that learns by evolution strategies on its weights."""

    by_error = False

    def __init__(
        self,
        network: Network,
        state: SynapticState,
        *,
        seed: int,
        noise: NoiseSpec,
        readout_spec: ReadoutSpec,
        fraction_bits: int = 8,
        momentum_bits: int = 3,
        workspace_bytes: int,
    ) -> None:
        super().__init__(
            network,
            state,
            seed=seed,
            noise=noise,
            readout_spec=readout_spec,
            feedback=FeedbackSpec("gate"),
            fraction_bits=fraction_bits,
            momentum_bits=momentum_bits,
            workspace_bytes=workspace_bytes,
        )

    def adjust(self, noise: NoiseSpec, readout_spec: ReadoutSpec) -> None:
        """As `Evaluator.adjust`; antithetic noise of one bit, on weights alone."""
        if noise.graded or noise.one_sided or any(noise.aligned) or any(noise.bias_scale):
            raise NetworkError(
                "evolution strategies on a graph of layers take antithetic noise of one bit on weights: "
                "use --noise rademacher, --estimator antithetic and --sigma-bias 0; for noise on currents "
                "give a --feedback"
            )
        if len(noise.scale) != len(self.network.populations):
            raise NetworkError(
                f"noise scale has {len(noise.scale)} values for {len(self.network.populations)} "
                f"populations"
            )
        for number, (connection, matrix) in enumerate(self.network.parameters):
            largest = self._scale(noise, number) * matrix.rows
            if largest * (1 if noise.full_rank else noise.rank) >= NOISE_LIMIT:
                raise NetworkError(
                    f"connection {connection.name}: noise could add {largest * noise.rank} to u; allowed is "
                    f"less than {NOISE_LIMIT}: lower sigma or the rank"
                )
        self.spec, self.readout_spec = noise, readout_spec

    def _scale(self, spec: NoiseSpec, number: int) -> int:
        """The scale of the noise on a parameter: that of the population it leads to."""
        names = [population.name for population in self.network.populations]
        return spec.scale[names.index(self.network.parameters[number][0].target)]

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
        if len(pairs) % len(groups) or not len(part):
            raise NetworkError(
                f"{len(pairs)} pairs for {len(groups)} groups; each group needs the same number, from 1"
            )
        each, plan = len(pairs) // len(groups), self._plan(batch.steps)
        loaded = self._loaded(plan)
        readout = self._readouts(plan)[plan.output]
        fitness = np.zeros((len(part), 2), np.int64)
        saturated = np.zeros((len(part), 2), np.int64)

        def work(begin: int, end: int, space: Workspace) -> None:
            count = end - begin
            self._draw(space, count, part.start + begin, generation)
            numbers = part.start - pairs.start + np.arange(begin, end)
            for place in range(groups.shape[1]):
                samples = np.repeat(groups[numbers // each, place], 2)
                take_samples(space, frames, samples)
                forward(space, loaded, 2 * count, inference)
                fitness[begin:end] += self._fitness(space, readout, 2 * count).reshape(-1, 2)
                saturated[begin:end] += space.saturated[: 2 * count].reshape(-1, 2)

        block = min(max(1, plan.block(1, self.workspace_bytes) // 2), len(part))
        in_pieces(len(part), block, work, lambda: self._workspace(plan, block))
        return Evaluation(fitness, saturated)

    def _loaded(self, plan: Plan) -> dict[str, Loaded]:
        """Layers whose currents are int32, wide enough for noise."""
        noise: dict[str, int] = {}
        for number, (connection, matrix) in enumerate(self.network.parameters):
            factors = 1 if self.spec.full_rank else self.spec.rank
            more = self._scale(self.spec, number) * matrix.rows * factors
            noise[connection.target] = noise.get(connection.target, 0) + more
        loaded = plan.load(self.weights(), noise)
        return {
            name: one._replace(narrow=one.narrow and not noise.get(name, 0))
            for name, one in loaded.items()
        }

    def _workspace(self, plan: Plan, block: int) -> Workspace:
        space = Workspace(plan, 2 * block, 1)
        for number, (connection, matrix) in enumerate(self.network.parameters):
            if self._scale(self.spec, number):
                factors = matrix.columns if self.spec.full_rank else self.spec.rank
                space.factors[connection.name] = Factors(
                    np.zeros((block, factors, self._words(number) + 2), np.uint64),
                    np.zeros((block, factors, padded(matrix.columns)), np.int32),
                )
        return space

    def _draw(self, space: Workspace, count: int, first: int, generation: int) -> None:
        for number, (connection, matrix) in enumerate(self.network.parameters):
            if connection.name not in space.factors:
                continue
            raw = int(weight_noise.noise_words(lane_words.py_func(matrix.columns), True))
            layer_noise.draw_factors(
                0, count, first, self.spec.full_rank, number, self._words(number), matrix.columns,
                self._scale(self.spec, number), generation, self.seed, np.zeros(raw, np.uint64),
                *space.factors[connection.name],
            )  # fmt: skip

    def _fitness(
        self, space: Workspace, readout: fused_chain.Readout, count: int
    ) -> NDArray[np.int64]:
        plan = space.plan
        area, classes = space.areas[plan.output], plan.by_name[plan.output].neurons
        scores = area.potentials if readout.membrane else area.counts
        fused_chain.readout_errors(
            0, count, readout, np.ascontiguousarray(scores[:, :classes]), space.labels,
            np.zeros(classes + 2, np.int64), area.errors, space.fitness,
        )  # fmt: skip
        return space.fitness[:count]

    def sums(
        self, number: int, coefficients: Coefficients, pairs: range, generation: int
    ) -> NDArray[np.int32]:
        """Sums int32 (row, lane) of the noise on a parameter, for one int8 a direction."""
        connection, matrix = self.network.parameters[number]
        names = [population.name for population in self.network.populations]
        return accumulate_matrix_noise(
            (number, matrix.rows, matrix.columns, self._words(number)),
            self.spec,
            names.index(connection.target),
            self.seed,
            coefficients,
            pairs.start,
            generation,
        ).synapses

    def apply_update(
        self,
        coefficients: Any,
        pairs: range,
        generation: int,
        rates: Sequence[Rates],
        batch: Batch | None = None,
    ) -> int:
        """Move every matrix by the utility of each direction; biases stay as they are."""
        if coefficients.dtype != np.int8 or coefficients.shape != (len(pairs),):
            raise NetworkError(
                f"coefficients are {coefficients.dtype} {coefficients.shape}; "
                f"needed is int8 {(len(pairs),)}"
            )
        edges = 0
        for number, (connection, _) in enumerate(self.network.parameters):
            step = Step(
                rates[number], generation, self.seed, self.fraction_bits, self.momentum_bits
            )
            sums = self.sums(number, coefficients, pairs, generation)
            edges += move_matrix(connection, self.state, number, sums, step)
        return edges
