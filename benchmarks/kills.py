"""Kills of commands under way, resumed until they end: every result is the one of a run that was left alone.

    python benchmarks/kills.py --kills 100 --seed 7            every scenario in turn
    python benchmarks/kills.py --scenario ablation --kills 5

A scenario is run once in peace, then again with a signal after a random share of the time that took, and
again, until it ends. Its result must be the same, and nothing that a killed write left may remain.
"""

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
SIGNALS = (
    signal.SIGKILL,
    signal.SIGKILL,
    signal.SIGKILL,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
)
"""Those that are sent, in these shares; chosen here."""
MOST = 12
"""Kills of one scenario before it is left to end."""
PATIENCE = 2400
SMALL = "--data digits --pairs 64 --groups 8 --hidden 20 --evaluate-every 5 --validation-samples 50"
ABLATION = """
import sys
from pathlib import Path
from neurosim.app.cli import ablation
from neurosim.app.experiments import ablation as experiment, ablation_page
tiny = {"hidden": (16,), "generations": 30, "pairs": 16, "groups": 8}
experiment.CLAIMS = tuple(experiment.Variant(name, name, tiny) for name in ("best", "fast"))
ablation_page.CLAIMED = ["best", "fast"]
ablation.run(ablation.Ablation(out=Path(sys.argv[1]), seeds=1, bptt_seeds=0, choices=False, threads=1))
"""


class Scenario(NamedTuple):
    """One kind of work.

    command  arguments of Python, given the folder of the attempt; `first` until something is there
    result   what must be the same, read from the folder afterwards
    fresh    whether each attempt has its own cache of kernels, so that kills meet the compiler
    """

    command: Callable[[Path, bool], Sequence[Any]]
    result: Callable[[Path], Any]
    fresh: bool = False


def _train(more: str) -> Callable[[Path, bool], Sequence[Any]]:
    def command(folder: Path, first: bool) -> Sequence[Any]:
        if first or not (folder / "run" / "config.json").exists():
            return ("-m", "neurosim", "train", *f"{SMALL} {more}".split(), "--run", folder / "run")
        return ("-m", "neurosim", "train", "--resume", folder / "run")

    return command


def _summary(folder: Path) -> Any:
    printed = json.loads((folder / "run" / "summary.json").read_text())
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    metrics = [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]
    return printed["weights_sha256"], printed["test_accuracy"], metrics


def _neurosim(line: str) -> Callable[[Path, bool], Sequence[Any]]:
    """A command line of neurosim; FOLDER in it is the folder of the attempt."""
    return lambda folder, first: (
        "-m",
        "neurosim",
        *(one.replace("FOLDER", str(folder)) for one in line.split()),
    )


def _files(*names: str) -> Callable[[Path], Any]:
    """Hashes of files and folders."""

    def result(folder: Path) -> Any:
        return {
            str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for name in names
            for path in sorted(
                (folder / name).rglob("*") if (folder / name).is_dir() else [folder / name]
            )
            if path.is_file()
        }

    return result


def _kept(name: str) -> Callable[[Path], Any]:
    """Results of a store, times left out."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if "seconds" not in k and k != "sha256"}
        return [plain(one) for one in value] if isinstance(value, list) else value

    return lambda folder: {
        path.name: plain(json.loads(path.read_text()))
        for path in sorted((folder / name).glob("*.json"))
    }


def _graph(folder: Path) -> Any:
    """The network of the exported graph, for HDF5 files hold times."""
    sys.path.insert(0, str(ROOT))
    from neurosim.export.nir import from_nir

    found = from_nir.read(folder / "network.nir")
    weights = {
        name: hashlib.sha256(w.weights.tobytes()).hexdigest() for name, w in found.weights.items()
    }
    return found.exact, repr(found.network), weights


SCENARIOS: dict[str, Scenario] = {
    "train": Scenario(_train("--recipe eggroll --batch 2 --generations 300"), _summary),
    "train-fast": Scenario(_train("--recipe fast --batch 1 --generations 400"), _summary),
    "compile": Scenario(
        _train("--recipe eggroll --batch 2 --generations 10"), _summary, fresh=True
    ),
    "export-hdl": Scenario(
        _neurosim("export RUN --to hdl --samples 30 --out FOLDER/hdl"),
        _files("hdl"),
    ),
    "export-nir": Scenario(_neurosim("export RUN --to nir --out FOLDER/network.nir"), _graph),
    "report": Scenario(_neurosim("report RUN --out FOLDER/report.html"), _files("report.html")),
    "ablation": Scenario(
        lambda folder, first: ("-c", ABLATION, folder / "out"), _kept("out/trainings")
    ),
    "reproduce": Scenario(
        _neurosim(
            "reproduce paper --out FOLDER/out --seeds 1 --generations 4 --pairs 16 --groups 4 "
            "--batch 2 --ranks 1 --bptt-epochs 1 --threads 1"
        ),
        _kept("out/trainings"),
    ),
    "compare": Scenario(
        _neurosim(
            "compare RUN --out FOLDER/out --bptt-epochs 1 --float-generations 2 --float-pairs 4 "
            "--bits 8 --search-samples 20 --no-sweeps --threads 1"
        ),
        _kept("out/parts"),
    ),
}


def _has_own_traceback(printed: str) -> bool:
    """Whether a traceback leads into a file: the interpreter's start, before any file, has one of its own."""
    return "Traceback" in printed and re.search(r'File "[^<]', printed) is not None


class Kills:
    """The campaign: a run that others are made of, and what became of each scenario."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.numbers = folder, random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.run = folder / "base" / "run"
        self.finish(SCENARIOS["train"], folder / "base")

    def start(self, scenario: Scenario, folder: Path, first: bool) -> subprocess.Popen[str]:
        command = [
            str(one).replace("RUN", str(self.run)) if str(one) == "RUN" else str(one)
            for one in scenario.command(folder, first)
        ]
        environment = {**os.environ, "NUMBA_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        if scenario.fresh:
            environment["NEUROSIM_CACHE"] = str(folder / "cache")
        folder.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def finish(self, scenario: Scenario, folder: Path) -> float:
        """Let it end; seconds."""
        began = time.monotonic()
        process = self.start(scenario, folder, True)
        printed = process.communicate(timeout=PATIENCE)[1]
        if process.returncode:
            raise RuntimeError(f"status {process.returncode}: {printed[-400:]}")
        return time.monotonic() - began

    def attempt(self, name: str, kills: int) -> tuple[int, str]:
        """Run scenario `name` with at most so many kills; how many there were, and what came of it."""
        scenario = SCENARIOS[name]
        peace, folder = self.folder / f"{name}-peace", self.folder / f"{name}-killed"
        if not peace.exists():
            self.counts[f"{name} seconds"] = int(self.finish(scenario, peace))
        wanted, sent, first = scenario.result(peace), 0, True
        shutil.rmtree(folder, ignore_errors=True)
        while True:
            process = self.start(scenario, folder, first)
            first = False
            number = None
            if sent < min(kills, MOST):
                number = self.numbers.choice(SIGNALS)
                share = self.numbers.random() * 1.1
                try:
                    process.wait(max(0.05, share * max(2, self.counts[f"{name} seconds"])))
                except subprocess.TimeoutExpired:
                    process.send_signal(number)
                    sent += 1
                else:
                    number = None
            printed = process.communicate(timeout=PATIENCE)[1]
            if process.returncode == 0:
                break
            if number is None:
                return sent, f"LOST: status {process.returncode} without a signal: {printed[-300:]}"
            if number != signal.SIGKILL and _has_own_traceback(printed):
                return sent, f"TRACEBACK at {number.name}: {printed[-300:]}"
        if scenario.result(folder) != wanted:
            return sent, "LOST: another result"
        left = [
            str(path.relative_to(folder))
            for path in folder.rglob(".*.tmp")
            if "cache" not in path.parts
        ]
        return sent, f"LEFT: {left[:3]}" if left else "same"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="signals in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenario", action="append", choices=SCENARIOS)
    given = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if (
            signal.getsignal(number) is signal.SIG_IGN
        ):  # as in the background: commands would inherit it
            signal.signal(number, signal.SIG_DFL)
    names = given.scenario or list(SCENARIOS)
    sent: Counter[str] = Counter()
    found: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="neurosim-kills-") as folder:
        campaign = Kills(Path(folder), given.seed)
        turn = 0
        while sum(sent.values()) < given.kills:
            name = names[turn % len(names)]
            kills, outcome = campaign.attempt(name, given.kills - sum(sent.values()))
            sent[name] += kills
            found[outcome.split(":")[0]] += 1
            print(f"{name:12} {kills} signals: {outcome}", flush=True)
            turn += 1
    print(f"{sum(sent.values())} signals ({dict(sent)}), outcomes {dict(found)}")
    return 0 if set(found) == {"same"} else 1


if __name__ == "__main__":
    sys.exit(main())
