"""Output batch: the last layer for thirty-two trials at once, one SIMD lane per trial.

    carry_noise       copy a pair's noise on the last layer to the lanes of its members
    patterns          spikes of the layer before, in the lane of each trial (written by member_pair.py)
    run_output_batch  currents, noise and all steps of every neuron, of all lanes at once
    find_logits       logits and sums of the softmax of all lanes (kernels/readout.py)

A trial is one sample with one member; even lanes are first members, odd lanes second ones. The last layer
has few neurons, one per class: with one neuron per lane, lanes would be empty and each step would wait for
the one before. Trials fill every lane, and three look-ups give the current of sixteen axons to a neuron in
thirty-two trials. (Runs without noise have one sample per lane.)
"""

from typing import NamedTuple

import numpy as np
from numba import int32, int64
from numpy.typing import NDArray

from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.connections.dense import FIVE, SUBSETS
from neurosim.kernels.executors.member_pair import Place
from neurosim.kernels.neurons.integration import (
    STATES_PER_SUM,
    decays_of,
    integrate_checked,
    integrate_free,
)
from neurosim.kernels.neurons.lif import fire
from neurosim.kernels.noise.weight_noise import (
    FIRST,
    GRADED_OFFSET,
    GRADED_PLANES,
    ONE_NUMBER,
    noise_words,
    planes_of,
)
from neurosim.kernels.readout import softmax
from neurosim.kernels.simd import (
    TWIN,
    WIDTH,
    add_wide,
    greatest,
    load,
    load_twins,
    look_up,
    look_up_in_two,
    no_twins,
    pointer,
    popcounts,
    select,
    shift_twins_right,
    splat,
    store,
    store_alternating,
    widen_first,
    widen_second,
    zeros_together,
)

BATCH_LANES = TWIN
"""Trials per batch."""
SHORT_SIXTEENS = 16
"""Groups of sixteen axons whose summed weights fit 16 bits: from 256 * -128 to 256 * 127."""
COUNTED_SIXTEENS = 2047
"""Words of sixteen bits whose popcount fits 16 bits."""


class OutputBatch(NamedTuple):
    """Scratch of one thread: input of the last layer in thirty-two trials, and its scores."""

    patterns: NDArray[np.uint16]  # (sixteen sources, step, lane) a bit a source
    planes: NDArray[np.uint16]  # (field, plane, sixteen sources, lane) of B (or of E)
    factors: NDArray[np.int32]  # (field, neuron, lane) A times scale (or the scale), signed
    bias_noise: NDArray[np.int32]  # (neuron, lane) signed
    dots: NDArray[np.int32]  # (field, step, lane) x . B
    currents: NDArray[np.int32]  # (neuron, step, lane)
    potentials: NDArray[np.int64]  # (neuron, lane) sum over steps of v after reset
    counts: NDArray[np.int64]  # (neuron, lane) spikes
    saturated: NDArray[np.int32]  # (lane,) saturated registers
    logits: NDArray[np.int64]  # (neuron, lane) and the sums that classes share: readout.softmax
    tops: NDArray[np.int64]  # (lane,)
    totals: NDArray[np.int64]  # (lane,)
    shared: NDArray[np.int64]  # (lane / 2,) the sample of two lanes
    pairs: NDArray[np.int64]  # (lane / 2,) their pair, counted in its population


def make_output_batch(chain, noise, steps):
    """Scratch for one thread."""
    last = chain.layers - 1
    neurons = int(chain.neurons[last])
    sixteens = -(-int(chain.sources[last]) // WIDTH) if last else 0
    fields = neurons if noise.full_rank else noise.rank
    planes = GRADED_PLANES if noise.graded else 1
    return OutputBatch(
        *zeros_together(
            (sixteens * steps * BATCH_LANES, np.uint16),
            (fields * planes * sixteens * BATCH_LANES, np.uint16),
            ((1 if noise.full_rank else fields) * neurons * BATCH_LANES, np.int32),
            (neurons * BATCH_LANES, np.int32),
            (fields * steps * BATCH_LANES, np.int32),
            (neurons * steps * BATCH_LANES, np.int32),
            (neurons * BATCH_LANES, np.int64),
            (neurons * BATCH_LANES, np.int64),
            (BATCH_LANES, np.int32),
            (neurons * BATCH_LANES, np.int64),
            (BATCH_LANES, np.int64),
            (BATCH_LANES, np.int64),
            (BATCH_LANES // 2, np.int64),
            (BATCH_LANES // 2, np.int64),
        )
    )


@kernel
def point_output_batch(outputs):
    """The output batch as `pointer`s."""
    return OutputBatch(
        pointer(outputs.patterns),
        pointer(outputs.planes),
        pointer(outputs.factors),
        pointer(outputs.bias_noise),
        pointer(outputs.dots),
        pointer(outputs.currents),
        pointer(outputs.potentials),
        pointer(outputs.counts),
        pointer(outputs.saturated),
        pointer(outputs.logits),
        pointer(outputs.tops),
        pointer(outputs.totals),
        pointer(outputs.shared),
        pointer(outputs.pairs),
    )


@inlined
def place_of(lane, steps):
    """Destination of two trials' spikes in the patterns: `lane` and the next."""
    return Place(lane, lane + 1, int64(BATCH_LANES), steps * BATCH_LANES)


@inlined
def _sixteens(chain):
    """Words of sixteen bits that hold a spike of every source of the last layer."""
    return (chain.sources[chain.layers - 1] + 15) >> 4


@inlined
def carries_dot_products(chain, noise):
    """Whether noise is on the last layer's weights, and its sources are the patterns."""
    last = chain.layers - 1
    return last > 0 and noise.scale[last] != 0 and noise.aligned_index[last] < 0


@inlined
def carry_noise(chain, noise, lane, scratch, other, outputs):
    """Copy a pair's noise to lanes from `lane` on: `scratch`'s to even, minus `other`'s to odd ones."""
    last = chain.layers - 1
    neurons = chain.neurons[last]
    if noise.bias_scale[last] != 0:
        for neuron in range(neurons):
            at = last * chain.width + neuron
            store_alternating(
                outputs.bias_noise,
                neuron * BATCH_LANES,
                lane,
                int64(scratch.bias_noise[at]),
                -int64(other.bias_noise[at]),
            )
    if not carries_dot_products(chain, noise):
        return
    words, sixteens = chain.words[last], _sixteens(chain)
    row = noise_words(words, noise.graded)
    to = int64(0)
    for field in range(neurons if noise.full_rank else noise.rank):
        for plane in range(planes_of(noise.graded)):
            first = 4 * (chain.noise_at[last] + field * row + plane * words)
            for sixteen in range(first, first + sixteens):
                store_alternating(
                    outputs.planes,
                    to,
                    lane,
                    int64(scratch.input_bits[sixteen]),
                    int64(other.input_bits[sixteen]),
                )
                to += BATCH_LANES
    if noise.full_rank:
        scale = noise.scale[last]
        for neuron in range(neurons):
            store_alternating(outputs.factors, neuron * BATCH_LANES, lane, scale, -scale)
        return
    for field in range(noise.rank):
        at = (last * noise.rank + field) * chain.width
        for neuron in range(neurons):
            store_alternating(
                outputs.factors,
                (field * neurons + neuron) * BATCH_LANES,
                lane,
                int64(scratch.outputs[at + neuron]),
                -int64(other.outputs[at + neuron]),
            )


@inlined
def place_rows(rows, at, lanes, neurons, steps, sign, adds, lane, outputs):
    """Write `sign` times int32 rows (step, neuron) from `at` on to a trial's currents, or add it."""
    for neuron in range(neurons):
        for t in range(steps):
            to = (neuron * steps + t) * BATCH_LANES + lane
            before = outputs.currents[to] if adds else int32(0)
            outputs.currents[to] = int32(before + sign * rows[at + t * lanes + neuron])


@inlined
def _ones(rows, at, row, others, others_at, others_row, sixteens):
    """Popcounts of the AND of rows of uint16, of every lane: two halves of int32."""
    zero = splat(int32(0))
    first, second = zero, zero
    for begin in range(0, sixteens, COUNTED_SIXTEENS):
        hits = no_twins()
        for sixteen in range(begin, min(begin + COUNTED_SIXTEENS, sixteens)):
            here = load_twins(rows, at + sixteen * row)
            hits = hits + popcounts(here & load_twins(others, others_at + sixteen * others_row))
        first, second = first + widen_first(hits), second + widen_second(hits)
    return first, second


@inlined
def _factor_dot_products(chain, noise, steps, outputs):
    """Write x . B of every field for the patterns; return a bound on the current that they drive."""
    last = chain.layers - 1
    sixteens = _sixteens(chain)
    planes, row = planes_of(noise.graded), steps * BATCH_LANES
    largest = noise.scale[last]
    if noise.graded and not noise.full_rank:
        largest *= GRADED_OFFSET
    zero = splat(int32(0))
    max_current = FIRST
    for field in range(chain.neurons[last] if noise.full_rank else noise.rank):
        most = zero
        for t in range(steps):
            here = t * BATCH_LANES
            ones = _ones(outputs.patterns, here, row, outputs.patterns, here, row, sixteens)
            first, second = zero, zero
            for plane in range(planes):
                hits = _ones(
                    outputs.patterns,
                    here,
                    row,
                    outputs.planes,
                    (field * planes + plane) * sixteens * BATCH_LANES,
                    BATCH_LANES,
                    sixteens,
                )
                weight = splat(int32(ONE_NUMBER << plane))
                first, second = first + hits[0] * weight, second + hits[1] * weight
            if noise.graded:
                offset = splat(int32(GRADED_OFFSET))
                first, second = first - offset * ones[0], second - offset * ones[1]
            else:
                first, second = first + first - ones[0], second + second - ones[1]
            store(outputs.dots, field * row + here, first)
            store(outputs.dots, field * row + here + WIDTH, second)
            for drive in (first, second):
                size = select(zero > drive, zero - drive, drive)
                most = select(size > most, size, most)
        bound = greatest(most) * largest
        max_current = max(max_current, bound) if noise.full_rank else max_current + bound
    return max_current


@inlined
def _sums_of(subsets, at, pattern, pattern_5, pattern_10):
    """Sums of a neuron's synapses from sixteen axons for the lowest bits of three shifts of a pattern."""
    low = look_up(load_twins(subsets, at), pattern)
    middle = look_up(load_twins(subsets, at + TWIN), pattern_5)
    high = look_up_in_two(
        load_twins(subsets, at + 2 * TWIN), load_twins(subsets, at + 3 * TWIN), pattern_10
    )
    return low + (middle + high)


@inlined
def _looked_up(chain, neuron, next_neuron, sixteens, t, steps, outputs):
    """Current of the patterns of step t through two neurons' weights: four vectors, two of each."""
    zero = splat(int32(0))
    a_0, a_1, b_0, b_1 = zero, zero, zero, zero
    for begin in range(0, sixteens, SHORT_SIXTEENS):
        a, b = no_twins(), no_twins()
        for sixteen in range(begin, min(begin + SHORT_SIXTEENS, sixteens)):
            pattern = load_twins(outputs.patterns, (sixteen * steps + t) * BATCH_LANES)
            pattern_5 = shift_twins_right(pattern, FIVE)
            pattern_10 = shift_twins_right(pattern, 2 * FIVE)
            of_a = (neuron * sixteens + sixteen) * SUBSETS
            of_b = (next_neuron * sixteens + sixteen) * SUBSETS
            a = a + _sums_of(chain.subsets, of_a, pattern, pattern_5, pattern_10)
            b = b + _sums_of(chain.subsets, of_b, pattern, pattern_5, pattern_10)
        a_0, a_1 = a_0 + widen_first(a), a_1 + widen_second(a)
        b_0, b_1 = b_0 + widen_first(b), b_1 + widen_second(b)
    scale = splat(int32(1) << int32(chain.shift[chain.layers - 1]))
    return a_0 * scale, a_1 * scale, b_0 * scale, b_1 * scale


def _compile_write_currents(noisy):
    @inlined
    def write_current(noise, neuron, neurons, t, steps, adds, driven, first, second, outputs):
        """Write a neuron's current of a step, and its noise, to outputs.currents; add it if `adds`."""
        to = (neuron * steps + t) * BATCH_LANES
        if adds:
            first, second = (
                first + load(outputs.currents, to),
                second + load(outputs.currents, to + WIDTH),
            )
        if noisy:
            begin, end = (neuron, neuron + 1) if noise.full_rank else (FIRST, noise.rank)
            for field in range(begin, end if driven else begin):
                factors = (neuron + (FIRST if noise.full_rank else field * neurons)) * BATCH_LANES
                dots = (field * steps + t) * BATCH_LANES
                first = first + load(outputs.factors, factors) * load(outputs.dots, dots)
                factor = load(outputs.factors, factors + WIDTH)
                second = second + factor * load(outputs.dots, dots + WIDTH)
        store(outputs.currents, to, first)
        store(outputs.currents, to + WIDTH, second)

    @inlined
    def write_currents(chain, noise, steps, adds, outputs):
        """Write every neuron's current in every step to outputs.currents; add it if `adds`.

        `noisy`: whether there may be noise on the weights; otherwise `noise` is not read.
        """
        neurons = chain.neurons[chain.layers - 1]
        sixteens = _sixteens(chain)
        zero = splat(int32(0))
        driven = carries_dot_products(chain, noise) if noisy else False
        for neuron in range(0, neurons, 2):
            following = min(neuron + 1, neurons - 1)
            for t in range(steps):
                a_0, a_1, b_0, b_1 = zero, zero, zero, zero
                if chain.looks_up:
                    a_0, a_1, b_0, b_1 = _looked_up(
                        chain, neuron, following, sixteens, t, steps, outputs
                    )
                write_current(noise, neuron, neurons, t, steps, adds, driven, a_0, a_1, outputs)
                if following != neuron:
                    write_current(
                        noise, following, neurons, t, steps, adds, driven, b_0, b_1, outputs
                    )

    return write_currents


def _compile_run(integrate):
    @inlined
    def run(chain, steps, outputs):
        """All steps of every neuron: potentials, counts and saturated registers."""
        last = chain.layers - 1
        decay_u, decay_v = decays_of(chain.decays, last)
        zero, one = splat(int32(0)), splat(int32(1))
        edges_a, edges_b = zero, zero
        for neuron in range(chain.neurons[last]):
            edge = splat(chain.threshold[last * chain.width + neuron])
            bias = splat(chain.bias[last * chain.width + neuron])
            at = neuron * BATCH_LANES
            bias_a = bias + load(outputs.bias_noise, at)
            bias_b = bias + load(outputs.bias_noise, at + WIDTH)
            u_a, v_a, count_a, u_b, v_b, count_b = zero, zero, zero, zero, zero, zero
            store(outputs.potentials, at, zero)
            store(outputs.potentials, at + WIDTH, zero)
            for begin in range(0, steps, STATES_PER_SUM):
                potential_a, potential_b = zero, zero
                for t in range(begin, min(begin + STATES_PER_SUM, steps)):
                    now = (neuron * steps + t) * BATCH_LANES
                    u_a, v_a, edges = integrate(
                        u_a, v_a, load(outputs.currents, now), bias_a, decay_u, decay_v
                    )
                    fired = fire(v_a, edge, (), ())
                    v_a, edges_a = fired.v, edges_a + edges
                    potential_a = potential_a + v_a
                    count_a = count_a + select(fired.spikes, one, zero)
                    now += WIDTH
                    u_b, v_b, edges = integrate(
                        u_b, v_b, load(outputs.currents, now), bias_b, decay_u, decay_v
                    )
                    fired = fire(v_b, edge, (), ())
                    v_b, edges_b = fired.v, edges_b + edges
                    potential_b = potential_b + v_b
                    count_b = count_b + select(fired.spikes, one, zero)
                add_wide(outputs.potentials, at, potential_a)
                add_wide(outputs.potentials, at + WIDTH, potential_b)
            store(outputs.counts, at, count_a)
            store(outputs.counts, at + WIDTH, count_b)
        store(outputs.saturated, 0, edges_a)
        store(outputs.saturated, WIDTH, edges_b)

    return run


_run_checked = _compile_run(integrate_checked)
_run_free = _compile_run(integrate_free)


def _compile_run_output_batch(noisy):
    write_currents = _compile_write_currents(noisy)

    @kernel
    def run_output_batch(chain, noise, steps, max_current, adds, outputs):
        """Run the last layer on all lanes, given their patterns, their noise and currents from rows.

        max_current   bound on the currents from rows in `outputs.currents`
        adds    whether there are any; otherwise `outputs.currents` holds values of other trials
        """
        last = chain.layers - 1
        if last > 0:
            max_current += chain.max_current[last]
        if noisy and carries_dot_products(chain, noise):
            max_current += _factor_dot_products(chain, noise, steps, outputs)
        write_currents(chain, noise, steps, adds, outputs)
        if noisy and max_current <= chain.headroom[last]:
            _run_free(chain, steps, outputs)
        else:
            _run_checked(chain, steps, outputs)

    return run_output_batch


run_output_batch = _compile_run_output_batch(noisy=True)
run_unperturbed_output_batch = _compile_run_output_batch(noisy=False)
"""The same of the unperturbed network; less to compile by far."""


@kernel
def find_logits(readout, neurons, outputs):
    """Write the logits of all lanes, and the sums of `readout.softmax` over the classes."""
    scores = outputs.potentials if readout.membrane else outputs.counts
    softmax(
        scores,
        BATCH_LANES,
        neurons,
        readout.multiplier,
        readout.shift,
        pointer(readout.powers),
        outputs.logits,
        outputs.tops,
        outputs.totals,
    )
