"""Run folder: configuration, metrics and the newest checkpoint of a training, complete at every moment.

    config.json           settings and data, written once, with its own hash
    weights.safetensors   weights as the chip uses them, and the state to resume from
    metrics.jsonl         one line per validation
    summary.json          results, once the run has ended
    learning_curve.png    accuracy and fitness over generations

The weights' header holds the format version, the generation, and hashes of the settings, the tensors,
the metrics so far and itself. A file whose hash does not agree is refused by name, never repaired.
"""

import contextlib
import hashlib
import json
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from learning import record_checks
from learning.config import FORMAT, READS, Config
from learning.settings import Settings
from neurosim.network import Network, NetworkError, Weights
from neurosim.population.state import SynapticState
from neurosim.storage import (
    JsonError,
    atomic_path,
    content_sha256,
    kept_entries,
    parse_json,
    write_atomically,
)

CONFIG, WEIGHTS, METRICS, SUMMARY = (
    "config.json",
    "weights.safetensors",
    "metrics.jsonl",
    "summary.json",
)
CURVE = "learning_curve.png"
FILES = (CONFIG, WEIGHTS, METRICS, SUMMARY, CURVE)
"""Files that training writes into a run folder."""
LOCK = ".lock"


class RunError(ValueError):
    """A run folder that cannot be used. The message names the file and what to do."""


class RunInUse(RunError):
    """A run folder that another process writes to."""


class Checkpoint(NamedTuple):
    """A run as it stood after `generation` generations, `seconds` of training."""

    state: SynapticState
    weights: Weights
    generation: int
    seconds: float


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _text(file: Path) -> bytes:
    """The bytes of a text file as they were written: git or an editor may have made its line ends CRLF."""
    return file.read_bytes().replace(b"\r\n", b"\n")


def _text_sha256(file: Path) -> str:
    return _digest(_text(file))


def weights_sha256(weights: Weights) -> str:
    """Hash of the weights as the chip uses them: every mantissa, then every bias mantissa."""
    return _digest(*(np.ascontiguousarray(part).tobytes() for part in (*weights[0], *weights[1])))


class _Names(NamedTuple):
    """The name of each kind of tensor, parameter by parameter or population by population."""

    mantissas: list[str]
    bias_mantissas: list[str]
    synapses: list[str]
    biases: list[str]
    momentum: list[str]


def _names(network: Network, form: str = FORMAT) -> _Names:
    """Names of the tensors of a run on `network`, in the order of its parameters and populations."""
    parameters = [connection.name for connection, _ in network.parameters]
    populations = [population.name for population in network.populations]
    owners = (parameters, populations, parameters, populations, parameters)
    return _Names(
        *(
            [f"{kind}.{number}" for number in range(len(names))]
            if form == READS[1]
            else [f"{kind}/{name}" for name in names]
            for kind, names in zip(_Names._fields, owners, strict=True)
        )
    )


def _tensors(network: Network, state: SynapticState, weights: Weights) -> dict[str, NDArray[Any]]:
    kinds = (weights.mantissas, weights.biases, state.synapses, state.biases, state.momentum)
    return {
        name: np.ascontiguousarray(array)
        for names, arrays in zip(_names(network), kinds, strict=True)
        for name, array in zip(names, arrays, strict=False)
    }


def _tensors_sha256(tensors: dict[str, NDArray[Any]]) -> str:
    return _digest(
        *(
            f"{name} {array.dtype} {array.shape}\0".encode() + array.tobytes()
            for name, array in sorted(tensors.items())
        )
    )


def _header_sha256(header: dict[str, str]) -> str:
    return content_sha256({name: header[name] for name in header if name != "header_sha256"})


class RunFolder:
    """A run folder that this process alone writes to, from `open` or `create` until `close`."""

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
        folder = cls(path, config, _locked(path), _digest(content))
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
            folder = cls(path, config, lock, _text_sha256(path / CONFIG))
            folder._begun = True
            if not (path / WEIGHTS).exists():
                _check_never_saved(path, config)
                _sweep(path)
                return folder, None
            _sweep(path)
            opened = _read_checkpoint(path, config)
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
        self.config = _with_generations(self.config, self._lengthened)
        self.save(*checkpoint)

    def save(self, state: SynapticState, weights: Weights, generation: int, seconds: float) -> None:
        """Write metrics, and the weights whose header hashes them; RunError where the folder was removed."""
        from safetensors.numpy import save

        tensors = _tensors(self.config.network(), state, weights)
        header = {
            "format": FORMAT,
            "generation": str(generation),
            "seconds": f"{seconds:.3f}",
            "config_sha256": self._config_sha256,
            "tensors_sha256": _tensors_sha256(tensors),
            "weights_sha256": weights_sha256(weights),
            "metrics_bytes": str(len(self._metrics)),
            "metrics_sha256": _digest(self._metrics),
        }
        if self._lengthened:
            header["lengthened"] = ",".join(self._lengthened)
        header["header_sha256"] = _header_sha256(header)
        self._check_there()
        with atomic_path(self.path / WEIGHTS, make_parents=False) as temporary:
            # the weights first, so that a kill between the two leaves a sign that none are lost
            temporary.write_bytes(save(tensors, metadata=header))
            write_atomically(self.path / METRICS, self._metrics, make_parents=False)

    def log(self, record: dict[str, Any]) -> None:
        """Add a line to the metrics; `save` writes it."""
        self._metrics += json.dumps(record).encode() + b"\n"

    def metrics(self) -> list[dict[str, Any]]:
        return _lines(self._metrics)

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


def read_config(path: Path) -> Config:
    """The configuration of a run folder, checked."""
    file = path / CONFIG
    try:
        content = parse_json(_text(file))
        recorded = content.pop("sha256")
    except FileNotFoundError as error:
        raise RunError(f"{path} is not a run folder: {CONFIG} is missing") from error
    except (OSError, JsonError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{file} is damaged ({error}); restore it, or train again") from error
    if content.get("format") not in READS:
        raise RunError(
            f"{file}: format is {content.get('format')!r}; this version reads {' and '.join(READS)}; "
            f"use the version that wrote it, or train again"
        )
    if content_sha256(content) != recorded:
        raise RunError(f"{file} was changed since it was written; restore it, or train again")
    try:
        config = Config.of_json(content)
        if not config.network().graph:  # or an error, where its layers have no order
            raise ValueError("its network has no populations")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RunError(
            f"{file}: {error}; it was written by another version, train again"
        ) from error
    return config


def read_checkpoint(path: Path) -> tuple[Config, Checkpoint]:
    """Configuration and last checkpoint of a run folder, checked; for looking only."""
    config = read_config(path)
    if not (path / WEIGHTS).exists():
        raise RunError(
            f"{path} holds no weights yet: {WEIGHTS} is missing; continue it with --resume {path}"
        )
    opened = _read_checkpoint(path, config)
    return opened.config, opened.checkpoint


RESULTS: dict[str, type | UnionType] = {
    "generations": int,
    "test_accuracy": int | float,
    "test_samples": int,
    "weights_sha256": str,
}
"""Entries of the results that are shown, and their types."""


def read_summary(path: Path) -> dict[str, Any]:
    """Results of a run that has ended; nothing where there are none, or what is there are no results."""
    try:
        found = kept_entries(parse_json((path / SUMMARY).read_bytes()), RESULTS)
    except (OSError, JsonError):
        return {}
    whole = set(found) == set(RESULTS)
    sensible = whole and 0 <= found["test_accuracy"] <= 1 and found["test_samples"] >= 1
    return found if sensible else {}


def read_run(path: Path) -> tuple[Config, Checkpoint | None, list[dict[str, Any]]]:
    """Configuration, last checkpoint (None: before the first) and the metrics up to it; for looking only."""
    config = read_config(path)
    if not (path / WEIGHTS).exists():
        return config, None, []
    opened = _read_checkpoint(path, config)
    return opened.config, opened.checkpoint, _lines(opened.metrics)


def _lines(metrics: bytes) -> list[dict[str, Any]]:
    """The lines of metrics; JsonError where one is no JSON object."""
    lines = [parse_json(line) for line in metrics.splitlines()]
    if not all(isinstance(line, dict) for line in lines):
        raise JsonError("a line is no JSON object")
    return lines


class _Opened(NamedTuple):
    """State of a run folder beside its configuration."""

    config: Config  # with the generations it has now
    checkpoint: Checkpoint
    metrics: bytes
    lengthened: tuple[str, ...]  # "generation:generations" for each time that it was lengthened


def _with_generations(config: Config, lengthened: tuple[str, ...]) -> Config:
    """The configuration with the generations that the run was lengthened to last."""
    if not lengthened:
        return config
    generations = int(lengthened[-1].partition(":")[2])
    content = {**config.settings.model_dump(), "generations": generations}
    return config._replace(settings=Settings.model_validate(content))


def _read_checkpoint(path: Path, config: Config) -> _Opened:
    from safetensors import SafetensorError, safe_open

    file = path / WEIGHTS
    try:
        with safe_open(file, framework="numpy") as opened:
            header = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{file} is damaged ({error}); restore it, or train again") from error
    form = header.get("format", "")
    if form not in READS:
        raise RunError(f"{file}: format is {form!r}; this version reads {' and '.join(READS)}")
    if header.get("header_sha256") != _header_sha256(header):
        raise RunError(f"the header of {file} was changed; restore it, or train again")
    try:
        lengthened = record_checks.lengthened_of(header)
        now = _with_generations(config, lengthened)
        numbers = record_checks.header_of(header, now.settings.generations)
        metrics = _metrics(path, numbers.metrics_bytes)
        for what, recorded, found in (
            (WEIGHTS, header.get("tensors_sha256"), _tensors_sha256(tensors)),
            (CONFIG, header.get("config_sha256"), _text_sha256(path / CONFIG)),
            (METRICS, header.get("metrics_sha256"), _digest(metrics)),
        ):
            if recorded != found:
                raise RunError(
                    f"{path / what} does not agree with the header of {file}: sha256 is {found}, "
                    f"recorded was {recorded}; restore the folder, or train again"
                )
        _lines(metrics)
        state, weights = _state_of(config, tensors, form)
        if header.get("weights_sha256") != weights_sha256(weights):
            raise record_checks.CheckpointFault("weights_sha256 is not that of its weights")
    except (record_checks.CheckpointFault, NetworkError, JsonError) as error:
        raise RunError(f"{file} cannot be used: {error}; restore it, or train again") from error
    checkpoint = Checkpoint(state, weights, numbers.generation, numbers.seconds)
    return _Opened(now, checkpoint, metrics, lengthened)


def _metrics(path: Path, size: int) -> bytes:
    """The first `size` bytes of the metrics: later lines are of a checkpoint that was not written."""
    try:
        return _text(path / METRICS)[:size]
    except FileNotFoundError:
        if not size:
            return b""
        raise RunError(
            f"{path / METRICS} is missing, but the header of {WEIGHTS} names it; restore the file, "
            f"or train again"
        ) from None
    except OSError as error:
        raise RunError(f"{path / METRICS} cannot be read ({error.strerror})") from error


def _state_of(
    config: Config, tensors: dict[str, NDArray[Any]], form: str
) -> tuple[SynapticState, Weights]:
    """State and weights that the tensors hold, checked; CheckpointFault where a kernel must not see them."""
    network = config.network()
    names = _names(network, form)
    if not config.settings.momentum_bits:
        names = names._replace(momentum=[])
    record_checks.check_names(tensors, [name for kind in names for name in kind])
    mantissas, bias_mantissas, *kept = (tuple(tensors[name] for name in kind) for kind in names)
    weights, state = Weights(mantissas, bias_mantissas), SynapticState(*kept)
    record_checks.check_tensors(network, config.settings, state, weights)
    return state, weights
