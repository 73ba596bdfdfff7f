"""`neurosim train`: the same bits after any interruption, and errors."""

import json
import resource
import shutil
import signal
import time

import command
import pytest
from command import SMALL, assert_refused

from learning.record import CONFIG, METRICS, SUMMARY, WEIGHTS, read_checkpoint

GENERATIONS = 300
LONG = (*SMALL[:2], "--generations", GENERATIONS, *SMALL[4:])
"""Long enough to be stopped in the middle."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def long(runs):
    """A longer one."""
    return command.results("train", *LONG, "--run", runs / "long")


# --- the same bits -------------------------------------------------------------------------------


def test_json_says_what_was_reached(done):
    summary, folder = done
    assert summary["generations"] == 6
    assert summary["member_samples"] == 6 * 64 * 2 * 2
    assert 0 <= summary["test_accuracy"] <= 1
    assert summary["seconds"] > 0
    assert len(summary["weights_sha256"]) == 64
    assert json.loads((folder / SUMMARY).read_text())["weights_sha256"] == summary["weights_sha256"]


def test_the_folder_holds_the_run(done):
    _, folder = done
    lines = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    assert [line["generation"] for line in lines] == [2, 4, 6]
    names = {file.name for file in folder.iterdir()}
    kept = {CONFIG, WEIGHTS, METRICS, SUMMARY, "learning_curve.png", "provenance.json", ".lock"}
    assert names == kept
    assert (folder / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert read_checkpoint(folder)[1].generation == 6


def test_threads_and_processes_change_nothing(done, runs):
    """The other run had all threads there are."""
    again = command.results("train", *SMALL, "--run", runs / "one", "--threads", 1)
    assert again["weights_sha256"] == done[0]["weights_sha256"]
    assert again["test_accuracy"] == done[0]["test_accuracy"]


def wait_for_checkpoint(folder, process):
    """Until the run stands somewhere in its middle."""
    until = time.monotonic() + 120
    while not ((folder / WEIGHTS).exists() and (folder / CONFIG).exists()):
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def test_killed_and_resumed_is_as_if_nothing_had_happened(long, runs):
    """SIGKILL in the middle, twice: no handler runs, nothing is tidied up."""
    folder = runs / "killed"
    process = command.start("train", *LONG, "--run", folder)
    wait_for_checkpoint(folder, process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    stood = read_checkpoint(folder)[1].generation
    assert 0 < stood < GENERATIONS
    process = command.start("train", "--resume", folder, "--threads", "1")
    until = time.monotonic() + 120
    while read_checkpoint(folder)[1].generation == stood and process.poll() is None:
        assert time.monotonic() < until
        time.sleep(0.005)
    process.kill()
    process.communicate()
    summary = command.results("train", "--resume", folder)
    assert summary["weights_sha256"] == long["weights_sha256"]
    assert summary["member_samples"] == long["member_samples"]
    lines = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    assert [line["generation"] for line in lines] == list(range(2, GENERATIONS + 1, 2))


def test_a_run_starts_with_the_weights_of_another(done, runs):
    """Learning on: the start is the other's end, and a run stopped before its first look resumes there."""
    settings = [*SMALL, "--seed", "4", "--start", done[1]]
    first = command.results("train", *settings, "--run", runs / "on")
    assert first["weights_sha256"] != done[0]["weights_sha256"]
    process = command.start("train", *settings, "--run", runs / "stopped")
    wait_for_checkpoint(runs / "stopped", process)
    process.kill()
    process.communicate()
    assert read_checkpoint(runs / "stopped")[1].generation < 6
    again = command.results("train", "--resume", runs / "stopped")
    assert again["weights_sha256"] == first["weights_sha256"]


def test_a_start_of_another_network_is_refused(done, runs):
    refused = command.here(
        "train", *SMALL, "--vth-mant", "99", "--start", done[1], "--run", runs / "other"
    )
    assert_refused(refused, 1, "population 'hidden': vth_mant 512 and 99")
    assert not (runs / "other").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_and_resumed_is_as_if_nothing_had_happened(long, runs, number):
    folder = runs / f"interrupted-{number}"
    process = command.start("train", *LONG, "--run", folder, "--json")
    wait_for_checkpoint(folder, process)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert stdout == ""
    assert f"neurosim train --resume {folder}" in stderr
    assert "Traceback" not in stderr
    assert read_checkpoint(folder)[1].generation > 0
    summary = command.results("train", "--resume", folder)
    assert summary["weights_sha256"] == long["weights_sha256"]


def test_a_run_folder_that_is_removed_in_training_is_not_made_again(runs):
    folder = runs / "removed"
    process = command.start("train", *LONG, "--run", folder)
    wait_for_checkpoint(folder, process)
    folder.rename(runs / "moved")
    stderr = process.communicate(timeout=120)[1]
    assert process.returncode == 1
    assert f"{folder} was removed" in stderr
    assert not folder.exists()


def test_a_run_that_has_ended_resumes_to_the_same_result(done, tmp_path):
    summary, folder = done
    copy = shutil.copytree(folder, tmp_path / "copy")  # the resumed run notes that it went on
    again = command.results("train", "--resume", copy)
    own = {"seconds": 0, "compile_seconds": 0, "run": str(copy)}
    assert again["run"] == str(copy)
    assert {**again, **own} == {**summary, **own}


# --- one clear message ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (("--rank", "0"), ("--rank", "0")),
        (("--dv", "4096"), ("--dv", "4096")),
        (("--du", "-1"), ("--du", "-1")),
        (("--vth-mant", "131072"), ("--vth-mant", "131072")),
        (("--fraction-bits", "9"), ("--fraction-bits", "9")),
        (("--pairs", "10", "--groups", "3"), ("pairs 10", "groups 3")),
        (("--rank", "many"), ("--rank", "many")),
        (("--bogus", "1"), ("--bogus",)),
        (
            ("--generations", "0", "--learning-rate", "500"),
            ("--generations", "--learning-rate", "500"),
        ),
    ],
)
def test_flags_out_of_range_are_named(flags, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refused(command.here("train", *flags), 2, *named)
    assert not list(tmp_path.iterdir())


def test_a_process_refuses_as_its_parts_do(tmp_path):
    assert_refused(command.neurosim("train", "--rank", "0", cwd=tmp_path), 2, "--rank", "0")
    refused = command.neurosim("train", "--resume", tmp_path / "no", cwd=tmp_path)
    assert_refused(refused, 1, tmp_path / "no", CONFIG)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ("nope", ("'nope'", "digits")),
        ("images:/no/such.npz", ("/no/such.npz",)),
        ("nmnist:/no/such/folder", ("/no/such/folder",)),
    ],
)
def test_data_that_is_not_there_is_named(data, named, tmp_path):
    assert_refused(command.here("train", "--data", data, "--run", tmp_path / "run"), 1, *named)
    assert not (tmp_path / "run").exists()


def test_a_folder_with_a_run_is_left_alone(done):
    _, folder = done
    before = (folder / WEIGHTS).read_bytes(), (folder / CONFIG).read_bytes()
    refused = command.here("train", *SMALL, "--seed", "5", "--run", folder)
    assert_refused(refused, 1, folder, "already holds a run", "--resume")
    assert ((folder / WEIGHTS).read_bytes(), (folder / CONFIG).read_bytes()) == before


def test_a_resumed_run_keeps_its_settings(done):
    refused = command.here("train", "--resume", done[1], "--dv", "300")
    assert_refused(refused, 1, "--resume", "settings of the run")


def test_a_folder_that_is_no_run_is_named(tmp_path):
    assert_refused(command.here("train", "--resume", tmp_path), 1, tmp_path, CONFIG)


def test_a_damaged_run_is_named(done, tmp_path):
    _, folder = done
    for name in (CONFIG, WEIGHTS, METRICS):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    damaged = bytearray((tmp_path / WEIGHTS).read_bytes())
    damaged[-1] ^= 1
    (tmp_path / WEIGHTS).write_bytes(bytes(damaged))
    assert_refused(command.here("train", "--resume", tmp_path), 1, tmp_path / WEIGHTS)
    assert_refused(command.here("evaluate", tmp_path), 1, tmp_path / WEIGHTS)
    assert (tmp_path / WEIGHTS).read_bytes() == bytes(damaged)


def test_two_processes_do_not_train_in_one_folder(runs):
    folder = runs / "shared"
    process = command.start("train", *LONG, "--run", folder)
    try:
        wait_for_checkpoint(folder, process)
        process.send_signal(signal.SIGSTOP)
        assert_refused(command.here("train", "--resume", folder), 1, folder, "another process")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("threads", ["0", "-1", "100000"])
def test_threads_the_machine_lacks_are_named(threads, tmp_path):
    refused = command.here("train", *SMALL, "--threads", threads, "--run", tmp_path / "run")
    assert_refused(refused, 1, "threads", threads)


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="needs Linux")
def test_a_full_disk_is_named_and_leaves_a_run_to_resume(long, runs):
    """A limit on the size of files stands for the disk: the weights do not fit, the rest does."""
    folder = runs / "full"
    process = command.start("train", *LONG, "--run", folder)
    wait_for_checkpoint(folder, process)
    process.send_signal(signal.SIGSTOP)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    process.send_signal(signal.SIGCONT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1, stderr
    assert "Traceback" not in stderr
    assert str(folder / WEIGHTS) in stderr
    assert not list(folder.glob("*.tmp")) + list(folder.glob(".*.tmp"))
    assert read_checkpoint(folder)[1].generation > 0
    assert command.results("train", "--resume", folder)["weights_sha256"] == long["weights_sha256"]
