"""Tables of labels beside recordings."""

import os
import random
from pathlib import Path

import event_encoders as encoders
import mutations
from event_strategies import random_events

from fuzz_readers.damage import Attempt, all_events
from neurosim.data.formats import gesture
from neurosim.data.formats.recording import EventFileError
from neurosim.data.sets import events as reader
from neurosim.data.sets.base import Options
from neurosim.data.source import SourceError


def label_table(folder: Path) -> Attempt:
    """A folder of recordings with a damaged table of labels."""
    os.environ["NEUROSIM_CACHE"] = str(folder / "cache")
    place = folder / "recordings"
    place.mkdir()
    for number in range(6):
        (place / f"{number}.npy").write_bytes(encoders.npy_file(random_events(20, (16, 16))))
    rows = [f"{number}.npy,{'ab'[number % 2]}" for number in range(6)]
    parts = [f"{row},{'test' if number > 3 else 'train'}" for number, row in enumerate(rows)]
    wholes = ["\n".join(["file,label", *rows]).encode(), "\n".join(parts).encode()]

    def attempt(numbers: random.Random) -> str:
        (place / "labels.csv").write_bytes(mutations.mutate(numbers.choice(wholes), numbers)[1])
        try:
            return all_events(reader.open_source(str(place), Options(), None))
        except (SourceError, EventFileError):
            return "refused"

    return attempt


def gesture_table(folder: Path) -> Attempt:
    """The table of labels beside a recording of DVS128 Gesture."""
    whole = b"class,startTime_usec,endTime_usec\n3,1,2000\n11,2000,9000\n1,9000,400000\n"
    (folder / "a.aedat").write_bytes(encoders.aedat3_file(random_events(400), 30))

    def attempt(numbers: random.Random) -> str:
        (folder / "a_labels.csv").write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            found = gesture.samples(folder / "a.aedat")
            for number in range(len(found.labels)):
                found[number]
        except EventFileError:
            return "refused"
        return "read"

    return attempt


READERS = {"label-table": label_table, "gesture-table": gesture_table}
