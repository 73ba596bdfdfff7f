"""`neurosim watch`: classify a stream of events in windows, as they come."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import tyro
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from neurosim.app.cli import needs

if TYPE_CHECKING:
    from learning.config import Config
    from neurosim.data.events import Events
    from neurosim.data.frames import Binning
    from neurosim.data.sensor import Sensor


class Watch(BaseModel):
    """Classify a stream of events in windows of the length that the run was trained on.

    A file of any known format is played at its own pace. From standard input (-) events are read as text,
    one a line, in order of time: t x y p, with t in microseconds and p 1 (brighter) or 0 (darker), divided by
    blanks or commas; lines that begin with # are left out. A window is classified when the first event
    after it has come. The latency is the time from there to the answer.

    From `camera` the events of the first camera that is attached are read (extra "camera"; not tried with a
    real camera).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="RUN")]]
    """run folder"""
    source: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="FILE|-|camera")]]
    """file of events, - for standard input, or camera; ./camera is a file"""
    speed: Annotated[float, Field(ge=0)] = 1.0
    """how many times faster than recorded a file is played; 0: as fast as possible"""
    hop: Annotated[int | None, Field(ge=1)] = None
    """microseconds from the start of one window to the next; by default a window's length"""
    size: str | None = None
    """WIDTHxHEIGHT of the sensor that sends the events; by default as the file says, else the run's"""
    picture: bool = True
    """draw events and scores of each window, on a terminal"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object per window, and nothing else"""


CAMERA = "camera"
"""Name of the source that is a camera."""


class WatchError(ValueError):
    """A stream that cannot be classified. The message says what is allowed."""


class Window(NamedTuple):
    """Events of a window, t from its start, and when it starts on the stream's clock in microseconds."""

    start: int
    events: "Events"


def needed(arguments: Watch) -> list[needs.Need]:
    return [needs.CAMERA] if arguments.source == CAMERA else []


def run(arguments: Watch) -> int:
    from learning.record import read_checkpoint
    from learning.training import chip_of
    from neurosim import threads

    config, checkpoint = read_checkpoint(arguments.folder)
    if config.about is None:
        raise WatchError(
            f"{arguments.folder} does not say which sensor it was trained on; train again"
        )
    threads.use(1)  # one window at a time: more threads would only wait
    chip = chip_of(config, checkpoint.state, checkpoint.generation)
    blocks, sensor = _source(arguments, config)
    into = binning(config, sensor)
    scores_of(chip, into, np.zeros(0, dtype=_event()))  # compiled before the first window comes
    length = config.about.window_us
    latencies, answers = [], []
    pace = _Pace(0.0 if arguments.source in ("-", CAMERA) else arguments.speed)
    for window in windows(blocks, length, arguments.hop or length):
        pace.wait(window.start + length)
        began = time.perf_counter()
        scores = scores_of(chip, into, window.events)
        latencies.append(time.perf_counter() - began)
        answers.append(int(scores.argmax()))
        _show(arguments, config, into, window, scores, latencies[-1])
    if not answers:
        raise WatchError(f"{arguments.source} holds no events")
    if not arguments.as_json:
        names = config.class_names
        print(
            f"{len(answers)} windows of {length / 1000:g} ms: "
            f"{', '.join(names[one] for one in answers[:20])}{' ...' if len(answers) > 20 else ''}\n"
            f"latency {1000 * float(np.median(latencies)):.2f} ms in the middle, "
            f"{1000 * max(latencies):.2f} ms at most"
        )
    return 0


def _event() -> np.dtype[Any]:
    from neurosim.data.events import EVENT

    return EVENT


class _Pace:
    """Lets a recording go on no faster than it was recorded, times `speed`; 0: as fast as possible."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._origin: tuple[float, int] | None = None

    def wait(self, t: int) -> None:
        if not self._speed:
            return
        if self._origin is None:
            self._origin = time.monotonic(), t
        began, first = self._origin
        time.sleep(max(0.0, began + (t - first) / 1e6 / self._speed - time.monotonic()))


def _source(arguments: Watch, config: "Config") -> tuple[Iterator["Events"], "Sensor"]:
    """Blocks of events in order of time, and the sensor that sends them."""
    from neurosim.data.sensor import Sensor

    assert config.about is not None
    seen = config.about.sensor
    pool = config.settings.pool
    sensor = Sensor(seen.height * pool, seen.width * pool, seen.polarities, seen.plane)
    if arguments.source == "-":
        blocks = lines_of(sys.stdin)
    elif arguments.source == CAMERA:
        from neurosim.data.live import open_camera

        size, blocks = open_camera()
        sensor = sensor._replace(height=size[0], width=size[1])
    else:
        from neurosim.data.formats.registry import read

        recording = read(Path(arguments.source).expanduser())
        if recording.sensor is not None:
            sensor = sensor._replace(height=recording.sensor[0], width=recording.sensor[1])
        blocks = iter([recording.events])
    if arguments.size is not None:
        width, _, height = arguments.size.partition("x")
        if not (width.isdigit() and height.isdigit()):
            raise WatchError(f"--size is {arguments.size!r}; needed is WIDTHxHEIGHT, as in 128x128")
        sensor = sensor._replace(height=int(height), width=int(width))
    return blocks, sensor


def binning(config: "Config", sensor: "Sensor") -> "Binning":
    """Cells of the run's frames for events of a sensor, which is divided into as many as the run has."""
    from neurosim.data.frames import Binning, divide

    assert config.about is not None
    seen = config.about.sensor
    options = config.settings.data_options
    if options.crop is not None:
        raise WatchError("the run was trained on a crop; a stream cannot be cropped: train without")
    cells = divide(sensor, plane=(seen.height, seen.width))
    by_count = options.bins == "count"
    return Binning(sensor, cells, config.settings.steps, config.about.window_us, by_count, False)


def lines_of(stream: Any) -> Iterator["Events"]:
    """Events of a text stream, one a line; WatchError names the line that is none."""
    last = None
    for number, line in enumerate(stream, 1):
        words = line.replace(",", " ").split()
        if not words or words[0].startswith("#"):
            continue
        try:
            t, x, y, p = map(int, words)
            if not (0 <= x < 65536 and 0 <= y < 65536 and p in (0, 1) and abs(t) < 1 << 62):
                raise ValueError
        except ValueError:
            raise WatchError(
                f"line {number} is {line.strip()[:60]!r}; needed are t x y p: whole microseconds, "
                f"column, row, and 1 or 0"
            ) from None
        if last is not None and t < last:
            raise WatchError(f"line {number} is at {t} us, after one at {last} us; sort the stream")
        last = t
        yield np.array([(t, x, y, p)], _event())


def windows(blocks: Iterator["Events"], length: int, hop: int) -> Iterator[Window]:
    """Windows of `length` microseconds from the first event on, each as soon as an event comes after it.

    Events between windows, where hop > length, belong to none; a window without events is left out.
    """
    waiting: NDArray[np.void] = np.zeros(0, _event())
    start: int | None = None
    kept: list[Any] = []
    for block in blocks:
        if not len(block):
            continue
        kept.append(block)
        start = int(block["t"][0]) if start is None else start
        if int(block["t"][-1]) < start + length:
            continue
        waiting, kept = np.concatenate([waiting, *kept]), []
        while len(waiting) and int(waiting["t"][-1]) >= start + length:
            yield from _cut(waiting, start, length)
            start += hop
            waiting = waiting[np.searchsorted(waiting["t"], start) :]
            if len(waiting) and int(waiting["t"][0]) >= start + length:
                silent = int(waiting["t"][0]) - length + 1 - start
                start += -(-silent // hop) * hop  # the first window that holds the next event
    waiting = np.concatenate([waiting, *kept])
    if start is not None:
        yield from _cut(waiting, start, length)


def _cut(events: "Events", start: int, length: int) -> Iterator[Window]:
    begin, end = np.searchsorted(events["t"], (start, start + length))
    if end > begin:
        own = events[begin:end].copy()
        own["t"] -= start
        yield Window(start, own)


def scores_of(chip: Any, into: "Binning", events: "Events") -> NDArray[np.int64]:
    """Scores of the classes, int64 (class,), for the events of one window."""
    from neurosim.data import frames

    bits = np.zeros((1, into.steps, frames.words_for(into.plane.inputs)), np.uint64)
    frames.mark(events, into, bits[0])
    forward = chip.forward(frames.Frames(bits, np.zeros(1, np.uint16), into.plane.inputs))
    scores = forward.potentials if chip.readout_spec.membrane else forward.counts
    return np.asarray(scores[0], np.int64)


def _show(
    arguments: Watch,
    config: "Config",
    into: "Binning",
    window: Window,
    scores: NDArray[np.int64],
    latency: float,
) -> None:
    names = config.class_names
    best = int(scores.argmax())
    if arguments.as_json:
        status = {
            "start_us": window.start,
            "events": len(window.events),
            "class": names[best],
            "scores": dict(zip(names, scores.tolist(), strict=True)),
            "latency_ms": round(1000 * latency, 3),
        }
        print(json.dumps(status), flush=True)
        return
    if arguments.picture and sys.stdout.isatty():
        picture = side_by_side(drawing(window.events, into), bars(names, scores))
        print(f"\x1b[H\x1b[2J{picture}")
    print(
        f"{window.start / 1e6:10.3f} s  {len(window.events):7,} events  {1000 * latency:6.2f} ms  "
        f"{names[best]}",
        flush=True,
    )


def drawing(events: "Events", into: "Binning", rows: int = 17, columns: int = 34) -> list[str]:
    """Events of a window as characters: + brighter, - darker, * both, in at most rows x columns places."""
    plane = into.plane
    rows, columns = min(rows, plane.height), min(columns, plane.width)
    seen = np.zeros((rows, columns), np.uint8)
    y = into.cells.row[events["y"]].astype(np.int64) * rows // plane.height
    x = into.cells.column[events["x"]].astype(np.int64) * columns // plane.width
    np.bitwise_or.at(seen, (y, x), np.where(events["p"] > 0, 1, 2).astype(np.uint8))
    return ["".join(" +-*"[value] for value in row) for row in seen]


def bars(names: tuple[str, ...], scores: NDArray[np.int64], width: int = 24) -> list[str]:
    """A bar for each class, from the lowest score to the highest; of many classes the best 16."""
    order = np.argsort(-scores, kind="stable")[:16]
    shown = sorted(order) if len(scores) <= 16 else list(order)
    low, high = int(scores.min()), int(scores.max())
    label = max(len(names[one]) for one in shown)
    return [
        f"{names[one]:>{label}} {'█' * round(width * (int(scores[one]) - low) / max(1, high - low))}"
        for one in shown
    ]


def side_by_side(left: list[str], right: list[str]) -> str:
    width = max(map(len, left), default=0)
    count = max(len(left), len(right))
    pad = [*left, *[""] * (count - len(left))], [*right, *[""] * (count - len(right))]
    return "\n".join(f"{a:<{width}}  {b}".rstrip() for a, b in zip(*pad, strict=True))
