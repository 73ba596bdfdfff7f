"""What differs between two networks, by the names of their parts and registers."""

from dataclasses import fields
from typing import Any

from neurosim.network.description import Network

NAMED = 3
"""Differences that are named; chosen here."""


def differences(one: Network, other: Network) -> str:
    """The first differences of two networks, and how many more there are; "" where there are none."""
    found = []
    for what in ("inputs", "populations", "connections"):
        mine, theirs = ({part.name: part for part in getattr(n, what)} for n in (one, other))
        for name in dict.fromkeys([*mine, *theirs]):
            found += _of_part(f"{what[:-1]} {name!r}", mine.get(name), theirs.get(name))
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return ", ".join(found[:NAMED]) + more


def _of_part(where: str, mine: Any, theirs: Any) -> list[str]:
    if mine is None or theirs is None:
        return [f"{where} is in the {'second' if mine is None else 'first'} alone"]
    return [
        f"{where}: {field.name} {_short(getattr(mine, field.name))} and {_short(getattr(theirs, field.name))}"
        for field in fields(mine)
        if getattr(mine, field.name) != getattr(theirs, field.name)
    ]


LONGEST = 60
"""Characters of a value that is shown; chosen here, of tuples of a register for each neuron."""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."
