"""What is left of a run, and how is it picked up again? One folder, whole at every moment.

    config.json           settings and data, written once, with its own hash
    weights.safetensors   weights as the chip uses them, and the state to resume from
    metrics.jsonl         one line for each look at the validation set
    summary.json          results, once the run has ended
    learning_curve.png    accuracy and fitness over generations

The weights' header holds the format version, the generation, and hashes of the settings, the tensors,
the metrics so far and itself; what does not agree is refused by name, never repaired in silence.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from pydantic import ValidationError

from learning.rules.registry import unread
from learning.settings import Settings, network
from neurosim.network import Network, NetworkError, Weights, check_weights
from neurosim.network.serialise import describe, network_of
from neurosim.population.state import SynapticState
from neurosim.storage import write_atomically

FORMAT = "neurosim-run/2"
READS = (FORMAT, "neurosim-run/1")
"""Formats that are read. The first names tensors by the number of a layer, not by its parameter, and may
hold settings that no rule of the run read; those had no effect and are left at their defaults."""
CONFIG, WEIGHTS, METRICS, SUMMARY = (
    "config.json",
    "weights.safetensors",
    "metrics.jsonl",
    "summary.json",
)


class RunError(ValueError):
    """A run folder that cannot be used. The message names the file and what to do."""


class Checkpoint(NamedTuple):
    """A run as it stood after `generation` generations, `seconds` of training."""

    state: SynapticState
    weights: Weights
    generation: int
    seconds: float


class Config(NamedTuple):
    """What a run was started with; `given`: a network that the settings do not describe."""

    settings: Settings
    dataset_key: str
    inputs: int
    classes: int
    given: Network | None = None

    def network(self) -> Network:
        return self.given or network(self.settings, self.inputs, self.classes)

    def to_json(self) -> bytes:
        content = {
            "format": FORMAT,
            "settings": self.settings.model_dump(mode="json"),
            "dataset_key": self.dataset_key,
            "inputs": self.inputs,
            "classes": self.classes,
        }
        if self.given is not None:
            content["network"] = describe(self.given)
        return json.dumps({**content, "sha256": _digest(_canonical(content))}, indent=1).encode()


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _file_sha256(file: Path) -> str:
    return _digest(file.read_bytes())


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
    return _digest(_canonical({name: header[name] for name in header if name != "header_sha256"}))


class RunFolder:
    """A run folder that this process alone writes to, from `open` or `create` until `close`."""

    def __init__(self, path: Path, config: Config, lock: FileLock, config_sha256: str) -> None:
        self.path, self.config, self._lock = path, config, lock
        self._config_sha256 = config_sha256
        self._metrics = b""
        self._lengthened: tuple[str, ...] = ()

    @classmethod
    def create(
        cls, path: Path, config: Config, checkpoint: Checkpoint | None = None
    ) -> "RunFolder":
        """Make a new run folder, and its checkpoint if it does not start afresh; none is written over."""
        if path.exists() and not path.is_dir():
            raise RunError(f"{path} is a file; give --run a folder")
        _check_free(path)
        content = config.to_json()
        folder = cls(path, config, _locked(path), _digest(content))
        try:
            _check_free(path)  # by now another process may have started and ended a run here
            if checkpoint is not None:  # first, so that no run without its weights can be resumed
                folder.save(
                    checkpoint.state, checkpoint.weights, checkpoint.generation, checkpoint.seconds
                )
            write_atomically(path / CONFIG, content)
        except BaseException:
            folder.close()
            raise
        return folder

    @classmethod
    def resume(cls, path: Path) -> tuple["RunFolder", Checkpoint | None]:
        """Open an existing run to continue it, and where it stood (None: before its first checkpoint)."""
        config = read_config(path)
        folder = cls(path, config, _locked(path), _file_sha256(path / CONFIG))
        try:
            if not (path / WEIGHTS).exists():
                return folder, None
            opened = _read_checkpoint(path, config)
            folder.config, folder._metrics = opened.config, opened.metrics
            folder._lengthened = opened.lengthened
            return folder, opened.checkpoint
        except BaseException:
            folder.close()
            raise

    def lengthen(self, checkpoint: Checkpoint, generations: int) -> None:
        """Let the run go on to more generations than it was started with; saved with its checkpoint.

        The schedules of rates, noise and temperature become those of so many generations from here on, so
        that the weights are not those of a run that had so many from its start.
        """
        planned = self.config.settings.generations
        if generations <= planned:
            raise RunError(
                f"{self.path} is a run of {planned} generations; --generations {generations} does not "
                f"lengthen it; allowed are from {planned + 1}"
            )
        self._lengthened = (*self._lengthened, f"{checkpoint.generation}:{generations}")
        self.config = _with_generations(self.config, self._lengthened)
        self.save(*checkpoint)

    def save(self, state: SynapticState, weights: Weights, generation: int, seconds: float) -> None:
        """Write metrics, then the weights that vouch for them."""
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
        write_atomically(self.path / METRICS, self._metrics)
        write_atomically(self.path / WEIGHTS, save(tensors, metadata=header))

    def log(self, record: dict[str, Any]) -> None:
        """Add a line to the metrics; `save` writes it."""
        self._metrics += json.dumps(record).encode() + b"\n"

    def metrics(self) -> list[dict[str, Any]]:
        return _lines(self._metrics)

    def write(self, name: str, data: bytes) -> None:
        write_atomically(self.path / name, data)

    def close(self) -> None:
        self._lock.release()

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


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
    path.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise RunError(
            f"{path} is in use by another process; wait for it, or give --run another folder"
        ) from error
    return lock


def read_config(path: Path) -> Config:
    """The configuration of a run folder, checked."""
    file = path / CONFIG
    try:
        content = json.loads(file.read_bytes())
        recorded = content.pop("sha256")
    except FileNotFoundError as error:
        raise RunError(f"{path} is not a run folder: {CONFIG} is missing") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{file} is damaged ({error}); restore it, or train again") from error
    if content.get("format") not in READS:
        raise RunError(
            f"{file}: format is {content.get('format')!r}; this version reads {' and '.join(READS)}; "
            f"use the version that wrote it, or train again"
        )
    if _digest(_canonical(content)) != recorded:
        raise RunError(f"{file} was changed since it was written; restore it, or train again")
    try:
        settings = _settings(content["settings"], content["format"])
        given = network_of(content["network"]) if "network" in content else None
        return Config(
            settings, content["dataset_key"], content["inputs"], content["classes"], given
        )
    except (KeyError, ValidationError, NetworkError) as error:
        raise RunError(
            f"{file}: {error}; it was written by another version, train again"
        ) from error


def _settings(given: dict[str, Any], form: str) -> Settings:
    """Settings as a run folder holds them."""
    if form == READS[1]:
        fields = Settings.model_fields
        unvalidated = Settings.model_construct(**given)
        given = {**given, **{name: fields[name].default for name in unread(unvalidated)}}
    return Settings.model_validate(given)


def read_checkpoint(path: Path) -> tuple[Config, Checkpoint]:
    """Configuration and last checkpoint of a run folder, checked; for looking only."""
    config = read_config(path)
    if not (path / WEIGHTS).exists():
        raise RunError(
            f"{path} holds no weights yet: {WEIGHTS} is missing; continue it with --resume {path}"
        )
    opened = _read_checkpoint(path, config)
    return opened.config, opened.checkpoint


def read_run(path: Path) -> tuple[Config, Checkpoint | None, list[dict[str, Any]]]:
    """Configuration, last checkpoint (None: before the first) and the metrics up to it; for looking only."""
    config = read_config(path)
    if not (path / WEIGHTS).exists():
        return config, None, []
    opened = _read_checkpoint(path, config)
    return opened.config, opened.checkpoint, _lines(opened.metrics)


def _lines(metrics: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in metrics.splitlines()]


class _Opened(NamedTuple):
    """What a run folder holds beside its configuration as it was started with."""

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
    except (OSError, SafetensorError, ValueError) as error:
        raise RunError(f"{file} is damaged ({error}); restore it, or train again") from error
    form = header.get("format", "")
    if form not in READS:
        raise RunError(f"{file}: format is {form!r}; this version reads {' and '.join(READS)}")
    if header.get("header_sha256") != _header_sha256(header):
        raise RunError(f"the header of {file} was changed; restore it, or train again")
    metrics = (path / METRICS).read_bytes() if (path / METRICS).exists() else b""
    metrics = metrics[: int(header["metrics_bytes"])]
    for what, recorded, found in (
        (WEIGHTS, header.get("tensors_sha256"), _tensors_sha256(tensors)),
        (CONFIG, header.get("config_sha256"), _file_sha256(path / CONFIG)),
        (METRICS, header.get("metrics_sha256"), _digest(metrics)),
    ):
        if recorded != found:
            raise RunError(
                f"{path / what} does not agree with the header of {file}: sha256 is {found}, "
                f"recorded was {recorded}; restore the folder, or train again"
            )
    checkpoint = _checkpoint(config.network(), tensors, header, file)
    lengthened = tuple(filter(None, header.get("lengthened", "").split(",")))
    return _Opened(_with_generations(config, lengthened), checkpoint, metrics, lengthened)


def _checkpoint(
    network: Network, tensors: dict[str, NDArray[Any]], header: dict[str, str], file: Path
) -> Checkpoint:
    """What the tensors of a run folder stand for."""
    names = _names(network, header["format"])

    def stack(names: list[str]) -> tuple[NDArray[Any], ...]:
        missing = [name for name in names if name not in tensors]
        if missing:
            raise RunError(
                f"{file} lacks {missing[0]!r}, which a run on this network has; restore it, or train again"
            )
        return tuple(tensors[name] for name in names)

    weights = Weights(stack(names.mantissas), stack(names.bias_mantissas))
    check_weights(network, weights)
    momentum = stack(names.momentum) if names.momentum[0] in tensors else ()
    state = SynapticState(stack(names.synapses), stack(names.biases), momentum)
    return Checkpoint(state, weights, int(header["generation"]), float(header["seconds"]))
