"""Members of any network that the chip emulator runs: each is a run of the emulator with its perturbation.

    fitness      of both members of a pair, from runs without latency between layers (`profiles.LAYERED`)
    noise        E of each matrix by the sums of one direction alone, expanded by the connection's kind
    update       population/update.py, as of `GraphMembers`

Slow, and exact: on a network that `GraphMembers` takes it has the same bits. It is for the others: refractory
periods, ternary neurons, graded spikes, noise of the neurons, registers that end v or reset it, connections
of one sign, sums of currents beyond 32 bits.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.chip import profiles
from neurosim.chip.emulator import Chip, Probe
from neurosim.chip.synapses import synapses_of
from neurosim.chip.wiring import MatrixPerturbation
from neurosim.data.frames import Frames, select
from neurosim.kernels.executors import fused_chain
from neurosim.kernels.readout import COST_BITS
from neurosim.network import Network, NetworkError, with_biases
from neurosim.network.faults import Faults
from neurosim.population.batch import Batch
from neurosim.population.evaluator import Evaluation, Forward, ReadoutSpec
from neurosim.population.graph import check_graph, check_parts
from neurosim.population.graph_evaluator import scaling
from neurosim.population.graph_members import GraphMembers
from neurosim.population.layout import NoiseSpec, check_trainable
from neurosim.population.state import padded

NUMBERS = 1 << 32
"""Numbers of samples that the noise of neurons is drawn for."""


def why_emulated(network: Network) -> str:
    """Why no compiled executor computes this network exactly, by layer and register; "" where one does."""
    try:
        if network.is_dense_chain:
            check_trainable(network)
        else:
            check_graph(network)
    except NetworkError as reason:
        return str(reason)
    return ""


def check_emulated(network: Network) -> None:
    """Raise NetworkError, naming the layer, unless members of the network can be runs of the emulator."""
    check_parts(network)
    for connection, _ in network.parameters:
        low, high = connection.mantissa
        if connection.current_shift < 0:
            raise NetworkError(
                f"connection {connection.name}: weight_exp {connection.weight_exp} shifts weights right by "
                f"{-connection.current_shift}, and learned weights would lose bits; allowed is "
                f"{connection.weight_exp - connection.current_shift} or more"
            )
        if low < np.iinfo(np.int8).min or high > np.iinfo(np.int8).max:
            raise NetworkError(
                f"connection {connection.name}: weights of {connection.weight_bits} bits and sign_mode "
                f"{connection.sign_mode!r}; learned weights have 8 bits with their sign: use weight_bits 7"
            )


class MemberNoise(NamedTuple):
    """Noise of a member: of connections in units of u, of populations in units of v, by their names."""

    matrices: dict[str, MatrixPerturbation]
    biases: dict[str, NDArray[np.int64]]

    def minus(self) -> "MemberNoise":
        """The noise of the other sign."""
        return MemberNoise(
            {name: one._replace(scale=-one.scale) for name, one in self.matrices.items()},
            {name: -biases for name, biases in self.biases.items()},
        )


STILL = MemberNoise({}, {})


class _Run(NamedTuple):
    """Of some samples: scores int64 (sample, class), saturated int64 (sample,), spikes (sample, neuron)."""

    potentials: NDArray[np.int64]
    counts: NDArray[np.int64]
    saturated: NDArray[np.int64]
    spikes: dict[str, NDArray[np.int64]]


class EmulatedMembers(GraphMembers):
    """Any network that the chip emulator runs, learning by evolution strategies on matrices and biases.

    The interface is that of `GraphMembers`, without event-aligned noise and the delta rule. Potentials are
    sums of the output's v after each step, counts are sums of its spikes, those of -1 included. Noise of the
    neurons has another draw for each sample of a generation, the same for all its members.
    """

    @property
    def present(self) -> Faults | None:
        """The faults that the chip has by now."""
        return None

    def _check_network(self, network: Network) -> None:
        check_emulated(network)
        if self._delta:
            raise NetworkError(
                "the delta rule reads traces, which the chip emulator does not keep; let the readout learn "
                "as the other layers do (--output-rule same)"
            )

    def adjust(self, noise: NoiseSpec, readout_spec: ReadoutSpec) -> None:
        """As `Evaluator.adjust`."""
        if any(noise.aligned):
            raise NetworkError(
                "event-aligned noise is added to currents, which members on the chip emulator have on their "
                "weights; use --method eggroll or full-rank"
            )
        super().adjust(noise, readout_spec)

    def _chip(self) -> Chip:
        """The chip with the weights of a generation."""
        held = self.weights()
        return Chip(
            with_biases(self.network, held),
            synapses_of(self.network, held),
            profiles.LAYERED,
            placement=None,
            seed=int(self.seed),
            faults=self.present,
        )

    def evaluate(
        self, batch: Batch, pairs: range, generation: int, part: range | None = None
    ) -> Evaluation:
        """Fitness of both members of each pair, summed over the samples of its group.

        As `Evaluator.evaluate`.
        """
        frames, groups = batch.frames, batch.groups
        self._check_frames(frames)
        part = pairs if part is None else part
        each, places = batch.pairs_of_group(pairs, part), groups.shape[1]
        chip, readout = self._chip(), scaling(self.readout_spec)
        evaluation = Evaluation(
            np.zeros((len(part), 2), np.int64), np.zeros((len(part), 2), np.int64)
        )
        for index, pair in enumerate(part):
            group = (pair - pairs.start) // each
            first = generation * groups.size + group * places
            samples = select(frames, groups[group])
            for side, noise in enumerate(self._members(pair, generation)):
                for begin, run in self._runs(chip, samples, first, noise):
                    scores = run.potentials if readout.membrane else run.counts
                    labels = samples.labels[begin : begin + len(scores)]
                    spikes = np.zeros(len(scores), np.int64)
                    for name in self.hidden:
                        spikes += run.spikes[name].sum(axis=1)
                    fitness = fitness_of(readout, scores, labels, spikes)
                    evaluation.fitness[index, side] += fitness.sum()
                    evaluation.saturated[index, side] += run.saturated.sum()
        return evaluation

    def _members(self, pair: int, generation: int) -> Iterator[MemberNoise]:
        """The noise of both members of a pair: the second one's has a minus sign, even if it is its own."""
        noise = self._noise(pair, 0, generation)
        yield noise
        yield (self._noise(pair, 1, generation) if self.spec.one_sided else noise).minus()

    def _noise(self, pair: int, direction: int, generation: int) -> MemberNoise:
        """The noise of a direction of a pair: what the sums of that direction alone are."""
        only = range(pair, pair + 1)
        utilities = np.zeros(self.spec.directions, np.int8)
        utilities[direction] = 1
        matrices, biases = {}, {}
        for number in self._noisy():
            connection, matrix = self.network.parameters[number]
            drawn = self.sums(number, utilities, only, generation)[:, : matrix.columns]
            scale = self.spec.scale[self._target(number)]
            matrices[connection.name] = MatrixPerturbation(drawn, scale)
        for number, population in enumerate(self.network.populations):
            scale, channels = self.spec.bias_scale[number], population.shape[0]
            if scale:
                drawn = self.sums_of_biases(number, utilities, only, generation)[:channels]
                each = np.repeat(drawn, population.neurons // channels)
                biases[population.name] = scale * each.astype(np.int64)
        return MemberNoise(matrices, biases)

    def _runs(
        self, chip: Chip, frames: Frames, first: int, noise: MemberNoise
    ) -> Iterator[tuple[int, _Run]]:
        """Runs of a few samples at a time; the first sample of each, and what came of it.

        first  number of the first sample, for the noise of neurons
        """
        steps, output = frames.bits.shape[1], self.network.readouts[0]
        of_probe = 8 * steps * self.network.sizes[output]
        block = max(1, self.workspace_bytes // (chip.sample_bytes(steps) + of_probe))
        for begin in range(0, len(frames.labels), block):
            some = select(frames, slice(begin, begin + block))
            count = len(some.labels)
            state = chip.fresh_state(count)
            numbers = ((first + begin) % NUMBERS + np.arange(count)) % NUMBERS
            recorded = chip.run(
                some,
                [Probe(output, "v")],
                state=state._replace(number=numbers),
                perturbations=noise.matrices,
                bias_noise=noise.biases,
            )
            counters = recorded.counters
            yield (
                begin,
                _Run(
                    recorded.probed[0].sum(axis=1),
                    recorded.spikes[output].sum(axis=1, dtype=np.int64),
                    (counters.current_overflows + counters.voltage_saturations).sum(axis=1),
                    {
                        name: np.abs(spikes).sum(axis=1, dtype=np.int64)
                        for name, spikes in recorded.spikes.items()
                    },
                ),
            )

    def forward(self, frames: Frames) -> Forward:
        """As `GraphEvaluator.forward`."""
        self._check_frames(frames)
        count, output = len(frames.labels), self.network.readouts[0]
        names = [*self.hidden, output]
        potentials, counts = np.zeros((2, count, self.network.sizes[output]), np.int64)
        spikes = [np.zeros((count, self.network.sizes[name]), np.uint16) for name in names]
        saturated = np.zeros(count, np.int64)
        for begin, run in self._runs(self._chip(), frames, 0, STILL):
            part = slice(begin, begin + len(run.saturated))
            potentials[part], counts[part] = run.potentials, run.counts
            saturated[part] = run.saturated
            for name, found in zip(names, spikes, strict=True):
                found[part] = run.spikes[name]
        return Forward(potentials, counts, tuple(spikes), saturated)


def fitness_of(
    readout: fused_chain.Readout,
    scores: NDArray[np.int64],
    labels: NDArray[np.uint16],
    spikes: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Fitness int64 (sample,) from scores (sample, class), labels and hidden spikes (sample,)."""
    count, classes = scores.shape
    fitness, errors = np.zeros(count, np.int64), np.zeros((count, padded(classes)), np.int32)
    fused_chain.readout_errors(
        0,
        count,
        readout,
        np.ascontiguousarray(scores),
        labels,
        np.zeros(classes + 2, np.int64),
        errors,
        fitness,
    )
    return fitness - (spikes * readout.spike_cost >> COST_BITS)
