"""Run folders: complete at every moment, and damage refused by name."""

import errno
import json
import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from run_cases import CONFIGURATION, SETTINGS, state

from learning import record
from learning.config import Config
from learning.record import (
    CONFIG,
    FORMAT,
    METRICS,
    SUMMARY,
    WEIGHTS,
    RunError,
    read_checkpoint,
    read_config,
    weights_sha256,
)
from learning.run_folder import RunFolder
from learning.settings import Settings
from learning.training import Training
from neurosim.data import datasets
from neurosim.network import Network, Population
from neurosim.population.state import SynapticState, weights
from neurosim.storage import StorageError, content_sha256

FILES = (CONFIG, WEIGHTS, METRICS)


def save(folder, generation, seed=1):
    folder.log({"generation": generation, "validation_accuracy": 0.5})
    folder.save(state(seed), weights(state(seed), 4), generation, 1.25 * generation)


def make(path: Path, generations=(2,)) -> Path:
    """A run folder with checkpoints after these generations."""
    with RunFolder.create(path, CONFIGURATION) as folder:
        for generation in generations:
            save(folder, generation)
    return path


def contents(path):
    return {
        file.name: file.read_bytes()
        for file in path.iterdir()
        if file.is_file() and file.name != ".lock"
    }


def same(one: SynapticState, other: SynapticState) -> bool:
    return all(
        len(a) == len(b) and all(map(np.array_equal, a, b)) for a, b in zip(one, other, strict=True)
    )


def test_a_network_that_settings_do_not_describe_is_kept(tmp_path):
    given = Network.chain(5, [Population("a", 3, (1, 2, 3), dv=7), Population("b", 10, 9)])
    config = CONFIGURATION._replace(given=given)
    RunFolder.create(tmp_path / "run", config).close()
    assert read_config(tmp_path / "run") == config
    assert read_config(tmp_path / "run").network() == given
    assert CONFIGURATION.network() != given


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files of an undamaged run."""
    return contents(make(tmp_path_factory.mktemp("runs") / "whole"))


def written(path, files) -> Path:
    path.mkdir(exist_ok=True)
    for name, data in files.items():
        (path / name).write_bytes(data)
    return path


def assert_refused(path, named):
    """Reading, and resuming, end in one message that names the file; the folder is left as it is."""
    before = contents(path)
    for use in (read_checkpoint, RunFolder.resume):
        with pytest.raises(RunError, match=named) as refusal:
            use(path)
        assert str(path) in str(refusal.value)
    assert contents(path) == before


# --- what is written is read ---------------------------------------------------------------------


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path):
    path = make(tmp_path / "run", (2, 4))
    config, checkpoint = read_checkpoint(path)
    assert config == CONFIGURATION
    assert same(checkpoint.state, state())
    assert same(SynapticState(*checkpoint.weights, ()), SynapticState(*weights(state(), 4), ()))
    assert (checkpoint.generation, checkpoint.seconds) == (4, 5.0)


def test_a_run_resumes_where_it_stood_and_keeps_its_metrics(tmp_path):
    path = make(tmp_path / "run", (2, 4))
    folder, checkpoint = RunFolder.resume(path)
    with folder:
        assert checkpoint.generation == 4
        assert [line["generation"] for line in folder.metrics()] == [2, 4]
        save(folder, 6)
    lines = (path / METRICS).read_text().splitlines()
    assert [json.loads(line)["generation"] for line in lines] == [2, 4, 6]


def test_a_run_without_checkpoint_resumes_from_the_start(tmp_path):
    path = make(tmp_path / "run", ())
    folder, checkpoint = RunFolder.resume(path)
    folder.close()
    assert checkpoint is None
    with pytest.raises(RunError, match=r"holds no weights yet: weights\.safetensors"):
        read_checkpoint(path)


def test_metrics_of_a_checkpoint_that_was_never_written_are_dropped(tmp_path):
    """Killed between the metrics and the weights that vouch for them."""
    path = make(tmp_path / "run")
    with (path / METRICS).open("ab") as file:
        file.write(b'{"generation": 3, "validation_acc')
    folder, checkpoint = RunFolder.resume(path)
    with folder:
        assert checkpoint.generation == 2
        save(folder, 4)
    lines = (path / METRICS).read_text().splitlines()
    assert [json.loads(line)["generation"] for line in lines] == [2, 4]


def test_weights_are_hashed_as_the_chip_uses_them(tmp_path):
    fine = state()
    coarse = fine._replace(synapses=tuple((one + 8) // 16 * 16 for one in fine.synapses))
    assert record.weights_sha256(weights(fine, 4)) == record.weights_sha256(weights(coarse, 4))
    assert record.weights_sha256(weights(fine, 4)) != record.weights_sha256(weights(state(2), 4))


# --- what is damaged is refused ------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
@given(data=st.data())
def test_a_flipped_byte_is_noticed(tmp_path_factory, whole, name, data):
    path = tmp_path_factory.mktemp("flipped") / "run"
    damaged = bytearray(whole[name])
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at] ^= data.draw(st.integers(1, 255))
    assert_refused_or_same(written(path, {**whole, name: bytes(damaged)}), name)


def assert_refused_or_same(path, name):
    """White space of the configuration may change without changing what it says; nothing else may."""
    if name == CONFIG and _says_the_same(path):
        return
    assert_refused(path, name)


def _says_the_same(path):
    try:
        return read_config(path) == CONFIGURATION
    except RunError:
        return False


def test_no_byte_of_the_header_can_be_flipped(tmp_path, whole):
    """Generation and seconds stand in the header alone: every byte of it is tried."""
    length = 8 + int.from_bytes(whole[WEIGHTS][:8], "little")
    path = written(tmp_path / "run", whole)
    for at in range(length):
        damaged = bytearray(whole[WEIGHTS])
        damaged[at] ^= (0x01, 0xFF)[at % 2]
        (path / WEIGHTS).write_bytes(bytes(damaged))
        with pytest.raises(RunError, match=WEIGHTS):
            read_checkpoint(path)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.999])
def test_a_half_written_file_is_noticed(tmp_path, whole, name, kept):
    cut = whole[name][: int(kept * len(whole[name]))]
    assert_refused(written(tmp_path / "run", {**whole, name: cut}), name)


def test_missing_weights_are_named(tmp_path, whole):
    files = {name: data for name, data in whole.items() if name != WEIGHTS}
    with pytest.raises(RunError, match=WEIGHTS):
        read_checkpoint(written(tmp_path / "run", files))


def test_missing_metrics_are_named(tmp_path, whole):
    files = {name: data for name, data in whole.items() if name != METRICS}
    assert_refused(written(tmp_path / "run", files), METRICS)


def test_a_missing_configuration_is_named(tmp_path, whole):
    files = {name: data for name, data in whole.items() if name != CONFIG}
    assert_refused(written(tmp_path / "run", files), CONFIG)


@pytest.mark.parametrize(
    "content", [b"[]", b"3", b"null", b"{}", b"", b"\xff\xfe", b'{"sha256": 1}']
)
def test_a_file_that_is_no_configuration_is_named(tmp_path, whole, content):
    assert_refused(written(tmp_path / "run", {**whole, CONFIG: content}), CONFIG)


def test_files_of_two_runs_do_not_mix(tmp_path, whole):
    other = make(tmp_path / "other")
    folder, _ = RunFolder.resume(other)
    with folder:
        save(folder, 7, seed=5)
    for name in (WEIGHTS, METRICS):
        files = {**whole, name: contents(other)[name]}
        path = written(tmp_path / f"mixed-{name}", files)
        if name == WEIGHTS:
            assert_refused(path, METRICS)
        else:
            assert read_checkpoint(path)[1].generation == 2  # more metrics than vouched for


def reformatted(data: bytes, **changes) -> bytes:
    """A configuration with changed entries, hashed anew as another version would."""
    content = json.loads(data)
    content.pop("sha256")
    content = {**content, **changes}
    content["sha256"] = content_sha256(content)
    return json.dumps(content).encode()


def test_a_run_of_another_version_is_refused(tmp_path, whole):
    path = written(
        tmp_path / "run", {**whole, CONFIG: reformatted(whole[CONFIG], format="neurosim-run/3")}
    )
    with pytest.raises(RunError, match=f"'neurosim-run/3'; this version reads {FORMAT}"):
        read_checkpoint(path)
    assert_refused(path, CONFIG)


def test_settings_of_another_version_are_refused(tmp_path, whole):
    settings = {**SETTINGS.model_dump(mode="json"), "warp": 9}
    path = written(
        tmp_path / "run", {**whole, CONFIG: reformatted(whole[CONFIG], settings=settings)}
    )
    assert_refused(path, "warp")


# --- nothing is overwritten ----------------------------------------------------------------------


def test_a_run_from_before_a_setting_came_to_be_is_read_and_continued(tmp_path, monkeypatch):
    """Settings that a run does not name have the values they are given where nothing is said."""
    with monkeypatch.context() as patch:
        dump = Settings.model_dump

        def without_shift(self, **options):
            return {name: value for name, value in dump(self, **options).items() if name != "shift"}

        patch.setattr(Settings, "model_dump", without_shift)
        path = make(tmp_path / "run")
    assert b"shift" not in (path / CONFIG).read_bytes()
    assert read_checkpoint(path)[0] == CONFIGURATION
    folder, checkpoint = RunFolder.resume(path)
    with folder:
        assert checkpoint.generation == 2
        save(folder, 3)
    assert read_checkpoint(path)[1].generation == 3


def test_a_folder_with_a_run_is_not_started_over(tmp_path, whole):
    path = written(tmp_path / "run", whole)
    with pytest.raises(RunError, match="already holds a run; continue it with --resume"):
        RunFolder.create(path, CONFIGURATION)
    assert contents(path) == whole


@pytest.mark.parametrize("left", [WEIGHTS, METRICS, SUMMARY])
def test_what_is_left_of_a_run_is_not_overwritten(tmp_path, left):
    path = written(tmp_path / "run", {left: b"of another run"})
    with pytest.raises(RunError, match=left):
        RunFolder.create(path, CONFIGURATION)
    assert contents(path) == {left: b"of another run"}


def test_a_file_is_not_taken_for_a_folder(tmp_path):
    path = tmp_path / "run"
    path.write_bytes(b"mine")
    with pytest.raises(RunError, match="is a file"):
        RunFolder.create(path, CONFIGURATION)
    assert path.read_bytes() == b"mine"


def _hold(path, ready, done):
    with RunFolder.resume(path)[0]:
        ready.set()
        done.wait(60)


def test_two_processes_do_not_share_a_folder(tmp_path):
    path = make(tmp_path / "run")
    before = contents(path)
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(path, ready, done))
    other.start()
    try:
        assert ready.wait(60)
        with pytest.raises(RunError, match="in use by another process"):
            RunFolder.resume(path)
        assert read_checkpoint(path)[1].generation == 2  # looking is allowed
    finally:
        done.set()
        other.join()
    assert contents(path) == before
    RunFolder.resume(path)[0].close()


def test_two_processes_do_not_start_in_one_folder(tmp_path):
    path = tmp_path / "run"
    with RunFolder.create(path, CONFIGURATION):
        before = contents(path)
        with pytest.raises(RunError, match=r"already holds a run|in use"):
            RunFolder.create(path, Config(SETTINGS, "b" * 64, 5, 10))
        assert contents(path) == before


@pytest.mark.parametrize("fails_at", [0, 1])
def test_a_full_disk_leaves_the_last_checkpoint(tmp_path, monkeypatch, fails_at):
    path = make(tmp_path / "run")
    before = contents(path)
    folder, _ = RunFolder.resume(path)
    written_before = Path.write_bytes
    calls = []

    def write_bytes(self, data):
        calls.append(self)
        if len(calls) > fails_at:
            written_before(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return written_before(self, data)

    with folder:
        monkeypatch.setattr(Path, "write_bytes", write_bytes)
        with pytest.raises(StorageError, match="the disk is full") as refusal:
            save(folder, 4, seed=3)
        monkeypatch.undo()
    assert (WEIGHTS, METRICS)[fails_at] in str(refusal.value)
    after = contents(path)
    assert set(after) == set(before)
    assert after[WEIGHTS] == before[WEIGHTS]
    assert after[METRICS].startswith(before[METRICS])
    assert read_checkpoint(path)[1].generation == 2
    folder, checkpoint = RunFolder.resume(path)
    with folder:
        assert same(checkpoint.state, state())


def test_a_disk_that_is_full_from_the_start_leaves_no_run(tmp_path, monkeypatch):
    def write_bytes(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    with pytest.raises(StorageError, match=CONFIG):
        RunFolder.create(tmp_path / "run", CONFIGURATION)
    monkeypatch.undo()
    assert contents(tmp_path / "run") == {}
    RunFolder.create(tmp_path / "run", CONFIGURATION).close()  # the lock was let go


# --- run folders of the first format ---------------------------------------------------------------

OLD = Path(__file__).parent / "run-format-1"
ENDS = {
    "event-aligned": "76aa3aafe96e5b66fe34c3c625ad91bc3397ca99b499a9d7292a909a5d1b99a8",
    "eggroll": "2f4704c460b30d21c62e233fca25e1779de555318b755dea235d2c3eadb12ee0",
}
"""Runs that version 0.1 stopped after 3 of 6 generations, and the weights that it ended with itself."""


@pytest.mark.parametrize("name", ENDS)
def test_a_run_folder_of_the_first_format_is_continued_to_the_same_bits(tmp_path, name):
    """The one was given a rank, the other a noise window, which no rule of theirs read."""
    shutil.copytree(OLD / name, tmp_path / "run")
    folder, checkpoint = RunFolder.resume(tmp_path / "run")
    with folder:
        assert checkpoint.generation == 3
        settings = folder.config.settings
        assert (settings.rank, settings.noise_window > 0) == (1, name == "event-aligned")
        data = datasets.load("digits", steps=settings.steps, pool=settings.pool)
        assert data.key == folder.config.dataset_key
        training = Training(folder.config, data, folder, checkpoint)
        training.run(lambda *_: None)
        assert weights_sha256(training.chip.weights()) == ENDS[name]
    again, ended = read_checkpoint(tmp_path / "run")
    assert ended.generation == 6
    assert weights_sha256(ended.weights) == ENDS[name]
    assert again == folder.config
