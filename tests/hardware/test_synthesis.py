"""Synthesis by Yosys: the netlist is equal to the emulator."""

import os
import subprocess
import sys

import pytest
import rtl_cases
from rtl_tools import HARDWARE, ROOT, needs, script

from neurosim.export import memory_images

pytestmark = needs("iverilog", "yosys")
SMALLEST = {"hidden": (4,), "steps": 2, "pairs": 2, "groups": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The images of the smallest network that learns by credit by error."""
    data = rtl_cases.striped(6, steps=2, classes=2)
    path = tmp_path_factory.mktemp("images") / "hdl"
    return rtl_cases.run_folder(path, data, **{**rtl_cases.BY_ERROR, **SMALLEST})


@pytest.fixture(autouse=True)
def scripts_on_path(monkeypatch):
    """Scripts of hardware/ import each other."""
    monkeypatch.syspath_prepend(HARDWARE)


@pytest.mark.parametrize(("learning", "gates"), [(False, True), (True, False)])
def test_the_netlist_does_the_same(folder, tmp_path, learning, gates):
    """Of one-bit gates for inference; of word-wide operators for learning, which simulates in seconds."""
    synthesise, simulate = script("synthesise"), script("simulate")
    found = synthesise.synthesise(folder, learning, gates, tmp_path)
    assert {"chip", "core", "lif", "decay", "readout", "multiply"} <= found.keys()
    assert ("aligned" in found) == learning
    assert found["core"].memory_bits > 0
    assert found["chip"].flip_flops > 0 or not gates
    netlist = [tmp_path / "netlist.v"]
    command = simulate.build("icarus", netlist, folder, learning, tmp_path, "-DNETLIST")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=200)
    names = memory_images.read(folder).manifest["files"]
    assert simulate.holds(done.stdout, simulate.expected(names, learning)), done.stdout


def test_a_person_reads_gates_flip_flops_and_memory(folder, tmp_path):
    """As a process, of the smallest core; a folder of something else is refused."""
    done = subprocess.run(
        [sys.executable, HARDWARE / "synthesise.py", tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "holds no params.vh" in done.stderr


def test_memory_bits_are_what_the_sizes_say(folder, tmp_path):
    """Synapses 6 x 4 and 4 x 2 of 16 bits, their directions, and the copy of the second."""
    found = script("synthesise").synthesise(folder, True, False, tmp_path)
    bits = memory_images.read(folder).manifest["parameters"]["SUM_BITS"]
    synapses = (6 * 4 + 2 * 4 * 2) * (16 + bits)
    biases = (4 + 2) * (21 + bits)
    assert found["plastic"].memory_bits == synapses + biases
