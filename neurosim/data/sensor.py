"""Sensor of a data set: a plane of pixels with polarities, or channels without a plane."""

from typing import Any, NamedTuple

MOST = 65536
"""Largest number of rows, columns or channels: 16 bits of an event's x and y."""


class Sensor(NamedTuple):
    """The sensor that events come from.

    height, width   pixels, 1..65536; channels are one row of `width`
    polarities      1 or 2
    plane           whether adjacent pixels see adjacent places: only then can a recording be shifted or
                    cropped
    """

    height: int
    width: int
    polarities: int = 2
    plane: bool = True

    @property
    def inputs(self) -> int:
        """Pixels of all polarities: input (p * height + y) * width + x."""
        return self.polarities * self.height * self.width

    @property
    def shape(self) -> tuple[int, int, int]:
        """Axes that an input's number is made of: polarity, row, column."""
        return self.polarities, self.height, self.width

    def __str__(self) -> str:
        if not self.plane:
            return f"{self.width} channels" + (
                f", {self.polarities} polarities" if self.polarities > 1 else ""
            )
        return f"{self.width} x {self.height} pixels, {self.polarities} polarit" + (
            "ies" if self.polarities > 1 else "y"
        )


def channels(count: int, polarities: int = 1) -> Sensor:
    """A sensor of `count` channels without a plane, as of a cochlea or of simulated neurons."""
    return Sensor(1, count, polarities, plane=False)


def described(sensor: Sensor) -> dict[str, Any]:
    """The sensor as JSON values; Sensor(**...) restores it."""
    return sensor._asdict()
