"""Worker of a cluster training: a replica of the run that applies the same updates.

    join        check version and data, then make a replica of the run at generation 0
    evaluate    apply the update of the previous generation, then evaluate a range of pairs

Both are called on a dask worker by learning/worker_pool.py. Messages hold plain values (numbers, text,
arrays of integers), so that a worker of another version can still report its version.
"""

import asyncio
import hashlib
import logging
import pickle
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from learning.config import Config
from learning.evolution import Update
from learning.settings import Settings
from learning.training import Training, chip_of
from neurosim import threads
from neurosim.data import datasets
from neurosim.data.datasets import Dataset, Options
from neurosim.population.evaluator import Evaluation
from neurosim.population.graph_evaluator import GraphEvaluator
from neurosim.population.layer_credit import LayerSums
from neurosim.population.state import SynapticState
from neurosim.population.update import Rates

DISTRIBUTION = "neurosim-eggroll"
KEPT = 4
"""Runs that a worker keeps; chosen here, because a cluster may serve a few side by side."""


class Replica(NamedTuple):
    """The replica of a run on a worker: the worker's number, and the run at its last generation."""

    number: int
    training: Training


RUN, STATE = "run", "state"
"""Reasons why a worker cannot evaluate: it was restarted, or it missed a generation."""

Packed = tuple[tuple[NDArray[Any], ...], ...]
"""A SynapticState as plain tuples of arrays."""

Narrow = tuple[NDArray[np.uint8], int, NDArray[Any], str]
"""A bit a row: whether it is there; rows in all; those that are there; the type they are made again."""

Wire = tuple[Narrow, list[tuple[int, ...]]]
"""An Update: coefficients, and the rates (step, bias, decay) of each layer."""

_replicas: OrderedDict[tuple[str, str], Replica] = OrderedDict()
_one_at_a_time = ThreadPoolExecutor(1, thread_name_prefix="neurosim-replica")


@cache
def version() -> str:
    """Version of this package, and a hash of the sources that decide a run's bits."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for package in ("neurosim", "learning"):
        for source in sorted((root / package).rglob("*.py")):
            if "app" not in source.parts:
                digest.update(f"{source.relative_to(root)}\0".encode() + source.read_bytes())
    try:
        number = metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        number = "(not installed)"
    return f"{DISTRIBUTION} {number}, sources {digest.hexdigest()[:12]}"


def pack(state: SynapticState) -> Packed:
    """A copy that can be sent."""
    return tuple(tuple(array.copy() for array in arrays) for arrays in state)


def state_sha256(state: SynapticState) -> bytes:
    """Hash of the state that all replicas of a run must share."""
    digest = hashlib.sha256()
    for arrays in state:
        for array in arrays:
            digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def narrow(array: NDArray[Any]) -> Narrow:
    """The same whole numbers: rows of zeros left out, the others in the fewest bytes."""
    some = array.reshape(len(array), -1).any(axis=1)
    rows = array[some]
    low, high = (int(rows.min()), int(rows.max())) if rows.size else (0, 0)
    kinds = (np.int8, np.int16, np.int32, np.int64)
    fits = (kind for kind in kinds if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max)
    return np.packbits(some), len(array), rows.astype(next(fits)), array.dtype.name


def widen(sent: Narrow) -> NDArray[Any]:
    """The inverse of `narrow`."""
    bits, count, rows, kind = sent
    array = np.zeros((count, *rows.shape[1:]), kind)
    array[np.unpackbits(bits, count=count).astype(bool)] = rows
    return array


def row_of(coefficients: Any) -> NDArray[Any]:
    """Coefficients as an array: what a graph of layers has added up becomes one row of integers."""
    return coefficients.flat() if isinstance(coefficients, LayerSums) else coefficients


def coefficients_of(training: Training, row: NDArray[Any]) -> Any:
    """The inverse of `row_of`."""
    if isinstance(training.chip, GraphEvaluator) and training.chip.by_error:
        return LayerSums.of(training.chip.network, row)
    return row


@lru_cache(maxsize=1)
def _data(name: str, steps: int, pool: int, options: Options) -> Dataset:
    return datasets.load(name, steps=steps, pool=pool, options=options)


def _join(key: tuple[str, str], number: int, config_bytes: bytes, wanted: str) -> str | None:
    if version() != wanted:
        return f"it runs {version()}; the run is of {wanted}. Install the same on all machines"
    config: Config = pickle.loads(config_bytes)
    settings: Settings = config.settings
    try:
        data = _data(settings.data, settings.steps, settings.pool, settings.data_options)
    except (ValueError, OSError, ImportError) as error:
        return f"it cannot load the data: {error}"
    if data.key != config.dataset_key:
        return (
            f"its {settings.data} is not the data of the run (key {data.key[:12]}, "
            f"of the run {config.dataset_key[:12]}); put the same files there"
        )
    _compile(Training(config, data))
    _replicas[key] = Replica(number, Training(config, data))
    while len(_replicas) > KEPT:
        _replicas.popitem(last=False)
    return None


def evaluate(training: Training, generation: int, pairs: range) -> Evaluation:
    """Evaluate some pairs of a generation."""
    ask = training.evolution.ask(generation)
    training.adjust(generation)
    return training.chip.evaluate(training.batch(ask), ask.pairs, generation, pairs)


def _compile(training: Training) -> None:
    """Go through a generation with one group and no change, so that the first real one does not wait."""
    ask = training.evolution.ask(0)
    each = training.settings.pairs // training.settings.groups
    seen = evaluate(training, 0, ask.pairs[:each])

    def nothing(array: NDArray[Any]) -> NDArray[Any]:
        return np.zeros((len(ask.pairs), *array.shape[1:]), array.dtype)

    if isinstance(seen.credits, LayerSums):
        still = np.zeros_like(seen.credits.flat())
        credits: Any = LayerSums.of(training.chip.network, still)
    else:
        credits = None if seen.credits is None else nothing(seen.credits)
    seen = Evaluation(nothing(seen.fitness), nothing(seen.saturated), credits)
    training.apply_update(ask, training.evolution.tell(0, seen))


def _evaluate(
    key: tuple[str, str],
    generation: int,
    update: Wire | None,
    ranges: NDArray[np.int32],
    state: Packed | None,
) -> dict[str, Any]:
    if key not in _replicas:
        return {"lacks": RUN}
    _replicas.move_to_end(key)
    number, training = _replicas[key]
    if state is not None:
        kept = SynapticState(*(tuple(array.copy() for array in arrays) for arrays in state))
        before = generation - (update is not None)
        training.chip = chip_of(training.config, kept, before)
        training.generation = before
    if update is not None and training.generation == generation - 1:
        coefficients, rates = update
        sent = coefficients_of(training, widen(coefficients))
        received = Update(sent, [Rates(*rate) for rate in rates])
        training.apply_update(training.evolution.ask(generation - 1), received)
        training.generation = generation
    if training.generation != generation:
        return {"lacks": STATE}
    found: dict[str, Any] = {"state": state_sha256(training.chip.state)}
    begin, end = map(int, ranges[number])
    if begin < end:
        seen = evaluate(training, generation, range(begin, end))
        if isinstance(seen.credits, LayerSums):
            found["sums"] = narrow(row_of(seen.credits))
            seen = seen._replace(credits=None)
        arrays = seen._asdict().items()
        found["pairs"] = {name: narrow(array) for name, array in arrays if array is not None}
    return found


async def join(
    run: str, number: int, config: bytes, wanted: str, *, dask_worker: Any
) -> dict[str, Any]:
    """Make a replica of a run: {"threads": number}, or {"refused": why}.

    run     name of the run, new in each process that leads one
    number  of the worker in this run
    config  pickled Config          wanted  what `version` says where the run is led
    """
    logging.getLogger("distributed.worker").addFilter(_not_a_line_a_generation)
    key = run, dask_worker.address
    refused = await _in_turn(dask_worker, _join, key, number, config, wanted)
    return {"refused": refused} if refused else {"threads": dask_worker.state.nthreads}


async def evaluate_range(
    run: str,
    generation: int,
    update: Wire | None,
    ranges: NDArray[np.int32],
    state: Packed | None,
    *,
    dask_worker: Any,
) -> dict[str, Any]:
    """Fitness of some pairs, and the hash of the state they were evaluated with.

    ranges  int32 (worker's number, 2): first of its pairs, and the one after its last
    update  of generation - 1; None where none is to be replayed
    state   state of the run before `update`; None where the worker's own replica is to be used

    {"state": sha256, "pairs": arrays of the Evaluation, narrow}, the latter where there are any pairs,
    and of a graph of layers "sums": what these pairs add up;
    {"lacks": what} where the replica is not at this generation.
    """
    key = run, dask_worker.address
    return await _in_turn(dask_worker, _evaluate, key, generation, update, ranges, state)


async def _in_turn(dask_worker: Any, function: Any, *arguments: Any) -> Any:
    """Call outside the worker's event loop, one call at a time, with the threads of the worker."""

    def call() -> Any:
        threads.use(min(dask_worker.state.nthreads, threads.available()))
        return function(*arguments)

    return await asyncio.get_running_loop().run_in_executor(_one_at_a_time, call)


def _not_a_line_a_generation(record: logging.LogRecord) -> bool:
    return "out-of-band" not in str(record.msg)
