"""Layers of a fused chain: LIF neurons of both members of a pair, all steps of a layer.

Both members run side by side: input = current + perturbation for the first, current - perturbation for the
second. The state of sixteen neurons stays in processor registers for all steps. The step is that of
kernels/neurons/integration.py and lif.py; the first layer's `run_first` computes the same numbers in another
order, because a step waits for the one before.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import int32

from neurosim.kernels.arithmetic import decay_by_one_product
from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.neurons.integration import (
    decays_at,
    decays_of,
    integrate_checked,
    integrate_free,
)
from neurosim.kernels.neurons.lif import fire
from neurosim.kernels.neurons.model import near_bits
from neurosim.kernels.simd import WIDTH, load, select, spike_bits, spikes_of, splat, total

NOTHING = np.int64(0)
UNPERTURBED, EVENT_ALIGNED, NONE, ONE, MANY = range(-2, 3)
"""Noise that the first layer computes itself: event-aligned, none (it is in `scratch.noise`), of one rank or
of many ranks; UNPERTURBED: no noise at all."""


class Place(NamedTuple):
    """Destination of a layer's spikes, uint16 with one bit per neuron: member, step, sixteen neurons."""

    plus: int  # of the first member in step 0
    minus: int
    step: int  # from one step to the next
    sixteen: int  # from sixteen neurons to the next


def _compile_run_pair(integrate, noisy):
    @inlined
    def run_pair(
        chain,
        layer,
        steps,
        plus,
        plus_at,
        minus,
        minus_at,
        minus_noise_at,
        max_current,
        scratch,
        other,
        out,
        place,
    ):
        """Run one hidden layer of both members for all steps; return the saturated registers of each.

        plus, minus   int32 currents (step, lane), from `plus_at` and `minus_at` on
        scratch.noise    int32 (step, lane): added for plus, from 0 on; subtracted for minus, from
                      `minus_noise_at` on; neither is read where `noisy` is False
        max_current   bound on the currents; not read here: `run_pair` chooses by it
        scratch.bias_noise                  added to the bias for plus; other.bias_noise: subtracted for minus
        out           uint16, written at `place`
        """
        lanes = chain.lanes[layer]
        shared = decays_of(chain.decays, layer)
        zero = splat(int32(0))
        saturated_plus, saturated_minus = zero, zero
        for first in range(0, lanes, WIDTH):
            at = layer * chain.width + first
            decay_u, decay_v = decays_at(chain.own_decays, layer, first, shared)
            edge = load(chain.threshold, at)
            bias_plus = bias_minus = load(chain.bias, at)
            if noisy:
                bias_plus = bias_plus + load(scratch.bias_noise, at)
                bias_minus = bias_minus - load(other.bias_noise, at)
            u_plus, v_plus, u_minus, v_minus = zero, zero, zero, zero
            to = first // WIDTH * place.sixteen
            for t in range(steps):
                now = t * lanes + first
                arriving = load(plus, plus_at + now)
                if noisy:
                    arriving = arriving + load(scratch.noise, now)
                u_plus, v_plus, edges = integrate(
                    u_plus, v_plus, arriving, bias_plus, decay_u, decay_v
                )
                fired = fire(v_plus, edge, (), ())
                v_plus, saturated_plus = fired.v, saturated_plus + edges
                out[place.plus + to] = spike_bits(fired.spikes)

                arriving = load(minus, minus_at + now)
                if noisy:
                    arriving = arriving - load(scratch.noise, minus_noise_at + now)
                u_minus, v_minus, edges = integrate(
                    u_minus, v_minus, arriving, bias_minus, decay_u, decay_v
                )
                fired = fire(v_minus, edge, (), ())
                v_minus, saturated_minus = fired.v, saturated_minus + edges
                out[place.minus + to] = spike_bits(fired.spikes)
                to += place.step
        return total(saturated_plus), total(saturated_minus)

    return run_pair


run_checked = _compile_run_pair(integrate_checked, noisy=True)
run_free = _compile_run_pair(integrate_free, noisy=True)
run_unperturbed_pair = _compile_run_pair(integrate_checked, noisy=False)
"""Of two samples, always checked: samples are far fewer than trials, and there is half as much to compile."""


class MemberNoise(NamedTuple):
    """Noise of a member on the first layer: arrays of a scratch (`fused_chain.Scratch`)."""

    bias_noise: Any
    outputs: Any
    dots: Any
    noise: Any
    input_bits: Any


@inlined
def member_noise_of(scratch):
    """The noise in a scratch. A record of little more than what is used is several times less to compile."""
    return MemberNoise(
        scratch.bias_noise, scratch.outputs, scratch.dots, scratch.noise, scratch.input_bits
    )


class PairTrial(NamedTuple):
    """Samples and noise of both members of a pair in the first layer: arrays as for `run_pair`."""

    lanes: int
    neurons: int
    width: int  # lanes of the widest layer
    bias: Any
    threshold: Any
    decays: Any
    rank: int  # of the noise, NONE where it is in `noise`, or EVENT_ALIGNED
    scale: Any  # int: of event-aligned noise
    steps: int
    current: Any
    plus_at: int
    minus_at: int
    minus_noise_at: Any  # int
    plus: MemberNoise
    minus: MemberNoise
    out: Any
    place: Place


@inlined
def pair_trial(
    chain, rank, scale, steps, current, plus_at, minus_at, minus_noise_at, plus, minus, out, place
):
    """A trial of the first layer; `plus` and `minus` are the scratches of the members."""
    return PairTrial(
        chain.lanes[0],
        chain.neurons[0],
        chain.width,
        chain.bias,
        chain.threshold,
        chain.decays,
        rank,
        scale,
        steps,
        current,
        plus_at,
        minus_at,
        minus_noise_at,
        member_noise_of(plus),
        member_noise_of(minus),
        out,
        place,
    )


class NeuronVector(NamedTuple):
    """Sixteen neurons, and their constants."""

    lane: int  # of the first
    to: int  # from a `Place` to their spikes
    edge: Any
    bias: Any
    plus_bias: Any  # noise on it, of each member
    minus_bias: Any
    plus_factor: Any  # noise on u for a drive of 1
    minus_factor: Any


@inlined
def _neuron_vector(trial, first):
    lane = min(first, trial.lanes - WIDTH)  # the last one may be repeated
    return NeuronVector(
        lane,
        lane // WIDTH * trial.place.sixteen,
        load(trial.threshold, lane),
        load(trial.bias, lane),
        load(trial.plus.bias_noise, lane),
        load(trial.minus.bias_noise, lane),
        load(trial.plus.outputs, lane),
        load(trial.minus.outputs, lane),
    )


@inlined
def _write_spikes(trial, one, plus, minus, t):
    """Write the spikes of step t, of both members' membranes before the reset."""
    to = one.to + t * trial.place.step
    trial.out[trial.place.plus + to] = spike_bits(plus > one.edge)
    trial.out[trial.place.minus + to] = spike_bits(minus > one.edge)


def _compile_run_first(factors, apart):
    """The first layer's `run_pair`, of neurons that keep no u, decay by one product, and never
    saturate (`Chain.plain`).

    Four vectors of both members run at once, because a step waits for the product of the previous one.
    `factors`: the noise is one factor per neuron (scratch.outputs) times one dot product per step
    (scratch.dots), for ONE rank or MANY; or EVENT_ALIGNED, one bit per neuron and step
    (scratch.input_bits); or NONE: it is in scratch.noise; or there is no noise, UNPERTURBED. `apart`: the
    second member has noise and current of its own.
    """

    @inlined
    def noise_of(trial, member, lane, factor, of_bias, t, at):
        """Noise current of sixteen neurons in a step."""
        if factors == NONE:
            return load(member.noise, at) + of_bias
        if factors == EVENT_ALIGNED:
            eighths = ((trial.neurons + 127) >> 7) << 3
            up = splat(int32(trial.scale))
            bits = spikes_of(member.input_bits[t * eighths + lane // WIDTH])
            return select(bits, of_bias + up, of_bias - up)
        add = factor * splat(member.dots[t]) + of_bias
        if factors == MANY:
            for r in range(1, trial.rank):
                drive = splat(member.dots[r * trial.steps + t])
                add = add + load(member.outputs, r * trial.width + lane) * drive
        return add

    @inlined
    def arriving(trial, one, t):
        """Input of both members' membranes in step t."""
        at = t * trial.lanes + one.lane
        shared = load(trial.current, trial.plus_at + at) + one.bias
        if factors == UNPERTURBED:
            return shared, load(trial.current, trial.minus_at + at) + one.bias
        more = noise_of(trial, trial.plus, one.lane, one.plus_factor, one.plus_bias, t, at)
        if not apart:
            return shared + more, shared - more
        own = load(trial.current, trial.minus_at + at) + one.bias
        at += trial.minus_noise_at
        less = noise_of(trial, trial.minus, one.lane, one.minus_factor, one.minus_bias, t, at)
        return shared + more, own - less

    @inlined
    def go_on(trial, one, plus, minus, t, decay):
        """Write the spikes of step t - 1; return both members' v of step t, before the reset."""
        _write_spikes(trial, one, plus, minus, t - 1)
        more, less = arriving(trial, one, t)
        return (
            select(plus > one.edge, more, decay_by_one_product(plus, decay) + more),
            select(minus > one.edge, less, decay_by_one_product(minus, decay) + less),
        )

    @kernel
    def run_first(trial):
        """Run the first layer."""
        last = trial.steps - 1
        _, decay = decays_of(trial.decays, NOTHING)
        for first in range(0, trial.lanes, 4 * WIDTH):
            a, b = _neuron_vector(trial, first), _neuron_vector(trial, first + WIDTH)
            c, d = (
                _neuron_vector(trial, first + 2 * WIDTH),
                _neuron_vector(trial, first + 3 * WIDTH),
            )
            plus_a, minus_a = arriving(trial, a, NOTHING)
            plus_b, minus_b = arriving(trial, b, NOTHING)
            plus_c, minus_c = arriving(trial, c, NOTHING)
            plus_d, minus_d = arriving(trial, d, NOTHING)
            for t in range(1, trial.steps):
                plus_a, minus_a = go_on(trial, a, plus_a, minus_a, t, decay)
                plus_b, minus_b = go_on(trial, b, plus_b, minus_b, t, decay)
                plus_c, minus_c = go_on(trial, c, plus_c, minus_c, t, decay)
                plus_d, minus_d = go_on(trial, d, plus_d, minus_d, t, decay)
            _write_spikes(trial, a, plus_a, minus_a, last)
            _write_spikes(trial, b, plus_b, minus_b, last)
            _write_spikes(trial, c, plus_c, minus_c, last)
            _write_spikes(trial, d, plus_d, minus_d, last)

    return run_first


run_unperturbed = _compile_run_first(UNPERTURBED, apart=True)
run_event_aligned = _compile_run_first(EVENT_ALIGNED, apart=False)
run_none = _compile_run_first(NONE, apart=False)


def _compile_run_all(apart):
    """`_compile_run_first` for each kind of noise of the members."""
    run_event_aligned = _compile_run_first(EVENT_ALIGNED, apart)
    run_none = _compile_run_first(NONE, apart)
    run_one = _compile_run_first(ONE, apart)
    run_many = _compile_run_first(MANY, apart)

    @inlined
    def run_all(trial):
        """The variant for this noise."""
        if trial.rank == EVENT_ALIGNED:
            run_event_aligned(trial)
        elif trial.rank == NONE:
            run_none(trial)
        elif trial.rank == ONE:
            run_one(trial)
        else:
            run_many(trial)

    return run_all


run_shared = _compile_run_all(apart=False)
run_apart = _compile_run_all(apart=True)


@inlined
def run_first(trial):
    """Run a plain first layer; members share its noise and current where `minus_noise_at` is 0."""
    if trial.minus_noise_at == NOTHING:
        run_shared(trial)
    else:
        run_apart(trial)


@inlined
def run_pair(
    chain,
    layer,
    steps,
    plus,
    plus_at,
    minus,
    minus_at,
    minus_noise_at,
    max_current,
    scratch,
    other,
    out,
    place,
):
    """`run_free` where no current exceeds the layer's headroom, else `run_checked`."""
    if max_current <= chain.headroom[layer]:
        return run_free(
            chain,
            layer,
            steps,
            plus,
            plus_at,
            minus,
            minus_at,
            minus_noise_at,
            max_current,
            scratch,
            other,
            out,
            place,
        )
    return run_checked(
        chain,
        layer,
        steps,
        plus,
        plus_at,
        minus,
        minus_at,
        minus_noise_at,
        max_current,
        scratch,
        other,
        out,
        place,
    )


@kernel
def near_threshold_mask(chain, layer, steps, current, at, window, masks, masks_at):
    """Write one bit per neuron and step: whether the unperturbed v is within `window` of the threshold.

    v is taken before the reset; `current` int32 (step, lane) from `at` on, `masks` uint16.
    """
    lanes = chain.lanes[layer]
    row = 4 * chain.spike_words
    shared = decays_of(chain.decays, layer)
    zero = splat(int32(0))
    for first in range(0, lanes, WIDTH):
        decay_u, decay_v = decays_at(chain.own_decays, layer, first, shared)
        edge = load(chain.threshold, layer * chain.width + first)
        bias = load(chain.bias, layer * chain.width + first)
        u, v = zero, zero
        for t in range(steps):
            arriving = load(current, at + t * lanes + first)
            u, v, _ = integrate_checked(u, v, arriving, bias, decay_u, decay_v)
            masks[masks_at + t * row + first // WIDTH] = near_bits(v, edge, window)
            v = fire(v, edge, (), ()).v
