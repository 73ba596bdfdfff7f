"""Chip kernels: compiled, as Python, and by a naive sum."""

import naive_chip
import numpy as np
from chip_strategies import cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurosim.chip import profiles, wiring
from neurosim.chip.emulator import Chip, Probe
from neurosim.kernels.chip import neuron as chip_neuron
from neurosim.kernels.chip import synapse as chip_synapse
from neurosim.kernels.neurons.registry import KERNELS
from neurosim.network import Network, Population

QUICK = settings(
    deadline=None, derandomize=True, max_examples=50, suppress_health_check=list(HealthCheck)
)
WORDS = st.lists(st.integers(0, (1 << 64) - 1), min_size=1, max_size=5)


@given(words=WORDS)
@QUICK
def test_set_bits_are_listed_in_order(words):
    wanted = [64 * w + b for w, word in enumerate(words) for b in range(64) if word >> b & 1]
    for listed in (chip_synapse.list_bits, chip_synapse.list_bits.py_func):
        events = np.zeros(64 * len(words), np.int32)
        count = listed(np.array(words, np.uint64), events)
        assert events[:count].tolist() == wanted


@given(
    seed=st.integers(0, 1000),
    shape=st.tuples(st.integers(1, 40), st.integers(1, 90)),
    graded=st.booleans(),
    wide=st.booleans(),
)
@QUICK
def test_rows_are_summed_dense_and_sparse(seed, shape, graded, wide):
    rng = np.random.default_rng(seed)
    stored = rng.integers(-128, 128, shape).astype(np.int32 if wide else np.int8)
    events = np.flatnonzero(rng.random(shape[0]) < 0.5).astype(np.int32)
    values = rng.integers(-99, 99, events.size).astype(np.int32)
    weights = values if graded else np.ones_like(values)
    wanted = (stored[events].astype(np.int64) * weights[:, None]).sum(axis=0)
    rows = np.arange(shape[0] + 1) * shape[1]
    columns = np.tile(np.arange(shape[1], dtype=np.int32), shape[0])
    for dense, sparse in (
        (chip_synapse.sum_dense, chip_synapse.sum_sparse),
        (chip_synapse.sum_dense.py_func, chip_synapse.sum_sparse.py_func),
    ):
        total = np.ones(shape[1], np.int64 if wide else np.int32)
        dense(total, stored.ravel(), 0, events, values, events.size, graded)
        assert np.array_equal(total, wanted)
        total[:] = 7
        sparse(total, stored.ravel(), columns, rows, 0, events, values, events.size, graded)
        assert np.array_equal(total, wanted)


@given(case=cases(), seed=st.integers(0, 1000))
@QUICK
def test_compartments_are_updated_alike(case, seed):
    profile, network, *_ = case
    rng = np.random.default_rng(seed)
    registers = wiring.registers(network, profile)
    neurons = registers.du.size
    adaptive = np.concatenate([[p.model.name != "lif"] * p.neurons for p in network.populations])
    u, v = (rng.integers(-(1 << 23), 1 << 23, neurons) for _ in range(2))
    dead = rng.integers(0, 3, neurons)
    own = np.where(adaptive, rng.integers(0, 1 << 23, neurons), 0)[None]
    a = rng.integers(-(1 << 22), 1 << 22, neurons)
    x = rng.integers(-127, 128, neurons)
    done = []
    for compiled in (True, False):
        state = [array.copy() for array in (u, v, dead, own, a)]
        seen, counts = np.zeros(neurons, np.int64), np.zeros(chip_neuron.COUNTERS, np.int64)
        listed, first = [], 0
        for population in network.populations:
            update = chip_neuron.compile_update(KERNELS[population.model.name])
            update = update if compiled else update.py_func
            events, values = np.zeros(neurons, np.int32), np.zeros(neurons, np.int32)
            last = first + population.neurons
            fired = update(
                registers, profile.rules, *state, x, seen, first, last, events, values, counts
            )
            listed += [events[:fired], values[:fired]]
            first = last
        done.append([*state, seen, counts, *listed])
    for compiled, python in zip(*done, strict=True):
        assert np.array_equal(compiled, python)
    naive = [
        naive_chip.Neuron(p, i, profile, 0) for p in network.populations for i in range(p.neurons)
    ]
    after = (*done[0][:3], done[0][3][0])
    for n, neuron in enumerate(naive):
        neuron.u, neuron.v, neuron.dead, neuron.b = (
            int(u[n]),
            int(v[n]),
            int(dead[n]),
            int(own[0, n]),
        )
        # no number of a step is congruent to the offset of a reset that never comes
        number = neuron.population.reset_offset
        got = neuron.step(int(a[n]), int(x[n]), number)
        assert (neuron.u, neuron.v, neuron.dead, neuron.b) == tuple(int(s[n]) for s in after)
        assert got[0] == done[0][4][n]


def test_silence_stays_silent_and_permuted_neurons_permute_spikes():
    rng = np.random.default_rng(4)
    order = rng.permutation(30)
    vth = rng.integers(50, 400, 30)
    weights = 2 * rng.integers(-99, 99, (30, 50))
    spikes = (rng.random((2, 20, 50)) < 0.2).astype(np.uint8)

    def run(chosen, given_):
        layer = Population("a", 30, tuple(vth[chosen].tolist()), dv=300, du=900)
        chip = Chip(Network.chain(50, [layer]), {"input->a": weights[chosen]}, profiles.DEFAULT)
        return chip.run(given_, [Probe("a", "v"), Probe("a", "u")])

    plain, mixed = run(np.arange(30), spikes), run(order, spikes)
    assert plain.spikes["a"].any()
    assert np.array_equal(plain.spikes["a"][:, :, order], mixed.spikes["a"])
    assert np.array_equal(plain.probed[0][:, :, order], mixed.probed[0])
    silent = run(order, np.zeros_like(spikes))
    assert not silent.spikes["a"].any()
    assert not silent.probed[0].any()
    assert not silent.probed[1].any()
