"""Run folder: configuration, metrics and the newest checkpoint of a training, and how they are read.

    config.json           settings and data, written once, with its own hash
    weights.safetensors   weights as the chip uses them, and the state to resume from
    metrics.jsonl         one line per validation
    summary.json          results, once the run has ended
    learning_curve.png    accuracy and fitness over generations

The weights' header holds the format version, the generation, and hashes of the settings, the tensors,
the metrics so far and itself. A file whose hash does not agree is refused by name, never repaired.
"""

import hashlib
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from learning import record_checks
from learning.config import FORMAT, READS, Config
from learning.settings import Settings
from neurosim.network import Network, NetworkError, Weights
from neurosim.population.state import SynapticState
from neurosim.storage import (
    JsonError,
    content_sha256,
    kept_entries,
    parse_json,
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


class RunError(ValueError):
    """A run folder that cannot be used. The message names the file and what to do."""


class Checkpoint(NamedTuple):
    """A run as it stood after `generation` generations, `seconds` of training."""

    state: SynapticState
    weights: Weights
    generation: int
    seconds: float


def digest(*parts: bytes) -> str:
    """SHA-256 of some bytes, one part after the other."""
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()


def _text(file: Path) -> bytes:
    """The bytes of a text file as they were written: git or an editor may have made its line ends CRLF."""
    return file.read_bytes().replace(b"\r\n", b"\n")


def text_sha256(file: Path) -> str:
    """Hash of a text, in hexadecimal."""
    return digest(_text(file))


def weights_sha256(weights: Weights) -> str:
    """Hash of the weights as the chip uses them: every mantissa, then every bias mantissa."""
    return digest(*(np.ascontiguousarray(part).tobytes() for part in (*weights[0], *weights[1])))


class _Names(NamedTuple):
    """The name of each kind of tensor, parameter by parameter or population by population."""

    mantissas: list[str]
    bias_mantissas: list[str]
    synapses: list[str]
    biases: list[str]
    momentum: list[str]


def names_of(network: Network, form: str = FORMAT) -> _Names:
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


def tensors_of(network: Network, state: SynapticState, weights: Weights) -> dict[str, NDArray[Any]]:
    """Tensors of a checkpoint by name: weights as the chip uses them, and the state to go on from."""
    kinds = (weights.mantissas, weights.biases, state.synapses, state.biases, state.momentum)
    return {
        name: np.ascontiguousarray(array)
        for names, arrays in zip(names_of(network), kinds, strict=True)
        for name, array in zip(names, arrays, strict=False)
    }


def tensors_sha256(tensors: dict[str, NDArray[Any]]) -> str:
    """Hash of tensors with their names, types and shapes."""
    return digest(
        *(
            f"{name} {array.dtype} {array.shape}\0".encode() + array.tobytes()
            for name, array in sorted(tensors.items())
        )
    )


def header_sha256(header: dict[str, str]) -> str:
    """Hash of the entries of a header, its own apart."""
    return content_sha256({name: header[name] for name in header if name != "header_sha256"})


def read_config(path: Path) -> Config:
    """The configuration of a run folder, checked."""
    file = path / CONFIG
    try:
        content = parse_json(_text(file))
        recorded = content.pop("sha256")
    except FileNotFoundError as error:
        raise RunError(f"{path} is not a run folder: {CONFIG} is missing") from error
    except NotADirectoryError as error:
        raise RunError(
            f"{path} is a file; needed is the folder of a run, as `neurosim runs` lists them"
        ) from error
    except PermissionError as error:
        raise RunError(f"{file} cannot be read ({error.strerror}); ask its owner") from error
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
    """Configuration and last checkpoint of a run folder, checked; for reading only. Raises RunError.

    Examples:
        >>> from pathlib import Path
        >>> import neurosim
        >>> neurosim.load_run(Path("runs/none"))
        Traceback (most recent call last):
        learning.record.RunError: runs/none is not a run folder: config.json is missing
    """
    config = read_config(path)
    if not (path / WEIGHTS).exists():
        raise RunError(
            f"{path} holds no weights yet: {WEIGHTS} is missing; continue it with --resume {path}"
        )
    opened = open_checkpoint(path, config)
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
    opened = open_checkpoint(path, config)
    return opened.config, opened.checkpoint, metrics_lines(opened.metrics)


def metrics_lines(metrics: bytes) -> list[dict[str, Any]]:
    """The lines of metrics; JsonError where one is no JSON object."""
    lines = [parse_json(line) for line in metrics.splitlines()]
    if not all(isinstance(line, dict) for line in lines):
        raise JsonError("a line is no JSON object")
    return lines


class Opened(NamedTuple):
    """State of a run folder beside its configuration."""

    config: Config  # with the generations it has now
    checkpoint: Checkpoint
    metrics: bytes
    lengthened: tuple[str, ...]  # "generation:generations" for each time that it was lengthened


def with_generations(config: Config, lengthened: tuple[str, ...]) -> Config:
    """The configuration with the generations that the run was lengthened to last."""
    if not lengthened:
        return config
    generations = int(lengthened[-1].partition(":")[2])
    content = {**config.settings.model_dump(), "generations": generations}
    return config._replace(settings=Settings.model_validate(content))


def open_checkpoint(path: Path, config: Config) -> Opened:
    """The checkpoint of a run folder, with its configuration and metrics, checked. Raises RunError."""
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
    if header.get("header_sha256") != header_sha256(header):
        raise RunError(f"the header of {file} was changed; restore it, or train again")
    try:
        lengthened = record_checks.lengthened_of(header)
        now = with_generations(config, lengthened)
        numbers = record_checks.header_of(header, now.settings.generations)
        metrics = _metrics(path, numbers.metrics_bytes)
        for what, recorded, found in (
            (WEIGHTS, header.get("tensors_sha256"), tensors_sha256(tensors)),
            (CONFIG, header.get("config_sha256"), text_sha256(path / CONFIG)),
            (METRICS, header.get("metrics_sha256"), digest(metrics)),
        ):
            if recorded != found:
                raise RunError(
                    f"{path / what} does not agree with the header of {file}: sha256 is {found}, "
                    f"recorded was {recorded}; restore the folder, or train again"
                )
        metrics_lines(metrics)
        state, weights = _state_of(config, tensors, form)
        if header.get("weights_sha256") != weights_sha256(weights):
            raise record_checks.CheckpointFault("weights_sha256 is not that of its weights")
    except (record_checks.CheckpointFault, NetworkError, JsonError) as error:
        raise RunError(f"{file} cannot be used: {error}; restore it, or train again") from error
    checkpoint = Checkpoint(state, weights, numbers.generation, numbers.seconds)
    return Opened(now, checkpoint, metrics, lengthened)


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
    names = names_of(network, form)
    if not config.settings.momentum_bits:
        names = names._replace(momentum=[])
    record_checks.check_names(tensors, [name for kind in names for name in kind])
    mantissas, bias_mantissas, *kept = (tuple(tensors[name] for name in kind) for kind in names)
    weights, state = Weights(mantissas, bias_mantissas), SynapticState(*kept)
    record_checks.check_tensors(network, config.settings, state, weights)
    return state, weights
