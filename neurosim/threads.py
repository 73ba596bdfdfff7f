"""Loops divided among threads: the caller and its threads take ranges of the loop, outside the GIL.

Every piece writes its own part of the results, so the results do not depend on the division.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

import numba

Scratch = TypeVar("Scratch")
PIECES = 4
"""Pieces that a thread takes where they are `balanced`; chosen here: each costs ten microseconds."""


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="neurosim")


class ThreadsError(ValueError):
    """A number of threads that this machine does not have."""


def available() -> int:
    """Threads that the machine has, or that NUMBA_NUM_THREADS allows."""
    return int(numba.config.NUMBA_NUM_THREADS)


def count() -> int:
    """Threads that `in_pieces` takes when this thread calls it."""
    return int(numba.get_num_threads())


def use(threads: int | None) -> None:
    """Let `in_pieces`, called from this thread, take so many threads; None: all there are.

    Raises ThreadsError where there are fewer.
    """
    if threads is not None and not 1 <= threads <= available():
        raise ThreadsError(f"threads is {threads}; allowed are 1..{available()} on this machine")
    numba.set_num_threads(threads or available())


def piece_of(count: int, most: int) -> int:
    """Items per piece, at most `most`, so that all threads get equally many pieces of equal size."""
    threads = numba.get_num_threads()
    rounds = -(-count // (most * threads))
    return -(-count // (rounds * threads)) if count else 1


def balanced(count: int, least: int) -> int:
    """Items per piece, at least this many, so that every thread takes a few pieces."""
    return max(least, -(-count // (PIECES * numba.get_num_threads())))


def in_pieces(
    count: int,
    piece: int,
    work: Callable[..., object],
    scratch: Callable[[], Scratch] | None = None,
) -> list[Scratch]:
    """Call `work(begin, end)` for ranges of at most `piece` that cover 0 .. `count` - 1.

    scratch  makes the scratch memory of a thread, once; it is then passed to `work` as a third argument

    Returns the scratch memory of all threads, in any order.
    """
    made: list[Scratch] = []
    ranges = [(begin, min(begin + piece, count)) for begin in range(0, count, piece)]
    left = iter(ranges)

    def take() -> None:
        own = () if scratch is None else (scratch(),)
        made.extend(own)
        for begin, end in left:
            work(begin, end, *own)

    others = min(numba.get_num_threads(), len(ranges)) - 1
    helping = [_pool(others).submit(take) for _ in range(others)]
    try:
        take()
    finally:
        for done in helping:
            done.result()
    return made
