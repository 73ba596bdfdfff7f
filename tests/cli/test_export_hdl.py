"""`neurosim export --to hdl`: folders that `neurosim check-hdl` accepts, and refusals."""

import json

import command
import numpy as np
import pytest
from command import assert_refused

from learning.record import read_checkpoint
from neurosim import storage
from neurosim.export import memory_images


@pytest.fixture(scope="module")
def folder(done, tmp_path_factory):
    """The images of the finished run, written by a process."""
    path = tmp_path_factory.mktemp("images") / "made" / "hdl"
    printed = command.results("export", done[1], "--to", "hdl", "--samples", "2", "--out", path)
    assert printed["written"] == str(path)
    assert printed["learning"]
    assert {*printed["files"], "manifest.json"} == {file.name for file in path.iterdir()}
    return path


def test_weights_are_the_checkpoints(done, folder):
    read = memory_images.read(folder)
    _, checkpoint = read_checkpoint(done[1])
    for layer, mantissas in enumerate(checkpoint.weights.mantissas):
        assert np.array_equal(read.array(f"weights_L{layer}"), mantissas)
    parameters = json.loads((folder / "params.json").read_text())
    assert parameters == read.manifest["parameters"]
    assert parameters["SOURCES"] == [2312, 20]


def test_a_whole_folder_is_accepted_by_a_process(folder):
    printed = command.results("check-hdl", folder)
    assert printed == {"files": printed["files"], "samples": 2, "learning": True, "differ": []}


def test_a_person_reads_what_was_checked(folder):
    seen = command.here("check-hdl", folder)
    assert seen.returncode == 0
    assert "files agree" in seen.stdout
    assert "spikes and membranes come out the same" in seen.stdout


def test_a_changed_file_is_named(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "spikes_L0.mem").write_text("0\n")
    assert_refused(command.here("check-hdl", tmp_path), 1, "spikes_L0.mem", "manifest.json")


def test_vectors_that_the_chip_does_not_give_are_reported(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["network"]["populations"][0]["dv"] = 4000
    manifest["sha256"] = storage.content_sha256(manifest)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    seen = command.here("check-hdl", tmp_path)
    assert seen.returncode == 1
    assert "v_L0" in seen.stdout


def test_a_rule_without_vectors_says_why(tmp_path):
    run = tmp_path / "run"
    arguments = [*command.SMALL, "--method", "full-rank", "--generations", "2", "--run", run]
    assert command.here("train", *arguments).returncode == 0
    printed = command.here("export", run, "--to", "hdl")
    assert printed.returncode == 0
    assert "no vectors of the learning step: method is 'full-rank'" in printed.stdout
    assert memory_images.read(run / "hdl").manifest["learning"] is None
    assert command.here("check-hdl", run / "hdl").returncode == 0


def test_bad_requests_are_refused(done, tmp_path):
    hdl = ("export", done[1], "--to", "hdl")
    assert_refused(
        command.here(*hdl, "--samples", "0"), 2, "--samples is 0", "allowed are values from 1"
    )
    assert_refused(command.here(*hdl, "--samples", "9999"), 1, "9999", "test set of digits")
    (tmp_path / "mine").write_text("")
    assert_refused(command.here(*hdl, "--out", tmp_path), 1, tmp_path, "--out")
    assert_refused(command.here("check-hdl", tmp_path), 1, "manifest.json is missing")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
