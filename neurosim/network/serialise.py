"""How is a network written in JSON, so that every register comes back as it was?

    describe(network) -> plain dicts, lists, strings, integers -> network_of(...)

Keys are the fields of `neurosim.network`; a register of one value for each neuron is a list.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from neurosim.network import Connection, Input, Network, NetworkError, Noise, Population

PARTS = {"inputs": Input, "populations": Population, "connections": Connection}


def describe(network: Network) -> dict[str, list[dict[str, Any]]]:
    """Every field of every part, in order."""
    return {kind: [asdict(part) for part in getattr(network, kind)] for kind in PARTS}


def network_of(described: Mapping[str, Any]) -> Network:
    """The network that `describe` wrote; NetworkError where it cannot be one."""
    parts = {kind: tuple(_part(kind, one) for one in described[kind]) for kind in PARTS}
    return Network(**parts)


def _part(kind: str, fields: Mapping[str, Any]) -> Any:
    values: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in fields.items()
    }
    if values.get("noise") is not None:
        values["noise"] = Noise(**values["noise"])
    try:
        return PARTS[kind](**values)
    except TypeError as error:
        raise NetworkError(f"{kind}, {fields.get('name')!r}: {error}") from error
