"""Which values may a register of the chip hold?

Sources: [D18] Davies et al., "Loihi: a neuromorphic manycore processor with on-chip learning",
IEEE Micro 38(1), 2018, section "Neuron model" and table 1; [LAVA] lava-nc 0.10.0,
`magma/core/process/ports` and `proc/lif/models.py` (fixed-point LIF); [NL] nengo-loihi 1.1.0,
`builder/discretize.py`.
"""

from typing import NamedTuple


class Range(NamedTuple):
    """Inclusive range of a register."""

    low: int
    high: int

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.low <= value <= self.high


STATE_BITS = 24
"""u and v are 24-bit signed registers [D18, LAVA]."""
STATE_MAX = (1 << (STATE_BITS - 1)) - 1
"""Largest u or v, and minus the smallest: v saturates symmetrically at ±(2^23 - 1) [LAVA]."""

DECAY_BITS = 12
DECAY_ONE = 1 << DECAY_BITS
"""A decay of 4096 forgets everything in one step [D18, LAVA, NL]."""
DECAY = Range(0, DECAY_ONE - 1)
"""du and dv, 12 bits unsigned; the current decay that acts is du + 1 [NL, LAVA]."""

VTH_MANT = Range(0, (1 << 17) - 1)
"""Threshold mantissa, 17 bits unsigned, shifted left by STATE_SHIFT [D18, NL]."""
STATE_SHIFT = 6
"""One weight unit is 2^6 units of u; the threshold mantissa is shifted alike [NL]."""

BIAS_MANT = Range(-(1 << 12), (1 << 12) - 1)
"""Bias mantissa, 13 bits signed [LAVA]."""
BIAS_EXP = Range(0, 7)
"""Bias exponent, 3 bits: bias = mantissa << exponent, in units of v, not shifted by 6 [LAVA]."""

WEIGHT_BITS = Range(1, 8)
"""Mantissa bits of a synapse [D18]."""
WEIGHT_EXP = Range(-8, 7)
"""Exponent shared by the synapses of a connection [D18, LAVA]."""

DELAY = Range(0, 62)
"""Synaptic delay in steps [D18]."""
REFRACTORY = Range(1, 64)
"""Refractory period in steps, 6 bits; 1 means none beyond the step of the spike [NL]."""

COMPARTMENTS_PER_CORE = 1024
AXONS_IN_PER_CORE = 4096
AXONS_OUT_PER_CORE = 4096
SYNAPSE_BYTES_PER_CORE = 128 * 1024
CORES_PER_CHIP = 128
"""Limits of one neuromorphic core and one chip [D18]."""
