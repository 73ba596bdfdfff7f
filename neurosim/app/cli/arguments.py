"""How does a command take its arguments and give its errors? Once, for all commands.

Errors people can do something about end in one message and status 1; an interrupt in status 130.
"""

import sys
import typing
from collections.abc import Callable, Sequence
from typing import Any

import tyro
from pydantic import ValidationError


def call(
    run: Callable[[Any], int | None],
    name: str,
    given: Sequence[str],
    default: Callable[[Sequence[str]], Any] | None = None,
) -> int:
    """Read `given` into the model `run` is annotated with, and run it.

    `default` makes the model that the flags start from, where that depends on the flags.
    """
    model = next(iter(typing.get_type_hints(run).values()))
    try:
        arguments = tyro.cli(
            model,
            prog=name,
            args=list(given),
            default=default(given) if default else tyro.MISSING_NONPROP,
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
        )
    except ValidationError as error:
        for fault in error.errors():
            where = ".".join(map(str, fault["loc"])).replace("_", "-")
            got = "" if fault["type"] == "value_error" else f", not {fault['input']!r}"
            print(
                f"{name}: {'--' + where + ': ' if where else ''}{fault['msg']}{got}",
                file=sys.stderr,
            )
        return 2
    try:
        return run(arguments) or 0
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError, ImportError) as error:
        if type(error).__module__ == "builtins" and not isinstance(error, OSError):
            raise
        print(f"{name}: {error}", file=sys.stderr)
        return 1


def data_progress(quiet: bool) -> Callable[[int, int, str], None]:
    """A line on the terminal while frames are made; nothing where nobody looks."""
    if quiet or not sys.stderr.isatty():
        return lambda done, of, what: None

    def show(done: int, of: int, what: str) -> None:
        end = "\n" if done >= of else ""
        print(f"\r\x1b[2K{what}: {done:,} of {of:,}", end=end, file=sys.stderr, flush=True)

    return show


def load_data(settings: Any, name: str | None, quiet: bool) -> Any:
    """The data set `name`, or the one a run was trained on, framed as its network needs it."""
    from neurosim.data import datasets

    return datasets.load(
        name or settings.data,
        steps=settings.steps,
        pool=settings.pool,
        progress=data_progress(quiet),
    )
