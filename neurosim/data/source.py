"""Event source: the interface of data sets, for recordings in files and for the simulated camera."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from neurosim import threads
from neurosim.data import frames
from neurosim.data.camera import camera as simulated
from neurosim.data.camera.images import Images
from neurosim.data.camera.model import CAMERA, Camera
from neurosim.data.events import Events
from neurosim.data.formats.recording import Recording
from neurosim.data.frames import Binning
from neurosim.data.sensor import Sensor

PARTS = ("train", "test")
_HASH_BYTES = 1 << 20
_RECORDED = 16
"""Simulated recordings that are held at a time where frames need the events themselves, chosen here:
200,000 events of a CIFAR10-DVS recording are 3 MB."""
_IMAGES = 128
"""Images that are held at a time, chosen here: a photograph of 12 megapixels takes 12 MB."""
_SECONDS = 1.0
"""Between two reports of progress, chosen here."""


class SourceError(ValueError):
    """A source that cannot be opened. The message says what came, what is allowed, what to do."""


class About(NamedTuple):
    """Properties of a data set.

    sensor       what sends the events
    class_names  one a label
    window_us    the time that is cut into bins unless another is asked for
    keep_late    whether events after this window belong to the last bin
    notes        messages for the user: rules that were used, files that were ignored
    """

    sensor: Sensor
    class_names: tuple[str, ...]
    window_us: int
    keep_late: bool = False
    notes: tuple[str, ...] = ()


class Said:
    """Notes of readers on files, each kind once: clocks that wrapped, events that were sorted.

    Notes that differ in their numbers alone are of one kind. Threads may add side by side.
    """

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, str]] = {}
        self._files: dict[str, set[str]] = {}
        self._lock = Lock()

    def add(self, path: Path, notes: Iterable[str]) -> None:
        """Keep what was said of a file."""
        with self._lock:
            for note in notes:
                kind = _kind(note)
                self._files.setdefault(kind, set()).add(str(path))
                self._first[kind] = min(self._first.get(kind, (str(path), note)), (str(path), note))

    def notes(self) -> list[str]:
        """A line for each kind: the first file by name, and how many more there are."""
        lines = []
        for kind, (path, note) in sorted(self._first.items()):
            more = len(self._files[kind]) - 1
            others = f" (and {more:,} more files of the kind)" if more else ""
            lines.append(f"{Path(path).name}: {note}{others}")
        return lines


def _kind(note: str) -> str:
    """What notes have in common that differ in their numbers alone."""
    return "".join(letter for letter in note if not letter.isdigit())


def merged(earlier: Sequence[str], notes: Sequence[str]) -> list[str]:
    """Lines of `Said.notes` of a reading that was stopped and of the one that went on, each kind once."""

    def kind(line: str) -> str:
        return _kind(line.partition(": ")[2].partition(" (and ")[0])

    kinds = set(map(kind, notes))
    return [*(line for line in earlier if kind(line) not in kinds), *notes]


class EventSource(Protocol):
    """Samples in parts "train" and "test" (and "validation" where it is official), numbered from 0.

    labels   uint16 (sample,) of each part      chunk   samples between two reports of progress
    recorded whether a sample exists once, so that the camera cannot record it again
    said     what readers had to say while samples were read
    """

    about: About
    labels: Mapping[str, NDArray[np.uint16]]
    chunk: int
    recorded: bool
    said: Said

    def content(self) -> str:
        """A sha256 over everything that decides the samples, in hex."""

    def events(self, part: str, number: int, recording: int, seed: int) -> Events:
        """The events of one sample, from time 0 on."""

    def bits(
        self, part: str, numbers: NDArray[np.int64], recording: int, seed: int, into: Binning
    ) -> NDArray[np.uint64]:
        """Bits of Frames for the samples `numbers`."""


class ImageSource(Protocol):
    """Still images in parts "train" and "test", each uint8 (height, width), 0 black to 255 white."""

    labels: Mapping[str, NDArray[np.uint16]]
    class_names: tuple[str, ...]
    notes: tuple[str, ...]

    def content(self) -> str:
        """A sha256 over the images, in hex."""

    def pixels(self, part: str, numbers: NDArray[np.int64]) -> Images:
        """Some images: one array where all have one size, else a list."""


def split_word(part: str, recording: int) -> int:
    """The camera's split counter: which part, and which recording of it."""
    return 2 * recording + PARTS.index(part)


class SimulatedSource:
    """Images in front of the simulated camera."""

    recorded = False

    def __init__(self, images: ImageSource, camera: Camera = CAMERA, name: str = "nmnist") -> None:
        self.images, self.camera, self.said = images, camera, Said()
        self.labels = images.labels
        lines = f"events are simulated: the camera of {name}, docs/camera.md"
        self.about = About(
            simulated.sensor_of(camera),
            images.class_names,
            camera.window_us,
            keep_late=True,
            notes=(*images.notes, lines),
        )
        self.chunk = max(1, round(_SECONDS * simulated.images_a_second(camera)))

    def content(self) -> str:
        return hashlib.sha256(f"{self.camera!r} {self.images.content()}".encode()).hexdigest()

    def bits(
        self, part: str, numbers: NDArray[np.int64], recording: int, seed: int, into: Binning
    ) -> NDArray[np.uint64]:
        if into.by_count or into.window_us != self.camera.window_us or not into.keep_late:
            return self._recorded_bits(part, numbers, recording, seed, into)
        bits = frames.empty(len(numbers), into)
        for begin in range(0, len(numbers), _IMAGES):
            some = numbers[begin : begin + _IMAGES]
            bits[begin : begin + len(some)] = simulated.bits(
                self.images.pixels(part, some),
                seed,
                split=split_word(part, recording),
                indices=some,
                steps=into.steps,
                cells=into.cells,
                camera=self.camera,
            )
        return bits

    def _recorded_bits(
        self, part: str, numbers: NDArray[np.int64], recording: int, seed: int, into: Binning
    ) -> NDArray[np.uint64]:
        """The same by way of the events, for bins that the camera's kernel does not know."""
        bits = frames.empty(len(numbers), into)
        for begin in range(0, len(numbers), _RECORDED):
            some = numbers[begin : begin + _RECORDED]
            recorded = self._record(part, some, recording, seed)
            made = frames.from_events(recorded, np.zeros(len(some), np.int64), into)
            bits[begin : begin + len(some)] = made.bits
        return bits

    def _record(
        self, part: str, numbers: NDArray[np.int64], recording: int, seed: int
    ) -> list[Events]:
        return simulated.record(
            self.images.pixels(part, numbers),
            seed,
            split=split_word(part, recording),
            indices=numbers,
            camera=self.camera,
        )

    def events(self, part: str, number: int, recording: int, seed: int) -> Events:
        return self._record(part, np.array([number]), recording, seed)[0]


class Recordings:
    """Recorded samples: a subclass defines the events of one."""

    recorded = True
    chunk = 500
    """A second of work or less, chosen here."""
    about: About
    labels: Mapping[str, NDArray[np.uint16]]
    said: Said

    def one(self, part: str, number: int) -> Events:
        """The events of one sample, from time 0 on."""
        raise NotImplementedError

    def events(self, part: str, number: int, recording: int, seed: int) -> Events:
        return self.one(part, number)

    def bits(
        self, part: str, numbers: NDArray[np.int64], recording: int, seed: int, into: Binning
    ) -> NDArray[np.uint64]:
        """Each thread reads one recording at a time, so memory holds one of them a thread."""
        bits = frames.empty(len(numbers), into)

        def work(begin: int, end: int) -> None:
            for place in range(begin, end):
                frames.mark(self.one(part, int(numbers[place])), into, bits[place])

        threads.in_pieces(len(numbers), 1, work)
        return bits


class Grouped(Recordings):
    """Samples of which many lie in one file: numbers are in groups, and a group is read at once."""

    def group_of(self, part: str, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """The group of each sample."""
        raise NotImplementedError

    def read_group(self, part: str, group: int, numbers: Sequence[int]) -> Sequence[Events]:
        """The events of some samples of one group."""
        raise NotImplementedError

    def one(self, part: str, number: int) -> Events:
        (group,) = self.group_of(part, np.array([number])).tolist()
        return self.read_group(part, group, [number])[0]

    def bits(
        self, part: str, numbers: NDArray[np.int64], recording: int, seed: int, into: Binning
    ) -> NDArray[np.uint64]:
        """Each thread reads one group at a time."""
        bits = frames.empty(len(numbers), into)
        groups = self.group_of(part, numbers)
        each = np.unique(groups)

        def work(begin: int, end: int) -> None:
            for group in each[begin:end]:
                places = np.flatnonzero(groups == group)
                wanted = numbers[places].tolist()
                read = self.read_group(part, int(group), wanted)
                for place, events in zip(places, read, strict=True):
                    frames.mark(events, into, bits[place])

        threads.in_pieces(len(each), 1, work)
        return bits


class FileSource(Recordings):
    """One recording a file."""

    def __init__(
        self,
        about: About,
        files: Mapping[str, Sequence[Path]],
        labels: Mapping[str, NDArray[np.uint16]],
        read: Callable[[Path], Recording],
    ) -> None:
        self.about, self.files, self.labels = about, files, labels
        self._read, self.said = read, Said()

    def content(self) -> str:
        return content_of(
            [
                (f"{part}/{path.parent.name}", path)
                for part in self.files
                for path in self.files[part]
            ]
        )

    def one(self, part: str, number: int) -> Events:
        path = self.files[part][number]
        found = self._read(path)
        self.said.add(path, found.notes)
        return found.events


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes, read in pieces."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_HASH_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def content_of(files: Sequence[tuple[str, Path]]) -> str:
    """A sha256 over the names and bytes of files, each with the words that say what it stands for."""
    found = [""] * len(files)

    def work(begin: int, end: int) -> None:
        for number in range(begin, end):
            found[number] = file_sha256(files[number][1])

    threads.in_pieces(len(files), 64, work)
    digest = hashlib.sha256()
    for (what, path), sha256 in zip(files, found, strict=True):
        digest.update(f"{what}/{path.name}\0{sha256}\0".encode())
    return digest.hexdigest()
