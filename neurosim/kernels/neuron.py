"""What does a neuron do in one step? LIF with a synaptic current (CUBA), in 24-bit registers.

    u[t] = saturate(D(u[t-1], du + 1) + input[t])        input: what arrived, 2^6 a weight unit
    v[t] = saturate(D(v[t-1], dv) + u[t] + bias)         uses the new u
    s[t] = v[t] > threshold                              strictly greater; threshold = vth_mant << 6
    v[t] = 0 where s[t]                                  hard reset; u is not reset

docs/chip.md, section "The common core". With du = 4095 nothing of u is left: the paper's neuron.

Both members of a pair run side by side: input = current + perturbation for the one, current -
perturbation for the other. Registers of sixteen neurons stay in the processor for all steps.
Where the largest current there is cannot drive u or v to its edge within the steps at hand (`headroom`),
nothing is compared with the edges.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import int32

from neurosim.kernels.arithmetic import (
    decay_by_one_product,
    decay_towards_zero,
    prepare_decay,
    saturate,
    takes_one_product,
)
from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.lanes import WIDTH, load, select, spike_bits, splat, total

U_MULTIPLIER, U_SHIFT, V_MULTIPLIER, V_SHIFT = range(4)
"""Places in a layer's row of four decay numbers (int32): `arithmetic.decay_factors` of du + 1 and of dv."""
NOTHING = np.int64(0)


class Place(NamedTuple):
    """Where a layer's spikes are written, uint16 with a bit a neuron: a member, a step, sixteen neurons."""

    plus: int  # of the first member in step 0
    minus: int
    step: int  # from one step to the next
    sixteen: int  # from sixteen neurons to the next


def _compile_step(checked):
    """One step of registers that may saturate, or provably cannot."""

    @kernel
    def step(u, v, arriving, bias, threshold, decay_u, decay_v):
        """One step of sixteen neurons -> (u, v after reset, spikes, registers that met their edge)."""
        zero, one = splat(int32(0)), splat(int32(1))
        current = arriving
        if not decay_u.forgets:
            current = arriving + decay_towards_zero(u, decay_u)
        if not checked:
            v = decay_towards_zero(v, decay_v) + current + bias
            spikes = v > threshold
            return current, select(spikes, zero, v), spikes, zero
        u = saturate(current)
        full = decay_towards_zero(v, decay_v) + u + bias
        v = saturate(full)
        edges = select(u != current, one, zero) + select(v != full, one, zero)
        spikes = v > threshold
        return u, select(spikes, zero, v), spikes, edges

    return step


step_checked = _compile_step(checked=True)
step_free = _compile_step(checked=False)


def _compile_run_pair(step):
    @inlined
    def run_pair(
        chain, layer, steps, plus, plus_at, minus, minus_at, minus_noise_at, room, other, out, place
    ):
        """Run one hidden layer of both members for all steps; return the saturated registers of each.

        plus, minus   int32 currents (step, lane), from `plus_at` and `minus_at` on
        room.noise    int32 (step, lane): added for plus, from 0 on; subtracted for minus, from
                      `minus_noise_at` on
        room.bias_noise                  added to the bias for plus; other.bias_noise: subtracted for minus
        out           uint16, written at `place`
        """
        lanes = chain.lanes[layer]
        decay_u = prepare_decay(
            chain.decays[4 * layer + U_MULTIPLIER], chain.decays[4 * layer + U_SHIFT]
        )
        decay_v = prepare_decay(
            chain.decays[4 * layer + V_MULTIPLIER], chain.decays[4 * layer + V_SHIFT]
        )
        zero = splat(int32(0))
        saturated_plus, saturated_minus = zero, zero
        for first in range(0, lanes, WIDTH):
            at = layer * chain.width + first
            edge = load(chain.threshold, at)
            bias_plus = load(chain.bias, at) + load(room.bias_noise, at)
            bias_minus = load(chain.bias, at) - load(other.bias_noise, at)
            u_plus, v_plus, u_minus, v_minus = zero, zero, zero, zero
            to = first // WIDTH * place.sixteen
            for t in range(steps):
                now = t * lanes + first
                arriving = load(plus, plus_at + now) + load(room.noise, now)
                u_plus, v_plus, spikes, edges = step(
                    u_plus, v_plus, arriving, bias_plus, edge, decay_u, decay_v
                )
                saturated_plus = saturated_plus + edges
                out[place.plus + to] = spike_bits(spikes)

                arriving = load(minus, minus_at + now) - load(room.noise, minus_noise_at + now)
                u_minus, v_minus, spikes, edges = step(
                    u_minus, v_minus, arriving, bias_minus, edge, decay_u, decay_v
                )
                saturated_minus = saturated_minus + edges
                out[place.minus + to] = spike_bits(spikes)
                to += place.step
        return total(saturated_plus), total(saturated_minus)

    return run_pair


run_checked = _compile_run_pair(step_checked)
run_free = _compile_run_pair(step_free)


class Sixteen(NamedTuple):
    """Neurons of a vector, and what does not change while they run."""

    lane: int  # of the first
    to: int  # from a `Place` to their spikes
    edge: Any
    bias: Any
    plus_bias: Any  # noise on it, of each member
    minus_bias: Any
    plus_factor: Any  # noise on u for a drive of 1
    minus_factor: Any


def _compile_run_first(factor, apart):
    """The first layer's `run_pair`, plain, where both members get the same current.

    Four vectors of both members run at once: a step waits for the last one's product. `factor`: the
    noise is one factor a neuron (room.outputs) times one drive a step (room.drives), multiplied here.
    `apart`: the second member's noise and current are its own, not the first's.
    """

    @inlined
    def sixteen(chain, first, place, room, other):
        lane = min(first, chain.lanes[0] - WIDTH)  # a vector too many repeats the last one
        return Sixteen(
            lane,
            lane // WIDTH * place.sixteen,
            load(chain.threshold, lane),
            load(chain.bias, lane),
            load(room.bias_noise, lane),
            load(other.bias_noise, lane),
            load(room.outputs, lane),
            load(other.outputs, lane),
        )

    @inlined
    def noise_of(room, factors, of_bias, t, at):
        """What noise adds to sixteen neurons in a step."""
        if factor:
            return factors * splat(room.drives[t]) + of_bias
        return load(room.noise, at) + of_bias

    @inlined
    def arriving(one, t, now, current, plus_at, minus_at, minus_noise_at, room, other):
        """What reaches both members' membranes in step t, whose row starts at `now`."""
        at = now + one.lane
        shared = load(current, plus_at + at) + one.bias
        more = noise_of(room, one.plus_factor, one.plus_bias, t, at)
        if not apart:
            return shared + more, shared - more
        less = noise_of(other, one.minus_factor, one.minus_bias, t, minus_noise_at + at)
        return shared + more, load(current, minus_at + at) + one.bias - less

    @inlined
    def tell(one, plus, minus, at, out, place):
        """Write the spikes of both members' membranes before the reset, `at` past those of step 0."""
        out[place.plus + one.to + at] = spike_bits(plus > one.edge)
        out[place.minus + one.to + at] = spike_bits(minus > one.edge)

    @inlined
    def go_on(
        one, plus, minus, t, decay, lanes, current, plus_at, minus_at, minus_noise_at, room, other, out,
        place,
    ):  # fmt: skip
        """Tell the spikes of step t - 1; return both members' v of step t, before the reset."""
        tell(one, plus, minus, (t - 1) * place.step, out, place)
        more, less = arriving(
            one, t, t * lanes, current, plus_at, minus_at, minus_noise_at, room, other
        )
        return (
            select(plus > one.edge, more, decay_by_one_product(plus, decay) + more),
            select(minus > one.edge, less, decay_by_one_product(minus, decay) + less),
        )

    @(kernel if apart else inlined)  # one-sided members are rarer than their code is long
    def run_first(
        chain, steps, current, plus_at, minus_at, minus_noise_at, room, other, out, place
    ):
        """Run the first layer; arrays as for `run_pair`."""
        lanes = chain.lanes[0]
        decay = prepare_decay(chain.decays[V_MULTIPLIER], chain.decays[V_SHIFT])
        past = (steps - 1) * place.step
        for first in range(0, lanes, 4 * WIDTH):
            a = sixteen(chain, first, place, room, other)
            b = sixteen(chain, first + WIDTH, place, room, other)
            c = sixteen(chain, first + 2 * WIDTH, place, room, other)
            d = sixteen(chain, first + 3 * WIDTH, place, room, other)
            plus_a, minus_a = arriving(
                a, NOTHING, NOTHING, current, plus_at, minus_at, minus_noise_at, room, other
            )
            plus_b, minus_b = arriving(
                b, NOTHING, NOTHING, current, plus_at, minus_at, minus_noise_at, room, other
            )
            plus_c, minus_c = arriving(
                c, NOTHING, NOTHING, current, plus_at, minus_at, minus_noise_at, room, other
            )
            plus_d, minus_d = arriving(
                d, NOTHING, NOTHING, current, plus_at, minus_at, minus_noise_at, room, other
            )
            for t in range(1, steps):
                plus_a, minus_a = go_on(
                    a, plus_a, minus_a, t, decay, lanes, current, plus_at, minus_at, minus_noise_at,
                    room, other, out, place,
                )  # fmt: skip
                plus_b, minus_b = go_on(
                    b, plus_b, minus_b, t, decay, lanes, current, plus_at, minus_at, minus_noise_at,
                    room, other, out, place,
                )  # fmt: skip
                plus_c, minus_c = go_on(
                    c, plus_c, minus_c, t, decay, lanes, current, plus_at, minus_at, minus_noise_at,
                    room, other, out, place,
                )  # fmt: skip
                plus_d, minus_d = go_on(
                    d, plus_d, minus_d, t, decay, lanes, current, plus_at, minus_at, minus_noise_at,
                    room, other, out, place,
                )  # fmt: skip
            tell(a, plus_a, minus_a, past, out, place)
            tell(b, plus_b, minus_b, past, out, place)
            tell(c, plus_c, minus_c, past, out, place)
            tell(d, plus_d, minus_d, past, out, place)

    return run_first


run_shared = _compile_run_first(factor=False, apart=False)
run_shared_factor = _compile_run_first(factor=True, apart=False)
run_apart = _compile_run_first(factor=False, apart=True)
run_apart_factor = _compile_run_first(factor=True, apart=True)


@inlined
def is_plain(chain, layer, reach):
    """Does this layer keep no u, decay by one product, and saturate at no current up to `reach`?"""
    multiplier, shift = chain.decays[4 * layer + V_MULTIPLIER], chain.decays[4 * layer + V_SHIFT]
    return (
        reach <= chain.headroom[layer]
        and chain.decays[4 * layer + U_MULTIPLIER] == 0
        and takes_one_product(multiplier, shift)
    )


@inlined
def run_first(
    chain, steps, current, plus_at, minus_at, factor, minus_noise_at, room, other, out, place
):
    """The variant of `_compile_run_first` for this noise; members share it where `minus_noise_at` is 0."""
    if minus_noise_at == NOTHING and factor:
        run_shared_factor(
            chain, steps, current, plus_at, minus_at, minus_noise_at, room, other, out, place
        )
    elif minus_noise_at == NOTHING:
        run_shared(
            chain, steps, current, plus_at, minus_at, minus_noise_at, room, other, out, place
        )
    elif factor:
        run_apart_factor(
            chain, steps, current, plus_at, minus_at, minus_noise_at, room, other, out, place
        )
    else:
        run_apart(chain, steps, current, plus_at, minus_at, minus_noise_at, room, other, out, place)


@inlined
def run_pair(
    chain, layer, steps, plus, plus_at, minus, minus_at, minus_noise_at, reach, room, other, out, place
):  # fmt: skip
    """`run_free` where no current exceeds the layer's headroom, else `run_checked`."""
    if reach <= chain.headroom[layer]:
        return run_free(
            chain, layer, steps, plus, plus_at, minus, minus_at, minus_noise_at, room, other, out, place
        )  # fmt: skip
    return run_checked(
        chain, layer, steps, plus, plus_at, minus, minus_at, minus_noise_at, room, other, out, place
    )  # fmt: skip


@kernel
def open_gates(chain, layer, steps, current, at, window, gates, gates_at):
    """Write a bit for each neuron and step: is the unperturbed v within `window` of its threshold?

    v is taken before the reset; `current` int32 (step, lane) from `at` on, `gates` uint16.
    """
    lanes = chain.lanes[layer]
    row = 4 * chain.spike_words
    decay_u = prepare_decay(
        chain.decays[4 * layer + U_MULTIPLIER], chain.decays[4 * layer + U_SHIFT]
    )
    decay_v = prepare_decay(
        chain.decays[4 * layer + V_MULTIPLIER], chain.decays[4 * layer + V_SHIFT]
    )
    zero = splat(int32(0))
    near = splat(int32(window))
    for first in range(0, lanes, WIDTH):
        edge = load(chain.threshold, layer * chain.width + first)
        bias = load(chain.bias, layer * chain.width + first)
        u, v = zero, zero
        for t in range(steps):
            arriving = load(current, at + t * lanes + first)
            if not decay_u.forgets:
                arriving = arriving + decay_towards_zero(u, decay_u)
            u = saturate(arriving)
            v = saturate(decay_towards_zero(v, decay_v) + u + bias)
            inside = select(v > edge - near - splat(int32(1)), near, zero)
            inside = select(edge + near + splat(int32(1)) > v, inside, zero)
            gates[gates_at + t * row + first // WIDTH] = spike_bits(inside > zero)
            v = select(v > edge, zero, v)
