"""Kernels without compilation: the same bits as plain Python.

Where a kernel calls others on pointers, its `py_func` alone cannot run; here nothing is compiled.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import kernel_cases


def test_py_func_is_compiled_for_every_kernel():
    done = subprocess.run(
        [sys.executable, "-W", "error", kernel_cases.__file__],
        env={
            **os.environ,
            "NUMBA_DISABLE_JIT": "1",
            "PYTHONPATH": os.pathsep.join(
                [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
            ),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == kernel_cases.digests()
