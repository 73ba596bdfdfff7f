"""Faults of a chip on the command line: kept with a run, used by every command, or refused."""

import json
import shlex

import command
import numpy as np
import pytest
from command import assert_refused

from learning.recipes import RECIPES
from learning.record import CONFIG, RunError, read_config
from learning.run_folder import RunFolder
from learning.settings import Settings
from learning.training import Training, start
from neurosim.app.experiments import faults_page
from neurosim.app.experiments.faults import FaultsExperiment, check
from neurosim.app.experiments.rows import chip_row
from neurosim.data import datasets
from neurosim.network import NetworkError
from neurosim.network.faults import Faults
from neurosim.storage import content_sha256

TEXT = (
    "stuck-weight-bits 0.05, dead 0.1, lost-axons 0.1, threshold-mismatch 0.2, decay-mismatch 0.2, "
    "flipped-weight-bits 0.001, stuck-generator-bit 1, seed 3, since 2"
)
FAST = shlex.split(
    "--data digits --pool 2 --generations 6 --pairs 64 --groups 32 --hidden 20 "
    "--vth-mant 512 --evaluate-every 2 --validation-samples 50"
)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """What a run on a chip with faults printed, and its folder."""
    folder = tmp_path_factory.mktemp("runs") / "faulty"
    return command.results("train", *FAST, "--faults", TEXT, "--run", folder), folder


def test_a_run_keeps_its_faults_and_the_emulator_answers_as_training_did(faulty):
    summary, folder = faulty
    faults = Faults.of_text(TEXT)
    assert json.loads((folder / CONFIG).read_text())["faults"] == str(faults)
    assert read_config(folder).faults == faults
    found = command.results("evaluate", folder)
    assert found["accuracy"] == summary["test_accuracy"]
    assert found["faults"] == str(faults)


LAYERS = ("--hidden 12 8", "--layers 'conv 2 5x5 stride 3, pool 2, dense 8' --recipe deep")


@pytest.mark.parametrize("layers", LAYERS)
def test_a_graph_of_layers_learns_on_a_chip_with_faults_of_every_kind(tmp_path, layers):
    """The emulator of that chip answers as training did."""
    small = shlex.split(f"{layers} --pairs 32 --groups 32 --generations 4 --evaluate-every 4")
    folder = tmp_path / "run"
    summary = command.results("train", *FAST[:4], *small, "--faults", TEXT, "--run", folder)
    assert str(read_config(tmp_path / "run").faults) == str(Faults.of_text(TEXT))
    seen = command.results("evaluate", tmp_path / "run")
    assert seen["accuracy"] == summary["test_accuracy"]
    sound = command.results("evaluate", tmp_path / "run", "--faults", "none")
    assert sound["spikes_per_sample"] != seen["spikes_per_sample"]


def test_evaluation_takes_other_faults_or_none(faulty):
    sound = json.loads(command.here("evaluate", faulty[1], "--faults", "none", "--json").stdout)
    assert sound["faults"] is None
    more = "decay-mismatch 0.5, silent 0.9"
    found = json.loads(command.here("evaluate", faulty[1], "--faults", more, "--json").stdout)
    assert found["faults"] == "silent 0.9, decay-mismatch 0.5"
    assert found["accuracy"] < sound["accuracy"]
    assert command.here("run", faulty[1]).returncode == 0


def config_and_data():
    data = datasets.load("digits", pool=2)
    changed = {"pool": 2, "generations": 6, "pairs": 64, "groups": 32, "hidden": (20,)}
    settings = Settings.model_validate({**RECIPES["fast"][1].model_dump(), **changed})
    return start(settings, data, Faults.of_text(TEXT)), data


@pytest.mark.parametrize("at", [1, 2, 4, 6])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(at, tmp_path):
    config, data = config_and_data()
    whole = Training(config, data)
    while whole.generation < 6:
        whole.step()
    with RunFolder.create(tmp_path / "run", config) as folder:
        first = Training(config, data, folder)
        while first.generation < at:
            first.step()
        first.save()
    folder, checkpoint = RunFolder.resume(tmp_path / "run")
    with folder:
        second = Training(folder.config, data, folder, checkpoint)
        while second.generation < 6:
            second.step()
    assert all(map(np.array_equal, whole.chip.state.synapses, second.chip.state.synapses))
    assert whole.summary()["test_accuracy"] == second.summary()["test_accuracy"]


def test_faults_count_from_their_generation():
    config, data = config_and_data()
    sound = Training(config._replace(faults=None), data)
    faulty = Training(config, data)
    for generation in range(3):
        same = [np.array_equal(*pair) for pair in zip(*states(sound, faulty), strict=True)]
        assert all(same) or generation > 2
        sound.step()
        faulty.step()
    assert not np.array_equal(sound.chip.state.synapses[0], faulty.chip.state.synapses[0])


def states(*trainings):
    return [training.chip.state.synapses for training in trainings]


def test_the_report_has_a_section_on_the_faults(faulty, tmp_path):
    page = tmp_path / "page.html"
    assert command.here("report", faulty[1], "--out", page).returncode == 0
    text = page.read_text()
    assert "Faults of the chip" in text
    assert "with the same weights on a chip without faults" in text
    for kind in ("stuck-at-0", "silent", "always-firing", "lost-axons"):
        assert f">{kind}<" in text


def test_a_row_of_a_comparison_is_measured_with_the_faults(faulty):
    summary, folder = faulty
    from learning.record import read_checkpoint

    config, checkpoint = read_checkpoint(folder)
    data = datasets.load("digits", pool=2)
    rows = [
        chip_row("", 0, config.network(), checkpoint.weights, data.test, True, faults)
        for faults in (config.faults, None, Faults.of_text("decay-mismatch 0.9"))
    ]
    assert rows[0]["accuracy"] == summary["test_accuracy"]
    assert rows[0]["spikes"] != rows[1]["spikes"] != rows[2]["spikes"]


def test_what_training_cannot_carry_is_refused(tmp_path):
    run = tmp_path / "run"
    done = command.here(
        "train",
        "--data",
        "digits",
        "--generations",
        "1",
        "--run",
        run,
        "--json",
        "--faults",
        "dust 0.1",
    )
    assert_refused(done, 1, "'dust 0.1' is no fault")
    assert not (run / CONFIG).exists()


def test_what_other_commands_cannot_carry_is_refused(faulty):
    flips = command.here("evaluate", faulty[1], "--faults", "flipped-weight-bits 0.1", "--json")
    assert_refused(flips, 1, "use neurosim train --faults")
    assert_refused(command.here("export", faulty[1], "--to", "nir"), 1, "without --faults")
    again = command.here("train", "--resume", faulty[1], "--faults", "silent 0.1")
    assert_refused(again, 1, "leave out --run, --start and --faults")


def test_a_run_folder_with_faults_that_are_none_is_refused(faulty, tmp_path):
    content = json.loads((faulty[1] / CONFIG).read_text()) | {"faults": "dust 1"}
    content.pop("sha256")
    sealed = {**content, "sha256": content_sha256(content)}
    (tmp_path / CONFIG).write_text(json.dumps(sealed))
    with pytest.raises(RunError, match="is no fault"):
        read_config(tmp_path)


def test_the_study_is_made_once_and_its_page_says_what_was_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(faults_page.faults, "LEARNING_ON", 3)
    monkeypatch.setitem(faults_page.faults.SHARES, "silent", ("0.4",))
    arguments = FaultsExperiment(
        out=tmp_path,
        seeds=1,
        generations=4,
        bptt_epochs=0,
        kinds=("silent", "flipped-weight-bits", "decay-mismatch"),
    )
    data = datasets.load("digits", pool=2)
    lines = []
    page, results = faults_page.run(arguments, data, lambda done, line: lines.append(line))
    lines = [line for line in lines if line]  # a part that goes on tells its share alone
    assert len(lines) == len(results) + 1
    text = page.read_text()
    for message in (
        "## silent",
        "## flipped-weight-bits",
        "during training",
        "repair.png",
        "| 0.4 |",
    ):
        assert message in text
    assert all((tmp_path / name).stat().st_size for name in ("repair.png", "life.png"))
    stood = {file: file.stat().st_mtime_ns for file in tmp_path.glob("trainings/*.json")}
    assert faults_page.run(arguments, data, lambda done, line: None)[1] == results
    assert faults_page.from_store(arguments, data)[1] == results
    assert stood == {file: file.stat().st_mtime_ns for file in tmp_path.glob("trainings/*.json")}
    with pytest.raises(NetworkError, match="there are stuck-weight-bits"):
        check(arguments.model_copy(update={"kinds": ("dust",)}))
