"""A stream of events, classified as it comes."""

import io
import json
import subprocess
import sys
import types
from importlib.machinery import ModuleSpec

import command
import numpy as np
import pytest
from command import assert_refused
from hypothesis import given
from hypothesis import strategies as st

from neurosim.app.cli import watch
from neurosim.data import datasets
from neurosim.data.events import EVENT


def text_of(events):
    return "".join(f"{t} {x} {y} {p}\n" for t, x, y, p in events.tolist())


@pytest.fixture(scope="module")
def sample():
    """Events of a test image of digits, on the simulated camera."""
    events = datasets.events("digits", "test", 3)
    return events[np.argsort(events["t"], kind="stable")]


def test_a_window_gets_the_scores_of_the_same_sample_in_a_file_and_from_standard_input(
    done, sample, tmp_path
):
    """The run evaluates the same frames: window and binning are those of its training."""
    from learning.record import read_checkpoint
    from learning.training import chip_of
    from neurosim.data.frames import select

    config, checkpoint = read_checkpoint(done[1])
    chip = chip_of(config, checkpoint.state)
    frames = datasets.load("digits").test
    wanted = chip.forward(select(frames, np.array([3])))
    sample = sample[sample["t"] < config.about.window_us]
    first = sample.copy()
    first["t"] -= first["t"][0]  # the window begins with the first event
    into = watch.binning(config, config.about.sensor)
    assert watch.scores_of(chip, into, sample).tolist() == wanted.potentials[0].tolist()

    (tmp_path / "events.txt").write_text(text_of(sample))
    played = command.neurosim("watch", done[1], tmp_path / "events.txt", "--speed", "0", "--json")
    assert played.returncode == 0, played.stderr
    (window,) = map(json.loads, played.stdout.splitlines())
    assert window["events"] == len(sample)
    assert list(window["scores"].values()) == watch.scores_of(chip, into, first).tolist()
    assert window["latency_ms"] > 0

    piped = subprocess.run(
        [sys.executable, "-m", "neurosim", "watch", str(done[1]), "-", "--json"],
        input="# t x y p\n\n" + text_of(sample),
        capture_output=True,
        text=True,
        check=True,
        env=command.environment(),
    )
    assert json.loads(piped.stdout)["scores"] == window["scores"]


def test_a_chip_whose_faults_have_come_answers_as_it_does_at_the_end_of_its_training(
    sample, tmp_path
):
    from learning.record import read_checkpoint
    from learning.training import chip_of

    run, file = tmp_path / "run", tmp_path / "events.txt"
    faults = ("--faults", "always-firing 0.5, since 2")
    assert command.here("train", *command.SMALL, *faults, "--run", run).returncode == 0
    config, checkpoint = read_checkpoint(run)
    sample = sample[sample["t"] < config.about.window_us]
    file.write_text(text_of(sample))
    played = command.here("watch", run, file, "--speed", "0", "--json")
    assert played.returncode == 0, played.stderr
    scores = list(json.loads(played.stdout)["scores"].values())
    first = sample.copy()
    first["t"] -= first["t"][0]
    into = watch.binning(config, config.about.sensor)
    sound, faulty = (
        watch.scores_of(chip_of(config, checkpoint.state, generation), into, first).tolist()
        for generation in (0, checkpoint.generation)
    )
    assert sound != faulty
    assert scores == faulty


def test_a_file_is_played_at_its_own_pace(done, tmp_path):
    import time

    lines = "".join(f"{t} 3 4 1\n" for t in range(0, 1_200_000, 10_000))
    (tmp_path / "slow.txt").write_text(lines)
    began = time.monotonic()
    played = command.here("watch", done[1], tmp_path / "slow.txt", "--speed", "2")
    assert played.returncode == 0, played.stderr
    assert time.monotonic() - began > 0.9 / 2  # from the first window's end to the fourth's
    assert "4 windows of 300 ms" in played.stdout
    assert "latency" in played.stdout


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("1 2 3", "needed are t x y p"),
        ("5 1 1 1\n4 1 1 1", "sort the stream"),
        ("1 1 1 2", "line 1"),
    ],
)
def test_a_line_that_is_no_event_is_named(line, named):
    with pytest.raises(watch.WatchError, match=named):
        list(watch.lines_of(line.splitlines()))


def test_a_stream_without_events_is_refused(done, monkeypatch):
    monkeypatch.setattr("sys.stdin", [])
    assert_refused(command.here("watch", done[1], "-"), 1, "holds no events")


times = st.lists(st.integers(0, 500), min_size=1, max_size=40).map(sorted)


@given(times, st.integers(1, 60), st.integers(1, 60), st.integers(1, 9))
def test_windows_are_what_a_list_of_all_events_says(t, length, hop, piece):
    """However the stream is cut into blocks; windows without events are left out."""
    events = np.zeros(len(t), EVENT)
    events["t"] = t
    blocks = [events[at : at + piece] for at in range(0, len(t), piece)]
    found = list(watch.windows(iter(blocks), length, hop))
    starts = range(t[0], t[-1] + 1, hop)
    wanted = {s: [x - s for x in t if s <= x < s + length] for s in starts}
    # the last window is the first that reaches beyond the last event
    last = min(s for s in [*starts, t[-1] + hop] if s + length > t[-1])
    wanted = {s: own for s, own in wanted.items() if own and s <= last}
    assert {one.start: one.events["t"].tolist() for one in found} == wanted


def test_the_picture_tells_polarities_apart():
    from neurosim.data.frames import Binning, divide
    from neurosim.data.sensor import Sensor

    sensor = Sensor(2, 3, 2)
    events = np.array([(0, 0, 0, 1), (1, 1, 0, 0), (2, 2, 1, 0), (3, 2, 1, 1)], EVENT)
    into = Binning(sensor, divide(sensor), 4, 100)
    assert watch.drawing(events, into) == ["+- ", "  *"]
    assert watch.side_by_side(["ab"], ["1", "2"]) == "ab  1\n    2"
    assert watch.bars(("no", "yes"), np.array([0, 5]), 4) == [" no ", "yes ████"]


class Batch:
    """Events as dv-processing hands them over."""

    def __init__(self, events):
        self._events = events

    def __len__(self):
        return len(self._events)

    def numpy(self):
        given = np.zeros(
            len(self), [("timestamp", "<i8"), ("x", "<i2"), ("y", "<i2"), ("polarity", "i1")]
        )
        for theirs, ours in (("timestamp", "t"), ("x", "x"), ("y", "y"), ("polarity", "p")):
            given[theirs] = self._events[ours]
        return given


class Camera:
    """A stand-in: batches, one of them empty, then it is unplugged."""

    def __init__(self, events):
        parts = np.array_split(events, 3)
        self._batches = [Batch(parts[0]), None, Batch(events[:0]), Batch(parts[1]), Batch(parts[2])]

    def isRunning(self):
        return bool(self._batches)

    def getNextEventBatch(self):
        return self._batches.pop(0)

    def getEventResolution(self):
        return 34, 34


def attach(monkeypatch, opened):
    module = types.ModuleType("dv_processing")
    module.__spec__ = ModuleSpec("dv_processing", None)
    module.io = types.SimpleNamespace(camera=types.SimpleNamespace(open=opened))
    monkeypatch.setitem(sys.modules, "dv_processing", module)


def test_a_camera_gets_the_answers_of_the_same_events_in_lines(done, sample, monkeypatch):
    attach(monkeypatch, lambda: Camera(sample))
    seen = command.here("watch", done[1], "camera", "--json")
    assert seen.returncode == 0, seen.stderr
    monkeypatch.setattr(sys, "stdin", io.StringIO(text_of(sample)))
    lines = command.here("watch", done[1], "-", "--json")

    def answers(shown):
        return [json.loads(line)["scores"] for line in shown.stdout.splitlines()]

    assert answers(seen) == answers(lines) != []


def test_where_no_camera_is_attached_that_is_said(done, monkeypatch):
    def opened():
        raise IndexError("vector::_M_range_check")

    attach(monkeypatch, opened)
    assert_refused(command.here("watch", done[1], "camera"), 1, "no camera", "attach one")
