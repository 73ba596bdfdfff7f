"""Faults of a command's arguments in words: what came, what is allowed."""

from collections.abc import Mapping
from typing import Any

_BOUNDS = {
    "greater_than_equal": ("ge", "from {}"),
    "greater_than": ("gt", "above {}"),
    "less_than_equal": ("le", "up to {}"),
    "less_than": ("lt", "below {}"),
}
_LENGTHS = {"too_short": ("min_length", "at least"), "too_long": ("max_length", "at most")}


def describe(fault: Mapping[str, Any]) -> str:
    """One line about a fault that pydantic found."""
    names = [part for part in fault["loc"] if isinstance(part, str) and part != "settings"]
    flag = ".".join(names).replace("_", "-")
    what = f"--{flag}" if flag else "arguments"
    kind, given, context = fault["type"], fault.get("input"), fault.get("ctx", {})
    if kind == "value_error":
        text = str(context.get("error", fault["msg"]))
        return f"{what}: {text}" if flag else text
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"{what} is {given!r}; allowed are values {words.format(context[bound])}"
    if kind in _LENGTHS:
        bound, words = _LENGTHS[kind]
        return f"{what} has {len(given or ())} values; needed are {words} {context[bound]}"
    if kind == "literal_error":
        return f"{what} is {given!r}; allowed are {context['expected']}"
    if kind == "extra_forbidden":
        return f"{what} is not known here"
    return f"{what} is {given!r}; {fault['msg'][:1].lower()}{fault['msg'][1:]}"
