"""Capabilities of the Verilog core in hardware/: every field of a network description with its bound.

    CORE           description class -> field -> Bound
    check(network) ImageError names the first field that the core lacks, with what it has instead

A field of `neurosim.network` that this table does not list is a failing test, so that a new register cannot
be exported without a decision about it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from neurosim import limits
from neurosim.export.memory_images import ImageError
from neurosim.network import Connection, Dense, Input, Lif, Network, NetworkError, Noise, Population
from neurosim.population.layout import CURRENT_LIMIT

MOST_LAYERS = 10
"""hardware/plastic.v and hardware/core.v find their files by one digit."""
MOST_NEURONS = (1 << 16) - 1
"""Axons and neurons are numbered by 16 bits in hardware/chip.v."""


class Bound(NamedTuple):
    """holds: whether the core has a value of a field; allowed: the same in words."""

    holds: Callable[[Any], bool]
    allowed: str


def _any(allowed: str) -> Bound:
    return Bound(lambda value: True, allowed)


def _is(wanted: object, reason: str) -> Bound:
    return Bound(lambda value: value == wanted, f"{wanted} only: {reason}")


def _inside(allowed: limits.Range) -> Bound:
    return Bound(
        lambda value: all(int(one) in allowed for one in _values(value)),
        f"integers {allowed.low}..{allowed.high}, one a neuron",
    )


def _one(allowed: limits.Range) -> Bound:
    """One value for all neurons of a layer: a constant of the design."""
    return Bound(
        lambda value: (
            len(_values(value)) == 1 and all(int(one) in allowed for one in _values(value))
        ),
        f"one integer {allowed.low}..{allowed.high} for all neurons of a layer",
    )


def _values(value: Any) -> set[int]:
    return set(value) if isinstance(value, tuple) else {value}


NEURONS = limits.Range(1, MOST_NEURONS)
CORE: dict[type, dict[str, Bound]] = {
    Input: {
        "name": _any("any"),
        "size": Bound(
            lambda size: size in NEURONS, f"1..{MOST_NEURONS}: axons have 16-bit numbers"
        ),
        "shape": _any("any: axons lie in one row"),
    },
    Population: {
        "name": _any("any"),
        "neurons": Bound(lambda neurons: neurons in NEURONS, f"1..{MOST_NEURONS}"),
        "vth_mant": _one(limits.VTH_MANT),
        "dv": _one(limits.DECAY),
        "du": _one(limits.DECAY),
        "bias_mant": _inside(limits.BIAS_MANT),
        "bias_exp": _one(limits.BIAS_EXP),
        "refractory": Bound(
            lambda value: _values(value) == {1}, "1 only: no counter holds a neuron after its spike"
        ),
        "vth_low_mant": _is(None, "spikes are one bit, without a sign"),
        "vmin": _is(limits.VMIN.low, "v saturates at the ends of its register"),
        "vmax": _is(limits.VMAX.high, "v saturates at the ends of its register"),
        "noise": _is(None, "the neuron has no noise of its own"),
        "reset_interval": _is(0, "u and v are reset at the start of a sample alone"),
        "reset_offset": _any("any: it has no effect without reset_interval"),
        "wide_decay": _is(False, "decays are registers of 12 bits"),
        "shape": _any("any: neurons lie in one row"),
        "model": Bound(lambda model: isinstance(model, Lif), "LIF: no threshold adapts"),
    },
    Noise: {
        "exponent": Bound(lambda value: False, "none: the neuron has no noise of its own"),
        "offset": Bound(lambda value: False, "none: the neuron has no noise of its own"),
        "at_membrane": Bound(lambda value: False, "none: the neuron has no noise of its own"),
    },
    Connection: {
        "source": _any("the part before it"),
        "target": _any("the layer"),
        "weight_bits": Bound(lambda bits: bits in limits.WEIGHT_BITS, "1..8"),
        "weight_exp": Bound(
            lambda value: value in limits.WEIGHT_EXP,
            f"-8..7, where sums << current_shift stay below {CURRENT_LIMIT}",
        ),
        "sign_mode": _is("mixed", "weights are two's complement"),
        "delay": _is(0, "a spike is added when it arrives"),
        "message_bits": _is(0, "a spike is one bit"),
        "label": _any("any"),
        "kind": Bound(
            lambda kind: isinstance(kind, Dense),
            "dense connections only: no counter finds the neurons that a spike reaches through a kernel or a "
            "mask (docs/hardware.md, 'What it would take')",
        ),
    },
    Network: {
        "inputs": Bound(lambda parts: len(parts) == 1, "one"),
        "populations": Bound(
            lambda parts: len(parts) <= MOST_LAYERS,
            f"up to {MOST_LAYERS}: files are numbered by a digit",
        ),
        "connections": _any("a chain of dense layers"),
        "sizes": _any("as its parts have them"),
        "shapes": _any("as its parts have them"),
    },
}


def check(network: Network) -> None:
    """Raise ImageError, naming part and field, unless hardware/ computes exactly this network."""
    _check_fields("the network", network)
    for part in network.inputs:
        _check_fields(f"input {part.name!r}", part)
    for population in network.populations:
        _check_fields(f"layer {population.name!r}", population)
    for connection in network.connections:
        _check_fields(f"connection {connection.name}", connection)
    try:
        layers = network.layers
    except NetworkError as error:
        raise ImageError(f"hardware/ holds a chain of dense layers only: {error}") from error
    for connection, _ in layers:
        _check_current(connection, network.sizes[connection.source])


def _check_fields(where: str, part: Input | Population | Connection | Network) -> None:
    for field, bound in CORE[type(part)].items():
        value = getattr(part, field)
        if not bound.holds(value):
            raise ImageError(
                f"{where}: {field} is {_shown(value)}; the core of hardware/ has {bound.allowed}"
            )


def _shown(value: Any) -> str:
    if not isinstance(value, tuple):
        return repr(value)
    if not all(isinstance(one, int) for one in value):
        return f"{len(value)} parts"
    found = sorted(set(value))
    return (
        f"{len(found)} different values, {found[0]}..{found[-1]}"
        if len(found) > 1
        else str(found[0])
    )


def _check_current(connection: Connection, sources: int) -> None:
    """A sum of all sources at the largest weight, shifted, fits the 32-bit adders of hardware/core.v."""
    shift = connection.current_shift
    if shift < 0:
        raise ImageError(
            f"connection {connection.name}: weight_exp is {connection.weight_exp}, so that weights are "
            f"shifted by {shift}; the core of hardware/ shifts by 0 or more: raise weight_exp"
        )
    largest = sources << connection.weight_bits - 1 + shift
    if largest >= CURRENT_LIMIT:
        raise ImageError(
            f"connection {connection.name}: weight_exp is {connection.weight_exp}; {sources} sources could "
            f"add {largest} to u, and the adders of hardware/ hold less than {CURRENT_LIMIT}: "
            f"lower weight_exp"
        )
