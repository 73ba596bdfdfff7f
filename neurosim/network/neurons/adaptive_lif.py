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


@dataclass(frozen=True)
class AdaptiveLif:
    """rise: increment of the threshold per spike, a mantissa shifted left by 6; decay: its decay, 12 bits."""

    rise: int
    decay: int
    name: ClassVar[str] = "adaptive_lif"

    def __post_init__(self) -> None:
        check_register("adaptive LIF", "rise", self.rise, limits.VTH_MANT)
        check_register("adaptive LIF", "decay", self.decay, limits.DECAY)
