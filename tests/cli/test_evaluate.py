"""`neurosim evaluate`: the accuracy of the run, and a fast start of the command line."""

import command
import pytest
from command import assert_refused

from learning.record import CONFIG, WEIGHTS


def test_evaluation_agrees_with_the_run(done):
    summary, folder = done
    found = command.results("evaluate", folder)
    assert found["accuracy"] == summary["test_accuracy"]
    assert found["weights_sha256"] == summary["weights_sha256"]
    confusion = found["confusion"]
    assert sum(map(sum, confusion)) == found["samples"] == summary["test_samples"]
    assert sum(confusion[k][k] for k in range(10)) == round(found["accuracy"] * found["samples"])


def test_validating_changes_nothing(done):
    _, folder = done
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert command.here("evaluate", folder, "--split", "validation", "--data", "digits", "--json")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_person_sees_the_confusion_matrix(done):
    seen = command.here("evaluate", done[1])
    assert seen.returncode == 0
    assert "%" in seen.stdout
    assert len(seen.stdout.splitlines()) > 10


@pytest.mark.parametrize("data", ["nope", "images:/no/such.npz"])
def test_data_that_is_not_there_is_named(done, data):
    assert_refused(command.here("evaluate", done[1], "--data", data), 1, data)


def test_a_split_that_does_not_exist_is_named(done):
    assert_refused(command.here("evaluate", done[1], "--split", "nope"), 2, "--split", "nope")


def test_a_folder_without_weights_says_how_to_go_on(done, tmp_path):
    (tmp_path / CONFIG).write_bytes((done[1] / CONFIG).read_bytes())
    assert_refused(command.here("evaluate", tmp_path), 1, WEIGHTS, f"--resume {tmp_path}")


# --- the command line itself ---------------------------------------------------------------------


def test_commands_that_do_not_exist_are_refused():
    assert_refused(command.neurosim("frobnicate"), 2, "'frobnicate'", "--help")


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help_is_help(arguments):
    shown = command.here(*arguments)
    assert shown.returncode == 0
    assert "neurosim" in shown.stdout


def test_nothing_asked_is_answered_with_help():
    shown = command.here()
    assert shown.returncode == 2
    assert "commands" in shown.stdout
