"""Text of files on a terminal: without control characters, and without the markup of tables."""

import textwrap
from collections.abc import Sequence
from itertools import zip_longest


def plain(text: object) -> str:
    """`text` with every character that does not print, new lines apart, written as an escape."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in str(text)
    )


def cell(text: object) -> str:
    """`plain` text for a rich table, title or line, where [brackets] would be markup."""
    from rich.markup import escape

    return escape(plain(text))


LEAST_WIDTH = 8
"""Characters of a column that is broken, at least: chosen here."""


def aligned(rows: Sequence[Sequence[str]], left: Sequence[int] = (), within: int = 0) -> str:
    """Rows of a table as lines, columns to the right except those of `left`.

    within  characters of a line, where the widest columns are broken so that it fits; 0: as wide as it is
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    while within and sum(widths) + 2 * (len(widths) - 1) > within and max(widths) > LEAST_WIDTH:
        widths[widths.index(max(widths))] -= 1
    lines: list[Sequence[str]] = []
    for row in rows:
        parts = [
            textwrap.wrap(text, width) if len(text) > width else [text]
            for text, width in zip(row, widths, strict=True)
        ]
        lines += zip_longest(*parts, fillvalue="")
    return "\n".join(
        "  ".join(
            text.ljust(width) if column in left else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
