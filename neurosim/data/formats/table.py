"""Events as text, one a line: t, x, y, p by comma, semicolon, tab or blanks (.csv, .txt).

Lines that begin with "#" or "%" and empty lines are left out. A first line of names says which column
is which (see columns.NAMES); without it they are t x y p. Units and signs: see columns.
"""

import itertools
import os
import re
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats import columns
from neurosim.data.formats.recording import MAX_EVENTS, EventFileError, Format, Recording
from neurosim.data.formats.source import Source

_SEPARATORS = re.compile(r"[,;\t ]+")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_BLOCK_BYTES = 1 << 20
MAX_NUMBERS = 48_000_000
"""Numbers of one text file. Chosen here, because 8 bytes each, the events made of them and what it takes
to sort these stay below 1 GB."""
MAX_COLUMNS = 16
_TRANSLATION = bytes.maketrans(b",;\t\r", b"    ")
_COMMENT = re.compile(rb"^ *[#%][^\n]*", re.MULTILINE)
_NUMERIC = b"0123456789+-.eE \n"


def read(path: str | os.PathLike[str], *, max_events: int = MAX_EVENTS) -> Recording:
    """The recording of one file. Raises EventFileError with the byte of the line that is none."""
    with Source(path) as source:
        blocks = _blocks(source)
        start, first = next(blocks)
        names, begin = _names(source, first)
        limit = min(max_events, MAX_NUMBERS // len(names))
        rows = np.empty((min(_lines(source), limit), len(names)))
        count = 0
        for offset, raw in itertools.chain([(start + begin, first[begin:])], blocks):
            block = _rows(source, offset, raw, len(names))
            if count + len(block) > limit:
                raise source.error(f"more than {limit:,} events; cut the text into parts", offset)
            rows[count : count + len(block)] = block
            count += len(block)
        given = {
            key: rows[:count, names.index(name)] for key, name in columns.names_of(names).items()
        }
        return columns.recording(source.path, given, max_events=max_events)


def _lines(source: Source) -> int:
    """Lines of the file, a last one without an end included."""
    ends = 0
    for offset in range(0, source.size, _BLOCK_BYTES):
        raw = source.read(offset, min(_BLOCK_BYTES, source.size - offset))
        ends += raw.count(b"\n")
    return ends + 1


def _blocks(source: Source) -> Iterator[tuple[int, bytes]]:
    """The file in parts of whole lines: (byte of the first one, bytes)."""
    kept, start = b"", 0
    for offset in range(0, source.size, _BLOCK_BYTES):
        raw = kept + source.read(offset, min(_BLOCK_BYTES, source.size - offset))
        last = offset + _BLOCK_BYTES >= source.size
        end = len(raw) if last else raw.rfind(b"\n") + 1
        if not end and len(raw) > _BLOCK_BYTES:
            raise source.error("a line of more than 1 MiB; needed is text, one event a line", start)
        if end:
            yield start, raw[:end]
        start, kept = start + end, raw[end:]


def _names(source: Source, raw: bytes) -> tuple[list[str], int]:
    """Names of the columns, and where the lines of numbers begin."""
    offset = 0
    for line in raw.splitlines(keepends=True):
        text = line.strip().decode("utf-8", "replace").lstrip("\ufeff")
        if text and not text.startswith(("#", "%")):
            words = [word.strip("\"'") for word in _SEPARATORS.split(text)]
            if all(_NUMBER.fullmatch(word) for word in words):
                if not 3 <= len(words) <= 4:
                    raise source.error(
                        f"a line of {len(words)} numbers without names of the columns; needed are "
                        f"t x y p",
                        offset,
                    )
                return ["t", "x", "y", "p"][: len(words)], offset
            if len(words) > MAX_COLUMNS or not {"t", "x", "y"} <= set(columns.names_of(words)):
                raise source.error(
                    f"begins with {text[:60]!r}; needed are numbers t x y p or their names", offset
                )
            return words, offset + len(line)
        offset += len(line)
    raise source.error("no line of numbers; needed is one event a line: t x y p", offset)


def _rows(source: Source, offset: int, raw: bytes, width: int) -> NDArray[Any]:
    """The numbers of whole lines, float64 (line, width)."""
    if not raw:
        return np.zeros((0, width))
    text = raw.translate(_TRANSLATION)
    if b"#" in raw or b"%" in raw:
        text = _COMMENT.sub(lambda found: b" " * len(found[0]), text)
    letters = np.frombuffer(text, np.uint8)
    blank = letters <= ord(" ")
    begins = ~blank & np.concatenate(([True], blank[:-1]))
    ends = np.append(np.flatnonzero(letters == ord("\n")), len(letters) - 1)
    counts = np.diff(np.cumsum(begins)[ends], prepend=0)
    bad = (counts != 0) & (counts != width)
    numbers = _parsed(text) if begins.any() else np.zeros(0)
    if bad.any() or len(numbers) != int(counts.sum()) or text.translate(None, _NUMERIC):
        raise _fault(source, offset, text, width)
    return numbers.reshape(-1, width)


def _parsed(text: bytes) -> NDArray[Any]:
    """Numbers between blanks, float64; as many as there are before one that is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # what NumPy before 2.3 does there
        try:
            return np.fromstring(text, np.float64, sep=" ")
        except (ValueError, DeprecationWarning):
            return np.zeros(0)


def _fault(source: Source, offset: int, text: bytes, width: int) -> EventFileError:
    """The error for the first line that is not `width` numbers."""
    for line in text.split(b"\n"):
        words = line.decode("latin-1").split()
        if words and (len(words) != width or not all(_NUMBER.fullmatch(word) for word in words)):
            return source.error(
                f"a line reads {' '.join(words)[:60]!r}; needed are {width} numbers", offset
            )
        offset += len(line) + 1
    return source.error(f"lines are no {width} numbers", offset)


FORMAT = Format("text", "text, one event a line (t x y p)", (".csv", ".txt", ".tsv"), None, read)
