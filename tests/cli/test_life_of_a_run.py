"""A run over its life: where it came from, how it is lengthened, and what a terminal shows of it."""

import fcntl
import json
import os
import pty
import re
import struct
import sys
import termios

import command
import pytest
from command import SMALL, assert_refused

from learning.record import METRICS, read_run
from neurosim.app import provenance
from neurosim.app.cli.training_display import COLUMNS, clock, columns_for, heading, row

RECORD = {
    "generation": 10_000,
    "validation_accuracy": 1.0,
    "fitness_bits": -10.123,
    "dead_classes": 10,
    "dead_neurons": 8192,
    "saturated_registers": 99_999_999,
    "evaluations_per_second": 12.3e6,
}


def test_provenance_says_version_machine_date_command_and_both_clocks(done):
    summary, folder = done
    (entry,) = provenance.read(folder)
    assert entry["command"].startswith("neurosim train --data digits --generations 6")
    assert entry["version"]
    assert entry["packages"]["numba"]
    assert entry["processor"]
    assert (entry["from_generation"], entry["to_generation"]) == (0, 6)
    assert 0 < entry["train_seconds"] == summary["seconds"]
    assert 0 <= entry["compile_seconds"] <= summary["compile_seconds"]
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", entry["date"])


def test_accuracy_carries_an_interval(done):
    summary, _ = done
    low, high = summary["test_accuracy_interval"]
    assert 0 <= low < summary["test_accuracy"] < high <= 1


def test_a_finished_run_is_lengthened(tmp_path):
    """It goes on under the longer schedule; what came before stays, and the folder says so."""
    folder = tmp_path / "run"
    first = command.results("train", *SMALL, "--run", folder)
    longer = command.neurosim("train", "--resume", folder, "--generations", "8")
    assert longer.returncode == 0, longer.stderr
    assert "lengthened from 6 to 8 generations: from generation 6 on" in longer.stderr
    assert "the learning rate goes on at" in longer.stderr
    config, checkpoint, lines = read_run(folder)
    assert config.settings.generations == checkpoint.generation == 8
    assert [line["generation"] for line in lines] == [2, 4, 6, 8]
    assert json.loads((folder / "summary.json").read_text())["generations"] == 8
    assert [entry["from_generation"] for entry in provenance.read(folder)] == [0, 6]
    again = command.results("train", "--resume", folder, "--generations", "8")
    assert again["weights_sha256"] != first["weights_sha256"]
    assert again["generations"] == 8
    assert len((folder / METRICS).read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("--generations", "5"), "allowed are from 7"),
        (("--seed", "4"), "leave out --seed"),
        (("--generations", "9", "--pairs", "128"), "leave out --pairs"),
        (("--start", "runs/other"), "leave out --run, --start"),
    ],
)
def test_what_cannot_be_changed_of_a_run_is_refused(done, given, named):
    assert_refused(command.here("train", "--resume", done[1], *given), 1, named)
    assert read_run(done[1])[0].settings.generations == 6


@pytest.mark.parametrize("width", [20, 60, 80, 120])
def test_the_table_fits_the_terminal(width):
    columns = columns_for(width)
    assert len(heading(columns)) <= max(width, 20)
    assert len(row(columns, RECORD)) == len(heading(columns))
    assert columns == COLUMNS[: len(columns)]
    assert (width < 80) or columns == COLUMNS


def test_clock():
    assert [clock(s) for s in (0, 59.6, 61, 3600)] == ["0:00", "1:00", "1:01", "1:00:00"]


def on_terminal(width, folder, *arguments):
    """What a command in a folder writes to a terminal of this width, without escape sequences, by line."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ.update(command.environment(TERM="xterm-256color"))
        os.execv(sys.executable, [sys.executable, "-m", "neurosim", *map(str, arguments)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    written = b""
    while True:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        written += piece
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, written
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode())
    return [line for line in re.split(r"[\r\n]+", plain) if line.strip()]


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_history_above_a_bar_with_the_time_left(tmp_path, width):
    lines = on_terminal(width, tmp_path, "train", *SMALL, "--run", "run")
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    bars = [line for line in lines if line.startswith("generation ") and "━" in line]
    assert re.match(r"generation 6/6  accuracy \d+\.\d % ━+ 0:00 left", bars[-1])
    table = [line for line in lines if re.match(r" +[246] +\d+\.\d %", line)]
    assert [int(line.split()[0]) for line in table] == [2, 4, 6]
    assert heading(COLUMNS) in lines


def test_a_pipe_gets_the_table_alone(tmp_path):
    done = command.neurosim("train", *SMALL, "--run", tmp_path / "run")
    table = [line for line in done.stderr.splitlines() if not line.startswith("compiling")]
    assert heading(COLUMNS) in table
    assert [line.split()[0] for line in table[-3:]] == ["2", "4", "6"]
    assert "\x1b" not in done.stderr
    assert "95 % interval" in done.stdout
    assert "s of compilation" in done.stdout
