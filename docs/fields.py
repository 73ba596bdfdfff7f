"""Docstrings of the API reference: what stands in two columns becomes a list, an entry for each name.

    fitness    int64 (pair, 2): ...        - `fitness`: int64 (pair, 2): ...
    saturated  int64 (pair, 2)             - `saturated`: int64 (pair, 2)

A name, or several with commas between, is followed by two spaces at least; lines that are indented go on.
"""

import re
from typing import Any

import griffe

_ENTRY = re.compile(r"([A-Za-z_][\w.*]*(?:, [A-Za-z_][\w.*]*)*) {2,}(\S.*)")


def listed(text: str) -> str:
    """A docstring with lists in place of columns."""
    lines: list[str] = []
    inside = False
    for line in text.splitlines():
        entry = _ENTRY.fullmatch(line)
        if entry:
            names = ", ".join(f"`{name}`" for name in entry[1].split(", "))
            lines += [*([] if inside or not lines else [""]), f"- {names}: {entry[2]}"]
            inside = True
        elif inside and re.match(r" +\S", line):
            lines.append(f"    {line.strip()}")
        else:
            lines += ["", line] if inside and line else [line]
            inside = False
    return "\n".join(lines)


class Fields(griffe.Extension):
    """Applies `listed` to every docstring."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called for every module, class, function and attribute."""
        if obj.docstring is not None:
            obj.docstring.value = listed(obj.docstring.value)
