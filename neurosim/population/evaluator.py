"""Evaluator: fitness of a population of perturbed networks, and the update of their common weights.

    evaluate(batch, pairs)             -> fitness of both members of every pair
    apply_update(coefficients, rates)  -> one small integer a direction moves the weights
    forward(frames)                    -> scores and spikes of the network without noise

The evaluator holds the weights. It receives numbers (of pairs and samples, the utility of a direction) and
never a perturbation: each emulated core draws its noise from the counter generator, twice. The members of an
antithetic pair share one direction, one-sided members have one each.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.frames import Frames
from neurosim.kernels import readout
from neurosim.kernels.connections import dense
from neurosim.kernels.executors import fused_chain, output_batch
from neurosim.kernels.simd import empty
from neurosim.network import Network, NetworkError, Weights, check_weights
from neurosim.population.batch import SAMPLES_AT_ONCE, Batch, check_frames
from neurosim.population.bounds import Bounds, Shape, check_coefficients, check_credit
from neurosim.population.layout import NoiseSpec, check_noise, check_trainable, lay_out
from neurosim.population.rules import Signal, check_signals
from neurosim.population.state import (
    PRECISION,
    Precision,
    SynapticState,
    check_start,
    padded,
    weights,
)
from neurosim.population.update import (
    Coefficients,
    Rates,
    SharedForward,
    Step,
    UpdateSums,
    accumulate_delta,
    accumulate_event_aligned,
    accumulate_weight_noise,
    move,
)
from neurosim.threads import balanced, in_pieces

Scratch = tuple[fused_chain.Scratch, output_batch.OutputBatch]
"""Memory that one thread writes to while it evaluates."""


class ReadoutSpec(NamedTuple):
    """How the last layer's scores become logits and a fitness.

    logit    (score * multiplier) >> shift, in 2^-10 bit
    fitness  log-likelihood of the label in 2^-10 bit, less (hidden spikes * spike_cost) >> 6
    """

    membrane: bool
    multiplier: int
    shift: int
    spike_cost: int = 0


def check_no_cost(spec: ReadoutSpec) -> None:
    """Raise NetworkError where spikes have a cost, and the weights do not learn from a fitness."""
    if spec.spike_cost:
        raise NetworkError(
            f"spike_cost {spec.spike_cost} with credit by error: only a fitness has a cost of spikes; use "
            f"noise on weights, or event-aligned noise with one fitness for all neurons"
        )


class Evaluation(NamedTuple):
    """Evaluation of a population of members.

    fitness    int64 (pair, 2): log-likelihood of both members less the cost of their hidden spikes, in
               2^-10 bit; where credit is by error, of the unperturbed network, without that cost
    saturated  int64 (pair, 2): saturations of registers
    credits    int16 (pair, lane): credit of each hidden neuron for its own noise, where credit is by
               error; None otherwise. Of a graph of layers the
               `layer_credit.LayerSums` of all pairs
    """

    fitness: NDArray[np.int64]
    saturated: NDArray[np.int64]
    credits: Any = None


class Forward(NamedTuple):
    """Scores and spikes of the unperturbed network.

    potentials, counts  int64 (sample, class): sum over steps of the last layer's v, and its spikes
    spikes              one uint16 (sample, neuron) a layer: spikes of each neuron
    saturated           int64 (sample,): saturations of registers
    """

    potentials: NDArray[np.int64]
    counts: NDArray[np.int64]
    spikes: tuple[NDArray[np.uint16], ...]
    saturated: NDArray[np.int64]


class _Raw(NamedTuple):
    """Output of `fused_chain.forward`: potentials, counts and saturated as in `Forward`.

    trains  uint64 (sample, layer * step * word): spikes of the hidden layers
    """

    potentials: NDArray[np.int64]
    counts: NDArray[np.int64]
    trains: NDArray[np.uint64]
    saturated: NDArray[np.int64]


class Evaluator:
    """A chain of dense layers that learns by evolution strategies, in integers throughout.

    state         synaptic state that it starts from and changes
    seed          key of the noise, 0..2^64 - 1
    noise         scales of the noise on weights and biases of each layer, and its kind
    readout_spec  how the scores of the last layer become a fitness
    signals       what each parameter learns from; by default the fitness

    Raises NetworkError where the network is no such chain, or a sum could overflow.

    Examples:
        >>> import numpy as np
        >>> import neurosim
        >>> from neurosim.population.evaluator import ReadoutSpec
        >>> from neurosim.population.layout import NoiseSpec
        >>> from neurosim.population.state import state_of
        >>> populations = [neurosim.Population(name, n, 60) for name, n in (("a", 8), ("b", 2))]
        >>> network = neurosim.Network.chain(4, populations)
        >>> shapes = ((4, 8), (8, 2))
        >>> weights = neurosim.Weights(
        ...     tuple(np.full(shape, 20, np.int8) for shape in shapes),
        ...     tuple(np.zeros(n, np.int16) for _, n in shapes),
        ... )
        >>> evaluator = neurosim.Evaluator(
        ...     network,
        ...     state_of(weights, 8),
        ...     seed=1,
        ...     noise=NoiseSpec((4000, 4000), (0, 0)),
        ...     readout_spec=ReadoutSpec(membrane=True, multiplier=256, shift=16),
        ... )
        >>> samples = neurosim.frames.pack(np.ones((3, 5, 4), np.uint8), [0, 1, 0])
        >>> batch = neurosim.Batch(samples, np.array([[0, 1, 2]]))  # one group of three samples
        >>> evaluator.evaluate(batch, range(16), 0).fitness.shape  # 16 pairs, generation 0
        (16, 2)
    """

    def __init__(
        self,
        network: Network,
        state: SynapticState,
        *,
        seed: int,
        noise: NoiseSpec,
        readout_spec: ReadoutSpec,
        precision: Precision = PRECISION,
        signals: Sequence[Signal] | None = None,
    ) -> None:
        check_trainable(network)
        check_start(network, state, seed, precision.fraction_bits)
        self.network = network
        self.state = state
        self.seed = np.uint64(seed)
        self.fraction_bits, self.momentum_bits = precision
        layers = len(network.layers)
        signals = (Signal.FITNESS,) * layers if signals is None else signals
        self.signals = check_signals(signals, layers)
        self._changes = 0
        self._bounds = Bounds(network, by_credit=self._by_credit, by_error=self._by_error)
        self._set(noise, readout_spec)
        check_weights(network, self.weights())

    @property
    def hidden(self) -> list[str]:
        """Names of the hidden populations, in the description's order."""
        return [population.name for population in self.network.populations[:-1]]

    @property
    def _by_credit(self) -> bool:
        return Signal.CREDIT in self.signals

    @property
    def _by_error(self) -> bool:
        return self.signals[-1] is Signal.ERROR

    def adjust(self, noise: NoiseSpec, readout_spec: ReadoutSpec) -> None:
        """Set the noise scales and the readout of the next generation, as given by schedules."""
        if (noise, readout_spec) != (self.spec, self.readout_spec):
            self._set(noise, readout_spec)

    def _set(self, noise: NoiseSpec, readout_spec: ReadoutSpec) -> None:
        check_noise(self.network, noise)
        if self._by_credit:
            check_credit(self.network, noise)
            check_no_cost(readout_spec)
        self.spec = noise
        self.readout_spec = readout_spec
        self._noise = fused_chain.Noise(
            full_rank=noise.full_rank,
            graded=noise.graded,
            rank=noise.rank,
            scale=np.array(noise.scale, np.int64),
            bias_scale=np.array(noise.bias_scale, np.int64),
            seed=self.seed,
            aligned_index=np.array(noise.aligned_indices(), np.int64),
            aligned_layers=max(1, sum(noise.aligned)),
            period=noise.period,
            window=noise.window,
            directions=noise.directions,
        )
        self._still = self._noise._replace(
            full_rank=False,
            rank=1,
            scale=np.zeros_like(self._noise.scale),
            bias_scale=np.zeros_like(self._noise.bias_scale),
            directions=1,
        )
        self._readout = fused_chain.Readout(
            readout_spec.membrane,
            readout_spec.multiplier,
            readout_spec.shift,
            readout.exp2_table(),
            readout.log2_table(),
            readout_spec.spike_cost,
        )
        self._changes += 1  # errors and masks depend on both

    def weights(self) -> Weights:
        """The weights as the cores use them."""
        return weights(self.state, self.fraction_bits)

    def _chain(self, noise: NoiseSpec, steps: int) -> fused_chain.Chain:
        """The network as the kernels read it."""
        return lay_out(self.network, self.weights(), noise, steps)

    def _take(self, frames: Frames, seen: NDArray[np.int64], out: NDArray[np.uint64]) -> None:
        """Write the spikes of the samples `seen` to `out`, as they reach the first layer."""
        np.take(frames.bits, seen, axis=0, out=out, mode="clip")

    def _in_place(self, frames: Frames, seen: NDArray[np.int64]) -> NDArray[np.uint64] | None:
        """The spikes of the samples `seen` where they reach the first layer as they lie in `frames`."""
        first = int(seen[0])
        if np.array_equal(seen, np.arange(first, first + len(seen))):
            return frames.bits[first : first + len(seen)]
        return None

    def _samples(
        self,
        chain: fused_chain.Chain,
        frames: Frames,
        seen: NDArray[np.int64],
        then: Callable[[int, int, fused_chain.Samples, Scratch], object] | None = None,
    ) -> fused_chain.Samples:
        """The part of the forward pass of samples `seen` that all members share, computed once.

        then  called with each piece (begin, end, samples, scratch) as soon as it is computed
        """
        count, steps = len(seen), frames.bits.shape[1]
        in_place = self._in_place(frames, seen)
        bits = empty((count, *frames.bits.shape[1:]), np.uint64) if in_place is None else in_place
        currents = empty((count, steps, int(chain.lanes[0])), np.int32)
        max_current = np.zeros(count, np.int64)
        no_masks = np.zeros((0, 0), np.uint16)  # of the dimensions that masks have: one compilation
        samples = fused_chain.Samples(bits, frames.labels[seen], currents, max_current, no_masks)

        def work(begin: int, end: int, scratch: Scratch) -> None:
            if in_place is None:
                self._take(frames, seen[begin:end], bits[begin:end])
            axons = scratch[0].axons
            dense.base_currents(begin, end, chain, bits, axons, currents, max_current)
            if then is not None:
                then(begin, end, samples, scratch)

        piece = balanced(count, 2 * output_batch.BATCH_LANES)
        in_pieces(count, piece, work, lambda: _scratch(chain, self._still, steps))
        return samples

    def _share(self, frames: Frames, groups: NDArray[np.int64]) -> SharedForward:
        """Run the unperturbed network on the samples of some groups."""
        seen, places = _distinct(groups.reshape(-1))
        steps = frames.bits.shape[1]
        chain = self._chain(self.spec, steps)
        local = np.ascontiguousarray(places.reshape(groups.shape), np.int64)
        trains = np.zeros((0, 0), np.uint64)
        errors = np.zeros((0, 0), np.int32)
        fitness = np.zeros(len(seen), np.int64)
        if not self._by_error and not any(self.spec.aligned):
            samples = self._samples(chain, frames, seen)
        else:
            forward = _forward_of(chain, len(seen), steps)
            trains = forward.trains
            scores = forward.potentials if self.readout_spec.membrane else forward.counts
            row = 4 * chain.layers * steps * chain.spike_words
            masks = np.empty((len(seen), row if self.spec.window else 1), np.uint16)
            errors = np.zeros((len(seen), int(chain.lanes[-1])), np.int32)

            run = fused_chain.forward[fused_chain.has_one_hidden(chain)]
            find_masks = fused_chain.near_threshold_masks[not any(self.spec.aligned[1:])]

            def then(begin: int, end: int, shared: fused_chain.Samples, scratch: Scratch) -> None:
                run(begin, end, chain, self._still, *scratch, shared, *forward)
                fused_chain.readout_errors(
                    begin,
                    end,
                    self._readout,
                    scores,
                    shared.labels,
                    np.zeros(scores.shape[1] + 2, np.int64),
                    errors,
                    fitness,
                )
                if self.spec.window:
                    find_masks(
                        begin, end, chain, scratch[0], shared, self.spec.window, trains, masks
                    )

            samples = self._samples(chain, frames, seen, then)._replace(masks=masks)
        return SharedForward(chain, samples, local, trains, errors, fitness)

    def _blocks(self, batch: Batch, groups: range) -> Iterator[tuple[int, SharedForward]]:
        """The shared forward pass of some groups, a few at a time; first group and pass."""
        pieces = batch.pieces(groups)
        for piece in pieces:
            seen = batch.groups[piece.start : piece.stop]
            make = partial(self._share, batch.frames, seen)
            shared = make() if len(pieces) > 1 else batch.shared(self, self._changes, piece, make)
            yield piece.start - groups.start, shared

    def _check_frames(self, frames: Frames) -> None:
        inputs = self.network.sizes[self.network.connections[0].source]
        check_frames(frames, inputs, self.network.populations[-1].neurons)

    def evaluate(
        self,
        batch: Batch,
        pairs: range,
        generation: int,
        part: range | None = None,
    ) -> Evaluation:
        """Fitness of both members of each pair, summed over the samples of the pair's group.

        batch   samples and groups; the pairs are divided among the groups evenly and in order
        pairs   numbers of the pairs, a contiguous range
        part    those of `pairs` to evaluate here, a contiguous range; None: all
        """
        self._check_frames(batch.frames)
        part = pairs if part is None else part
        each = batch.pairs_of_group(pairs, part)
        first_group = (part.start - pairs.start) // each
        touched = range(first_group, (part[-1] - pairs.start) // each + 1)
        origin = pairs.start + first_group * each
        begin, end = part.start - origin, part.stop - origin
        fitness = np.zeros((len(touched) * each, 2), np.int64)
        saturated = np.zeros_like(fitness)
        credits, largest = None, 0
        if self._by_credit:
            largest = self._bounds.check(self.spec, batch.shape(len(pairs)))
            lanes = padded(self.network.populations[0].neurons)
            credits = np.zeros((len(fitness), lanes), np.int16)
        seen = Evaluation(fitness, saturated, credits)
        for first, shared in self._blocks(batch, touched):
            at = first * each
            block = slice(at, at + len(shared.groups) * each)
            wanted = max(begin - at, 0), min(end, block.stop) - at
            self._evaluate_block(
                shared, each, origin + at, generation, wanted, largest, _part(seen, block)
            )
        return _part(seen, slice(begin, end))

    def _evaluate_block(
        self,
        shared: SharedForward,
        each: int,
        first_pair: int,
        generation: int,
        wanted: tuple[int, int],
        largest: int,
        seen: Evaluation,
    ) -> None:
        """Write the evaluation of pairs wanted[0] to wanted[1] - 1 of these groups to `seen`."""
        fitness, saturated, credits = seen
        steps = shared.samples.frames.shape[1]

        count = wanted[1] - wanted[0]
        piece = balanced(count, 16)
        kind = fused_chain.credit_kind(shared.chain, self._noise)
        credit_pairs = fused_chain.credit_pairs[kind]

        def evaluate(begin: int, end: int, scratch: Scratch) -> None:
            fused_chain.evaluate_pairs(
                wanted[0] + begin,
                wanted[0] + end,
                shared.chain,
                self._noise,
                self._readout,
                *scratch,
                shared.samples,
                shared.groups,
                each,
                first_pair,
                generation,
                fitness,
                saturated,
            )

        def credit(begin: int, end: int, scratch: fused_chain.Scratch) -> None:
            credit_pairs(
                wanted[0] + begin,
                wanted[0] + end,
                shared.chain,
                self._noise,
                scratch,
                shared.samples,
                shared.groups,
                each,
                first_pair,
                generation,
                shared.errors,
                np.zeros(shared.chain.width, np.int32),
                largest,
                credits,
                saturated,
            )

        if credits is None:
            in_pieces(count, piece, evaluate, lambda: _scratch(shared.chain, self._noise, steps))
            return
        in_pieces(
            count, piece, credit, lambda: fused_chain.make_scratch(shared.chain, self._noise, steps)
        )
        fitness[:] = np.repeat(shared.fitness[shared.groups[:, 0]], each)[:, None]

    def apply_update(
        self,
        coefficients: Coefficients,
        pairs: range,
        generation: int,
        rates: Sequence[Rates],
        batch: Batch | None = None,
    ) -> int:
        """Apply the update of a generation; return how many synapses are at the edge of their range.

        coefficients    int8 (direction,): utility of each direction of `pairs`; where credit is by
                        error, the int16 (pair, lane) `credits` of the evaluation
        rates           one for each layer
        batch           as it was evaluated: rules that accumulate over spikes or errors need it
        """
        expected = len(pairs) * self.spec.directions
        lanes = padded(self.network.populations[0].neurons)
        if self._by_credit:
            check_coefficients(coefficients, np.int16, expected, lanes)
        else:
            check_coefficients(coefficients, np.int8, expected)
        self._bounds.check(
            self.spec, Shape(len(pairs)) if batch is None else batch.shape(len(pairs))
        )
        sums = [
            self.sums(layer, coefficients, pairs, generation)
            for layer in range(len(self.network.layers))
        ]
        if self._by_error or any(self.spec.aligned):
            if batch is None:
                raise NetworkError(
                    "this rule accumulates over spikes: give the batch of the evaluation"
                )
            groups = batch.groups
            each, begin = expected // len(groups), pairs.start * self.spec.directions
            for first, shared in self._blocks(batch, range(len(groups))):
                block = slice(first * each, (first + len(shared.groups)) * each)
                accumulate_event_aligned(
                    self.spec,
                    self.seed,
                    shared,
                    coefficients[block],
                    begin + block.start,
                    generation,
                    sums,
                )
                if self._by_error:
                    accumulate_delta(shared, sums[-1])
        self._changes += 1
        return sum(
            move(
                self.network,
                self.state,
                layer,
                sums[layer],
                Step(rate, generation, self.seed, self.fraction_bits, self.momentum_bits),
            )
            for layer, rate in enumerate(rates)
        )

    def sums(
        self, layer: int, coefficients: Coefficients, pairs: range, generation: int
    ) -> UpdateSums:
        """Sums of the noise on a layer's weights, for one int8 a direction; none where it is on currents."""
        first = pairs.start * self.spec.directions
        return accumulate_weight_noise(
            self.network, self.spec, self.seed, layer, coefficients, first, generation
        )

    def forward(self, frames: Frames) -> Forward:
        """Run the unperturbed network on samples."""
        self._check_frames(frames)
        count, steps, _ = frames.bits.shape
        chain = self._chain(_quiet(self.network), steps)
        classes = int(chain.neurons[-1])
        potentials, counts = np.zeros((2, count, classes), np.int64)
        spikes = np.zeros((count, int(chain.neurons.sum())), np.uint16)
        saturated = np.zeros(count, np.int64)
        run = fused_chain.forward[fused_chain.has_one_hidden(chain)]
        for first in range(0, count, SAMPLES_AT_ONCE):
            part = slice(first, min(first + SAMPLES_AT_ONCE, count))
            seen = np.arange(part.start, part.stop)
            block, counted = _forward_of(chain, len(seen), steps), spikes[part]

            def then(
                begin: int,
                end: int,
                shared: fused_chain.Samples,
                scratch: Scratch,
                block: _Raw = block,
                counted: NDArray[np.uint16] = counted,
            ) -> None:
                run(begin, end, chain, self._still, *scratch, shared, *block)
                fused_chain.count_spikes(begin, end, chain, block.trains, block.counts, counted)

            self._samples(chain, frames, seen, then)
            potentials[part], counts[part] = block.potentials, block.counts
            saturated[part] = block.saturated
        edges = np.cumsum(chain.neurons)[:-1]
        return Forward(potentials, counts, tuple(np.split(spikes, edges, axis=1)), saturated)


def _distinct(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each number once, in the order of its first place; and for each place where it is among them."""
    if (numbers[1:] > numbers[:-1]).all():
        return numbers, np.arange(len(numbers))
    found, first, places = np.unique(numbers, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return found[order], np.argsort(order)[places.reshape(-1)]


def _forward_of(chain: fused_chain.Chain, samples: int, steps: int) -> _Raw:
    """An empty `_Raw` for `samples` samples."""
    classes, row = int(chain.neurons[-1]), (chain.layers - 1) * steps * chain.spike_words
    return _Raw(
        np.zeros((samples, classes), np.int64),
        np.zeros((samples, classes), np.int64),
        np.zeros((samples, row), np.uint64),
        np.zeros(samples, np.int64),
    )


def _scratch(chain: fused_chain.Chain, noise: fused_chain.Noise, steps: int) -> Scratch:
    return fused_chain.make_scratch(chain, noise, steps), output_batch.make_output_batch(
        chain, noise, steps
    )


def _part(seen: Evaluation, pairs: slice) -> Evaluation:
    """Views of some pairs."""
    fitness, saturated, credits = seen
    return Evaluation(fitness[pairs], saturated[pairs], None if credits is None else credits[pairs])


def _quiet(network: Network) -> NoiseSpec:
    zeros = (0,) * len(network.layers)
    return NoiseSpec(scale=zeros, bias_scale=zeros)
