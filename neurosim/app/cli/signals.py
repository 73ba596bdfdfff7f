"""Signals: Ctrl-C, a closed terminal and a request to end; each ends in one line and an exit status.

    exit status = 128 + number of the signal: SIGINT 130, SIGTERM 143, SIGHUP 129

A signal ends a command as an exception, so that temporary files are removed and locks are let go. While
modules are imported it ends the process at once: libraries print tracebacks, or go on, where an exception
comes in the middle of their start. Training takes note of it instead, and ends with a checkpoint.

Python drops an exception that is raised while an object is deleted, or in a callback from C, and libraries
may catch it: the signal is then sent again until the command ends.
"""

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
"""Signals that end a command; those that the system has not are left out."""
_IMPORTING = "<frozen importlib._bootstrap>"
LOST_SECONDS = 0.5
"""Time after which a command that runs on, rather than unwinding, has lost a signal; chosen here."""


class Ended(KeyboardInterrupt):
    """A signal that ends the command."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def status(error: KeyboardInterrupt) -> int:
    """Exit status of a command that was interrupted."""
    return 128 + getattr(error, "number", int(signal.SIGINT))


def describe(error: KeyboardInterrupt) -> str:
    """The message for the user."""
    number = getattr(error, "number", signal.SIGINT)
    return "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"


def _numbers() -> list[signal.Signals]:
    """Signals to answer: one that was ignored from the start, as `nohup` does, stays so."""
    found = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    return [number for number in found if signal.getsignal(number) is not signal.SIG_IGN]


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            return True
        frame = frame.f_back
    return False


@contextlib.contextmanager
def _handled(handler: "signal._HANDLER") -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _numbers()}
    try:
        yield
    finally:
        for number, one in before.items():
            signal.signal(number, one)


def _unwinding(thread: int) -> bool:
    """Whether a thread handles an `Ended`: it runs what is left to do on its way out."""
    active: Any = sys._current_exceptions().get(thread)
    error = active[1] if isinstance(active, tuple) else active  # Python 3.11 gives three values
    while error is not None and not isinstance(error, Ended):
        error = error.__context__
    return error is not None


def _send_again_if_lost(number: int, thread: int, left: list[bool]) -> None:
    """Send a signal to this process again if `thread` neither ends nor has `left` a while after it."""
    quiet = time.monotonic()
    while time.monotonic() - quiet < LOST_SECONDS:
        time.sleep(LOST_SECONDS / 4)
        if left:
            return
        if _unwinding(thread):
            quiet = time.monotonic()
    os.kill(os.getpid(), number)


@contextlib.contextmanager
def ending(name: str) -> Iterator[None]:
    """Within it a signal raises `Ended`, or ends the process of command `name` where it imports modules."""
    left: list[bool] = []

    def end(number: int, frame: FrameType | None) -> None:
        if _importing(frame):
            os.write(2, f"{name}: {describe(Ended(number))}\n".encode())
            os._exit(128 + number)
        # without the locks of `threading`, which the interrupted code may hold
        _thread.start_new_thread(_send_again_if_lost, (number, threading.get_ident(), left))
        raise Ended(number)

    def dropped(unraisable: "sys.UnraisableHookArgs") -> None:
        if not isinstance(unraisable.exc_value, Ended):
            before(unraisable)

    before = sys.unraisablehook
    sys.unraisablehook = dropped
    try:
        with _handled(end):
            yield
    finally:
        left.append(True)
        sys.unraisablehook = before


def noted(numbers: list[int]) -> contextlib.AbstractContextManager[None]:
    """Within it a signal is put down in `numbers`, for the command to end when it can."""
    return _handled(lambda number, frame: numbers.append(number))
