"""Prophesee raw files in EVT 3.0: words of 16 bits, little-endian, decoded as a state machine.

    bits 15-12   content (bits 11-0)
    0  row       y (bits 10-0)
    2  event     polarity (11), x (10-0)
    3  base      polarity (11), x (10-0) of the vectors that follow
    4  vector    12 bits: an event at base + i for each set bit i; then the base moves by 12
    5  vector    8 bits, likewise; the base moves by 8
    6  time low  time bits 11-0 in microseconds
    8  time high time bits 23-12; a new value sets the low bits to 0
    7, 10, 14, 15  continuation, trigger, others: no events

(Documentation of Prophesee, "EVT 3.0 Format", and OpenEB's decoder for the low bits after a new upper
time.) The 24-bit time wraps every 16.8 s. Each part of the state is set by the last word of one type, which
is found by counting the words of that type, without a loop over words. Events before the first upper time
have no time: they are left out, with a note.
"""

import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.formats import evt
from neurosim.data.formats.collect import Clock, Collector, Columns, Place, refuse_hole
from neurosim.data.formats.recording import MAX_EVENTS, Format, Recording
from neurosim.data.formats.source import Source

_ROW, _EVENT, _BASE, _VECTOR_12, _VECTOR_8, _LOW, _HIGH = 0, 2, 3, 4, 5, 6, 8
_SKIPPED = (7, 10, 14, 15)
_ALL = (_ROW, _EVENT, _BASE, _VECTOR_12, _VECTOR_8, _LOW, _HIGH, *_SKIPPED)
_KNOWN = np.isin(np.arange(16), _ALL)
_IS_SKIPPED = np.isin(np.arange(16), _SKIPPED)
_VECTOR_BITS = 12
_BITS_SET = (np.arange(1 << _VECTOR_BITS)[:, None] >> np.arange(_VECTOR_BITS) & 1).astype(np.bool_)
"""(value, bit) whether the bit of a vector word is set."""
BLOCK_WORDS = 1 << 16
"""Words decoded at once. Chosen here, because a word can hold twelve events: a block's temporaries then
stay below 30 MB; measured within 5 % of the fastest size."""

Int = NDArray[np.int32]
Bool = NDArray[np.bool_]


class Carriers(NamedTuple):
    """Words that hold events.

    word   index in the block;  x: of bit 0;  p: polarity
    bits   which are set: 1 of single events; None where there are no vectors
    """

    word: NDArray[np.intp]
    x: Int
    p: Int
    bits: Int | None


def sniff(head: bytes) -> bool:
    """A header that names EVT 3."""
    return evt.sniff(head, "3")


def read(path: str | os.PathLike[str], *, max_events: int = MAX_EVENTS) -> Recording:
    """The recording of one file. Raises EventFileError where it is none."""
    with Source(path) as source:
        head = evt.header(source, "3")
        capacity = (source.size - head.start) // 2 * _VECTOR_BITS
        into = Collector(source, capacity, head.sensor or evt.LARGEST, max_events)
        decoder = _Decoder(source, into)
        for offset, words in source.records(head.start, "<u2"):
            for first in range(0, len(words), BLOCK_WORDS):
                decoder.decode(offset + 2 * first, words[first : first + BLOCK_WORDS])
        return into.finish(head.sensor, decoder.notes())


class _Decoder:
    """The state between blocks: row, base, low and upper time; and what was left out."""

    def __init__(self, source: Source, into: Collector) -> None:
        self._source, self._into = source, into
        self._clock = Clock(12, below=12)
        self._row = self._base = self._polarity = self._low = 0
        self._upper = -1
        self._untimed = 0
        self._skipped = 0

    def decode(self, offset: int, words: NDArray[Any]) -> None:
        refuse_hole(self._source, words == 0, offset, 2)
        kind = (words >> 12).astype(np.uint8)
        content = (words & 0xFFF).astype(np.int32)
        known = _KNOWN[kind]
        if not known.all():
            where = int(np.argmin(known))
            raise self._source.error(
                f"word of type {int(kind[where])}, which EVT 3.0 does not have; the file is damaged",
                offset + 2 * where,
            )
        self._skipped += int(np.count_nonzero(_IS_SKIPPED[kind]))
        carriers = self._carriers(kind, content)
        y = self._rows(kind, content, carriers.word)
        t = self._times(kind, content, carriers.word)
        held, place = _places(carriers)
        if t.size and t[0] < 0:
            timed = int(np.searchsorted(held, np.argmax(t >= 0) if t[-1] >= 0 else len(t)))
            self._untimed += timed
            held, place = held[timed:], place[timed:]
        columns = Columns(t[held], carriers.x[held] + place, y[held], carriers.p[held])
        self._into.append(columns, Place(offset, 2, carriers.word[held]))

    def _rows(self, kind: NDArray[np.uint8], content: Int, at: NDArray[np.intp]) -> Int:
        """The row that holds at the words `at`."""
        sets = kind == _ROW
        rows = np.concatenate(([self._row], content[sets] & 0x7FF)).astype(np.int32)
        self._row = int(rows[-1])
        return rows[_count(sets)[at]]

    def _carriers(self, kind: NDArray[np.uint8], content: Int) -> Carriers:
        """Single events and vectors in the order of the file."""
        word = np.flatnonzero((kind == _EVENT) | (kind == _VECTOR_12) | (kind == _VECTOR_8))
        of, value = kind[word], content[word]
        x, p = value & 0x7FF, value >> 11
        vector = np.flatnonzero(of != _EVENT)
        long = of[vector] == _VECTOR_12
        starts, signs = self._bases(word[vector], np.where(long, 12, 8), kind == _BASE, content)
        if not vector.size:
            return Carriers(word, x, p, None)
        x[vector], p[vector] = starts, signs
        bits = np.ones(len(word), np.int32)
        bits[vector] = np.where(long, value[vector], value[vector] & 0xFF)
        return Carriers(word, x, p, bits)

    def _bases(
        self, vector: NDArray[np.intp], width: NDArray[Any], is_base: Bool, content: Int
    ) -> tuple[Int, Int]:
        """x of the first bit of each vector word, and its polarity.

        All vectors up to a word move the base by the sum of their widths; what a base word says
        counts from the sum at its place.
        """
        moved = np.concatenate(([0], np.cumsum(width))).astype(np.int32)
        base = np.flatnonzero(is_base)
        said = content[base]
        start = (said & 0x7FF) - moved[np.searchsorted(vector, base)]
        starts = np.concatenate(([self._base], start)).astype(np.int32)
        signs = np.concatenate(([self._polarity], said >> 11)).astype(np.int32)
        which = _count(is_base)[vector]
        self._base, self._polarity = int(starts[-1] + moved[-1]), int(signs[-1])
        return starts[which] + moved[:-1], signs[which]

    def _times(
        self, kind: NDArray[np.uint8], content: Int, at: NDArray[np.intp]
    ) -> NDArray[np.int64]:
        """Times of the words `at`; -1 before the first upper time."""
        is_high, sets_low = kind == _HIGH, kind == _LOW
        uppers = np.concatenate(([self._upper], self._clock.unwrap(content[is_high])))
        changed = np.flatnonzero(is_high)[uppers[1:] != uppers[:-1]]
        sets_low[changed] = True
        low = content.copy()
        low[changed] = 0
        lows = np.concatenate(([self._low], low[sets_low]))
        upper = uppers[_count(is_high)[at]]
        self._upper, self._low = int(uppers[-1]), int(lows[-1])
        t: NDArray[np.int64] = np.where(upper < 0, -1, upper << 12 | lows[_count(sets_low)[at]])
        return t

    def notes(self) -> list[str]:
        dropped = [
            (self._untimed, "events before the first time left out"),
            (self._skipped, "trigger and other words skipped"),
        ]
        return [f"{count:,} {what}" for count, what in dropped if count] + self._clock.note()


def _places(carriers: Carriers) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each event its word among the carriers, and its bit there."""
    if carriers.bits is None:
        held = np.arange(len(carriers.word))
        return held, np.zeros_like(held)
    held, place = np.divmod(np.flatnonzero(_BITS_SET[carriers.bits]), _VECTOR_BITS)
    return held, place


def _count(mask: Bool) -> Int:
    """At each word the number of set words up to it."""
    return np.cumsum(mask, dtype=np.int32)


FORMAT = Format("evt3", "Prophesee raw, EVT 3.0", (".raw",), sniff, read)
