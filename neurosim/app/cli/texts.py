"""Text of files on a terminal: without control characters, and without the markup of tables."""

from collections.abc import Sequence


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


def aligned(rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> str:
    """Rows of a table as lines, columns to the right except those of `left`."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column in left else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
