"""LIF neuron with an adaptive threshold, in integers.

    b[t] = D(b[t-1], decay) + (rise << 6) * s[t-1]        saturating as v does, b[0] = 0
    s[t] = v[t] > (vth_mant << 6) + b[t]

Bellec, Salaj, Subramoney, Legenstein, Maass, "Long short-term memory and learning-to-learn in networks
of spiking neurons", NeurIPS 2018, equations 2 and 3: B(t) = b0 + beta b(t), b(t+1) = rho b(t) + (1 - rho)
z(t). Here rise << 6 is beta (1 - rho) and decay is 4096 (1 - rho); the sum b0 + b may pass 24 bits.
"""

from dataclasses import dataclass
from typing import ClassVar

from neurosim import limits
from neurosim.network.errors import check_register

LAYER_RISE, LAYER_DECAY = 0.5, 400
"""In a layer described as `adaptive`, the threshold rises by half with each spike, and decays as fast as a
membrane of beta 0.9; chosen here."""


@dataclass(frozen=True)
class AdaptiveLif:
    """rise: increment of the threshold per spike, a mantissa shifted left by 6; decay: its decay, 12 bits."""

    rise: int
    decay: int
    name: ClassVar[str] = "adaptive_lif"
    keyword: ClassVar[str] = "adaptive"

    def __post_init__(self) -> None:
        check_register("adaptive LIF", "rise", self.rise, limits.VTH_MANT)
        check_register("adaptive LIF", "decay", self.decay, limits.DECAY)

    def registers(self) -> tuple[int, ...]:
        """The increment per spike in units of v, and the decay."""
        return self.rise << limits.STATE_SHIFT, self.decay

    @classmethod
    def for_threshold(cls, vth_mant: int) -> "AdaptiveLif":
        """A threshold that rises by LAYER_RISE of itself."""
        return cls(max(1, round(vth_mant * LAYER_RISE)), LAYER_DECAY)
