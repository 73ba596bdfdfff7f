"""How does a chip learn? It rehearses a population of perturbed networks and keeps what scored.

    rehearse(frames, groups, pairs)      -> fitness of both members of every pair
    consolidate(coefficients, rates)     -> one small integer a pair moves the weights
    recall(frames)                       -> what the network as it stands makes of samples

The chip owns the weights. It is told numbers (which pairs, which samples, what a pair was worth) and
never a perturbation: each core draws its noise from the counter generator, twice.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.chain import NoiseSpec, check_noise, check_trainable, lay_out, source_words
from neurosim.frames import Frames
from neurosim.kernels import consolidate, perturbation, population, readout, synapse
from neurosim.kernels.lanes import WIDTH
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
SAMPLES_AT_ONCE = 2048
"""Samples whose shared currents are held at a time: 10 MB at 10 steps and 128 neurons."""


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
    """fitness int64 (pair, 2): member +E and -E, in 2^-10 bit; saturated int64 (pair, 2) registers."""

    fitness: NDArray[np.int64]
    saturated: NDArray[np.int64]


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
    ) -> None:
        check_trainable(network)
        check_fraction_bits(fraction_bits)
        check_noise(network, noise)
        if not 0 <= seed < 1 << 64:
            raise NetworkError(f"seed is {seed}; allowed are 0..2^64 - 1")
        self.network = network
        self.memory = memory
        self.seed = np.uint64(seed)
        self.spec = noise
        self.readout_spec = readout_spec
        self.fraction_bits = fraction_bits
        self.momentum_bits = momentum_bits
        self._noise = population.Noise(
            noise.full_rank,
            noise.graded,
            noise.rank,
            np.array(noise.scale, np.int64),
            np.array(noise.bias_scale, np.int64),
            self.seed,
        )
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
        bits = np.ascontiguousarray(frames.bits)
        counts = np.zeros((count, steps), np.int32)
        currents = np.zeros((count, steps, int(chain.lanes[0])), np.int32)
        reach = np.zeros(count, np.int64)

        def work(begin: int, end: int) -> None:
            axons = np.zeros(int(chain.sources[0]), np.int64)
            synapse.base_currents(begin, end, chain, bits, axons, counts, currents, reach)

        in_pieces(count, 64, work)
        return population.Samples(
            bits, np.ascontiguousarray(frames.labels), counts, currents, reach
        )

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
        self, frames: Frames, groups: NDArray[np.int64], pairs: range, generation: int
    ) -> Rehearsal:
        """Fitness of both members of each pair, summed over the samples of the pair's group.

        groups  int64 (group, place): samples of `frames` that a group sees; the pairs are divided
                among the groups evenly and in order
        pairs   numbers of the pairs, a contiguous range
        """
        self._check_frames(frames)
        if pairs.step != 1 or len(pairs) == 0 or len(pairs) % len(groups):
            raise NetworkError(
                f"{len(pairs)} pairs for {len(groups)} groups; each group needs the same number, from 1"
            )
        steps = frames.bits.shape[1]
        chain = lay_out(self.network, self.weights(), self.spec, steps)
        each = len(pairs) // len(groups)
        fitness = np.zeros((len(pairs), 2), np.int64)
        saturated = np.zeros((len(pairs), 2), np.int64)
        at_once = max(1, SAMPLES_AT_ONCE // groups.shape[1])
        for first in range(0, len(groups), at_once):
            some = groups[first : first + at_once]
            seen, places = np.unique(some, return_inverse=True)
            part = Frames(frames.bits[seen], frames.labels[seen], frames.inputs)
            samples = self._samples(chain, part)
            local = np.ascontiguousarray(places.reshape(some.shape), np.int64)
            block = slice(first * each, (first + len(some)) * each)
            scores, edges = fitness[block], saturated[block]
            begin_pair = pairs.start + first * each

            def work(
                begin: int,
                end: int,
                samples: population.Samples = samples,
                local: NDArray[np.int64] = local,
                begin_pair: int = begin_pair,
                scores: NDArray[np.int64] = scores,
                edges: NDArray[np.int64] = edges,
            ) -> None:
                room = population.make_room(chain, self.spec.rank, steps)
                population.evaluate_pairs(
                    begin, end, chain, self._noise, self._readout, room, samples, local, each,
                    begin_pair, generation, scores, edges,
                )  # fmt: skip

            in_pieces(len(scores), max(16, min(1024, len(scores) // 16)), work)
        return Rehearsal(fitness, saturated)

    def consolidate(
        self, coefficients: NDArray[np.int8], pairs: range, generation: int, rates: Sequence[Rates]
    ) -> int:
        """Move the weights by what the pairs were worth; return how many synapses stand at their edge.

        coefficients  int8 (pair,): one small integer for each of `pairs`
        rates         one for each layer
        """
        if coefficients.dtype != np.int8 or coefficients.shape != (len(pairs),):
            raise NetworkError(
                f"coefficients are {coefficients.dtype} {coefficients.shape}; needed is int8 ({len(pairs)},)"
            )
        largest = perturbation.GRADED_OFFSET**2 if self.spec.graded else 1
        if len(pairs) * self.spec.rank * largest * 128 >= 1 << 31:
            raise NetworkError(
                f"{len(pairs)} pairs of rank {self.spec.rank} could overflow a 32-bit vote; "
                f"allowed are {((1 << 31) - 1) // (self.spec.rank * largest * 128)}"
            )
        return sum(
            self._consolidate_layer(index, coefficients, pairs, generation, rate)
            for index, rate in enumerate(rates)
        )

    def votes(
        self, layer: int, coefficients: NDArray[np.int8], pairs: range, generation: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Votes for the synapses (source, lane) and the biases (lane,) of one layer."""
        connection, population_ = self.network.layers[layer]
        sources, neurons = self.network.sizes[connection.source], population_.neurons
        lanes = padded(neurons)
        words = source_words(self.network, layer)
        votes = np.zeros((sources, lanes), np.int32)
        of_biases = np.zeros(lanes, np.int32)
        rank, graded = self.spec.rank, self.spec.graded
        field = int(perturbation.noise_words(((lanes + 127) >> 7) << 1, True))

        def low_rank(begin: int, end: int) -> None:
            begin, end = 2 * begin, min(2 * end, words)
            wide = end - begin
            consolidate.low_rank_votes(
                begin, end, layer, sources, neurons, words, rank, graded, coefficients, pairs.start,
                generation, self.seed, np.zeros(6 * wide, np.uint64), np.zeros(64 * wide, np.uint64),
                np.zeros(64 * lanes, np.int32), np.zeros(256 * WIDTH, np.int32),
                np.zeros(field, np.uint64), votes,
            )  # fmt: skip

        def full_rank(begin: int, end: int) -> None:
            consolidate.full_rank_votes(
                begin, end, layer, sources, words, graded, coefficients, pairs.start, generation,
                self.seed, np.zeros(6 * words, np.uint64), np.zeros(64 * words, np.uint64),
                np.zeros(256, np.int32), votes,
            )  # fmt: skip

        if self.spec.scale[layer] and self.spec.full_rank:
            in_pieces(neurons, max(1, -(-neurons // 8)), full_rank)
        elif self.spec.scale[layer]:
            used = -(-sources // 128)
            in_pieces(used, max(1, -(-used // 4)), low_rank)
        if self.spec.bias_scale[layer]:
            consolidate.bias_votes(
                layer, neurons, graded, coefficients, pairs.start, generation, self.seed,
                np.zeros(lanes, np.int32), np.zeros(field, np.uint64), of_biases,
            )  # fmt: skip
        return votes, of_biases

    def _consolidate_layer(
        self,
        layer: int,
        coefficients: NDArray[np.int8],
        pairs: range,
        generation: int,
        rates: Rates,
    ) -> int:
        connection, population_ = self.network.layers[layer]
        neurons = population_.neurons
        direction, of_biases = self.votes(layer, coefficients, pairs, generation)
        if self.memory.momentum:
            kept = self.memory.momentum[layer]
            votes = direction
            in_pieces(
                len(votes), 512,
                lambda begin, end: consolidate.gather_momentum(begin, end, kept, self.momentum_bits, votes),
            )  # fmt: skip
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
        silent = np.zeros(len(self.network.layers), np.int64)
        still = self._noise._replace(full_rank=False, rank=1, scale=silent, bias_scale=silent)
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
                population.forward(begin, end, chain, still, room, samples, *views)

            in_pieces(len(views[0]), 128, work)
        edges = np.cumsum(chain.neurons)[:-1]
        return Recall(potentials, counts, tuple(np.split(spikes, edges, axis=1)), saturated)


def _quiet(network: Network) -> NoiseSpec:
    zeros = (0,) * len(network.layers)
    return NoiseSpec(scale=zeros, bias_scale=zeros)


def _per_vote(step: int, votes: NDArray[np.int32]) -> int:
    """Rate that makes the mean step `step`: step / mean(|votes|), fixed point."""
    total = int(np.abs(votes.astype(np.int64)).sum())
    return step * votes.size // total if total else 0
