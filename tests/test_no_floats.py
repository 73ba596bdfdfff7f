"""No floating point between frames and weights, neither in arrays nor in machine code; on any processor the
same bits.
"""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import kernel_cases
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
import importlib, json, os, sys
sys.path[:0] = {path}
import kernel_cases, test_no_floats
from neurosim.kernels import compilation
planned = compilation.planned(kernel_cases.chains)
for number in sorted(range(len(planned)), key=lambda number: -len(str(planned[number][1]))):
    try:
        os.close(os.open("kernel-" + str(number), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        continue  # the other process compiles it
    kernel, types = planned[number]
    kernel.compile(types)
if {last}:
    kernel_cases.graphs()
print(json.dumps(test_no_floats.inspected()))
"""
"""Compile all kernels together with another process, and look at their code."""
PROCESSORS = {
    "this": {},
    "generic": {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""},
}
"""A plain processor has no AVX, no look-up and no list instructions: each has a slower way
(kernels/simd.py)."""


def floats(text):
    """Lines of a module in LLVM's language that know of floating point."""
    return [line.strip() for line in text.splitlines() if FLOAT.search(line)]


def inspected():
    """Modules whose code was made in this process, and the lines of it that know of floating point."""
    seen, found = [], []
    for module in MODULES:
        for name, value in vars(importlib.import_module(f"neurosim.kernels.{module}")).items():
            if hasattr(value, "inspect_llvm"):
                for signature, text in value.inspect_llvm().items():
                    seen.append(module)
                    found += [[module, name, str(signature), line] for line in floats(text)]
    return seen, found


@pytest.fixture(scope="module", params=list(PROCESSORS))
def compiled(request, tmp_path_factory):
    """What `inspected` says of kernels compiled anew for a processor, and the environment to use them."""
    folder, here = tmp_path_factory.mktemp("compiled"), Path(__file__).parent
    environment = {**os.environ, "NEUROSIM_CACHE": str(folder), **PROCESSORS[request.param]}
    path = [str(here.parent), str(here)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT.format(path=path, last=last)],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for last in (False, True)
    ]
    seen, found = [], []
    for process in processes:
        out, err = process.communicate()
        assert process.returncode == 0, err
        some, more = json.loads(out)
        seen, found = seen + some, found + more
    return seen, found, environment


def test_machine_code_holds_no_floating_point(compiled):
    """Compiled anew, since a kernel from the cache no longer knows its code."""
    seen, found, _ = compiled
    assert len(seen) > 40
    assert found == []


def test_every_processor_ends_in_the_same_bits(compiled):
    done = subprocess.run(
        [sys.executable, kernel_cases.__file__],
        env={**compiled[2], "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == kernel_cases.digests()


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
