"""Text of files on a terminal: without control characters, and without the markup of tables."""


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
