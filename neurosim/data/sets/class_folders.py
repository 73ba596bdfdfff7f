"""Files of class folders: any classes, with train and test folders, with lists, or with neither.

FOLDER/<class>/*                       a fifth of each class is kept for the test
FOLDER/train/<class>/*, FOLDER/test/<class>/*
FOLDER/<class>/* and train.txt, test.txt in FOLDER or beside it: lines <class>/<file>
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.folders import (
    Gathered,
    archives,
    check_filled,
    class_folders,
    listing,
    order,
    text_lines,
)
from neurosim.data.labels import plural, shown
from neurosim.data.source import PARTS, SourceError
from neurosim.data.splits import TEST_SHARE, held_out, split_note

_PARTS = {
    "train": ("train", "training"),
    "test": ("test", "testing", "val", "valid", "validation"),
}
"""Names of part folders, lower case; validation images are the test where there is no test folder."""


class ClassFiles(NamedTuple):
    """Class names, and files and labels, uint16 (file,), of each part."""

    names: tuple[str, ...]
    files: dict[str, list[Path]]
    labels: dict[str, NDArray[np.uint16]]
    notes: list[str]


def class_files(folder: Path, wanted: Callable[[Path], bool], gathered: Gathered) -> ClassFiles:
    """Files of class folders. SourceError where a class has none, or where there are no classes."""
    top, notes = _top(folder, wanted, gathered)
    parts = _part_folders(top)
    if parts:
        by_part = {part: _classes(path, wanted, gathered) for part, path in parts.items()}
        names = tuple(sorted({name for found in by_part.values() for name in found}))
        if "test" in parts:
            return _joined(names, by_part, notes)
        return split_files(names, by_part["train"], notes)
    found = _classes(top, wanted, gathered)
    names = tuple(sorted(found))
    lists = _lists(top)
    if lists is not None:
        return _listed(names, found, lists, (wanted, notes))
    return split_files(names, found, notes)


def _top(
    folder: Path, wanted: Callable[[Path], bool], gathered: Gathered
) -> tuple[Path, list[str]]:
    """The folder that holds the classes: one further down where a folder holds one folder alone."""
    notes: list[str] = []
    while True:
        inside = listing(folder)
        gathered.litter += inside.litter
        loose = [path for path in inside.files if wanted(path)]
        if loose:
            raise SourceError(
                f"{folder}: {len(loose)} files lie beside the class folders, {loose[0].name} for "
                f"example; put each into the folder of its class"
            )
        if len(inside.folders) != 1 or listing(inside.folders[0]).files:
            break
        folder = inside.folders[0]
        notes.append(f"the class folders are those in {folder.name}")
    if not inside.folders:
        waiting = archives(folder)
        unpack = f"; {shown(waiting, 3)} lies there: unpack it" if waiting else ""
        raise SourceError(f"{folder}: no class folders in it; needed is one a class{unpack}")
    return folder, notes


def _part_folders(top: Path) -> dict[str, Path]:
    """Folders of train and test, if the folder has them."""
    names: dict[str, list[Path]] = {}
    for path in listing(top).folders:
        names.setdefault(path.name.lower(), []).append(path)
    found = {}
    for part, words in _PARTS.items():
        spelt = next((names[word] for word in words if word in names), [])
        if len(spelt) > 1:
            raise SourceError(f"{top}: {shown([path.name for path in spelt])}; keep one of them")
        if spelt:
            found[part] = spelt[0]
    if "train" not in found:
        return {}
    used = {word for words in _PARTS.values() for word in words}
    others = sorted(name for name in names if name not in used)
    if others:
        raise SourceError(
            f"{top}: folder {others[0]!r} lies beside {found['train'].name!r}; needed are folders "
            f"train and test with class folders in them, or class folders alone"
        )
    return found


def _classes(
    folder: Path, wanted: Callable[[Path], bool], gathered: Gathered
) -> dict[str, list[Path]]:
    inside = listing(folder)
    gathered.litter += inside.litter
    found = {path.name: gathered.files(path, wanted) for path in inside.folders}
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise SourceError(
            f"{folder}: no data in {len(empty)} of {len(found)} class folders: {shown(empty)}; "
            f"fill them, or remove them"
        )
    return found


def _joined(
    names: tuple[str, ...], by_part: dict[str, dict[str, list[Path]]], notes: list[str]
) -> ClassFiles:
    files, labels = {}, {}
    for part in PARTS:
        pairs = [
            (path, number)
            for number, name in enumerate(names)
            for path in by_part[part].get(name, [])
        ]
        files[part] = [path for path, _ in pairs]
        labels[part] = np.array([number for _, number in pairs], np.uint16)
    return ClassFiles(names, files, labels, notes)


def split_files(
    names: tuple[str, ...], found: dict[str, list[Path]], notes: list[str], share: int = TEST_SHARE
) -> ClassFiles:
    """Class files without a test split: one in `share` of each class is kept for the test."""
    paths = [path for name in names for path in found[name]]
    labels = np.repeat(np.arange(len(names)), [len(found[name]) for name in names])
    test = held_out(labels, share)
    return ClassFiles(
        names,
        {
            part: [paths[n] for n in np.flatnonzero(mask)]
            for part, mask in (("train", ~test), ("test", test))
        },
        {"train": labels[~test].astype(np.uint16), "test": labels[test].astype(np.uint16)},
        [*notes, split_note(share)],
    )


def known_classes(
    top: Path,
    classes: tuple[str, ...],
    suffixes: tuple[str, ...],
    recordings: int,
    partial: bool,
    share: int = TEST_SHARE,
) -> ClassFiles:
    """Recordings of a data set whose classes are known, a folder each, and how many there should be.

    partial  whether classes may be missing or empty; SourceError otherwise
    """
    gathered = Gathered()
    folders = class_folders(top, classes, gathered, partial)
    found = {
        name: gathered.files(folders[name], lambda path: path.suffix.lower() in suffixes)
        if name in folders
        else []
        for name in classes
    }
    check_filled({name: len(files) for name, files in found.items()}, str(top), partial)
    count = sum(map(len, found.values()))
    part = [] if count == recordings else [f"{count:,} recordings of the data set's {recordings:,}"]
    return split_files(classes, found, [*part, *gathered.notes()], share)


def _lists(top: Path) -> dict[str, Path] | None:
    """Files train.txt and test.txt in the folder, or beside it or what it is a link to."""
    for folder in (top, top.parent, top.resolve().parent):
        found = {part: folder / f"{part}.txt" for part in PARTS}
        if all(path.is_file() for path in found.values()):
            return found
    return None


def _listed(
    names: tuple[str, ...],
    found: dict[str, list[Path]],
    lists: dict[str, Path],
    more: tuple[Callable[[Path], bool], list[str]],
) -> ClassFiles:
    """Parts as two lists name them; what neither names, and names of other files, are said."""
    wanted, notes = more
    others: list[str] = []
    known = {f"{name}/{path.name}": path for name in names for path in found[name]}
    by_part: dict[str, dict[str, list[Path]]] = {}
    used: set[str] = set()
    for part, path in lists.items():
        by_part[part] = {}
        for number, line in enumerate(text_lines(path), 1):
            entry = line.strip().replace("\\", "/")
            if entry not in known:
                entry = entry.split(" ")[0]  # a list may hold a class number behind each name
            if not entry:
                continue
            if entry not in known and not wanted(Path(entry)):
                others.append(entry)
                continue
            if entry not in known or entry in used:
                what = "is named twice" if entry in used else "is not in the class folders"
                raise SourceError(
                    f"{path}: line {number}: {entry!r} {what}; correct the list, or remove it"
                )
            used.add(entry)
            by_part[part].setdefault(entry.split("/")[0], []).append(known[entry])
        for files in by_part[part].values():
            files.sort(key=order)
    split = f"split by {lists['train'].name} and {lists['test'].name} in {lists['train'].parent}"
    left = len(known) - len(used)
    unnamed = [f"{left:,} files are in neither list and left out"] if left else []
    if others:
        unnamed.append(
            f"the lists name {plural(len(others), 'file')} of other kinds: {shown(others, 4)}"
        )
    return _joined(names, by_part, [*notes, split, *unnamed])
