"""Provenance of a run: which version, commit, machine and command line made it, when, in what time.

    provenance.json   one entry for each time that the run was started or continued

It stands beside the run folder's own files, is not needed to read them, and changes nothing of their format.
"""

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import UnionType
from typing import Any

from neurosim.storage import JsonError, kept_entries, parse_json, write_atomically

PROVENANCE = "provenance.json"
FORMAT = "neurosim-provenance/1"
ENTRIES: dict[str, type | UnionType] = {
    **dict.fromkeys(("date", "command", "version", "commit", "python", "system", "processor"), str),
    **dict.fromkeys(("cores", "threads", "from_generation", "to_generation"), int),
    **dict.fromkeys(("train_seconds", "compile_seconds"), int | float),
    "packages": dict,
}
"""Entries and their types; one of another type is left out when it is read."""


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    """The commit of the source tree that runs, '+changes' where files differ from it; None outside git."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        head, changes = (
            subprocess.run(
                ["git", "-C", str(root), *arguments],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            ).stdout.strip()
            for arguments in (("rev-parse", "HEAD"), ("status", "--porcelain", "-uno"))
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}+changes" if changes else head


def processor() -> str:
    """Name of the processor, as far as the system reports it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def started(command: Sequence[str], threads: int, generation: int) -> dict[str, Any]:
    """Facts at the start of a run, or at its continuation at `generation`."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["neurosim", *command]),
        "version": _version("neurosim-eggroll"),
        "commit": commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in ("numpy", "numba", "llvmlite")},
        "system": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "from_generation": generation,
    }


def read(folder: Path) -> list[dict[str, Any]]:
    """Entries of a run folder, oldest first; none where it has no provenance that can be read."""
    try:
        content = parse_json((folder / PROVENANCE).read_bytes())
    except (OSError, JsonError):
        return []
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return []
    entries = content.get("starts")
    return [kept_entries(entry, ENTRIES) for entry in entries] if isinstance(entries, list) else []


def write(folder: Path, entries: Sequence[dict[str, Any]]) -> None:
    content = {"format": FORMAT, "starts": list(entries)}
    write_atomically(folder / PROVENANCE, json.dumps(content, indent=1).encode())


def command_line() -> list[str]:
    """The arguments of this process."""
    return sys.argv[1:]
