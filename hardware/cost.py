"""State bits and multipliers of each core, to infer alone and to learn.

    python hardware/cost.py FOLDER      FOLDER as `neurosim export RUN --to hdl` wrote it

Counted from the design that Icarus Verilog elaborates with the folder's params.vh, with LEARNING 0 and 1:
every bit of a `reg` is a state bit, every instance of multiply.v a multiplier.
"""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from simulate import design

HERE = Path(__file__).parent
SCOPE = re.compile(r'^(S_\w+) \.scope (\w+)[^,]*?, "([^"]+)"(?: "(\w+)")?.*?(S_\w+)?;$')
PARAMETER = re.compile(r'^P_\w+ \.param/l "([AB])" .*C4<([01]+)>')
REGISTER = re.compile(r'^v\w+ \.var(?:/\w+)? "(\w+)", (-?\d+) (-?\d+)')
MEMORY = re.compile(r'^v\w+ \.array(?:/\w+)? "(\w+)", (\d+) (\d+), (\d+) (\d+)')
PARTS = {
    "synapses": r"fixed\.synapses|learns\.synapses\.states",
    "directions of synapses": r"learns\.synapses\.directions",
    "copy of the outgoing synapses": r"outgoing_synapses\.states",
    "directions of the copy": r"outgoing_synapses\.directions",
    "neurons": r"core\.(u|v|sums|spikes)|constant\.biases|\.biases\.states",
    "directions of biases": r"\.biases\.directions",
    "A and B of a pair": r"relay\.[ab]\.blocks",
    "drive of a rank": r"relay\.drive",
    "noise of a step": r"drawn_bits\.blocks",
    "sums and noise masks of a sample": r"rule\.(sums|openings)",
    "terms of a sample": r"rule\.terms",
    "credits and feedback errors": r"rule\.(credits|feedbacks)",
    "traces": r"traces\.(currents|potentials|totals)|rule\.kept",
    "generator": r"generator\.\w+",
}
"""Where a register's bits are listed, by the end of its hierarchical name; all others are control."""


def part_of(path: str) -> str:
    """The part of the design that a register belongs to."""
    return next((part for part, of in PARTS.items() if re.search(f"({of})$", path)), "control")


class Cost(NamedTuple):
    """bits: state by part; multipliers: how many of each (width, width)."""

    bits: Counter
    multipliers: Counter


def elaborate(folder: Path, learning: bool) -> list[str]:
    """The lines of the design as Icarus compiles it."""
    with tempfile.TemporaryDirectory() as made:
        out = Path(made) / "chip.vvp"
        command = ["iverilog", "-g2012", "-Wall", f"-I{HERE}", f"-I{folder}", "-s", "chip"]
        command += [f"-Pchip.LEARNING={int(learning)}", "-o", str(out)]
        subprocess.run([*command, *map(str, design())], check=True)
        return out.read_text().splitlines()


def cores(lines: list[str]) -> dict[str, Cost]:
    """The cost of each core, and of what they share: `router and readout`."""
    path: dict[str, str] = {}
    kind: dict[str, str] = {}
    found: dict[str, Cost] = {}
    here, widths = "", {"A": 0, "B": 0}
    for line in lines:
        if scope := SCOPE.match(line):
            identity, what, name, module, parent = scope.groups()
            path[identity] = f"{path.get(parent, '')}.{name}"
            kind[identity] = module or "" if what == "module" else what
            here = identity
        layer = re.search(r"\.layers\[(\d+)\]\.", path.get(here, ""))
        whose = f"core of layer {layer[1]}" if layer else "router and readout"
        cost = found.setdefault(whose, Cost(Counter(), Counter()))
        if (width := PARAMETER.match(line)) and kind[here] == "multiply":
            widths[width[1]] = int(width[2], 2)
            if width[1] == "B":
                cost.multipliers[widths["A"], widths["B"]] += 1
        if kind.get(here, "").startswith(("function", "autofunction")):
            continue
        if register := REGISTER.match(line):
            name, high, low = register.groups()
            cost.bits[part_of(f"{path[here]}.{name}")] += int(high) - int(low) + 1
        elif (memory := MEMORY.match(line)) and memory[1] not in ("powers", "logs"):
            name, *ends = memory.groups()
            rows, bits = (abs(int(a) - int(b)) + 1 for a, b in (ends[:2], ends[2:]))
            cost.bits[part_of(f"{path[here]}.{name}")] += rows * bits
    return found


def show(alone: dict[str, Cost], learning: dict[str, Cost]) -> str:
    """Two columns for each core."""
    lines = []
    for whose in sorted(learning):
        a, b = alone[whose], learning[whose]
        lines.append(f"{whose:<34}{'inference':>14}{'with learning':>16}")
        for part in sorted(b.bits, key=lambda part: -b.bits[part]):
            lines.append(f"  {part:<32}{a.bits[part]:>14,}{b.bits[part]:>16,}")
        totals = (sum(a.bits.values()), sum(b.bits.values()))
        lines.append(f"  {'state bits':<32}{totals[0]:>14,}{totals[1]:>16,}")
        for widths in sorted(b.multipliers):
            name = f"multipliers {widths[0]} x {widths[1]}"
            lines.append(f"  {name:<32}{a.multipliers[widths]:>14}{b.multipliers[widths]:>16}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not (Path(arguments[0]) / "params.vh").is_file():
        print("usage: python hardware/cost.py FOLDER   (with params.vh in it)", file=sys.stderr)
        return 2
    try:
        found = [cores(elaborate(Path(arguments[0]), learning)) for learning in (False, True)]
    except FileNotFoundError:
        print("cost.py needs Icarus Verilog: apt-get install iverilog", file=sys.stderr)
        return 1
    print(show(*found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
