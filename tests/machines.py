"""Other machines, as processes of this one: a dask scheduler and workers, and none left behind."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
HERE = ("--host", "127.0.0.1", "--no-dashboard")
PATIENCE = 120
"""Seconds for a process to start on a busy machine."""


class Machines:
    """A scheduler on the loopback, and the workers that are started; all killed in the end."""

    def __init__(self, folder, tls=()):
        """tls: further arguments of scheduler and workers"""
        self.folder, self.workers, self._processes, self._tls = folder, [], [], tls
        file = folder / "scheduler.json"
        self.scheduler = self._start("scheduler", "--port", "0", "--scheduler-file", file)
        self._wait(self.scheduler, lambda: self._address(file))
        self.address = self._address(file)

    def _start(self, what, *arguments, path=ROOT, **options):
        with (self.folder / f"{what}-{len(self._processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", what, *map(str, (*arguments, *self._tls, *HERE))],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": str(path)},
                **options,
            )
        process.log = Path(log.name)
        self._processes.append(process)
        return process

    def _address(self, file):
        with contextlib.suppress(OSError, ValueError):
            return json.loads(file.read_text())["address"]

    def _wait(self, process, ready):
        until = time.monotonic() + PATIENCE
        while not ready():
            assert process.poll() is None, process.log.read_text()
            assert time.monotonic() < until, process.log.read_text()
            time.sleep(0.02)

    def begin(self, threads=1, **options):
        """A worker that starts, not waited for."""
        arguments = ("--nthreads", threads, "--no-nanny", "--local-directory", self.folder)
        process = self._start("worker", self.address, *arguments, **options)
        self.workers.append(process)
        return process

    def worker(self, threads=1, **options):
        """A worker that has registered."""
        process = self.begin(threads, **options)
        self._wait(process, lambda: "Registered to" in process.log.read_text())
        return process

    def close(self):
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            process.wait(timeout=PATIENCE)


@contextlib.contextmanager
def machines(folder, workers, tls=()):
    """A scheduler and so many workers with a thread each; tls: further arguments of all of them."""
    some = Machines(folder, tls)
    try:
        for process in [some.begin() for _ in range(workers)]:
            some._wait(process, lambda process=process: "Registered to" in process.log.read_text())
        yield some
    finally:
        some.close()
