"""A run of a second, that nothing happens to."""

import command
import pytest


@pytest.fixture(scope="session")
def done(tmp_path_factory):
    """What the run printed, and its folder."""
    folder = tmp_path_factory.mktemp("runs") / "done"
    return command.results("train", *command.SMALL, "--run", folder), folder
