"""A small share of the fuzz campaign (benchmarks/fuzz.py): no damaged file does what nobody allowed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
INPUTS = int(os.environ.get("NEUROSIM_FUZZ_INPUTS", "12"))
"""Of each reader; a campaign of its own takes thousands."""
SEED = 20261127


def test_no_damaged_file_does_what_nobody_allowed():
    done = subprocess.run(
        [
            sys.executable,
            ROOT / "benchmarks" / "fuzz.py",
            "--json",
            "--inputs",
            str(INPUTS),
            "--seed",
            str(SEED),
        ],
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.stdout, done.stderr
    outcomes = json.loads(done.stdout)
    assert len(outcomes) >= 20
    failures = {name: one["failures"] for name, one in outcomes.items() if one["failures"]}
    assert not failures
    assert done.returncode == 0
    for name, one in outcomes.items():
        assert sum(one["counts"].values()) == INPUTS, name
        assert one["counts"].get("refused", 0) > 0, name


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ("return 'WRONG: other'", "WRONG: other"),
        ("raise KeyError('x')", "KeyError at"),
        ("import time; time.sleep(9)", "SLOW"),
        ("import os; os.kill(os.getpid(), 11)", "CRASH, status -11"),
    ],
)
def test_the_campaign_counts_what_is_not_allowed(tmp_path, body, outcome):
    """A reader that does it at its fourth input, in a process like those of the campaign."""
    (tmp_path / "fuzz_readers.py").write_text(
        "def reader(folder):\n    seen = []\n    def attempt(numbers):\n        seen.append(1)\n"
        f"        if len(seen) == 4:\n            {body}\n        return 'refused'\n    return attempt\n"
        "READERS = {'bad': reader}\n"
    )
    source = (ROOT / "benchmarks" / "fuzz.py").read_text()
    source = source.replace("SLOW_SECONDS = 10.0", "SLOW_SECONDS = 0.5")
    (tmp_path / "fuzz.py").write_text(source)
    done = subprocess.run(
        [sys.executable, tmp_path / "fuzz.py", "--json", "--inputs", "6", "--reader", "bad"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 1, done.stderr
    counts = json.loads(done.stdout)["bad"]["counts"]
    assert any(name.startswith(outcome) for name in counts), counts
