"""Folders of .wav recordings: the Free Spoken Digit Dataset, or a sub-folder for each class.

    FOLDER/<digit>_<speaker>_<index>.wav    spoken digits; index 0-4 is the official test set
    FOLDER/<class>/*.wav                    any recordings

Jackson et al., Free Spoken Digit Dataset (CC BY-SA 4.0): 10 digits, 6 speakers, 50 recordings of each.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurosim.data.audio import encoder
from neurosim.data.audio.cochlea import Cochlea
from neurosim.data.audio.encoder import Spikes
from neurosim.data.audio.wav import AudioError
from neurosim.data.formats.recording import Events, columns_to_events
from neurosim.data.labels import plural, shown
from neurosim.data.sensor import channels
from neurosim.data.sets.base import Entry, Options, path_of
from neurosim.data.source import About, Said, file_sha256
from neurosim.data.source import Recordings as Sounds
from neurosim.data.splits import held_out, split_note

DIGITS = tuple(str(digit) for digit in range(10))
TEST_INDICES = 5
"""Recordings 0..4 of each speaker and digit are the official test set, as the data set's README says."""
_SPOKEN = re.compile(r"(\d)_([^_]+)_(\d+)\.wav", re.IGNORECASE)
_LITTER = {".ds_store", "thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True)
class Recordings:
    """Recordings and what they are of; number i is the i-th file in order of name.

    files        paths                          labels   uint16 (recording,), numbers of `classes`
    classes      names of the classes           ignored  names of files that are no recordings
    groups       uint16 (recording,), numbers of `group_names` (speakers), or None
    test         bool (recording,), the official test set, or None where there is none
    """

    files: tuple[Path, ...]
    labels: NDArray[np.uint16]
    classes: tuple[str, ...]
    ignored: tuple[str, ...] = ()
    groups: NDArray[np.uint16] | None = None
    group_names: tuple[str, ...] = ()
    test: NDArray[np.bool_] | None = None
    cochlea: Cochlea = field(default_factory=Cochlea)

    @property
    def duration_us(self) -> int:
        """The window, us."""
        return 1000 * self.cochlea.window_ms

    @property
    def units(self) -> int:
        """Inputs of a network."""
        return self.cochlea.units

    def events(self, number: int) -> Spikes:
        """Spikes of recording `number`: t in us, unit."""
        return encoder.encode(self.files[number], self.cochlea)

    def bits(
        self,
        numbers: Sequence[int] | NDArray[np.int64],
        steps: int,
        progress: Callable[[int], object] | None = None,
    ) -> NDArray[np.uint64]:
        """Frames' bits of some recordings, uint64 (recording, bin, word), as encoder.bits makes them."""
        files = [self.files[number] for number in numbers]
        return encoder.bits(files, self.cochlea, steps=steps, progress=progress)

    def content(self) -> str:
        """A sha256 over the files, their labels and the settings, in hex."""
        digest = hashlib.sha256(repr((self.cochlea, self.classes, self.group_names)).encode())
        for path, label in zip(self.files, self.labels.tolist(), strict=True):
            digest.update(f"{path.name}\0{label}\0".encode())
            digest.update(bytes.fromhex(file_sha256(path)))
        return digest.hexdigest()


def _litter(path: Path) -> bool:
    """Whether an operating system put it there."""
    return path.name.startswith("._") or path.name.lower() in _LITTER


def _is_wav(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() == ".wav"


def read(folder: Path, cochlea: Cochlea | None = None) -> Recordings:
    """The recordings of a folder in either layout, or an AudioError."""
    if not folder.is_dir():
        raise AudioError(
            f"{folder}: no such folder; needed is a folder of .wav files, or of folders"
        )
    found = [child for child in sorted(folder.iterdir()) if not _litter(child)]
    flat = [child for child in found if _is_wav(child)]
    folders = [child for child in found if child.is_dir()]
    chosen = cochlea or Cochlea()
    ignored = tuple(child.name for child in found if child.is_file() and not _is_wav(child))
    if flat and folders:
        raise AudioError(
            f"{folder}: holds {flat[0].name!r} and the folder {folders[0].name!r}; allowed are either "
            f"<digit>_<speaker>_<index>.wav or a folder for each class, not both"
        )
    if flat:
        return _spoken_digits(folder, flat, ignored, chosen)
    if len(folders) < 2:
        raise AudioError(
            f"{folder}: {len(folders)} folders and no .wav file; needed are files "
            f"<digit>_<speaker>_<index>.wav, or two or more class folders of .wav files"
        )
    return _class_folders(folders, ignored, chosen)


def _spoken_digits(
    folder: Path, files: list[Path], ignored: tuple[str, ...], cochlea: Cochlea
) -> Recordings:
    parts = []
    for path in files:
        match = _SPOKEN.fullmatch(path.name)
        if match is None:
            raise AudioError(
                f"{path}: not named <digit>_<speaker>_<index>.wav; needed are spoken digits, such as "
                f"7_jackson_32.wav, or a folder for each class"
            )
        parts.append((match[1], match[2], int(match[3])))
    digits, speakers, indices = zip(*parts, strict=True)
    missing = [digit for digit in DIGITS if digit not in digits]
    if missing:
        raise AudioError(
            f"{folder}: no recording of {', '.join(missing)}; needed is at least one of each digit. "
            f"Copy the others, or use a folder for each class"
        )
    names = tuple(sorted(set(speakers)))
    return Recordings(
        files=tuple(files),
        labels=np.array([int(digit) for digit in digits], np.uint16),
        classes=DIGITS,
        ignored=ignored,
        groups=np.array([names.index(speaker) for speaker in speakers], np.uint16),
        group_names=names,
        test=np.array(indices) < TEST_INDICES,
        cochlea=cochlea,
    )


def _class_folders(folders: list[Path], ignored: tuple[str, ...], cochlea: Cochlea) -> Recordings:
    files: list[Path] = []
    labels: list[int] = []
    others = list(ignored)
    for label, folder in enumerate(folders):
        inside = [child for child in sorted(folder.iterdir()) if not _litter(child)]
        sounds = [child for child in inside if _is_wav(child)]
        if not sounds:
            raise AudioError(
                f"{folder}: no .wav file in it; every class needs a recording: add some, or take the "
                f"folder out"
            )
        others += [f"{folder.name}/{child.name}" for child in inside if not _is_wav(child)]
        files += sounds
        labels += [label] * len(sounds)
    return Recordings(
        files=tuple(files),
        labels=np.array(labels, np.uint16),
        classes=tuple(folder.name for folder in folders),
        ignored=tuple(others),
        cochlea=cochlea,
    )


class AudioSource(Sounds):
    """Recordings as spikes of the filter bank's units."""

    chunk = 100

    def __init__(
        self, found: Recordings, numbers: dict[str, NDArray[np.int64]], notes: tuple[str, ...]
    ) -> None:
        self._found, self._numbers, self.said = found, numbers, Said()
        self.labels = {part: found.labels[chosen] for part, chosen in numbers.items()}
        self.about = About(channels(found.units), found.classes, found.duration_us, notes=notes)

    def content(self) -> str:
        chosen = {part: numbers.tolist() for part, numbers in self._numbers.items()}
        return hashlib.sha256(f"{chosen} {self._found.content()}".encode()).hexdigest()

    def one(self, part: str, number: int) -> Events:
        spikes = self._found.events(int(self._numbers[part][number]))
        none = np.zeros(len(spikes.t), np.int64)
        return columns_to_events(spikes.t, spikes.unit, none, none)


def _divided(found: Recordings, holdout: str | None) -> tuple[NDArray[np.bool_], str]:
    """Which recordings are the test set, and how that was decided."""
    if holdout is not None:
        if found.groups is None or holdout not in found.group_names:
            speakers = ", ".join(found.group_names) or "not named by these files"
            raise AudioError(f"no speaker {holdout!r}; speakers are {speakers}")
        return found.groups == found.group_names.index(
            holdout
        ), f"speaker {holdout} is the test set"
    if found.test is not None and 0 < np.count_nonzero(found.test) < len(found.test):
        return (
            found.test,
            f"recordings 0..{TEST_INDICES - 1} of each speaker are the official test set",
        )
    return held_out(found.labels), split_note()


def _cochlea(options: Options) -> Cochlea:
    """The filter bank, with as many channels and as long a window as is asked for."""
    chosen = Cochlea()
    if options.sensor is not None:
        if not options.sensor.strip().isdigit():
            raise AudioError(
                f"sensor is {options.sensor!r}; needed is a number of channels, 1..700"
            )
        chosen = replace(chosen, channels=int(options.sensor))
    if options.window is not None:
        chosen = replace(chosen, window_ms=-(-options.window // 1000))
    return chosen


def open_source(place: str, options: Options, folder: Path | None) -> AudioSource:
    """The recordings of a folder, heard by the integer filter bank."""
    cochlea = _cochlea(options)
    found = read(path_of(place), cochlea)
    test, how = _divided(found, options.holdout)
    numbers = {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}
    left_out = (
        (
            f"left out {plural(len(found.ignored), 'file')} of other kinds ({shown(found.ignored, 4)})",
        )
        if found.ignored
        else ()
    )
    heard = (
        f"{cochlea.channels} channels of an integer filter bank, {cochlea.spikes} spikes: "
        f"{cochlea.units} units (docs/audio.md)"
    )
    return AudioSource(found, numbers, (how, heard, *left_out))


ENTRY = Entry(
    "audio",
    ("audio:FOLDER",),
    frozenset(("sensor", "window", "bins", "holdout")),
    open_source,
    native=True,
)
