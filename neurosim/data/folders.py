"""Folders of data: their files, the files of operating systems that are ignored, and missing files."""

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from neurosim.data.labels import plural, shown
from neurosim.data.source import SourceError

_LITTER = frozenset(
    (
        "__macosx",
        "thumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "lost+found",
    )
)
"""Names that operating systems leave, lower case; names that begin with a dot (.DS_Store, ._name) too."""
_UNFINISHED = (".part", ".crdownload", ".download", ".tmp", ".aria2", ".filepart")
_ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".rar", ".7z")


MOST_TEXT = 1 << 26
"""Bytes of a list of files; chosen here: a line a file for a million files."""


class Listing(NamedTuple):
    """Content of a folder: folders and files by name, and the ignored system files."""

    folders: list[Path]
    files: list[Path]
    litter: list[str]


def text_lines(path: Path) -> list[str]:
    """Lines of a text in UTF-8. SourceError where the file is none, or has more than MOST_TEXT bytes."""
    if path.stat().st_size > MOST_TEXT:
        raise SourceError(
            f"{path} has {path.stat().st_size:,} bytes; read are {MOST_TEXT:,} at most"
        )
    try:
        return path.read_bytes().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{path}: byte {error.start} is no UTF-8; save it as a text in UTF-8"
        ) from error


def is_litter(name: str) -> bool:
    """Whether an operating system left this file or folder."""
    return name.startswith(".") or name.lower() in _LITTER


def order(path: Path) -> tuple[object, ...]:
    """Sort key of natural order: image_2 before image_10."""
    parts = re.split(r"(\d+)", path.name)
    return (*(int(part) if part.isdigit() else part.lower() for part in parts), path.name)


def listing(folder: Path) -> Listing:
    """Folders and files of a folder. Raises SourceError where it is none."""
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "no such folder"
        raise SourceError(f"{folder}: {what}; give the path of a folder")
    found = sorted(folder.iterdir(), key=lambda path: path.name)
    kept = [path for path in found if not is_litter(path.name)]
    return Listing(
        [path for path in kept if path.is_dir()],
        [path for path in kept if not path.is_dir()],
        [path.name for path in found if is_litter(path.name)],
    )


class Gathered:
    """Files of class folders, and notes on what was left out: litter once, other files by kind."""

    def __init__(self) -> None:
        self.litter: list[str] = []
        self.others: list[str] = []

    def files(self, folder: Path, wanted: Callable[[Path], bool]) -> list[Path]:
        """The wanted files of a folder, in counting order. SourceError for what shows a broken copy."""
        inside = listing(folder)
        self.litter += inside.litter
        for path in inside.files:
            if path.suffix.lower() in _UNFINISHED:
                raise SourceError(
                    f"{path}: a download or copy that has not ended; finish it, or remove the file"
                )
        found = [path for path in inside.files if wanted(path)]
        self.others += [path.name for path in inside.files if not wanted(path)]
        self.others += [f"{path.name}/" for path in inside.folders]
        for path in found:
            if path.exists() and not path.stat().st_size:
                raise SourceError(f"{path}: no bytes; fetch it again, or remove it")
        return sorted(found, key=order)

    def notes(self) -> list[str]:
        """Text on the files that were left out."""
        left_out = []
        if self.litter:
            left_out.append(
                f"left out {plural(len(self.litter), 'file')} of the operating system "
                f"({shown(sorted(set(self.litter)), 4)})"
            )
        if self.others:
            left_out.append(
                f"left out {plural(len(self.others), 'file')} of other kinds ({shown(self.others, 4)})"
            )
        return left_out


def archives(folder: Path) -> list[str]:
    """Names of archives in a folder, which may be waiting to be unpacked."""
    return [path.name for path in listing(folder).files if path.suffix.lower() in _ARCHIVES]


def class_folders(
    folder: Path, names: Collection[str], gathered: Gathered, partial: bool = False
) -> dict[str, Path]:
    """The folder of each class of a named set, spelt as the set spells it.

    SourceError for a class that is missing (unless `partial`), for a folder that is no class, and for
    a name in another spelling.
    """
    inside = listing(folder)
    gathered.litter += inside.litter
    found = {path.name: path for path in inside.folders}
    by_fold = {name.lower().replace("-", "_").replace(" ", "_"): name for name in names}
    for name in sorted(set(found) - set(names)):
        meant = by_fold.get(name.lower().replace("-", "_").replace(" ", "_"))
        if meant is not None:
            raise SourceError(
                f"{folder}: folder {name!r} is spelt {meant!r} in this data set; rename it"
            )
        raise SourceError(
            f"{folder}: folder {name!r} is no class of this data set; allowed are "
            f"{shown(list(names))}: move it away"
        )
    missing = [name for name in names if name not in found]
    if missing and not partial:
        waiting = archives(folder)
        unpack = f" ({shown(waiting, 3)} lies there: unpack it)" if waiting else ""
        raise SourceError(
            f"{folder}: {len(missing)} of {len(names)} class folders are missing: "
            f"{shown(missing)}{unpack}; fetch or unpack them, or accept it with --partial"
        )
    return {name: found[name] for name in names if name in found}


def check_filled(counts: dict[str, int], where: str, partial: bool = False) -> None:
    """Raise SourceError where a class of a named set has no recording."""
    empty = [name for name, count in counts.items() if not count]
    if empty and not partial:
        raise SourceError(
            f"{where}: no recording in {len(empty)} class folders: {shown(empty)}; fetch or unpack "
            f"them, or accept it with --partial"
        )
    if not any(counts.values()):
        raise SourceError(f"{where}: no recording at all; fetch or unpack them")
