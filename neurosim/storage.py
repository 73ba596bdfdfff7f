"""Atomic writes of files and folders, and removal of the temporary files of killed writes.

A writer fills a temporary file in the folder of the final name, forces it to disk, and renames it.
An interrupted write (full disk, exception, power) leaves the final name unchanged.

A temporary name holds the machine and the process that made it,

    .FINAL-NAME.MACHINE-PROCESS-RANDOM.tmp

so that the next write of the same file finds and removes those of processes that are gone.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import platform
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any

STALE_SECONDS = 86_400.0
"""Age at which a temporary file of an unknown owner is taken for abandoned. Chosen here: a day, because
nothing here writes one file for hours."""


class StorageError(OSError):
    """A file could not be written. The message says which, why, and what to do."""

    def __str__(self) -> str:
        return str(self.strerror)


class JsonError(ValueError):
    """Bytes that are not a usable JSON document. The message says why."""


def cache_root() -> Path:
    """Folder for everything that can be made again: `$NEUROSIM_CACHE`, or the user's cache folder."""
    chosen = os.environ.get("NEUROSIM_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "neurosim"


def make_private(folder: Path) -> None:
    """Make `folder`, for its owner alone; OSError unless it is this user's, and was never another's to write.

    A folder that others could read is closed to them; one that they could write is not trusted.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise PermissionError(errno.ENOTDIR, f"{folder} is no folder")
    if os.name == "posix":
        if status.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, f"{folder} belongs to another user")
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(errno.EPERM, f"{folder} can be written by other users; remove it")
        if status.st_mode & 0o077:
            folder.chmod(0o700)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, f"{folder} cannot be written")


_ADVICE = {
    errno.ENOSPC: "the disk is full; free some space, or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space, or choose another folder",
    errno.EACCES: "writing there is not permitted; choose another folder",
    errno.EPERM: "writing there is not permitted; choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EEXIST: "a file stands where a folder is needed; choose another folder",
    errno.ENOTDIR: "a file stands where a folder is needed; choose another folder",
    errno.EISDIR: "a folder stands there; choose another name",
}


def _explain(path: Path, error: OSError) -> StorageError:
    if isinstance(error, StorageError):
        return error
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


@cache
def _machine() -> str:
    """Identity of a machine or container, each of which numbers its processes separately."""
    try:
        processes = os.readlink("/proc/self/ns/pid")
    except OSError:
        processes = ""
    return hashlib.sha256(f"{platform.node()} {processes}".encode()).hexdigest()[:8]


def _temporary_prefix(name: str) -> str:
    """Beginning of the temporary names of `name`; the owner makes it one that can be asked about."""
    return f".{name}.{_machine()}-{os.getpid()}-"


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it exists and belongs to another user
        return True
    return True


def _abandoned(path: Path, name: str) -> bool:
    """Whether `path` is a temporary of `name` whose process is gone, or that is STALE_SECONDS old."""
    found = re.fullmatch(rf"\.{re.escape(name)}\.(?:([0-9a-f]{{8}})-(\d+)-)?\w+\.tmp", path.name)
    if found is None:
        return False
    if found[1] == _machine() and os.name == "posix":
        return not _runs(int(found[2]))
    try:
        return time.time() - path.lstat().st_mtime > STALE_SECONDS
    except OSError:
        return False


def remove_abandoned(final: str | os.PathLike[str]) -> None:
    """Remove the temporary files and folders that killed writes of `final` left beside it.

    The folder that a killed `folder_replaced` had moved away comes back where nothing has its name.
    """
    final = Path(final)
    with contextlib.suppress(OSError):
        for path in final.parent.glob(f".{_escape(final.name)}.*.tmp"):
            if not _abandoned(path, final.name):
                continue
            if path.is_dir() and not path.is_symlink():
                if (path / _OLD).is_dir() and not final.exists():
                    (path / _OLD).rename(final)
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _escape(name: str) -> str:
    """`name` for a glob."""
    return re.sub(r"([\[*?])", r"[\1]", name)


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str], *, make_parents: bool = True) -> Iterator[Path]:
    """Give a temporary path in the same folder; on leaving without an error it becomes `path`.

    make_parents  make missing folders; otherwise a missing folder is an error

    An OSError on the way is raised again as StorageError, with the same errno; after any error the
    temporary file is gone. Temporary files of killed writes of the same path are removed.
    """
    final = Path(path)
    temporary: Path | None = None
    try:
        if make_parents:
            final.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(final)
        descriptor, name = tempfile.mkstemp(
            prefix=_temporary_prefix(final.name), suffix=".tmp", dir=final.parent
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


def write_atomically(
    path: str | os.PathLike[str], data: bytes, *, make_parents: bool = True
) -> None:
    """Write `data` as the whole content of `path`."""
    with atomic_path(path, make_parents=make_parents) as temporary:
        temporary.write_bytes(data)


_NEW, _OLD = "new", "old"


@contextlib.contextmanager
def work_folder(final: Path) -> Iterator[Path]:
    """Give an empty folder beside `final`, which is removed afterwards; those of killed processes go now."""
    final.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(final)
    work = tempfile.mkdtemp(prefix=_temporary_prefix(final.name), suffix=".tmp", dir=final.parent)
    try:
        yield Path(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def folder_replaced(path: str | os.PathLike[str], check: Callable[[Path], None]) -> Iterator[Path]:
    """Give an empty folder; on leaving without an error it stands under the name `path`.

    check  called with an existing folder `path`, at the start and again just before it is replaced;
           raises where it must not be

    A killed process leaves the folder as it was, or moved away whole: the next start brings it back.
    An OSError on the way is raised again as StorageError.
    """
    final = Path(path)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(final)
        if final.exists():
            check(final)
        work = Path(
            tempfile.mkdtemp(prefix=_temporary_prefix(final.name), suffix=".tmp", dir=final.parent)
        )
    except OSError as error:
        raise _explain(final, error) from error
    try:
        (work / _NEW).mkdir()
        yield work / _NEW
        if final.exists():
            check(final)
            final.rename(work / _OLD)
        try:
            (work / _NEW).rename(final)
        except OSError:
            if (work / _OLD).exists():
                (work / _OLD).rename(final)
            raise
    except OSError as error:
        raise _explain(final, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def parse_json(data: bytes, *, constants: bool = False) -> Any:
    """The document in `data`; JsonError where it is none or too deep, or holds NaN or Infinity.

    constants  allow the latter
    """

    def refuse(constant: str) -> Any:
        raise JsonError(f"{constant} is no number of JSON")

    try:
        return json.loads(data, parse_constant=None if constants else refuse)
    except RecursionError as error:
        raise JsonError("it is nested too deep") from error
    except ValueError as error:
        raise error if isinstance(error, JsonError) else JsonError(str(error)) from error


def kept_entries(content: Any, kinds: Mapping[str, type | UnionType]) -> dict[str, Any]:
    """Entries of a JSON object that have one of the types in `kinds`; none where it is no object.

    A boolean is no number, and neither is infinity.
    """
    if not isinstance(content, dict):
        return {}
    return {
        name: content[name]
        for name, kind in kinds.items()
        if isinstance(content.get(name), kind)
        and not isinstance(content[name], bool)
        and not (isinstance(content[name], float) and not math.isfinite(content[name]))
    }


def content_sha256(content: dict[str, Any]) -> str:
    """Hash of `content` independent of order and spacing, without the entry "sha256"."""
    kept = {name: content[name] for name in content if name != "sha256"}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sealed(content: dict[str, Any]) -> bytes:
    """`content` as indented JSON with its `content_sha256` as entry "sha256"."""
    plain = json.loads(json.dumps(content))  # keys as text, as they will be read
    return json.dumps({**plain, "sha256": content_sha256(plain)}, indent=1).encode()


def unsealed(data: bytes) -> dict[str, Any]:
    """Content written by `sealed`, without "sha256"; JsonError where its hash differs or is missing."""
    content = parse_json(data, constants=True)
    if not isinstance(content, dict):
        raise JsonError(f"it holds {type(content).__name__}; needed is a JSON object")
    recorded = content.pop("sha256", None)
    if recorded != content_sha256(content):
        raise JsonError("its content does not agree with its sha256")
    return content
