"""What does a core cost in state bits and multipliers, to infer alone and to learn?

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

HERE = Path(__file__).parent
SCOPE = re.compile(r'^(S_\w+) \.scope (\w+)[^,]*?, "([^"]+)"(?: "(\w+)")?.*?(S_\w+)?;$')
PARAMETER = re.compile(r'^P_\w+ \.param/l "([AB])" .*\+C4<([01]+)>')
REGISTER = re.compile(r'^v\w+ \.var(?:/\w+)? "(\w+)", (-?\d+) (-?\d+)')
MEMORY = re.compile(r'^v\w+ \.array(?:/\w+)? "(\w+)", (\d+) (\d+), (\d+) (\d+)')
PARTS = {
    "synapses": "synapses",
    "u": "neurons", "v": "neurons", "sums": "neurons", "biases": "neurons", "spikes": "neurons",
    "directions": "directions of synapses",
    "a": "A and B of a pair", "b": "A and B of a pair", "drive": "drive of a rank",
    "c0": "generator", "c1": "generator", "c2": "generator", "c3": "generator", "k0": "generator",
    "k1": "generator", "round": "generator",
}  # fmt: skip
"""Where a register's bits are listed; what is not named is control."""


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
        subprocess.run([*command, *map(str, sorted(HERE.glob("*.v")))], check=True)
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
            cost.bits[PARTS.get(name, "control")] += int(high) - int(low) + 1
        elif (memory := MEMORY.match(line)) and memory[1] not in ("powers", "logs"):
            name, *ends = memory.groups()
            rows, bits = (abs(int(a) - int(b)) + 1 for a, b in (ends[:2], ends[2:]))
            cost.bits[PARTS.get(name, "control")] += rows * bits
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
