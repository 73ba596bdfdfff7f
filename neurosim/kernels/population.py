"""What do the perturbed networks of a population make of their samples?

    for each pair:                        draw its directions once                    perturbation.py
        for each sample of its group:     current every member shares                 synapse.py
            for each layer:               noise current, both members side by side    neuron.py
            fitness of each member        log-likelihood of the label                 readout.py

A spike acts on the next layer in the same step: layer l at step t here is layer l of the chip at step
t + l, where every spike travels for one step. Nothing is shared between pairs but what none of them
writes, so any division into chunks and threads gives the same bits.
"""

from typing import NamedTuple

import numpy as np
from numba import int32, int64, uint64
from numpy.typing import NDArray

from neurosim.kernels.aligned import aligned_current
from neurosim.kernels.arithmetic import prepare_decay
from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.credit import give_credit, tell_blame
from neurosim.kernels.lanes import pointer, pointer_to_halves, zeros
from neurosim.kernels.neuron import (
    U_MULTIPLIER,
    U_SHIFT,
    V_MULTIPLIER,
    V_SHIFT,
    is_plain,
    open_gates,
    run_first,
    run_pair,
)
from neurosim.kernels.perturbation import (
    draw_direction,
    find_drives,
    low_rank_current,
    noise_current,
    noise_words,
    perturbs,
)
from neurosim.kernels.readout import log_likelihood, softmax_errors
from neurosim.kernels.synapse import FLATTENED, synaptic_current, tabled_current

FROM_START = np.int64(0)
"""A place in memory; a literal 0 would compile the callee once more."""
PLUS, MINUS = np.int64(0), np.int64(1)
"""Members of a pair."""
ERROR_ONE = np.int64(127)
"""Largest error that a class is told, int8 (delta.py)."""


class Chain(NamedTuple):
    """A chain of dense layers as kernels read it; a lane is a neuron, padded to sixteen."""

    layers: int
    width: int  # lanes of the widest layer: the row length of `bias` and `threshold`
    spike_words: int  # words of a row of spikes of any layer, a multiple of 8
    sources: NDArray[np.int64]  # (layer,) axons
    neurons: NDArray[np.int64]  # (layer,)
    lanes: NDArray[np.int64]  # (layer,)
    words: NDArray[np.int64]  # (layer,) words of a row of incoming spikes, a multiple of 8
    weights: NDArray[np.int8]  # layers one after another, each (source, lane)
    weight_at: NDArray[np.int64]  # (layer,) where its weights start
    sums: NDArray[np.int16]  # `synapse.quad_sums` of layers one after another
    sums_at: NDArray[np.int64]  # (layer,) where its sums start, or -1: none were made
    noise_at: NDArray[np.int64]  # (layer + 1,) where its noise planes start in the scratch
    shift: NDArray[np.int64]  # (layer,) `Connection.current_shift`
    bias: NDArray[np.int32]  # (layer, lane) added to v in each step
    threshold: NDArray[np.int32]  # (layer, lane)
    decays: NDArray[np.int32]  # (layer, 4), see neuron.py
    reach: NDArray[np.int64]  # (layer,) largest synaptic current there can be, from the weights
    headroom: NDArray[np.int64]  # (layer,) largest current that can saturate neither u nor v


class Noise(NamedTuple):
    """How members differ from the network. Scales are in units of u; 0 leaves a layer as it is."""

    full_rank: bool
    graded: bool
    rank: int
    scale: NDArray[np.int64]  # (layer,)
    bias_scale: NDArray[np.int64]  # (layer,)
    seed: np.uint64
    turn: NDArray[np.int64]  # (layer,) -1, or the layer's place among the event-aligned ones
    turns: int  # number of event-aligned layers, at least 1
    period: int  # event-aligned noise acts in steps 0, period, 2 period ...
    window: int  # ... where the membrane is at most this far from its threshold; 0: everywhere
    directions: int  # of a pair: 1 that its members share, or 2, one each


class Readout(NamedTuple):
    """How scores become a log-likelihood (readout.py)."""

    membrane: bool  # score: v summed over steps; otherwise spikes counted
    multiplier: int
    shift: int
    powers: NDArray[np.int64]
    logs: NDArray[np.int64]


class Samples(NamedTuple):
    """What the members of a generation see, and what they share of it."""

    frames: NDArray[np.uint64]  # (sample, step, word)
    labels: NDArray[np.uint8]  # (sample,)
    currents: NDArray[np.int32]  # (sample, step, lane) of the first layer
    reach: NDArray[np.int64]  # (sample,) largest of its currents
    gates: NDArray[np.uint16]  # (sample, layer, step, lane / 16) see aligned.py; empty: no window


class Room(NamedTuple):
    """Scratch of one thread, for one pair at a time."""

    inputs: NDArray[np.uint64]  # (direction, word) noise planes of all layers
    outputs: NDArray[np.int32]  # (direction, layer * rank * lane) A times scale
    bias_noise: NDArray[np.int32]  # (direction, layer * lane)
    raw: NDArray[np.uint64]  # one noise field of the widest layer
    axons: NDArray[np.int64]  # numbers of spiking sources
    drives: NDArray[np.int32]  # (direction, rank * step) x . B of low-rank noise
    currents: NDArray[np.int32]  # (member, step, lane)
    noise: NDArray[np.int32]  # (member, step, lane)
    spikes: NDArray[np.uint64]  # (member, layer, step, word)
    spike_bits: NDArray[np.uint16]  # the same memory, four to a word
    potentials: NDArray[np.int32]  # (member, lane) of the layer that ran last
    counts: NDArray[np.int32]  # (member, lane)


@kernel
def _point_chain(chain):
    return Chain(
        chain.layers, chain.width, chain.spike_words, pointer(chain.sources), pointer(chain.neurons),
        pointer(chain.lanes), pointer(chain.words), pointer(chain.weights), pointer(chain.weight_at),
        pointer(chain.sums), pointer(chain.sums_at), pointer(chain.noise_at), pointer(chain.shift),
        pointer(chain.bias), pointer(chain.threshold), pointer(chain.decays), pointer(chain.reach),
        pointer(chain.headroom),
    )  # fmt: skip


@kernel
def _point_samples(samples):
    return Samples(
        pointer(samples.frames), pointer(samples.labels), pointer(samples.currents),
        pointer(samples.reach), pointer(samples.gates),
    )  # fmt: skip


@kernel
def _point_noise(noise):
    return Noise(
        noise.full_rank, noise.graded, noise.rank, pointer(noise.scale), pointer(noise.bias_scale),
        noise.seed, pointer(noise.turn), noise.turns, noise.period, noise.window, noise.directions,
    )  # fmt: skip


@kernel
def _point_room(room, member):
    """The scratch as a member of the pair has it: with the noise of its direction."""
    own = min(member, room.inputs.shape[0] - 1)
    return Room(
        pointer(room.inputs[own]), pointer(room.outputs[own]), pointer(room.bias_noise[own]),
        pointer(room.raw), pointer(room.axons), pointer(room.drives[own]), pointer(room.currents),
        pointer(room.noise), pointer(room.spikes), pointer_to_halves(room.spikes),
        pointer(room.potentials), pointer(room.counts),
    )  # fmt: skip


def make_room(chain: Chain, rank: int, steps: int, directions: int = 1) -> Room:
    """Scratch for one thread; `spike_bits` is made from `spikes` by the kernels."""
    lanes, layers = chain.width, chain.layers
    field = noise_words(((lanes + 127) >> 7) << 1, True)
    spikes = zeros(2 * layers * steps * chain.spike_words, np.uint64)
    return Room(
        inputs=zeros((directions, max(int(chain.noise_at[layers]), 1)), np.uint64),
        outputs=zeros((directions, layers * rank * lanes), np.int32),
        bias_noise=zeros((directions, layers * lanes), np.int32),
        raw=zeros(field, np.uint64),
        axons=zeros(int(chain.sources.max()) + FLATTENED, np.int64),
        drives=zeros((directions, rank * steps), np.int32),
        currents=zeros(2 * steps * lanes, np.int32),
        noise=zeros(2 * steps * lanes, np.int32),
        spikes=spikes,
        spike_bits=spikes.view(np.uint16),
        potentials=zeros(2 * lanes, np.int32),
        counts=zeros(2 * lanes, np.int32),
    )


@kernel
def _silence(noise, begin, end):
    for index in range(begin, end):
        noise[index] = int32(0)


@inlined
def layer_current(chain, layer, steps, at, out_at, room):
    """Current int32 (step, lane) of a layer above the first, from spikes at `at` of room.spikes.

    Written to room.currents from `out_at` on.
    """
    if chain.sums_at[layer] >= 0:
        tabled_current(
            room.spikes, at, chain.spike_words, chain.sources[layer], steps, chain.sums,
            chain.sums_at[layer], chain.shift[layer], chain.lanes[layer], room.currents, out_at,
        )  # fmt: skip
        return
    synaptic_current(
        room.spikes, at, chain.spike_words, steps, chain.weights, chain.weight_at[layer],
        chain.shift[layer], chain.lanes[layer], room.axons, room.currents, out_at,
    )  # fmt: skip


@inlined
def _draw_pair(chain, noise, steps, pair, generation, room, other):
    """Draw the noise of both members of a pair; return the number of its first direction."""
    direction = pair * noise.directions
    draw_direction(chain, noise, steps, direction, generation, room)
    if noise.directions > 1:
        draw_direction(chain, noise, steps, direction + 1, generation, other)
    return direction


@inlined
def _member_noise(
    chain, noise, layer, steps, direction, spikes, at, gates, gates_at, out_at, room
):  # fmt: skip
    """Write the noise current that a direction makes of a layer's spikes to room.noise; return its bound."""
    if not perturbs(noise, layer, direction):
        _silence(room.noise, out_at, out_at + steps * chain.lanes[layer])
        return FROM_START
    if noise.turn[layer] >= 0:
        return aligned_current(chain, noise, layer, steps, gates, gates_at, out_at, room)
    return noise_current(chain, noise, layer, steps, spikes, at, out_at, room)


@inlined
def _run_first_layer(chain, noise, samples, sample, gates_at, steps, direction, room, other):
    """Run the first layer, whose synaptic current both members share; return saturated registers."""
    half = steps * chain.lanes[0]
    begin = sample * half
    frames_at = sample * steps * chain.words[0]
    apart = noise.directions > 1
    minus_at = half if apart else FROM_START
    on_weights = noise.scale[0] != 0 and noise.turn[0] < 0
    single = on_weights and not noise.full_rank and noise.rank == 1
    of_plus, of_minus = FROM_START, FROM_START
    if single:  # one factor a neuron times one drive a step: the drives alone
        of_plus = find_drives(chain, noise, FROM_START, steps, samples.frames, frames_at, room)
        if apart:
            of_minus = find_drives(
                chain, noise, FROM_START, steps, samples.frames, frames_at, other
            )
    else:
        of_plus = _member_noise(
            chain, noise, FROM_START, steps, direction, samples.frames, frames_at, samples.gates,
            gates_at, FROM_START, room,
        )  # fmt: skip
        if apart:
            of_minus = _member_noise(
                chain, noise, FROM_START, steps, direction + 1, samples.frames, frames_at,
                samples.gates, gates_at, minus_at, other,
            )  # fmt: skip
    reach = samples.reach[sample] + max(of_plus, of_minus)
    if chain.layers > 1 and is_plain(chain, FROM_START, reach):
        run_first(chain, steps, samples.currents, begin, single, minus_at, room, other)
        return FROM_START, FROM_START
    if single:
        low_rank_current(chain, noise, FROM_START, steps, FROM_START, room)
        if apart:
            low_rank_current(chain, noise, FROM_START, steps, minus_at, other)
    return run_pair(
        chain, FROM_START, steps, samples.currents, begin, samples.currents, begin, minus_at, reach,
        room, other,
    )  # fmt: skip


@inlined
def _run_sample(chain, noise, samples, sample, steps, direction, room, other):
    """Run all layers of both members of a pair on one sample; return their saturated registers.

    direction  number of the first member's; `room` and `other` hold what each member carries
    """
    row = steps * chain.spike_words
    gates_at = sample * chain.layers * row * 4
    saturated_plus = int64(0)
    saturated_minus = int64(0)
    for layer in range(chain.layers):
        half = steps * chain.lanes[layer]
        if layer == 0:
            plus, minus = _run_first_layer(
                chain, noise, samples, sample, gates_at, steps, direction, room, other
            )
        else:
            noise_reach = int64(0)
            for side in range(2):
                own = other if side else room
                at = (side * chain.layers + layer - 1) * row
                layer_current(chain, layer, steps, at, side * half, room)
                side_reach = _member_noise(
                    chain, noise, layer, steps, direction + side * (noise.directions - 1),
                    room.spikes, at, samples.gates, gates_at, side * half, own,
                )  # fmt: skip
                noise_reach = max(noise_reach, side_reach)
            plus, minus = run_pair(
                chain, layer, steps, room.currents, FROM_START, room.currents, half, half,
                chain.reach[layer] + noise_reach, room, other,
            )  # fmt: skip
        saturated_plus += plus
        saturated_minus += minus
    return saturated_plus, saturated_minus


@kernel
def evaluate_pairs(
    begin, end, chain_arrays, noise_arrays, readout, room_arrays, sample_arrays, groups, pairs,
    first_pair, generation, fitness, saturated,
):  # fmt: skip
    """Fitness of both members of pairs `begin` .. `end` - 1, summed over the samples of their group.

    groups     int64 (group, place): which samples a group sees; `pairs` pairs a group, in order
    fitness    int64 (pair, member), added to; member 1 carries its noise with a minus sign
    saturated  int64 (pair, member), added to
    """
    chain = _point_chain(chain_arrays)
    noise = _point_noise(noise_arrays)
    room, other = _point_room(room_arrays, PLUS), _point_room(room_arrays, MINUS)
    samples = _point_samples(sample_arrays)
    steps = sample_arrays.frames.shape[1]
    powers, logs = pointer(readout.powers), pointer(readout.logs)
    classes = chain.neurons[chain.layers - 1]
    scores = room.potentials if readout.membrane else room.counts
    for index in range(begin, end):
        direction = _draw_pair(chain, noise, steps, first_pair + index, generation, room, other)
        group = index // pairs
        for place in range(groups.shape[1]):
            sample = groups[group, place]
            plus, minus = _run_sample(chain, noise, samples, sample, steps, direction, room, other)
            saturated[index, 0] += plus
            saturated[index, 1] += minus
            for side in range(2):
                fitness[index, side] += log_likelihood(
                    scores, side * chain.width, classes, int64(samples.labels[sample]),
                    readout.multiplier, readout.shift, powers, logs,
                )  # fmt: skip


@kernel
def forward(
    begin, end, chain_arrays, noise_arrays, room_arrays, sample_arrays, potentials, counts, spikes,
    saturated,
):  # fmt: skip
    """Run the unperturbed network (all scales of the noise 0) on samples `begin` .. `end` - 1.

    potentials, counts  int32 (sample, class), written: sum over steps of the last layer's v, spikes
    spikes              uint16 (sample, neuron of all layers), added to: spikes of each neuron
    saturated           int64 (sample,), written
    """
    chain = _point_chain(chain_arrays)
    noise = _point_noise(noise_arrays)
    room = _point_room(room_arrays, PLUS)  # both members', whose noise is none or shared
    samples = _point_samples(sample_arrays)
    steps, row = sample_arrays.frames.shape[1], chain.spike_words
    for sample in range(begin, end):
        saturated[sample], _ = _run_sample(
            chain, noise, samples, sample, steps, FROM_START, room, room
        )
        for index in range(potentials.shape[1]):
            potentials[sample, index] = room.potentials[index]
            counts[sample, index] = room.counts[index]
        place = int64(0)
        for layer in range(chain.layers):
            for t in range(steps):
                at = (layer * steps + t) * row
                for neuron in range(chain.neurons[layer]):
                    spike = (room.spikes[at + (neuron >> 6)] >> uint64(neuron & 63)) & uint64(1)
                    spikes[sample, place + neuron] += np.uint16(spike)
            place += chain.neurons[layer]


@kernel
def present(
    begin, end, chain_arrays, noise_arrays, readout, room_arrays, sample_arrays, window, trains,
    gates, errors, fitness,
):  # fmt: skip
    """The unperturbed presentation of samples `begin` .. `end` - 1, and what rules read of it.

    trains  uint64 (sample, layer, step, word), written: spikes of all layers
    gates   uint16 (sample, layer, step, lane / 16), written where `window` is not 0
    errors  int32 (sample, lane of the last layer), written: `readout.softmax_errors`
    fitness int64 (sample,), written: log-likelihood of the label
    """
    chain = _point_chain(chain_arrays)
    noise = _point_noise(noise_arrays)
    room = _point_room(room_arrays, PLUS)  # both members', whose noise is none or shared
    samples = _point_samples(sample_arrays)
    powers, logs = pointer(readout.powers), pointer(readout.logs)
    steps = sample_arrays.frames.shape[1]
    last = chain.layers - 1
    scores = room.potentials if readout.membrane else room.counts
    kept, opened, wrong = pointer(trains), pointer(gates), pointer(errors)
    row = steps * chain.spike_words
    for sample in range(begin, end):
        _run_sample(chain, noise, samples, sample, steps, FROM_START, room, room)
        softmax_errors(
            scores, FROM_START, chain.neurons[last], int64(samples.labels[sample]),
            readout.multiplier, readout.shift, powers, ERROR_ONE, wrong, sample * chain.lanes[last],
        )  # fmt: skip
        fitness[sample] = log_likelihood(
            scores, FROM_START, chain.neurons[last], int64(samples.labels[sample]),
            readout.multiplier, readout.shift, powers, logs,
        )  # fmt: skip
        for index in range(chain.layers * row):
            kept[sample * chain.layers * row + index] = room.spikes[index]
        if window == 0:
            continue
        for layer in range(chain.layers):
            at = (sample * chain.layers + layer) * row * 4
            if layer == 0:
                driven = samples.currents
                open_gates(
                    chain, 0, steps, driven, sample * steps * chain.lanes[0], window, opened, at
                )
            else:
                layer_current(chain, layer, steps, (layer - 1) * row, FROM_START, room)
                open_gates(chain, layer, steps, room.currents, FROM_START, window, opened, at)


@kernel
def credit_pairs(
    begin, end, chain_arrays, noise_arrays, room_arrays, sample_arrays, groups, pairs, first_pair,
    generation, errors_array, blame_array, largest, credits_array, saturated,
):  # fmt: skip
    """What the event-aligned noise of pairs `begin` .. `end` - 1 was worth to each hidden neuron (credit.py).

    For two layers: the members need not go on to the readout, whose errors are those of `present`.
    groups     int64 (group, 1): the sample a group sees; `pairs` pairs a group, in order
    blame      int32 scratch, a lane a neuron
    credits    int16 (pair, lane), written unless the sample has nothing to blame; at most ±largest
    saturated  int64 (pair, member), added to
    """
    chain = _point_chain(chain_arrays)
    noise = _point_noise(noise_arrays)
    room = _point_room(room_arrays, PLUS)  # both members', whose noise is none or shared
    samples = _point_samples(sample_arrays)
    errors, blame, credits = pointer(errors_array), pointer(blame_array), pointer(credits_array)
    steps, lanes = sample_arrays.frames.shape[1], chain.lanes[0]
    row = 4 * chain.spike_words
    decay_u = prepare_decay(chain.decays[4 + U_MULTIPLIER], chain.decays[4 + U_SHIFT])
    decay_v = prepare_decay(chain.decays[4 + V_MULTIPLIER], chain.decays[4 + V_SHIFT])
    told, blamed = int64(-1), False
    for index in range(begin, end):
        sample = groups[index // pairs, 0]
        if sample != told:
            blamed, told = tell_blame(chain, errors, sample * chain.lanes[1], blame), sample
        if not blamed:
            continue
        direction = _draw_pair(chain, noise, steps, first_pair + index, generation, room, room)
        gates_at = sample * chain.layers * row * steps
        plus, minus = _run_first_layer(
            chain, noise, samples, sample, gates_at, steps, direction, room, room
        )
        saturated[index, 0] += plus
        saturated[index, 1] += minus
        give_credit(
            room.spike_bits, FROM_START, chain.layers * steps * row, row, steps, decay_u, decay_v, blame,
            largest, credits, index * lanes, lanes,
        )  # fmt: skip
