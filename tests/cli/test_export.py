"""`neurosim export --to nir`: the content of the run, and refusals."""

import subprocess
import sys

import command
import nir
import numpy as np
from command import assert_refused

from learning.record import read_checkpoint
from neurosim.export.nir import exact, file_io
from neurosim.network import learned


def test_a_run_is_exported_by_a_process(done, tmp_path):
    _, folder = done
    path = tmp_path / "made" / "net.nir"
    printed = command.results("export", folder, "--to", "nir", "--out", path)
    assert printed["written"] == str(path)
    assert printed["nodes"]["hidden"] == "CubaLIF"
    assert (
        nir.read(path).nodes.keys() == printed["nodes"].keys()
    )  # as others read it, with type checks
    own = exact.exact(file_io.read(path))
    config, checkpoint = read_checkpoint(folder)
    network, weights = learned(config.network(), checkpoint.weights)
    assert own.network == network
    assert own.run["settings"] == config.settings.model_dump(mode="json")
    for name, synapses in own.weights.items():
        assert np.array_equal(synapses.weights, weights[name])


def test_by_default_the_graph_is_in_the_run_folder(done):
    printed = command.here("export", done[1], "--to", "nir")
    assert printed.returncode == 0
    assert str(done[1] / "network.nir") in printed.stdout
    (done[1] / "network.nir").unlink()


def test_bad_requests_are_refused(done, tmp_path):
    assert_refused(command.here("export", tmp_path, "--to", "nir"), 1, tmp_path, "config.json")
    assert_refused(command.here("export", done[1], "--to", "vhdl"), 1, "vhdl", "nir")
    taken = tmp_path / "taken"
    taken.mkdir()
    assert_refused(command.here("export", done[1], "--to", "nir", "--out", taken), 1, taken)
    assert list(tmp_path.iterdir()) == [taken]


def test_without_nir_the_extra_is_named(done):
    code = (
        "import sys; sys.modules['nir'] = None\n"
        "from neurosim.app.cli import main\n"
        f"sys.exit(main(['export', {str(done[1])!r}, '--to', 'nir']))"
    )
    refused = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert_refused(refused, 1, 'pip install "neurosim-eggroll[nir]"')
