"""How is a network written in JSON, so that every register comes back as it was?

    describe(network) -> plain dicts, lists, strings, integers -> network_of(...)

Keys are the fields of `neurosim.network`; a register of one value for each neuron is a list.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from neurosim.network import Connection, Input, Network, NetworkError, Noise, Population

PARTS = {"inputs": Input, "populations": Population, "connections": Connection}
NAMES = ("name", "source", "target", "label")
"""Fields that are text."""


def describe(network: Network) -> dict[str, list[dict[str, Any]]]:
    """Every field of every part, in order."""
    return {kind: [asdict(part) for part in getattr(network, kind)] for kind in PARTS}


def network_of(described: Any) -> Network:
    """The network that `describe` wrote; NetworkError where it cannot be one, whatever it is."""
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
    if not isinstance(fields, Mapping):
        raise NetworkError(
            f"{kind}: {type(fields).__name__} describes no part; needed is an object"
        )
    values: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()
    }
    for name in NAMES:
        if name in values and not isinstance(values[name], str):
            raise NetworkError(f"{kind}: {name} is {values[name]!r}; needed is text")
    try:
        if values.get("noise") is not None:
            values["noise"] = Noise(**values["noise"])
        return PARTS[kind](**values)
    except TypeError as error:
        raise NetworkError(f"{kind}, {fields.get('name')!r}: {error}") from error
