"""Depth: networks of several layers both ways, reported, kept and resumed."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason='needs the extra "reference" (torch)')

from neurosim.app.cli import depth as command_of_depth
from neurosim.app.cli import main
from neurosim.app.experiments import depth, depth_page, work
from neurosim.data.datasets import DatasetError

TINY = {"generations": 4, "pairs": 16, "groups": 8}


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """An image file, and two tasks of a second each."""
    first, second, *_ = (task for task in depth.TASKS if task.source == "mnist")
    small = {"skip": 20}
    tasks = (
        first._replace(
            options=small, layers="conv 4 3x3 stride 3, dense 8", chip=TINY, bptt={"epochs": 1}
        ),
        second._replace(options=small, layers="recurrent 8", chip=TINY, bptt={"epochs": 2}),
    )
    monkeypatch.setattr(depth, "TASKS", tasks)
    monkeypatch.setattr(depth, "SHORT", TINY)
    changes = depth.CHANGES[:2], depth.CHANGES[-1:]
    monkeypatch.setattr(depth, "CHANGES", sum(changes, ()))
    monkeypatch.setattr(depth, "SHORT_BPTT", {"epochs": 1})
    monkeypatch.setattr(depth, "BPTT_CHANGES", depth.BPTT_CHANGES[:2])
    rng = np.random.default_rng(0)
    y = np.arange(120) % 10
    x = rng.integers(0, 40, (120, 20, 20), np.uint8)
    x += (200 * (np.arange(20) // 2 == y[:, None]))[:, None].astype(np.uint8)
    np.savez(tmp_path / "bars.npz", x=x, y=y)
    return command_of_depth.Depth(
        mnist=f"images:{tmp_path / 'bars.npz'}",
        real=f"images:{tmp_path / 'bars.npz'}",
        out=tmp_path / "out",
        seeds=2,
        threads=1,
        as_json=True,
    )


def test_tasks_are_trained_both_ways_reported_kept_and_resumed(tiny, capsys, monkeypatch):
    arguments = tiny
    made, cut = depth.Part.result, []

    def stop(self):
        if len(cut) == 5:
            raise KeyboardInterrupt
        cut.append(self.method)
        return made(self)

    with monkeypatch.context() as patch:
        patch.setattr(depth.Part, "result", stop)
        with pytest.raises(KeyboardInterrupt):
            command_of_depth.run(arguments)
    store = arguments.out / "trainings"
    before = {file: file.stat().st_mtime_ns for file in store.glob("*.json")}
    assert before
    assert command_of_depth.run(arguments) == 0
    results = json.loads(capsys.readouterr().out)["results"]
    after = {file: file.stat().st_mtime_ns for file in store.glob("*.json")}
    assert before.items() <= after.items()
    for task in depth.TASKS:
        for method in (*depth.METHODS, "cost", depth.REAL):
            seeds = [r["seed"] for r in results if r["method"] == f"{task.name}: {method}"]
            assert seeds == [0, 1]
    page = (arguments.out / "depth.md").read_text()
    chip = [
        100 * r["test_accuracy"]
        for r in results
        if r["method"] == f"{depth.TASKS[0].name}: {depth.CHIP}"
    ]
    assert f"{np.mean(chip):.2f} ± {np.std(chip, ddof=1):.2f}" in page
    for what in ("One setting changed", "One setting of BPTT changed"):
        assert f"## {what}: {depth.TASKS[1].name}" in page
    assert "--seeds 2" in page
    for name in ("passes.png", "seconds.png"):
        assert (arguments.out / name).read_bytes().startswith(b"\x89PNG")
    again = arguments.model_copy(update={"only_page": True})
    assert command_of_depth.run(again) == 0
    assert json.loads(capsys.readouterr().out)["results"] == results
    assert (arguments.out / "depth.md").read_text() == page


def test_bptt_goes_on_from_checkpoints_of_its_own_training_alone(tiny, monkeypatch):
    """Other tasks, in another order, or other settings never meet what an earlier study left."""
    data, store = depth.load(tiny), work.store_of(tiny.out)

    def curves():
        parts = depth.plan(tiny.model_copy(update={"seeds": 1, "changes": False}), data, store)
        float_parts = [part for part in parts if part.method.endswith(depth.BPTT)]
        return {part.method: len(part.result()["curve"]) for part in float_parts}

    first, second = depth.TASKS
    before = curves()
    monkeypatch.setattr(depth, "TASKS", (second, first._replace(bptt={"epochs": 3})))
    assert curves() == before | {f"{first.name}: {depth.BPTT}": 3}


def test_no_data_set_is_refused_with_what_can_be_given():
    with pytest.raises(DatasetError, match="give one or more of --mnist"):
        depth.load(depth.DepthExperiment())


def test_the_command_tells_what_is_missing(capsys):
    assert main(["depth"]) == 1
    assert "no data set is given" in capsys.readouterr().err


def test_every_change_is_a_setting_that_can_be_and_changes_something():
    arguments = depth.DepthExperiment(mnist="digits")
    from neurosim.data import datasets

    data = datasets.load("digits")
    for task in depth.TASKS:
        if task.name not in depth.CHANGED_TASKS:
            continue
        made = [
            depth.settings_of(
                depth.by_deep(task)._replace(options={}),
                arguments,
                data,
                0,
                {**depth.SHORT, **one.changed},
            )
            for one in depth.CHANGES
        ]
        assert len(set(made)) == len(made)
        floats = [depth.bptt_settings(task, data, 0, one.changed) for one in depth.BPTT_CHANGES]
        assert len({repr(settings) for settings in floats}) == len(floats)


def test_the_difference_is_that_of_the_means():
    task = depth.TASKS[0]
    some = {
        f"{task.name}: {depth.CHIP}": [{"test_accuracy": 0.9}, {"test_accuracy": 0.8}],
        f"{task.name}: {depth.BPTT}": [{"test_accuracy": 0.9}],
    }
    assert depth_page.behind(some, task) == pytest.approx(5)
    assert depth_page.behind({}, task) is None
