"""What commands print fits a terminal of 80 columns."""

import command
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
