"""Does the Verilog core do what the emulator does? Every number of a folder of memory images is compared.

    python hardware/simulate.py FOLDER      FOLDER as `neurosim export RUN --to hdl` wrote it

Icarus Verilog compiles the design with the folder's params.vh, without a warning, and cocotb runs bench.py
in it: once as a core that only infers, and once as one that learns, where the folder has such vectors.
"""

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent


def simulate(folder: Path, learning: bool) -> bool:
    """Whether every comparison holds; what was compared is printed."""
    from cocotb_tools.runner import get_runner

    runner = get_runner("icarus")
    tests = ["inference", "generation"] if learning else ["inference"]
    with tempfile.TemporaryDirectory() as made:
        build = Path(made)
        runner.build(
            sources=sorted(HERE.glob("*.v")),
            includes=[HERE, folder],
            hdl_toplevel="chip",
            parameters={"LEARNING": int(learning)},
            build_args=["-Wall"],
            build_dir=build,
            log_file=build / "warnings",
        )
        warnings = (build / "warnings").read_text()
        if warnings:
            print(warnings)
            return False
        with contextlib.suppress(SystemExit):  # some runners exit where a test failed
            runner.test(
                test_module="bench",
                testcase=tests,
                hdl_toplevel="chip",
                build_dir=build,
                test_dir=folder,
                results_xml=str(build / "results.xml"),
                extra_env={
                    "IMAGES": str(folder),
                    "COCOTB_LOG_LEVEL": "WARNING",
                    "GPI_LOG_LEVEL": "ERROR",
                },
            )
        cases = list(ElementTree.parse(build / "results.xml").iter("testcase"))
    failed = {case.get("name") for case in cases if {"failure", "error"} & {c.tag for c in case}}
    return {case.get("name") for case in cases} - failed == {*tests}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python hardware/simulate.py FOLDER", file=sys.stderr)
        return 2
    if shutil.which("iverilog") is None:
        print("simulate.py needs Icarus Verilog: apt-get install iverilog", file=sys.stderr)
        return 1
    from neurosim.export import memory_images

    folder = Path(arguments[0]).resolve()
    try:
        learns = memory_images.read(folder).manifest["learning"] is not None
    except memory_images.ImageError as error:
        print(f"simulate.py: {error}", file=sys.stderr)
        return 1
    for learning in (False, True)[: 1 + learns]:
        print(f"a core that {'learns' if learning else 'only infers'}:", flush=True)
        if not simulate(folder, learning):
            print("the core and the emulator differ")
            return 1
    print("the core and the emulator are the same in every number")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
