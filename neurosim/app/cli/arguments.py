"""Arguments and errors of commands, the same for all.

Errors that the user can correct end in one message and status 1.
"""

import contextlib
import inspect
import io
import sys
import time
import typing
from collections.abc import Callable, Sequence
from typing import Any

import tyro
from pydantic import ValidationError

from neurosim.app.cli import argument_errors, help_text, needs
from neurosim.app.cli.texts import plain
from neurosim.app.cli.training_display import clock

CONFIG = (tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff)
"""How flags are made of a model."""


def call(
    run: Callable[[Any], int | None],
    name: str,
    given: Sequence[str],
    default: Callable[[Sequence[str]], Any] | None = None,
    needed: Callable[[Any], Sequence[needs.Need]] | None = None,
) -> int:
    """Read `given` into the model `run` is annotated with, and run it.

    `default` makes the model that the flags start from, where that depends on the flags; `needed` tells
    which optional packages these arguments need.
    """
    model = next(iter(typing.get_type_hints(run).values()))
    try:
        start = default(given) if default else tyro.MISSING_NONPROP
    except ValueError as error:
        print(plain(f"{name}: {error}"), file=sys.stderr)
        return 2
    if {"-h", "--help"} & set(given):
        options = help_text.options(help_text.parser_of(model, name, start, CONFIG))
        print(help_text.render(name, inspect.getdoc(model) or "", options))
        return 0
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # of tyro's own description of mistakes
            arguments = tyro.cli(model, prog=name, args=list(given), default=start, config=CONFIG)
    except ValidationError as error:
        return _refused(name, argument_errors.lines(error.errors()))
    except SystemExit as ending:
        cause: BaseException | None = ending
        while cause is not None and not isinstance(cause, ValidationError):
            cause = cause.__context__
        if cause is not None:
            return _refused(name, argument_errors.lines(cause.errors()))
        parser = help_text.parser_of(model, name, start, CONFIG)
        return _refused(name, list(argument_errors.mistakes(parser, given)))
    try:
        needs.check(needed(arguments) if needed else ())
        return run(arguments) or 0
    except (ValueError, OSError, ImportError) as error:
        if type(error).__module__ == "builtins" and not isinstance(error, OSError):
            raise
        print(plain(f"{name}: {error}"), file=sys.stderr)
        return 1


def _refused(name: str, faults: Sequence[str]) -> int:
    """Print what is wrong with the arguments of a command; returns the exit status."""
    for fault in faults or ["these arguments do not go together"]:
        print(plain(f"{name}: {fault}"), file=sys.stderr)
    print(f"{name} --help lists what is allowed", file=sys.stderr)
    return 2


def data_progress(quiet: bool) -> Callable[[int, int, str], None]:
    """A line on the terminal while frames are made, with the time left; elsewhere one now and then."""
    if quiet:
        return lambda done, of, what: None
    terminal = sys.stderr.isatty()
    began = last = time.monotonic()
    kept: int | None = (
        None  # samples that an earlier reading had made: the first call says how many
    )

    def show(done: int, of: int, what: str) -> None:
        nonlocal last, began, kept
        now = time.monotonic()
        if kept is None:
            kept, began = done, now
        left = f", {clock((of - done) * (now - began) / (done - kept))} left" if done > kept else ""
        line = f"{what}: {done:,} of {of:,}{left}"
        if terminal:
            end = "\n" if done >= of else ""
            print(f"\r\x1b[2K{line}", end=end, file=sys.stderr, flush=True)
        elif now - last > _LINE_SECONDS:
            last = now
            print(line, file=sys.stderr, flush=True)

    return show


_LINE_SECONDS = 10.0
"""Between two lines of progress in a file or pipe, chosen here."""


def load_settings(settings: Any, quiet: bool) -> Any:
    """The data set of some settings, as frames; prints a description of it."""
    from neurosim.data import datasets

    data = datasets.load(
        settings.data,
        steps=settings.steps,
        pool=settings.pool,
        options=settings.data_options,
        progress=data_progress(quiet),
    )
    tell_data(data, quiet)
    return data


def load_data(config: Any, name: str | None, quiet: bool, choice: Any = None) -> Any:
    """The data set `name`, or the one a run was trained on, framed and labelled as its network needs it.

    choice   a DataChoice whose options replace those of the run
    """
    from neurosim.data import datasets

    settings = config.settings
    asked = {} if choice is None else choice.data_options.given()
    options = settings.data_options
    if name is not None and name != settings.data:
        options = datasets.usable(
            name, options._replace(camera=None, holdout=None, skip=None, partial=False)
        )
    data = datasets.load(
        name or settings.data,
        steps=settings.steps,
        pool=settings.pool,
        options=options._replace(**asked),
        progress=data_progress(quiet),
    )
    data = datasets.relabelled(data, config.class_names)
    if data.train.inputs != config.inputs:
        raise datasets.DatasetError(
            f"{data.name} has {data.train.inputs:,} inputs ({data.sensor}), the network of the run "
            f"{config.inputs:,}; choose --sensor so that they agree"
        )
    tell_data(data, quiet)
    return data


def tell_data(data: Any, quiet: bool) -> None:
    """Print the classes, the samples of each split, the rules that were used, and ignored files."""
    if not quiet:
        print(f"{data.name}", *data.notes, sep="\n  ", file=sys.stderr, flush=True)
