"""Pages of experiments: made by a command, and what it prints of them."""

import json
from pathlib import Path
from typing import Any, Protocol

from neurosim.app.cli.progress import progress


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


class AskedAgain(Asked, Protocol):
    """Arguments of a command that can also write the page of what is there."""

    @property
    def only_page(self) -> bool: ...


def make_page(of: Any, what: str, arguments: AskedAgain, *data: Any) -> None:
    """Do what is left of an experiment, and print its page.

    of    module of the page: plan, run and from_store, which take the arguments and the data
    what  a part of the work, as the progress names it
    """
    if arguments.only_page:
        page, results = of.from_store(arguments, *data)
    else:
        count = len(of.plan(arguments, *data))
        with progress(what, count, arguments.as_json) as tell:
            page, results = of.run(arguments, *data, tell)
    print_page(page, results, arguments)
