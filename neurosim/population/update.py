"""Update: sums over directions or samples for each parameter, and the step that moves its state along them.

sums of noise on weights   f_i E_i summed over directions, the noise drawn again    accumulate_weight_noise
... on currents             c_ik xi_ik(t) for each spike, in a second pass            accumulate_event_aligned
... of the delta rule       errors times traces of the unperturbed pass              accumulate_delta
move                        momentum and rate, stochastically rounded
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.frames import words_for
from neurosim.kernels import generator
from neurosim.kernels.executors import fused_chain as members
from neurosim.kernels.generator import Field, lane_words
from neurosim.kernels.noise import weight_noise
from neurosim.kernels.rules import delta, event_aligned, weight_update
from neurosim.kernels.rules.weight_update import RATE_BITS
from neurosim.kernels.simd import TWIN, WIDTH, WORDS, empty, zeros
from neurosim.kernels.spikes import Source
from neurosim.network import Connection, Network, Population
from neurosim.population.layout import NoiseSpec, source_words
from neurosim.population.state import SynapticState, bias_range, padded, state_range
from neurosim.threads import balanced, in_pieces, piece_of

SUM_WORDS, SUM_LANES = 20, 256
"""Sums are made for at most 1280 sources and 256 neurons at a time: their noise, and the sums that it
looks up, then stay in the nearest cache, and the sums in the next. Pieces share no source: two threads that
wrote to the two ends of the same rows would wait for each other's lines."""
TARGET_BITS = 16
"""Fraction bits of a target rate, in spikes per step."""
MOVED = 1 << 15
"""Synapses that one thread moves about as soon as another wakes: 50 microseconds."""

Coefficients = NDArray[np.int8] | NDArray[np.int16]
"""Utilities int8 (direction,), or neuron credits int16 (direction, lane) where credit is by error."""


class Rates(NamedTuple):
    """Learning rates of a layer in one generation: fixed point, `weight_update.RATE_BITS` fraction bits.

    step   mean step of a synapse, in units of its state
    bias   mean step of a bias, in units of its state
    decay  fraction of its state that a synapse or bias loses (weight decay)
    to_target  largest step of a bias towards the target rate, in units of its state
    """

    step: int
    bias: int
    decay: int
    to_target: int = 0


class Step(NamedTuple):
    """One update of a parameter: how far, and what its random rounding is drawn from.

    rates                         of the parameter
    generation, seed              of the generator
    fraction_bits, momentum_bits  that a synapse keeps
    """

    rates: Rates
    generation: int
    seed: np.uint64
    fraction_bits: int
    momentum_bits: int


class UpdateSums(NamedTuple):
    """Of a layer: synapses int32 (source, lane), biases int32 (lane,)."""

    synapses: NDArray[np.int32]
    biases: NDArray[np.int32]


class SharedForward(NamedTuple):
    """Shared forward pass: samples through the unperturbed network, as members and rules read it.

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


def accumulate_weight_noise(
    network: Network,
    spec: NoiseSpec,
    seed: np.uint64,
    layer: int,
    coefficients: Coefficients,
    first_direction: int,
    generation: int,
) -> UpdateSums:
    """Sums of the noise on a layer's weights; coefficients int8 of directions from `first_direction` on."""
    connection, population = network.layers[layer]
    sources, neurons = network.sizes[connection.source], population.neurons
    given = layer, seed, coefficients, first_direction, generation
    matrix = layer, sources, neurons, source_words(network, layer)
    return UpdateSums(
        accumulate_matrix_noise(matrix, spec, *given), accumulate_bias_noise(spec, *given, neurons)
    )


def accumulate_matrix_noise(
    matrix: tuple[int, int, int, int],
    spec: NoiseSpec,
    population: int,
    seed: np.uint64,
    coefficients: Coefficients,
    first_direction: int,
    generation: int,
) -> NDArray[np.int32]:
    """Sums int32 (row, lane) of the noise on a matrix that leads to population number `population`.

    matrix  number of the parameter, rows, columns, and words of a field of rows
    """
    layer, sources, neurons, words = matrix
    lanes = padded(neurons)
    sums = zeros((sources, lanes), np.int32)
    if spec.of_layer(population):
        return sums
    noisy = weight_update.Matrix(sources, neurons, words, spec.rank, spec.graded)
    stream = generator.FULL_RANK if spec.full_rank else generator.INPUT_FACTOR
    field = Field(stream, layer, first_direction, generation, seed)
    raw_words = int(weight_noise.noise_words(lane_words.py_func(lanes), True))
    planes = int(weight_noise.planes_of(spec.graded))
    used = lane_words.py_func(sources)
    bit_words = -(-SUM_WORDS // WORDS) * WORDS

    def low_rank(begin: int, end: int) -> None:
        """UpdateSums for a range of pairs of words of sources."""
        drawn, bits = zeros(6 * SUM_WORDS, np.uint64), zeros(planes * 64 * bit_words, np.uint64)
        looked_up, raw = zeros((256, 2 * TWIN), np.int16), zeros(raw_words, np.uint64)
        for left in range(0, lanes, SUM_LANES):
            right = min(left + SUM_LANES, lanes)
            terms = zeros((64, -(-(right - left) // TWIN) * TWIN), np.int16)
            weight_update.accumulate_low_rank(
                weight_update.Tile(2 * begin, 2 * end, left, right),
                noisy,
                coefficients,
                field,
                weight_update.LowRankScratch(drawn, bits, terms, looked_up, raw),
                sums,
            )

    def full_rank(begin: int, end: int) -> None:
        wide = words_for(sources)
        scratch = weight_update.FullRankScratch(
            zeros(6 * wide, np.uint64),
            zeros(planes * 64 * wide, np.uint64),
            zeros(64 * wide, np.uint64),
        )
        weight_update.accumulate_full_rank(begin, end, noisy, coefficients, field, scratch, sums)

    if spec.scale[population] and spec.full_rank:
        in_pieces(neurons, max(1, -(-neurons // 8)), full_rank)
    elif spec.scale[population]:
        in_pieces(used // 2, piece_of(used // 2, SUM_WORDS // 2), low_rank)
    return sums


def accumulate_bias_noise(
    spec: NoiseSpec,
    population: int,
    seed: np.uint64,
    coefficients: Coefficients,
    first_direction: int,
    generation: int,
    biases: int,
) -> NDArray[np.int32]:
    """Sums int32 (lane,) of the noise on the `biases` biases of population number `population`."""
    sums = np.zeros(padded(biases), np.int32)
    if spec.bias_scale[population] and not spec.of_layer(population):
        words = int(weight_noise.noise_words(lane_words.py_func(len(sums)), True))
        weight_update.accumulate_biases(
            biases,
            spec.graded,
            coefficients,
            Field(generator.BIAS, population, first_direction, generation, seed),
            np.zeros(len(sums), np.int32),
            np.zeros(words, np.uint64),
            sums,
        )
    return sums


def accumulate_event_aligned(
    spec: NoiseSpec,
    seed: np.uint64,
    shared: SharedForward,
    coefficients: Coefficients,
    first_direction: int,
    generation: int,
    sums: list[UpdateSums],
) -> None:
    """Add the sums of event-aligned noise in a second pass over the samples, with the noise drawn again.

    coefficients  of the directions from number `first_direction` on, in the order of the groups of `shared`
    """
    chain, samples = shared.chain, shared.samples
    steps = samples.frames.shape[1]
    by_group = coefficients.reshape(len(shared.groups), -1)
    nonzero = np.flatnonzero(by_group.any(axis=1))  # the others would add nothing
    groups = np.ascontiguousarray(shared.groups[nonzero, 0])
    numbers = np.arange(len(coefficients)).reshape(len(shared.groups), -1)[nonzero].reshape(-1)
    for layer, aligned_index in enumerate(spec.aligned_indices()):
        if aligned_index < 0 or not spec.scale[layer]:
            continue
        source = Source(samples.frames, 0)
        if layer > 0:
            trains = shared.trains.reshape(len(shared.trains), -1, chain.spike_words)
            source = Source(trains, (layer - 1) * steps)
        of_synapses, of_biases = sums[layer]
        utilities = np.take(coefficients, numbers, axis=0).astype(np.int16, copy=False)
        if utilities.ndim == 1:  # of a direction: the same for all neurons
            utilities = np.repeat(utilities[:, None], of_synapses.shape[1], axis=1)
        directions = first_direction + numbers
        terms = _terms(spec, seed, shared, layer, utilities, groups, directions, generation)

        def work(
            begin: int,
            end: int,
            source: Source = source,
            terms: NDArray[np.int16] = terms,
            of_synapses: NDArray[np.int32] = of_synapses,
        ) -> None:
            bits = zeros(event_aligned.MOMENTS * WORDS, np.uint64)
            event_aligned.accumulate_event_aligned(
                begin, end, source, groups, steps, terms, bits, of_synapses
            )

        used = -(-int(chain.sources[layer]) // 64)
        in_pieces(used, max(1, min(WORDS, -(-used // 8))), work)
        event_aligned.accumulate_event_aligned_biases(len(groups) * steps, terms, of_biases)


def _terms(
    spec: NoiseSpec,
    seed: np.uint64,
    shared: SharedForward,
    layer: int,
    utilities: NDArray[np.int16],
    groups: NDArray[np.int64],
    directions: NDArray[np.int64],
    generation: int,
) -> NDArray[np.int16]:
    """Terms that synapses of an event-aligned layer add per spike: see `event_aligned.aligned_terms`."""
    chain, samples = shared.chain, shared.samples
    neurons, steps = int(chain.neurons[layer]), samples.frames.shape[1]
    terms = empty(len(groups) * steps * utilities.shape[1], np.int16)
    words = lane_words.py_func(neurons)
    drawn = int(weight_noise.noise_words(words, True)) if spec.graded else steps * words
    field = Field(generator.ALIGNED, layer, 0, generation, seed)
    noise = spec.aligned_noise(layer, neurons, field)
    drawn_from = event_aligned.Directions(directions, utilities, groups)
    masks = samples.masks.reshape(
        len(samples.masks), -1, 4 * chain.spike_words if spec.window else 1
    )

    def work(begin: int, end: int) -> None:
        event_aligned.aligned_terms(
            begin, end, noise, drawn_from, masks, steps, np.zeros(drawn, np.uint64), terms
        )

    in_pieces(len(groups), balanced(len(groups), 64), work)
    return terms


def accumulate_delta(shared: SharedForward, sums: UpdateSums) -> None:
    """Add the sums of the delta rule to those of the last layer."""
    chain, steps = shared.chain, shared.samples.frames.shape[1]
    last = chain.layers - 1
    neurons_in = int(chain.sources[last])
    groups = np.ascontiguousarray(shared.groups.reshape(-1))
    trains = shared.trains.view(np.uint16)

    def work(begin: int, end: int) -> None:
        delta.accumulate_delta(
            begin,
            end,
            last,
            chain.decays,
            trains,
            shared.errors,
            groups,
            neurons_in,
            chain.spike_words,
            steps,
            zeros(WIDTH, np.int32),
            sums.synapses,
        )

    vectors = padded(neurons_in) // WIDTH
    in_pieces(vectors, max(1, -(-vectors // 8)), work)
    delta.accumulate_delta_biases(shared.errors, groups, sums.biases)


def move(network: Network, state: SynapticState, layer: int, sums: UpdateSums, step: Step) -> int:
    """Move a layer's weights along its sums; return how many synapses are at the edge of their range."""
    connection, population = network.layers[layer]
    edges = move_matrix(connection, state, layer, sums.synapses, step)
    move_biases(population, state, layer, sums.biases, step)
    return edges


def move_matrix(
    connection: Connection,
    state: SynapticState,
    number: int,
    direction: NDArray[np.int32],
    step: Step,
) -> int:
    """Move the matrix of parameter `number` along sums int32 (row, lane); as `move`."""
    synapses = state.synapses[number]
    piece = balanced(len(synapses), -(-MOVED // direction.shape[1]))
    if state.momentum:
        kept, added = state.momentum[number], direction

        def smooth(begin: int, end: int) -> None:
            weight_update.gather_momentum(begin, end, kept, step.momentum_bits, added)

        in_pieces(len(added), piece, smooth)
        direction = kept
    low, high = state_range(connection, step.fraction_bits)
    rate = _per_unit(step.rates.step, weight_update.absolute_sum(direction), synapses.size)
    distance = weight_update.Move(rate, step.rates.decay, low, high)
    field = Field(generator.ROUNDING, number, 0, step.generation, step.seed)
    edges: list[int] = []

    def work(begin: int, end: int) -> None:
        random = np.zeros(direction.shape[1] // 4, np.uint64)
        standing = weight_update.move_synapses(
            begin, end, field, direction, distance, random, synapses
        )
        edges.append(standing)

    in_pieces(len(synapses), piece, work)
    return sum(edges)


def move_biases(
    population: Population,
    state: SynapticState,
    number: int,
    of_biases: NDArray[np.int32],
    step: Step,
) -> None:
    """Move the biases of `population`, whose number is `number`, along sums int32 (lane,)."""
    biases = state.biases[number]
    neurons = len(biases)
    rate = _per_unit(step.rates.bias, weight_update.absolute_sum(of_biases), neurons)
    weight_update.move_biases(
        Field(generator.BIAS_ROUNDING, number, 0, step.generation, step.seed),
        of_biases,
        weight_update.Move(rate, step.rates.decay, *bias_range(population)),
        np.zeros(-(-neurons // 8) * 2, np.uint64),
        biases,
    )


def move_to_rate(
    population: Population,
    state: SynapticState,
    number: int,
    spikes: NDArray[np.int64],
    cells: int,
    target: int,
    largest: int,
) -> None:
    """Homeostasis: move the biases of population `number` so that it spikes at the target rate.

        deviation = 256 * clip(wanted - spikes, -wanted, wanted) // wanted     -256..256
        bias     += (deviation * step) >> 8                                     stops at the register's edge

    spikes   int64 (bias,), of the unperturbed pass of a generation
    cells    steps times samples times neurons that a bias had
    target   spikes per cell, 16 fraction bits, above 0
    largest  the step of a silent neuron, RATE_BITS fraction bits
    """
    wanted = target * cells
    short = np.clip(wanted - (spikes << TARGET_BITS), -wanted, wanted)
    deviation = (short << 8) // wanted
    biases = state.biases[number]
    low, high = bias_range(population)
    biases[:] = np.clip(biases + ((deviation * (largest >> RATE_BITS)) >> 8), low, high)


def _per_unit(step: int, total: int, count: int) -> int:
    """Rate that makes the mean step `step`: step / (total / count), total the sum of |sum|; fixed point."""
    return step * count // total if total else 0
