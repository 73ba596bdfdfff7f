"""Data set `events:FOLDER`: one's own recordings of an event camera, in any format that can be read.

    FOLDER/<class>/*                             class folders, with train and test folders or not
    FOLDER/labels.csv and files beside it        lines file,label or file,label,part (train or test)

All recordings have one sensor: the largest that a file states, or else the smallest that holds all events.
Times begin at a recording's first event. The window is the longest recording; --window cuts it.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import threads
from neurosim.data.folders import Gathered, is_litter, listing, text_lines
from neurosim.data.formats import registry
from neurosim.data.formats.recording import Recording
from neurosim.data.labels import check_count, labelled
from neurosim.data.sensor import Sensor
from neurosim.data.sets.base import RECORDED, Entry, Options, path_of
from neurosim.data.sets.class_folders import ClassFiles, class_files
from neurosim.data.sets.clock import from_first
from neurosim.data.source import PARTS, About, FileSource, Said, SourceError, content_of
from neurosim.data.splits import held_out, split_note
from neurosim.storage import StorageError, cache_root, sealed, unsealed, write_atomically

LABELS = "labels.csv"


class _Extent(NamedTuple):
    """What one recording says of itself: sensor that its file states (0, 0 without), last pixel, length."""

    height: int
    width: int
    last_y: int
    last_x: int
    length_us: int
    notes: tuple[str, ...]


def _extent(path: Path) -> _Extent:
    found = registry.read(path)
    height, width = found.sensor or (0, 0)
    events = found.events
    if not len(events):
        return _Extent(height, width, 0, 0, 1, found.notes)
    length = int(events["t"][-1]) - int(events["t"][0]) + 1
    return _Extent(
        height, width, int(events["y"].max()), int(events["x"].max()), length, found.notes
    )


def _extents(paths: Sequence[Path], content: str) -> list[_Extent]:
    """Extents of all recordings, from the cache where these files were read before."""
    kept = cache_root() / "recordings" / f"{content}.json"
    try:
        stored: list[list[Any]] = unsealed(kept.read_bytes())["extents"]
        if len(stored) == len(paths):
            return [_Extent._make((*row[:5], tuple(row[5]))) for row in stored]
    except (OSError, ValueError, TypeError, IndexError, KeyError):
        pass
    found: list[_Extent | None] = [None] * len(paths)

    def work(begin: int, end: int) -> None:
        for place in range(begin, end):
            found[place] = _extent(paths[place])

    threads.in_pieces(len(paths), 1, work)
    made = [one for one in found if one is not None]
    try:
        write_atomically(kept, sealed({"extents": made}))
    except StorageError:
        return made
    return made


def _record(path: Path) -> Recording:
    found = registry.read(path)
    return found._replace(events=from_first(found.events), notes=())


def _is_recording(path: Path) -> bool:
    return path.suffix.lower() in registry.suffixes() and path.name != LABELS


def _of_table(folder: Path) -> ClassFiles:
    """Files and labels as labels.csv gives them."""
    table = folder / LABELS
    try:
        rows = [row for row in csv.reader(text_lines(table)) if row]
    except csv.Error as error:
        raise SourceError(f"{table}: {error}; needed are lines of file,label") from error
    if rows and [cell.strip().lower() for cell in rows[0][:2]] == ["file", "label"]:
        rows = rows[1:]
    files: dict[str, list[Path]] = {"all": [], **{part: [] for part in PARTS}}
    labels: dict[str, list[str]] = {part: [] for part in files}
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        part = cells[2].lower() if len(cells) > 2 else "all"
        if len(cells) < 2 or part not in files:
            raise SourceError(
                f"{table}: row {number} reads {','.join(row)!r}; needed is file,label or "
                f"file,label,part with part train or test"
            )
        if not (folder / cells[0]).is_file():
            raise SourceError(f"{table}: row {number} names {cells[0]!r}, which is not in {folder}")
        files[part].append(folder / cells[0])
        labels[part].append(cells[1])
    _check_all_named(folder, files)
    return _divided(table, files, labels)


def _check_all_named(folder: Path, files: dict[str, list[Path]]) -> None:
    """Raise SourceError where a recording has no label, or two."""
    named = [path for some in files.values() for path in some]
    twice = (
        sorted({path.name for path in named if named.count(path) > 1}) if len(named) < 5000 else []
    )
    if twice or len(set(named)) < len(named):
        raise SourceError(f"{folder / LABELS}: {twice[0] if twice else 'a file'} is named twice")
    left = [
        path for path in listing(folder).files if _is_recording(path) and path not in set(named)
    ]
    if left:
        raise SourceError(
            f"{folder / LABELS}: {len(left)} recordings have no row, {left[0].name} for example; add "
            f"them, or move them away"
        )


def _divided(table: Path, files: dict[str, list[Path]], labels: dict[str, list[str]]) -> ClassFiles:
    if files["all"] and (files["train"] or files["test"]):
        raise SourceError(f"{table}: some rows name their part and some do not; needed is one way")
    notes = []
    if files["all"]:
        test = held_out(np.array(labels["all"]))
        for part, mask in (("train", ~test), ("test", test)):
            chosen = np.flatnonzero(mask).tolist()
            files[part] = [files["all"][n] for n in chosen]
            labels[part] = [labels["all"][n] for n in chosen]
        notes.append(split_note())
    counts = {part: len(files[part]) for part in PARTS}
    named = labelled({part: np.array(labels[part]) for part in PARTS}, counts, None, str(table))
    return ClassFiles(named.names, {part: files[part] for part in PARTS}, named.labels, notes)


def _sensor(extents: Sequence[_Extent], paths: Sequence[Path]) -> tuple[Sensor, list[str]]:
    height = max(max(one.height, one.last_y + 1) for one in extents)
    width = max(max(one.width, one.last_x + 1) for one in extents)
    stated = {(one.height, one.width) for one in extents if one.height}
    notes = []
    if len(stated) > 1:
        shown = ", ".join(f"{w} x {h}" for h, w in sorted(stated))
        notes.append(f"files state sensors of {shown}: the largest sides are taken")
    elif not stated:
        notes.append("no file states its sensor: the smallest that holds all events is taken")
    return Sensor(height, width), notes


def open_source(place: str, options: Options, folder: Path | None) -> FileSource:
    """The recordings of a folder."""
    top = path_of(place)
    gathered = Gathered()
    if (top / LABELS).is_file():
        gathered.litter += [path.name for path in top.iterdir() if is_litter(path.name)]
        found = _of_table(top)
    else:
        found = class_files(top, _is_recording, gathered)
    check_count(found.names, str(top))
    labels: dict[str, NDArray[np.uint16]] = found.labels
    paths = [path for part in PARTS for path in found.files[part]]
    extents = _extents(paths, content_of([("", path) for path in paths]))
    sensor, notes = _sensor(extents, paths)
    lengths = np.array([one.length_us for one in extents])
    longest = (
        f"recordings last {np.median(lengths) / 1000:g} ms (median) to {lengths.max() / 1000:g} ms"
    )
    said = Said()
    for path, extent in zip(paths, extents, strict=True):
        said.add(path, extent.notes)
    all_notes = (*found.notes, *notes, longest, *said.notes(), *gathered.notes())
    about = About(sensor, found.names, int(lengths.max()), notes=all_notes)
    return FileSource(about, found.files, labels, _record)


ENTRY = Entry("events", ("events:FOLDER",), RECORDED, open_source)
