"""Stores of long work: parts that were damaged, and two processes on one store."""

import json
import multiprocessing

import numpy as np
import pytest

from learning.config import Config
from learning.record import RunError, read_config
from learning.run_folder import RunFolder, RunInUse
from learning.settings import Settings
from neurosim.app.experiments.store import Store, StoreError
from neurosim.app.experiments.trainings import _open
from neurosim.population.state import initial_state, weights

CONFIGURATION = Config(Settings(hidden=(3,), generations=9, pairs=4, groups=2), "a" * 64, 5, 10)
RECIPE = {"settings": [1, 2]}


def test_a_part_is_made_once_and_again_for_another_recipe(tmp_path):
    store, made = Store(tmp_path), []
    for recipe in (RECIPE, RECIPE, {"settings": [3]}):
        assert store.made("part", recipe, lambda: made.append(1) or {3: len(made)}) == {
            "3": len(made)
        }
    assert len(made) == 2


def test_a_changed_digit_of_a_kept_result_is_noticed(tmp_path):
    store = Store(tmp_path)
    store.made("part", RECIPE, lambda: {"test_accuracy": 0.91})
    file = store.path("part")
    file.write_text(file.read_text().replace("0.91", "0.97"))
    assert store.get("part", RECIPE) is None
    assert store.made("part", RECIPE, lambda: {"test_accuracy": 0.91}) == {"test_accuracy": 0.91}


@pytest.mark.parametrize("text", ["[]", "3", "null", "{}", "", "[" * 100_000, '{"recipe": 1}'])
def test_a_file_of_other_content_is_made_again(tmp_path, text):
    store = Store(tmp_path)
    store.path("part").write_text(text)
    assert store.made("part", RECIPE, lambda: 5) == 5


def test_a_result_may_hold_no_number(tmp_path):
    store = Store(tmp_path)
    assert np.isnan(store.made("part", RECIPE, lambda: [float("nan")])[0])
    assert np.isnan(store.made("part", RECIPE, pytest.fail)[0])


def _hold(path, ready, done):
    with Store(path):
        ready.set()
        done.wait(60)


def test_a_store_in_use_is_refused_and_free_again_afterwards(tmp_path):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, ready, done))
    other.start()
    store = Store(tmp_path)
    try:
        assert ready.wait(60)
        with pytest.raises(StoreError, match="in use by another process"):
            store.made("part", RECIPE, lambda: 1)
    finally:
        done.set()
        other.join()
    with store:
        assert store.made("part", RECIPE, lambda: 1) == 1


# --- the run folder of a training ----------------------------------------------------------------


def save(folder):
    made = initial_state(CONFIGURATION.network(), [20, 20], seed=1, fraction_bits=8, momentum=True)
    folder.log({"generation": 2})
    folder.save(made, weights(made, 8), 2, 1.5)


def test_the_run_of_a_training_under_way_is_left_alone(tmp_path):
    with RunFolder.create(tmp_path / "run", CONFIGURATION) as folder:
        save(folder)
        before = sorted(path.name for path in (tmp_path / "run").iterdir())
        for config in (CONFIGURATION, CONFIGURATION._replace(dataset_key="b")):
            with pytest.raises(RunInUse):
                _open(tmp_path / "run", config)
        assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before
        save(folder)


def test_a_run_of_another_recipe_is_made_again(tmp_path):
    RunFolder.create(tmp_path / "run", CONFIGURATION._replace(dataset_key="b")).close()
    folder, checkpoint = _open(tmp_path / "run", CONFIGURATION)
    folder.close()
    assert checkpoint is None
    assert read_config(tmp_path / "run") == CONFIGURATION


@pytest.mark.parametrize("config", [None, "damaged", "whole"])
def test_a_folder_that_holds_other_files_is_never_removed(tmp_path, config):
    path = tmp_path / "run"
    path.mkdir()
    (path / "mine.txt").write_text("x")
    if config == "whole":
        other = CONFIGURATION._replace(dataset_key="b")
        (path / "config.json").write_bytes(other.to_json())
    elif config == "damaged":
        (path / "config.json").write_text(json.dumps({"format": 1}))
    with pytest.raises(RunError, match=r"also holds mine\.txt"):
        _open(path, CONFIGURATION)
    assert (path / "mine.txt").read_text() == "x"
