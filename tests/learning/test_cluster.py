"""Cluster training with real workers on the loopback: joins, departures and failures change no bit."""

import copy
import shutil
import signal
import threading

import pytest

pytest.importorskip("distributed", reason="needs the extra cluster")

from machines import ROOT, machines

from learning import replica
from learning import worker_pool as teams
from learning.cluster import ClusterTraining
from learning.record import Checkpoint
from learning.run_folder import RunFolder
from learning.settings import Settings
from learning.training import Training, start
from learning.worker_pool import ClusterError, WorkerPool
from neurosim.data import datasets

SMALL = {
    "hidden": (16,),
    "pairs": 60,
    "groups": 6,
    "batch": 2,
    "generations": 8,
    "evaluate_every": 4,
    "validation_samples": 20,
}
FAST = {
    "method": "event-aligned",
    "output_rule": "delta",
    "credit": "error",
    "batch": 1,
    "shift": 1,
    "sigma": 256,
}
LAYERED = {
    "sigma": 16,
    "hidden": (128,),
    "feedback": "gate-local",
    "layers": "conv 3 5x5 stride 4, recurrent 9",
    "bias_rate": 0.5,
    "target_rate": 0.1,
}
MEMBERS = {
    "hidden": (128,),
    "layers": "conv 3 5x5 stride 4, dense 9 adaptive recurrent",
    "output_rule": "delta",
    "estimator": "one-sided",
    "noise": "graded",
}


SAID = "cluster", "takes part", "is lost: "


@pytest.fixture(scope="module")
def data():
    return datasets.load("digits")


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """A scheduler with a worker that stays, of two threads."""
    with machines(tmp_path_factory.mktemp("machines"), 1) as some:
        yield some


@pytest.fixture
def config(data):
    return start(Settings(**SMALL), data)


def quietly(generation, record):
    """No report."""


def end(training):
    """Hash of all that a run ends with."""
    assert training.run(quietly)
    return replica.state_sha256(training.chip.state)


def alone(config, data):
    """The same from one process."""
    return end(Training(config, data))


def wait_for(pool, condition):
    """Call the roll until `condition`."""
    waited = threading.Event()
    for _ in range(1200):
        pool.refresh()
        if condition():
            return
        waited.wait(0.1)
    raise AssertionError((pool.threads, pool.refused))


def on(worker, pool, code):
    """Run a line of Python on a worker."""
    pool.wait(pool._call(pool._ask([worker], exec, code)))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"shaping": "rank", "rank": 2},
        {"method": "full-rank", "decay": 0.01},
        {**FAST, "final_noise": 0.5, "final_temperature": 0.5},
        {"estimator": "one-sided"},
        {**FAST, **LAYERED},
        MEMBERS,
        {**MEMBERS, "method": "event-aligned", "batch": 1, "noise_window": 300},
    ],
)
def test_a_cluster_learns_the_same_bits(here, data, settings):
    config = start(Settings(**{**SMALL, **settings}), data)
    with WorkerPool(here.address, config) as pool:
        training = ClusterTraining(pool, config, data)
        assert end(training) == alone(config, data)


def test_a_run_that_starts_from_weights_gives_them_to_the_workers(here, data, config):
    """Generation 0, but not the memory that the settings describe."""
    other = Training(config, data)
    other.step()
    begun = Checkpoint(other.chip.state, other.chip.weights(), 0, 0.0)
    wanted = end(Training(config, data, None, copy.deepcopy(begun)))
    with WorkerPool(here.address, config) as pool:
        assert end(ClusterTraining(pool, config, data, None, begun)) == wanted


def test_three_workers_that_die_and_join_change_no_bit(here, data, config):
    """One of three is killed with work under way, another comes and gets the state, and two go at once."""
    lines = []
    with WorkerPool(here.address, config, lines.append) as pool:
        training = ClusterTraining(pool, config, data)
        training.step()
        doomed, second = here.begin(), here.begin()
        wait_for(pool, lambda: len(pool.threads) == 3)
        training.step()
        doomed.send_signal(signal.SIGSTOP)
        threading.Timer(1, doomed.kill).start()
        training.step()
        training.step()
        assert len(pool.threads) == 2
        late = here.begin()
        wait_for(pool, lambda: len(pool.threads) == 3)
        training.step()
        for process in (second, late):
            process.kill()
        training.step()
        last = here.begin()
        wait_for(pool, lambda: len(pool.threads) == 2)
        assert end(training) == alone(config, data)
        last.kill()
    said = [next(word for word in SAID if word in line) for line in lines]
    assert said[:4] == [SAID[0], SAID[1], SAID[1], SAID[2]], lines
    assert sorted(said[4:]) == sorted([SAID[1], SAID[2], SAID[2], SAID[1]]), lines


def test_a_worker_whose_state_differs_is_named_and_excluded(here, data, config):
    lines = []
    other = here.worker()
    try:
        with WorkerPool(here.address, config, lines.append) as pool:
            training = ClusterTraining(pool, config, data)
            training.step()
            wait_for(pool, lambda: len(pool.threads) == 2)
            worker = max(pool.threads)
            on(
                worker,
                pool,
                "from learning.replica import _replicas\n"
                "for _, training in _replicas.values(): training.chip.state.synapses[0][0, 0] ^= 1",
            )
            assert end(training) == alone(config, data)
            assert worker not in pool.threads
            assert f"worker {worker} cannot take part: after" in lines[-1]
    finally:
        other.kill()


def test_a_worker_that_lost_the_run_is_given_it_again(here, data, config):
    with WorkerPool(here.address, config) as pool:
        training = ClusterTraining(pool, config, data)
        training.step()
        training.step()
        on(*pool.threads, pool, "from learning import replica; replica._replicas.clear()")
        assert end(training) == alone(config, data)


def test_a_worker_that_missed_a_generation_is_sent_the_state(here, data, config):
    with WorkerPool(here.address, config) as pool:
        training = ClusterTraining(pool, config, data)
        training.step()
        training.step()
        on(
            *pool.threads,
            pool,
            "from learning.replica import _replicas\n"
            "for _, training in _replicas.values(): training.generation -= 2",
        )
        assert end(training) == alone(config, data)


def test_without_workers_a_run_waits_and_then_leaves_a_checkpoint(
    tmp_path, data, config, monkeypatch
):
    with machines(tmp_path, 1) as some:
        folder = RunFolder.create(tmp_path / "run", config)
        with folder, WorkerPool(some.address, config) as pool:
            training = ClusterTraining(pool, config, data, folder)
            training.step()
            monkeypatch.setattr(teams, "PATIENCE_SECONDS", 1)
            some.workers[0].kill()
            with pytest.raises(
                ClusterError, match=f"no worker of {some.address}.*--resume"
            ) as info:
                training.run(quietly)
            assert str(folder.path) in str(info.value)
            assert not training.run(quietly, lambda: True), "a request to stop is met while waiting"
        some.scheduler.kill()
        monkeypatch.setattr(teams, "CONNECT_SECONDS", 1)
        with pytest.raises(ClusterError, match="no scheduler answers"):
            WorkerPool(some.address, config)
    folder, checkpoint = RunFolder.resume(tmp_path / "run")
    with folder:
        assert end(Training(config, data, folder, checkpoint)) == alone(config, data)


def test_a_scheduler_that_goes_is_named_and_leaves_a_checkpoint(tmp_path, data, config):
    with machines(tmp_path, 1) as some, RunFolder.create(tmp_path / "run", config) as folder:
        pool = WorkerPool(some.address, config)
        with pool:
            training = ClusterTraining(pool, config, data, folder)
            training.step()
            training.step()
            some.scheduler.kill()
            with pytest.raises(
                ClusterError, match=f"scheduler at {some.address} is gone.*--resume"
            ):
                training.run(quietly)
    checkpoint = RunFolder.resume(tmp_path / "run")
    checkpoint[0].close()
    assert checkpoint[1].generation >= 1


def test_a_worker_of_another_version_is_named(here, config, tmp_path):
    for package in ("neurosim", "learning"):
        shutil.copytree(ROOT / package, tmp_path / package)
    with (tmp_path / "learning" / "batches.py").open("a") as source:
        source.write("# another version\n")
    other = here.worker(path=tmp_path)
    try:
        with pytest.raises(ClusterError, match=r"worker .* cannot take part") as info:
            WorkerPool(here.address, config)
        assert replica.version() in str(info.value)
        assert str(info.value).count("sources") == 2
    finally:
        other.kill()


def test_a_worker_without_the_package_is_named(here, config, tmp_path):
    (tmp_path / "learning").mkdir()
    (tmp_path / "learning" / "__init__.py").touch()
    other = here.worker(path=tmp_path)
    try:
        with pytest.raises(ClusterError, match=r"learning\.replica.*neurosim-eggroll"):
            WorkerPool(here.address, config)
    finally:
        other.kill()


def test_a_worker_with_other_data_is_named(here, data, config):
    with pytest.raises(ClusterError, match="digits is not the data of the run"):
        WorkerPool(here.address, config._replace(dataset_key="0" * 64))
    settings = config.settings.model_copy(update={"data": "images:/no/such.npz"})
    with pytest.raises(ClusterError, match=r"cannot load the data.*/no/such"):
        WorkerPool(here.address, config._replace(settings=settings))


def test_no_thread_is_left_running(here, config):
    before = set(threading.enumerate())
    with WorkerPool(here.address, config):
        assert "IO loop" in {thread.name for thread in set(threading.enumerate()) - before}
    assert "IO loop" not in {thread.name for thread in set(threading.enumerate()) - before}
