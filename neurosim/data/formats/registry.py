"""Registry of event file formats, and the choice among them: by content, then by suffix."""

import os
from pathlib import Path

from neurosim.data.formats import (
    aedat2,
    aedat3,
    aedat4,
    aer_bin,
    arrays,
    cue_accumulation,
    event_stream,
    evt2,
    evt3,
    prophesee_dat,
    spike_hdf5,
    stmnist_mat,
    table,
)
from neurosim.data.formats.recording import (
    HEAD_BYTES,
    MAX_EVENTS,
    EventFileError,
    Format,
    Recording,
    Samples,
)
from neurosim.data.formats.source import Source

FORMATS: tuple[Format, ...] = tuple(
    module.FORMAT
    for module in (
        aer_bin,
        evt2,
        evt3,
        prophesee_dat,
        aedat2,
        aedat3,
        aedat4,
        arrays,
        spike_hdf5,
        cue_accumulation,
        event_stream,
        stmnist_mat,
        table,
    )
)
"""A further format is a module with FORMAT, and an entry here."""
_BLANK = 16
"""So many zero bytes at the start are no event of any format."""


def known_formats() -> str:
    """Names and suffixes of the formats, for messages."""
    return "; ".join(f"{one.title} ({', '.join(one.suffixes)})" for one in FORMATS)


def suffixes() -> frozenset[str]:
    """Suffixes, in lower case, of files that may hold events."""
    return frozenset(suffix for one in FORMATS for suffix in one.suffixes)


def detect(path: str | os.PathLike[str]) -> Format:
    """The format of a file, by its first bytes, else by its suffix where no bytes tell the format.

    Raises EventFileError where the file is empty, blank or of no known format.
    """
    with Source(path) as source:
        head = source.head(HEAD_BYTES)
        if len(head) >= _BLANK and not any(head[:_BLANK]):
            blank = len(head) - len(head.lstrip(b"\0"))
            raise source.error(
                f"begins with {blank} zero bytes or more; the file was copied or unpacked in part: "
                f"fetch it again",
                0,
            )
        for one in FORMATS:
            if one.sniff is not None and one.sniff(head):
                return one
        suffix = Path(path).suffix.lower()
        by_suffix = [one for one in FORMATS if suffix in one.suffixes]
        for one in by_suffix:
            if one.sniff is None:
                return one
        expected = " or ".join(one.title for one in by_suffix)
        named = f"named as {expected}, " if by_suffix else ""
        raise source.error(
            f"{named}begins with {head[:16]!r}, which no known format does. Known formats: "
            f"{known_formats()}",
            0,
        )


def read(path: str | os.PathLike[str], *, max_events: int = MAX_EVENTS) -> Recording:
    """The recording of a file in any known format that holds one.

    Raises EventFileError where the file cannot be read, or holds many samples: see read_samples.
    """
    found = detect(path)
    if found.read is None:
        raise EventFileError(path, f"{found.title} holds many samples; read it as samples")
    return found.read(path, max_events=max_events)


def read_samples(path: str | os.PathLike[str]) -> Samples:
    """The labelled samples of a file in a format that holds many; EventFileError where it is none."""
    found = detect(path)
    if found.samples is None:
        many = ", ".join(one.title for one in FORMATS if one.samples is not None)
        raise EventFileError(path, f"{found.title} holds one recording; many samples hold: {many}")
    return found.samples(path)
