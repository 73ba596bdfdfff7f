"""Neurons of a layer over blocks of trials: the unperturbed pass, and members with event-aligned noise.

    forward_layer   spikes, near-threshold masks, traces, and scores of readouts
    member_layer    spikes of members with noise of low rank on their matrix
    perturb_layer   +noise and -noise on a layer's own currents: the change of each neuron's trace, the
                    credit of its noise, and the terms that a synapse adds per spike

The trace of a neuron is the weighted sum of its spikes: the weight `kernel[t]` is the contribution of a spike
in step t to the sum over steps of a readout's membrane (rules/layer_error.py).
A layer's current is int16 sums of mantissas or int32, shifted left by `shift`, (trial, step, lane).
`compile_layer` makes both kernels from that of a neuron model (kernels/neurons).
"""

from functools import cache
from typing import Any, NamedTuple

from numba import int32, int64, uint8, uint16, uint64

from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.generator import (
    ALIGNED,
    Field,
    draw_words,
    field_of,
    lane_words,
)
from neurosim.kernels.neurons.integration import (
    STATES_PER_SUM,
    decays_at,
    decays_of,
    integrate_checked,
    integrate_free,
)
from neurosim.kernels.neurons.model import NeuronKernel, near_bits
from neurosim.kernels.noise.layer_noise import low_rank_lanes, places_of, real_lanes
from neurosim.kernels.simd import (
    WIDTH,
    add_wide,
    greatest,
    load,
    pointer,
    pointer_to_halves,
    select,
    shift_right,
    spike_bits,
    spikes_of,
    splat,
    store,
    total,
)
from neurosim.kernels.spikes import step_at

DECAYS = 4
"""Numbers of a layer before those of its model: the decays of u and v (kernels/neurons/integration.py)."""
CREDIT_SHIFT = 5
"""Right shift of credits: as in rules/error_credit.py."""
GAIN_SHIFT = 5
"""Chosen here: one spike more or less changes a trace by some 2^5 at a decay of 0.9."""
CHANGE_EDGE = (1 << 16) - 1
"""Changes of a trace are clipped to it, so that their product with a 16-bit error fits 32 bits."""


class Registers(NamedTuple):
    """bias int32 (1, lane), or (trial, lane) where trials have biases of their own; threshold int32 (lane,),
    2^30 in lanes that are no neurons; numbers int32: DECAYS of them, and the model's own registers.
    own_decays: `OwnDecays` of this one layer, or None: those in `numbers` hold for all."""

    bias: Any
    threshold: Any
    numbers: Any
    own_decays: Any


@inlined
def _pointed(registers):
    """The registers as pointers, on which no reference is counted, and the elements of a trial's biases."""
    row = registers.bias.shape[1] if registers.bias.shape[0] > 1 else 0
    bias, threshold = pointer(registers.bias), pointer(registers.threshold)
    return Registers(bias, threshold, pointer(registers.numbers), registers.own_decays), row


class Neurons(NamedTuple):
    """State of sixteen neurons; own: the model's variables."""

    u: Any
    v: Any
    own: Any


class Fixed(NamedTuple):
    """Constants of sixteen neurons; own: the model's registers."""

    bias: Any
    threshold: Any
    decay_u: Any
    decay_v: Any
    own: Any


class Stepped(NamedTuple):
    """Result of a step: state, v before the reset, threshold in effect, spikes, saturated registers."""

    state: Neurons
    before: Any
    threshold: Any
    spikes: Any
    edges: Any


class Parts(NamedTuple):
    """What the kernels need of a neuron model, for sixteen neurons.

    step(state, arriving, fixed), fixed(registers, bias_at, first), rest(), load(state, at, lanes)
    store(state, at, lanes, neurons)
    fields  rows of the state: u, v and the model's variables
    """

    step: Any
    fixed: Any
    rest: Any
    load: Any
    store: Any
    fields: int


def _compile_own(count):
    """Compile rest, load and store of the model's own `count` variables."""
    if count == 0:

        @inlined
        def no_rest():
            return ()

        @inlined
        def load_none(state, at, lanes):
            return ()

        @inlined
        def store_none(state, at, lanes, values):
            pass

        return no_rest, load_none, store_none
    fewer_rest, fewer_load, fewer_store = _compile_own(count - 1)
    last = count - 1

    @inlined
    def rest():
        return (*fewer_rest(), splat(int32(0)))

    @inlined
    def load_own(state, at, lanes):
        return (*fewer_load(state, at, lanes), load(state, at + last * lanes))

    @inlined
    def store_own(state, at, lanes, values):
        fewer_store(state, at, lanes, values)
        store(state, at + last * lanes, values[last])

    return rest, load_own, store_own


def _compile_numbers(count):
    """Compile the reading of the model's own `count` registers."""
    if count == 0:

        @inlined
        def nothing(numbers):
            return ()

        return nothing
    fewer, at = _compile_numbers(count - 1), DECAYS + count - 1

    @inlined
    def own_numbers(numbers):
        return (*fewer(numbers), numbers[at])

    return own_numbers


def _compile_parts(model, integrate):
    fire, own_numbers = model.fire, _compile_numbers(model.registers)
    rest_own, load_own, store_own = _compile_own(model.variables)

    @inlined
    def step(state, arriving, fixed):
        """One step of sixteen neurons with the input `arriving` of synapses and noise."""
        u, v, edges = integrate(
            state.u, state.v, arriving, fixed.bias, fixed.decay_u, fixed.decay_v
        )
        fired = fire(v, fixed.threshold, state.own, fixed.own)
        return Stepped(Neurons(u, fired.v, fired.own), v, fired.threshold, fired.spikes, edges)

    @inlined
    def fixed(registers, bias_at, first):
        """Constants of lanes from `first` on; registers: pointers, biases from `bias_at` on."""
        only = int64(0)
        shared = decays_of(registers.numbers, only)
        decay_u, decay_v = decays_at(registers.own_decays, only, first, shared)
        return Fixed(
            load(registers.bias, bias_at + first),
            load(registers.threshold, first),
            decay_u,
            decay_v,
            own_numbers(registers.numbers),
        )

    @inlined
    def rest():
        zero = splat(int32(0))
        return Neurons(zero, zero, rest_own())

    @inlined
    def load_state(state, at, lanes):
        return Neurons(
            load(state, at), load(state, at + lanes), load_own(state, at + 2 * lanes, lanes)
        )

    @inlined
    def store_state(state, at, lanes, neurons):
        store(state, at, neurons.u)
        store(state, at + lanes, neurons.v)
        store_own(state, at + 2 * lanes, lanes, neurons.own)

    return Parts(step, fixed, rest, load_state, store_state, 2 + model.variables)


class Kept(NamedTuple):
    """Outputs of the unperturbed pass beside spikes; flat arrays.

    masks       uint16 (trial, step, lane / 16), where `window` is above 0
    traces      int32 (trial, lane), where `traced`
    potentials, counts  int64 (trial, lane), where `read`: sums over steps of v after the reset, and of spikes
    state       int32 (trial, 2 + variable, lane), where `goes_on`: u, v and own, read and written
    saturated   int64 (trial,), added to
    """

    masks: Any
    window: int
    traces: Any
    traced: bool
    potentials: Any
    counts: Any
    read: bool
    state: Any
    goes_on: bool
    saturated: Any


def _compile_forward(parts):
    step, fixed_of, rest, load_state, store_state, fields = parts

    @kernel
    def forward_layer(
        first_step, last_step, registers, current_array, shift, kernel_array, spikes, kept
    ):
        """Run steps `first_step` .. `last_step` - 1 of all trials.

        kernel  int32 (step,): weights of the trace
        spikes  Source, written
        """
        current, weigh = pointer(current_array), pointer(kernel_array)
        held, bias_row = _pointed(registers)
        out, words = pointer_to_halves(spikes.bits), spikes.bits.shape[2]
        masks, traces, state = pointer(kept.masks), pointer(kept.traces), pointer(kept.state)
        potentials, counts = pointer(kept.potentials), pointer(kept.counts)
        zero, one = splat(int32(0)), splat(int32(1))
        scale = splat(int32(1) << int32(shift))
        trials, steps, lanes = current_array.shape
        vectors = lanes // WIDTH
        for trial in range(trials):
            edges, row = zero, step_at(spikes, trial, int64(0))
            for first in range(0, lanes, WIDTH):
                fixed, now = fixed_of(held, trial * bias_row, first), rest()
                at_state = trial * fields * lanes + first
                if kept.goes_on:
                    now = load_state(state, at_state, lanes)
                here = trial * lanes + first
                trace = zero
                if kept.goes_on and kept.traced:
                    trace = load(traces, here)
                if kept.read and not kept.goes_on:
                    store(potentials, here, zero)
                    store(counts, here, zero)
                for begun in range(first_step, last_step, STATES_PER_SUM):
                    potential, count = zero, zero
                    for t in range(begun, min(begun + STATES_PER_SUM, last_step)):
                        arriving = load(current, (trial * steps + t) * lanes + first) * scale
                        done = step(now, arriving, fixed)
                        now = done.state
                        edges = edges + done.edges
                        to = 4 * (row + t * words) + first // WIDTH
                        out[to] = spike_bits(done.spikes)
                        if kept.window > 0:
                            near = near_bits(done.before, done.threshold, kept.window)
                            masks[(trial * steps + t) * vectors + first // WIDTH] = near
                        if kept.traced:
                            trace = trace + select(done.spikes, splat(weigh[t]), zero)
                        if kept.read:
                            potential = potential + now.v
                            count = count + select(done.spikes, one, zero)
                    if kept.read:
                        add_wide(potentials, here, potential)
                        add_wide(counts, here, count)
                if kept.traced:
                    store(traces, here, trace)
                if kept.goes_on:
                    store_state(state, at_state, lanes, now)
            kept.saturated[trial] += total(edges)

    return forward_layer


def _compile_members(parts):
    step, fixed_of, rest = parts.step, parts.fixed, parts.rest

    @kernel
    def member_layer(
        neurons, registers, current_array, repeats, shift, noise, spikes, saturated_array
    ):
        """Run all steps of all trials, two of them side by side, with noise on a matrix.

        repeats     trials side by side that have the same currents
        noise       DotProducts, whose currents are added in each step; odd trials subtract theirs
        spikes      Source, written
        saturated   int64 (trial,), added to; an even number of trials
        """
        current, out = pointer(current_array), pointer_to_halves(spikes.bits)
        products, outer = pointer(noise.products), pointer(noise.outer)
        position, saturated = pointer(noise.position), pointer(saturated_array)
        held, bias_row = _pointed(registers)
        factors, columns, together = noise.factors, noise.columns, noise.together
        shared, tile, positions = noise.shared, noise.outer.shape[2], noise.positions
        _, steps, lanes = current_array.shape
        of_factor, of_step = steps * positions, 4 * spikes.bits.shape[2]
        zero, scale = splat(int32(0)), splat(int32(1) << int32(shift))
        for even in range(0, saturated_array.shape[0], 2):
            odd = even + 1
            even_edges, odd_edges = zero, zero
            even_row = (even >> together) * factors * of_factor
            odd_row = (odd >> together) * factors * of_factor
            even_slot, odd_slot = (
                (even >> shared) * factors * tile,
                (odd >> shared) * factors * tile,
            )
            for first in range(0, lanes, WIDTH):
                even_fixed = fixed_of(held, even * bias_row, first)
                odd_fixed = fixed_of(held, odd * bias_row, first)
                even_now, odd_now = rest(), rest()
                even_sum, odd_sum = zero, zero
                place, places = int64(position[first]), places_of(position, first)
                column = first - place * columns
                even_from, odd_from = even_row + place, odd_row + place
                even_at = even // repeats * steps * lanes + first
                odd_at = odd // repeats * steps * lanes + first
                even_to = 4 * step_at(spikes, even, int64(0)) + first // WIDTH
                odd_to = 4 * step_at(spikes, odd, int64(0)) + first // WIDTH
                for _ in range(steps):
                    even_noise = low_rank_lanes(
                        products,
                        even_from,
                        of_factor,
                        outer,
                        even_slot + column,
                        tile,
                        factors,
                        places,
                    )
                    odd_noise = even_noise
                    if together == 0:
                        odd_noise = low_rank_lanes(
                            products,
                            odd_from,
                            of_factor,
                            outer,
                            odd_slot + column,
                            tile,
                            factors,
                            places,
                        )
                    even_done = step(
                        even_now, load(current, even_at) * scale + even_noise, even_fixed
                    )
                    odd_done = step(odd_now, load(current, odd_at) * scale - odd_noise, odd_fixed)
                    even_now, odd_now = even_done.state, odd_done.state
                    even_sum, odd_sum = even_sum + even_done.edges, odd_sum + odd_done.edges
                    out[even_to] = spike_bits(even_done.spikes)
                    out[odd_to] = spike_bits(odd_done.spikes)
                    even_from, odd_from = even_from + positions, odd_from + positions
                    even_at, odd_at = even_at + lanes, odd_at + lanes
                    even_to, odd_to = even_to + of_step, odd_to + of_step
                real = real_lanes(first, neurons)
                even_edges = even_edges + select(real, even_sum, zero)
                odd_edges = odd_edges + select(real, odd_sum, zero)
            saturated[even] += total(even_edges)
            saturated[odd] += total(odd_edges)

    return member_layer


class Aligned(NamedTuple):
    """Event-aligned noise of a layer on the trials of a block.

    scale         units of u
    period        noise acts in steps 0, period, 2 period ...
    field, pairs  trial i has the directions i * pairs + 0 .. pairs - 1 from that of the field on
    windowed      whether it is restricted by near-threshold masks
    """

    scale: int
    period: int
    field: Field
    pairs: int
    windowed: bool


class Credit(NamedTuple):
    """Parameters from errors and changes of traces to credits and returned errors.

    kernel  int32 (step,): weights of the trace
    largest_credit, largest_delta  int64, bounds
    gain  whether the returned error is scaled by the change of the trace, rather than gated by it
    """

    kernel: Any
    largest_credit: int
    largest_delta: int
    gain: bool


class Credited(NamedTuple):
    """What credits of a layer are made of, and the arrays that `perturb_layer` writes.

    masks    uint16 (trial, step, lane / 16): near-threshold masks
    errors   int32 (trial, lane): error of each neuron, per unit of its trace
    credits  int16 (trial, pair, lane), written
    terms    int16 (trial, step, lane), written: sum over pairs of credit * noise
    deltas   int32 (trial, lane), written: gated errors
    active   uint8 (trial,), written: whether any term is not 0
    """

    masks: Any
    errors: Any
    credits: Any
    terms: Any
    deltas: Any
    active: Any


@inlined
def _clipped(value, edge):
    """`value`, or the nearer of -edge and edge."""
    zero = splat(int32(0))
    value = select(value > edge, edge, value)
    return select(zero - edge > value, zero - edge, value)


def _compile_perturb(parts):
    step, fixed_of, rest = parts.step, parts.fixed, parts.rest

    @kernel
    def perturb_layer(neurons, registers, current_array, shift, noise, credit, credited, scratches):
        """Run the members of all trials and write the credits of their noise.

        noise, credit, credited  Aligned, Credit and Credited
        scratches  uint64 (pair, step, word) and int32 (2 * pairs, WIDTH)
        """
        current, weigh = pointer(current_array), pointer(credit.kernel)
        masks, errors, active = pointer(credited.masks), pointer(credited.errors), credited.active
        credits, terms = pointer(credited.credits), pointer(credited.terms)
        deltas, planes, scratch = (
            pointer(credited.deltas),
            pointer(scratches[0]),
            pointer(scratches[1]),
        )
        trials, steps, lanes = current_array.shape
        held, bias_row = _pointed(registers)
        vectors, width = lanes // WIDTH, lane_words(neurons)
        zero = splat(int32(0))
        scale = splat(int32(1) << int32(shift))
        high, low = splat(int32(credit.largest_credit)), splat(int32(-credit.largest_credit))
        delta_high, delta_low = (
            splat(int32(credit.largest_delta)),
            splat(int32(-credit.largest_delta)),
        )
        up, down = splat(int32(noise.scale)), splat(int32(-noise.scale))
        edge = splat(int32(CHANGE_EDGE))
        for trial in range(trials):
            active[trial] = uint8(0)
            if not _any(errors, trial * lanes, lanes):
                for first in range(0, lanes, WIDTH):
                    store(deltas, trial * lanes + first, zero)
                    for pair in range(noise.pairs):
                        store(credits, (trial * noise.pairs + pair) * lanes + first, zero)
                    for t in range(steps):
                        store(terms, (trial * steps + t) * lanes + first, zero)
                continue
            for pair in range(noise.pairs):
                field = field_of(noise.field, ALIGNED, trial * noise.pairs + pair)
                draw_words(planes, pair * steps * width, int64(0), steps * width, field)
            for first in range(0, lanes, WIDTH):
                fixed = fixed_of(held, trial * bias_row, first)
                error = load(errors, trial * lanes + first)
                here = trial * steps * lanes + first
                near = trial * steps * vectors + first // WIDTH
                reacted = zero
                anything = zero
                for pair in range(noise.pairs):
                    drawn = pair * steps * width + (first >> 6)
                    plus, minus, change = rest(), rest(), zero
                    for t in range(steps):
                        shared = load(current, here + t * lanes) * scale
                        value = zero
                        if t % noise.period == 0:
                            bits = uint16(planes[drawn + t * width] >> uint64(first & 63))
                            value = select(spikes_of(bits), up, down)
                            if noise.windowed:
                                open_ = spikes_of(masks[near + t * vectors])
                                value = select(open_, value, zero)
                        done_plus = step(plus, shared + value, fixed)
                        done_minus = step(minus, shared - value, fixed)
                        plus, minus = done_plus.state, done_minus.state
                        amount = splat(weigh[t])
                        change = change + select(done_plus.spikes, amount, zero)
                        change = change - select(done_minus.spikes, amount, zero)
                    change = _clipped(change, edge)
                    own = shift_right(change * error, splat(int32(CREDIT_SHIFT)))
                    own = select(own > high, high, own)
                    own = select(low > own, low, own)
                    store(scratch, pair * WIDTH, own)
                    store(credits, (trial * noise.pairs + pair) * lanes + first, own)
                    reacted = reacted + select(zero > change, zero - change, change)
                    anything = anything + select(own != zero, splat(int32(1)), zero)
                delta = select(reacted > zero, error, zero)
                if credit.gain:
                    reacted = _clipped(reacted, edge)
                    delta = shift_right(error * reacted, splat(int32(GAIN_SHIFT)))
                delta = select(delta > delta_high, delta_high, delta)
                store(deltas, trial * lanes + first, select(delta_low > delta, delta_low, delta))
                if total(anything) == 0:
                    for t in range(steps):
                        store(terms, here + t * lanes, zero)
                    continue
                active[trial] = uint8(1)
                for t in range(steps):
                    term = zero
                    if t % noise.period == 0:
                        for pair in range(noise.pairs):
                            drawn = pair * steps * width + (first >> 6) + t * width
                            bits = uint16(planes[drawn] >> uint64(first & 63))
                            own = load(scratch, pair * WIDTH)
                            term = term + select(spikes_of(bits), own, zero - own)
                        if noise.windowed:
                            term = select(spikes_of(masks[near + t * vectors]), term, zero)
                    store(terms, here + t * lanes, term)

    return perturb_layer


@inlined
def _any(errors, at, lanes):
    """Whether any error of a trial is not 0."""
    found = splat(int32(0))
    for first in range(0, lanes, WIDTH):
        found = found + select(
            load(errors, at + first) != splat(int32(0)), splat(int32(1)), splat(int32(0))
        )
    return total(found) != 0


class LayerKernels(NamedTuple):
    """The kernels of a layer, for registers that may saturate and for those that provably cannot."""

    forward_checked: Any
    forward_free: Any
    members_checked: Any
    members_free: Any
    perturb_checked: Any
    perturb_free: Any


@cache
def compile_layer(model: NeuronKernel) -> LayerKernels:
    """The kernels of a layer of this neuron model."""
    checked = _compile_parts(model, integrate_checked)
    free = _compile_parts(model, integrate_free) if model.contracts else checked
    return LayerKernels(
        _compile_forward(checked),
        _compile_forward(free),
        _compile_members(checked),
        _compile_members(free),
        _compile_perturb(checked),
        _compile_perturb(free),
    )


@kernel
def largest_number(begin, end, numbers_array):
    """The largest size of flat elements from `begin` on: those to `end`, and of the vector of the last."""
    numbers = pointer(numbers_array)
    zero = splat(int32(0))
    most = zero
    for at in range(begin, end, WIDTH):
        value = load(numbers, at)
        size = select(zero > value, zero - value, value)
        most = select(size > most, size, most)
    return greatest(most)
