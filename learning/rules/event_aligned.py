"""Event-aligned perturbation: noise on the currents of neurons, correlated with the spikes that arrive.

    input_k(t) += scale * xi_k(t)        dW = sum over directions of f * sum_t xi(t) x(t)^T

The noise acts on neurons, so the equivalent perturbation of the weights depends on the sample; each pair
needs one sample of its own, since its fitness is that of those spikes alone. `sigma` is in weight LSB, as if
one more synapse of that size received a spike. neurosim/kernels/rules/event_aligned.py.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from learning.rules.rule import FACTOR_STD, Rule, RunSettings
from neurosim.population.rules import Signal


@dataclass(frozen=True)
class EventAligned(Rule):
    """Fitness of a direction times its noise on the currents."""

    name: str = "event-aligned"
    settings: ClassVar = frozenset(
        {"noise_period", "noise_window", "shaping", "estimator", "spike_cost"}
    )
    noise: ClassVar[Literal["current"]] = "current"
    signal: ClassVar = Signal.FITNESS

    def check(self, settings: RunSettings) -> None:
        if settings.batch != 1:
            raise ValueError(
                f"batch {settings.batch} with method 'event-aligned': a pair's noise belongs to one "
                f"sample; use --batch 1 and more --groups"
            )
        if settings.sigma_bias:
            raise ValueError(
                f"sigma_bias {settings.sigma_bias} with method 'event-aligned': biases learn from the "
                f"noise on the current; use --sigma-bias 0 and --bias-rate"
            )

    def scale(self, sigma: float, unit: int, settings: RunSettings) -> int:
        return round(sigma * unit / FACTOR_STD[settings.noise])


EVENT_ALIGNED = EventAligned()
