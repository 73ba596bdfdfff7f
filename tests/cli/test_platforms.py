"""Processors without the instructions of this one: Numba compiles for a plain one, to the same bits."""

import command
import pytest
from command import SMALL


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One cache for both cases, since they share most of what is compiled."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize(
    "settings", [(), ("--recipe", "fast", "--pairs", "64", "--groups", "32", "--batch", "1")]
)
def test_a_generic_processor_ends_in_the_same_weights(tmp_path, cache, settings):
    """No AVX, no look-up and no list instructions: each has its own slower way (kernels/simd.py)."""
    arguments = [*SMALL, *settings]
    if settings:
        arguments = ["--data", "digits", "--generations", "4", "--hidden", "20", *settings]
    wanted = command.results("train", *arguments, "--run", tmp_path / "here")
    plain = command.environment(
        NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="", NEUROSIM_CACHE=str(cache)
    )
    found = command.results("train", *arguments, "--run", tmp_path / "generic", env=plain)
    assert found["weights_sha256"] == wanted["weights_sha256"]
    assert found["test_accuracy"] == wanted["test_accuracy"]
