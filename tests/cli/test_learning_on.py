"""Networks of float training learn on, whatever their layers, and runs start with networks of others."""

import json

import numpy as np
import pytest
from command import assert_refused, here, neurosim

from learning.record import read_checkpoint, read_config
from learning.settings import DATA

pytest.importorskip("torch", reason='needs the extra "reference" (torch)')


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A data set of bars, which a network learns in few generations: its name."""
    rng = np.random.default_rng(0)
    labels = (np.arange(120) % 4).astype(np.uint8)
    images = rng.integers(0, 40, (120, 28, 28)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[6 * label + 2 : 6 * label + 7] = 250
    path = tmp_path_factory.mktemp("images") / "bars.npz"
    np.savez(path, train_x=images[:90], train_y=labels[:90], test_x=images[90:], test_y=labels[90:])
    return f"images:{path}"


def trained(data, run, *flags):
    words = ("--data", data, "--sensor", "17x17", "--epochs", 1, "--threads", 1, *flags)
    done = here("bptt", *words, "--run", run)
    assert done.returncode == 0, done.stderr
    return done


KINDS = {
    "dense": ("fast", "--hidden", 12),
    "dense chain": ("deep", "--hidden", 12, 8),
    "layers": ("deep", "--layers", "dense 12, dense 8"),
    "convolution": ("deep", "--layers", "conv 3 5x5 stride 2, pool 2, dense 12"),
    "recurrent": ("deep", "--layers", "recurrent 12"),
    "adaptive": ("deep", "--layers", "dense 12 adaptive"),
    "mixed": ("deep", "--layers", "conv 2 5x5 stride 4, recurrent 8 adaptive"),
    "counted": ("paper", "--layers", "conv 2 5x5 stride 4, dense 8", "--readout", "count"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_of_bptt_learns_on_whatever_its_layers(pictures, tmp_path, kind):
    recipe, *flags = KINDS[kind]
    run = tmp_path / "run"
    said = trained(pictures, run, *flags).stdout
    assert f"it learns on by recipe {recipe}" in said
    config, before = read_checkpoint(run)
    done = here("train", "--resume", run, "--generations", 2, "--json")
    assert done.returncode == 0, done.stderr
    after = read_checkpoint(run)[1]
    assert after.generation == json.loads(done.stdout)["generations"] == 2
    matrices = zip(before.weights.mantissas, after.weights.mantissas, strict=True)
    changed = {
        connection.name
        for (connection, _), (old, new) in zip(config.network().parameters, matrices, strict=True)
        if (old != new).any()
    }
    assert changed == {connection.name for connection, _ in config.network().parameters}
    again = here(
        "bptt", "--data", pictures, "--sensor", "17x17", "--epochs", 1, *flags, "--run", run
    )
    assert_refused_after_learning(again, run)


def assert_refused_after_learning(done, run):
    assert done.returncode == 1
    assert f"{run} has learned on since" in done.stderr


def test_a_convolution_of_bptt_learns_on_in_a_process_and_gains(pictures, tmp_path):
    run = tmp_path / "run"
    trained(pictures, run, "--layers", "conv 3 5x5 stride 2, dense 12", "--samples", 20)
    before = json.loads(here("evaluate", run, "--json").stdout)["accuracy"]
    done = neurosim("train", "--resume", run, "--generations", 30)
    assert done.returncode == 0, done.stderr
    assert json.loads(here("evaluate", run, "--json").stdout)["accuracy"] > before
    assert "learns on by recipe deep, feedback gate" in done.stderr


def test_a_new_run_starts_with_the_network_of_another_and_settings_of_its_own(pictures, tmp_path):
    trained(pictures, tmp_path / "float", "--layers", "conv 3 5x5 stride 2, dense 12")
    data = ("--data", pictures, "--sensor", "17x17")
    start = ("train", *data, "--start", tmp_path / "float", "--generations", 2, "--pairs", 32)
    for name, flags in {
        "fitting": (),
        "given": ("--recipe", "eggroll", "--sigma", 8),
        "shared": ("--feedback", "gain"),
    }.items():
        done = here(*start, "--groups", 16, *flags, "--run", tmp_path / name)
        assert done.returncode == 0, done.stderr
        config = read_config(tmp_path / name)
        assert config.network() == read_config(tmp_path / "float").network()
    assert config.settings.feedback == "gain"
    for flags, named in (
        (("--hidden", 9), ("another network", "leave out", "--hidden")),
        (("--feedback", "local"), ("'hidden1'", "feedback 'local'", "gate")),
        (("--recipe", "fast"), ("--recipe deep", "--feedback")),
        (("--recipe", "magic"), ("'magic'", "eggroll")),
        (("--sensor", "16x16"), ("578 inputs", "512", "--sensor")),
    ):
        done = here(*start, "--groups", 16, *flags, "--run", tmp_path / "refused")
        assert done.returncode in (1, 2), done.stderr
        assert "Traceback" not in done.stderr
        for one in named:
            assert one in done.stderr, flags
        assert not (tmp_path / "refused").exists(), flags
    assert_refused(here("train", "--start", tmp_path), 1, "not a run folder")


def test_a_new_run_learns_from_the_data_of_the_one_it_starts_with_unless_others_are_given(
    pictures, tmp_path
):
    trained(pictures, tmp_path / "float", "--layers", "conv 3 5x5 stride 2, dense 12")
    small = ("--generations", 1, "--pairs", 32, "--groups", 16)
    done = here("train", "--start", tmp_path / "float", *small, "--run", tmp_path / "same")
    assert done.returncode == 0, done.stderr
    before, after = (read_config(tmp_path / name) for name in ("float", "same"))
    assert after.dataset_key == before.dataset_key
    assert all(getattr(after.settings, name) == getattr(before.settings, name) for name in DATA)
    other = here("train", "--start", tmp_path / "float", "--data", "digits", *small)
    assert_refused(other, 1, "inputs", "--sensor")
