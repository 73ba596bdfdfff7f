"""Golden numbers of one generation of credit by error, from the emulator's spikes and plain array arithmetic.

    near      bool (group, step, neuron)   whether the unperturbed v is within the noise window
    trace_j   (sum over t of filtered spikes) >> 4                        as neurosim/kernels has it
    err_c     127 * (c is the label) - 127 * softmax, rounded
    term      sum over the pairs of a group of credit * noise * near      a number a step and neuron
    sums      sum over groups and steps of spike_j * term;  sum over groups of trace_j * err_c

The credits come from the population evaluator; all other numbers are worked out here once more, so that the
vectors do not repeat what they are compared with.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from learning.settings import Settings, readout
from neurosim import limits
from neurosim.chip import profiles
from neurosim.chip.emulator import Chip, Probe
from neurosim.data import frames
from neurosim.data.frames import Frames
from neurosim.export.hdl.parameters import BLOCK
from neurosim.kernels import generator
from neurosim.kernels.readout import FRACTION, ONE, exp2_table
from neurosim.network import Network, Population, Weights

SPIKE, TRACE_SHIFT, ERROR_ONE = 64, 4, 127
"""docs/learning.md: what a spike adds to a trace, the bits a trace loses, the largest error."""
BEFORE_RESET = replace(profiles.LAYERED, recorded_v="before_reset")
Integers = NDArray[np.int64]


class ByError(NamedTuple):
    """Numbers of a generation by group; those of noise and credit by pair, in order.

    near     bool (group, step, neuron); noise int8 (pair, step, neuron), +1 and -1
    traces   int64 (group, neuron); errors int64 (group, class); credits int64 (pair, neuron)
    biases   update sums of each layer's biases over the generation, int64 (neuron,)
    synapses the same of its synapses, int64 (source, neuron)
    """

    near: NDArray[np.bool_]
    noise: NDArray[np.int8]
    traces: Integers
    errors: Integers
    credits: Integers
    biases: tuple[Integers, Integers]
    synapses: tuple[Integers, Integers]


def numbers(
    settings: Settings,
    network: Network,
    weights: Weights,
    shown: Frames,
    credits: Integers,
    generation: int,
    window: int,
) -> ByError:
    """All numbers of a generation; `shown` has one sample a group, `credits` int (pair, neuron)."""
    hidden, output = network.populations
    chip = Chip.from_weights(network, weights, BEFORE_RESET, placement=None)
    recording = chip.run(shown, [Probe(hidden.name, "v"), Probe(output.name, "v")])
    spikes = recording.spikes[hidden.name].astype(np.int64)
    levels, outputs = (np.asarray(one, np.int64) for one in recording.probed)
    near = np.abs(levels - (hidden.each("vth_mant") << limits.STATE_SHIFT)) <= window
    near = np.ones_like(near) if window == 0 else near
    fired = recording.spikes[output.name].astype(np.int64)
    kept = np.where(fired > 0, 0, outputs)
    scores = (kept if settings.readout == "membrane" else fired).sum(axis=1)
    found = errors(settings, scores, shown.labels)
    trails = traces(spikes, output)
    noise = np.array(
        [drawn(settings, hidden.neurons, pair, generation) for pair in range(settings.pairs)]
    )
    each = settings.pairs // settings.groups
    credited = noise * credits[:, None, :]
    terms = credited.reshape(settings.groups, each, *credited.shape[1:]).sum(axis=1) * near
    arriving = frames.unpack(shown).reshape(-1, shown.inputs).astype(np.int64)
    return ByError(
        near,
        noise,
        trails,
        found,
        credits,
        (terms.sum(axis=(0, 1)), found.sum(axis=0)),
        (_products(arriving, terms.reshape(len(arriving), -1)), trails.T @ found),
    )


def _products(spikes: Integers, terms: Integers) -> Integers:
    """spikes^T terms: int64 (source, neuron), the terms of the moments in which a source spikes."""
    return np.array([terms[np.flatnonzero(column)].sum(axis=0) for column in spikes.T], np.int64)


def drawn(settings: Settings, neurons: int, pair: int, generation: int) -> NDArray[np.int8]:
    """Event-aligned noise of a pair on the hidden layer: +1 and -1, int8 (step, neuron)."""
    words = np.zeros(settings.steps * -(-neurons // BLOCK) * 2, np.uint64)
    generator.draw_blocks(words, generator.ALIGNED, 0, pair, generation, np.uint64(settings.seed))
    octets = words.astype("<u8").view(np.uint8).reshape(settings.steps, -1)
    bits = np.unpackbits(octets, axis=1, count=neurons, bitorder="little").astype(np.int8)
    return 2 * bits - 1


def traces(spikes: Integers, output: Population) -> Integers:
    """Traces int64 (sample, neuron) of spikes (sample, step, neuron), by the readout's decays."""
    kept_u = limits.DECAY_ONE - (int(output.each("du")[0]) + 1)
    kept_v = limits.DECAY_ONE - int(output.each("dv")[0])
    current, potential, total = np.zeros((3, len(spikes), spikes.shape[2]), np.int64)
    for step in np.moveaxis(spikes, 1, 0):
        current = (current * kept_u >> limits.DECAY_BITS) + SPIKE * step
        potential = (potential * kept_v >> limits.DECAY_BITS) + current
        total = total + potential
    return total >> TRACE_SHIFT


def errors(
    settings: Settings, scores: Integers, labels: NDArray[np.unsignedinteger[Any]]
) -> Integers:
    """Errors int64 (sample, class) of scores int64 (sample, class), at most ±127."""
    _, multiplier, shift, _ = readout(settings)
    logits = scores * multiplier >> shift
    below = logits.max(axis=1, keepdims=True) - logits
    whole = np.minimum(below >> FRACTION, ONE + 1)
    powers = np.where(whole > ONE, 0, exp2_table()[below & ((1 << FRACTION) - 1)] >> whole)
    total = powers.sum(axis=1, keepdims=True)
    wanted = ERROR_ONE * (np.arange(scores.shape[1]) == labels[:, None])
    return wanted - (2 * ERROR_ONE * powers + total) // (2 * total)
