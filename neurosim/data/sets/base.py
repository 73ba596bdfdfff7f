"""Entries of the registry of data sets, and the options that a data set may be opened with."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from neurosim.data.frames import Crop
from neurosim.data.sensor import Sensor
from neurosim.data.source import EventSource, SourceError

Bins = Literal["time", "count"]


class Options(NamedTuple):
    """Options of a data set; None: the data set's own choice.

    camera   of images: nmnist, ncaltech101 or cifar10dvs
    sensor   plane that the sensor is divided into, WIDTHxHEIGHT, or a number of channels
    crop     part of the sensor: WIDTHxHEIGHT in its middle, or WIDTHxHEIGHT+LEFT+TOP
    window   microseconds that are cut into bins; what comes later is left out
    bins     of equal time, or of an equal count of events
    holdout  speaker whose recordings are the test set
    skip     training samples at the beginning of the file that are left out
    partial  take an incomplete data set as it is
    """

    camera: str | None = None
    sensor: str | None = None
    crop: str | None = None
    window: int | None = None
    bins: Bins | None = None
    holdout: str | None = None
    skip: int | None = None
    partial: bool = False

    def given(self) -> dict[str, Any]:
        """The options that were chosen, by name."""
        return {name: value for name, value in self._asdict().items() if value not in (None, False)}


RECORDED = frozenset(("sensor", "crop", "window", "bins"))
"""Options of every data set of recordings on a plane."""


ARRAY_BYTES = 1 << 33
"""Bytes that the arrays of one's own file may take together; they are held in memory. Chosen here: the
largest of the usual image sets, CIFAR in 32-bit floats, takes 0.7 GB."""


class Entry(NamedTuple):
    """Entry of a data set in the registry.

    name     before the colon
    forms    how it is asked for, with and without a place
    options  names of the Options that it can use
    open     opens it: open(place, options, folder), place being what follows the colon
    native   whether it has as many channels as `sensor` asks for by itself: they are not joined
    """

    name: str
    forms: tuple[str, ...]
    options: frozenset[str]
    open: Callable[[str, Options, Path | None], EventSource]
    native: bool = False

    @property
    def takes_place(self) -> bool:
        """Whether a path may follow the colon."""
        return any(":" in form for form in self.forms)


def path_of(place: str) -> Path:
    """The path that follows the colon."""
    return Path(place).expanduser()


def data_root() -> Path:
    """Folder for downloads: `$NEUROSIM_DATA`, or the user's data folder."""
    chosen = os.environ.get("NEUROSIM_DATA")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "neurosim"


def plane_of(text: str | None, sensor: Sensor) -> tuple[int, int] | None:
    """Rows and columns of `--sensor`: "48x36" of a plane, "64" of channels."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)x(\d+)" if sensor.plane else r"(\d+)", text.strip().lower())
    if found is None:
        wanted = "WIDTHxHEIGHT, 48x36 for example" if sensor.plane else "a number of channels"
        raise SourceError(f"sensor is {text!r}; this data set has {sensor}: needed is {wanted}")
    if not sensor.plane:
        return 1, int(found[1])
    return int(found[2]), int(found[1])


def crop_of(text: str | None, sensor: Sensor) -> Crop | None:
    """The part of the sensor that `--crop` names."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)x(\d+)(?:\+(\d+)\+(\d+))?", text.strip().lower())
    if found is None:
        raise SourceError(
            f"crop is {text!r}; needed is WIDTHxHEIGHT, or WIDTHxHEIGHT+LEFT+TOP: 120x120+60+30"
        )
    width, height = int(found[1]), int(found[2])
    if found[3] is not None:
        return Crop(int(found[4]), int(found[3]), height, width)
    return Crop((sensor.height - height) // 2, (sensor.width - width) // 2, height, width)
