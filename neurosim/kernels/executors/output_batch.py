"""How does the last layer act? On a panel: thirty-two presentations side by side, a lane each.

    carry_noise    what a pair adds to the last layer, to the lanes that its members will take
    patterns       spikes of the layer before, to each presentation's lane (neuron.py writes them)
    run_panel      currents, noise and all steps of every neuron, of all lanes at once
    find_logits    what a softmax needs of all lanes' scores (readout.py)

A presentation is one sample met by one member; even lanes are first members, odd lanes second ones. The last
layer has few neurons, one a class: side by side they would leave lanes empty, and each step wait for the one
before. Presentations fill every lane, and find in three look-ups what sixteen axons bring to a neuron of
thirty-two of them. (Runs without noise have a sample a lane.)
"""

from typing import NamedTuple

import numpy as np
from numba import int32, int64
from numpy.typing import NDArray

from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.connections.dense import FIVE, SUBSETS
from neurosim.kernels.neurons.lif import Place, decays_of, step_checked, step_free
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

PANEL = TWIN
"""Presentations side by side."""
SHORT_SIXTEENS = 16
"""Sums of the weights of so many sixteens of axons fit 16 bits: from 256 * -128 to 256 * 127."""
COUNTED_SIXTEENS = 2047
"""Ones of so many words of sixteen bits fit 16 bits."""


class Panel(NamedTuple):
    """Scratch of one thread: what thirty-two presentations bring to the last layer, and its answer."""

    patterns: NDArray[np.uint16]  # (sixteen sources, step, lane) a bit a source
    planes: NDArray[np.uint16]  # (field, plane, sixteen sources, lane) of B (or of E)
    factors: NDArray[np.int32]  # (field, neuron, lane) A times scale (or the scale), signed
    bias_noise: NDArray[np.int32]  # (neuron, lane) signed
    drives: NDArray[np.int32]  # (field, step, lane) x . B
    currents: NDArray[np.int32]  # (neuron, step, lane)
    potentials: NDArray[np.int32]  # (neuron, lane) sum over steps of v after reset
    counts: NDArray[np.int32]  # (neuron, lane) spikes
    saturated: NDArray[np.int32]  # (lane,) registers that met their edge
    logits: NDArray[np.int64]  # (neuron, lane) and what classes share: readout.softmax
    tops: NDArray[np.int64]  # (lane,)
    totals: NDArray[np.int64]  # (lane,)
    shown: NDArray[np.int64]  # (lane / 2,) the sample that two lanes see
    pairs: NDArray[np.int64]  # (lane / 2,) the pair that they are, counted in its population


def make_panel(chain, noise, steps):
    """Scratch for one thread."""
    last = chain.layers - 1
    neurons = int(chain.neurons[last])
    sixteens = -(-int(chain.sources[last]) // WIDTH) if last else 0
    fields = neurons if noise.full_rank else noise.rank
    planes = GRADED_PLANES if noise.graded else 1
    return Panel(
        *zeros_together(
            (sixteens * steps * PANEL, np.uint16),
            (fields * planes * sixteens * PANEL, np.uint16),
            ((1 if noise.full_rank else fields) * neurons * PANEL, np.int32),
            (neurons * PANEL, np.int32),
            (fields * steps * PANEL, np.int32),
            (neurons * steps * PANEL, np.int32),
            (neurons * PANEL, np.int32),
            (neurons * PANEL, np.int32),
            (PANEL, np.int32),
            (neurons * PANEL, np.int64),
            (PANEL, np.int64),
            (PANEL, np.int64),
            (PANEL // 2, np.int64),
            (PANEL // 2, np.int64),
        )
    )


@kernel
def point_panel(panel):
    """The panel as `pointer`s."""
    return Panel(
        pointer(panel.patterns), pointer(panel.planes), pointer(panel.factors),
        pointer(panel.bias_noise), pointer(panel.drives), pointer(panel.currents),
        pointer(panel.potentials), pointer(panel.counts), pointer(panel.saturated),
        pointer(panel.logits), pointer(panel.tops), pointer(panel.totals), pointer(panel.shown),
        pointer(panel.pairs),
    )  # fmt: skip


@inlined
def place_of(lane, steps):
    """Where two presentations' spikes go in the patterns: to `lane` and the next."""
    return Place(lane, lane + 1, int64(PANEL), steps * PANEL)


@inlined
def _sixteens(chain):
    """Words of sixteen bits that hold a spike of every source of the last layer."""
    return (chain.sources[chain.layers - 1] + 15) >> 4


@inlined
def carries_drives(chain, noise):
    """Is noise on the last layer's weights, and are its sources the patterns?"""
    last = chain.layers - 1
    return last > 0 and noise.scale[last] != 0 and noise.turn[last] < 0


@inlined
def carry_noise(chain, noise, lane, room, other, panel):
    """Give lanes from `lane` on a pair's noise: even ones that of `room`, odd ones less that of `other`."""
    last = chain.layers - 1
    neurons = chain.neurons[last]
    if noise.bias_scale[last] != 0:
        for neuron in range(neurons):
            at = last * chain.width + neuron
            store_alternating(
                panel.bias_noise, neuron * PANEL, lane, int64(room.bias_noise[at]),
                -int64(other.bias_noise[at]),
            )  # fmt: skip
    if not carries_drives(chain, noise):
        return
    words, sixteens = chain.words[last], _sixteens(chain)
    row = noise_words(words, noise.graded)
    to = int64(0)
    for field in range(neurons if noise.full_rank else noise.rank):
        for plane in range(planes_of(noise.graded)):
            first = 4 * (chain.noise_at[last] + field * row + plane * words)
            for sixteen in range(first, first + sixteens):
                store_alternating(
                    panel.planes, to, lane, int64(room.input_bits[sixteen]),
                    int64(other.input_bits[sixteen]),
                )  # fmt: skip
                to += PANEL
    if noise.full_rank:
        scale = noise.scale[last]
        for neuron in range(neurons):
            store_alternating(panel.factors, neuron * PANEL, lane, scale, -scale)
        return
    for field in range(noise.rank):
        at = (last * noise.rank + field) * chain.width
        for neuron in range(neurons):
            store_alternating(
                panel.factors, (field * neurons + neuron) * PANEL, lane,
                int64(room.outputs[at + neuron]), -int64(other.outputs[at + neuron]),
            )  # fmt: skip


@inlined
def place_rows(rows, at, lanes, neurons, steps, sign, adds, lane, panel):
    """Write `sign` times int32 rows (step, neuron) from `at` on to a presentation's currents, or add it."""
    for neuron in range(neurons):
        for t in range(steps):
            to = (neuron * steps + t) * PANEL + lane
            before = panel.currents[to] if adds else int32(0)
            panel.currents[to] = int32(before + sign * rows[at + t * lanes + neuron])


@inlined
def _ones(rows, at, row, others, others_at, others_row, sixteens):
    """Ones that rows of uint16 have in common, of every lane: two halves of int32."""
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
def _find_drives(chain, noise, steps, panel):
    """Write x . B of every field for the patterns; return a bound on the current that they drive."""
    last = chain.layers - 1
    sixteens = _sixteens(chain)
    planes, row = planes_of(noise.graded), steps * PANEL
    largest = noise.scale[last]
    if noise.graded and not noise.full_rank:
        largest *= GRADED_OFFSET
    zero = splat(int32(0))
    reach = FIRST
    for field in range(chain.neurons[last] if noise.full_rank else noise.rank):
        most = zero
        for t in range(steps):
            here = t * PANEL
            ones = _ones(panel.patterns, here, row, panel.patterns, here, row, sixteens)
            first, second = zero, zero
            for plane in range(planes):
                hits = _ones(
                    panel.patterns, here, row, panel.planes, (field * planes + plane) * sixteens * PANEL,
                    PANEL, sixteens,
                )  # fmt: skip
                worth = splat(int32(ONE_NUMBER << plane))
                first, second = first + hits[0] * worth, second + hits[1] * worth
            if noise.graded:
                offset = splat(int32(GRADED_OFFSET))
                first, second = first - offset * ones[0], second - offset * ones[1]
            else:
                first, second = first + first - ones[0], second + second - ones[1]
            store(panel.drives, field * row + here, first)
            store(panel.drives, field * row + here + WIDTH, second)
            for drive in (first, second):
                size = select(zero > drive, zero - drive, drive)
                most = select(size > most, size, most)
        bound = greatest(most) * largest
        reach = max(reach, bound) if noise.full_rank else reach + bound
    return reach


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
def _looked_up(chain, neuron, next_neuron, sixteens, t, steps, panel):
    """Current that the patterns of step t make of two neurons' weights: four vectors, two of each."""
    zero = splat(int32(0))
    a_0, a_1, b_0, b_1 = zero, zero, zero, zero
    for begin in range(0, sixteens, SHORT_SIXTEENS):
        a, b = no_twins(), no_twins()
        for sixteen in range(begin, min(begin + SHORT_SIXTEENS, sixteens)):
            pattern = load_twins(panel.patterns, (sixteen * steps + t) * PANEL)
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


@inlined
def _bring(noise, neuron, neurons, t, steps, adds, driven, first, second, panel):
    """Write a neuron's current of a step, and its noise, to panel.currents; add it if `adds`."""
    to = (neuron * steps + t) * PANEL
    if adds:
        first, second = (
            first + load(panel.currents, to),
            second + load(panel.currents, to + WIDTH),
        )
    begin, end = (neuron, neuron + 1) if noise.full_rank else (FIRST, noise.rank)
    for field in range(begin, end if driven else begin):
        factors = (neuron + (FIRST if noise.full_rank else field * neurons)) * PANEL
        drives = (field * steps + t) * PANEL
        first = first + load(panel.factors, factors) * load(panel.drives, drives)
        second = second + load(panel.factors, factors + WIDTH) * load(panel.drives, drives + WIDTH)
    store(panel.currents, to, first)
    store(panel.currents, to + WIDTH, second)


@inlined
def _bring_currents(chain, noise, steps, adds, panel):
    """Write what reaches every neuron in every step to panel.currents; add it to what is there if `adds`."""
    neurons = chain.neurons[chain.layers - 1]
    sixteens = _sixteens(chain)
    zero = splat(int32(0))
    driven = carries_drives(chain, noise)
    for neuron in range(0, neurons, 2):
        following = min(neuron + 1, neurons - 1)
        for t in range(steps):
            a_0, a_1, b_0, b_1 = zero, zero, zero, zero
            if chain.looks_up:
                a_0, a_1, b_0, b_1 = _looked_up(chain, neuron, following, sixteens, t, steps, panel)
            _bring(noise, neuron, neurons, t, steps, adds, driven, a_0, a_1, panel)
            if following != neuron:
                _bring(noise, following, neurons, t, steps, adds, driven, b_0, b_1, panel)


def _compile_run(step):
    @inlined
    def run(chain, steps, panel):
        """All steps of every neuron: potentials, counts and saturated registers."""
        last = chain.layers - 1
        decay_u, decay_v = decays_of(chain.decays, last)
        zero, one = splat(int32(0)), splat(int32(1))
        edges_a, edges_b = zero, zero
        for neuron in range(chain.neurons[last]):
            edge = splat(chain.threshold[last * chain.width + neuron])
            bias = splat(chain.bias[last * chain.width + neuron])
            at = neuron * PANEL
            bias_a = bias + load(panel.bias_noise, at)
            bias_b = bias + load(panel.bias_noise, at + WIDTH)
            u_a, v_a, potential_a, count_a = zero, zero, zero, zero
            u_b, v_b, potential_b, count_b = zero, zero, zero, zero
            for t in range(steps):
                now = (neuron * steps + t) * PANEL
                u_a, v_a, spikes, edges = step(
                    u_a, v_a, load(panel.currents, now), bias_a, edge, decay_u, decay_v
                )
                potential_a, edges_a = potential_a + v_a, edges_a + edges
                count_a = count_a + select(spikes, one, zero)
                u_b, v_b, spikes, edges = step(
                    u_b, v_b, load(panel.currents, now + WIDTH), bias_b, edge, decay_u, decay_v
                )
                potential_b, edges_b = potential_b + v_b, edges_b + edges
                count_b = count_b + select(spikes, one, zero)
            store(panel.potentials, at, potential_a)
            store(panel.potentials, at + WIDTH, potential_b)
            store(panel.counts, at, count_a)
            store(panel.counts, at + WIDTH, count_b)
        store(panel.saturated, 0, edges_a)
        store(panel.saturated, WIDTH, edges_b)

    return run


_run_checked = _compile_run(step_checked)
_run_free = _compile_run(step_free)


@kernel
def run_panel(chain, noise, steps, reach, adds, panel):
    """Run the last layer on all lanes, given their patterns, noise and what rows there are.

    reach   bound on what rows brought to `panel.currents`
    adds    are there any? Else what is left in `panel.currents` is of other presentations.
    """
    last = chain.layers - 1
    if last > 0:
        reach += chain.reach[last]
    if carries_drives(chain, noise):
        reach += _find_drives(chain, noise, steps, panel)
    _bring_currents(chain, noise, steps, adds, panel)
    if reach <= chain.headroom[last]:
        _run_free(chain, steps, panel)
    else:
        _run_checked(chain, steps, panel)


@kernel
def find_logits(readout, neurons, panel):
    """Write the logits of all lanes, and what `readout.softmax` sums over the classes."""
    scores = panel.potentials if readout.membrane else panel.counts
    softmax(
        scores, PANEL, neurons, readout.multiplier, readout.shift, pointer(readout.powers), panel.logits,
        panel.tops, panel.totals,
    )  # fmt: skip
