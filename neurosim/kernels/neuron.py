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

import numpy as np
from numba import int32, uint64

from neurosim.kernels.arithmetic import (
    ONE_PRODUCT,
    decay_towards_zero,
    decay_unless,
    prepare_decay,
    saturate,
)
from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.lanes import WIDTH, load, popcount, select, spike_bits, splat, store

U_MULTIPLIER, U_SHIFT, V_MULTIPLIER, V_SHIFT = range(4)
"""Places in a layer's row of four decay numbers (int32): `arithmetic.decay_factors` of du + 1 and of dv."""
NOTHING = np.int64(0)


def _compile_run_pair(checked):
    """`run_pair` for registers that may saturate, or provably cannot."""

    @kernel
    def step(u, v, arriving, bias, threshold, decay_u, decay_v):
        """One step of sixteen neurons -> (u, v before reset, spikes, saturated registers)."""
        current = arriving
        if not decay_u.forgets:
            current = arriving + decay_towards_zero(u, decay_u)
        if not checked:
            v = decay_towards_zero(v, decay_v) + current + bias
            return current, v, v > threshold, NOTHING
        u = saturate(current)
        full = decay_towards_zero(v, decay_v) + u + bias
        v = saturate(full)
        edges = popcount(uint64(spike_bits(u != current))) + popcount(uint64(spike_bits(v != full)))
        return u, v, v > threshold, edges

    @inlined
    def run_pair(chain, layer, steps, plus, plus_at, minus, minus_at, minus_noise_at, room, other):
        """Run one layer of both members for all steps; return the saturated registers of each.

        plus, minus   int32 currents (step, lane), from `plus_at` and `minus_at` on
        room.noise    int32 (step, lane): added for plus, from 0 on; subtracted for minus, from
                      `minus_noise_at` on
        room.bias_noise                  added to the bias for plus; other.bias_noise: subtracted for minus
        room.spike_bits                  written: one bit a neuron, the row of the layer's output
        room.potentials, room.counts     written (member, lane): sum over steps of v after reset, and
                                         of spikes
        """
        lanes = chain.lanes[layer]
        row = 4 * chain.spike_words
        spikes_plus = layer * steps * row
        spikes_minus = (chain.layers + layer) * steps * row
        decay_u = prepare_decay(
            chain.decays[4 * layer + U_MULTIPLIER], chain.decays[4 * layer + U_SHIFT]
        )
        decay_v = prepare_decay(
            chain.decays[4 * layer + V_MULTIPLIER], chain.decays[4 * layer + V_SHIFT]
        )
        saturated_plus = NOTHING
        saturated_minus = NOTHING
        zero = splat(int32(0))
        one = splat(int32(1))
        for first in range(0, lanes, WIDTH):
            at = layer * chain.width + first
            edge = load(chain.threshold, at)
            bias_plus = load(chain.bias, at) + load(room.bias_noise, at)
            bias_minus = load(chain.bias, at) - load(other.bias_noise, at)
            u_plus, v_plus, u_minus, v_minus = zero, zero, zero, zero
            sum_plus, sum_minus, count_plus, count_minus = zero, zero, zero, zero
            for t in range(steps):
                now = t * lanes + first
                place = t * row + first // WIDTH
                arriving = load(plus, plus_at + now) + load(room.noise, now)
                u_plus, v_plus, spikes, edges = step(
                    u_plus, v_plus, arriving, bias_plus, edge, decay_u, decay_v
                )
                v_plus = select(spikes, zero, v_plus)
                saturated_plus += edges
                room.spike_bits[spikes_plus + place] = spike_bits(spikes)
                sum_plus = sum_plus + v_plus
                count_plus = count_plus + select(spikes, one, zero)

                arriving = load(minus, minus_at + now) - load(room.noise, minus_noise_at + now)
                u_minus, v_minus, spikes, edges = step(
                    u_minus, v_minus, arriving, bias_minus, edge, decay_u, decay_v
                )
                v_minus = select(spikes, zero, v_minus)
                saturated_minus += edges
                room.spike_bits[spikes_minus + place] = spike_bits(spikes)
                sum_minus = sum_minus + v_minus
                count_minus = count_minus + select(spikes, one, zero)
            store(room.potentials, first, sum_plus)
            store(room.potentials, chain.width + first, sum_minus)
            store(room.counts, first, count_plus)
            store(room.counts, chain.width + first, count_minus)
        return saturated_plus, saturated_minus

    return run_pair


run_checked = _compile_run_pair(checked=True)
run_free = _compile_run_pair(checked=False)


def _compile_run_first(factor, apart):
    """The first layer's `run_pair`, plain, where both members get the same current.

    Two vectors of both members run at once: a step waits for the last one's comparison. `factor`: the
    noise is one factor a neuron (room.outputs) times one drive a step (room.drives), multiplied here.
    `apart`: the second member's noise is its own, not the first's.
    """

    @kernel
    def noise_of(room, factors, of_bias, t, at):
        """What noise adds to sixteen neurons in a step."""
        if factor:
            return factors * splat(room.drives[t]) + of_bias
        return load(room.noise, at) + of_bias

    @kernel
    def plain_step(v, spiked, arriving, edge, decay):
        """One step of sixteen neurons that keep no u -> (v before reset, spikes)."""
        v = decay_unless(spiked, v, decay) + arriving
        return v, v > edge

    @(kernel if apart else inlined)  # one-sided members are rarer than their code is long
    def run_first(chain, steps, current, at, minus_noise_at, room, other):
        """Run the first layer; arrays as for `run_pair`."""
        lanes = chain.lanes[0]
        row = 4 * chain.spike_words
        to_minus = chain.layers * steps * row
        decay = prepare_decay(chain.decays[V_MULTIPLIER], chain.decays[V_SHIFT])
        zero = splat(int32(0))
        none = zero > zero
        out = room.spike_bits
        for first in range(0, lanes, 2 * WIDTH):
            second = min(first + WIDTH, lanes - WIDTH)
            edge_a, edge_b = load(chain.threshold, first), load(chain.threshold, second)
            bias_a, bias_b = load(chain.bias, first), load(chain.bias, second)
            of_bias_a, of_bias_b = load(room.bias_noise, first), load(room.bias_noise, second)
            factor_a, factor_b = load(room.outputs, first), load(room.outputs, second)
            minus_of_bias_a, minus_of_bias_b = (
                load(other.bias_noise, first),
                load(other.bias_noise, second),
            )
            minus_factor_a, minus_factor_b = load(other.outputs, first), load(other.outputs, second)
            plus_a, plus_b, minus_a, minus_b = zero, zero, zero, zero
            up_a, up_b, down_a, down_b = none, none, none, none
            for t in range(steps):
                a, b = t * lanes + first, t * lanes + second
                place_a, place_b = t * row + first // WIDTH, t * row + second // WIDTH
                noise_a = noise_of(room, factor_a, of_bias_a, t, a)
                noise_b = noise_of(room, factor_b, of_bias_b, t, b)
                less_a, less_b = noise_a, noise_b
                if apart:
                    less_a = noise_of(other, minus_factor_a, minus_of_bias_a, t, minus_noise_at + a)
                    less_b = noise_of(other, minus_factor_b, minus_of_bias_b, t, minus_noise_at + b)
                current_a = load(current, at + a) + bias_a
                current_b = load(current, at + b) + bias_b
                plus_a, up_a = plain_step(plus_a, up_a, current_a + noise_a, edge_a, decay)
                plus_b, up_b = plain_step(plus_b, up_b, current_b + noise_b, edge_b, decay)
                minus_a, down_a = plain_step(minus_a, down_a, current_a - less_a, edge_a, decay)
                minus_b, down_b = plain_step(minus_b, down_b, current_b - less_b, edge_b, decay)
                out[place_a] = spike_bits(up_a)
                out[place_b] = spike_bits(up_b)
                out[to_minus + place_a] = spike_bits(down_a)
                out[to_minus + place_b] = spike_bits(down_b)

    return run_first


run_shared = _compile_run_first(factor=False, apart=False)
run_shared_factor = _compile_run_first(factor=True, apart=False)
run_apart = _compile_run_first(factor=False, apart=True)
run_apart_factor = _compile_run_first(factor=True, apart=True)


@inlined
def is_plain(chain, layer, reach):
    """Does this layer keep no u, decay by one product, and saturate at no current up to `reach`?"""
    return (
        reach <= chain.headroom[layer]
        and chain.decays[4 * layer + U_MULTIPLIER] == 0
        and chain.decays[4 * layer + V_MULTIPLIER] < ONE_PRODUCT
    )


@inlined
def run_first(chain, steps, current, at, factor, minus_noise_at, room, other):
    """The variant of `_compile_run_first` for this noise; members share it where `minus_noise_at` is 0."""
    if minus_noise_at == NOTHING and factor:
        run_shared_factor(chain, steps, current, at, minus_noise_at, room, other)
    elif minus_noise_at == NOTHING:
        run_shared(chain, steps, current, at, minus_noise_at, room, other)
    elif factor:
        run_apart_factor(chain, steps, current, at, minus_noise_at, room, other)
    else:
        run_apart(chain, steps, current, at, minus_noise_at, room, other)


@inlined
def run_pair(
    chain, layer, steps, plus, plus_at, minus, minus_at, minus_noise_at, reach, room, other
):
    """`run_free` where no current exceeds the layer's headroom, else `run_checked`."""
    if reach <= chain.headroom[layer]:
        return run_free(
            chain, layer, steps, plus, plus_at, minus, minus_at, minus_noise_at, room, other
        )
    return run_checked(
        chain, layer, steps, plus, plus_at, minus, minus_at, minus_noise_at, room, other
    )


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
