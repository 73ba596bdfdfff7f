"""Profiles: the arithmetic rules on which public emulators of Loihi disagree.

A profile is a set of options; each option is named, and has its source. Where nothing overflows and
the weights lie on the grid with an exponent of 0 or more, all profiles agree apart from latency.

    DEFAULT      weights on the grid or refused, u and v saturate at ±(2^23 - 1), all counted
    LAVA         lava-nc 0.10.0, `PyLifModelBitAcc`, `PyDenseModelBitAcc`, `weightutils`
    NENGO        nengo-loihi 1.1.0, `emulator/interface.py`, `builder/discretize.py`
    BRIAN2LOIHI  brian2-loihi 0.5.2, `LoihiNeuronGroup`, `LoihiSynapses`
    SLAYER       lava-dl 0.6.0, slayer CUBA: no latency at all, v recorded before the reset
    LAYERED      DEFAULT without latency: a layer acts in the step of the spikes it is sent, as in
                 the population evaluator

`dataclasses.replace(profiles.DEFAULT, rounding="nearest_even")` makes one's own.
"""

from dataclasses import dataclass, replace
from typing import Literal

from neurosim.kernels.chip.neuron import SATURATE, UNLIMITED, WRAP, WRAP_32, WRAP_ONCE, Rules

WeightRange = Literal["mantissa", "clip_weight", "clip_mantissa", "wide", "any"]
"""Range of legal weights, and the treatment of others.

mantissa       refused unless the mantissa fits its bits: mixed 8 bits is -256..254
clip_weight    clipped before rounding: mixed -256..255, excitatory 0..255, inhibitory -255..0
               [lava, `clip_weights`]
clip_mantissa  the mantissa is clipped after rounding to ±(2^(8 - grid bits) - 1) [nengo-loihi]
wide           refused outside -256..254, 0..255, -256..0, however few the bits [brian2-loihi]
any            taken as they are: recorded currents, and slayer's weights, quantised in floats
"""

Rounding = Literal["refuse", "floor", "nearest_even", "towards_zero", "none"]
"""Rounding of a weight to the grid of 2^(8 - bits), doubled for mixed signs.

refuse        an error names the first weight off the grid
floor         towards minus infinity; inhibitory weights towards zero [lava, `truncate_weights`]
nearest_even  to the nearest, ties to even [nengo-loihi, `discretize_weights`]
towards_zero  [brian2-loihi, `calcActualWeights`]
none          taken as they are
"""

Exponent = Literal["exact", "sum", "each_floor", "each_nearest"]
"""Operand of the exponent. The rules differ for exponents below 0 only.

exact         a weight w adds w * 2^(6 + exponent) to u; if that is no integer, `rounding` decides
sum           (sum of weights) >> -exponent, floored, once a step and connection [lava]
each_floor    floor(w * 2^exponent), limited to ±(2^15 - 1) [brian2-loihi]
each_nearest  the mantissa is rounded to what survives the shift, then shifted [nengo-loihi]
"""

InputLimit = Literal["none", "wrap_22", "wrap_32"]
"""The accumulator of synaptic input: no limit [brian2-loihi]; 21 bits and sign, wraps [nengo-loihi,
Q_BITS]; a 32-bit integer [lava]."""

CurrentLimit = Literal["none", "saturate", "wrap_24", "wrap_once"]
"""u beyond 23 bits and sign: kept [brian2-loihi]; saturates at ±(2^23 - 1) [default]; wraps
[nengo-loihi]; 2^24 is added or subtracted once, so that +2^23 can stay and larger sums run away in
a 32-bit integer [lava, lava-nc#322]."""

DriveLimit = Literal["none", "wrap_24"]
"""u + bias: no limit, or wraps at 23 bits and sign [nengo-loihi]."""

VoltageLimit = Literal["none", "saturate", "saturate_32"]
"""v: no limit [brian2-loihi]; saturates at vmin and vmax [nengo-loihi, default]; the same after a
32-bit sum [lava]."""

_LIMITS = {
    "none": UNLIMITED,
    "saturate": SATURATE,
    "wrap_22": WRAP,
    "wrap_24": WRAP,
    "wrap_once": WRAP_ONCE,
    "wrap_32": WRAP_32,
    "saturate_32": WRAP_32,
}


@dataclass(frozen=True)
class Profile:
    """One option for each rule on which the emulators disagree.

    decay_offset     what is added to du: 1 [lava ds_offset, nengo-loihi], 0 [brian2-loihi, slayer]
    input_latency    steps from an input's spike to its effect: 1 [lava, nengo-loihi] or 0
    neuron_latency   steps from a neuron's spike to its effect: 1, or 0 [slayer]; with 0, a cycle of
                     connections through several populations needs a delay, and a spike reaches its
                     own population in the next step
    max_delay        62 [Davies 2018], 63 [lava `DelayDense`]
    refractory       with `spike_step_counts`, refractory r holds v at 0 for r - 1 steps after a
                     spike while u goes on [nengo-loihi, brian2-loihi]; the only rule there is:
                     lava's `LIFRefractory` of period r is a refractory of r + 1 here
    recorded_v       v as probes show it in the step of a spike: `after_reset`, which is 0, or
                     `before_reset` [slayer]
    noise            `formula`: nengo-loihi's, from the chip's own seeded generator or from recorded
                     draws; `none`: a population with noise is refused [lava, brian2-loihi, slayer]
    """

    name: str
    weight_range: WeightRange = "mantissa"
    rounding: Rounding = "refuse"
    exponent: Exponent = "exact"
    input_limit: InputLimit = "none"
    current_limit: CurrentLimit = "saturate"
    drive_limit: DriveLimit = "none"
    voltage_limit: VoltageLimit = "saturate"
    decay_offset: Literal[0, 1] = 1
    input_latency: Literal[0, 1] = 1
    neuron_latency: Literal[0, 1] = 1
    max_delay: int = 62
    refractory: Literal["spike_step_counts"] = "spike_step_counts"
    recorded_v: Literal["after_reset", "before_reset"] = "after_reset"
    noise: Literal["formula", "none"] = "formula"

    @property
    def rules(self) -> Rules:
        """The codes that the kernels take."""
        return Rules(
            _LIMITS[self.input_limit],
            _LIMITS[self.current_limit],
            _LIMITS[self.drive_limit],
            _LIMITS[self.voltage_limit],
        )


DEFAULT = Profile("default")

LAYERED = replace(DEFAULT, name="layered", input_latency=0, neuron_latency=0)

LAVA = Profile(
    "lava",
    weight_range="clip_weight",
    rounding="floor",
    exponent="sum",
    input_limit="wrap_32",
    current_limit="wrap_once",
    voltage_limit="saturate_32",
    max_delay=63,
    noise="none",
)

NENGO = Profile(
    "nengo",
    weight_range="clip_mantissa",
    rounding="nearest_even",
    exponent="each_nearest",
    input_limit="wrap_22",
    current_limit="wrap_24",
    drive_limit="wrap_24",
)

BRIAN2LOIHI = Profile(
    "brian2loihi",
    weight_range="wide",
    rounding="towards_zero",
    exponent="each_floor",
    current_limit="none",
    voltage_limit="none",
    decay_offset=0,
    input_latency=0,
    noise="none",
)

SLAYER = Profile(
    "slayer",
    weight_range="any",
    rounding="none",
    current_limit="none",
    voltage_limit="none",
    decay_offset=0,
    input_latency=0,
    neuron_latency=0,
    recorded_v="before_reset",
    noise="none",
)

PROFILES = {
    profile.name: profile for profile in (DEFAULT, LAYERED, LAVA, NENGO, BRIAN2LOIHI, SLAYER)
}
