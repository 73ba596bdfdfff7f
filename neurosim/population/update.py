"""Which way do the rules vote, and how far do weights follow? One small integer a direction moves a layer.

votes of noise on weights   f_i E_i summed over directions, the noise drawn again    weight_votes
... on currents             c_ik xi_ik(t) for every spike, presented again           add_presented
... of the delta rule       errors times traces of the unperturbed presentation      add_delta
move                        by momentum and rate, rounded at random
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.data.frames import words_for
from neurosim.kernels.executors import fused_chain as members
from neurosim.kernels.noise import weight_noise
from neurosim.kernels.rules import delta, event_aligned, weight_update
from neurosim.kernels.simd import TWIN, WIDTH, WORDS, zeros
from neurosim.network import Network
from neurosim.population.layout import NoiseSpec, source_words
from neurosim.population.state import BIAS_FRACTION_BITS, Memory, padded, state_range
from neurosim.threads import balanced, in_pieces, piece_of

VOTE_WORDS, VOTE_LANES = 20, 256
"""Votes are counted for at most 1280 sources and 256 neurons at a time: their noise, and the sums that it
looks up, then stay in the nearest cache, and the votes in the next. Pieces share no source: two threads that
wrote to the two ends of the same rows would wait for each other's lines."""
MOVED = 1 << 15
"""Synapses that one thread moves about as soon as another wakes: 50 microseconds."""

Coefficients = NDArray[np.int8] | NDArray[np.int16]
"""What directions were worth: int8 (direction,), or where neurons are given credit by error int16
(direction, lane)."""


class Rates(NamedTuple):
    """How far a generation moves a layer: fixed point, `weight_update.RATE_BITS` fraction bits.

    step   mean step of a synapse, in units of its state
    bias   mean step of a bias, in units of its state
    decay  part of its state that a synapse or bias loses
    """

    step: int
    bias: int
    decay: int


class Votes(NamedTuple):
    """Of a layer: synapses int32 (source, lane), biases int32 (lane,)."""

    synapses: NDArray[np.int32]
    biases: NDArray[np.int32]


class Shown(NamedTuple):
    """Samples as the network without noise meets them: what members share and what rules read.

    groups  int64 (group, place) numbers of `samples`
    trains  uint64 (sample, layer * step * word) spikes of the hidden layers; errors int32 (sample, lane)
    fitness int64 (sample,) log-likelihood of the label
    """

    chain: members.Chain
    samples: members.Samples
    groups: NDArray[np.int64]
    trains: NDArray[np.uint64]
    errors: NDArray[np.int32]
    fitness: NDArray[np.int64]


def weight_votes(
    network: Network,
    spec: NoiseSpec,
    seed: np.uint64,
    layer: int,
    coefficients: Coefficients,
    first_direction: int,
    generation: int,
) -> Votes:
    """Votes of the noise on a layer's weights; coefficients int8 of directions from `first_direction` on."""
    connection, population = network.layers[layer]
    sources, neurons = network.sizes[connection.source], population.neurons
    lanes = padded(neurons)
    words = source_words(network, layer)
    votes = zeros((sources, lanes), np.int32)
    of_biases = np.zeros(lanes, np.int32)
    if spec.of_layer(layer):
        return Votes(votes, of_biases)
    rank, graded = spec.rank, spec.graded
    field = int(weight_noise.noise_words(((lanes + 127) >> 7) << 1, True))
    planes = int(weight_noise.planes_of(graded))
    used = -(-sources // 128) * 2
    bit_words = -(-VOTE_WORDS // WORDS) * WORDS

    def low_rank(begin: int, end: int) -> None:
        """Votes for a range of pairs of words of sources."""
        drawn, bits = zeros(6 * VOTE_WORDS, np.uint64), zeros(planes * 64 * bit_words, np.uint64)
        sums, raw = zeros((256, 2 * TWIN), np.int16), zeros(field, np.uint64)
        for left in range(0, lanes, VOTE_LANES):
            right = min(left + VOTE_LANES, lanes)
            terms = zeros((64, -(-(right - left) // TWIN) * TWIN), np.int16)
            weight_update.low_rank_votes(
                2 * begin, 2 * end, left, right, layer, sources, neurons, words, rank, graded,
                coefficients, first_direction, generation, seed, drawn, bits, terms, sums, raw, votes,
            )  # fmt: skip

    def full_rank(begin: int, end: int) -> None:
        wide = words_for(sources)
        weight_update.full_rank_votes(
            begin, end, layer, sources, words, graded, coefficients, first_direction, generation,
            seed, zeros(6 * wide, np.uint64), zeros(planes * 64 * wide, np.uint64),
            zeros(64 * wide, np.uint64), votes,
        )  # fmt: skip

    if spec.scale[layer] and spec.full_rank:
        in_pieces(neurons, max(1, -(-neurons // 8)), full_rank)
    elif spec.scale[layer]:
        in_pieces(used // 2, piece_of(used // 2, VOTE_WORDS // 2), low_rank)
    if spec.bias_scale[layer]:
        weight_update.bias_votes(
            layer, neurons, graded, coefficients, first_direction, generation, seed,
            np.zeros(lanes, np.int32), np.zeros(field, np.uint64), of_biases,
        )  # fmt: skip
    return Votes(votes, of_biases)


def add_presented(
    spec: NoiseSpec,
    seed: np.uint64,
    shown: Shown,
    coefficients: Coefficients,
    first_direction: int,
    generation: int,
    votes: list[Votes],
) -> None:
    """Add the votes of event-aligned noise: the samples are presented again, and the noise is drawn again.

    coefficients  of the directions from number `first_direction` on, which saw the groups of `shown` in
                  order
    """
    chain, samples = shown.chain, shown.samples
    steps = samples.frames.shape[1]
    row = steps * chain.spike_words
    by_group = coefficients.reshape(len(shown.groups), -1)
    told = np.flatnonzero(by_group.any(axis=1))  # the others would add nothing
    groups = np.ascontiguousarray(shown.groups[told, 0])
    numbers = np.arange(len(coefficients)).reshape(len(shown.groups), -1)[told].reshape(-1)
    for layer, turn in enumerate(spec.turns()):
        if turn < 0 or not spec.scale[layer]:
            continue
        spikes = samples.frames if layer == 0 else shown.trains
        spikes_row = spikes[0].size
        spikes_at = 0 if layer == 0 else (layer - 1) * row
        of_synapses, of_biases = votes[layer]
        worth = np.take(coefficients, numbers, axis=0).astype(np.int16, copy=False)
        if worth.ndim == 1:  # of a direction: the same for all neurons
            worth = np.repeat(worth[:, None], of_synapses.shape[1], axis=1)
        directions = first_direction + numbers
        terms = _terms(spec, seed, shown, layer, worth, groups, directions, generation)

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
            bits = zeros(event_aligned.MOMENTS * WORDS, np.uint64)
            event_aligned.aligned_votes(
                begin, end, int(chain.sources[layer]), int(chain.words[layer]), spikes, spikes_row,
                spikes_at, groups, steps, terms, bits, of_synapses,
            )  # fmt: skip

        used = -(-int(chain.sources[layer]) // 64)
        in_pieces(used, max(1, min(WORDS, -(-used // 8))), work)
        event_aligned.aligned_bias_votes(len(groups) * steps, terms, of_biases)


def _terms(
    spec: NoiseSpec,
    seed: np.uint64,
    shown: Shown,
    layer: int,
    worth: NDArray[np.int16],
    groups: NDArray[np.int64],
    directions: NDArray[np.int64],
    generation: int,
) -> NDArray[np.int16]:
    """What a synapse of an event-aligned layer adds for a spike: see `event_aligned.aligned_terms`."""
    chain, samples = shown.chain, shown.samples
    neurons, steps = int(chain.neurons[layer]), samples.frames.shape[1]
    terms = zeros(len(groups) * steps * worth.shape[1], np.int16)
    words = -(-neurons // 128) * 2
    field = int(weight_noise.noise_words(words, True)) if spec.graded else steps * words

    def work(begin: int, end: int) -> None:
        event_aligned.aligned_terms(
            begin, end, layer, neurons, spec.graded, spec.period, spec.window,
            spec.turns()[layer], max(1, sum(spec.aligned)), worth, groups, directions, generation, seed,
            samples.gates, 4 * chain.spike_words, steps, np.zeros(field, np.uint64), terms,
        )  # fmt: skip

    in_pieces(len(groups), 64, work)
    return terms


def add_delta(shown: Shown, votes: Votes) -> None:
    """Add the votes of the delta rule to those of the last layer."""
    chain, steps = shown.chain, shown.samples.frames.shape[1]
    last = chain.layers - 1
    neurons_in = int(chain.sources[last])
    groups = np.ascontiguousarray(shown.groups.reshape(-1))
    trains = shown.trains.view(np.uint16)

    def work(begin: int, end: int) -> None:
        delta.delta_votes(
            begin, end, last, chain.decays, trains, shown.errors, groups, neurons_in,
            chain.spike_words, steps, zeros(WIDTH, np.int32), votes.synapses,
        )  # fmt: skip

    vectors = padded(neurons_in) // WIDTH
    in_pieces(vectors, max(1, -(-vectors // 8)), work)
    delta.delta_bias_votes(shown.errors, groups, votes.biases)


def move(
    network: Network,
    memory: Memory,
    layer: int,
    votes: Votes,
    rates: Rates,
    generation: int,
    seed: np.uint64,
    fraction_bits: int,
    momentum_bits: int,
) -> int:
    """Move a layer's weights in the direction of its votes; return how many synapses stand at their edge."""
    direction, of_biases = votes
    connection, population = network.layers[layer]
    neurons = population.neurons
    state, biases = memory.synapses[layer], memory.biases[layer]
    piece = balanced(len(state), -(-MOVED // direction.shape[1]))
    if memory.momentum:
        kept, voted = memory.momentum[layer], direction
        in_pieces(
            len(voted),
            piece,
            lambda begin, end: weight_update.gather_momentum(
                begin, end, kept, momentum_bits, voted
            ),
        )
        direction = kept
    low, high = state_range(connection, fraction_bits)
    rate = _per_vote(rates.step, weight_update.absolute_sum(direction), state.size)
    edges: list[int] = []

    def work(begin: int, end: int) -> None:
        random = np.zeros(direction.shape[1] // 4, np.uint64)
        standing = weight_update.move_synapses(
            begin, end, layer, generation, seed, direction, rate, rates.decay, low, high,
            random, state,
        )  # fmt: skip
        edges.append(standing)

    in_pieces(len(state), piece, work)
    half = 1 << (BIAS_FRACTION_BITS - 1)
    weight_update.move_biases(
        layer, generation, seed, of_biases,
        _per_vote(rates.bias, weight_update.absolute_sum(of_biases), neurons), rates.decay,
        limits.BIAS_MANT.low << BIAS_FRACTION_BITS,
        (limits.BIAS_MANT.high << BIAS_FRACTION_BITS) + half - 1,
        np.zeros(-(-neurons // 8) * 2, np.uint64), biases,
    )  # fmt: skip
    return sum(edges)


def _per_vote(step: int, total: int, count: int) -> int:
    """Rate that makes the mean step `step`: step / (total / count), total the sum of |vote|; fixed point."""
    return step * count // total if total else 0
