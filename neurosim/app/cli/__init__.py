"""Command line: `neurosim COMMAND`, with one module per command.

A command is a module of this package with a frozen pydantic model of its arguments and `run(arguments)`.
It is imported when it is asked for, so that `neurosim --help` answers at once.
"""

import importlib
import sys
from collections.abc import Sequence

COMMANDS = {
    "train": "train a network on the chip emulator, or continue a run",
    "evaluate": "accuracy and confusion matrix of a run",
    "run": "one sample through a trained network: raster, membranes, cost",
    "map": "the cores, memory and routes a trained network takes",
    "export": "a trained network in a format that others read",
    "import": "a NIR graph as a network of the chip, and as a run",
    "report": "one HTML page of a run: accuracy, cost, curves, samples, cores, settings",
    "check-vectors": "compare the chip with recorded steps of another emulator",
    "check-hdl": "check memory images: hashes, and a replay on the chip emulator",
    "bptt": "train the float reference by surrogate-gradient BPTT",
    "quantise": "weights trained by bptt, on the chip with 8 to 3 bits per weight",
    "compare": "a run beside float training, quantised weights and narrower registers",
    "reproduce": "the paper's table and figures, for this implementation",
    "study": "ablation of the learning settings, beside float BPTT on the same events",
    "faults": "what learning on a chip with faults repairs",
    "cache": "list or clear cached frames and compiled kernels",
    "bench": "time of a generation beside its lower bound on this machine",
    "warmup": "compile all kernels now, so that later commands start faster",
    "bench-host": "seconds per generation of the float methods on this device",
}
"""Command and what it does; the module is called like the command, with _ for -."""


def _help() -> str:
    width = max(len(name) for name in COMMANDS)  # `map` is a command here
    rows = "\n".join(f"  {name:<{width}}  {what}" for name, what in COMMANDS.items())
    return (
        "usage: neurosim COMMAND [arguments]\n\n"
        "A spiking network that learns on the chip: integers only, forward passes only.\n\n"
        f"commands:\n{rows}\n\n"
        "neurosim COMMAND --help lists the arguments of a command."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the process's exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if given else 2
    if given[0] == "--version":
        from importlib.metadata import version

        print(f"neurosim-eggroll {version('neurosim-eggroll')}")
        return 0
    if given[0] not in COMMANDS:
        print(f"neurosim: no command {given[0]!r}\n\n{_help()}", file=sys.stderr)
        return 2
    from neurosim.app.cli import signals

    name = f"neurosim {given[0]}"
    try:
        with signals.ending(name):
            from neurosim.app.cli.arguments import call

            module = importlib.import_module(f"neurosim.app.cli.{given[0].replace('-', '_')}")
            default = getattr(module, "default", None)
            return call(module.run, name, given[1:], default)
    except KeyboardInterrupt as error:
        print(f"{name}: {signals.describe(error)}", file=sys.stderr)
        return signals.status(error)
