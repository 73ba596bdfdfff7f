"""Benchmarks: they run, and the implementations that they compare have equal results."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(name, *arguments):
    command = [sys.executable, f"benchmarks/{name}.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_peers():
    pytest.importorskip("torch")
    ways = json.loads(run("peers", "--rounds", 1, "--pairs", 256, "--json"))["ways"]
    assert {"this evaluator", "a plain Numba loop", "plain NumPy"} < {way["way"] for way in ways}
    assert all(way["rate"] > 0 for way in ways)


def test_growth(tmp_path):
    run("growth", tmp_path / "growth.png", "--rule", "fast", "--repeats", 1)
    assert (tmp_path / "growth.png").read_bytes()[:4] == b"\x89PNG"


def test_layers():
    pytest.importorskip("torch")
    found = json.loads(run("layers", "--rounds", 1, "--cases", "recurrent", "--json"))
    assert found["recurrent"]["credit by error"] > 0
    assert found["recurrent"]["BPTT"] > 0


@pytest.mark.parametrize(
    ("recipe", "kernel"), [("fast", "credit_pairs"), ("deep", "perturb_layer")]
)
def test_shares_of_kernels(recipe, kernel):
    lines = run("shares", "--recipe", recipe, "--generations", 2).splitlines()
    shares = {line.split("  ")[0]: float(line.split("%")[0].split()[-1]) for line in lines[1:]}
    assert shares[kernel] > 0
    assert sum(shares.values()) == pytest.approx(100, abs=2)


def test_convolutions_beside_jax():
    pytest.importorskip("jax")
    found = json.loads(run("eggroll_jax", "--pairs", 16, "--rounds", 1, "--json"))
    assert all(rate > 0 for rate in found.values())


def test_direction_of_credit():
    small = "--layers", "dense 8, dense 8", "--feedback", "gate", "--generations", 2, "--samples", 2
    lines = run("credit", *small, "--repeats", 2).splitlines()
    assert [line.split()[1] for line in lines] == ["input->hidden1", "hidden1->hidden2"]
