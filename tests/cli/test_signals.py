"""Signals: one line and an exit status, whenever they come."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import command
import pytest

from neurosim.app.cli import signals

NUMBERS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def not_ignored():
    """Jobs in the background and `nohup` begin with ignored signals, which their children inherit."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    for number in NUMBERS:
        signal.signal(
            number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        )
    yield
    for number, one in before.items():
        signal.signal(number, one)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_unwinds_a_command_and_handlers_come_back(number):
    before = signal.getsignal(number)
    unwound = []

    def interrupted():
        with signals.ending("neurosim test"):
            try:
                os.kill(os.getpid(), number)
                time.sleep(5)
            finally:
                unwound.append(True)

    with pytest.raises(signals.Ended) as ended:
        interrupted()
    assert unwound
    assert signals.status(ended.value) == 128 + number
    assert signal.getsignal(number) is before


LOST = {
    "a deleted object": """
        class Deleted:
            def __del__(self):
                os.kill(os.getpid(), NUMBER); time.sleep(0.01)
        Deleted()
    """,
    "a callback from C": """
        import ctypes
        kind = ctypes.CFUNCTYPE(None)
        kind(lambda: (os.kill(os.getpid(), NUMBER), time.sleep(0.01)) and None)()
    """,
    "a library that goes on": """
        try:
            os.kill(os.getpid(), NUMBER); time.sleep(0.01)
        except BaseException:
            pass
    """,
}
"""Places in which Python or a library drops an exception."""


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("place", LOST)
def test_a_signal_that_is_dropped_comes_again_and_is_quiet(place, number):
    lines = textwrap.indent(
        textwrap.dedent(LOST[place]).replace("NUMBER", str(int(number))), "    "
    )
    code = (
        "import os, time\nfrom neurosim.app.cli import signals\n"
        f"def work():\n{lines}\n    time.sleep(30)\n    print('lost')\n"
        "try:\n    with signals.ending('neurosim x'):\n        work()\n"
        "except signals.Ended as ended:\n    raise SystemExit(signals.status(ended))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, "", "")


def test_a_command_on_its_way_out_is_not_interrupted_again():
    """Cleaning up takes longer than the time after which a signal counts as lost."""
    steps = []

    def interrupted():
        with signals.ending("neurosim test"):
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(5)
            finally:
                for step in range(3):
                    time.sleep(signals.LOST_SECONDS)
                    steps.append(step)

    with pytest.raises(signals.Ended):
        interrupted()
    time.sleep(2 * signals.LOST_SECONDS)  # nor is what runs after it
    assert steps == [0, 1, 2]


def test_a_signal_that_is_noted_does_not_interrupt():
    numbers = []
    with signals.ending("neurosim test"), signals.noted(numbers):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert numbers == [signal.SIGTERM, signal.SIGINT]


def test_a_signal_that_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.ending("neurosim test"):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_while_a_module_is_imported_is_quiet(number, tmp_path):
    """The module that is imported sends the signal, and would turn an exception into another one."""
    (tmp_path / "slow.py").write_text(
        f"import os, time\ntry:\n    os.kill(os.getpid(), {int(number)}); time.sleep(9)\n"
        "except BaseException as error:\n    raise ImportError('broken') from error\n"
    )
    code = "from neurosim.app.cli import signals\nwith signals.ending('neurosim x'): import slow"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), str(tmp_path)])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 128 + number
    assert done.stderr.startswith("neurosim x: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("delay", [0.15, 0.3, 0.6, 1.0])
def test_ctrl_c_in_the_first_second_is_quiet(delay, tmp_path):
    process = command.start("train", "--data", "digits", "--run", tmp_path / "run", "--json")
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=120)
    assert stdout == ""
    if process.returncode in (1, -signal.SIGINT):  # Python itself had not started yet
        assert f"neurosim{os.sep}app" not in stderr
        return
    assert process.returncode == 130
    assert "Traceback" not in stderr
