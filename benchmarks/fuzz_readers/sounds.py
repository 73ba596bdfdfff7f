"""Sounds."""

import random
import wave
from pathlib import Path

import mutations
import numpy as np

from fuzz_readers.damage import Attempt
from neurosim.data.audio.wav import AudioError, read


def sound(folder: Path) -> Attempt:
    """A .wav file."""
    file = folder / "a.wav"
    with wave.open(str(file), "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(16_000)
        made.writeframes(np.arange(800, dtype="<i2").tobytes())
    whole = file.read_bytes()

    def attempt(numbers: random.Random) -> str:
        file.write_bytes(mutations.mutate(whole, numbers)[1])
        try:
            read(file)
        except AudioError:
            return "refused"
        return "read"

    return attempt


READERS = {"sound": sound}
