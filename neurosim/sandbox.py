"""Child processes with limits of time and memory, for libraries that damaged files can crash or hang.

HDF5 can end with a segmentation fault on damaged files, and other decoders abort or allocate without bound.
`call` runs a function in a child process, so that the caller always gets the value or a SandboxError.

    call("package.module:function", {"path": ...}, seconds=20)

The function gets the arguments and `folder`, an empty folder of the call for arrays it writes, and
returns a JSON value. A child that has returned a value or raised Refused is kept for the next call, since
starting one costs some tenths of a second; after any other exception the child is ended.

Limits: wall time by the caller; in the child, where the system has them, address space (so much more
than an empty child has), processor time, and no core files.
"""

import atexit
import contextlib
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MEMORY_BYTES = 1 << 30
"""Address space that a call may use on top of what an empty child has, unless the caller says another
number. Chosen here: the readers that run in it work in blocks of some megabytes."""
START_SECONDS = 60.0
"""Time limit for the start of a child; chosen here for a busy machine."""
_MESSAGE_BYTES = 1 << 20
"""The longest answer; arrays go through the folder."""
_REFUSED, _FAILED, _DONE = "refused", "failed", "done"


class SandboxError(RuntimeError):
    """A call that gave no value: the child was ended by the limits, by a signal or by an exception."""


class Refused(ValueError):
    """Raised within a child for a damaged or unsupported file; `offset` as in EventFileError."""

    def __init__(self, fault: str, offset: int | None = None) -> None:
        super().__init__(fault)
        self.fault = fault
        self.offset = offset


class _Child:
    """A process that runs one function after another, asked and answering in lines of JSON."""

    def __init__(self) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(entry or os.getcwd() for entry in sys.path),
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONIOENCODING": "utf-8",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self.owner = os.getpid()
        self._answers = _Lines(self._process)
        try:
            self._answers.line(START_SECONDS)
        except SandboxError:
            self.end()
            raise

    def ask(self, request: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise SandboxError(f"the child process is gone ({error.strerror})") from error
        answer: dict[str, Any] = json.loads(self._answers.line(seconds))
        return answer

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


class _Lines:
    """Lines of a child's output, each waited for with a limit."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        self._process = process
        self._pipe = process.stdout
        self._kept = b""

    def line(self, seconds: float) -> bytes:
        end = time.monotonic() + seconds
        while b"\n" not in self._kept:
            left = end - time.monotonic()
            if left <= 0 or not self._ready(left):
                raise SandboxError(f"no answer within {seconds:.0f} s")
            piece = os.read(self._pipe.fileno(), 1 << 16)
            if not piece:
                raise SandboxError(_ending(self._process.wait()))
            self._kept += piece
            if len(self._kept) > _MESSAGE_BYTES:
                raise SandboxError("the answer has no end")
        line, _, self._kept = self._kept.partition(b"\n")
        return line

    def _ready(self, seconds: float) -> bool:
        if os.name == "posix":
            return bool(select.select([self._pipe], [], [], seconds)[0])
        watch = threading.Timer(seconds, self._process.kill)  # pipes cannot be waited for elsewhere
        watch.start()
        self._kept += self._pipe.read(1)
        watch.cancel()
        return bool(self._kept)


def _ending(status: int) -> str:
    """Text that says what ended a process."""
    if status >= 0:
        return f"the library that reads it ended the process with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"the library that reads it was ended by {name}"


_idle: list[_Child] = []
_foreign: list[_Child] = []
"""Children of the process that this one was forked from: never asked and never ended here."""
_lock = threading.Lock()


def _take() -> _Child:
    """A child of this process that waits, or a new one; children of a parent before a fork are left."""
    with _lock:
        while _idle:
            child = _idle.pop()
            if child.owner == os.getpid():
                return child
            _foreign.append(child)
    return _Child()


@atexit.register
def close() -> None:
    """End the children that wait."""
    with _lock:
        for child in _idle:
            if child.owner == os.getpid():
                child.end()
        _idle.clear()


def call(
    function: str,
    arguments: Mapping[str, Any],
    folder: str | os.PathLike[str],
    *,
    seconds: float,
    memory_bytes: int = MEMORY_BYTES,
) -> Any:
    """The value of `function` ("module:name") called with `arguments` and `folder` in a child.

    arguments      by name; what JSON can hold
    folder         for files that the function writes
    seconds        wall time for the call
    memory_bytes   address space on top of what an empty child has

    Raises Refused where the function raised it, SandboxError where it ended in any other way.
    """
    child = _take()
    request = {
        "function": function,
        "arguments": dict(arguments),
        "folder": str(folder),
        "seconds": seconds,
        "memory": memory_bytes,
    }
    try:
        answer = child.ask(request, seconds)
    except BaseException:
        child.end()
        raise
    if answer["kind"] == _FAILED:
        child.end()
        raise SandboxError(answer["fault"])
    with _lock:
        _idle.append(child)
    if answer["kind"] == _REFUSED:
        raise Refused(answer["fault"], answer["offset"])
    return answer["value"]


def _address_space() -> int | None:
    """Bytes of address space that this process has now; None where the system does not say."""
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return pages * resource.getpagesize()
    except (ImportError, OSError, ValueError):
        return None


def _limit(seconds: float, memory: int | None) -> None:
    """Limit the processor time from now on and the address space, where the system can.

    Processor time ends a call whose parent is gone.
    """
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        processor = int(time.process_time() + seconds) + 2
        resource.setrlimit(resource.RLIMIT_CPU, (processor, resource.RLIM_INFINITY))
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, resource.RLIM_INFINITY))
    except (ImportError, OSError, ValueError):
        return


def _answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """The outcome of one request, as the parent reads it."""
    module, _, name = request["function"].partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
        value = function(**request["arguments"], folder=Path(request["folder"]))
        json.dumps(value)
        return {"kind": _DONE, "value": value}
    except Refused as error:
        return {"kind": _REFUSED, "fault": error.fault, "offset": error.offset}
    except MemoryError:
        return {"kind": _FAILED, "fault": f"needs more than {request['memory'] >> 20} MiB"}
    except BaseException as error:
        if isinstance(error, SystemExit | KeyboardInterrupt):
            raise
        text = str(error).splitlines() or [""]
        return {"kind": _FAILED, "fault": f"{type(error).__name__}: {text[0][:200]}"}


def _serve() -> None:
    """Answer requests until the parent closes the pipe; nothing else reaches standard output."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    import numpy as np

    assert np.zeros(1).size
    empty = _address_space()
    answers.write(b"ready\n")
    for line in sys.stdin.buffer:
        request = json.loads(line)
        _limit(request["seconds"], None if empty is None else empty + request["memory"])
        answers.write(json.dumps(_answer(request)).encode() + b"\n")


if __name__ == "__main__":  # the module by its name: functions raise its Refused, not __main__'s
    importlib.import_module("neurosim.sandbox")._serve()
