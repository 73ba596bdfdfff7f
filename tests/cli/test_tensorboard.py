"""TensorBoard event files: the content of metrics.jsonl, once, after any interruption."""

import json
import struct
import sys

import command
import pytest

from learning.record import METRICS
from neurosim.app.report.tensorboard import AXES, FOLDER

pytest.importorskip("tensorboardX", reason='needs the extra "tensorboard"')


def scalars(folder):
    """[(tag, generation, seconds, value)] of the event files of a run folder, in their order."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for file in sorted((folder / FOLDER).glob("events.*")):
        content, at = file.read_bytes(), 0
        while at < len(content):
            (length,) = struct.unpack_from("<Q", content, at)
            event = Event.FromString(content[at + 12 : at + 12 + length])
            at += 12 + length + 4
            found += [
                (value.tag, event.step, event.wall_time, value.simple_value)
                for value in event.summary.value
            ]
    return found


def expected(folder):
    lines = [json.loads(line) for line in (folder / METRICS).read_text().splitlines()]
    return [
        (name, line["generation"], line["seconds"], pytest.approx(value, rel=1e-6))
        for line in lines
        for name, value in line.items()
        if name not in AXES
    ]


def test_scalars_are_those_of_the_metrics_also_after_a_resume(tmp_path):
    folder = tmp_path / "run"
    done = command.here("train", *command.SMALL, "--run", folder, "--tensorboard", "--json")
    assert done.returncode == 0, done.stderr
    first = scalars(folder)
    assert first == expected(folder)
    assert {("validation_accuracy", 6), ("fitness_bits", 2)} <= {one[:2] for one in first}
    again = command.here("train", "--resume", folder, "--tensorboard", "--json")
    assert again.returncode == 0, again.stderr
    sha256 = [json.loads(one.stdout)["weights_sha256"] for one in (done, again)]
    assert sha256[0] == sha256[1]
    assert scalars(folder) == first


def test_an_interrupted_run_has_every_generation_once(tmp_path):
    """Killed outright, so that the event file knows more or less than the checkpoint."""
    folder = tmp_path / "run"
    flags = [*command.SMALL, "--generations", "40", "--tensorboard"]
    process = command.start("train", *flags, "--run", folder)
    seen = 0
    while seen < 3:  # lines of generations, after those of the data
        seen += " bits " in process.stderr.readline()
    process.kill()
    process.communicate()
    command.results("train", "--resume", folder, "--tensorboard")
    found = scalars(folder)
    assert found == expected(folder)
    accuracies = [one for one in found if one[0] == "validation_accuracy"]
    assert [generation for _, generation, _, _ in accuracies] == list(range(2, 41, 2))


def test_a_run_without_the_flag_writes_none(done):
    assert not (done[1] / FOLDER).exists()


def test_a_missing_package_is_named_before_anything_is_done(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    refused = command.here("train", *command.SMALL, "--run", tmp_path / "run", "--tensorboard")
    command.assert_refused(refused, 1, "neurosim-eggroll[tensorboard]")
    assert not (tmp_path / "run").exists()
