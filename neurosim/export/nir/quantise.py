"""Quantisation of a population of a NIR graph to the nearest registers.

NIR's equations by forward Euler, v counted from v_reset, I from rest, x what arrives:

    CubaLIF  I += (dt/tau_syn) (w_in x - I)    v += (dt/tau_mem) (v_leak - v + r I)
    LIF                                        v += (dt/tau) (v_leak - v + r x)
    IF                                         v += r x            as its readers take it, without dt

The chip's, with u the part of I that reaches v, and one scale S (units of v for NIR's 1) a population:

    (du + 1) / 4096 = dt/tau_syn     dv / 4096 = dt/tau_mem     vth_mant << 6 = S v_threshold
    mantissa << current_shift = S gain w     bias = S (dt/tau_mem v_leak + settled b)

Choice of S: one at which every register holds what it should without rounding, where there is one: weights
that are whole numbers of some unit, as quantised ones are. Otherwise the mantissas of the largest
connection reach 127, times the power of two that brings the threshold nearest below 2^16: v is then 128
thresholds wide or more, a threshold is right to 1 in 1,000, and vth_mant is of the size that recipes of
learning use. One S for all neurons, since a core holds few different thresholds. Other connections get the
exponent they need.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from neurosim import limits
from neurosim.chip.synapses import Dense
from neurosim.export.nir.file_io import NirError
from neurosim.export.nir.registers import Row, fit
from neurosim.export.nir.topology import Float, Wire
from neurosim.export.nir.values import numbers, plain
from neurosim.network import Connection, Population, mantissas
from neurosim.network.connections import SumPool2d

THRESHOLD = float(1 << 16)
"""Where the threshold comes to lie, in units of v; chosen here, for what is said above."""
EXPONENTS = limits.Range(-limits.STATE_SHIFT - 1, limits.WEIGHT_EXP.high)
"""Exponents with which an 8-bit mantissa of either sign adds whole numbers to u."""
TOP = mantissas(8, "mixed").high


class Dynamics(NamedTuple):
    """A population in steps; every array float64 (neuron,).

    synapse, membrane  decay of I and of v per step
    gain               increment of v by x = 1 in the step it arrives
    settled            increment of v per step by a constant x = 1, in the steady state
    drift              increment of v per step by the leak
    threshold          above v_reset
    """

    synapse: Float
    membrane: Float
    gain: Float
    settled: Float
    drift: Float
    threshold: Float


class Quantised(NamedTuple):
    """A population of the chip and the connections that lead to it."""

    population: Population
    connections: tuple[Connection, ...]
    weights: tuple[Dense, ...]
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]


def dynamics(name: str, node: Any, size: int, dt: float) -> Dynamics:
    """The parameters of CubaLIF, LIF or IF for `size` neurons and a step of dt seconds."""
    kind = type(node).__name__

    def parameter(what: str, endless: bool = False) -> Float:
        values = numbers(name, what, getattr(node, what), endless).ravel()
        if values.size not in (1, size):
            raise NirError(f"node {name!r}: {what} has {values.size} values for {size} neurons")
        return np.broadcast_to(values, size)

    def share(what: str) -> Float:
        tau = parameter(what, endless=True)
        if (tau <= 0).any():
            raise NirError(f"node {name!r}: {what} is {tau.min():g} s; allowed is above 0")
        return dt / tau

    ones, reset, r = np.ones(size), parameter("v_reset"), parameter("r")
    threshold = parameter("v_threshold") - reset
    if kind == "IF":
        return Dynamics(ones, 0 * ones, r, r, 0 * ones, threshold)
    synapse = share("tau_syn") if kind == "CubaLIF" else ones
    membrane = share("tau_mem" if kind == "CubaLIF" else "tau")
    settled = membrane * r * (parameter("w_in") if kind == "CubaLIF" else 1.0)
    drift = membrane * (parameter("v_leak") - reset)
    return Dynamics(synapse, membrane, synapse * settled, settled, drift, threshold)


def quantised(
    name: str,
    node: Any,
    size: int,
    wires: list[Wire],
    titles: dict[str, str],
    dt: float,
    clip: bool,
) -> Quantised:
    """The registers nearest to `size` neurons and the ways to them; titles: node -> name on the chip."""
    found = dynamics(name, node, size, dt)
    currents = [found.gain[:, None] * wire.weights for wire in wires]
    drive = found.drift + sum((found.settled * wire.bias for wire in wires), np.zeros(1))
    scale = (
        _exact_scale(currents, found.threshold, drive)
        or _pool_scale(wires, currents, found.threshold)
        or _scale(currents, found.threshold, drive)
    )
    du = fit(name, "du", found.synapse * limits.DECAY_ONE - 1, limits.DECAY, clip)
    dv = fit(name, "dv", found.membrane * limits.DECAY_ONE, limits.DECAY, clip)
    unit = 1 << limits.STATE_SHIFT
    vth = fit(name, "vth_mant", scale * found.threshold, limits.VTH_MANT, clip, unit)
    exponent = _bias_exponent(scale * drive)
    bias = fit(name, "bias_mant", scale * drive, limits.BIAS_MANT, clip, 1 << exponent)
    population = Population(
        titles[name],
        found.threshold.size,
        vth_mant=_each(vth.values),
        dv=_each(dv.values),
        du=_each(du.values),
        bias_mant=_each(bias.values),
        bias_exp=exponent,
    )
    rows = [du.row, dv.row, vth.row, bias.row]
    connections, weights = [], []
    for wire, current in zip(wires, currents, strict=True):
        twins = [w for w in wires if w.source == wire.source]
        connection, dense, more = _connection(
            wire, scale * current, titles, wire.node if len(twins) > 1 else "", dt, clip
        )
        connections.append(connection)
        weights.append(dense)
        rows += more
    reported = tuple(row for row in rows if row.register != "bias_mant" or drive.any())
    remarks = _remarks(name, node, found, wires)
    return Quantised(population, tuple(connections), tuple(weights), reported, remarks)


def _exact_scale(currents: list[Float], threshold: Float, drive: Float) -> float | None:
    """A scale at which weights, thresholds and biases are whole numbers of their registers, or None.

    Of several the one that brings the threshold nearest to THRESHOLD.
    """
    unit = _unit(np.concatenate([np.abs(one).ravel() for one in currents] or [np.zeros(0)]))
    if not unit:
        return None
    scales = [
        2.0 ** (limits.STATE_SHIFT + 1 + exponent) / unit
        for exponent in range(EXPONENTS.low, EXPONENTS.high + 1)
    ]
    held = [scale for scale in scales if _is_exact(scale, currents, threshold, drive)]
    above = float(np.abs(threshold).max())
    return (
        min(held, key=lambda scale: abs(math.log2(scale * above / THRESHOLD)), default=None)
        if above
        else None
    )


def _pool_scale(wires: list[Wire], currents: list[Float], threshold: Float) -> float | None:
    """For a pool that alone feeds a population, the scale at which its mantissas are a power of two.

    Of several the one that brings the threshold nearest to THRESHOLD; None for anything else.
    """
    above = float(np.abs(threshold).max())
    if len(wires) != 1 or not isinstance(wires[0].kind, SumPool2d) or not above:
        return None
    weights = np.unique(currents[0][currents[0] != 0])
    if weights.size != 1 or weights[0] < 0:
        return None
    exponent = round(math.log2(THRESHOLD * weights[0] / above))
    lowest, highest = limits.STATE_SHIFT + 1, limits.STATE_SHIFT + 1 + EXPONENTS.high
    return float(2.0 ** min(max(exponent, lowest), highest) / weights[0])


def _unit(sizes: Float) -> float:
    """The largest number of which all others are whole multiples up to 2^15, or 0."""
    sizes = np.unique(sizes[sizes > 0])
    for divisor in range(1, TOP + 1) if sizes.size else ():
        unit = float(sizes[0]) / divisor
        if sizes[-1] / unit < 1 << 15 and _whole(sizes / unit):
            return unit
    return 0.0


def _whole(values: Float) -> bool:
    """Whether values are whole but for rounding of the floats that they come from."""
    return bool((np.abs(values - np.rint(values)) <= 1e-9 * np.maximum(1.0, np.abs(values))).all())


def _is_exact(scale: float, currents: list[Float], threshold: Float, drive: Float) -> bool:
    """Whether every register holds what this scale asks for, without rounding or clipping."""
    unit = 1 << limits.STATE_SHIFT
    thresholds = scale * threshold / unit
    if not _whole(thresholds) or not (
        limits.VTH_MANT.low <= thresholds.min() <= thresholds.max() <= limits.VTH_MANT.high
    ):
        return False
    exponent = _bias_exponent(scale * drive)
    biases = scale * drive / (1 << exponent)
    if not _whole(biases) or np.abs(biases).max() > limits.BIAS_MANT.high:
        return False
    for one in currents:
        wanted = _weight_exponent(float(np.abs(scale * one).max(initial=0)))
        mantissa = scale * one / 2.0 ** (limits.STATE_SHIFT + 1 + wanted)
        if wanted not in EXPONENTS or not _whole(mantissa) or np.abs(mantissa).max(initial=0) > TOP:
            return False
    return True


def _scale(currents: list[Float], threshold: Float, drive: Float) -> float:
    """Units of v for NIR's 1."""
    largest = max(currents, key=np.size, default=np.zeros(0))
    weight = float(np.abs(largest).max(initial=0))
    above = float(np.abs(threshold).max())
    full = TOP * 2.0 ** (limits.STATE_SHIFT + 1) / weight if weight else THRESHOLD / (above or 1.0)
    wanted = math.floor(math.log2(THRESHOLD / (full * above))) if above else 0
    exponent = min(max(wanted, EXPONENTS.low), EXPONENTS.high)
    most = limits.BIAS_MANT.high << limits.BIAS_EXP.high
    while exponent > EXPONENTS.low and full * 2.0**exponent * np.abs(drive).max() > most:
        exponent -= 1
    return full * 2.0**exponent


def _bias_exponent(bias: Float) -> int:
    largest = float(np.abs(bias).max())
    needed = math.ceil(math.log2(max(largest, 1.0) / limits.BIAS_MANT.high))
    return min(max(needed, limits.BIAS_EXP.low), limits.BIAS_EXP.high)


def _weight_exponent(largest: float) -> int:
    """The least exponent with which a mantissa holds `largest`; it may be above EXPONENTS."""
    lowest = TOP * 2.0 ** (limits.STATE_SHIFT + 1)
    # the exponent of the largest connection is whole by choice of the scale: rounding must not raise it
    needed = math.ceil(math.log2(largest / lowest) - 1e-9) if largest else 0
    return max(needed, EXPONENTS.low)


def _connection(
    wire: Wire, currents: Float, titles: dict[str, str], label: str, dt: float, clip: bool
) -> tuple[Connection, Dense, list[Row]]:
    needed = _weight_exponent(float(np.abs(currents).max(initial=0)))
    exponent = min(needed, EXPONENTS.high)
    form = Connection(titles[wire.source], titles[wire.target], weight_exp=exponent, label=label)
    held = fit(wire.node, "weight", currents / (1 << form.current_shift), form.mantissa, clip)
    rows = [held.row]
    delays = None
    seconds = wire.after[:, None] + wire.before[None, :]
    if seconds.any():
        steps = fit(wire.node, "delay", seconds / dt, limits.DELAY, clip)
        rows.append(steps.row)
        delays = steps.values
    if delays is not None and (delays == delays.flat[0]).all():
        form = Connection(
            form.source, form.target, weight_exp=exponent, label=label, delay=int(delays.flat[0])
        )
        delays = None
    return form, Dense(held.values << form.grid_bits, delays), rows


def _each(values: Any) -> int | tuple[int, ...]:
    """One value where all neurons have the same, else one for each."""
    listed = tuple(values.tolist())
    return listed[0] if len(set(listed)) == 1 else listed


def _remarks(name: str, node: Any, found: Dynamics, wires: list[Wire]) -> tuple[str, ...]:
    reported = []
    if np.any(plain(node.v_reset)):
        reported.append(f"node {name!r}: v starts at v_reset, which is the chip's 0")
    if (found.synapse < 1).any() and any(wire.bias.any() for wire in wires):
        reported.append(f"node {name!r}: a bias acts in full at once, and not after some tau_syn")
    return tuple(reported)
