"""Fused executor of dense LIF chains: fitness of the perturbed networks of a population.

    for each pair:                        draw its directions once                    noise/weight_noise.py
        for each sample of its group:     current that all members share              connections/dense.py
            for each hidden layer:        noise current, both members side by side    member_pair.py
    for thirty-two of these trials:
        the last layer, side by side                                                  output_batch.py
        fitness of each member            log-likelihood of the label                 readout.py

A spike acts on the next layer in the same step: layer l at step t here is layer l of the chip at step t +
l, where every spike takes one step. Pairs share only arrays that none of them writes, so any division into
chunks and threads gives the same bits.
"""

from typing import NamedTuple

import numpy as np
from numba import int32, int64, uint64
from numpy.typing import NDArray

from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.connections.dense import LISTED, synaptic_current, tabled_current
from neurosim.kernels.executors.member_pair import (
    EVENT_ALIGNED,
    NONE,
    UNPERTURBED,
    Place,
    near_threshold_mask,
    pair_trial,
    run_checked,
    run_event_aligned,
    run_first,
    run_none,
    run_pair,
    run_unperturbed,
    run_unperturbed_pair,
)
from neurosim.kernels.executors.output_batch import (
    BATCH_LANES,
    carry_noise,
    find_logits,
    place_of,
    place_rows,
    point_output_batch,
    run_output_batch,
    run_unperturbed_output_batch,
)
from neurosim.kernels.generator import lane_words
from neurosim.kernels.neurons.integration import OwnDecays, decays_of
from neurosim.kernels.noise.weight_noise import (
    draw_aligned,
    draw_aligned_bits,
    draw_direction,
    factor_dot_products,
    low_rank_current,
    noise_current,
    noise_words,
    perturbs,
)
from neurosim.kernels.readout import COST_BITS, log_likelihood, softmax, softmax_errors
from neurosim.kernels.rules.error_credit import feedback_errors, neuron_credit
from neurosim.kernels.rules.event_aligned import aligned_current
from neurosim.kernels.simd import WIDTH, pointer, pointer_to_halves, popcount, zeros_together

FROM_START = np.int64(0)
"""Index 0; a literal 0 would compile the callee once more."""
PLUS, MINUS = np.int64(0), np.int64(1)
"""Members of a pair."""
PLUS_SIGN, MINUS_SIGN = np.int64(1), np.int64(-1)
"""Signs of the members' noise."""
READOUT_LAYER = np.int64(1)
"""Index of the hidden layer of two layers, where credit is by error."""
ERROR_ONE = np.int64(127)
"""Largest error of a class, int8 (rules/delta.py)."""


class Chain(NamedTuple):
    """Arrays of a chain of dense layers; a lane is a neuron, padded to sixteen."""

    layers: int
    width: int  # lanes of the widest layer: the row length of `bias` and `threshold`
    spike_words: int  # words of a row of spikes of any layer, a multiple of 8
    sources: NDArray[np.int64]  # (layer,) axons
    neurons: NDArray[np.int64]  # (layer,)
    lanes: NDArray[np.int64]  # (layer,)
    words: NDArray[np.int64]  # (layer,) words of a row of incoming spikes, a multiple of 8
    weights: NDArray[np.int8]  # layers in order, each (source, lane)
    weight_at: NDArray[np.int64]  # (layer,) start of its weights
    sums: NDArray[np.int16]  # `dense.quad_sums` of layers in order
    sums_at: NDArray[np.int64]  # (layer,) start of its sums, or -1: none were made
    looks_up: bool  # whether the last layer looks up `dense.subset_sums`
    subsets: NDArray[np.int16]  # these sums
    noise_at: NDArray[np.int64]  # (layer + 1,) start of its noise planes in the scratch
    shift: NDArray[np.int64]  # (layer,) `Connection.current_shift`
    bias: NDArray[np.int32]  # (layer, lane) added to v in each step
    threshold: NDArray[np.int32]  # (layer, lane)
    decays: NDArray[np.int32]  # (layer, 4), see neurons/integration.py
    own_decays: OwnDecays | None  # of layers whose neurons differ in them
    max_current: NDArray[np.int64]  # (layer,) bound of the synaptic current, from the weights
    headroom: NDArray[np.int64]  # (layer,) largest current that saturates neither u nor v
    plain: (
        int  # largest current with which the first layer is run by `member_pair.run_first`, or -1
    )


class Noise(NamedTuple):
    """Noise of the members. Scales are in units of u; 0 leaves a layer unperturbed."""

    full_rank: bool
    graded: bool
    rank: int
    scale: NDArray[np.int64]  # (layer,)
    bias_scale: NDArray[np.int64]  # (layer,)
    seed: np.uint64
    aligned_index: NDArray[
        np.int64
    ]  # (layer,) -1, or the layer's index among the event-aligned ones
    aligned_layers: int  # number of event-aligned layers, at least 1
    period: int  # event-aligned noise acts in steps 0, period, 2 period ...
    window: int  # ... where the membrane is within this distance of its threshold; 0: no limit
    directions: int  # per pair: 1 that its members share, or 2, one each


class Readout(NamedTuple):
    """Scaling of scores to a log-likelihood (readout.py)."""

    membrane: bool  # score: v summed over steps; otherwise spike counts
    multiplier: int
    shift: int
    powers: NDArray[np.int64]
    logs: NDArray[np.int64]
    spike_cost: (
        int  # subtracted from the fitness for each hidden spike, in 2^-(FRACTION + COST_BITS) bit
    )


class Samples(NamedTuple):
    """Samples of a generation, and the part of the forward pass that its members share."""

    frames: NDArray[np.uint64]  # (sample, step, word)
    labels: NDArray[np.uint16]  # (sample,)
    currents: NDArray[np.int32]  # (sample, step, lane) of the first layer
    max_current: NDArray[np.int64]  # (sample,) largest of its currents
    masks: NDArray[np.uint16]  # (sample, layer, step, lane / 16); empty: no window


class Scratch(NamedTuple):
    """Scratch of one thread, for one pair at a time."""

    inputs: NDArray[np.uint64]  # (direction, word) noise planes of all layers
    input_bits: NDArray[np.uint16]  # the same memory, four to a word
    outputs: NDArray[np.int32]  # (direction, layer * rank * lane) A times scale
    bias_noise: NDArray[np.int32]  # (direction, layer * lane)
    raw: NDArray[np.uint64]  # one noise field of any layer
    axons: NDArray[np.int32]  # numbers of spiking sources
    dots: NDArray[np.int32]  # (direction, rank * step) x . B of low-rank noise
    currents: NDArray[np.int32]  # (member, step, lane)
    noise: NDArray[np.int32]  # (member, step, lane)
    spikes: NDArray[np.uint64]  # (member, layer, step, word) of hidden layers, where rows are read
    spike_bits: NDArray[np.uint16]  # the same memory, four to a word


@kernel
def _point_chain(chain):
    return Chain(
        chain.layers,
        chain.width,
        chain.spike_words,
        pointer(chain.sources),
        pointer(chain.neurons),
        pointer(chain.lanes),
        pointer(chain.words),
        pointer(chain.weights),
        pointer(chain.weight_at),
        pointer(chain.sums),
        pointer(chain.sums_at),
        chain.looks_up,
        pointer(chain.subsets),
        pointer(chain.noise_at),
        pointer(chain.shift),
        pointer(chain.bias),
        pointer(chain.threshold),
        pointer(chain.decays),
        chain.own_decays,
        pointer(chain.max_current),
        pointer(chain.headroom),
        chain.plain,
    )


@kernel
def _point_samples(samples):
    return Samples(
        pointer(samples.frames),
        pointer(samples.labels),
        pointer(samples.currents),
        pointer(samples.max_current),
        pointer(samples.masks),
    )


@kernel
def _point_noise(noise):
    return Noise(
        noise.full_rank,
        noise.graded,
        noise.rank,
        pointer(noise.scale),
        pointer(noise.bias_scale),
        noise.seed,
        pointer(noise.aligned_index),
        noise.aligned_layers,
        noise.period,
        noise.window,
        noise.directions,
    )


@kernel
def _point_scratch(scratch, member):
    """The scratch of the second member of a pair: with the noise of its direction."""
    own = min(member, scratch.inputs.shape[0] - 1)
    return Scratch(
        pointer(scratch.inputs[own]),
        pointer_to_halves(scratch.inputs[own]),
        pointer(scratch.outputs[own]),
        pointer(scratch.bias_noise[own]),
        pointer(scratch.raw),
        pointer(scratch.axons),
        pointer(scratch.dots[own]),
        pointer(scratch.currents),
        pointer(scratch.noise),
        pointer(scratch.spikes),
        pointer_to_halves(scratch.spikes),
    )


def make_scratch(chain: Chain, noise: Noise, steps: int) -> Scratch:
    """Scratch for one thread."""
    lanes, layers = chain.width, chain.layers
    field = max(noise_words(lane_words(int(count)), True) for count in chain.neurons)
    inputs, outputs, bias_noise, raw, axons, dots, currents, noises, spikes = zeros_together(
        ((noise.directions, max(int(chain.noise_at[layers]), 1)), np.uint64),
        ((noise.directions, layers * noise.rank * lanes), np.int32),
        ((noise.directions, layers * lanes), np.int32),
        (field, np.uint64),
        (int(chain.sources.max()) + LISTED, np.int32),
        ((noise.directions, noise.rank * steps), np.int32),
        (2 * steps * lanes, np.int32),
        (2 * steps * lanes, np.int32),
        (2 * layers * steps * chain.spike_words, np.uint64),
    )
    return Scratch(
        inputs,
        inputs.view(np.uint16),
        outputs,
        bias_noise,
        raw,
        axons,
        dots,
        currents,
        noises,
        spikes,
        spikes.view(np.uint16),
    )


@kernel
def _silence(noise, begin, end):
    for index in range(begin, end):
        noise[index] = int32(0)


@inlined
def layer_current(chain, layer, steps, spikes, at, out_at, scratch):
    """Current int32 (step, lane) of a layer above the first, from `at` of spikes uint64 (step, word) on.

    Written to scratch.currents from `out_at` on.
    """
    if chain.sums_at[layer] >= 0:
        tabled_current(
            spikes,
            at,
            chain.spike_words,
            chain.sources[layer],
            steps,
            chain.sums,
            chain.sums_at[layer],
            chain.shift[layer],
            chain.lanes[layer],
            scratch.currents,
            out_at,
        )
        return
    synaptic_current(
        spikes,
        at,
        chain.spike_words,
        steps,
        chain.weights,
        chain.weight_at[layer],
        chain.shift[layer],
        chain.lanes[layer],
        scratch.axons,
        scratch.currents,
        out_at,
    )


@inlined
def _draw_pair(chain, noise, steps, pair, generation, scratch, other):
    """Draw the noise of both members of a pair; return the number of its first direction."""
    direction = pair * noise.directions
    draw_direction(chain, noise, steps, direction, generation, scratch)
    if noise.directions > 1:
        draw_direction(chain, noise, steps, direction + 1, generation, other)
    return direction


@kernel
def _member_noise(
    chain, noise, layer, steps, direction, spikes, at, masks, masks_at, out_at, scratch
):
    """Write the noise current of a direction for a layer's spikes to scratch.noise; return its bound."""
    if not perturbs(noise, layer, direction):
        _silence(scratch.noise, out_at, out_at + steps * chain.lanes[layer])
        return FROM_START
    if noise.aligned_index[layer] >= 0:
        return aligned_current(chain, noise, layer, steps, masks, masks_at, out_at, scratch)
    return noise_current(chain, noise, layer, steps, spikes, at, out_at, scratch)


@inlined
def _rows_of(chain, layer, steps):
    """Destination of spikes that are read as rows: scratch.spike_bits, one row per step."""
    row = 4 * chain.spike_words
    return Place(layer * steps * row, (chain.layers + layer) * steps * row, row, int64(1))


@inlined
def _spikes_of(chain, layer, steps, lane, scratch, outputs):
    """Destination of two trials' hidden spikes: the output batch for the last hidden layer, else rows."""
    if layer == chain.layers - 2:
        return outputs.patterns, place_of(lane, steps)
    return scratch.spike_bits, _rows_of(chain, layer, steps)


@inlined
def _noise_of_first(noise, direction, other_direction):
    """Noise that the first layer computes itself: its rank, EVENT_ALIGNED (event-aligned), or NONE."""
    if noise.aligned_index[0] < 0:
        return noise.rank if noise.scale[0] != 0 and not noise.full_rank else NONE
    plain = not noise.graded and noise.period == 1 and noise.window == 0
    both = perturbs(noise, FROM_START, direction) and perturbs(noise, FROM_START, other_direction)
    return EVENT_ALIGNED if plain and both else NONE


@inlined
def _run_first_layer(
    chain, noise, samples, first, second, steps, direction, scratch, other, out, place
):
    """Run a hidden first layer, of one member on sample `first` and the other on `second`.

    Members on the same sample share its synaptic current. Returns saturated registers of each.
    """
    half = steps * chain.lanes[0]
    plus_at, minus_at = first * half, second * half
    masks_row = chain.layers * steps * 4 * chain.spike_words
    apart = noise.directions > 1 or first != second
    minus_noise_at = int64(half if apart else 0)
    other_direction = direction + noise.directions - 1
    frames_at = first * steps * chain.words[0]
    minus_frames_at = second * steps * chain.words[0]
    rank = _noise_of_first(noise, direction, other_direction)
    of_plus, of_minus = noise.scale[0], noise.scale[0]  # bound of event-aligned noise
    if rank > NONE:  # factors of neurons times dot products of steps: the dot products alone
        of_plus = factor_dot_products(
            chain, noise, FROM_START, steps, samples.frames, frames_at, scratch
        )
        if apart:
            of_minus = factor_dot_products(
                chain, noise, FROM_START, steps, samples.frames, minus_frames_at, other
            )
    elif rank == NONE:
        of_plus = _member_noise(
            chain,
            noise,
            FROM_START,
            steps,
            direction,
            samples.frames,
            frames_at,
            samples.masks,
            first * masks_row,
            FROM_START,
            scratch,
        )
        if apart:
            of_minus = _member_noise(
                chain,
                noise,
                FROM_START,
                steps,
                other_direction,
                samples.frames,
                minus_frames_at,
                samples.masks,
                second * masks_row,
                half,
                other,
            )
    of_minus = of_minus if apart else of_plus
    max_current = max(samples.max_current[first], samples.max_current[second]) + max(
        of_plus, of_minus
    )
    if max_current <= chain.plain:
        run_first(
            pair_trial(
                chain,
                rank,
                noise.scale[0],
                steps,
                samples.currents,
                plus_at,
                minus_at,
                minus_noise_at,
                scratch,
                other,
                out,
                place,
            )
        )
        return FROM_START, FROM_START
    for side in range(2 if apart else 1):
        own, at = (other, minus_noise_at) if side else (scratch, FROM_START)
        if rank > NONE:
            low_rank_current(chain, noise, FROM_START, steps, at, own)
        elif rank == EVENT_ALIGNED:
            aligned_current(chain, noise, FROM_START, steps, samples.masks, FROM_START, at, own)
    return run_pair(
        chain,
        FROM_START,
        steps,
        samples.currents,
        plus_at,
        samples.currents,
        minus_at,
        minus_noise_at,
        max_current,
        scratch,
        other,
        out,
        place,
    )


@inlined
def _run_hidden(
    chain, noise, samples, first, second, steps, direction, lane, scratch, other, outputs
):
    """Run all layers but the last of two trials: of one member on sample `first`, of the other on `second`.

    direction  number of the first member's; `scratch` and `other` hold the noise of each member: two samples
               need two of them, or no noise
    lane       of the output batch for the first member's spikes; the second's go to the next
    Returns the saturated registers of each.
    """
    row = steps * chain.spike_words
    masks_row = chain.layers * row * 4
    saturated_plus = int64(0)
    saturated_minus = int64(0)
    for layer in range(chain.layers - 1):
        out, place = _spikes_of(chain, layer, steps, lane, scratch, outputs)
        half = steps * chain.lanes[layer]
        if layer == 0:
            plus, minus = _run_first_layer(
                chain, noise, samples, first, second, steps, direction, scratch, other, out, place
            )
        else:
            max_noise = int64(0)
            for side in range(2):
                own, sample = (other, second) if side else (scratch, first)
                at = (side * chain.layers + layer - 1) * row
                layer_current(chain, layer, steps, scratch.spikes, at, side * half, scratch)
                side_reach = _member_noise(
                    chain,
                    noise,
                    layer,
                    steps,
                    direction + side * (noise.directions - 1),
                    scratch.spikes,
                    at,
                    samples.masks,
                    sample * masks_row,
                    side * half,
                    own,
                )
                max_noise = max(max_noise, side_reach)
            plus, minus = run_pair(
                chain,
                layer,
                steps,
                scratch.currents,
                FROM_START,
                scratch.currents,
                half,
                half,
                chain.max_current[layer] + max_noise,
                scratch,
                other,
                out,
                place,
            )
        saturated_plus += plus
        saturated_minus += minus
    return saturated_plus, saturated_minus


@inlined
def _run_still_first(chain, samples, first, second, steps, scratch, out, place):
    """`_run_first_layer` of the unperturbed network."""
    half = steps * chain.lanes[0]
    first_at, second_at = first * half, second * half
    if max(samples.max_current[first], samples.max_current[second]) > chain.plain:
        return run_unperturbed_pair(
            chain,
            FROM_START,
            steps,
            samples.currents,
            first_at,
            samples.currents,
            second_at,
            FROM_START,
            FROM_START,
            scratch,
            scratch,
            out,
            place,
        )
    run_unperturbed(
        pair_trial(
            chain,
            UNPERTURBED,
            FROM_START,
            steps,
            samples.currents,
            first_at,
            second_at,
            FROM_START,
            scratch,
            scratch,
            out,
            place,
        )
    )
    return FROM_START, FROM_START


@inlined
def _run_unperturbed_hidden(chain, samples, first, second, steps, lane, scratch, outputs):
    """`_run_hidden` of the unperturbed network on two samples; less to compile by far."""
    out, place = _spikes_of(chain, FROM_START, steps, lane, scratch, outputs)
    saturated_first, saturated_second = FROM_START, FROM_START
    if chain.layers > 1:
        saturated_first, saturated_second = _run_still_first(
            chain, samples, first, second, steps, scratch, out, place
        )
    for layer in range(1, chain.layers - 1):
        half = steps * chain.lanes[layer]
        for side in range(2):
            at = (side * chain.layers + layer - 1) * steps * chain.spike_words
            layer_current(chain, layer, steps, scratch.spikes, at, side * half, scratch)
        out, place = _spikes_of(chain, layer, steps, lane, scratch, outputs)
        of_first, of_second = run_unperturbed_pair(
            chain,
            layer,
            steps,
            scratch.currents,
            FROM_START,
            scratch.currents,
            half,
            FROM_START,
            FROM_START,
            scratch,
            scratch,
            out,
            place,
        )
        saturated_first += of_first
        saturated_second += of_second
    return saturated_first, saturated_second


@inlined
def _rows_needed(chain, noise):
    """Whether the last layer needs currents or noise that an output batch does not compute."""
    last = chain.layers - 1
    return (
        last == 0
        or not chain.looks_up
        or (noise.scale[last] != 0 and noise.aligned_index[last] >= 0)
    )


@kernel
def _write_current_rows(chain, samples, sample, steps, lane, scratch, outputs):
    """Write the currents that the output batch does not compute to a trial's lane; return a bound on them,
    and whether there were any."""
    last = chain.layers - 1
    lanes, neurons = chain.lanes[last], chain.neurons[last]
    bound, adds = FROM_START, False
    if last == 0:
        at = sample * steps * lanes
        place_rows(samples.currents, at, lanes, neurons, steps, int64(1), adds, lane, outputs)
        bound, adds = samples.max_current[sample], True
    elif not chain.looks_up:
        at = (last - 1) * steps * chain.spike_words
        place = place_of(lane, steps)
        copy_spikes(
            chain, last - 1, steps, outputs.patterns, PLUS, place, scratch.spike_bits, 4 * at
        )
        layer_current(chain, last, steps, scratch.spikes, at, FROM_START, scratch)
        place_rows(
            scratch.currents, FROM_START, lanes, neurons, steps, int64(1), adds, lane, outputs
        )
        adds = True
    return bound, adds


@kernel
def _write_rows(chain, noise, samples, sample, steps, direction, lane, sign, scratch, outputs):
    """Write the currents of `_rows_needed` to a trial's lane; return a bound on them.

    scratch, sign  noise of the member, and its sign
    """
    last = chain.layers - 1
    lanes, neurons = chain.lanes[last], chain.neurons[last]
    masks_at = sample * chain.layers * steps * 4 * chain.spike_words
    bound, adds = _write_current_rows(chain, samples, sample, steps, lane, scratch, outputs)
    if last == 0 or noise.aligned_index[last] >= 0:
        frames_at = sample * steps * chain.words[0]
        bound += _member_noise(
            chain,
            noise,
            last,
            steps,
            direction,
            samples.frames,
            frames_at,
            samples.masks,
            masks_at,
            FROM_START,
            scratch,
        )
        place_rows(scratch.noise, FROM_START, lanes, neurons, steps, sign, adds, lane, outputs)
    return bound


@inlined
def copy_spikes(chain, layer, steps, spikes, member, place, rows, at):
    """Copy a member's spikes of a layer to uint16 rows (step, sixteen neurons) from `at` on."""
    begin = place.plus if member == PLUS else place.minus
    for t in range(steps):
        for sixteen in range(chain.lanes[layer] // WIDTH):
            to = at + t * 4 * chain.spike_words + sixteen
            rows[to] = spikes[begin + t * place.step + sixteen * place.sixteen]


@inlined
def _cost_of_spikes(chain, steps, member, lane, cost, scratch, outputs):
    """Cost of a member's spikes in all hidden layers, in units of the fitness."""
    spikes = int64(0)
    for layer in range(chain.layers - 1):
        out, place = _spikes_of(chain, layer, steps, lane, scratch, outputs)
        begin = place.plus if member == PLUS else place.minus
        for t in range(steps):
            for sixteen in range(chain.lanes[layer] // WIDTH):
                spikes += popcount(uint64(out[begin + t * place.step + sixteen * place.sixteen]))
    return (spikes * cost) >> COST_BITS


@kernel
def _score_pairs(
    chain, noise, steps, readout, samples, lanes, max_current, rows, outputs, fitness, saturated
):
    """Run the last layer on the first `lanes` of an output batch, and add the fitness of its pairs."""
    run_output_batch(chain, noise, steps, max_current, rows, outputs)
    find_logits(readout, chain.neurons[chain.layers - 1], outputs)
    logs = pointer(readout.logs)
    for lane in range(lanes):
        index, side = outputs.pairs[lane >> 1], lane & 1
        saturated[index, side] += outputs.saturated[lane]
        fitness[index, side] += log_likelihood(
            outputs.logits,
            BATCH_LANES,
            lane,
            int64(samples.labels[outputs.shared[lane >> 1]]),
            outputs.tops,
            outputs.totals,
            logs,
        )


@kernel
def evaluate_pairs(
    begin,
    end,
    chain_arrays,
    noise_arrays,
    readout,
    scratch_arrays,
    batch_arrays,
    sample_arrays,
    groups,
    pairs,
    first_pair,
    generation,
    fitness,
    saturated,
):
    """Fitness of both members of pairs `begin` .. `end` - 1, summed over the samples of their group.

    The fitness of a sample is the log-likelihood of its label less the cost of the hidden spikes.
    groups     int64 (group, place): samples of each group; `pairs` pairs per group, in order
    fitness    int64 (pair, member), added to; member 1 has its noise with a minus sign
    saturated  int64 (pair, member), added to
    """
    chain = _point_chain(chain_arrays)
    noise = _point_noise(noise_arrays)
    scratch, other = _point_scratch(scratch_arrays, PLUS), _point_scratch(scratch_arrays, MINUS)
    outputs = point_output_batch(batch_arrays)
    samples = _point_samples(sample_arrays)
    steps = sample_arrays.frames.shape[1]
    rows = _rows_needed(chain, noise)
    batch = groups.shape[1]
    lane, max_current = FROM_START, FROM_START
    for index in range(begin, end):
        direction = _draw_pair(chain, noise, steps, first_pair + index, generation, scratch, other)
        for place in range(batch):
            sample = groups[index // pairs, place]
            if place == 0 or lane == 0:
                carry_noise(chain, noise, lane, scratch, other, outputs)
            plus, minus = _run_hidden(
                chain,
                noise,
                samples,
                sample,
                sample,
                steps,
                direction,
                lane,
                scratch,
                other,
                outputs,
            )
            saturated[index, 0] += plus
            saturated[index, 1] += minus
            if readout.spike_cost != 0:
                cost = readout.spike_cost
                fitness[index, 0] -= _cost_of_spikes(
                    chain, steps, PLUS, lane, cost, scratch, outputs
                )
                fitness[index, 1] -= _cost_of_spikes(
                    chain, steps, MINUS, lane, cost, scratch, outputs
                )
            if rows:
                second = direction + noise.directions - 1
                of_plus = _write_rows(
                    chain,
                    noise,
                    samples,
                    sample,
                    steps,
                    direction,
                    lane,
                    PLUS_SIGN,
                    scratch,
                    outputs,
                )
                of_minus = _write_rows(
                    chain,
                    noise,
                    samples,
                    sample,
                    steps,
                    second,
                    lane + 1,
                    MINUS_SIGN,
                    other,
                    outputs,
                )
                max_current = max(max_current, of_plus, of_minus)
            outputs.shared[lane >> 1], outputs.pairs[lane >> 1] = sample, index
            lane += 2
            if lane == BATCH_LANES or (index == end - 1 and place == batch - 1):
                _score_pairs(
                    chain,
                    noise,
                    steps,
                    readout,
                    samples,
                    lane,
                    max_current,
                    rows,
                    outputs,
                    fitness,
                    saturated,
                )
                lane, max_current = FROM_START, FROM_START


def _compile_forward(one_hidden):
    @kernel
    def forward(
        begin,
        end,
        chain_arrays,
        noise_arrays,
        scratch_arrays,
        batch_arrays,
        sample_arrays,
        potentials,
        counts,
        trains,
        saturated,
    ):
        """Run the unperturbed network (all scales of the noise 0) on samples `begin` .. `end` - 1.

        `one_hidden`: see `has_one_hidden`.
        potentials, counts  int64 (sample, class), written: sum over steps of the last layer's v, spikes
        trains              uint64 (sample, layer, step, word), written: spikes of the hidden layers
        saturated           int64 (sample,), written: saturated registers
        """
        chain = _point_chain(chain_arrays)
        noise = _point_noise(noise_arrays)
        scratch = _point_scratch(scratch_arrays, PLUS)
        outputs = point_output_batch(batch_arrays)
        samples = _point_samples(sample_arrays)
        steps, last = sample_arrays.frames.shape[1], chain.layers - 1
        row, kept = 4 * steps * chain.spike_words, pointer_to_halves(trains)
        rows = False if one_hidden else _rows_needed(chain, noise)
        for begun in range(begin, end, BATCH_LANES):
            past, max_current = min(begun + BATCH_LANES, end), FROM_START
            for first in range(begun, past, 2):
                lane, second = first - begun, min(first + 1, past - 1)
                if one_hidden:
                    place, out = place_of(lane, steps), outputs.patterns
                    plus, minus = _run_still_first(
                        chain, samples, first, second, steps, scratch, out, place
                    )
                else:
                    plus, minus = _run_unperturbed_hidden(
                        chain, samples, first, second, steps, lane, scratch, outputs
                    )
                saturated[first], saturated[second] = plus, (minus if second > first else plus)
                for side in range(second - first + 1):
                    sample = first + side
                    if one_hidden:
                        at = sample * row
                        copy_spikes(chain, FROM_START, steps, out, side, place, kept, at)
                    else:
                        for layer in range(last):
                            out, place = _spikes_of(chain, layer, steps, lane, scratch, outputs)
                            at = (sample * last + layer) * row
                            copy_spikes(chain, layer, steps, out, side, place, kept, at)
                        if rows:
                            bound, _ = _write_current_rows(
                                chain, samples, sample, steps, lane + side, scratch, outputs
                            )
                            max_current = max(max_current, bound)
            run_unperturbed_output_batch(chain, noise, steps, max_current, rows, outputs)
            for sample in range(begun, past):
                lane = sample - begun
                saturated[sample] += outputs.saturated[lane]
                for index in range(chain.neurons[last]):
                    potentials[sample, index] = outputs.potentials[index * BATCH_LANES + lane]
                    counts[sample, index] = outputs.counts[index * BATCH_LANES + lane]

    return forward


def has_one_hidden(chain: Chain) -> bool:
    """Whether there is one hidden layer, and the last layer looks up its currents."""
    return chain.layers == 2 and chain.looks_up


forward = {one_hidden: _compile_forward(one_hidden) for one_hidden in (False, True)}
"""By `has_one_hidden`: what other chains need is most of the work of the compiler."""


@kernel
def count_spikes(begin, end, chain, trains, counts, spikes):
    """Write the spike counts of each neuron of all layers, uint16 (sample, neuron), from `forward`."""
    last, row = chain.layers - 1, chain.spike_words
    steps = trains.shape[1] // max(1, last * row)
    for sample in range(begin, end):
        place = int64(0)
        for layer in range(last):
            for neuron in range(chain.neurons[layer]):
                count = uint64(0)
                for t in range(steps):
                    word = trains[sample, (layer * steps + t) * row + (neuron >> 6)]
                    count += (word >> uint64(neuron & 63)) & uint64(1)
                spikes[sample, place + neuron] = np.uint16(count)
            place += chain.neurons[layer]
        for index in range(chain.neurons[last]):
            spikes[sample, place + index] = np.uint16(counts[sample, index])


@kernel
def readout_errors(begin, end, readout, scores, labels, scratch, errors, fitness):
    """Readout errors and fitness from the scores int64 (sample, class) of `forward`.

    scratch     int64 (class + 2,), scratch
    errors   int32 (sample, lane of the last layer), written: `readout.softmax_errors`
    fitness  int64 (sample,), written: log-likelihood of the label
    """
    classes, alone = scores.shape[1], np.int64(1)
    logits, tops, totals = scratch, scratch[classes:], scratch[classes + 1 :]
    for sample in range(begin, end):
        softmax(
            scores[sample],
            alone,
            classes,
            readout.multiplier,
            readout.shift,
            readout.powers,
            logits,
            tops,
            totals,
        )
        label = int64(labels[sample])
        softmax_errors(
            logits,
            alone,
            FROM_START,
            classes,
            label,
            tops,
            totals,
            readout.powers,
            ERROR_ONE,
            errors[sample],
            FROM_START,
        )
        fitness[sample] = log_likelihood(
            logits, alone, FROM_START, label, tops, totals, readout.logs
        )


def _compile_near_threshold_masks(first_alone):
    @kernel
    def near_threshold_masks(
        begin, end, chain_arrays, scratch_arrays, sample_arrays, window, trains, masks
    ):
        """Write the near-threshold masks of samples `begin` .. `end` - 1, of the unperturbed network.

        `first_alone`: those of the first layer, which has currents already; otherwise those of all layers.
        trains  uint64 (sample, layer, step, word) of `forward`
        masks   uint16 (sample, layer, step, lane / 16), written: `member_pair.near_threshold_mask`
        """
        chain, scratch = _point_chain(chain_arrays), _point_scratch(scratch_arrays, PLUS)
        samples = _point_samples(sample_arrays)
        kept, opened = pointer(trains), pointer(masks)
        steps = sample_arrays.frames.shape[1]
        row = steps * chain.spike_words
        for sample in range(begin, end):
            for layer in range(1 if first_alone else chain.layers):
                at = (sample * chain.layers + layer) * row * 4
                driven, driven_at = samples.currents, sample * steps * chain.lanes[0]
                if not first_alone and layer > 0:
                    spikes_at = (sample * (chain.layers - 1) + layer - 1) * row
                    layer_current(chain, layer, steps, kept, spikes_at, FROM_START, scratch)
                    driven, driven_at = scratch.currents, FROM_START
                near_threshold_mask(chain, layer, steps, driven, driven_at, window, opened, at)

    return near_threshold_masks


near_threshold_masks = {
    first_alone: _compile_near_threshold_masks(first_alone) for first_alone in (False, True)
}
"""By whether the first layer alone has event-aligned noise."""


def _compile_credit_pairs(plain, from_bits):
    draw = draw_aligned_bits if plain else draw_aligned
    run_plain = run_event_aligned if from_bits else run_none
    run_others = run_checked if plain else run_pair

    @inlined
    def run_credit_first(chain, noise, samples, sample, steps, scratch, out, place):
        """`_run_first_layer` of a pair whose members share event-aligned noise, on one sample."""
        at = sample * steps * chain.lanes[0]
        masks_at = sample * chain.layers * steps * 4 * chain.spike_words
        bound = noise.scale[0]
        if not from_bits:
            bound = aligned_current(
                chain, noise, FROM_START, steps, samples.masks, masks_at, FROM_START, scratch
            )
        max_current = samples.max_current[sample] + bound
        if max_current <= chain.plain:
            run_plain(
                pair_trial(
                    chain,
                    NONE,
                    noise.scale[0],
                    steps,
                    samples.currents,
                    at,
                    at,
                    FROM_START,
                    scratch,
                    scratch,
                    out,
                    place,
                )
            )
            return FROM_START, FROM_START
        if from_bits:
            aligned_current(
                chain, noise, FROM_START, steps, samples.masks, FROM_START, FROM_START, scratch
            )
        return run_others(
            chain,
            FROM_START,
            steps,
            samples.currents,
            at,
            samples.currents,
            at,
            FROM_START,
            max_current,
            scratch,
            scratch,
            out,
            place,
        )

    @kernel
    def credit_pairs(
        begin,
        end,
        chain_arrays,
        noise_arrays,
        scratch_arrays,
        sample_arrays,
        groups,
        pairs,
        first_pair,
        generation,
        errors_array,
        feedback_array,
        largest,
        credits_array,
        saturated,
    ):
        """Credits of the hidden neurons for the event-aligned noise of pairs `begin` .. `end` - 1.

        `plain`, `from_bits`: see `credit_kind`.
        For two layers: members do not run the readout, whose errors are those of `readout_errors`.
        groups     int64 (group, 1): sample of each group; `pairs` pairs per group, in order
        feedback   int32 scratch, one lane per neuron
        credits    int16 (pair, lane), clipped to ±largest; not written where all feedback errors are 0
        saturated  int64 (pair, member), added to
        """
        chain = _point_chain(chain_arrays)
        noise = _point_noise(noise_arrays)
        scratch = _point_scratch(scratch_arrays, PLUS)  # of both members, which share their noise
        samples = _point_samples(sample_arrays)
        errors, feedback, credits = (
            pointer(errors_array),
            pointer(feedback_array),
            pointer(credits_array),
        )
        steps, lanes = sample_arrays.frames.shape[1], chain.lanes[0]
        spikes = _rows_of(chain, FROM_START, steps)
        decay_u, decay_v = decays_of(chain.decays, READOUT_LAYER)
        current_sample, any_feedback = int64(-1), False
        for index in range(begin, end):
            sample = groups[index // pairs, 0]
            if sample != current_sample:
                any_feedback, current_sample = (
                    feedback_errors(chain, errors, sample * chain.lanes[1], feedback),
                    sample,
                )
            if not any_feedback:
                continue
            draw(chain, noise, FROM_START, steps, first_pair + index, generation, scratch)
            plus, minus = run_credit_first(
                chain, noise, samples, sample, steps, scratch, scratch.spike_bits, spikes
            )
            saturated[index, 0] += plus
            saturated[index, 1] += minus
            neuron_credit(
                scratch.spike_bits,
                spikes.plus,
                spikes.minus,
                spikes.step,
                steps,
                decay_u,
                decay_v,
                feedback,
                largest,
                credits,
                index * lanes,
                lanes,
            )

    return credit_pairs


def credit_kind(chain: Chain, noise: Noise) -> tuple[bool, bool]:
    """Which of `credit_pairs` is for a chain and its noise.

    plain      noise of one bit, on a layer that is run by `run_first` unless a register may saturate
    from_bits  and it acts in all steps on all neurons
    """
    plain = chain.plain >= 0 and not noise.graded
    return plain, plain and noise.period == 1 and noise.window == 0


credit_pairs = {
    kind: _compile_credit_pairs(*kind) for kind in ((True, True), (True, False), (False, False))
}
"""By `credit_kind`: what other pairs need is most of the work of the compiler."""
