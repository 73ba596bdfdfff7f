"""Mutants of the Verilog: every part is checked by the golden vectors."""

import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import rtl_cases
from rtl_mutants import BY_ERROR, EXTREME, LIMITED, LOW_RANK, MUTANTS, THRESHOLD
from rtl_tools import HARDWARE, needs, script

from neurosim.export import memory_images

pytestmark = needs("iverilog")
SIMULATE = script("simulate")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Small folders of images: both rules, registers at their edges, v at its threshold."""
    path = tmp_path_factory.mktemp("images")
    low_rank = {
        "hidden": (3, 9),
        "pairs": 3,
        "groups": 1,
        "batch": 1,
        "rank": 2,
        "initial_std": 100,
        "steps": 3,
        "temperature": 0.02,
    }
    by_error = {**rtl_cases.BY_ERROR, "hidden": (20,), "steps": 3, "pairs": 4, "groups": 2}
    return {
        LOW_RANK: rtl_cases.run_folder(
            path / LOW_RANK, rtl_cases.striped(131, steps=3), **low_rank
        ),
        BY_ERROR: rtl_cases.run_folder(path / BY_ERROR, rtl_cases.striped(12, steps=3), **by_error),
        LIMITED: rtl_cases.run_folder(
            path / LIMITED, rtl_cases.striped(12, steps=3), **rtl_cases.LIMITED
        ),
        EXTREME: rtl_cases.extreme_folder(path / EXTREME, 11, inputs=30, steps=5),
        THRESHOLD: rtl_cases.extreme_folder(path / THRESHOLD, 3, inputs=30, steps=5),
    }


def passes(folder, sources, *flags):
    """Whether the bench finds the design of these files equal to a folder in every number."""
    manifest = memory_images.read(folder).manifest
    learning = manifest["learning"] is not None
    with tempfile.TemporaryDirectory() as made:
        command = SIMULATE.build("icarus", sources, folder, learning, Path(made), *flags)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    return SIMULATE.holds(done.stdout, SIMULATE.expected(manifest["files"], learning))


def survives(mutant, folders, place):
    """Whether a design with this fault passes; a mutant that does not compile counts as an error."""
    module, text, instead, folder = mutant
    original = (HARDWARE / f"{module}.v").read_text()
    assert original.count(text) == 1, f"{module}.v holds {text!r} {original.count(text)} times"
    changed = place / f"{module}.v"
    changed.parent.mkdir()
    changed.write_text(original.replace(text, instead))
    sources = [changed if path.stem == module else path for path in SIMULATE.design()]
    return passes(folders[folder], sources, "-DSTOP")


def test_the_design_itself_passes(folders):
    assert all(passes(folder, SIMULATE.design()) for folder in folders.values())


def test_credits_meet_their_bound(folders):
    recorded = memory_images.read(folders[LIMITED])
    bound = recorded.manifest["parameters"]["LARGEST"]
    credits = recorded.array("credits")
    assert (credits.min(), credits.max()) == (-bound, bound)


LIMITS = """
module limits;
    reg clk = 0, add = 0, measure = 0;
    reg column = 0;
    reg signed [32:0] increment = 0;
    wire signed [32:0] measured;
    wire [63:0] total;
    plastic #(
        .LAYER(0), .ROWS(1), .COLUMNS(2), .FRACTION_BITS(8), .MOMENTUM_BITS(3), .SUM_BITS(33), .COUNT_BITS(1)
    ) synapses (
        .clk(clk), .fade(1'b0), .add(add), .measure(measure), .moving(1'b0), .row(1'b0), .column(column),
        .increments(increment), .next_state(16'd0), .state(), .low(), .high(), .values(), .direction(),
        .measured(measured), .total(total)
    );
    integer i;
    initial begin
        for (i = 0; i < 2; i = i + 1) begin
            column = i[0];
            increment = i == 0 ? 33'sd9 : -33'sd9;
            add = 1;
            #1 clk = 1; #1 clk = 0;
            add = 0;
        end
        for (i = 0; i < 2; i = i + 1) begin
            column = i[0];
            measure = 1;
            #1 $display("%0d", measured);
            clk = 1; #1 clk = 0;
        end
        $display("%0d", total);
        $finish;
    end
endmodule
"""


def test_directions_stop_at_32_bits(tmp_path):
    """2^31 - 4 and 9 more, and the same below zero: no run gets there, so that no vector shows it."""
    held = (1 << 31) - 4, -(1 << 31) + 4 & (1 << 33) - 1
    (tmp_path / "momentum_L0.mem").write_text("".join(f"{one:x}\n" for one in held))
    (tmp_path / "state_L0.mem").write_text("0\n0\n")
    (tmp_path / "limits.v").write_text(LIMITS)
    sources = [tmp_path / "limits.v", HARDWARE / "plastic.v", HARDWARE / "address.v"]
    out = tmp_path / "limits.vvp"
    command = ["iverilog", "-g2012", f"-I{HARDWARE}", "-s", "limits", "-o", out, *sources]
    subprocess.run(command, check=True)
    done = subprocess.run(
        ["vvp", "-n", out], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    most = (1 << 31) - 1
    assert [int(line) for line in done.stdout.split()[:3]] == [most, -most, 2 * most]


def test_every_mutant_is_caught(folders, tmp_path):
    """At least one fault in each module, each alone."""
    assert {path.stem for path in SIMULATE.design()} == {module for module, *_ in MUTANTS}
    with ThreadPoolExecutor(2) as pool:
        alive = pool.map(
            lambda item: survives(item[1], folders, tmp_path / str(item[0])), enumerate(MUTANTS)
        )
        survivors = [mutant for mutant, lives in zip(MUTANTS, alive, strict=True) if lives]
    assert not survivors
