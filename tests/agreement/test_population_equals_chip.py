"""Population evaluator: equal to the chip emulator, spike for spike.

Latency convention: the evaluator has none. The chip has none under `profiles.LAYERED`; by default
layer l = 1, 2, ... of the chip does in step t + l what the evaluator's does in step t.
"""

import itertools
from dataclasses import replace

import numpy as np
import strategies as own
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from strategies import chip_faults

from neurosim.chip import profiles
from neurosim.chip.emulator import Chip, Perturbation, Probe, pipelined
from neurosim.data.frames import pack
from neurosim.kernels.executors import fused_chain, output_batch
from neurosim.kernels.noise import weight_noise
from neurosim.network import Connection, Network, Population, Weights
from neurosim.population.evaluator import Evaluator, ReadoutSpec
from neurosim.population.faulty import FaultyEvaluator
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import Precision, SynapticState

GENERATION, PAIR = 3, 17


@st.composite
def members(draw):
    """A network, weights, noise and spikes; numbers from a drawn seed, shapes drawn one by one."""
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    sizes = [draw(st.integers(1, 90)), *draw(st.lists(st.integers(1, 40), min_size=1, max_size=3))]
    hot = draw(st.booleans())
    layers = [
        Population(
            f"l{i}",
            n,
            vth_mant=tuple(rng.integers(0, 131_071 if hot else 900, n).tolist()),
            du=draw(st.sampled_from((0, 1, 409, 4079, 4095))),
            dv=draw(st.sampled_from((0, 1, 400, 4095))),
            bias_mant=int(rng.integers(-200, 200)),
            bias_exp=draw(st.integers(0, 7)),
        )
        for i, n in enumerate(sizes[1:])
    ]
    bits = draw(st.integers(4, 8))
    form = Connection("", "", bits, min(bits + 1, 7) if hot else draw(st.integers(-2, 1)))
    network = Network.chain(sizes[0], layers, form)
    legal = network.connections[0].mantissa
    weights = Weights(
        tuple(
            rng.integers(legal.low, legal.high + 1, (a, b)).astype(np.int8)
            for a, b in itertools.pairwise(sizes)
        ),
        tuple(rng.integers(-300, 300, n).astype(np.int16) for n in sizes[1:]),
    )
    rank = draw(st.integers(1, 3))
    noise = NoiseSpec(
        scale=tuple(int(s) for s in rng.integers(0, 2000, len(layers))),
        bias_scale=tuple(int(s) for s in rng.integers(0, 500, len(layers))),
        rank=rank,
        graded=draw(st.booleans()),
        full_rank=draw(st.booleans()),
    )
    spikes = (rng.random((2, draw(st.integers(1, 9)), sizes[0])) < 0.2).astype(np.uint8)
    return network, weights, noise, spikes


def evaluated(network, weights, noise, spikes, sample, faults=None):
    """Spikes of both members, (member, hidden layer) -> (step, neuron), and the noise they carried."""
    state = SynapticState(
        tuple(m.astype(np.int16) for m in weights.mantissas),
        tuple(b.astype(np.int32) << 8 for b in weights.biases),
        (),
    )
    form, more = (Evaluator, {}) if faults is None else (FaultyEvaluator, {"faults": faults})
    chip = form(
        network,
        state,
        seed=99,
        noise=noise,
        readout_spec=ReadoutSpec(True, 1, 0),
        precision=Precision(0),
        **more,
    )
    steps = spikes.shape[1]
    chain = chip._chain(noise, steps)
    scratch = fused_chain.make_scratch(chain, chip._noise, steps)
    side_by_side = output_batch.make_output_batch(chain, chip._noise, steps)
    frames = pack(spikes, np.zeros(len(spikes), np.uint8))
    saturated = np.zeros((1, 2), np.int64)
    shown = chip._samples(chain, frames, np.arange(len(spikes)))
    fused_chain.evaluate_pairs(
        0,
        1,
        chain,
        chip._noise,
        chip._readout,
        scratch,
        side_by_side,
        shown,
        np.array([[sample]]),
        1,
        PAIR,
        GENERATION,
        np.zeros((1, 2), np.int64),
        saturated,
    )
    rows = scratch.spikes.reshape(2, chain.layers, steps, chain.spike_words).view(np.uint16)
    patterns = side_by_side.patterns.reshape(-1, steps, output_batch.BATCH_LANES)
    fired = []
    for side in range(2):
        fired.append([])
        for layer, p in enumerate(network.populations[:-1]):
            words = rows[side, layer]
            if layer == chain.layers - 2:
                words = np.ascontiguousarray(patterns[:, :, side].T)
            bits = np.unpackbits(words.view(np.uint8), axis=-1, bitorder="little")
            fired[side].append(bits[:, : p.neurons])
    changes, biases = noise_of(network, chain, noise, scratch)
    return fired, changes, biases, side_by_side, saturated[0]


def noise_of(network, chain, noise, scratch):
    """The pair's noise, taken from the evaluator's cores as arrays."""
    changes, biases = {}, {}
    for layer, (connection, p) in enumerate(network.layers):
        words = int(chain.words[layer])
        row = int(weight_noise.noise_words(words, noise.graded))
        sources = int(chain.sources[layer])
        fields = p.neurons if noise.full_rank else noise.rank
        b = [
            [
                int(
                    weight_noise.noise_number(
                        scratch.inputs[0],
                        int(chain.noise_at[layer]) + f * row,
                        words,
                        i,
                        noise.graded,
                    )
                )
                for i in range(sources)
            ]
            for f in range(fields)
        ]
        scale = noise.scale[layer]
        if noise.full_rank:
            a = np.eye(p.neurons, dtype=np.int8)
        else:
            at = np.arange(noise.rank)[:, None] + layer * noise.rank
            scaled = scratch.outputs.reshape(-1, chain.width)[at[:, 0], : p.neurons]
            a = (scaled // max(scale, 1)).astype(np.int8)
        if scale:
            changes[connection.name] = Perturbation(a, np.array(b, np.int8), scale)
        if noise.bias_scale[layer]:
            biases[p.name] = scratch.bias_noise.reshape(-1, chain.width)[layer, : p.neurons]
    return changes, biases


@given(case=members(), sample=st.integers(0, 1))
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_a_member_is_the_chip_with_its_perturbation(case, sample):
    check_member(case, sample)


@given(case=members(), sample=st.integers(0, 1), faults=chip_faults())
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_a_member_on_a_chip_with_faults_is_that_chip_with_its_perturbation(case, sample, faults):
    noise = case[2]
    check_member(case, sample, replace(faults, lost_axons=0) if any(noise.scale[1:]) else faults)


def check_member(case, sample, faults=None):
    network, weights, _noise, spikes = case
    fired, changes, biases, answer, saturated = evaluated(*case, sample, faults)
    last = network.populations[-1]
    layers, steps = len(network.populations), spikes.shape[1]
    one = spikes[sample : sample + 1]
    late = np.concatenate([one, np.zeros((1, layers, one.shape[2]), np.uint8)], axis=1)
    layered = Chip.from_weights(network, weights, profiles.LAYERED, placement=None, faults=faults)
    default = Chip.from_weights(pipelined(network, steps), weights, placement=None, faults=faults)
    for side, sign in enumerate((1, -1)):
        noisy = {
            "perturbations": {n: c._replace(scale=sign * c.scale) for n, c in changes.items()},
            "bias_noise": {n: sign * b for n, b in biases.items()},
        }
        same_step = layered.run(one, [Probe(last.name, "v")], **noisy)
        delayed = default.run(late, [Probe(last.name, "v")], **noisy)
        for layer, (p, wanted) in enumerate(zip(network.populations, fired[side], strict=False)):
            assert np.array_equal(same_step.spikes[p.name][0], wanted)
            first = layer + 1
            assert np.array_equal(delayed.spikes[p.name][0, first : first + steps], wanted)
        count = answer.counts.reshape(last.neurons, -1)[:, side]
        assert np.array_equal(same_step.spikes[last.name][0].sum(axis=0), count)
        assert np.array_equal(delayed.spikes[last.name][0, layers:].sum(axis=0), count)
        potential = answer.potentials.reshape(last.neurons, -1)[:, side]
        assert np.array_equal(same_step.probed[0][0].sum(axis=0), potential)
        assert np.array_equal(delayed.probed[0][0, layers:].sum(axis=0), potential)
        counters = same_step.counters.total()
        edges = counters["current_overflows"] + counters["voltage_saturations"]
        assert edges == saturated[side]


def test_samples_can_follow_one_another_through_the_layers():
    rng = np.random.default_rng(5)
    network = Network.chain(
        60, [Population(n, 30, 300, dv=400, bias_exp=6) for n in ("a", "b", "c")]
    )
    weights = Weights(
        tuple(rng.integers(-60, 60, (s, 30)).astype(np.int8) for s in (60, 30, 30)),
        tuple(rng.integers(-50, 50, 30).astype(np.int16) for _ in range(3)),
    )
    spikes = (rng.random((4, 7, 60)) < 0.2).astype(np.uint8)
    apart = Chip.from_weights(network, weights, profiles.LAYERED, placement=None).run(spikes)
    stream = np.concatenate([*spikes, np.zeros((3, 60), np.uint8)])[None]
    chip = Chip.from_weights(pipelined(network, 7), weights, placement=None)
    together = chip.run(stream).spikes["c"][0, 3:]
    assert np.array_equal(together, np.concatenate(list(apart.spikes["c"])))
    assert together.any()


@settings(deadline=None, max_examples=40)
@given(own.graph_cases())
def test_branches_of_a_graph_arrive_together_where_the_chip_has_latency(case):
    """Layer l of the pipelined chip does in step t + l what it does in step t without latency."""
    network, steps = case.network, case.dense.shape[1]
    alike = Chip.from_weights(network, case.weights, profiles.LAYERED, placement=None)
    wanted = alike.run(case.dense).spikes
    later = pipelined(network, steps + network.depth)
    padded = np.pad(case.dense, ((0, 0), (0, network.depth), (0, 0)))
    found = Chip.from_weights(later, case.weights, placement=None).run(padded).spikes
    early = any(found[name][:, : network.depths[name]].any() for name in wanted)
    lasting = any(c.recurrent or c.delay for c in later.connections) or any(
        (population.each("refractory") > 1).any() for population in later.populations
    )
    assume(not (early and lasting))
    for name, spikes in wanted.items():
        depth = network.depths[name]
        assert np.array_equal(found[name][:, depth : depth + steps], spikes)
