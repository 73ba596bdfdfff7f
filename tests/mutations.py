"""Seeded damage of files, and what a reader does with it: the same bytes for the same seed.

`campaign` counts outcomes and keeps the inputs that gave another one than it allows; the tests run a
few hundred, a benchmark may run millions.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

SLOW_SECONDS = 20.0
"""Readers in a child process get 10 s and more for a file before they are ended."""


def cut(raw: bytearray, numbers: random.Random) -> None:
    """The end is missing."""
    del raw[numbers.randrange(len(raw)) :]


def flip(raw: bytearray, numbers: random.Random) -> None:
    """Some bits are other."""
    for _ in range(numbers.choice((1, 1, 1, 2, 8, 64))):
        raw[numbers.randrange(len(raw))] ^= 1 << numbers.randrange(8)


def flip_head(raw: bytearray, numbers: random.Random) -> None:
    """Some bits of the first bytes are other: headers, sizes, counts."""
    for _ in range(numbers.choice((1, 1, 2, 4))):
        raw[numbers.randrange(min(len(raw), 256))] ^= 1 << numbers.randrange(8)


def zero(raw: bytearray, numbers: random.Random) -> None:
    """A hole of zero bytes."""
    start = numbers.randrange(len(raw))
    end = min(len(raw), start + numbers.choice((16, 512, 4096)))
    raw[start:end] = bytes(end - start)


def zero_tail(raw: bytearray, numbers: random.Random) -> None:
    """Written in part: the rest is zero."""
    start = numbers.randrange(len(raw))
    raw[start:] = bytes(len(raw) - start)


def scatter(raw: bytearray, numbers: random.Random) -> None:
    """Random bytes in one place."""
    start = numbers.randrange(len(raw))
    end = min(len(raw), start + numbers.choice((1, 4, 64, 1024)))
    raw[start:end] = numbers.randbytes(end - start)


def largest(raw: bytearray, numbers: random.Random) -> None:
    """Four bytes of ones: the largest size there is, or -1."""
    start = numbers.randrange(len(raw))
    raw[start : start + 4] = b"\xff" * len(raw[start : start + 4])


def double(raw: bytearray, numbers: random.Random) -> None:
    """A part comes twice."""
    start = numbers.randrange(len(raw))
    end = min(len(raw), start + numbers.randrange(1, 2000))
    raw[end:end] = raw[start:end]


def drop(raw: bytearray, numbers: random.Random) -> None:
    """A part is missing."""
    start = numbers.randrange(len(raw))
    del raw[start : start + numbers.choice((1, 2, 5, 8, 100))]


def append(raw: bytearray, numbers: random.Random) -> None:
    """Random bytes behind the end."""
    raw += numbers.randbytes(numbers.choice((1, 3, 8, 100)))


def noise(raw: bytearray, numbers: random.Random) -> None:
    """Nothing but random bytes of the same number."""
    raw[:] = numbers.randbytes(len(raw))


MUTATIONS = (cut, flip, flip_head, zero, zero_tail, scatter, largest, double, drop, append, noise)


def mutate(raw: bytes, numbers: random.Random) -> tuple[str, bytes]:
    """Damaged bytes and what was done: one mutation, sometimes two or three."""
    damaged = bytearray(raw)
    names = []
    for _ in range(numbers.choice((1, 1, 1, 2, 3))):
        mutation = numbers.choice(MUTATIONS)
        if damaged:
            mutation(damaged, numbers)
            names.append(mutation.__name__)
    return "+".join(names), bytes(damaged)


class Failure(NamedTuple):
    """An input with an outcome that is not allowed."""

    seed: int
    mutation: str
    outcome: str
    damaged: bytes


class Outcome(NamedTuple):
    """Inputs by outcome, failures, and the longest time that one took in seconds."""

    counts: Counter[str]
    failures: list[Failure]
    longest: float


def inputs(seeds: Sequence[bytes], count: int, seed: int) -> Iterator[tuple[int, str, bytes]]:
    """(seed of the input, what was done, damaged bytes), `count` of them."""
    for number in range(count):
        numbers = random.Random(seed * 1_000_003 + number)
        yield number, *mutate(numbers.choice(seeds), numbers)


def campaign(
    read: Callable[[Path], Any],
    check: Callable[[Any], None],
    damaged: Iterable[tuple[int, str, bytes]],
    file: Path,
    allowed: type[Exception],
) -> Outcome:
    """Give each input to `read` as `file`: it must give what `check` accepts, or raise `allowed`."""
    counts: Counter[str] = Counter()
    failures = []
    longest = 0.0
    for number, mutation, raw in damaged:
        file.write_bytes(raw)
        start = time.perf_counter()
        try:
            check(read(file))
            outcome = "read"
        except allowed:
            outcome = "refused"
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            outcome = f"{type(error).__name__}: {error}"
        took = time.perf_counter() - start
        longest = max(longest, took)
        if took > SLOW_SECONDS:
            outcome = f"took {took:.0f} s"
        if outcome not in ("read", "refused"):
            failures.append(Failure(number, mutation, outcome, raw))
        counts[outcome] += 1
    return Outcome(counts, failures, longest)
