"""Chip compartment: one time step of a neuron under the rules of a profile.

    a       = limit_input(arrived + noise)                      synaptic input
    u[t]    = limit_current(D(u[t-1], du) + a)                  effective du, 0..4096
    drive   = limit_drive(u[t] + bias + noise)
    v[t]    = limit_voltage(D(v[t-1], dv) + drive)              0 during dead steps
    s[t]    = +1 where the neuron model fires, which resets v (kernels/neurons): LIF where v[t] > vth, to 0
              -1 where v[t] < vth_low, strictly; v[t] = 0

The registers are read as int64, wide enough for every rule: the widest number is brian2-loihi's
unlimited v times 4096. The rule codes are those of `neurosim/chip/profiles.py`, with their sources.
"""

from functools import cache
from typing import Any, NamedTuple

from numba import int32, int64, uint64

from neurosim import limits
from neurosim.kernels.compilation import kernel
from neurosim.kernels.generator import LAYER_BITS, LOW, philox4x32
from neurosim.kernels.neurons.model import NeuronKernel, compile_gather, compile_scatter

UNLIMITED, SATURATE, WRAP, WRAP_ONCE, WRAP_32 = range(5)
"""Overflow rules of a register; WRAP_32 is a 32-bit register, for v followed by saturation."""

INPUT_BITS = 22
"""21 bits and sign of the input accumulator (nengo-loihi, Q_BITS)."""
EDGE = 1 << (limits.STATE_BITS - 1)
NOISE_STREAM = 31
"""Stream of `kernels/generator.py` for compartment noise; chosen here, because no other use has it."""
(
    INPUT_OVERFLOW,
    CURRENT_OVERFLOW,
    DRIVE_OVERFLOW,
    VOLTAGE_OVERFLOW,
    SYNAPTIC_OPERATIONS,
    RELAY_OPERATIONS,
    ACTIVE_UPDATES,
    INACTIVE_UPDATES,
    INPUT_SPIKES,
    SPIKES,
    MESSAGES,
    HOPS_EAST_WEST,
    HOPS_NORTH_SOUTH,
) = range(13)
COUNTERS = 13
"""Columns of the counters of a step, in the order of `neurosim.chip.emulator.Counters`."""


class Rules(NamedTuple):
    """Codes of a profile: int64 scalars."""

    input: int
    current: int
    drive: int
    voltage: int


class Registers(NamedTuple):
    """One int64 (neuron,) array per register; effective decays 0..4096; thresholds in units of v.

    vth_low is below every v for a neuron that is not ternary; dead is the number of steps after a
    spike in which v stays 0; noise is 0 for none, 1 on the input, 2 on u + bias; own (register, neuron)
    are the registers of the neuron models.
    """

    du: Any
    dv: Any
    vth: Any
    vth_low: Any
    bias: Any
    vmin: Any
    vmax: Any
    dead: Any
    noise: Any
    noise_exp: Any
    noise_offset: Any
    own: Any


@kernel
def decay_wide(x, decay):
    """D(x, decay), truncating towards zero, for any x below 2^50."""
    if x < 0:
        return -((-x * (limits.DECAY_ONE - decay)) >> limits.DECAY_BITS)
    return (x * (limits.DECAY_ONE - decay)) >> limits.DECAY_BITS


@kernel
def wrap(x, bits):
    """x in two's complement of `bits` bits."""
    half = int64(1) << (bits - 1)
    return ((x + half) & ((half << 1) - 1)) - half


@kernel
def outside(x, bits):
    """1 if x does not fit two's complement of `bits` bits, else 0."""
    return int64(x != wrap(x, bits))


@kernel
def limit_input(a, rule):
    """(a within the accumulator, 1 if it exceeded 21 bits and sign)."""
    over = outside(a, INPUT_BITS)
    if rule == WRAP:
        a = wrap(a, INPUT_BITS)
    elif rule == WRAP_32:
        a = wrap(a, 32)
    return a, over


@kernel
def limit_current(u, rule):
    """(u within the register, 1 if it exceeded 23 bits and sign)."""
    if rule == SATURATE:
        kept = min(max(u, -limits.STATE_MAX), limits.STATE_MAX)
        return kept, int64(kept != u)
    over = outside(u, limits.STATE_BITS)
    if rule == WRAP:
        u = wrap(u, limits.STATE_BITS)
    elif rule == WRAP_ONCE:  # lava: int32, then wrapped at most once; +2^23 can remain
        u = wrap(u, 32)
        if u > EDGE:
            u = u - 2 * EDGE
        elif u <= -EDGE:
            u = u + 2 * EDGE
    return u, over


@kernel
def limit_drive(drive, rule):
    """(u + bias within its limits, 1 if it exceeded 23 bits and sign)."""
    over = outside(drive, limits.STATE_BITS)
    if rule == WRAP:
        drive = wrap(drive, limits.STATE_BITS)
    return drive, over


@kernel
def limit_voltage(v, low, high, rule):
    """(v within the register, 1 if it left low..high)."""
    if rule == WRAP_32:
        v = wrap(v, 32)
    kept = min(max(v, low), high)
    over = int64(kept != v)
    if rule == UNLIMITED:
        kept = v
    return kept, over


@kernel
def scaled_noise(x, exponent, offset):
    """trunc((x + 64 offset) 2^(exponent - 7))."""
    mantissa = x + (offset << 6)
    if exponent >= 7:
        return mantissa << (exponent - 7)
    if mantissa < 0:
        return -(-mantissa >> (7 - exponent))
    return mantissa >> (7 - exponent)


@kernel
def draw_noise(out, first, last, population, sample, step, seed):
    """x, uniform in -127..127, for neurons first..last-1: (32 bits * 255) >> 32, minus 127."""
    k0 = uint64(seed) & LOW
    k1 = uint64(seed) >> uint64(32)
    field = (uint64(NOISE_STREAM) << LAYER_BITS) | uint64(population)
    for block in range((last - first + 3) // 4):
        words = philox4x32(uint64(block), field, uint64(sample), uint64(step), k0, k1)
        for lane, word in enumerate(words):
            neuron = first + 4 * block + lane
            if neuron < last:
                out[neuron] = int64((word * uint64(255)) >> uint64(32)) - 127


@cache
def compile_update(model: NeuronKernel) -> Any:
    """`update_neurons` for a neuron model."""
    fire = model.fire
    own_of, registers_of = compile_gather(model.variables), compile_gather(model.registers)
    write_own = compile_scatter(model.variables)

    @kernel
    def update_neurons(
        registers, rules, u, v, dead, own, a, x, seen, first, last, events, values, counts
    ):
        """Update compartments first..last-1 and list the spikes; returns how many there are.

        u, v, dead   int64 (neuron,)  state, written
        own          int64 (variable, neuron)  the model's variables in this step; written: in the next
        a            int64 (neuron,)  synaptic input in units of u; on return the value of the accumulator
        x            int64 (neuron,)  noise draws
        seen         int64 (neuron,)  v before the reset, written
        events       int32            numbers of the neurons that fired, counted from `first`
        values       int32            +1 or -1
        """
        fired = 0
        in_over, u_over, drive_over, v_over = int64(0), int64(0), int64(0), int64(0)
        active = int64(0)
        for n in range(first, last):
            before = u[n] | v[n]
            drive = registers.bias[n]
            if registers.noise[n] != 0:
                noise = scaled_noise(x[n], registers.noise_exp[n], registers.noise_offset[n])
                if registers.noise[n] == 1:
                    a[n] += noise
                else:
                    drive += noise
            a[n], over = limit_input(a[n], rules.input)
            in_over += over
            u[n], over = limit_current(decay_wide(u[n], registers.du[n]) + a[n], rules.current)
            u_over += over
            drive, over = limit_drive(u[n] + drive, rules.drive)
            drive_over += over
            now, over = limit_voltage(
                decay_wide(v[n], registers.dv[n]) + drive,
                registers.vmin[n],
                registers.vmax[n],
                rules.voltage,
            )
            v_over += over
            if dead[n] > 0:
                dead[n] -= 1
                now = int64(0)
            seen[n] = now
            active += int64((before | u[n] | now) != 0)
            done = fire(now, registers.vth[n], own_of(own, n), registers_of(registers.own, n))
            write_own(own, n, done.own)
            v[n] = done.v
            if done.spikes or now < registers.vth_low[n]:
                events[fired] = int32(n - first)
                values[fired] = int32(1) if done.spikes else int32(-1)
                if not done.spikes:
                    v[n] = int64(0)
                fired += 1
                dead[n] = registers.dead[n]
        counts[INPUT_OVERFLOW] += in_over
        counts[CURRENT_OVERFLOW] += u_over
        counts[DRIVE_OVERFLOW] += drive_over
        counts[VOLTAGE_OVERFLOW] += v_over
        counts[ACTIVE_UPDATES] += active
        counts[INACTIVE_UPDATES] += last - first - active
        counts[SPIKES] += fired
        return fired

    return update_neurons
