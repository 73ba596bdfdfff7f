"""Bounded access to the bytes of an event file: whole records in blocks, without trust in announced sizes."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats.recording import EventFileError

BLOCK_BYTES = 1 << 21
"""Bytes decoded at once. Chosen here, because the decoders' temporaries, some ten times as much, then
stay near the second-level cache and below 50 MB."""
LINE_BYTES = 1 << 20
"""The longest header line; jAER writes its preferences as lines of some hundred bytes."""


HEADER_BYTES = 1 << 24
"""The longest header; jAER's with all its preferences has some hundred kilobytes."""


class Source:
    """An event file that is open for reading; a context manager.

    Raises EventFileError where the path is no regular file (a pipe would hang), cannot be opened, or
    is empty.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            status = os.stat(self.path)
            if not stat.S_ISREG(status.st_mode):
                raise EventFileError(path, "is no regular file; needed is an event file")
            self._file = self.path.open("rb")
        except (OSError, ValueError) as error:
            if isinstance(error, EventFileError):
                raise
            reason = getattr(error, "strerror", None) or error
            raise EventFileError(path, f"cannot be read ({reason}); check the path") from error
        self.size = status.st_size
        if not self.size:
            self._file.close()
            raise self.error("no bytes; a recording has at least one event. Fetch it again", 0)

    def __enter__(self) -> "Source":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def error(self, fault: str, offset: int | None = None) -> EventFileError:
        """The error that names this file."""
        return EventFileError(self.path, fault, offset)

    def read(self, offset: int, count: int) -> bytes:
        """Exactly `count` bytes from `offset` on; EventFileError where the file ends before."""
        if offset + count > self.size:
            raise self.error(
                f"{count} bytes are announced and {max(self.size - offset, 0)} are left; the file is "
                f"cut short or damaged: fetch it again",
                offset,
            )
        try:
            self._file.seek(offset)
            raw = self._file.read(count)
        except OSError as error:
            raise self.error(f"cannot be read ({error.strerror})", offset) from error
        if len(raw) != count:
            raise self.error("the file became shorter while it was read", offset + len(raw))
        return raw

    def head(self, count: int) -> bytes:
        """The first `count` bytes, or as many as there are."""
        return self.read(0, min(count, self.size))

    def header(self, mark: bytes) -> tuple[list[str], int]:
        """Lines at the start of the file that begin with `mark`, and the byte after them.

        A line of data may begin with the same byte, so only lines of printable text count.
        """
        lines: list[str] = []
        offset = 0
        while True:
            raw = self.read(offset, min(LINE_BYTES, self.size - offset))
            start = 0
            while raw[start : start + 1] == mark:
                end = raw.find(b"\n", start)
                if end < 0:
                    break
                text = _printable(raw[start:end])
                if text is None:
                    return lines, offset + start
                lines.append(text)
                start = end + 1
            offset += start
            if offset > HEADER_BYTES:
                raise self.error(f"a header of more than {HEADER_BYTES:,} bytes", offset)
            if not start or raw[start : start + 1] not in (mark, b""):
                return lines, offset

    def records(self, start: int, dtype: Any) -> Iterator[tuple[int, NDArray[Any]]]:
        """Blocks of records from byte `start` to the end: (byte of the first one, records)."""
        record = np.dtype(dtype)
        rest = (self.size - start) % record.itemsize
        if rest:
            raise self.error(
                f"{rest} bytes are left at the end; records have {record.itemsize} bytes. The file is "
                f"cut short or of another format: fetch it again",
                self.size - rest,
            )
        step = max(BLOCK_BYTES // record.itemsize, 1) * record.itemsize
        for offset in range(start, self.size, step):
            raw = self.read(offset, min(step, self.size - offset))
            yield offset, np.frombuffer(raw, record)


def _printable(line: bytes) -> str | None:
    """The text of a header line, or None where it holds bytes that no text has."""
    try:
        text = line.rstrip(b"\r").decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if all(c >= " " or c == "\t" for c in text) else None
