"""What commands print fits a terminal of 80 columns."""

import command
import numpy as np
import pytest

from neurosim.app.cli import COMMANDS

COLUMNS = 80


def assert_fits(done, status=0):
    assert done.returncode == status, done.stderr
    wide = [line for line in done.stdout.splitlines() if len(line) > COLUMNS]
    assert not wide


def test_the_list_of_commands_fits():
    assert_fits(command.here("--help"))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_fits(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    assert_fits(command.here(name, "--help"))


@pytest.mark.parametrize(
    "arguments",
    [("bench", "--repeats", 1, "--pairs", 8), ("cache",)],
    ids=lambda arguments: arguments[0],
)
def test_tables_fit(arguments, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    assert_fits(command.here(*arguments))


def test_lists_of_runs_fit_where_names_are_long(monkeypatch, tmp_path):
    """The path of the data, of the runs, and a long text of layers."""
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    folder = tmp_path / "a-folder-with-a-long-name" / "of-images-of-handwritten-digits"
    folder.mkdir(parents=True)
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    labels = np.arange(40) % 10
    np.savez(folder / "mnist.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    layers = "conv 4 9x9 stride 5 pad 2, dense 8 delays 0 1 2, dense 12 adaptive, dense 8"
    for name in ("one", "two"):
        run, data = tmp_path / "runs" / name, f"images:{folder / 'mnist.npz'}"
        flags = ("--groups", 8, "--pairs", 16, "--generations", 1, "--layers", layers)
        done = command.here("train", "--data", data, *flags, "--run", run)
        assert done.returncode == 0, done.stderr
        layers = "dense 8"
    assert_fits(command.here("runs", tmp_path / "runs"))
    both = command.here("runs", tmp_path / "runs" / "one", tmp_path / "runs" / "two")
    assert_fits(both)
    assert "mnist.npz" in both.stdout.replace("\n", "")
