"""Runs whose members are runs of the chip emulator: chosen by the network, by name, with the same bits."""

from dataclasses import replace

import float_cases
import pytest

from learning import layered, training
from learning.record import weights_sha256
from learning.run_folder import RunFolder
from learning.settings import Settings
from learning.training import Training, start
from neurosim.network import AdaptiveLif, NetworkError, Noise
from neurosim.network.faults import Faults
from neurosim.population.emulated import EmulatedMembers
from neurosim.population.faulty import FaultyGraphMembers

SMALL = {
    "hidden": (12,),
    "steps": 5,
    "pairs": 32,
    "groups": 8,
    "batch": 4,
    "vth_mant": 100,
    "initial_std": 12,
    "generations": 12,
    "evaluate_every": 6,
}


@pytest.fixture(scope="module")
def data():
    """Two classes of stripes: chance is a half."""
    return float_cases.stripes(classes=2)


def config_of(data, registers=None, **settings):
    """A run whose hidden neurons have other registers."""
    config = start(Settings(**{**SMALL, **settings}), data)
    network = config.network()
    hidden, *others = network.populations
    given = replace(network, populations=(replace(hidden, **(registers or {})), *others))
    return config._replace(given=given)


def trained(config, data):
    training = Training(config, data)
    assert training.run(lambda *_: None)
    return training


@pytest.mark.parametrize(
    ("registers", "named"),
    [
        ({"refractory": 2}, "refractory"),
        ({"vth_low_mant": -2000, "vmin": -130_000}, "vth_low_mant"),
        ({"noise": Noise(8)}, "noise"),
        ({"refractory": 3, "model": AdaptiveLif(20, 400)}, "refractory"),
    ],
)
def test_neurons_that_no_kernel_has_learn_on_the_emulator(data, registers, named):
    config = config_of(data, registers)
    training = trained(config, data)
    assert isinstance(training.chip, EmulatedMembers)
    assert "layer 'hidden'" in training.notice
    assert named in training.notice
    assert training.summary()["test_accuracy"] >= 0.8


@pytest.mark.parametrize("settings", [{}, {"method": "full-rank"}, {"output_rule": "frozen"}])
def test_the_emulator_makes_the_same_run_as_the_kernels(data, monkeypatch, settings):
    sound = config_of(data, **settings)
    compiled = trained(sound, data)
    assert not compiled.notice
    for module in (layered, training):
        monkeypatch.setattr(module, "why_emulated", lambda network: "as this test wants it")
    emulated = trained(sound, data)
    assert isinstance(emulated.chip, EmulatedMembers)
    same = [weights_sha256(training.chip.weights()) for training in (compiled, emulated)]
    assert same[0] == same[1]
    assert compiled.summary()["test_accuracy"] == emulated.summary()["test_accuracy"]


def test_a_run_that_is_cut_anywhere_goes_on_to_the_same_bits(data, tmp_path):
    config = config_of(data, {"refractory": 2, "noise": Noise(7)})
    whole = weights_sha256(trained(config, data).chip.weights())
    with RunFolder.create(tmp_path / "run", config) as folder:
        Training(config, data, folder).run(lambda *_: None, iter([False] * 5 + [True]).__next__)
    folder, checkpoint = RunFolder.resume(tmp_path / "run")
    with folder:
        assert checkpoint.generation == 5
        training = Training(folder.config, data, folder, checkpoint)
        assert training.run(lambda *_: None)
    assert weights_sha256(training.chip.weights()) == whole


@pytest.mark.parametrize(
    "settings",
    [
        {"output_rule": "delta"},
        {"method": "event-aligned", "batch": 1},
        {"method": "event-aligned", "batch": 1, "output_rule": "delta", "credit": "error"},
    ],
)
def test_local_rules_are_refused_on_the_emulator_by_layer_and_rule(data, settings):
    with pytest.raises(
        NetworkError, match=r"'hidden'.*refractory.*not by the rules.*--recipe eggroll"
    ):
        Training(config_of(data, {"refractory": 2}, **settings), data)


def test_lost_axons_learn_by_noise_on_weights(data):
    faults = Faults.of_text("lost-axons 0.2, silent 0.1, seed 3")
    config = start(Settings(**SMALL), data, faults)
    training = trained(config, data)
    assert isinstance(training.chip, FaultyGraphMembers)
    assert not training.notice
    assert training.summary()["test_accuracy"] >= 0.8
