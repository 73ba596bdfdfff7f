"""`neurosim train --cluster`: the bits of one process, and errors."""

import json
import signal
import sys
import time

import command
import pytest
from command import SMALL, assert_refused

pytest.importorskip("distributed", reason="needs the extra cluster")

from machines import machines

from learning import worker_pool
from learning.record import WEIGHTS, read_checkpoint

LONG = (*SMALL[:2], "--generations", "100", *SMALL[4:])
"""Long enough to be stopped in the middle."""


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    with machines(tmp_path_factory.mktemp("machines"), 2) as some:
        yield some


def test_interrupted_and_resumed_on_a_cluster_is_the_run_of_one_process(here, tmp_path):
    """Both parts are evaluated by the cluster."""
    folder = tmp_path / "run"
    process = command.start("train", *LONG, "--cluster", here.address, "--run", folder)
    until = time.monotonic() + 120
    while not (folder / WEIGHTS).exists():
        assert time.monotonic() < until
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    assert f"cluster {here.address}: workers 2, threads 2" in stderr
    assert f"neurosim train --resume {folder}" in stderr
    assert 0 < read_checkpoint(folder)[1].generation < 100
    summary = command.results("train", "--resume", folder, "--cluster", here.address)
    alone = command.here("train", *LONG, "--run", tmp_path / "alone", "--json")
    assert summary["weights_sha256"] == json.loads(alone.stdout)["weights_sha256"]


def test_a_scheduler_that_does_not_answer_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(worker_pool, "CONNECT_SECONDS", 1)
    for address in ("127.0.0.1:1", "tcp://no.such.host.invalid:8786", "nonsense://127.0.0.1:1"):
        refused = command.here("train", *SMALL, "--cluster", address, "--run", tmp_path / "run")
        assert_refused(refused, 1, "no scheduler answers", address)
        assert not (tmp_path / "run").exists()


def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    refused = command.here("train", *SMALL, "--cluster", "here:1", "--run", tmp_path / "run")
    assert_refused(refused, 1, "neurosim-eggroll[cluster]")
    assert not (tmp_path / "run").exists()
