"""How does a chip learn? It rehearses a population of perturbed networks and keeps what scored.

    rehearse(frames, groups, pairs)      -> fitness of both members of every pair
    consolidate(coefficients, rates)     -> one small integer a pair moves the weights
    recall(frames)                       -> what the network as it stands makes of samples

The chip owns the weights. It is told numbers (which pairs, which samples, what a pair was worth) and
never a perturbation: each core draws its noise from the counter generator, twice.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.chain import NoiseSpec, check_noise, check_trainable, lay_out, source_words
from neurosim.frames import Frames, words_for
from neurosim.kernels import aligned, consolidate, delta, perturbation, population, readout, synapse
from neurosim.kernels.lanes import WIDTH, zeros
from neurosim.memory import (
    BIAS_FRACTION_BITS,
    Memory,
    check_fraction_bits,
    padded,
    state_range,
    weights,
)
from neurosim.network import Network, NetworkError, Weights, check_weights
from neurosim.threads import in_pieces

STEPS = limits.Range(1, 255)
"""Time steps of a sample: 255 sums of a 24-bit v still fit 32 bits."""
VOTE_WORDS, VOTE_LANES = 16, 64
"""Votes are counted for 1024 sources and 64 neurons at a time: what is read again and again then stays
in the nearest cache, and the widest layer of the usual network makes six pieces of work for threads."""
INT16_MAX, INT32_MAX = (1 << 15) - 1, (1 << 31) - 1
SAMPLES_AT_ONCE = 2048
"""Samples whose shared currents are held at a time: 10 MB at 10 steps and 128 neurons."""


Coefficients = NDArray[np.int8] | NDArray[np.int16]
"""What pairs were worth: int8 (pair,), or where neurons are given credit by error int16 (pair, lane)."""


class ReadoutSpec(NamedTuple):
    """How the last layer's scores become logits: (score * multiplier) >> shift, units of 2^-10 bit."""

    membrane: bool
    multiplier: int
    shift: int


class Rates(NamedTuple):
    """How far a generation moves a layer: fixed point, `consolidate.RATE_BITS` fraction bits.

    step   mean step of a synapse, in units of its state
    bias   mean step of a bias, in units of its state
    decay  part of its state that a synapse or bias loses
    """

    step: int
    bias: int
    decay: int


class Rehearsal(NamedTuple):
    """What became of a population.

    fitness    int64 (pair, 2): log-likelihood of member +E and -E, in 2^-10 bit; where neurons are
               given credit by error, of the unperturbed network
    saturated  int64 (pair, 2): registers that met their edge
    credits    int16 (pair, lane): what each hidden neuron's own noise was worth to it, where neurons are
               given credit by error; it stays in the cores
    """

    fitness: NDArray[np.int64]
    saturated: NDArray[np.int64]
    credits: NDArray[np.int16] | None = None


class Shown(NamedTuple):
    """Samples as the network without noise meets them: what members share and what rules read.

    groups  int64 (group, place) numbers of `samples`
    trains  uint64 (sample, layer * step * word) spikes of all layers; errors int32 (sample, lane)
    fitness int64 (sample,) log-likelihood of the label
    """

    chain: population.Chain
    samples: population.Samples
    groups: NDArray[np.int64]
    trains: NDArray[np.uint64]
    errors: NDArray[np.int32]
    fitness: NDArray[np.int64]


class Recall(NamedTuple):
    """What the unperturbed network does.

    potentials, counts  int32 (sample, class): sum over steps of the last layer's v, and its spikes
    spikes              one uint16 (sample, neuron) a layer: spikes of each neuron
    saturated           int64 (sample,): registers that met their edge
    """

    potentials: NDArray[np.int32]
    counts: NDArray[np.int32]
    spikes: tuple[NDArray[np.uint16], ...]
    saturated: NDArray[np.int64]


class LearningChip:
    """A chain of dense layers that learns by evolution strategies, in integers throughout."""

    def __init__(
        self,
        network: Network,
        memory: Memory,
        *,
        seed: int,
        noise: NoiseSpec,
        readout_spec: ReadoutSpec,
        fraction_bits: int = 8,
        momentum_bits: int = 3,
        delta_rule: bool = False,
        error_credit: bool = False,
    ) -> None:
        check_trainable(network)
        check_fraction_bits(fraction_bits)
        check_noise(network, noise)
        if error_credit:
            _check_credit(network, noise)
        if not 0 <= seed < 1 << 64:
            raise NetworkError(f"seed is {seed}; allowed are 0..2^64 - 1")
        self.network = network
        self.memory = memory
        self.seed = np.uint64(seed)
        self.spec = noise
        self.readout_spec = readout_spec
        self.fraction_bits = fraction_bits
        self.momentum_bits = momentum_bits
        self.delta = delta_rule
        self.error_credit = error_credit
        self._noise = population.Noise(
            full_rank=noise.full_rank,
            graded=noise.graded,
            rank=noise.rank,
            scale=np.array(noise.scale, np.int64),
            bias_scale=np.array(noise.bias_scale, np.int64),
            seed=self.seed,
            turn=np.array(noise.turns(), np.int64),
            turns=max(1, sum(noise.aligned)),
            period=noise.period,
            window=noise.window,
        )
        self._still = self._noise._replace(
            full_rank=False,
            rank=1,
            scale=np.zeros_like(self._noise.scale),
            bias_scale=np.zeros_like(self._noise.bias_scale),
        )
        self._shown_last: tuple[NDArray[np.uint64], NDArray[np.int64], Shown] | None = None
        self._readout = population.Readout(
            readout_spec.membrane,
            readout_spec.multiplier,
            readout_spec.shift,
            readout.exp2_table(),
            readout.log2_table(),
        )
        check_weights(network, self.weights())

    def weights(self) -> Weights:
        """The weights as the cores use them."""
        return weights(self.memory, self.fraction_bits)

    def _samples(self, chain: population.Chain, frames: Frames) -> population.Samples:
        """What all members share of some samples, computed once."""
        count, steps, _ = frames.bits.shape
        bits = zeros(frames.bits.shape, np.uint64)
        bits[:] = frames.bits
        currents = zeros((count, steps, int(chain.lanes[0])), np.int32)
        reach = np.zeros(count, np.int64)

        def work(begin: int, end: int) -> None:
            axons = np.zeros(int(chain.sources[0]) + synapse.FLATTENED, np.int64)
            synapse.base_currents(begin, end, chain, bits, axons, currents, reach)

        in_pieces(count, 64, work)
        return population.Samples(
            bits,
            np.ascontiguousarray(frames.labels),
            currents,
            reach,
            np.zeros(0, np.uint16),
        )

    def _show(self, frames: Frames, groups: NDArray[np.int64]) -> Shown:
        """Present the samples of some groups to the unperturbed network, and keep what is shared."""
        seen, places = np.unique(groups, return_inverse=True)
        steps = frames.bits.shape[1]
        chain = lay_out(self.network, self.weights(), self.spec, steps)
        samples = self._samples(
            chain, Frames(frames.bits[seen], frames.labels[seen], frames.inputs)
        )
        local = np.ascontiguousarray(places.reshape(groups.shape), np.int64)
        trains = np.zeros((0, 0), np.uint64)
        errors = np.zeros((0, 0), np.int32)
        fitness = np.zeros(len(seen), np.int64)
        if self.delta or any(self.spec.aligned):
            row = chain.layers * steps * chain.spike_words
            trains = np.zeros((len(seen), row), np.uint64)
            gates = np.zeros((len(seen), 4 * row if self.spec.window else 1), np.uint16)
            errors = np.zeros((len(seen), int(chain.lanes[-1])), np.int32)

            def work(begin: int, end: int) -> None:
                room = population.make_room(chain, 1, steps)
                population.present(
                    begin, end, chain, self._still, self._readout, room, samples, self.spec.window,
                    trains, gates, errors, fitness,
                )  # fmt: skip

            in_pieces(len(seen), 64, work)
            samples = samples._replace(gates=gates)
        return Shown(chain, samples, local, trains, errors, fitness)

    def _blocks(self, frames: Frames, groups: NDArray[np.int64]) -> Iterator[tuple[int, Shown]]:
        """Groups a few at a time, so that memory does not grow with the population; first group, shown."""
        at_once = max(1, SAMPLES_AT_ONCE // groups.shape[1])
        if len(groups) > at_once:
            for first in range(0, len(groups), at_once):
                yield first, self._show(frames, groups[first : first + at_once])
            return
        last = self._shown_last
        if last is None or last[0] is not frames.bits or not np.array_equal(last[1], groups):
            self._shown_last = last = (frames.bits, groups.copy(), self._show(frames, groups))
        yield 0, last[2]

    def _check_frames(self, frames: Frames) -> None:
        inputs = self.network.sizes[self.network.connections[0].source]
        if frames.inputs != inputs:
            raise NetworkError(
                f"frames of {frames.inputs} inputs for a network of {inputs}; "
                f"use the data and pooling the network was made for"
            )
        if frames.bits.shape[1] not in STEPS:
            raise NetworkError(
                f"frames of {frames.bits.shape[1]} steps; allowed are {STEPS.low}..{STEPS.high}"
            )
        classes = self.network.populations[-1].neurons
        if frames.labels.size and int(frames.labels.max()) >= classes:
            raise NetworkError(
                f"label {int(frames.labels.max())} for a network of {classes} output neurons"
            )

    def rehearse(
        self,
        frames: Frames,
        groups: NDArray[np.int64],
        pairs: range,
        generation: int,
        part: range | None = None,
    ) -> Rehearsal:
        """Fitness of both members of each pair, summed over the samples of the pair's group.

        groups  int64 (group, place): samples of `frames` that a group sees; the pairs are divided
                among the groups evenly and in order
        pairs   numbers of the pairs, a contiguous range
        part    those of `pairs` to rehearse here, a contiguous range; None: all
        """
        self._check_frames(frames)
        if pairs.step != 1 or len(pairs) == 0 or len(pairs) % len(groups):
            raise NetworkError(
                f"{len(pairs)} pairs for {len(groups)} groups; each group needs the same number, from 1"
            )
        part = pairs if part is None else part
        if part.step != 1 or len(part) == 0 or part[0] not in pairs or part[-1] not in pairs:
            raise NetworkError(
                f"{part} to rehearse of {pairs}; needed is a range within, from 1 pair"
            )
        each = len(pairs) // len(groups)
        first_group = (part.start - pairs.start) // each
        touched = groups[first_group : (part[-1] - pairs.start) // each + 1]
        origin = pairs.start + first_group * each
        begin, end = part.start - origin, part.stop - origin
        fitness = np.zeros((len(touched) * each, 2), np.int64)
        saturated = np.zeros_like(fitness)
        credits = None
        if self.error_credit:
            self._check_terms(len(pairs), groups)
            lanes = padded(self.network.populations[0].neurons)
            credits = np.zeros((len(fitness), lanes), np.int16)
        for first, shown in self._blocks(frames, touched):
            at = first * each
            block = slice(at, at + len(shown.groups) * each)
            wanted = max(begin - at, 0), min(end, block.stop) - at
            numbered = shown, each, origin + at, generation, wanted
            if credits is None:
                self._rehearse_block(*numbered, fitness[block], saturated[block])
            else:
                largest = self._largest_credit(len(pairs), len(groups), frames.bits.shape[1])
                self._credit_block(*numbered, largest, credits[block], saturated[block])
                of_sample = shown.fitness[shown.groups[:, 0]]
                fitness[block] = np.repeat(of_sample, each)[:, None]
        mine = slice(begin, end)
        return Rehearsal(fitness[mine], saturated[mine], None if credits is None else credits[mine])

    def _rehearse_block(
        self,
        shown: Shown,
        each: int,
        first_pair: int,
        generation: int,
        wanted: tuple[int, int],
        fitness: NDArray[np.int64],
        saturated: NDArray[np.int64],
    ) -> None:
        def work(begin: int, end: int) -> None:
            room = population.make_room(shown.chain, self.spec.rank, shown.samples.frames.shape[1])
            population.evaluate_pairs(
                begin, end, shown.chain, self._noise, self._readout, room, shown.samples,
                shown.groups, each, first_pair, generation, fitness, saturated,
            )  # fmt: skip

        self._in_pieces(wanted, work)

    def _credit_block(
        self,
        shown: Shown,
        each: int,
        first_pair: int,
        generation: int,
        wanted: tuple[int, int],
        largest: int,
        credits: NDArray[np.int16],
        saturated: NDArray[np.int64],
    ) -> None:
        def work(begin: int, end: int) -> None:
            room = population.make_room(shown.chain, 1, shown.samples.frames.shape[1])
            population.credit_pairs(
                begin, end, shown.chain, self._noise, room, shown.samples, shown.groups, each, first_pair,
                generation, shown.errors, np.zeros(shown.chain.width, np.int32), largest, credits, saturated,
            )  # fmt: skip

        self._in_pieces(wanted, work)

    @staticmethod
    def _in_pieces(wanted: tuple[int, int], work: Callable[[int, int], None]) -> None:
        """Call `work` for pieces of the pairs from wanted[0] up to wanted[1]."""
        at, count = wanted[0], wanted[1] - wanted[0]
        piece = max(16, min(1024, count // 16))
        in_pieces(count, piece, lambda begin, end: work(at + begin, at + end))

    def _largest_credit(self, pairs: int, groups: int, steps: int) -> int:
        """So that what a group adds for a spike fits 16 bits, and a synapse's votes 32."""
        connection, classes = self.network.layers[-1][0], self.network.populations[-1].neurons
        largest = self._largest_trace(steps) * classes * delta.ERROR_ONE * -connection.mantissa[0]
        if largest > INT32_MAX:
            raise NetworkError(
                f"credit by error over {steps} steps and {classes} classes could overflow 32 bits; "
                f"raise dv, or use fewer steps"
            )
        number = perturbation.GRADED_OFFSET if self.spec.graded else 1
        of_group = pairs // groups * number
        return min(INT16_MAX // of_group, INT32_MAX // (of_group * groups * steps))

    def consolidate(
        self,
        coefficients: Coefficients,
        pairs: range,
        generation: int,
        rates: Sequence[Rates],
        frames: Frames | None = None,
        groups: NDArray[np.int64] | None = None,
    ) -> int:
        """Move the weights by what the pairs were worth; return how many synapses stand at their edge.

        coefficients    int8 (pair,): one small integer for each of `pairs`; where neurons are given
                        credit by error, the int16 (pair, lane) `credits` of the rehearsal
        rates           one for each layer
        frames, groups  as they were rehearsed: rules that present the samples again need them
        """
        lanes = padded(self.network.populations[0].neurons)
        kind, shape = (
            (np.int16, (len(pairs), lanes)) if self.error_credit else (np.int8, (len(pairs),))
        )
        if coefficients.dtype != kind or coefficients.shape != shape:
            raise NetworkError(
                f"coefficients are {coefficients.dtype} {coefficients.shape}; "
                f"needed is {np.dtype(kind)} {shape}"
            )
        largest = perturbation.GRADED_OFFSET**2 if self.spec.graded else 1
        if len(pairs) * self.spec.rank * largest * 128 >= 1 << 31:
            raise NetworkError(
                f"{len(pairs)} pairs of rank {self.spec.rank} could overflow a 32-bit vote; "
                f"allowed are {((1 << 31) - 1) // (self.spec.rank * largest * 128)}"
            )
        votes = [
            self.votes(layer, coefficients, pairs, generation)
            for layer in range(len(self.network.layers))
        ]
        if self.delta or any(self.spec.aligned):
            if frames is None or groups is None:
                raise NetworkError("this rule presents the samples again: give frames and groups")
            self._check_terms(len(pairs), groups)
            self._check_traces(frames.bits.shape[1], groups.size)
            each = len(pairs) // len(groups)
            for first, shown in self._blocks(frames, groups):
                block = slice(first * each, (first + len(shown.groups)) * each)
                first_pair = pairs.start + first * each
                self._present_again(shown, coefficients[block], first_pair, generation, votes)
        self._shown_last = None
        return sum(
            self._move(layer, *votes[layer], generation, rate) for layer, rate in enumerate(rates)
        )

    def _check_terms(self, pairs: int, groups: NDArray[np.int64]) -> None:
        largest = perturbation.GRADED_OFFSET if self.spec.graded else 1
        if any(self.spec.aligned):
            each = pairs // len(groups)
            if groups.shape[1] != 1 or each * largest * 128 >= 1 << 15:
                raise NetworkError(
                    f"event-aligned noise with {groups.shape[1]} samples and {each} pairs a group; "
                    f"allowed are 1 sample and {((1 << 15) - 1) // (largest * 128)} pairs"
                )

    def _largest_trace(self, steps: int) -> int:
        last = self.network.populations[-1]
        return delta.largest_trace(int(last.each("du")[0]) + 1, int(last.each("dv")[0]), steps)

    def _check_traces(self, steps: int, samples: int) -> None:
        if not self.delta:
            return
        largest = self._largest_trace(steps) * delta.ERROR_ONE
        if samples * largest >= 1 << 31:
            raise NetworkError(
                f"the delta rule on {samples} samples of {steps} steps could overflow a 32-bit vote; "
                f"allowed are {((1 << 31) - 1) // largest} samples: lower groups or batch, or raise dv"
            )

    def votes(
        self, layer: int, coefficients: Coefficients, pairs: range, generation: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Votes of noise on weights: for the synapses (source, lane) and biases (lane,) of a layer."""
        connection, population_ = self.network.layers[layer]
        sources, neurons = self.network.sizes[connection.source], population_.neurons
        lanes = padded(neurons)
        words = source_words(self.network, layer)
        votes = zeros((sources, lanes), np.int32)
        of_biases = np.zeros(lanes, np.int32)
        if self.spec.of_layer(layer):
            return votes, of_biases
        rank, graded = self.spec.rank, self.spec.graded
        field = int(perturbation.noise_words(((lanes + 127) >> 7) << 1, True))
        planes = int(perturbation.planes_of(graded))
        used = -(-sources // 128) * 2
        parts = -(-lanes // VOTE_LANES)

        def low_rank(begin: int, end: int) -> None:
            sums, bits = (
                zeros((256, 2 * WIDTH), np.int16),
                zeros(planes * VOTE_WORDS * 64, np.uint64),
            )
            drawn = zeros(6 * VOTE_WORDS, np.uint64)
            for piece in range(begin, end):
                word, lane = piece // parts * VOTE_WORDS, piece % parts * VOTE_LANES
                last_lane = min(lane + VOTE_LANES, lanes)
                consolidate.low_rank_votes(
                    word, min(word + VOTE_WORDS, used), lane, last_lane, layer, sources, neurons, words,
                    rank, graded, coefficients, pairs.start, generation, self.seed, drawn, bits,
                    zeros((64, last_lane - lane), np.int16), sums, zeros(field, np.uint64), votes,
                )  # fmt: skip

        def full_rank(begin: int, end: int) -> None:
            wide = words_for(sources)
            consolidate.full_rank_votes(
                begin, end, layer, sources, words, graded, coefficients, pairs.start, generation,
                self.seed, zeros(6 * wide, np.uint64), zeros(planes * 64 * wide, np.uint64),
                zeros(64 * wide, np.uint64), votes,
            )  # fmt: skip

        if self.spec.scale[layer] and self.spec.full_rank:
            in_pieces(neurons, max(1, -(-neurons // 8)), full_rank)
        elif self.spec.scale[layer]:
            in_pieces(-(-used // VOTE_WORDS) * parts, 1, low_rank)
        if self.spec.bias_scale[layer]:
            consolidate.bias_votes(
                layer, neurons, graded, coefficients, pairs.start, generation, self.seed,
                np.zeros(lanes, np.int32), np.zeros(field, np.uint64), of_biases,
            )  # fmt: skip
        return votes, of_biases

    def _present_again(
        self,
        shown: Shown,
        coefficients: Coefficients,
        first_pair: int,
        generation: int,
        votes: list[tuple[NDArray[np.int32], NDArray[np.int32]]],
    ) -> None:
        """Add the votes of the rules that read the spikes themselves."""
        chain, samples = shown.chain, shown.samples
        steps = samples.frames.shape[1]
        row = steps * chain.spike_words
        by_group = coefficients.reshape(len(shown.groups), -1)
        told = np.flatnonzero(by_group.any(axis=1))  # the others would add nothing
        groups = np.ascontiguousarray(shown.groups[told, 0])
        numbers = np.arange(len(coefficients)).reshape(len(shown.groups), -1)[told].reshape(-1)
        for layer, turn in enumerate(self.spec.turns()):
            if turn < 0 or not self.spec.scale[layer]:
                continue
            spikes = samples.frames if layer == 0 else shown.trains
            spikes_row = spikes[0].size
            spikes_at = 0 if layer == 0 else (layer - 1) * row
            of_synapses, of_biases = votes[layer]
            worth = coefficients[numbers].astype(np.int16)
            if worth.ndim == 1:  # of a pair: the same for all neurons
                worth = np.repeat(worth[:, None], of_synapses.shape[1], axis=1)
            terms = self._terms(shown, layer, turn, worth, groups, first_pair + numbers, generation)

            def work(
                begin: int,
                end: int,
                layer: int = layer,
                spikes: NDArray[np.uint64] = spikes,
                spikes_row: int = spikes_row,
                spikes_at: int = spikes_at,
                terms: NDArray[np.int16] = terms,
                of_synapses: NDArray[np.int32] = of_synapses,
            ) -> None:
                bits = np.zeros((end - begin) * 64 * aligned.PRESENTED, np.uint64)
                aligned.aligned_votes(
                    begin, end, int(chain.sources[layer]), int(chain.words[layer]), spikes, spikes_row,
                    spikes_at, groups, terms, bits, of_synapses,
                )  # fmt: skip

            used = -(-int(chain.sources[layer]) // 64)
            in_pieces(used, max(1, -(-used // 8)), work)
            sums = terms.sum(axis=(1, 2), dtype=np.int32).reshape(-1)
            of_biases += sums[: len(of_biases)]
        if self.delta:
            last = chain.layers - 1
            neurons_in = int(chain.sources[last])
            delta.delta_votes(
                last, chain.decays, shown.trains.view(np.uint16), shown.errors,
                np.ascontiguousarray(shown.groups.reshape(-1)), neurons_in, chain.spike_words, steps,
                np.zeros(padded(neurons_in), np.int32), *votes[last],
            )  # fmt: skip

    def _terms(
        self,
        shown: Shown,
        layer: int,
        turn: int,
        worth: NDArray[np.int16],
        groups: NDArray[np.int64],
        pairs: NDArray[np.int64],
        generation: int,
    ) -> NDArray[np.int16]:
        """What a synapse of an event-aligned layer adds for a spike: int16 (column, group, step, 64)."""
        chain, samples = shown.chain, shown.samples
        neurons = int(chain.neurons[layer])
        columns = -(-int(chain.lanes[layer]) // aligned.COLUMN)
        shape = (columns, len(groups), samples.frames.shape[1], aligned.COLUMN)
        terms = np.zeros(shape, np.int16)
        field = int(perturbation.noise_words(-(-neurons // 128) * 2, True))

        def work(begin: int, end: int) -> None:
            aligned.aligned_terms(
                begin, end, layer, neurons, self.spec.graded, self.spec.period, self.spec.window,
                turn, self._noise.turns, worth, groups, pairs, generation, self.seed,
                samples.gates, 4 * chain.spike_words, np.zeros(field, np.uint64), terms,
            )  # fmt: skip

        in_pieces(len(groups), 64, work)
        return terms

    def _move(
        self,
        layer: int,
        direction: NDArray[np.int32],
        of_biases: NDArray[np.int32],
        generation: int,
        rates: Rates,
    ) -> int:
        connection, population_ = self.network.layers[layer]
        neurons = population_.neurons
        if self.memory.momentum:
            kept, votes = self.memory.momentum[layer], direction
            in_pieces(
                len(votes),
                512,
                lambda begin, end: consolidate.gather_momentum(
                    begin, end, kept, self.momentum_bits, votes
                ),
            )
            direction = kept
        state, biases = self.memory.synapses[layer], self.memory.biases[layer]
        low, high = state_range(connection, self.fraction_bits)
        rate = _per_vote(rates.step, direction[:, :neurons])
        edges: list[int] = []

        def work(begin: int, end: int) -> None:
            random = np.zeros(direction.shape[1] // 4, np.uint64)
            standing = consolidate.move_synapses(
                begin, end, layer, generation, self.seed, direction, rate, rates.decay, low, high,
                random, state,
            )  # fmt: skip
            edges.append(standing)

        in_pieces(len(state), 1024, work)
        half = 1 << (BIAS_FRACTION_BITS - 1)
        consolidate.move_biases(
            layer, generation, self.seed, of_biases, _per_vote(rates.bias, of_biases[:neurons]),
            rates.decay, limits.BIAS_MANT.low << BIAS_FRACTION_BITS,
            (limits.BIAS_MANT.high << BIAS_FRACTION_BITS) + half - 1,
            np.zeros(-(-neurons // 8) * 2, np.uint64), biases,
        )  # fmt: skip
        return sum(edges)

    def recall(self, frames: Frames) -> Recall:
        """Run the network as it stands on samples."""
        self._check_frames(frames)
        count, steps, _ = frames.bits.shape
        chain = lay_out(self.network, self.weights(), _quiet(self.network), steps)
        classes = int(chain.neurons[-1])
        potentials, counts = np.zeros((2, count, classes), np.int32)
        spikes = np.zeros((count, int(chain.neurons.sum())), np.uint16)
        saturated = np.zeros(count, np.int64)
        for first in range(0, count, SAMPLES_AT_ONCE):
            part = slice(first, first + SAMPLES_AT_ONCE)
            samples = self._samples(
                chain, Frames(frames.bits[part], frames.labels[part], frames.inputs)
            )
            views = (potentials[part], counts[part], spikes[part], saturated[part])

            def work(
                begin: int,
                end: int,
                samples: population.Samples = samples,
                views: tuple[NDArray[np.generic], ...] = views,
            ) -> None:
                room = population.make_room(chain, 1, steps)
                population.forward(begin, end, chain, self._still, room, samples, *views)

            in_pieces(len(views[0]), 128, work)
        edges = np.cumsum(chain.neurons)[:-1]
        return Recall(potentials, counts, tuple(np.split(spikes, edges, axis=1)), saturated)


def _check_credit(network: Network, noise: NoiseSpec) -> None:
    """Raise NetworkError unless the readout's errors can tell the noise of each neuron what it was worth."""
    if len(network.layers) != 2 or noise.aligned != (True, False):
        raise NetworkError(
            f"credit by error with {len(network.layers)} layers and event-aligned noise {noise.aligned}; "
            f"it needs one hidden layer, event-aligned noise on it and none on the readout"
        )
    sources, classes = network.populations[0].neurons, network.populations[1].neurons
    if noise.scale[1] or any(noise.bias_scale):
        raise NetworkError(
            f"credit by error with noise scale {noise.scale} and bias_scale {noise.bias_scale}; "
            f"the readout ({sources} to {classes}) and biases carry none: they learn from errors"
        )


def _quiet(network: Network) -> NoiseSpec:
    zeros = (0,) * len(network.layers)
    return NoiseSpec(scale=zeros, bias_scale=zeros)


def _per_vote(step: int, votes: NDArray[np.int32]) -> int:
    """Rate that makes the mean step `step`: step / mean(|votes|), fixed point."""
    total = int(np.abs(votes).sum(dtype=np.int64))  # votes stay above -2^31
    return step * votes.size // total if total else 0
