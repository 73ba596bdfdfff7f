"""The Verilog core against the emulator: every number of a folder of memory images is compared.

    python hardware/simulate.py FOLDER [--simulator icarus | verilator] [--cores both | inference | learning]

FOLDER is as `neurosim export RUN --to hdl` wrote it.

The simulator compiles the design and bench.v with the folder's params.vh and runs it: once as a core that
only infers, and once as one that learns, where the folder has such vectors. Icarus Verilog is the default
and takes seconds for a small run; Verilator compiles for half a minute, and then runs a hundred times faster.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
BENCH = ("bench.v", "compare.v")
PACKAGES = {"icarus": "iverilog", "verilator": "verilator"}
"""Simulator -> its command, which is also the name of its Debian package."""
COMPARED = re.compile(r"^(spikes|v|new|perturbation|fitness|errors|credits|near|noise)(_|$)")
"""Images of a folder that the bench compares with what the chip does, by the start of their name."""
OF_LEARNING = re.compile(r"^(new|perturbation|fitness|errors|credits|near|noise)(_|$)")


def design() -> list[Path]:
    """The Verilog files of the chip, without the test bench."""
    return [path for path in sorted(HERE.glob("*.v")) if path.name not in BENCH]


def build(
    simulator: str, sources: Iterable[Path], folder: Path, learning: bool, into: Path, *flags: str
) -> list[str]:
    """Compile design and bench; return the command that runs them. Warnings of Icarus are errors.

    Raises subprocess.CalledProcessError, with what the compiler printed as its output.
    """
    includes = [f"-I{path}" for path in (HERE, folder)]
    files = [str(path) for path in (*sources, *(HERE / name for name in BENCH))]
    if simulator == "icarus":
        out = str(into / "bench.vvp")
        command = ["iverilog", "-g2012", "-Wall", *includes, *flags, "-s", "bench"]
        command += [f"-Pbench.LEARNING={int(learning)}", "-o", out, *files]
        run = ["vvp", "-n", out]
    else:
        command = ["verilator", "--binary", "--timing", "-Wno-fatal", "-Wno-lint", "-O3"]
        command += [*includes, *flags, f"-GLEARNING={int(learning)}", "--top-module", "bench"]
        command += ["-CFLAGS", "-O3 -march=native"]
        command += ["--Mdir", str(into / "made"), *files]
        run = [str(into / "made" / "Vbench")]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = done.stdout if simulator == "icarus" else ""
    if done.returncode or said:
        raise subprocess.CalledProcessError(done.returncode or 1, command, done.stdout)
    return run


def expected(names: Iterable[str], learning: bool) -> set[str]:
    """Names that the bench must report as equal, of the images in a folder."""
    images = {name.removesuffix(".mem") for name in names if name.endswith(".mem")}
    found = {name for name in images if COMPARED.match(name)}
    if not learning:
        return {name for name in found if not OF_LEARNING.match(name)}
    found.add("totals")
    if "traces" in images:
        last = max(int(name[-1]) for name in images if name.startswith("spikes_L"))
        found |= {"traces_L0", f"traces_L{last}", "new_state of the copy"}
        found |= {"new_momentum of the copy"} if f"momentum_L{last}" in images else set()
    return found


def holds(printed: str, wanted: set[str]) -> bool:
    """Whether the bench came to its end, and compared each image, all of it, and found it equal."""
    equal = set(re.findall(r"^(.+): [\d,]+ values equal$", printed, re.MULTILINE))
    finished = re.search(r"^finished$", printed, re.MULTILINE)
    return finished is not None and "differ" not in printed and equal == wanted


def simulate(simulator: str, folder: Path, learning: bool, names: Iterable[str]) -> bool:
    """Whether every comparison holds; what was compared is printed."""
    with tempfile.TemporaryDirectory() as made:
        try:
            command = build(simulator, design(), folder, learning, Path(made))
        except subprocess.CalledProcessError as error:
            print(error.output)
            return False
        done = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    print(done.stdout, end="", flush=True)
    wanted = expected(names, learning)
    for name in sorted(wanted):
        if f"{name}: " not in done.stdout:
            print(f"{name}: nothing was compared")
    return done.returncode == 0 and holds(done.stdout, wanted)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="simulate.py", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="as `neurosim export RUN --to hdl` wrote it")
    parser.add_argument("--simulator", choices=sorted(PACKAGES), default="icarus")
    parser.add_argument("--cores", choices=("both", "inference", "learning"), default="both")
    given = parser.parse_args(arguments)
    package = PACKAGES[given.simulator]
    if shutil.which(package) is None:
        print(
            f"simulate.py: {package} is not installed: apt-get install {package}", file=sys.stderr
        )
        return 1
    from neurosim.export import memory_images

    folder = given.folder.resolve()
    try:
        manifest = memory_images.read(folder).manifest
    except memory_images.ImageError as error:
        print(f"simulate.py: {error}", file=sys.stderr)
        return 1
    learns = manifest["learning"] is not None
    if given.cores == "learning" and not learns:
        print(
            f"simulate.py: {folder} has no vectors of learning: {manifest.get('no_learning_because')}",
            file=sys.stderr,
        )
        return 1
    kinds = {"both": (False, True)[: 1 + learns], "inference": (False,), "learning": (True,)}
    for learning in kinds[given.cores]:
        print(f"a core that {'learns' if learning else 'only infers'}:", flush=True)
        if not simulate(given.simulator, folder, learning, manifest["files"]):
            print("the core and the emulator differ")
            return 1
    print("the core and the emulator are the same in every number")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
