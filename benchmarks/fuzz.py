"""Seeded campaign of damaged files against every reader: counts of outcomes by reader.

    python benchmarks/fuzz.py --inputs 1000 --seed 7            every reader
    python benchmarks/fuzz.py --reader nir-graph --inputs 50 --first 120 --seed 7

An input is a seed: the same number gives the same damage. Each reader runs in a process of its own, forked
from this one, a share of inputs at a time, so that a crash is counted and the campaign goes on.

    refused      the error of the reader, in words
    same         what was read is what the undamaged file says
    read         something else that is allowed, since the format has no checksum or the edit was deliberate
    WRONG        read as something it must not be        any exception, SLOW, CRASH   what nobody allowed
"""

import argparse
import contextlib
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
for _folder in (ROOT, ROOT / "tests", Path(__file__).parent):
    sys.path.insert(0, str(_folder))
os.environ["NUMBA_NUM_THREADS"] = "1"  # no other threads: processes are forked

import fuzz_readers  # noqa: E402

SLOW_SECONDS = 10.0
BUSY_FACTOR = 6
"""A machine that gives a process less than half of a processor has so many times SLOW_SECONDS."""
MEMORY_BYTES = 1 << 30
"""Peak of resident memory that a reader may reach on top of what it has before the first input."""
SHARE = 2000
"""Inputs of a process; chosen here, so that what a process costs to start does not count."""
GOOD = ("refused", "same", "read")


class Slow(BaseException):
    """An input that took longer than SLOW_SECONDS."""


_began = [0.0, 0.0]
"""Wall time and processor time at the start of an input."""


def _alarm(*_: object) -> None:
    took, used = time.monotonic() - _began[0], time.process_time() - _began[1]
    if used > SLOW_SECONDS / 2 or took > BUSY_FACTOR * SLOW_SECONDS:
        raise Slow


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Within it the process is interrupted after SLOW_SECONDS."""
    _began[:] = time.monotonic(), time.process_time()
    signal.setitimer(signal.ITIMER_REAL, SLOW_SECONDS, SLOW_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def outcome_of(attempt: Callable[[random.Random], str], seed: int, number: int) -> str:
    """What becomes of one input, in a word; exceptions by their type and the place they come from."""
    numbers = random.Random(seed * 1_000_003 + number)
    try:
        with limited():
            return attempt(numbers)
    except Slow:
        return f"SLOW, over {SLOW_SECONDS:.0f} s"
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = "?" if place is None else Path(place.tb_frame.f_code.co_filename).name
        line = 0 if place is None else place.tb_lineno
        return f"{type(error).__name__} at {where}:{line}"


def peak_bytes() -> int:
    """Most resident memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def work(reader: str, seed: int, first: int, count: int, progress: Path) -> dict[str, Any]:
    """Outcomes of inputs first .. first + count - 1; `progress` names the one under way."""
    signal.signal(signal.SIGALRM, _alarm)
    with tempfile.TemporaryDirectory(prefix="neurosim-fuzz-") as folder:
        attempt = fuzz_readers.READERS[reader](Path(folder))
        before, longest = peak_bytes(), 0.0
        counts: Counter[str] = Counter()
        failures = []
        for number in range(first, first + count):
            progress.write_text(str(number))
            began = time.perf_counter()
            found = outcome_of(attempt, seed, number)
            longest = max(longest, time.perf_counter() - began)
            counts[found] += 1
            if found not in GOOD:
                failures.append([number, found])
    grown = peak_bytes() - before
    if grown > MEMORY_BYTES:
        counts["MEMORY over 1 GiB"] += 1
        failures.append(
            [first, f"MEMORY {grown >> 20} MiB more in inputs {first}..{first + count}"]
        )
    return {"counts": counts, "failures": failures, "longest": longest, "grown": grown}


def forked(work: Callable[[], Any], folder: Path) -> tuple[int, Any, str]:
    """The status of a process that does it, what it returns, and the last line that it said on stderr."""
    result, said = folder / "result.json", folder / "stderr"
    sys.stdout.flush()
    child = os.fork()
    if not child:
        status = 1
        try:
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
            result.write_text(json.dumps(work()))
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    found = json.loads(result.read_text()) if status == 0 else None
    return status, found, "".join(said.read_text(errors="replace").strip().splitlines()[-1:])


def campaign(reader: str, seed: int, first: int, count: int) -> dict[str, Any]:
    """Outcomes of `count` inputs in processes of their own; crashes are outcomes too."""
    counts: Counter[str] = Counter()
    failures: list[list[Any]] = []
    longest, grown, end = 0.0, 0, first + count
    with tempfile.TemporaryDirectory(prefix="neurosim-fuzz-") as folder:
        place = Path(folder)
        progress = place / "progress"
        while first < end:
            share = min(SHARE, end - first)
            progress.write_text(str(first))
            status, outcome, said = forked(
                partial(work, reader, seed, first, share, progress), place
            )
            if status == 0:
                counts.update(outcome["counts"])
                failures += outcome["failures"]
                longest, grown = max(longest, outcome["longest"]), max(grown, outcome["grown"])
                first += share
                continue
            stopped = int(progress.read_text())
            what = f"CRASH, status {status}"
            counts[what] += 1
            failures.append([stopped, f"{what}: {said}"])
            counts["not counted"] += stopped - first
            first = stopped + 1
    return {"counts": dict(counts), "failures": failures, "longest": longest, "grown": grown}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=200, help="inputs of each reader")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--reader", action="append", help="one reader; again for more")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    results = {}
    for reader in given.reader or fuzz_readers.READERS:
        outcome = results[reader] = campaign(reader, given.seed, given.first, given.inputs)
        if not given.json:
            counts = ", ".join(f"{what} {n:,}" for what, n in sorted(outcome["counts"].items()))
            print(
                f"{reader:16} {counts}; longest {outcome['longest']:.2f} s, "
                f"memory +{outcome['grown'] >> 20} MiB",
                flush=True,
            )
            for number, what in outcome["failures"][:5]:
                print(f"{'':16}   input {number}: {what}", flush=True)
    failed = sum(len(outcome["failures"]) for outcome in results.values())
    if given.json:
        print(json.dumps(results))
    else:
        total = sum(sum(outcome["counts"].values()) for outcome in results.values())
        print(f"{total:,} inputs, {failed} that nobody allowed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
