"""ReckOn's address events."""

import random
from pathlib import Path

import mutations
import numpy as np

from fuzz_readers.damage import Attempt
from neurosim.data.formats import cue_accumulation
from neurosim.data.formats.recording import EventFileError


def cue_text(folder: Path) -> Attempt:
    """A file of ReckOn's address events."""
    numbers = random.Random(0)
    lines = ["5"]
    for sample in range(5):
        ticks = sorted(numbers.randrange(2000) for _ in range(20))
        lines += [f"{numbers.randrange(40)}, {tick}" for tick in ticks]
        lines += [f"-2, {sample % 2}", "-1, 2250"]
    whole, file = "\n".join(lines).encode() + b"\n", folder / "a.dat"

    def attempt(numbers: random.Random) -> str:
        file.write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            found = cue_accumulation.samples(file)
            ordered = all(
                (np.diff(found[number].recording.events["t"]) >= 0).all()
                for number in range(len(found.labels))
            )
        except EventFileError:
            return "refused"
        return "read" if ordered else "WRONG: no recording"

    return attempt


READERS = {"cue-accumulation": cue_text}
