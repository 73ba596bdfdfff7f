"""What a command prints of an experiment: its page, or its results as JSON."""

import json
from pathlib import Path
from typing import Any, Protocol


class Asked(Protocol):
    """Arguments of a command that writes a page."""

    @property
    def out(self) -> Path: ...
    @property
    def as_json(self) -> bool: ...


def print_page(page: Path, results: list[dict[str, Any]], arguments: Asked) -> None:
    """Print the page, or one JSON object where --json asks for it."""
    if arguments.as_json:
        print(json.dumps({"out": str(arguments.out), "results": results}))
    else:
        print(page.read_text(encoding="utf-8"), f"written to {page}", sep="\n")
