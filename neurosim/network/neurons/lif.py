"""Leaky integrate-and-fire neuron with current and membrane decay (CUBA), without registers of its own."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Lif:
    """v[t] = D(v[t-1], dv) + u[t] + bias; a spike where v > vth_mant << 6, then v = 0."""

    name: ClassVar[str] = "lif"
    keyword: ClassVar[str] = ""

    def registers(self) -> tuple[int, ...]:
        """None."""
        return ()

    @classmethod
    def for_threshold(cls, vth_mant: int) -> "Lif":
        """The model, whatever the threshold."""
        return cls()
