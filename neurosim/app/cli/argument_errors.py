"""Faults of a command's arguments in words: what came, what is allowed, what was probably meant."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from neurosim.app.cli.help_text import plain_value

_BOUNDS = {
    "greater_than_equal": ("ge", "from {}"),
    "greater_than": ("gt", "above {}"),
    "less_than_equal": ("le", "up to {}"),
    "less_than": ("lt", "below {}"),
}
_LENGTHS = {"too_short": ("min_length", "at least"), "too_long": ("max_length", "at most")}
_NUMBERS = {"INT": (int, "a whole number"), "FLOAT": (float, "a number")}
_NEAR = 0.6
"""Share of letters in common from which a name is suggested; difflib's own default."""


def lines(faults: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each fault that pydantic found, without those that follow from another one."""
    places = [tuple(fault["loc"]) for fault in faults]
    return [
        describe(fault)
        for fault, place in zip(faults, places, strict=True)
        if not any(other != place and other[: len(place)] == place for other in places if place)
    ]


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
        return (
            f"{what}: number of values is {len(given or ())}; needed are {words} {context[bound]}"
        )
    if kind == "literal_error":
        return f"{what} is {given!r}; allowed are {context['expected']}"
    if kind == "extra_forbidden":
        return f"{what} is not known here"
    return f"{what} is {given!r}; {fault['msg'][:1].lower()}{fault['msg'][1:]}"


def mistakes(parser: Any, given: Sequence[str]) -> Iterator[str]:
    """What is wrong with the arguments `given`, as typed, for the argparse parser of a command."""
    options = {flag: action for action in parser._actions for flag in action.option_strings}
    places = [action for action in parser._actions if not action.option_strings]
    alone, at, seen = [], 0, set()
    while at < len(given):
        flag, sign, value = given[at].partition("=")
        at += 1
        if not _is_flag(flag):
            alone.append(given[at - 1])
            continue
        seen.add(flag)
        values = [value] if sign else []
        most = _most(options[flag].nargs) if flag in options else len(given)
        while at < len(given) and len(values) < most and not _is_flag(given[at]) and not sign:
            values.append(given[at])
            at += 1
        if flag in options:
            yield from _faulty_values(flag, options[flag], values)
        else:
            names = [known.lstrip("-") for known in options]
            near = difflib.get_close_matches(flag.lstrip("-"), names, 2, _NEAR)
            hint = f"; did you mean --{' or --'.join(near)}?" if near else ""
            yield f"no option {flag}{hint}"
    for place in places:
        most = _most(place.nargs)
        own, alone = alone[:most], alone[most:]
        if place.required and not own:
            yield f"{plain_value(place.metavar or '')} is missing: {_meaning(place)}"
        yield from _wrong_values(plain_value(place.metavar or ""), place, own)
    for action in dict.fromkeys(options.values()):
        if action.required and not seen & set(action.option_strings):
            yield f"{action.option_strings[0]} is missing: {_meaning(action)}"
    if alone:
        yield f"nothing is expected of {' '.join(alone)}; options begin with --"


def _is_flag(text: str) -> bool:
    """Whether a word is an option: a number below 0 is not."""
    return text.startswith("-") and re.match(r"-(\d|\.\d|$|inf)", text) is None


def _most(nargs: Any) -> int:
    """Values that an argument takes at most."""
    if isinstance(nargs, int):
        return nargs
    return 1 if nargs in (None, "?") else 1 << 20


def _meaning(action: Any) -> str:
    """What an argument is for, up to its default."""
    from neurosim.app.cli.help_text import plain_default, unstyled

    return plain_default(unstyled(action.help or "")).partition(" (default:")[0]


def _faulty_values(flag: str, action: Any, values: Sequence[str]) -> Iterator[str]:
    if action.nargs == 0 and values:
        yield f"{flag} takes no value; it is {values[0]!r}"
    elif not values and action.nargs not in (0, "*", "?"):
        yield f"{flag} needs a value: {_meaning(action)}"
    else:
        yield from _wrong_values(flag, action, values)


def _wrong_values(what: str, action: Any, values: Sequence[str]) -> Iterator[str]:
    """Values that are no number, or not among the choices."""
    choices = [one for one in action.choices or () if one != "None"]
    kind = next((one for one in _NUMBERS if one in str(action.metavar)), None)
    for value in values:
        if choices and value not in action.choices:
            near = difflib.get_close_matches(value, choices, 1, _NEAR)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield f"{what} is {value!r}; allowed are {', '.join(sorted(choices))}{hint}"
        elif kind and value != "None" and not _reads(_NUMBERS[kind][0], value):
            yield f"{what} is {value!r}; needed is {_NUMBERS[kind][1]}: {_meaning(action)}"


def _reads(kind: type, value: str) -> bool:
    try:
        kind(value)
    except ValueError:
        return False
    return True
