"""Cost of a whole training, from the operations that one sample's forward pass counts."""

from collections.abc import Mapping
from typing import Any, Literal


def training_estimate(
    settings: Any, network: Any, placement: Any, counted: Mapping[str, float], steps: int
) -> Any:
    """The cost of the whole training from the counters of a sample's pass; None of a graph of layers."""
    from learning.layered import is_layered
    from learning.rules.registry import rules_of
    from neurosim.chip import energy
    from neurosim.population.rules import Signal

    if is_layered(settings):
        return None
    hidden, output = rules_of(settings, 2)
    readout: Literal["fitness", "error", "nothing"] = "fitness"
    if output.signal is Signal.ERROR:
        readout = "error"
    elif output.signal is Signal.NONE:
        readout = "nothing"
    local = hidden.noise == "current" or readout == "error"
    return energy.training(
        network,
        counted,
        placement,
        energy.Evolution(
            steps,
            settings.pairs,
            settings.batch,
            settings.generations,
            settings.rank,
            settings.noise == "graded",
            2 if settings.estimator == "one-sided" else 1,
            hidden.noise,
            settings.groups * settings.batch if local else 0,
            readout,
            hidden.signal is Signal.CREDIT,
        ),
    )
