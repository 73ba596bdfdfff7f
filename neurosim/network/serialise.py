"""Networks as JSON: every register is restored exactly.

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
NAMES = ("name", "source", "target", "label")
"""Fields that are text."""
LATER: dict[str, Callable[[Any], object]] = {
    "shape": lambda part: (part.size,),
    "kind": lambda part: Dense(),
    "model": lambda part: Lif(),
}
"""Fields added in later versions, and the default at which they are omitted."""


def describe(network: Network) -> dict[str, list[dict[str, Any]]]:
    """Every field of every part, in order; fields added later only where they differ from the default."""
    return {kind: [part_fields(part) for part in getattr(network, kind)] for kind in PARTS}


def part_fields(part: Any) -> dict[str, Any]:
    """The fields of a part, in order; fields added later only where they differ from the default."""
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


def network_of(described: Any) -> Network:
    """The inverse of `describe`; NetworkError for any content that is not a network."""
    if not isinstance(described, Mapping):
        raise NetworkError(f"a network is described by an object, not {type(described).__name__}")
    parts: dict[str, Any] = {}
    for kind in PARTS:
        listed = described.get(kind)
        if not isinstance(listed, list | tuple):
            raise NetworkError(f"{kind} of a network are a list, not {type(listed).__name__}")
        parts[kind] = tuple(_part(kind, one) for one in listed)
    return Network(**parts)


def _part(kind: str, fields: Any) -> Any:
    values = _tuples(kind, fields)
    for name in NAMES:
        if name in values and not isinstance(values[name], str):
            raise NetworkError(f"{kind}: {name} is {values[name]!r}; needed is text")
    for name, known in (("kind", KINDS), ("model", MODELS)):
        if name in values:
            values[name] = _object(name, values[name], known)
    if values.get("noise") is not None:
        values["noise"] = _made(Noise, "noise", _tuples("noise", values["noise"]))
    return _made(PARTS[kind], f"{kind}, {fields.get('name')!r}", values)


def _tuples(what: str, fields: Any) -> dict[str, Any]:
    """The fields of a JSON object, lists as tuples; NetworkError where it is not an object."""
    if not isinstance(fields, Mapping):
        raise NetworkError(f"{what} is {type(fields).__name__}; needed is an object")
    return {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()}


def _made(kind: Callable[..., Any], what: str, values: Mapping[str, Any]) -> Any:
    """An instance of `kind` with these fields; NetworkError for other fields or types of values."""
    try:
        return kind(**values)
    except NetworkError:
        raise
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise NetworkError(f"{what}: {error}") from error


def _object(what: str, fields: Any, known: Mapping[str, Any]) -> Any:
    """A connection kind or a neuron model from its fields."""
    values = _tuples(what, fields)
    name = values.pop("name", None)
    if not isinstance(name, str) or name not in known:
        raise NetworkError(f"{what} is {name!r}; there are {sorted(known)}")
    return _made(known[name], f"{what} {name!r}", values)
