"""Compilation of kernels with Numba, and the cache of their machine code.

Numba's own cache does not notice a change in a *called* module (numba #1833), so the cache folder is named
by a hash of all kernel sources, the versions of Python and Numba, and the processor. This excludes stale
kernels.
"""

import gc
import hashlib
import platform
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from llvmlite.binding import Linkage
from numba import config
from numba.core.caching import FunctionCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.registry import CPUDispatcher, cpu_target
from numba.core.typed_passes import NativeLowering

from neurosim.storage import cache_root, make_private


def _fingerprint() -> str:
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for source in sorted(package.rglob("*.py")):
        digest.update(
            str(source.relative_to(package)).encode() + b"\0" + source.read_bytes() + b"\0"
        )
    codegen = cpu_target.target_context.codegen()
    for part in (platform.python_version(), numba.__version__, *map(str, codegen.magic_tuple())):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


def _usable_cache() -> tuple[str | None, str]:
    """The cache folder, or None and why it is not used."""
    folder = cache_root() / f"kernels-{_fingerprint()}"
    try:
        make_private(folder)
    except OSError as error:
        return None, str(error.strerror or error)
    return str(folder), ""


CACHE_FOLDER, NO_CACHE = _usable_cache()
"""Where compiled kernels are kept; None where no private folder can be had: nothing is kept then, and
NO_CACHE says why. It holds machine code that is run, so that no other user may write to it."""


class _CalleeLibrary(JITCodeLibrary):
    """LLVM code that becomes part of its callers: they optimise it, and no machine code is made of it."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class _KernelLibrary(JITCodeLibrary):
    """Machine code of a kernel that Python calls, with its callees as functions of its own.

    Their names hold a number that Numba counts up in each process, so that two functions made by one
    factory can have the same name in the caches of two processes. Exported, one would stand for the other.
    """

    def _optimize_final_module(self) -> None:
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
                function.linkage = "internal"
        super()._optimize_final_module()


@register_pass(mutates_CFG=True, analysis_only=False)
class _KernelLowering(NativeLowering):
    """Lower a function that Python calls."""

    _name = "kernel_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _KernelLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return bool(super().run_pass(state))


@register_pass(mutates_CFG=True, analysis_only=False)
class _CalleeLowering(NativeLowering):
    """Lower a function for its callers alone."""

    _name = "callee_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _CalleeLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        key = (
            object()
        )  # callers look the function up by it; there is nothing that Python could call
        state.targetctx.insert_user_function(key, state.cr.fndesc, [state.library])
        state.cr = state.cr._replace(cfunc=key)
        return True


def _pipeline(lowering: type[NativeLowering]) -> type[CompilerBase]:
    """Numba's compiler with another way of making code."""

    class Compiler(CompilerBase):
        def define_pipelines(self) -> list[Any]:
            passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
            passes.passes = [
                (lowering, what) if which is NativeLowering else (which, what)
                for which, what in passes.passes
            ]
            passes.finalize()
            return [passes]

    return Compiler


_KernelCompiler = _pipeline(_KernelLowering)
_CalleeCompiler = _pipeline(_CalleeLowering)


class _Callee(CPUDispatcher):
    """A kernel that other kernels call."""

    def add_overload(self, result: Any) -> None:
        self.overloads[tuple(result.signature.args)] = result


def _identity(value: Any, home: str) -> Any:
    """What tells a value that a kernel of module `home` encloses from others, in any process.

    Raises LookupError for a function of a module elsewhere, whose changes no hash would show.
    """
    if isinstance(value, tuple):
        return tuple(_identity(one, home) for one in value)
    function = getattr(value, "py_func", value)
    if not isinstance(function, FunctionType):
        return repr(value)
    module = function.__module__
    if module != home and not module.startswith(f"{__package__}."):
        raise LookupError(module)
    cells = function.__closure__ or ()
    enclosed = tuple(_identity(cell.cell_contents, home) for cell in cells)
    return module, function.__qualname__, function.__code__.co_firstlineno, enclosed


class _KernelCache(FunctionCache):
    """Numba's cache, for kernels that enclose other kernels.

    Numba tells closures apart by pickling what they enclose, and a pickled dispatcher has a number that is
    random in each process, so that nothing would ever be found.
    """

    def _key(self) -> Any:
        return _identity(self._py_func, self._py_func.__module__)

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return sig, codegen.magic_tuple(), self._key()

    def _is_kept(self) -> bool:
        try:
            self._key()
        except LookupError:
            return False
        return True

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        return super().load_overload(sig, target_context) if self._is_kept() else None

    def save_overload(self, sig: Any, data: Any) -> None:
        if self._is_kept():
            super().save_overload(sig, data)


class Kernel(CPUDispatcher):
    """A kernel as Python calls it. Kernels that call it compile it into their own code.

    Numba by itself optimises every function, makes machine code and two wrappers of it, and then does
    the same for whoever calls it. Here that happens once, for what Python calls: half the time.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        options = {**options, "no_cfunc_wrapper": True}
        super().__init__(function, targetoptions=options, pipeline_class=_KernelCompiler)
        inner = {**options, "no_cpython_wrapper": True}
        self.callee = _Callee(function, targetoptions=inner, pipeline_class=_CalleeCompiler)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        return self.callee.get_call_template(args, kws)

    def get_overload(self, signature: Any) -> Any:
        return self.callee.get_overload(signature)

    def enable_caching(self) -> None:
        self._cache = _KernelCache(self.py_func)

    def compile(self, signature: Any) -> Any:
        """Compile for these argument types, or load from the cache; the time counts as compilation."""
        with _clock:
            return super().compile(signature)

    def _compile_for_args(self, *args: Any, **kws: Any) -> Any:
        if _plan is None:
            return super()._compile_for_args(*args, **kws)
        _plan.setdefault(self, {})[tuple(map(self.typeof_pyval, args))] = None
        return lambda *_: 0

    @property
    def identity(self) -> Any:
        """What tells this kernel from others in any process (`KERNELS`), or None where nothing does."""
        try:
            return _identity(self.py_func, self.py_func.__module__)
        except LookupError:
            return None

    def is_compiled(self, types: tuple[Any, ...]) -> bool:
        """Whether there is machine code for these argument types, in this process or in the cache."""
        return (
            types in self.overloads or self._cache.load_overload(types, self.targetctx) is not None
        )


class _Clock:
    """Seconds this process has spent on compiling kernels, whichever thread did it."""

    def __init__(self) -> None:
        self.seconds, self._depth, self._began = 0.0, 0, 0.0
        self._lock, self._collects = threading.Lock(), False

    def __enter__(self) -> None:
        with self._lock:
            if not self._depth:
                self._began, self._collects = time.perf_counter(), gc.isenabled()
                gc.disable()  # the compiler makes many objects and few cycles: a tenth of its time
            self._depth += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._depth -= 1
            if not self._depth:
                self.seconds += time.perf_counter() - self._began
                if self._collects:
                    gc.enable()


_making = threading.Lock()
"""Numba reads the folder of a new cache from a global setting: one thread at a time changes it."""
KERNELS: dict[Any, Kernel] = {}
"""Every kernel by its identity, for processes that compile what another one needs."""
_clock = _Clock()
_plan: "dict[Kernel, dict[tuple[Any, ...], None]] | None" = None


def compile_seconds() -> float:
    """Seconds that this process has spent on compiling kernels, or on loading them, so far."""
    return _clock.seconds


def planned(work: Callable[[], object]) -> list[tuple[Kernel, tuple[Any, ...]]]:
    """The kernels that `work` would call, with the types of their arguments, in order of the first call.

    No kernel runs meanwhile: each returns 0 and writes nothing, so results of `work` are worthless, and
    so is whatever it leaves in caches: call this in a process that does nothing else but compile.
    """
    global _plan
    found: dict[Kernel, dict[tuple[Any, ...], None]] = {}
    _plan = found
    try:
        work()
    finally:
        _plan = None
    return [(one, types) for one, all_types in found.items() for types in all_types]


def kernel(function: Callable[..., Any], inline: bool = False) -> Any:
    """Compile a scalar rule or a loop; it releases the GIL, so that threads run it in parallel.

    With NUMBA_DISABLE_JIT=1 it stays a Python function.
    """
    if config.DISABLE_JIT:
        function.py_func = function  # type: ignore[attr-defined]
        return function
    options = {"nopython": True, "nogil": True, "error_model": "numpy", "forceinline": inline}
    compiled = Kernel(function, options)
    KERNELS[compiled.identity] = compiled
    if CACHE_FOLDER is not None:
        with _making:
            before = config.CACHE_DIR
            try:
                config.CACHE_DIR = CACHE_FOLDER
                compiled.enable_caching()
            finally:
                config.CACHE_DIR = before
    return compiled


def inlined(function: Callable[..., Any]) -> Any:
    """A kernel that is inlined into its callers, because a call has some fifty arguments."""
    return kernel(function, inline=True)
