"""Learning rule: the interface of every rule of this package.

    scale     scale of the noise of a direction, an integer in units of u
    signal    what the update is accumulated from (neurosim/population/rules.py)
    check     a ValueError where the rule cannot work with the settings
    settings  the fields of Settings that the rule reads, beside those that every run reads

To add a rule, write a module with a frozen instance and name it in `learning/rules/registry.py`; if it
needs a new way to accumulate, add the kernel to neurosim/kernels/rules.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from neurosim.population.rules import Signal

FACTOR_STD = {"rademacher": 1, "graded": 2}
"""Standard deviation of a noise number (neurosim/kernels/noise/weight_noise.py)."""


class RunSettings(Protocol):
    """The settings that rules read and check: a part of `learning.settings.Settings`."""

    @property
    def method(self) -> str: ...
    @property
    def output_rule(self) -> str: ...
    @property
    def credit(self) -> str: ...
    @property
    def feedback(self) -> str | None: ...
    @property
    def estimator(self) -> str: ...
    @property
    def noise(self) -> str: ...
    @property
    def rank(self) -> int: ...
    @property
    def batch(self) -> int: ...
    @property
    def hidden(self) -> tuple[int, ...]: ...
    @property
    def sigma_bias(self) -> float: ...
    @property
    def target_rate(self) -> float: ...
    @property
    def homeostasis_rate(self) -> float: ...


@dataclass(frozen=True)
class Rule:
    """A rule without noise and without a signal: the parameter stays as it is."""

    name: str
    settings: ClassVar[frozenset[str]] = frozenset()
    noise: ClassVar[Literal["none", "low-rank", "full-rank", "current"]] = "none"
    signal: ClassVar[Signal] = Signal.NONE

    def check(self, settings: RunSettings) -> None:
        """Raise ValueError, saying what to change, where the rule cannot work with `settings`."""

    def scale(self, sigma: float, unit: int, settings: RunSettings) -> int:
        """Scale of the noise in units of u; `unit` is the u of one LSB of a weight, `sigma` is in LSB."""
        return 0
