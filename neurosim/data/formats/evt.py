"""Header of Prophesee's raw files: text lines that begin with "%", then words of one encoding."""

import re
from typing import NamedTuple

from neurosim.data.formats.recording import Sensor
from neurosim.data.formats.source import Source

LARGEST: Sensor = (2048, 2048)
"""What 11 bits of x and y can say."""
GENERATIONS: dict[str, Sensor] = {
    "gen41": (720, 1280),
    "gen4": (720, 1280),
    "imx636": (720, 1280),
    "gen31": (480, 640),
    "gen3": (480, 640),
    "genx320": (320, 320),
}
"""Sensors by what plug-in names hold, the longer names first (OpenEB, camera plug-ins)."""
ENCODING = re.compile(
    r"^%\s*(?:evt\s+(?P<evt>\d(?:\.\d)?)|format\s+EVT(?P<format>\d+)(?:;.*)?)\s*$",
    re.IGNORECASE,
)


class Header(NamedTuple):
    """Content of a header: the encoding ("2", "2.1", "3" ...), the sensor or None, the start of the words."""

    encoding: str
    sensor: Sensor | None
    start: int


def sniff(head: bytes, encoding: str) -> bool:
    """Whether the "%" lines name this encoding."""
    for line in head.split(b"\n"):
        if not line.startswith(b"%"):
            return False
        found = ENCODING.match(line.decode("latin-1").strip())
        if found:
            return _encoding(found) == encoding
    return False


def _encoding(found: re.Match[str]) -> str:
    if found["evt"]:
        return found["evt"].removesuffix(".0")
    digits = found["format"]
    return digits if len(digits) == 1 else f"{digits[0]}.{digits[1:]}"


def header(source: Source, encoding: str) -> Header:
    """The header of a file that must be in `encoding`; EventFileError where it is not."""
    lines, start = source.header(b"%")
    found = next((m for m in (ENCODING.match(line.strip()) for line in lines) if m), None)
    named = _encoding(found) if found else None
    if found is None or named != encoding:
        raise source.error(
            f"the header names {'EVT ' + named if named else 'no encoding'}; needed is EVT {encoding}",
            0,
        )
    return Header(encoding, _sensor(source, lines), start)


def _sensor(source: Source, lines: list[str]) -> Sensor | None:
    """From `geometry WxH`, from the fields of `format`, or from the sensor's generation."""
    text = "\n".join(lines)
    geometry = re.search(r"^%\s*geometry\s+(\d{1,5})x(\d{1,5})", text, re.MULTILINE)
    format_line = re.search(r"^%\s*format\s+EVT\S*", text, re.MULTILINE | re.IGNORECASE)
    fields = dict(re.findall(r"(\w+)=(\d{1,5})", format_line[0] if format_line else ""))
    if geometry:
        sensor = (int(geometry[2]), int(geometry[1]))
    elif {"height", "width"} <= set(fields):
        sensor = (int(fields["height"]), int(fields["width"]))
    else:
        plugin = re.search(r"^%\s*(?:plugin_name|sensor_name)\s+(\S+)", text, re.MULTILINE)
        name = plugin[1].lower() if plugin else ""
        return next((size for key, size in GENERATIONS.items() if key in name), None)
    if not (0 < sensor[0] <= LARGEST[0] and 0 < sensor[1] <= LARGEST[1]):
        raise source.error(
            f"the header names a sensor of {sensor[1]} x {sensor[0]}; allowed are 1 to 2048", 0
        )
    return sensor
