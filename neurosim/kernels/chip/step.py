"""Chip emulator: the time steps of a batch of samples, in the order of the hardware.

    inputs       list spikes, and add their currents to the ring of future steps
    populations  in order: read the ring's current of this step, update, list spikes, add their currents
    probes       copy the probed values

A spike of step t acts in step t + delay + latency, so the order of the populations matters only
where a profile has no latency between neurons; the chip then sorts them (`neurosim/chip/emulator.py`).
Samples are independent. The kernels release the GIL, so `neurosim/chip/emulator.py` divides the samples among
threads: the bits are the same for any number of threads, and no second copy of the step is compiled for a
parallel loop.
"""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import int64

from neurosim.kernels.chip.neuron import (
    COUNTERS,
    HOPS_EAST_WEST,
    HOPS_NORTH_SOUTH,
    INPUT_SPIKES,
    MESSAGES,
    RELAY_OPERATIONS,
    SYNAPTIC_OPERATIONS,
    compile_update,
    draw_noise,
)
from neurosim.kernels.chip.synapse import deposit, list_bits, list_values
from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.neurons.model import NeuronKernel

PROBE_CURRENT, PROBE_U, PROBE_V, PROBE_V_BEFORE = range(4)


class Groups(NamedTuple):
    """Groups of spike sources: the inputs, then the populations; int64 arrays (group,) unless stated.

    first, last       inputs: words of `bits`, or columns of `graded`; populations: neurons
    graded            1 if an input's spikes are values, 0 if bits;  0 for populations
    projections       (group + 1,) projections of group g are projections[g] .. projections[g+1]-1
    axon              number of the group's first source in `routes`
    reset_interval, reset_offset, noisy     populations only
    model             of a population: its place in the neuron models of `compile_run`
    routes            int64 (source, 3): messages of a spike, its hops east-west and north-south
    inputs            number of groups that are inputs: int64 (1,)
    """

    first: Any
    last: Any
    graded: Any
    projections: Any
    axon: Any
    reset_interval: Any
    reset_offset: Any
    noisy: Any
    model: Any
    routes: Any
    inputs: Any


class State(NamedTuple):
    """State of the chip, one row per sample; all int64.

    u, v, dead  (sample, neuron)        dead: steps for which v stays 0
    own         (sample, variable, neuron)  variables of the neuron models
    ring        (sample, slot, neuron)  currents of future steps, slot (step % slots)
    step        (sample,)               number of the next step
    number      (sample,)               of the sample, for its noise
    """

    u: Any
    v: Any
    dead: Any
    own: Any
    ring: Any
    step: Any
    number: Any


class Probes(NamedTuple):
    """Probes: int64 arrays (probe,); `neurons` and `rows` are flat lists of all probes.

    row of step t is rows[probe, t], -1 for a step that is not recorded; the value of neuron i of the probe
    goes to out[sample, start + row * count + i].
    """

    what: Any
    count: Any
    first: Any
    start: Any
    neurons: Any
    rows: Any


@kernel
def take(slot, a, first, last):
    """Move the ring's currents of this step for neurons first..last-1 to a."""
    for n in range(first, last):
        a[n] = slot[n]
        slot[n] = 0


@kernel
def send(groups, projections, group, ring, step, events, values, count, totals, counts):
    """Spikes of one group: messages, hops, and currents in the ring."""
    if count == 0:
        return
    axon = groups.axon[group]
    messages, east_west, north_south = int64(0), int64(0), int64(0)
    for e in range(count):
        source = axon + events[e]
        messages += groups.routes[source, 0]
        east_west += groups.routes[source, 1]
        north_south += groups.routes[source, 2]
    counts[MESSAGES] += messages
    counts[HOPS_EAST_WEST] += east_west
    counts[HOPS_NORTH_SOUTH] += north_south
    for p in range(groups.projections[group], groups.projections[group + 1]):
        read, relayed = deposit(
            projections, p, ring, step, events, values, count, totals[0], totals[1]
        )
        counts[SYNAPTIC_OPERATIONS] += read
        counts[RELAY_OPERATIONS] += relayed


@kernel
def send_inputs(groups, projections, bits, graded, ring, step, events, values, totals, counts):
    """List the spikes of every input in this step and propagate them."""
    for group in range(groups.inputs[0]):
        first, last = groups.first[group], groups.last[group]
        if groups.graded[group] != 0:
            count = list_values(graded[first:last], events, values)
        else:
            count = list_bits(bits[first:last], events)
            values[:count] = 1
        counts[INPUT_SPIKES] += count
        send(groups, projections, group, ring, step, events, values, count, totals, counts)


@kernel
def copy_probes(probes, local, a, u, v, seen, out):
    """Write this step's values of every probe that records it."""
    for p in range(probes.what.size):
        row = probes.rows[p, local]
        if row < 0:
            continue
        what, first = probes.what[p], probes.first[p]
        start = probes.start[p] + row * probes.count[p]
        for i in range(probes.count[p]):
            n = probes.neurons[first + i]
            if what == PROBE_CURRENT:
                out[start + i] = a[n]
            elif what == PROBE_U:
                out[start + i] = u[n]
            elif what == PROBE_V:
                out[start + i] = v[n]
            else:
                out[start + i] = seen[n]


def _compile_choice(models):
    """`update_neurons` of the model with the number `model`."""
    update = compile_update(models[0])
    if len(models) == 1:

        @inlined
        def only(model, *state):
            return update(*state)

        return only
    others = _compile_choice(models[1:])

    @inlined
    def choose(model, *state):
        if model == 0:
            return update(*state)
        return others(model - 1, *state)

    return choose


@cache
def compile_run(models: tuple[NeuronKernel, ...]) -> Any:
    """`run_samples` for networks of these neuron models."""
    update_neurons = _compile_choice(models)

    @kernel
    def run_sample(
        groups,
        projections,
        registers,
        rules,
        state,
        sample,
        stimulus,
        noise,
        seed,
        probes,
        totals,
        spikes,
        counts,
        out,
    ):
        """All steps of one sample; see `run_samples`."""
        bits, graded = stimulus
        u, v, dead, ring = state.u[sample], state.v[sample], state.dead[sample], state.ring[sample]
        own = state.own[sample]
        a, x, seen = np.zeros_like(u), np.zeros_like(u), np.zeros_like(u)
        capacity = max(64 * bits.shape[2], graded.shape[2], u.size) + 64
        events, values = np.empty(capacity, np.int32), np.empty(capacity, np.int32)
        for local in range(spikes.shape[1]):
            step, counted = state.step[sample], counts[sample, local]
            send_inputs(
                groups,
                projections,
                bits[sample, local],
                graded[sample, local],
                ring,
                step,
                events,
                values,
                totals,
                counted,
            )
            for group in range(groups.inputs[0], groups.first.size):
                first, last = groups.first[group], groups.last[group]
                take(ring[step % ring.shape[0]], a, first, last)
                interval = groups.reset_interval[group]
                if interval > 0 and (step + 1) % interval == groups.reset_offset[group] % interval:
                    u[first:last] = 0
                    v[first:last] = 0
                    own[:, first:last] = 0
                if groups.noisy[group] != 0:
                    if noise.shape[1] > 0:
                        x[first:last] = noise[0, local, first:last]
                    else:
                        draw_noise(x, first, last, group, state.number[sample], step, seed)
                count = update_neurons(
                    groups.model[group],
                    registers,
                    rules,
                    u,
                    v,
                    dead,
                    own,
                    a,
                    x,
                    seen,
                    first,
                    last,
                    events,
                    values,
                    counted,
                )
                for e in range(count):
                    spikes[sample, local, first + events[e]] = values[e]
                send(groups, projections, group, ring, step, events, values, count, totals, counted)
            copy_probes(probes, local, a, u, v, seen, out[sample])
            state.step[sample] = step + 1

    @kernel
    def run_samples(
        groups,
        projections,
        registers,
        rules,
        state,
        first,
        last,
        stimulus,
        noise,
        seed,
        probes,
        spikes,
        counts,
        out,
    ):
        """Samples first..last-1 of a batch; the caller gives each of its threads its own range.

        stimulus  bits uint64 (sample, step, word), graded int32 (sample, step, column)
        noise     int64 (1, step, neuron) recorded draws, or (1, 0, 0) to draw from `seed`
        spikes    int8 (sample, step, neuron), zeroed; counts int64 (sample, step, COUNTERS), zeroed
        out       int64 (sample, probe value)
        """
        totals = (np.zeros(spikes.shape[2], np.int32), np.zeros(spikes.shape[2], np.int64))
        for sample in range(first, last):
            run_sample(
                groups,
                projections,
                registers,
                rules,
                state,
                sample,
                stimulus,
                noise,
                seed,
                probes,
                totals,
                spikes,
                counts,
                out,
            )

    return run_samples


def empty_counts(samples: int, steps: int) -> np.ndarray:
    """Zeroed counters."""
    return np.zeros((samples, steps, COUNTERS), np.int64)
