"""Chip emulator: equal to the naive chip for any network, profile, batch and threads."""

from dataclasses import replace

import naive_chip
import numba
import numpy as np
import pytest
from chip_strategies import STEPS, cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from neurosim.chip import profiles
from neurosim.chip.emulator import Chip, Perturbation, Probe
from neurosim.chip.synapses import Dense, Sparse
from neurosim.data.frames import pack
from neurosim.network import Connection, Input, Network, NetworkError, Noise, Population, Weights

EVERY = settings(
    max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
FEW = settings(EVERY, max_examples=20)


def probes_of(network):
    return [Probe(p.name, what) for p in network.populations for what in ("u", "v", "current")]


def compare(network, recording, naive, sample=0):
    for p, name in enumerate(population.name for population in network.populations):
        for q, what in enumerate(("u", "v", "current")):
            got = recording.probed[3 * p + q][sample]
            assert got.tolist() == naive[name][what], (name, what)
        assert recording.spikes[name][sample].tolist() == naive[name]["spikes"], name


def made(case, **kind):
    profile, network, weights, delays, *_ = case
    given_ = {n: Dense(w, delays.get(n)) for n, w in weights.items()}
    if kind.pop("sparse", False):
        given_ = {n: Sparse.from_dense(w, delays.get(n)) for n, w in weights.items()}
    return Chip(network, given_, profile, placement=None, **kind)


def naive_of(chip, case, **more):
    profile, network, _weights, delays, spikes, draws = case
    stored = {name: rounded.weights.tolist() for name, rounded in chip.rounded.items()}
    return naive_chip.run(
        network,
        stored,
        profile,
        {name: s.tolist() for name, s in spikes.items()},
        delays={name: d.tolist() for name, d in delays.items()},
        draws={name: d.tolist() for name, d in draws.items()},
        **more,
    )


@given(case=cases())
@EVERY
def test_chip_is_the_naive_chip(case):
    chip = made(case)
    stored = naive_of(chip, case)
    spikes, draws = case[4], case[5]
    recording = chip.run({n: s[None] for n, s in spikes.items()}, probes_of(case[1]), noise=draws)
    compare(case[1], recording, stored)


@given(case=cases())
@FEW
def test_sparse_synapses_do_what_dense_ones_do(case):
    _profile, network, _weights, *_ = case
    dense, sparse = made(case), made(case, sparse=True)
    spikes = {n: s[None] for n, s in case[4].items()}
    a = dense.run(spikes, probes_of(network), noise=case[5])
    b = sparse.run(spikes, probes_of(network), noise=case[5])
    for x, y in zip(a.probed, b.probed, strict=True):
        assert np.array_equal(x, y)


@given(case=cases(), cut=st.integers(1, STEPS - 1))
@FEW
def test_a_run_can_be_cut_in_two(case, cut):
    chip, network = made(case), case[1]
    whole = chip.run({n: s[None] for n, s in case[4].items()}, probes_of(network), noise=case[5])
    state, parts = None, []
    for span in (slice(0, cut), slice(cut, None)):
        done = chip.run(
            {n: s[None, span] for n, s in case[4].items()},
            probes_of(network),
            noise={n: d[span] for n, d in case[5].items()},
            state=state,
        )
        state = done.state
        parts.append(done)
    for p, want in enumerate(whole.probed):
        assert np.array_equal(np.concatenate([part.probed[p] for part in parts], axis=1), want)


def noisy_chain(seed=3):
    rng = np.random.default_rng(0)
    layers = [
        Population("hidden", 20, 120, dv=300, du=1000, noise=Noise(10, 0, True)),
        Population("out", 7, 60, dv=300, du=1000, noise=Noise(12)),
    ]
    network = Network.chain(100, layers)
    weights = {
        "input->hidden": 2 * rng.integers(-100, 100, (20, 100)),
        "hidden->out": 2 * rng.integers(-100, 100, (7, 20)),
    }
    return Chip(network, weights, seed=seed), (rng.random((9, 15, 100)) < 0.1).astype(np.uint8)


def test_same_bits_for_any_number_of_threads_and_any_batch():
    chip, spikes = noisy_chain()
    probes = [Probe("out", "v"), Probe("hidden", "current")]
    wanted = chip.run(spikes, probes)
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = chip.run(spikes, probes)
    finally:
        numba.set_num_threads(before)
    for a, b in zip((*wanted.probed, *wanted.counters), (*one.probed, *one.counters), strict=True):
        assert np.array_equal(a, b)
    state = chip.fresh_state(4)._replace(number=np.arange(5, 9))
    tail = chip.run(spikes[5:], probes, state=state)
    assert np.array_equal(tail.probed[0], wanted.probed[0][5:])


def test_noise_differs_by_seed_sample_step_and_neuron():
    chip, spikes = noisy_chain()
    silent = np.zeros_like(spikes)
    current = chip.run(silent, [Probe("out", "current")]).probed[0]
    assert np.array_equal(current, chip.run(silent, [Probe("out", "current")]).probed[0])
    other = noisy_chain(seed=4)[0].run(silent, [Probe("out", "current")]).probed[0]
    assert (current != other).mean() > 0.9
    assert np.unique(current).size > 150  # 9 * 15 * 7 draws of 255 values
    assert (current[:, :, 0] != current[:, :, 1]).mean() > 0.9
    assert (current[0] != current[1]).mean() > 0.9
    assert set(np.unique(current // 32).tolist()) <= set(range(-127, 128))


def test_frames_and_arrays_are_the_same_spikes():
    chip, spikes = noisy_chain()
    a = chip.run(spikes).spikes["out"]
    b = chip.run(pack(spikes, np.zeros(len(spikes), np.uint8))).spikes["out"]
    c = chip.run({"input": spikes.astype(bool)}).spikes["out"]
    assert np.array_equal(a, b)
    assert np.array_equal(a, c)


@given(
    case=cases((profiles.DEFAULT,)),
    rank=st.integers(1, 3),
    scale=st.integers(-300, 300),
    seed=st.integers(0, 99),
)
@FEW
def test_a_perturbation_is_rank_graded_relay_neurons(case, rank, scale, seed):
    profile, network, weights, _, spikes, draws = case
    case = (profile, network, weights, {}, spikes, draws)
    rng = np.random.default_rng(seed)
    changes = {
        c.name: Perturbation(
            rng.integers(-128, 128, (rank, network.sizes[c.target])).astype(np.int8),
            rng.integers(-128, 128, (rank, network.sizes[c.source])).astype(np.int8),
            scale,
        )
        for c in network.connections
    }
    bias = {p.name: rng.integers(-999, 999, p.neurons) for p in network.populations}
    chip = made(case)
    naive = naive_of(
        chip,
        case,
        perturbations={n: (c.a.tolist(), c.b.tolist(), c.scale) for n, c in changes.items()},
        bias={n: b.tolist() for n, b in bias.items()},
    )
    recording = chip.run(
        {n: s[None] for n, s in spikes.items()},
        probes_of(network),
        noise=draws,
        perturbations=changes,
        bias_noise=bias,
    )
    compare(network, recording, naive)


def test_counters_are_the_hand_count():
    network = Network.chain(3, [Population("a", 2, 1), Population("b", 4, 100_000)])
    chip = Chip(network, {"input->a": [[2, 0, 2], [0, 0, -2]], "a->b": np.full((4, 2), 2)})
    spikes = np.array([[[1, 0, 0], [1, 1, 1], [0, 0, 0], [0, 0, 0]]])
    counters = chip.run(spikes).counters
    assert counters.input_spikes.tolist() == [[1, 3, 0, 0]]
    assert counters.spikes.tolist() == [[0, 1, 1, 0]]
    assert counters.synaptic_operations.tolist() == [[2, 6 + 4, 4, 0]]
    assert counters.active_updates.tolist() == [[0, 1, 6, 6]]
    assert (counters.active_updates + counters.inactive_updates).tolist() == [[6, 6, 6, 6]]
    assert counters.messages.tolist() == [[1, 3 + 1, 1, 0]]
    assert counters.hops_east_west.sum() == counters.hops_north_south.sum() == 0
    total = counters.total()
    assert total["synaptic_operations"] == 16
    assert total["relay_operations"] == 0


def test_cost_follows_spikes():
    chip, spikes = noisy_chain()
    assert chip.run(np.zeros_like(spikes)).counters.synaptic_operations.max() <= 20 * 7
    few = chip.run(spikes).counters.total()
    assert (
        few["synaptic_operations"]
        == 20 * few["input_spikes"] + 7 * chip.run(spikes).spikes["hidden"].sum()
    )


def test_overflows_and_saturations_are_counted():
    population = Population("n", 1, 131_071, du=0, dv=0)
    network = Network((Input("i", 2),), (population,), (Connection("i", "n", weight_exp=7),))
    spikes = np.ones((1, 8, 2), np.uint8)
    up = Chip(network, {"i->n": [[254, 254]]}).run(spikes, [Probe("n", "u"), Probe("n", "v")])
    assert up.counters.input_overflows.sum() == 7
    assert up.counters.current_overflows.sum() > 0
    assert up.probed[0].max() == 2**23 - 1
    down = Chip(network, {"i->n": [[-256, -256]]}).run(spikes, [Probe("n", "u"), Probe("n", "v")])
    assert down.probed[1].min() == -(2**23 - 1)
    assert down.counters.voltage_saturations.sum() > 0


def test_probes_take_chosen_neurons_and_steps():
    chip, spikes = noisy_chain()
    whole, some = chip.run(
        spikes, [Probe("hidden", "v"), Probe("hidden", "v", neurons=[7, 2], steps=[11, 4])]
    ).probed
    assert np.array_equal(some, whole[:, [4, 11]][:, :, [7, 2]])


def test_layers_of_a_slayer_network_act_in_the_same_step():
    layers = [Population(n, 1, 1, du=4096, dv=4096, wide_decay=True) for n in "abc"]
    network = Network.chain(1, layers)
    chip = Chip(network, {c.name: [[2]] for c in network.connections}, profiles.SLAYER)
    spikes = np.array([[[1], [0], [0], [1]]])
    for name in "abc":
        assert chip.run(spikes).spikes[name][0, :, 0].tolist() == [1, 0, 0, 1]
    slow = Chip(
        Network.chain(1, [replace(p, du=4095, dv=4095, wide_decay=False) for p in layers]),
        {c.name: [[2]] for c in network.connections},
    )
    wide = np.concatenate([spikes, np.zeros((1, 4, 1), int)], axis=1)
    for delay, name in enumerate("abc", start=1):
        assert np.flatnonzero(slow.run(wide).spikes[name][0]).tolist() == [delay, 3 + delay]


def test_chip_from_weights_adds_the_learned_biases():
    network = Network.chain(2, [Population("a", 3, 10, bias_mant=5, bias_exp=2)])
    weights = Weights(
        (np.array([[1, -2, 3], [0, 127, -128]], np.int8),), (np.array([1, -5, 0], np.int16),)
    )
    chip = Chip.from_weights(network, weights)
    assert chip.rounded["input->a"].weights.tolist() == [[2, 0], [-4, 254], [6, -256]]
    v = chip.run(np.zeros((1, 1, 2), int), [Probe("a", "v")]).probed[0]
    assert v[0, 0].tolist() == [24, 0, 20]


BAD = Network.chain(4, [Population("a", 3, 10)])
GOOD = {"input->a": np.zeros((3, 4), int)}


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Chip(BAD, {}), r"weights are given for \[\]"),
        (lambda: Chip(BAD, {"input->a": np.zeros((4, 3), int)}), r"input->a.*\(4, 3\).*\(3, 4\)"),
        (lambda: Chip(BAD, {"input->a": np.zeros((3, 4))}), r"input->a.*float64"),
        (
            lambda: Chip(BAD, {"input->a": np.full((3, 4), 3)}),
            r"weight 3 at \(0, 0\) is off the grid",
        ),
        (lambda: Chip(BAD, {"input->a": np.full((3, 4), 256)}), r"weight 256 .*-256\.\.254"),
        (lambda: Chip(BAD, {"input->a": Dense(GOOD["input->a"], np.full((3, 4), 63))}), r"0\.\.62"),
        (lambda: Chip(BAD, GOOD).run(np.zeros((1, 2, 5), int)), r"input 'input'.*\(1, 2, 5\).*4"),
        (lambda: Chip(BAD, GOOD).run(np.zeros((1, 0, 4), int)), "at least one step"),
        (lambda: Chip(BAD, GOOD).run(np.zeros((1, 2, 4))), "float64"),
        (lambda: Chip(BAD, GOOD).run({"x": np.zeros((1, 2, 4), int)}), r"given for \['x'\]"),
        (lambda: Chip(BAD, GOOD).run(np.ones((1, 2, 4), int), [Probe("z", "v")]), "'z'"),
        (lambda: Chip(BAD, GOOD).run(np.ones((1, 2, 4), int), [Probe("a", "v", [3])]), r"0\.\.2"),
        (
            lambda: Chip(BAD, GOOD).run(
                np.ones((1, 2, 4), int),
                perturbations={
                    "input->a": Perturbation(np.ones((1, 4), np.int8), np.ones((1, 4), np.int8), 1)
                },
            ),
            r"perturbation of input->a: A is int8 \(1, 4\)",
        ),
        (
            lambda: Chip(BAD, GOOD).run(
                np.ones((1, 2, 4), int), state=Chip(BAD, GOOD).fresh_state(2)
            ),
            "state holds",
        ),
    ],
)
def test_bad_input_is_refused_by_name(act, message):
    with pytest.raises(NetworkError, match=message):
        act()


def test_a_cycle_without_delay_is_refused():
    layers = tuple(Population(n, 1, 1) for n in "ab")
    wires = (Connection("i", "a"), Connection("a", "b"), Connection("b", "a"))
    network = Network((Input("i", 1),), layers, wires)
    weights = {c.name: [[2]] for c in wires}
    with pytest.raises(NetworkError, match=r"cycle without delay among populations \['a', 'b'\]"):
        Chip(network, weights, profiles.SLAYER)
    later = replace(network, connections=(*wires[:2], Connection("b", "a", delay=1)))
    Chip(later, weights, profiles.SLAYER).run(np.ones((1, 3, 1), int))
    Chip(network, weights).run(np.ones((1, 3, 1), int))
    delayed = {**weights, "b->a": Dense([[2]], [[1]])}
    Chip(network, delayed, profiles.SLAYER).run(np.ones((1, 3, 1), int))


def test_off_grid_weights_are_rounded_by_the_rule_and_reported():
    for rounding, wanted in (
        ("floor", [2, -4]),
        ("towards_zero", [2, -2]),
        ("nearest_even", [4, -4]),
    ):
        chip = Chip(
            Network.chain(2, [Population("a", 1, 1)]),
            {"input->a": [[3, -3]]},
            replace(profiles.DEFAULT, rounding=rounding),
        )
        rounded = chip.rounded["input->a"]
        assert rounded.weights.tolist() == [wanted]
        assert (rounded.rounded, rounded.clipped, rounded.largest) == (2, 0, 1)
        assert "2 weights rounded" in str(rounded)
