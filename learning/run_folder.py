"""Run folder of a training that goes on: locked, written by one process, and complete at every moment.

What its files hold, and how they are read: `learning.record`.
"""

import contextlib
import json
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from learning.config import FORMAT, Config
from learning.record import (
    CONFIG,
    FILES,
    METRICS,
    SUMMARY,
    WEIGHTS,
    Checkpoint,
    RunError,
    digest,
    header_sha256,
    metrics_lines,
    open_checkpoint,
    read_config,
    tensors_of,
    tensors_sha256,
    text_sha256,
    weights_sha256,
    with_generations,
)
from neurosim.network import Weights
from neurosim.population.state import SynapticState
from neurosim.storage import atomic_path, write_atomically

LOCK = ".lock"


class RunInUse(RunError):
    """A run folder that another process writes to."""


class RunFolder:
    """A run folder that this process alone writes to, from `create` or `resume` until `close`.

    Examples:
        >>> import tempfile, neurosim
        >>> from pathlib import Path
        >>> settings = neurosim.Settings(hidden=(8,), steps=5, generations=2, pairs=64)
        >>> data = neurosim.datasets.load("digits", steps=5)
        >>> config = neurosim.start(settings, data)
        >>> place = Path(tempfile.mkdtemp()) / "run"
        >>> folder = neurosim.RunFolder.create(place, config)
        >>> neurosim.Training(config, data, folder).run(lambda generation, metrics: None)
        True
        >>> folder.close()
        >>> neurosim.load_run(place)[1].generation
        2
    """

    def __init__(self, path: Path, config: Config, lock: FileLock, config_sha256: str) -> None:
        self.path, self.config, self._lock = path, config, lock
        self._config_sha256 = config_sha256
        self._metrics = b""
        self._lengthened: tuple[str, ...] = ()
        self._begun = False  # whether the configuration is written
        self._identity = _identity(path)

    @classmethod
    def create(
        cls, path: Path, config: Config, checkpoint: Checkpoint | None = None
    ) -> "RunFolder":
        """Make a new run folder, and its checkpoint if it does not start afresh; none is written over."""
        if path.exists() and not path.is_dir():
            raise RunError(f"{path} is a file; give --run a folder")
        _check_free(path)
        if checkpoint is not None:
            config = config._replace(begun_sha256=weights_sha256(checkpoint.weights))
        content = config.to_json()
        folder = cls(path, config, _locked(path), digest(content))
        try:
            _check_free(path)  # by now another process may have started and ended a run here
            _sweep(path)
            if checkpoint is not None:  # first, so that no run without its weights can be resumed
                folder.save(
                    checkpoint.state, checkpoint.weights, checkpoint.generation, checkpoint.seconds
                )
            write_atomically(path / CONFIG, content, make_parents=False)
        except BaseException:
            folder.close()
            raise
        folder._begun = True
        return folder

    @classmethod
    def resume(cls, path: Path) -> tuple["RunFolder", Checkpoint | None]:
        """Open an existing run to continue it, and where it stood (None: before its first checkpoint)."""
        read_config(path)  # nothing is made in a folder that holds no run
        lock = _locked(path)
        try:
            config = read_config(path)
            folder = cls(path, config, lock, text_sha256(path / CONFIG))
            folder._begun = True
            if not (path / WEIGHTS).exists():
                _check_never_saved(path, config)
                _sweep(path)
                return folder, None
            _sweep(path)
            opened = open_checkpoint(path, config)
            folder.config, folder._metrics = opened.config, opened.metrics
            folder._lengthened = opened.lengthened
            return folder, opened.checkpoint
        except BaseException:
            lock.release()
            raise

    def lengthen(self, checkpoint: Checkpoint, generations: int) -> None:
        """Let the run go on to more generations than it was started with; saved with its checkpoint.

        A run that has not begun, of weights that were imported, may have fewer, too.
        The schedules of rates, noise and temperature become those of so many generations from here on, so
        that the weights are not those of a run that had so many from its start.
        """
        planned = self.config.settings.generations
        if generations <= planned and checkpoint.generation > 0:
            raise RunError(
                f"{self.path} is a run of {planned} generations; --generations {generations} does not "
                f"lengthen it; allowed are from {planned + 1}"
            )
        self._lengthened = (*self._lengthened, f"{checkpoint.generation}:{generations}")
        self.config = with_generations(self.config, self._lengthened)
        self.save(*checkpoint)

    def save(self, state: SynapticState, weights: Weights, generation: int, seconds: float) -> None:
        """Write metrics, and the weights whose header hashes them; RunError where the folder was removed."""
        from safetensors.numpy import save

        tensors = tensors_of(self.config.network(), state, weights)
        header = {
            "format": FORMAT,
            "generation": str(generation),
            "seconds": f"{seconds:.3f}",
            "config_sha256": self._config_sha256,
            "tensors_sha256": tensors_sha256(tensors),
            "weights_sha256": weights_sha256(weights),
            "metrics_bytes": str(len(self._metrics)),
            "metrics_sha256": digest(self._metrics),
        }
        if self._lengthened:
            header["lengthened"] = ",".join(self._lengthened)
        header["header_sha256"] = header_sha256(header)
        self._check_there()
        with atomic_path(self.path / WEIGHTS, make_parents=False) as temporary:
            # the weights first, so that a kill between the two leaves a sign that none are lost
            temporary.write_bytes(save(tensors, metadata=header))
            write_atomically(self.path / METRICS, self._metrics, make_parents=False)

    def log(self, record: dict[str, Any]) -> None:
        """Add a line to the metrics; `save` writes it."""
        self._metrics += json.dumps(record).encode() + b"\n"

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics so far, one for each validation."""
        return metrics_lines(self._metrics)

    def write(self, name: str, data: bytes) -> None:
        """Write another file of the run; RunError where the folder was removed."""
        self._check_there()
        write_atomically(self.path / name, data, make_parents=False)

    def _check_there(self) -> None:
        """Raise RunError where the folder is no longer the one that was opened, or lost its configuration."""
        try:
            there = _identity(self.path) == self._identity
        except OSError:
            there = False
        if not there or (self._begun and not (self.path / CONFIG).exists()):
            raise RunError(
                f"{self.path} was removed or replaced while this run wrote to it, so that nothing more "
                f"is written there; train again, or restore the folder and continue it with --resume"
            )

    def close(self) -> None:
        """Release the lock; another process may then continue the run."""
        self._lock.release()

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _identity(path: Path) -> tuple[int, int]:
    """Identity of a lock file: another file of the same name, made after it was removed, has another."""
    status = (path / LOCK).stat()
    return status.st_dev, status.st_ino


def _sweep(path: Path) -> None:
    """Remove the temporary files of killed writes; the lock is held, so no other process writes here."""
    for name in FILES:
        for left in path.glob(f".{name}.*.tmp"):
            left.unlink(missing_ok=True)


def _check_never_saved(path: Path, config: Config) -> None:
    """Raise RunError where weights are missing that there must have been: they are not drawn again."""
    started = [name for name in (SUMMARY, METRICS) if (path / name).exists()]
    killed_at_first = not (path / SUMMARY).exists() and any(path.glob(f".{WEIGHTS}.*.tmp"))
    if config.begun_sha256 is None and (not started or killed_at_first):
        return
    why = "the run began with given weights" if config.begun_sha256 else f"{started[0]} is there"
    raise RunError(
        f"{path} has lost its weights: {WEIGHTS} is missing, but {why}; restore the file, "
        f"or train again in another folder"
    )


def remove_run(path: Path) -> None:
    """Remove a run folder; RunInUse where it is in use, RunError where it also holds other files."""
    with _locked(path):
        others = sorted(
            entry.name
            for entry in path.iterdir()
            if entry.name not in (*FILES, LOCK)
            and not any(entry.match(f".{name}.*.tmp") for name in FILES)
        )
        if others:
            raise RunError(
                f"{path} is not removed, since it also holds {', '.join(others[:3])}; "
                f"move it away, or choose another folder"
            )
        _sweep(path)
        for name in (CONFIG, *FILES):  # without its configuration it is no run any more
            (path / name).unlink(missing_ok=True)
    (path / LOCK).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # another process may have begun to use it
        path.rmdir()


def _check_free(path: Path) -> None:
    """Raise RunError where a run, or what is left of one, would be written over."""
    if (path / CONFIG).exists():
        raise RunError(
            f"{path} already holds a run; continue it with --resume {path}, "
            f"or give --run another folder"
        )
    for name in (WEIGHTS, METRICS, SUMMARY):
        if (path / name).exists():
            raise RunError(
                f"{path} holds {name} of a run whose {CONFIG} is missing; "
                f"restore it, or give --run another folder"
            )


def _locked(path: Path) -> FileLock:
    lock = FileLock(path / LOCK)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except OSError as error:
        if isinstance(error, Timeout):
            raise RunInUse(_in_use(path)) from error
        raise RunError(
            f"{path} cannot be written ({error.strerror or error}); choose another folder, or copy "
            f"the run to where you may write"
        ) from error
    return lock


def _in_use(path: Path) -> str:
    return f"{path} is in use by another process; wait for it, or give --run another folder"
