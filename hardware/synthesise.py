"""Gates, flip-flops and memory bits of the Verilog core, by module, as Yosys synthesises it.

    python hardware/synthesise.py FOLDER [--learning] [--netlist FILE.v]

FOLDER is as `neurosim export RUN --to hdl` wrote it. Memories stay memories, everything else becomes AND, OR,
XOR, NOT and multiplexers of one bit. The netlist takes the place of the Verilog in bench.v (with NETLIST
defined), so that it can be simulated against the same vectors.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from simulate import HERE, design

MODULE = re.compile(r'[\s,]*("[^"\n]+"):\s*(?=\{\s*"num_wires")')
NAME = re.compile(r"^(?:\$paramod(?:\$[0-9a-f]+)?\\)?(\w+)")
FLIP_FLOP = re.compile(r"^\$_S?DFF|^\$_DFFE|^\$_ALDFF")


class Area(NamedTuple):
    """Of all instances of a module, their submodules not counted: gates, flip-flops and memory in bits."""

    instances: int
    gates: int
    flip_flops: int
    memory_bits: int


def script(folder: Path, learning: bool, gates: bool, place: Path) -> str:
    """The commands for Yosys; the netlist and two statistics are written to `place`."""
    files = " ".join(str(path) for path in design())
    map_to_gates = "techmap; opt; abc -fast -g AND,OR,XOR,MUX; opt_clean;" if gates else ""
    return (
        f"read_verilog -sv -I{HERE} -I{folder} {files}; chparam -set LEARNING {int(learning)} chip; "
        f"hierarchy -check -top chip; proc; opt -full; tee -q -o {place}/memories.json stat -json; "
        f"memory -nomap; opt -full; {map_to_gates} tee -q -o {place}/gates.json stat -json; "
        f"rename -top chip; write_verilog -noattr {place}/netlist.v"
    )


def synthesise(folder: Path, learning: bool, gates: bool, place: Path) -> dict[str, Area]:
    """Area by module; `place` gets netlist.v. Raises subprocess.CalledProcessError with what Yosys said."""
    command = ["yosys", "-q", "-p", script(folder, learning, gates, place)]
    subprocess.run(
        command, cwd=folder, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return areas(modules_of(place / "gates.json"), modules_of(place / "memories.json"))


def modules_of(file: Path) -> dict[str, Any]:
    """Statistics by module. Some versions of Yosys put a table amid the JSON that follows the modules."""
    text = file.read_text()
    decoder, found = json.JSONDecoder(), {}
    at = text.index("{", text.index('"modules"')) + 1
    while entry := MODULE.match(text, at):
        found[json.loads(entry[1])], at = decoder.raw_decode(text, entry.end())
    return found


def areas(modules: dict, memories: dict) -> dict[str, Area]:
    """Area by the name a module has in its file, from the statistics of Yosys before and after `memory`."""
    instances = counted(modules)
    found: dict[str, Area] = {}
    for name, module in modules.items():
        if name not in instances:
            continue
        cells = {
            kind: count
            for kind, count in module["num_cells_by_type"].items()
            if kind not in modules
        }
        flip_flops = sum(count for kind, count in cells.items() if FLIP_FLOP.match(kind))
        others = sum(count for kind, count in cells.items() if not kind.startswith("$mem"))
        bits = memories[name]["num_memory_bits"]
        times = instances[name]
        plain = NAME.match(name.lstrip("\\"))
        assert plain is not None, name
        before = found.get(plain[1], Area(0, 0, 0, 0))
        more = (times, times * (others - flip_flops), times * flip_flops, times * bits)
        found[plain[1]] = Area(*(a + b for a, b in zip(before, more, strict=True)))
    return found


def counted(modules: dict) -> Counter:
    """How often each module stands in the design whose top is the one that no other holds."""
    modules = {name: module for name, module in modules.items() if name != "design"}
    held = {kind for module in modules.values() for kind in module["num_cells_by_type"]}
    found: Counter = Counter()

    def visit(name: str, times: int) -> None:
        found[name] += times
        for kind, count in modules[name]["num_cells_by_type"].items():
            if kind in modules:
                visit(kind, times * count)

    for top in modules.keys() - held:
        visit(top, 1)
    return found


def table(found: dict[str, Area]) -> str:
    """A line a module, the largest first."""
    lines = [f"{'module':<18}{'instances':>10}{'gates':>10}{'flip-flops':>12}{'memory bits':>13}"]
    for name, area in sorted(found.items(), key=lambda item: -item[1].gates):
        lines.append(
            f"{name:<18}{area.instances:>10,}{area.gates:>10,}{area.flip_flops:>12,}{area.memory_bits:>13,}"
        )
    total = [sum(column) for column in zip(*found.values(), strict=True)]
    lines.append(f"{'all':<18}{'':>10}{total[1]:>10,}{total[2]:>12,}{total[3]:>13,}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="synthesise.py", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="as `neurosim export RUN --to hdl` wrote it")
    parser.add_argument("--learning", action="store_true", help="the core that learns")
    parser.add_argument("--netlist", type=Path, help="where to write the netlist")
    given = parser.parse_args(arguments)
    if shutil.which("yosys") is None:
        print("synthesise.py: yosys is not installed: apt-get install yosys", file=sys.stderr)
        return 1
    if not (given.folder / "params.vh").is_file():
        print(f"synthesise.py: {given.folder} holds no params.vh", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as made:
        try:
            found = synthesise(given.folder.resolve(), given.learning, True, Path(made))
        except subprocess.CalledProcessError as error:
            print(error.output, file=sys.stderr)
            return 1
        if given.netlist:
            shutil.copyfile(Path(made) / "netlist.v", given.netlist)
    print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
