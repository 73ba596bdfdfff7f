"""EGGROLL: low-rank noise on the weights of a layer.

    E = scale * sum_r A_r B_r^T / sqrt(rank)      every weight moves by sigma, whatever the rank

Sarkar et al., arXiv 2511.16652, section 4; paper section 2.5, equation 3. The noise is drawn in
neurosim/kernels/noise/weight_noise.py and the update accumulated in rules/weight_update.py.
"""

from dataclasses import dataclass
from math import sqrt
from typing import ClassVar, Literal

from learning.rules.rule import FACTOR_STD, Rule, RunSettings
from neurosim.population.rules import Signal


@dataclass(frozen=True)
class Eggroll(Rule):
    """Fitness of a direction times its low-rank noise."""

    name: str = "eggroll"
    settings: ClassVar = frozenset({"rank", "sigma_bias", "shaping", "estimator", "spike_cost"})
    noise: ClassVar[Literal["low-rank"]] = "low-rank"
    signal: ClassVar = Signal.FITNESS

    def check(self, settings: RunSettings) -> None:
        if settings.output_rule == self.name and settings.method != "event-aligned":
            raise ValueError(
                f"output_rule 'eggroll' with method {settings.method!r}: it is for a readout whose hidden "
                f"layers learn from noise on currents; use --output-rule same, or --method event-aligned"
            )

    def scale(self, sigma: float, unit: int, settings: RunSettings) -> int:
        return round(sigma * unit / (FACTOR_STD[settings.noise] ** 2 * sqrt(settings.rank)))


EGGROLL = Eggroll()
