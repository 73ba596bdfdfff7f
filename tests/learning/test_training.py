"""Training: every rule learns, to the same bits however a run is interrupted."""

import float_cases
import numpy as np
import pytest

from learning.record import read_checkpoint, weights_sha256
from learning.run_folder import RunFolder
from learning.settings import Settings
from learning.training import Training, make_chip, start, validate
from neurosim.data import frames

SMALL = {
    "hidden": (16,),
    "steps": 5,
    "pairs": 256,
    "groups": 16,
    "batch": 4,
    "vth_mant": 100,
    "initial_std": 12,
    "generations": 60,
    "evaluate_every": 20,
}
ALIGNED = {"method": "event-aligned", "batch": 1, "output_rule": "delta", "sigma": 64}
BY_ERROR = {**ALIGNED, "credit": "error"}
MOVED = {**BY_ERROR, "shift": 1}
ONE_SIDED = {"estimator": "one-sided", "sigma_bias": 3}
FALLING = {**ALIGNED, "final_noise": 0.5, "temperature": 2, "final_temperature": 0.5}


@pytest.fixture(scope="module")
def data():
    """Three classes of stripes: chance is a third."""
    return float_cases.stripes(classes=3)


def train(data, folder=None, checkpoint=None, **settings):
    config = folder.config if folder else start(Settings(**{**SMALL, **settings}), data)
    return Training(config, data, folder, checkpoint)


def quietly(generation, record):
    """No report."""


def end(training):
    training.run(quietly)
    return weights_sha256(training.chip.weights())


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"readout": "count"},
        {"method": "full-rank"},
        {"method": "full-rank", "readout": "count"},
        {"noise": "graded", "rank": 2},
        {"shaping": "sign"},
        {"shaping": "rank"},
        {"momentum_bits": 0},
        {"sigma_bias": 4, "schedule": "linear"},
        {"fraction_bits": 0, "final_learning_rate": 0.5},
        {"du": 1000, "dv": 500},
        {"hidden": (16, 12), "generations": 100},
        {"output_rule": "delta"},
        ALIGNED,
        BY_ERROR,
        {"estimator": "one-sided"},
        {**ALIGNED, "estimator": "one-sided", "shaping": "rank"},
        {"final_noise": 0.25, "final_temperature": 0.25},
    ],
    ids=lambda settings: (
        " ".join(f"{name}={value}" for name, value in settings.items()) or "eggroll"
    ),
)
def test_it_learns(data, settings):
    training = train(data, **settings)
    assert validate(training.chip, data.test).accuracy < 0.7
    training.run(quietly)
    assert training.summary()["test_accuracy"] > 0.8


def test_nothing_is_learnt_from_labels_without_meaning(data):
    """The measure above can fail: with shuffled labels accuracy on new samples stays at chance."""
    shuffled = np.random.default_rng(0).permutation(data.train.labels)
    training = train(data._replace(train=data.train._replace(labels=shuffled)))
    training.run(quietly)
    assert training.summary()["test_accuracy"] < 0.6


@pytest.mark.parametrize("settings", [{}, {"method": "full-rank"}, ALIGNED, MOVED, FALLING])
def test_steps_one_by_one_are_a_run(data, settings):
    whole, parts = train(data, **settings, generations=6), train(data, **settings, generations=6)
    for _ in range(6):
        parts.step()
    assert end(whole) == weights_sha256(parts.chip.weights())


@pytest.mark.parametrize(
    "settings", [{}, {"momentum_bits": 0, "sigma_bias": 3}, ALIGNED, MOVED, ONE_SIDED, FALLING]
)
@pytest.mark.parametrize("stop", [0, 1, 7])
def test_a_run_stopped_anywhere_resumes_to_the_same_bits(data, tmp_path, settings, stop):
    settings = {**settings, "generations": 9, "evaluate_every": 4}
    wanted = end(train(data, **settings))
    config = start(Settings(**{**SMALL, **settings}), data)
    with RunFolder.create(tmp_path / "run", config) as folder:
        training = train(data, folder)
        assert not training.run(quietly, lambda: training.generation == stop)
    folder, checkpoint = RunFolder.resume(tmp_path / "run")
    with folder:
        assert (checkpoint.generation if checkpoint else 0) == stop
        assert end(train(data, folder, checkpoint)) == wanted
        assert [line["generation"] for line in folder.metrics()] == [4, 8, 9]
    assert weights_sha256(read_checkpoint(tmp_path / "run")[1].weights) == wanted


def test_validation_changes_nothing(data):
    assert end(train(data, generations=6)) == end(train(data, generations=6, evaluate_every=1))


@pytest.mark.parametrize("settings", [{"final_noise": 0.5}, {"final_temperature": 0.5}])
def test_a_schedule_changes_the_weights_after_the_first_generation(data, settings):
    assert end(train(data, **settings, generations=1)) == end(train(data, generations=1))
    assert end(train(data, **settings, generations=3)) != end(train(data, generations=3))


def test_seeds_change_the_weights(data):
    assert end(train(data, generations=3)) != end(train(data, generations=3, seed=1))


def test_metrics_count_what_was_done(data):
    training = train(data, generations=4, evaluate_every=2)
    records = [training.step() for _ in range(4)]
    assert [record is None for record in records] == [True, False, True, False]
    last = records[-1]
    assert last["generation"] == 4
    assert last["member_samples"] == training.member_samples == 4 * 256 * 2 * 4
    assert last["fitness_bits"] < 0
    assert training.summary()["sample_passes"] == 4 * 16 * 4


def test_metrics_count_dead_classes_and_dead_neurons(data):
    """A network without weights answers one class, and no hidden neuron spikes."""
    chip = make_chip(start(Settings(**{**SMALL, "initial_std": 0}), data))
    seen = validate(chip, data.test)
    assert seen.dead_classes == 2
    assert seen.dead_neurons == 16
    assert seen.spikes_per_sample == 0
    assert seen.accuracy == (data.test.labels == 0).mean()


def test_samples_are_taken_with_their_labels(data):
    some = frames.select(data.train, np.array([3, 1]))
    assert some.labels.tolist() == data.train.labels[[3, 1]].tolist()
    assert np.array_equal(frames.unpack(some), frames.unpack(data.train)[[3, 1]])


def test_the_rule_that_holds_weights_still_holds_them(data):
    """output_rule 'frozen' moves the hidden layer alone."""
    training = train(data, output_rule="frozen", generations=3)
    before = [one.copy() for one in training.chip.weights().mantissas]
    training.run(quietly)
    after = training.chip.weights().mantissas
    assert not np.array_equal(before[0], after[0])
    assert np.array_equal(before[1], after[1])
