"""Run folders that others made, or that lost a part: true hashes and whatever else in them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_cases import CONFIGURATION, state
from safetensors.numpy import load, save

from learning import record
from learning.record import (
    CONFIG,
    METRICS,
    SUMMARY,
    WEIGHTS,
    Checkpoint,
    RunError,
    read_checkpoint,
    read_config,
    read_run,
)
from learning.run_folder import RunFolder, RunInUse, remove_run
from learning.training import make_chip
from neurosim.population.state import weights
from neurosim.storage import content_sha256


def checkpoint(generation=0):
    return Checkpoint(state(), weights(state(), 4), generation, 0.0)


@pytest.fixture
def run(tmp_path):
    """A run with a checkpoint after generation 2."""
    with RunFolder.create(tmp_path / "run", CONFIGURATION) as folder:
        folder.log({"generation": 2})
        folder.save(state(), weights(state(), 4), 2, 1.5)
    return tmp_path / "run"


def rehashed(path: Path, change, **header):
    """Change tensors and header of a checkpoint, every hash made anew: what anybody's program could write."""
    raw = (path / WEIGHTS).read_bytes()
    size = int.from_bytes(raw[:8], "little")
    metadata = json.loads(raw[8 : 8 + size])["__metadata__"]
    tensors = change(load(raw))
    metadata |= {"tensors_sha256": record.tensors_sha256(tensors), **header}
    metadata = {name: value for name, value in metadata.items() if value is not None}
    metadata["header_sha256"] = record.header_sha256(metadata)
    (path / WEIGHTS).write_bytes(
        save({name: np.ascontiguousarray(a) for name, a in tensors.items()}, metadata)
    )


def assert_refused(path):
    for use in (read_checkpoint, read_run, RunFolder.resume):
        with pytest.raises(RunError):
            use(path)


# --- tensors -------------------------------------------------------------------------------------

CHANGES = {
    "float32": lambda a: a.astype(np.float32),
    "int64": lambda a: a.astype(np.int64),
    "int8": lambda a: np.zeros_like(a, np.int8 if a.dtype != np.int8 else np.int16),
    "bool": lambda a: a.astype(bool),
    "short": lambda a: a[:-1],
    "long": lambda a: np.concatenate([a, a]),
    "transposed": lambda a: a.T if a.ndim > 1 else a[None],
    "narrow": lambda a: a[..., :1],
    "empty": lambda a: a[:0],
    "scalar": lambda a: a.reshape(-1)[0],
    "flat": lambda a: a.reshape(-1) if a.ndim > 1 else a[:, None],
    "deep": lambda a: a[None],
    "lowest": lambda a: np.full_like(a, np.iinfo(a.dtype).min),
}
NAMES = [name for names in record.names_of(CONFIGURATION.network()) for name in names]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_of_another_kind_never_reaches_a_kernel(run, name, change):
    rehashed(run, lambda tensors: {**tensors, name: CHANGES[change](tensors[name])})
    assert_refused(run)


@pytest.mark.parametrize("name", NAMES)
def test_a_tensor_that_is_missing_or_too_many_is_refused(run, name):
    rehashed(run, lambda tensors: {n: a for n, a in tensors.items() if n != name})
    assert_refused(run)
    rehashed(run, lambda tensors: {**load_whole(run), "momentum.2": np.zeros((3, 16), np.int32)})
    assert_refused(run)


def load_whole(path):
    return load((path / WEIGHTS).read_bytes())


@given(data=st.data())
def test_weights_that_are_not_those_of_the_state_are_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("runs") / "run"
    RunFolder.create(path, CONFIGURATION, checkpoint()).close()
    name = data.draw(st.sampled_from(NAMES[:8]))

    def change(tensors):
        changed = tensors[name].copy()
        at = data.draw(st.integers(0, changed.size - 1))
        limits = np.iinfo(changed.dtype)
        changed.flat[at] = data.draw(st.integers(int(limits.min), int(limits.max)))
        return {**tensors, name: changed}

    before = load_whole(path)[name]
    rehashed(path, change)
    after = load_whole(path)[name]
    try:
        config, read = read_checkpoint(path)
    except RunError:
        return
    # what is accepted can be used, and says in both places the same
    assert all(map(np.array_equal, weights(read.state, 4)[0], read.weights[0]))
    make_chip(config, read.state)
    assert np.array_equal(before, after) or name.startswith(("synapses", "biases"))


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "generation": [None, "-1", "x", "10", "999999", "1e9", "nan", " 5 ", "٥", ""],
        "seconds": [None, "nan", "inf", "-5", "x", "1e300"],
        "metrics_bytes": [None, "-1", "x", "9" * 5000, "nan", "3"],
        "weights_sha256": [None, "x"],
        "metrics_sha256": [None, "x"],
        "config_sha256": [None, "x"],
    }.items(),
)
def test_a_header_of_odd_numbers_is_refused(run, name, values):
    for value in values:
        rehashed(run, lambda tensors: tensors, **{name: value})
        assert_refused(run)


def test_metrics_that_are_no_lines_of_objects_are_refused(run):
    for text in (b"[1]\n", b"x\n", b"[" * 100_000 + b"\n"):
        (run / METRICS).write_bytes(text)
        rehashed(
            run,
            lambda tensors: tensors,
            metrics_bytes=str(len(text)),
            metrics_sha256=record.digest(text),
        )
        assert_refused(run)


# --- configurations ------------------------------------------------------------------------------

ODD = [None, -1, 0, 1.5, 1e300, 10**30, 2**63, "x", [], {}, [[]], True]
NETWORKS = [
    *ODD,
    {"inputs": [], "populations": [], "connections": []},
    {"inputs": [[]], "populations": [], "connections": []},
    {"inputs": 5, "populations": [], "connections": []},
    {
        "inputs": [{"name": [1], "size": 1}],
        "populations": [{"name": {}, "neurons": 3}],
        "connections": [],
    },
    {
        "inputs": [{"name": "i", "size": 1}],
        "populations": [{"name": "p", "neurons": 3, "vth_mant": 5, "noise": {"bad": 2}}],
        "connections": [],
    },
    {
        "inputs": [{"name": "i", "size": 1}],
        "populations": [{"name": "p", "neurons": 3, "vth_mant": 5, "noise": 5}],
        "connections": [],
    },
]


def configured(path, **changes):
    content = {**json.loads((path / CONFIG).read_bytes()), **changes}
    content = {name: value for name, value in content.items() if value != "(left out)"}
    content.pop("sha256")
    content["sha256"] = content_sha256(content)
    (path / CONFIG).write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("name", "values"),
    {
        "inputs": list(ODD),
        "classes": list(ODD),
        "dataset_key": [v for v in ODD if v != "x"],
        "settings": [v for v in ODD if v != {}],  # no setting named: all as by default
        "network": NETWORKS,
        "begun_sha256": [v for v in ODD if v != "x"],
        "more": [1],
    }.items(),
)
def test_an_odd_configuration_with_a_true_hash_is_refused(run, name, values):
    (run / WEIGHTS).unlink()
    (run / METRICS).unlink()
    for value in [*values, "(left out)"]:
        if value == "(left out)" and name in ("network", "begun_sha256", "more"):
            continue
        configured(run, **{name: value})
        with pytest.raises(RunError):
            read_config(run)
        configured(run, **json.loads(CONFIGURATION.to_json()))
        configured(run, network="(left out)", begun_sha256="(left out)", more="(left out)")
    assert read_config(run) == CONFIGURATION


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, '{"format": "\\ud800"}'])
def test_a_configuration_of_odd_text_is_refused(run, text):
    (run / CONFIG).write_text(text)
    with pytest.raises(RunError, match=r"config\.json"):
        read_config(run)


# --- what was lost -------------------------------------------------------------------------------


def test_a_run_that_began_with_given_weights_and_lost_them_is_refused(tmp_path):
    RunFolder.create(tmp_path / "run", CONFIGURATION, checkpoint()).close()
    (tmp_path / "run" / WEIGHTS).unlink()
    assert read_config(tmp_path / "run").begun_sha256 == record.weights_sha256(weights(state(), 4))
    with pytest.raises(RunError, match=r"lost its weights.*began with given weights"):
        RunFolder.resume(tmp_path / "run")
    (tmp_path / "run" / METRICS).unlink()
    with pytest.raises(RunError, match="lost its weights"):
        RunFolder.resume(tmp_path / "run")


@pytest.mark.parametrize("left", [METRICS, SUMMARY])
def test_a_run_that_lost_its_weights_is_not_started_anew_without_a_word(run, left):
    (run / SUMMARY).write_text("{}")
    (run / WEIGHTS).unlink()
    for name in {METRICS, SUMMARY} - {left}:
        (run / name).unlink()
    with pytest.raises(RunError, match=f"lost its weights.*{left} is there"):
        RunFolder.resume(run)


def test_a_run_killed_at_its_first_checkpoint_begins_again(run):
    """Metrics are under their name and the weights not yet: nothing that was vouched for is lost."""
    (run / WEIGHTS).rename(run / f".{WEIGHTS}.abc.tmp")
    folder, found = RunFolder.resume(run)
    folder.close()
    assert found is None
    assert [path.name for path in run.iterdir() if path.suffix == ".tmp"] == []


def test_temporary_files_of_a_killed_run_go_when_it_is_resumed(run):
    for name in (CONFIG, WEIGHTS, METRICS, SUMMARY):
        (run / f".{name}.a1b2c3d4.tmp").write_bytes(b"half")
    (run / ".notes.tmp").write_bytes(b"mine")
    RunFolder.resume(run)[0].close()
    assert sorted(path.name for path in run.iterdir() if path.suffix == ".tmp") == [".notes.tmp"]


@pytest.mark.parametrize("replaced", [False, True])
def test_nothing_is_written_to_a_folder_that_was_removed_in_training(tmp_path, replaced):
    folder = RunFolder.create(tmp_path / "run", CONFIGURATION)
    shutil.rmtree(tmp_path / "run")
    if replaced:
        other = RunFolder.create(tmp_path / "run", CONFIGURATION._replace(dataset_key="b"))
    with folder:
        for write in (
            lambda: folder.save(state(), weights(state(), 4), 1, 0.5),
            lambda: folder.write(SUMMARY, b"{}"),
        ):
            with pytest.raises(RunError, match="removed or replaced"):
                write()
    if replaced:
        assert read_config(tmp_path / "run").dataset_key == "b"
        other.close()
    else:
        assert not (tmp_path / "run").exists()


def test_a_run_without_its_configuration_is_not_written_to(run):
    folder, _ = RunFolder.resume(run)
    (run / CONFIG).unlink()
    with folder, pytest.raises(RunError, match="removed or replaced"):
        folder.save(state(), weights(state(), 4), 3, 0.5)


def test_text_files_with_other_line_ends_are_read_and_continued(run):
    for name in (CONFIG, METRICS):
        (run / name).write_bytes((run / name).read_bytes().replace(b"\n", b"\r\n"))
    assert read_checkpoint(run)[1].generation == 2
    folder, found = RunFolder.resume(run)
    with folder:
        folder.log({"generation": 3})
        folder.save(found.state, found.weights, 3, 2.5)
    assert read_checkpoint(run)[1].generation == 3


def test_a_missing_file_is_said_to_be_missing(run):
    (run / METRICS).unlink()
    with pytest.raises(RunError, match=r"metrics\.jsonl is missing"):
        read_checkpoint(run)


# --- removing a run ------------------------------------------------------------------------------


def test_a_run_in_use_is_not_removed(run):
    folder, _ = RunFolder.resume(run)
    with folder, pytest.raises(RunInUse, match="in use"):
        remove_run(run)
    assert read_checkpoint(run)
    remove_run(run)
    assert not run.exists()


def test_a_run_with_other_files_in_it_is_not_removed(run):
    (run / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"also holds notes\.txt"):
        remove_run(run)
    assert read_checkpoint(run)
