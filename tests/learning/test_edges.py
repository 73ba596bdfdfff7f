"""Edges of training and of the machine it runs on: classes, empty samples, biases, clocks, other users."""

import contextlib
import os
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learning.recipes import RECIPES
from learning.record import RunError, read_checkpoint
from learning.run_folder import RunFolder
from learning.settings import Settings
from learning.training import Training, start
from neurosim import storage
from neurosim.app.experiments.answers import answer
from neurosim.app.experiments.store import Store
from neurosim.data.datasets import Dataset
from neurosim.data.frames import pack
from neurosim.data.sensor import Sensor
from neurosim.network import Network, NetworkError, Population
from neurosim.population.state import bias_range, check_state, initial_state, weights
from neurosim.population.update import Rates, Step, move_biases

SENSOR = Sensor(4, 4)
STEPS = 5
SMALL = {
    "hidden": (16,),
    "generations": 3,
    "pairs": 16,
    "groups": 8,
    "batch": 2,
    "evaluate_every": 1,
    "validation_samples": 20,
    "steps": STEPS,
    "shift": 0,
}


def data_of(classes, samples, silent=False):
    """Samples of drawn spikes, label n % classes; or without a single event."""
    numbers = np.random.default_rng(0)

    def frames(count):
        dense = numbers.integers(0, 1 if silent else 2, (count, STEPS, SENSOR.inputs), np.uint8)
        return pack(dense, np.arange(count) % classes)

    names = tuple(str(one) for one in range(classes))
    parts = frames(samples), frames(20), frames(20)
    return Dataset("drawn", *parts, names, SENSOR, STEPS, 300_000, "a" * 64)


def trained(recipe, data, **changes):
    kept = {**RECIPES[recipe][1].model_dump(exclude_unset=True), **SMALL, **changes}
    if RECIPES[recipe][1].method == "event-aligned":
        kept["batch"] = 1
    training = Training(start(Settings.model_validate(kept), data), data)
    assert training.run(lambda generation, record: None)
    return training


@pytest.mark.parametrize("recipe", ["fast", "eggroll", "paper"])
@pytest.mark.parametrize("classes", [2, 1000])
def test_two_and_a_thousand_classes_are_trained_and_evaluated(recipe, classes):
    data = data_of(classes, 1000)
    training = trained(recipe, data)
    assert training.summary()["test_samples"] == 20
    found = answer(training.config, training.chip.weights(), data.test)
    assert found.confusion.shape == (classes, classes)
    assert found.confusion.sum() == 20


@pytest.mark.parametrize("recipe", ["fast", "eggroll", "paper"])
def test_samples_without_a_single_event_are_trained_on(recipe):
    data = data_of(3, 50, silent=True)
    training = trained(recipe, data)
    assert training.summary()["spikes_per_sample"] == 0
    check_state(training.chip.network, training.chip.state, training.settings.fraction_bits)


@given(
    own=st.integers(-4096, 4095) | st.sampled_from([-4096, 0, 4095]),
    begin=st.integers(-(2**20), 2**20 - 1),
    direction=st.sampled_from([-1000, 1000]),
)
def test_a_learned_bias_stops_where_it_and_the_described_one_leave_the_register(
    own, begin, direction
):
    population = Population("a", 4, 60, bias_mant=own)
    network = Network.chain(3, [population])
    state = initial_state(network, [20], seed=1, fraction_bits=8, momentum=False)
    low, high = bias_range(population)
    state.biases[0][:] = np.clip(begin, low, high)
    sums = np.full(16, 0, np.int32)
    sums[:4] = direction
    rates = Rates(0, 1 << 54, 0)
    for generation in range(3):
        move_biases(population, state, 0, sums, Step(rates, generation, np.uint64(1), 8, 0))
        check_state(network, state, 8)
        total = weights(state, 8).biases[0].astype(int) + own
        assert -4096 <= total.min() <= total.max() <= 4095
    assert total.max() == 4095 if direction > 0 else total.min() == -4096


def test_a_state_beyond_the_register_is_refused():
    network = Network.chain(3, [Population("a", 4, 60, bias_mant=4000)])
    state = initial_state(network, [20], seed=1, fraction_bits=8, momentum=False)
    state.biases[0][2] = 96 << 8
    with pytest.raises(NetworkError, match="layer 'a': biases reach"):
        check_state(network, state, 8)


@pytest.mark.parametrize("now", [0.0, 1e12])
def test_a_clock_that_is_set_loses_nothing(tmp_path, monkeypatch, now):
    data = data_of(2, 50)
    config = start(Settings.model_validate({**SMALL, "generations": 4}), data)
    alone = Training(config, data)
    assert alone.run(lambda generation, record: None)
    monkeypatch.setattr(time, "time", lambda: now)
    with RunFolder.create(tmp_path / "run", config) as folder:
        training = Training(config, data, folder)
        assert not training.run(lambda generation, record: None, lambda: training.generation == 2)
    folder, checkpoint = RunFolder.resume(tmp_path / "run")
    with folder:
        assert checkpoint.generation == 2
        resumed = Training(config, data, folder, checkpoint)
        assert resumed.run(lambda generation, record: None)
        assert resumed.summary()["weights_sha256"] == alone.summary()["weights_sha256"]


def test_a_file_of_this_process_is_not_taken_for_abandoned_whatever_the_clock(
    tmp_path, monkeypatch
):
    with storage.atomic_path(tmp_path / "file") as temporary:
        temporary.write_bytes(b"under way")
        monkeypatch.setattr(time, "time", lambda: 1e12)
        storage.remove_abandoned(tmp_path / "file")
        assert temporary.exists()


@contextlib.contextmanager
def nobody():
    """Within it files are reached as a user who owns nothing."""
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can be another user"
)
def test_folders_of_another_user_are_read_and_refused_by_name_for_writing(tmp_path):
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o055)
    data = data_of(2, 50)
    config = start(Settings.model_validate(SMALL), data)
    with RunFolder.create(tmp_path / "run", config) as folder:
        assert Training(config, data, folder).run(lambda generation, record: None)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with nobody():
        assert read_checkpoint(tmp_path / "run")[1].generation == 3
        with pytest.raises(RunError, match=r"cannot be written.*another folder"):
            RunFolder.resume(tmp_path / "run")
        with pytest.raises(RunError, match="cannot be written"):
            RunFolder.create(tmp_path / "other", config)
        with pytest.raises(storage.StorageError, match="not permitted"):
            storage.write_atomically(tmp_path / "run" / "report.html", b"x")
        with pytest.raises(OSError, match=str(tmp_path / "store")):
            Store(tmp_path / "store").made("part", {}, lambda: 1)
        replacing = storage.folder_replaced(tmp_path / "run", lambda folder: None)
        with pytest.raises(storage.StorageError), replacing:
            pass
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
