"""Ranges of the chip's registers, and limits of its cores.

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
"""A decay of 4096 leaves nothing after one step [D18, LAVA, NL]."""
DECAY = Range(0, DECAY_ONE - 1)
"""du and dv, 12 bits unsigned; the current decay that acts is du + 1 [NL, LAVA]."""
WIDE_DECAY = Range(0, DECAY_ONE)
"""Also accepted by lava (dv) and brian2-loihi (both decays), although no 12-bit register holds 4096."""

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
VTH_LOW_MANT = Range(-(1 << 17) + 1, 0)
"""Lower threshold of a ternary neuron, mirrored from VTH_MANT [LAVA, TernaryLIF]."""
VMIN = Range(-STATE_MAX, 0)
VMAX = Range(0, STATE_MAX)
"""Programmable ends of v; the widest are ±STATE_MAX [NL, `discretize_compartment`]."""
MESSAGE_BITS = Range(0, 32)
"""Bits of a graded spike; 0 is a plain one (Loihi 2; [LAVA] `num_message_bits`)."""
NOISE_EXP = Range(0, 23)
NOISE_OFFSET = Range(-128, 127)
"""Noise is trunc((x + 64 offset) 2^(exp - 7)), x in -127..127; exp up to 23 [NL]. The range of the
offset is chosen here: 8 bits signed."""
RESET_INTERVAL = Range(0, 1 << 20)
"""Steps between resets of u and v [LAVA, LIFReset]; 0 is never. The top is chosen here."""

COMPARTMENTS_PER_CORE = 1024
AXONS_IN_PER_CORE = 4096
AXONS_OUT_PER_CORE = 4096
SYNAPSE_BYTES_PER_CORE = 128 * 1024
CORES_PER_CHIP = 128
"""Limits of one neuromorphic core and one chip [D18]."""
THRESHOLD_SETTINGS_PER_CORE = 16
COMPARTMENT_SETTINGS_PER_CORE = 32
"""Different thresholds, and different (du, dv, refractory ...), that one core can hold [NL]."""
CORES_PER_TILE = 4
MESH_COLUMNS, MESH_ROWS = 8, 4
"""128 cores are 32 tiles of 4 [D18]; that the tiles lie 8 x 4 is chosen here."""
