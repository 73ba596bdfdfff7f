"""How is a network written in JSON, so that every register comes back as it was?

    describe(network) -> plain dicts, lists, strings, integers -> network_of(...)

Keys are the fields of `neurosim.network`; a register of one value for each neuron is a list.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from neurosim.network import Connection, Input, Network, NetworkError, Noise, Population
from neurosim.network.connections import KINDS, Dense
from neurosim.network.neurons import MODELS, Lif

PARTS = {"inputs": Input, "populations": Population, "connections": Connection}
LATER: dict[str, Callable[[Any], object]] = {
    "shape": lambda part: (part.size,),
    "kind": lambda part: Dense(),
    "model": lambda part: Lif(),
}
"""Fields that were added later, and the value at which they are left out."""


def describe(network: Network) -> dict[str, list[dict[str, Any]]]:
    """Every field of every part, in order; later fields only where they say something."""
    return {kind: [part_fields(part) for part in getattr(network, kind)] for kind in PARTS}


def part_fields(part: Any) -> dict[str, Any]:
    """The fields of a part, in order; later fields only where they say something."""
    values = asdict(part)
    for name, default in LATER.items():
        if name not in values:
            continue
        value = getattr(part, name)
        if value == default(part):
            del values[name]
        elif name != "shape":
            values[name] = {"name": value.name, **asdict(value)}
    return values


def network_of(described: Mapping[str, Any]) -> Network:
    """The network that `describe` wrote; NetworkError where it cannot be one."""
    parts = {kind: tuple(_part(kind, one) for one in described[kind]) for kind in PARTS}
    return Network(**parts)


def _part(kind: str, fields: Mapping[str, Any]) -> Any:
    values = _tuples(fields)
    if values.get("noise") is not None:
        values["noise"] = Noise(**values["noise"])
    for name, known in (("kind", KINDS), ("model", MODELS)):
        if name in values:
            values[name] = _object(name, values[name], known)
    try:
        return PARTS[kind](**values)
    except TypeError as error:
        raise NetworkError(f"{kind}, {fields.get('name')!r}: {error}") from error


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}


def _object(what: str, fields: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """A connection kind or a neuron model of its fields."""
    values = _tuples(fields)
    name = values.pop("name", None)
    if name not in known:
        raise NetworkError(f"{what} is {name!r}; there are {sorted(known)}")
    try:
        return known[name](**values)
    except TypeError as error:
        raise NetworkError(f"{what} {name!r}: {error}") from error
