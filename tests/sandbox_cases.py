"""Functions that tests run in a child process: each ends in another way."""

import os
import signal
import sys
import time

import numpy as np

from neurosim.sandbox import Refused


def add(a, b, folder):
    np.save(folder / "sum.npy", np.array([a + b]))
    return {"sum": a + b, "process": os.getpid()}


def refuse(folder):
    raise Refused("no such thing", 17)


def fail(folder):
    raise KeyError("a\nb")


def crash(folder):
    os.kill(os.getpid(), signal.SIGSEGV)


def leave(folder):
    os._exit(3)


def hang(folder):
    time.sleep(60)


def spin(folder):
    while True:
        pass


def allocate(folder, size=1 << 30):
    return len(np.ones(size, np.int64))


def chatter(folder):
    print("hello")
    os.write(1, b"to the file descriptor\n")
    sys.stdout.flush()
    return "quiet"


def unpicklable(folder):
    return {1, 2}
