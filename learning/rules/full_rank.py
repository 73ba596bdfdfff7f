"""Full-rank evolution strategies: independent noise on every weight.

The paper's "vanilla ES" (section 2.4, equation 2), on the same chip and from the same generator.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from learning.rules.rule import FACTOR_STD, Rule, RunSettings
from neurosim.population.rules import Signal


@dataclass(frozen=True)
class FullRank(Rule):
    """Fitness of a direction times its noise on every weight."""

    name: str = "full-rank"
    settings: ClassVar = frozenset({"sigma_bias", "shaping", "estimator", "spike_cost"})
    noise: ClassVar[Literal["full-rank"]] = "full-rank"
    signal: ClassVar = Signal.FITNESS

    def scale(self, sigma: float, unit: int, settings: RunSettings) -> int:
        return round(sigma * unit / FACTOR_STD[settings.noise])


FULL_RANK = FullRank()
