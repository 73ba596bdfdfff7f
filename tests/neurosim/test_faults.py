"""Faults of a chip: texts, shares, registers, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import SEEDS, example

from neurosim.chip import profiles
from neurosim.chip.emulator import Chip
from neurosim.chip.synapses import Sparse
from neurosim.network import Connection, Network, NetworkError, Noise, Population
from neurosim.network.faults import KINDS, ONE, Faults

SHARE = st.integers(0, ONE // 2)


@st.composite
def any_faults(draw):
    shares = {kind.replace("-", "_"): draw(SHARE) for kind in KINDS}
    shares["stuck_generator_bit"] = draw(st.sampled_from([0, ONE]))
    return Faults(**shares, seed=draw(SEEDS), since=draw(st.integers(0, 9)))


@given(any_faults())
def test_a_text_is_read_as_it_was_written(faults):
    if faults.kinds:
        assert Faults.of_text(str(faults)) == faults


def test_short_names_are_halves_of_two_kinds():
    assert str(Faults.of_text("stuck-weight-bits 0.01, dead 0.05,seed 3, since 50")) == (
        "stuck-at-0 0.005, stuck-at-1 0.005, silent 0.025, always-firing 0.025, seed 3, since 50"
    )
    assert Faults.of_text("none") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no fault; needed is KIND SHARE"),
        ("dust 0.1", "'dust 0.1' is no fault"),
        ("silent", "'silent' is no fault"),
        ("silent 1.5", "silent is 1.5; allowed are 0..1"),
        ("silent -1", "decimal number 0..1"),
        ("silent 1e-3", "decimal number 0..1"),
        ("silent 0.1, silent 0.2", "silent is given twice"),
        ("dead 0.1, silent 0.2", "silent is given twice"),
        ("silent 0.7, always-firing 0.7", "more than all"),
        ("silent 0", "no share above 0"),
        ("seed 3", "no share above 0"),
        ("silent 0.1, seed x", "whole number"),
        ("stuck-generator-bit 0.5", "0 \\(sound\\) or 1"),
    ],
)
def test_other_texts_are_refused(text, message):
    with pytest.raises(NetworkError, match=message):
        Faults.of_text(text)


@given(SEEDS)
def test_faults_of_a_share_are_among_those_of_a_larger_share(seed):
    network = example((60, 50, 50, 5)).network
    few, many = (
        Faults(stuck_at_0=n, stuck_at_1=n, silent=n, always_firing=n, lost_axons=n, seed=seed)
        for n in (ONE // 50, ONE // 5)
    )
    for number in range(2):
        small, large = few.stuck(network, number), many.stuck(network, number)
        assert not (small.at_0 & ~large.at_0).any()
        assert not (small.at_1 & ~large.at_1).any()
        assert not (large.at_0 & large.at_1).any()
        states, more = few.compartments(network, number), many.compartments(network, number)
        assert np.array_equal(more[states != 0], states[states != 0])
        assert many.axons(network, number)[few.axons(network, number)].all()


def test_shares_are_met_and_readouts_are_spared():
    network = example((400, 500, 5)).network
    faults = Faults.of_text("stuck-at-0 0.1, silent 0.2, always-firing 0.1, lost-axons 0.3")
    at_0 = np.unpackbits(faults.stuck(network, 0).at_0)
    assert abs(at_0.mean() - 0.1) < 0.002
    states = faults.compartments(network, 0)
    assert abs((states == -1).mean() - 0.2) < 0.05
    assert abs((states == 1).mean() - 0.1) < 0.05
    assert abs(faults.axons(network, 0).mean() - 0.3) < 0.07
    assert not faults.compartments(network, 1).any()


def test_registers_vary_by_their_share():
    network = example((4, 2000, 5), vth_mant=1000, dv=400).network
    varied = Faults.of_text("threshold-mismatch 0.1, decay-mismatch 0.2").registers(network)
    hidden, output = varied.populations
    assert abs(hidden.each("vth_mant").std() - 100) < 5
    assert abs(hidden.each("vth_mant").mean() - 1000) < 10
    assert abs(hidden.each("dv").std() - 80) < 5
    assert hidden.du == 4095
    assert output == network.populations[1]


def test_what_the_emulator_cannot_have_is_refused():
    case = example((9, 8, 5))
    stuck = Faults.of_text("stuck-at-0 0.1")
    with pytest.raises(NetworkError, match="use the profile default or layered"):
        Chip.from_weights(case.network, case.weights, profiles.LAVA, faults=stuck)
    network = Network.chain(9, [Population("out", 5, 60)])
    synapses = Sparse.from_pairs([0], [0], [2], source_size=9)
    with pytest.raises(NetworkError, match="give its weights as an array"):
        Chip(network, {"input->out": synapses}, faults=stuck)
    noisy = Network.chain(9, [Population("out", 5, 60, noise=Noise(3))])
    with pytest.raises(NetworkError, match="take the noise away"):
        Chip(
            noisy,
            {"input->out": np.zeros((5, 9), int)},
            profiles.NENGO,
            faults=Faults(stuck_generator_bit=ONE),
        )
    unsigned = Network.chain(
        9, [Population("o", 5, 60)], Connection("", "", sign_mode="excitatory")
    )
    with pytest.raises(NetworkError, match="use faults of compartments"):
        Chip(unsigned, {"input->o": np.zeros((5, 9), int)}, faults=stuck)
