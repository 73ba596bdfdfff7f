"""Where are files kept, and how does a file appear under its name whole or not at all?

A writer fills a temporary file in the folder of the final name, forces it to disk, and renames it.
Whatever stops it on the way (full disk, exception, power) leaves the final name as it was.
"""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


class StorageError(OSError):
    """A file could not be written. The message says which, why, and what to do."""


def cache_root() -> Path:
    """Folder for everything that can be made again: `$NEUROSIM_CACHE`, or the user's cache folder."""
    chosen = os.environ.get("NEUROSIM_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neurosim"


_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space, or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space, or choose another folder",
    errno.EACCES: "writing there is not permitted; choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
}


def _explain(path: Path, error: OSError) -> StorageError:
    reason = _ADVICE.get(error.errno or 0, error.strerror or str(error))
    return StorageError(error.errno, f"cannot write {path}: {reason}; the file is as it was before")


def _force_to_disk(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _ordinary_mode() -> int:
    """Permissions a plain open() would give: mkstemp's 0600 would shut out others in a group."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path in the same folder; on leaving without an error it becomes `path`.

    Missing folders are made. An OSError on the way is raised again as StorageError, with the same
    errno; after any error the temporary file is gone.
    """
    final = Path(path)
    temporary: Path | None = None
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(
            prefix=f".{final.name}.", suffix=".tmp", dir=final.parent
        )
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        os.chmod(temporary, _ordinary_mode())
        _force_to_disk(temporary, os.O_RDWR)
        os.replace(temporary, final)
        temporary = None
        if os.name == "posix":
            _force_to_disk(final.parent, os.O_RDONLY)
    except OSError as error:
        raise _explain(final, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write `data` as the whole content of `path`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
