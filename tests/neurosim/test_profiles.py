"""Profiles: weight rules as in the emulators' sources, and agreement where they must agree."""

import naive_chip
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim import limits
from neurosim.chip import profiles
from neurosim.chip.emulator import Chip, Probe
from neurosim.chip.synapses import currents, on_grid
from neurosim.kernels.chip import neuron as kernels
from neurosim.network import Network, NetworkError, Noise, Population

SIGNS = st.sampled_from(("mixed", "excitatory", "inhibitory"))
LEGAL = {"mixed": (-256, 254), "excitatory": (0, 255), "inhibitory": (-256, 0)}
QUICK = settings(deadline=None, derandomize=True, max_examples=200)


@given(
    profile=st.sampled_from((profiles.LAVA, profiles.NENGO, profiles.BRIAN2LOIHI)),
    bits=st.integers(1, 8),
    exponent=st.integers(-8, 7),
    mode=SIGNS,
)
@QUICK
def test_weight_rules_are_the_naive_ones(profile, bits, exponent, mode):
    low, high = LEGAL[mode]
    if profile is profiles.LAVA:
        low, high = low - 50, high + 50
    given_ = np.arange(low, high + 1)
    rounded = on_grid(given_, bits, mode, profile)
    naive = [naive_chip.weight_rule(w, bits, exponent, mode, profile.name) for w in given_.tolist()]
    assert rounded.weights.tolist() == [stored for stored, _ in naive]
    if profile.exponent != "sum":
        made = currents(rounded.weights, bits, exponent, mode, profile)
        assert made.tolist() == [current for _, current in naive]


@given(bits=st.integers(1, 8), exponent=st.integers(0, 7), mode=SIGNS)
@QUICK
def test_profiles_agree_on_the_grid_with_exponents_from_zero(bits, exponent, mode):
    grid = 8 - bits + (mode == "mixed")
    top = (1 << (8 - grid)) - 1
    mantissas = {
        "mixed": np.arange(-top, top + 1),
        "excitatory": np.arange(top + 1),
        "inhibitory": np.arange(-top, 1),
    }[mode]
    legal = mantissas[(mantissas << grid >= -254) & (mantissas << grid <= 254)] << grid
    wanted = currents(
        on_grid(legal, bits, mode, profiles.DEFAULT).weights, bits, exponent, mode, profiles.DEFAULT
    )
    for profile in (profiles.NENGO, profiles.BRIAN2LOIHI):
        stored = on_grid(legal, bits, mode, profile).weights
        assert np.array_equal(stored, legal)
        assert np.array_equal(currents(stored, bits, exponent, mode, profile), wanted)
    assert np.array_equal(on_grid(legal, bits, mode, profiles.LAVA).weights, legal)
    assert np.array_equal((legal << exponent) << 6, wanted)


def test_quiet_networks_do_the_same_under_every_profile():
    rng = np.random.default_rng(1)
    layers = [Population("a", 9, 300, du=400, dv=100, refractory=3), Population("b", 4, 90, dv=9)]
    network = Network.chain(40, layers)
    weights = {
        "input->a": 2 * rng.integers(-127, 128, (9, 40)),
        "a->b": 2 * rng.integers(-127, 128, (4, 9)),
    }
    spikes = (rng.random((3, 60, 40)) < 0.1).astype(np.uint8)
    probes = [Probe(n, q) for n in "ab" for q in ("u", "v")]
    wanted = Chip(network, weights).run(spikes, probes)
    assert wanted.spikes["b"].any()
    for profile in (profiles.LAVA, profiles.NENGO):
        got = Chip(network, weights, profile).run(spikes, probes)
        for a, b in zip(wanted.probed, got.probed, strict=True):
            assert np.array_equal(a, b)


def test_every_profile_has_options_that_the_docs_name():
    assert sorted(profiles.PROFILES) == [
        "brian2loihi",
        "default",
        "lava",
        "layered",
        "nengo",
        "slayer",
    ]


def test_noise_is_refused_where_the_emulator_has_none():
    network = Network.chain(1, [Population("a", 1, 1, noise=Noise(7))])
    with pytest.raises(NetworkError, match=r"'a': noise is .*profile 'lava' has none"):
        Chip(network, {"input->a": [[2]]}, profiles.LAVA)


def test_a_decay_beyond_the_register_is_refused():
    with pytest.raises(NetworkError, match=r"'a': dv is 4096; allowed are integers 0\.\.4095"):
        Population("a", 1, 1, dv=4096)
    network = Network.chain(1, [Population("a", 1, 1, du=4096, wide_decay=True)])
    with pytest.raises(NetworkError, match="'a': du is 4096; profile 'default' adds 1"):
        Chip(network, {"input->a": [[2]]})


WIDE = st.integers(-(1 << 40), 1 << 40)


@given(x=WIDE, d=st.integers(0, 4096))
@QUICK
def test_decay_truncates_towards_zero_and_never_grows(x, d):
    got = kernels.decay_wide(x, d)
    assert got == kernels.decay_wide.py_func(x, d) == naive_chip.decay(x, d)
    assert abs(got) <= abs(x)
    assert got * x >= 0


@given(x=WIDE)
@QUICK
def test_edges_of_registers_are_the_naive_ones(x):
    names = {"none": kernels.UNLIMITED, "wrap_22": kernels.WRAP, "wrap_32": kernels.WRAP_32}
    for name, code in names.items():
        got = kernels.limit_input(x, code)
        assert got == kernels.limit_input.py_func(x, code)
        assert got == (naive_chip.held_input(x, name), int(not -(2**21) <= x < 2**21))
    for name in ("none", "saturate", "wrap_24", "wrap_once"):
        code = profiles._LIMITS[name]
        got = kernels.limit_current(x, code)
        assert got == kernels.limit_current.py_func(x, code)
        assert got[0] == naive_chip.held_current(x, name)
        assert bool(got[1]) == (not -(2**23) + (name == "saturate") <= x < 2**23)
    for name in ("none", "saturate", "saturate_32"):
        code = profiles._LIMITS[name]
        got = kernels.limit_voltage(x, -700, 9000, code)
        assert got == kernels.limit_voltage.py_func(x, -700, 9000, code)
        assert got[0] == naive_chip.held_voltage(x, -700, 9000, name)


@given(
    x=st.integers(-127, 127),
    noise=st.builds(
        Noise,
        st.integers(limits.NOISE_EXP.low, limits.NOISE_EXP.high),
        st.integers(limits.NOISE_OFFSET.low, limits.NOISE_OFFSET.high),
    ),
)
@QUICK
def test_noise_is_nengo_loihis_formula(x, noise):
    got = kernels.scaled_noise(x, noise.exponent, noise.offset)
    assert got == kernels.scaled_noise.py_func(x, noise.exponent, noise.offset)
    assert got == naive_chip.noise_of(x, noise)
