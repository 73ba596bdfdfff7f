"""Files of one recording of events, one reader for each format."""

import importlib.util
import random
from collections.abc import Callable
from pathlib import Path

import event_encoders as encoders
import mutations
import numpy as np
from event_strategies import random_events

from fuzz_readers.damage import Attempt
from neurosim.data.formats import registry
from neurosim.data.formats.recording import EVENT, EventFileError

EVENTS: dict[str, tuple[str, Callable[[], bytes]]] = {
    name: one for name, one in encoders.FILES.items() if name != "npz stored"
}
if importlib.util.find_spec("aedat") is not None:
    EVENTS["aedat4"] = (".aedat4", lambda: encoders.aedat4_file(random_events(150), packet=40))


def events(suffix: str, make: Callable[[], bytes]) -> Callable[[Path], Attempt]:
    """An event file of one format."""

    def prepare(folder: Path) -> Attempt:
        whole, file = make(), folder / f"a{suffix}"

        def attempt(numbers: random.Random) -> str:
            file.write_bytes(mutations.mutate(whole, numbers)[1])
            try:
                found = registry.read(file).events
            except EventFileError:
                return "refused"
            ordered = found.dtype == EVENT and len(found) > 0 and (np.diff(found["t"]) >= 0).all()
            return "read" if ordered and found["t"][0] >= 0 else "WRONG: no recording"

        return attempt

    return prepare


READERS = {f"events-{name}": events(*how) for name, how in EVENTS.items()}
