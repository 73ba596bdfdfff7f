"""Calls in a child process: values, and survival of any other behaviour of the function."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

from neurosim import sandbox


def call(name, folder, seconds=20.0, **arguments):
    return sandbox.call(f"sandbox_cases:{name}", arguments, folder, seconds=seconds)


def test_value_and_arrays_come_back_and_the_child_is_kept(tmp_path):
    first, second = (call("add", tmp_path, a=2, b=i) for i in (3, 40))
    assert (first["sum"], second["sum"]) == (5, 42)
    assert first["process"] == second["process"] != os.getpid()
    assert np.load(tmp_path / "sum.npy").tolist() == [42]


def test_a_refusal_is_raised_again_with_its_place(tmp_path):
    with pytest.raises(sandbox.Refused, match="no such thing") as error:
        call("refuse", tmp_path)
    assert error.value.offset == 17


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("fail", "KeyError: 'a"),
        ("crash", "ended by SIGSEGV"),
        ("leave", "ended the process with status 3"),
        ("allocate", "needs more than 1024 MiB"),
        ("unpicklable", "TypeError"),
        ("missing", "AttributeError"),
    ],
)
def test_other_ends_are_reported_and_the_next_call_works(name, text, tmp_path):
    if name == "allocate" and sys.platform != "linux":
        pytest.skip("the system does not limit address space")
    with pytest.raises(sandbox.SandboxError, match=text):
        call(name, tmp_path)
    assert call("add", tmp_path, a=1, b=1)["sum"] == 2


@pytest.mark.skipif(sys.platform != "linux", reason="the system does not limit address space")
def test_memory_is_limited_by_call(tmp_path):
    def ask(bytes_asked, memory_bytes):
        return sandbox.call(
            "sandbox_cases:allocate",
            {"size": bytes_asked // 8},
            tmp_path,
            seconds=20,
            memory_bytes=memory_bytes,
        )

    assert ask(100 << 20, 300 << 20) == 100 << 17
    with pytest.raises(sandbox.SandboxError, match="needs more than 50 MiB"):
        ask(100 << 20, 50 << 20)


@pytest.mark.parametrize("name", ["hang", "spin"])
def test_time_is_limited(name, tmp_path):
    call("add", tmp_path, a=1, b=1)
    start = time.monotonic()
    with pytest.raises(sandbox.SandboxError, match="no answer within"):
        call(name, tmp_path, seconds=0.5)
    assert time.monotonic() - start < 10


def test_what_the_function_prints_is_no_answer(tmp_path):
    assert call("chatter", tmp_path) == "quiet"


def test_children_end_with_their_parent(tmp_path):
    script = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from neurosim import sandbox\n"
        "found = sandbox.call('sandbox_cases:add', {'a': 1, 'b': 2}, sys.argv[1], seconds=20)\n"
        "print(found['process'], flush=True)\n"
        "import os; os._exit(0)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path), *filter(None, sys.path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    child = int(done.stdout)
    for _ in range(100):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail(f"process {child} lives on")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_starts_children_of_its_own(tmp_path):
    mine = call("add", tmp_path, a=1, b=1)["process"]
    reading, writing = os.pipe()
    forked = os.fork()
    if not forked:
        try:
            other = call("add", tmp_path, a=1, b=1)["process"]
            os.write(writing, str(other).encode())
            sandbox.close()
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(forked, 0)
    theirs = int(os.read(reading, 100))
    os.close(reading)
    assert theirs != mine
    assert call("add", tmp_path, a=1, b=1)["process"] == mine
