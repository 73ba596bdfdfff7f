"""The command line as people use it: processes of their own, or the same without the wait for one."""

import contextlib
import io
import json
import os
import shlex
import subprocess
import sys

from neurosim.app import cli

SMALL = shlex.split(
    "--data digits --generations 6 --pairs 64 --groups 8 --batch 2 --hidden 20 "
    "--evaluate-every 2 --validation-samples 50 --recipe eggroll"
)
"""A run of a second."""


def environment(**more):
    return {**os.environ, "NUMBA_NUM_THREADS": str(max(2, os.cpu_count() or 1)), **more}


def start(*arguments, **options):
    """A process of `neurosim`, not waited for."""
    return subprocess.Popen(
        [sys.executable, "-m", "neurosim", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **{"env": environment(), **options},
    )


def neurosim(*arguments, **options):
    """The outcome of `neurosim`: returncode, stdout, stderr."""
    process = start(*arguments, **options)
    stdout, stderr = process.communicate(timeout=300)
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def results(*arguments, **options):
    """The one JSON object that a command prints with --json."""
    done = neurosim(*arguments, "--json", **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def here(*arguments):
    """The outcome of `neurosim`, run within this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = cli.main([*map(str, arguments)])
        except SystemExit as exit_:
            status = int(exit_.code or 0)
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())


def assert_refused(done, status, *named):
    """One message that names what is wrong, on stderr, and an exit status."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    for one in named:
        assert str(one) in done.stderr
