"""No floating point between frames and weights, neither in arrays nor in machine code."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from neurosim import kernels
from neurosim.kernels import readout
from neurosim.kernels.executors import fused_chain, output_batch
from neurosim.network import Network, Population
from neurosim.population.evaluator import Evaluator, ReadoutSpec
from neurosim.population.layout import NoiseSpec, lay_out
from neurosim.population.state import initial_state, weights

FLOAT = re.compile(
    r"\b(?:double|float|half|bfloat|x86_fp80|fadd|fsub|fmul|fdiv|frem|fneg|fcmp|fpext|fptrunc"
    r"|fptosi|fptoui|sitofp|uitofp)\b"
)
"""Types and instructions of floating point in LLVM's language."""
ELSEWHERE = {"chip", "compilation", "data", "peak_rates", "simd"}
"""What makes frames or runs one network, and what holds no kernel."""
PACKAGE = Path(kernels.__path__[0])
PARTS = [path.relative_to(PACKAGE).with_suffix("").parts for path in PACKAGE.rglob("*.py")]
MODULES = sorted(
    ".".join(parts) for parts in PARTS if parts[-1] != "__init__" and parts[0] not in ELSEWHERE
)
"""Kernels from frames to weights."""
SCRIPT = """
import importlib, json, sys
sys.path[:0] = {path}
import kernel_cases, test_no_floats
kernel_cases.digests()
found, signatures = [], 0
for module in test_no_floats.MODULES:
    names = importlib.import_module("neurosim.kernels." + module)
    for name, value in vars(names).items():
        if hasattr(value, "inspect_llvm"):
            for signature, text in value.inspect_llvm().items():
                signatures += 1
                found += [[module, name, str(signature), line] for line in test_no_floats.floats(text)]
print(json.dumps([signatures, found]))
"""


def floats(text):
    """Lines of a module in LLVM's language that know of floating point."""
    return [line.strip() for line in text.splitlines() if FLOAT.search(line)]


def test_machine_code_holds_no_floating_point(tmp_path):
    """Compiled anew, since a kernel from the cache no longer knows its code."""
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(path=[str(here.parent), str(here)])],
        env={**os.environ, "NEUROSIM_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    signatures, found = json.loads(done.stdout)
    assert signatures > 30
    assert found == []


def test_floating_point_would_be_seen():
    @numba.njit
    def halve(x):
        return int(x * 0.5)

    halve(3)
    assert floats(next(iter(halve.inspect_llvm().values())))


def arrays(value):
    """Every array within nested tuples."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from arrays(part)


@pytest.mark.parametrize("full_rank", [False, True])
def test_every_array_is_of_integers(full_rank):
    network = Network.chain(20, [Population("hidden", 9, 60), Population("output", 3, 60)])
    state = initial_state(network, [16, 16], seed=0, fraction_bits=8, momentum=True)
    held = weights(state, 8)
    spec = NoiseSpec((5, 5), (1, 1), full_rank=full_rank)
    chip = Evaluator(network, state, seed=1, noise=spec, readout_spec=ReadoutSpec(True, 1, 0))
    chain = lay_out(network, held, spec, 4)
    scratch = fused_chain.make_scratch(chain, chip._noise, 4)
    side_by_side = output_batch.make_output_batch(chain, chip._noise, 4)
    tables = (readout.exp2_table(), readout.log2_table())
    found = list(arrays((state, held, chain, scratch, side_by_side, tables)))
    assert len(found) > 25
    assert {array.dtype.kind for array in found} <= {"i", "u"}
