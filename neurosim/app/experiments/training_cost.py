"""Cost of a whole training, from the operations that one sample's forward pass counts."""

from collections.abc import Mapping
from typing import Any


def training_estimate(
    settings: Any, network: Any, placement: Any, counted: Mapping[str, float], steps: int
) -> Any:
    """The cost of the whole training from the counters of a sample's pass, for EGGROLL; else None."""
    from neurosim.chip import energy

    if settings.method != "eggroll":
        return None
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
        ),
    )
