"""`neurosim map` and `neurosim run`: output for a run folder, and refusals."""

import json

import numpy as np
import pytest

from learning.config import Config
from learning.run_folder import RunFolder
from learning.settings import Settings
from neurosim.app.cli import map as map_command
from neurosim.app.cli import run as run_command
from neurosim.app.cli.arguments import call
from neurosim.data.datasets import Dataset
from neurosim.data.frames import pack
from neurosim.data.sensor import Sensor
from neurosim.population.state import initial_state, weights


@pytest.fixture(autouse=True)
def small_data(monkeypatch):
    """Drawn frames under the name of a data set: what is shown does not depend on the camera."""
    spikes = (np.random.default_rng(3).random((12, 6, 578)) < 0.1).astype(np.uint8)
    frames = pack(spikes, np.arange(12, dtype=np.uint8) % 10)
    names = tuple(str(digit) for digit in range(10))
    data = Dataset("digits", frames, frames, frames, names, Sensor(17, 17), 6, 300_000, "none")
    monkeypatch.setattr("neurosim.data.datasets.load", lambda name, **options: data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    settings = Settings(data="digits", hidden=(64, 24), steps=6, pool=2)
    config = Config(settings, "none", 578, 10)
    network = config.network()
    memory = initial_state(network, [16, 16, 16], seed=1, fraction_bits=8, momentum=True)
    path = tmp_path_factory.mktemp("runs") / "run"
    with RunFolder.create(path, config) as opened:
        opened.save(memory, weights(memory, 8), 1, 0.5)
    return path


def test_map_shows_cores_memory_and_routes_and_draws_the_mesh(folder, capsys):
    assert call(map_command.run, "neurosim map", [str(folder), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [core["population"] for core in said["cores"]] == ["hidden1", "hidden2", "output"]
    assert [-1, 0, 578] in [[link["from"], link["to"], link["sources"]] for link in said["links"]]
    assert (folder / "mesh.png").read_bytes().startswith(b"\x89PNG")
    assert call(map_command.run, "neurosim map", [str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "3 of 128 cores" in shown
    assert "outside" in shown


def test_run_shows_a_sample_and_its_cost(folder, capsys):
    arguments = [str(folder), "--sample", "5", "--probe", "hidden1.v[0:3,7]", "output.u"]
    assert call(run_command.run, "neurosim run", [*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["prediction"] == max(range(10), key=lambda k: said["scores"][k])
    assert said["counters"]["synaptic_operations"] > 0
    assert "estimate" in said["estimates"]["SANA-FE"]["label"]
    assert (folder / "sample-5.png").read_bytes().startswith(b"\x89PNG")
    assert call(run_command.run, "neurosim run", arguments) == 0
    shown = capsys.readouterr().out
    assert "estimated cost by Davies 2018" in shown
    assert "synaptic operations" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sample", "100000"], "sample 100000 of digits, test; there are 0..11"),
        (["--probe", "hidden9.v"], "probe 'hidden9.v'"),
        (["--probe", "output.v[77]"], "allowed are integers 0..9"),
        (["--probe", "output.v[3:]"], "give neurons as 1,5 or 0:4"),
    ],
)
def test_run_refuses_what_is_not_there(folder, capsys, arguments, message):
    assert call(run_command.run, "neurosim run", [str(folder), *arguments]) == 1
    assert message in capsys.readouterr().err


def test_a_folder_without_a_run_is_refused(tmp_path, capsys):
    for command in (run_command, map_command):
        assert call(command.run, "neurosim x", [str(tmp_path)]) == 1
        assert "is not a run folder" in capsys.readouterr().err
