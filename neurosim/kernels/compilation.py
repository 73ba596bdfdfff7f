"""How is every kernel compiled, and where is the machine code kept?

Numba's own cache does not see a change in a *called* module (numba #1833), so the cache folder is
named by a hash of all kernel sources, the versions of Python and numba, and the processor. A stale
kernel is then impossible rather than unlikely.
"""

import hashlib
import os
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import config
from numba.core.registry import cpu_target

from neurosim.storage import cache_root


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


def _usable_cache() -> str | None:
    folder = cache_root() / f"kernels-{_fingerprint()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return str(folder) if os.access(folder, os.W_OK) else None


CACHE_FOLDER = _usable_cache()
"""Where compiled kernels are kept; None where no folder can be written, and nothing is kept then."""


def kernel(function: Callable[..., Any], inline: bool = False) -> Any:
    """Compile a scalar rule or a loop; it lets go of Python's lock, so that threads run it side by side."""
    before = config.CACHE_DIR
    try:
        config.CACHE_DIR = CACHE_FOLDER or before
        return numba.njit(
            function,
            cache=CACHE_FOLDER is not None,
            nogil=True,
            error_model="numpy",
            forceinline=inline,
        )
    finally:
        config.CACHE_DIR = before


def inlined(function: Callable[..., Any]) -> Any:
    """A kernel that becomes part of its callers: a call with a chain and a room has some fifty arguments."""
    return kernel(function, inline=True)
