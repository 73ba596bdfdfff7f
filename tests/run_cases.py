"""A small run for tests of run folders: its configuration, and states of it."""

from learning.config import Config
from learning.settings import Settings
from neurosim.population.state import SynapticState, initial_state

SETTINGS = Settings(hidden=(3,), generations=9, pairs=4, groups=2, fraction_bits=4)
CONFIGURATION = Config(SETTINGS, "a" * 64, 5, 10)


def state(seed=1) -> SynapticState:
    return initial_state(
        CONFIGURATION.network(), [20, 20], seed=seed, fraction_bits=4, momentum=True
    )
