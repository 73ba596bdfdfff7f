"""Command line: `neurosim COMMAND`, with one module per command.

A command is a module of this package with a frozen pydantic model of its arguments and `run(arguments)`.
It is imported when it is asked for, so that `neurosim --help` answers at once.
"""

import difflib
import importlib
import io
import os
import sys
from collections.abc import Sequence

GROUPS: dict[str, dict[str, str]] = {
    "train and test": {
        "train": "train a network on the chip emulator, or continue a run",
        "evaluate": "accuracy and confusion matrix of a run",
        "runs": "list runs, or set some side by side",
        "report": "one HTML page of a run: accuracy, cost, curves, samples",
        "watch": "classify a stream of events as it comes",
    },
    "inspect": {
        "run": "one sample through a trained network: raster, membranes, cost",
        "map": "the cores, memory and routes a trained network takes",
    },
    "exchange": {
        "import": "a NIR graph as a network of the chip, and as a run",
        "quantise": "weights trained by bptt on the chip, with 8 to 3 bits",
        "export": "a trained network in a format that others read",
        "check-hdl": "check memory images: hashes, and a replay on the chip emulator",
        "check-vectors": "compare the chip with recorded steps of other emulators",
    },
    "experiments": {
        "bptt": "train the float reference by surrogate-gradient BPTT",
        "compare": "a run beside float training and narrower registers",
        "ablation": "accuracy with one setting changed at a time, beside float BPTT",
        "depth": "networks of several layers, learned on the chip and by BPTT",
        "faults": "accuracy on a chip with faults, before and after learning",
        "reproduce": "the paper's table and figures, for this implementation",
    },
    "this machine": {
        "bench": "time of a generation beside its lower bound on this machine",
        "bench-host": "seconds per generation of the float methods on this device",
        "warmup": "compile all kernels now, so that later commands start faster",
        "cache": "list or clear cached frames and compiled kernels",
        "completion": "script that completes commands and options in bash and zsh",
    },
}
"""Commands and what they do; the module is called like the command, with _ for -."""
COMMANDS = {name: what for group in GROUPS.values() for name, what in group.items()}
RENAMED = {"study": "ablation"}
"""Names of an earlier version, which still work in this one."""


def _help() -> str:
    width = max(len(name) for name in COMMANDS)  # `map` is a command here
    groups = (
        "\n".join((f"{group}:", *(f"  {name:<{width}}  {what}" for name, what in members.items())))
        for group, members in GROUPS.items()
    )
    return (
        "usage: neurosim COMMAND [arguments]\n\n"
        "A spiking network that learns on the chip: integers only, forward passes only.\n\n"
        + "\n\n".join(groups)
        + "\n\nneurosim COMMAND --help lists the arguments of a command,\n"
        "neurosim --version the version."
    )


def _unknown(given: str) -> str:
    """Error message for an unknown command."""
    near = difflib.get_close_matches(given, COMMANDS, 3, 0.5)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"neurosim: no command {given!r}{hint}\nneurosim --help lists the commands"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the process's exit status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # characters that its encoding has not
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["help"]:
        given = [*given[1:], "--help"]
    if not given or given[0] in ("-h", "--help"):
        print(_help())
        return 0 if given else 2
    if given[0] in ("--version", "-V"):
        from importlib.metadata import version

        print(f"neurosim-eggroll {version('neurosim-eggroll')}")
        return 0
    if given[0] in RENAMED:
        print(
            f"neurosim: {given[0]} is now {RENAMED[given[0]]}; the old name goes with the next version",
            file=sys.stderr,
        )
        given[0] = RENAMED[given[0]]
    if given[0] not in COMMANDS:
        print(_unknown(given[0]), file=sys.stderr)
        return 2
    from neurosim.app.cli import signals

    name = f"neurosim {given[0]}"
    try:
        with signals.ending(name):
            from neurosim.app.cli.arguments import call

            module = importlib.import_module(f"neurosim.app.cli.{given[0].replace('-', '_')}")
            default, needed = getattr(module, "default", None), getattr(module, "needed", None)
            return call(module.run, name, given[1:], default, needed)
    except BrokenPipeError:  # the reader of the output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt as error:
        print(f"{name}: {signals.describe(error)}", file=sys.stderr)
        return signals.status(error)
