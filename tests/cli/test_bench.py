"""`neurosim bench` and `warmup`: every rule timed, nothing left to compile, little memory."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command import environment, here, results

MOST_MEMORY = 2 << 30
PEAK = """
import resource, sys
from neurosim.app import cli
status = cli.main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(status)
"""
MISSED = """
import gc, json, sys
from neurosim.app import cli
from neurosim.kernels.compilation import Kernel
status = cli.main(sys.argv[1:])
kernels = [one for one in gc.get_objects() if isinstance(one, Kernel)]
print(json.dumps([sum(len(one.overloads) for one in kernels),
    [one.__name__ for one in kernels if any(one.stats.cache_misses.values())]]))
sys.exit(status)
"""
"""Run a command; print how many kernels it used, and which were not in the cache."""


def test_bench_times_every_rule_beside_its_lower_bound():
    done = results("bench", "--repeats", "1", "--pairs", "8", "--threads", "2")
    assert done["threads"] == 2
    assert set(done["peak_rates_per_second"]) == {"lanes", "sums", "words", "bytes"}
    assert all(rate > 0 for rate in done["peak_rates_per_second"].values())
    parts = {(row["case"], row["part"]): row for row in done["parts"]}
    assert ("rank 1", "sums") in parts
    assert ("full rank", "update") in parts
    assert ("event-aligned, credit by error", "share and evaluate") in parts
    assert ("rank 1, general executor", "share and evaluate") in parts
    for layers in ("conv 12, conv 24, dense 128", "recurrent 128", "dense 128, 128, 128"):
        assert (layers, "evaluate and sums") in parts
    for row in parts.values():
        assert row["seconds"] > 0
        assert row["bound_seconds"] > 0
    bounds = [parts["rank 1", part]["bound_seconds"] for part in ("share and evaluate", "evaluate")]
    assert bounds[0] > bounds[1]


def test_bench_refuses_threads_there_are_not():
    done = here("bench", "--threads", "0")
    assert done.returncode == 1
    assert "threads is 0" in done.stderr


def test_nothing_is_compiled_after_a_warmup(tmp_path):
    first = results("warmup")
    assert Path(first["folder"]).is_dir()
    assert first["files"] > 50
    run = str(tmp_path / "run")
    for command in (
        ("train", "--run", run, "--generations", "1", "--pairs", "16", "--groups", "8"),
        ("evaluate", run),
    ):
        done = subprocess.run(
            [sys.executable, "-c", MISSED, *command],
            env=environment(),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        used, missed = json.loads(done.stdout.splitlines()[-1])
        assert used > 0
        assert missed == []


def test_warmup_says_where_nothing_can_be_kept(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "neurosim", "warmup"],
        env=environment(NEUROSIM_CACHE=str(file)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "NEUROSIM_CACHE" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is Linux's")
def test_a_million_pairs_stay_under_two_gigabytes(tmp_path):
    many = "--pairs 1000000 --groups 1000 --batch 1 --generations 1 --hidden 4 --pool 17 --steps 2"
    arguments = ["train", "--recipe", "eggroll", "--run", str(tmp_path / "run"), *shlex.split(many)]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) * 1024 < MOST_MEMORY
