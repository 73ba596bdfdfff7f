"""Compiled kernels: one cache filled by several processes, and what a computation would compile."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from neurosim.kernels import compilation
from neurosim.kernels.compilation import compile_seconds, kernel, planned

MODULE = """
import numpy as np
from neurosim.kernels.compilation import kernel


def make(factor):
    @kernel
    def step(x, n):
        for i in range(n):
            for j in range(x.shape[0]):
                if x[j] % 3 == 0:
                    x[j] = x[j] * factor + i
                elif x[j] % 5 == 1:
                    x[j] += x[(j + i) % x.shape[0]] - factor
                else:
                    x[j] ^= factor + j
        return x.sum()

    return step


one, other = make(3), make(7)


@kernel
def first(x):
    return one(x, 3) + one(x, 5) + one(x, 2) + one(x, 4)


@kernel
def second(x):
    return other(x, 3) + other(x, 5) + other(x, 2) + other(x, 4)


def enclosing(step):
    @kernel
    def twice(x):
        return step(x, 3) + step(x, 5)

    return twice


of_one, of_other = enclosing(one), enclosing(other)


def slowly(step, x):
    return sum(int(step.py_func(x, n)) for n in (3, 5, 2, 4))
"""


def python(folder: Path, code: str) -> str:
    """What a process prints that can import the module, with the cache in the folder."""
    paths = f"import sys, os; sys.path[:0] = {[str(folder), str(Path(__file__).parents[2])]!r}\n"
    environment = {"NEUROSIM_CACHE": str(folder / "cache"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", paths + "import numpy as np, factories\n" + code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_functions_of_one_factory_cached_by_two_processes_stay_apart(tmp_path):
    """Numba names functions by a number that each process counts anew: names alone would mix them up."""
    (tmp_path / "factories.py").write_text(MODULE)
    for name in ("first", "second"):
        python(tmp_path, f"factories.{name}(np.arange(50))")
    printed = python(
        tmp_path,
        "print(factories.first(np.arange(50)), factories.second(np.arange(50)))\n"
        "print(factories.slowly(factories.one, np.arange(50)),"
        " factories.slowly(factories.other, np.arange(50)))\n"
        "print(sum(factories.first.stats.cache_hits.values()),"
        " sum(factories.second.stats.cache_hits.values()))",
    )
    compiled, wanted, hits = printed.splitlines()
    assert compiled == wanted
    assert hits == "1 1"


def test_a_kernel_that_encloses_another_is_found_by_the_next_process(tmp_path):
    """Numba alone never finds it, and two that enclose different kernels must not be mixed up."""
    (tmp_path / "factories.py").write_text(MODULE)
    both = "factories.of_one(np.arange(50)), factories.of_other(np.arange(50))"
    found = [python(tmp_path, f"print({both})") for _ in range(2)]
    hits = python(
        tmp_path,
        f"{both}\nprint([sum(f.stats.cache_hits.values()) for f in (factories.of_one, factories.of_other)])",
    )
    assert found[0] == found[1]
    assert len(set(found[0].split())) == 2
    assert hits.strip() == "[1, 1]"


def test_a_kernel_that_encloses_a_function_from_elsewhere_is_not_kept(tmp_path):
    """Its changes are in no hash, so that another process would run stale code."""
    (tmp_path / "factories.py").write_text(MODULE)
    (tmp_path / "elsewhere.py").write_text(
        "from neurosim.kernels.compilation import kernel\n\n\n"
        "@kernel\ndef step(x, n):\n    return x.sum() + n\n"
    )
    code = (
        "import elsewhere\nmade = factories.enclosing(elsewhere.step)\n"
        "print(made(np.arange(4)), sum(made.stats.cache_hits.values()))"
    )
    assert python(tmp_path, code) == "20 0\n"
    assert python(tmp_path, code.replace("made(np", "made(1 + np")) == "28 0\n"


@pytest.fixture
def nothing_kept(monkeypatch):
    """Kernels made from here on are compiled, even if an earlier run of the tests has kept them."""
    monkeypatch.setattr(compilation, "CACHE_FOLDER", None)


@pytest.mark.usefixtures("nothing_kept")
def test_a_plan_names_what_would_be_compiled_and_runs_nothing():
    @kernel
    def add(x, y):
        x[0] += y
        return 5

    x = np.zeros(1, np.int64)
    found = planned(lambda: [add(x, 1), add(x, 2), add(x.astype(np.int32), 1)])
    assert [one for one, _ in found] == [add, add]
    assert not add.overloads
    assert x[0] == 0
    assert not any(add.is_compiled(types) for _, types in found)
    assert add(x, 1) == 5
    assert [add.is_compiled(types) for _, types in found] == [True, False]


def test_a_plan_ends_with_its_work_even_if_that_fails():
    @kernel
    def one():
        return 1

    def fail():
        one()
        raise RuntimeError("no result to go on with")

    with pytest.raises(RuntimeError, match="no result"):
        planned(fail)
    assert one() == 1


def test_compilation_has_a_clock_of_its_own():
    @kernel
    def twice(x):
        return x + x

    before = compile_seconds()
    assert twice(3) == 6
    compiled = compile_seconds()
    assert compiled > before
    assert twice(4) == 8
    assert compile_seconds() == compiled


@pytest.mark.usefixtures("nothing_kept")
def test_a_callee_has_neither_machine_code_nor_wrappers():
    """It costs half the time of a cold start to make them."""

    @kernel
    def inner(x):
        return x + 1

    @kernel
    def outer(x):
        return inner(x) * 2

    assert outer(4) == 10
    assert not inner.overloads
    (result,) = inner.callee.overloads.values()
    assert isinstance(result.library, compilation._CalleeLibrary)
    assert inner(4) == 5


def test_kernels_made_by_threads_side_by_side_are_all_kept_in_the_cache_folder(monkeypatch):
    """Numba takes the folder of a new cache from a global setting."""

    class Slow(compilation._KernelCache):
        def __init__(self, function):
            time.sleep(0.002)
            super().__init__(function)

    def make(number):
        @kernel
        def step(x):
            return x + number

        return step

    monkeypatch.setattr(compilation, "_KernelCache", Slow)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(40)))
    folders = {Path(one._cache.cache_path).parent for one in made}
    assert folders == {Path(compilation.CACHE_FOLDER)}
