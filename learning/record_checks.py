"""Checks of a run folder: the header of a checkpoint, and every tensor, before a kernel uses them.

Hashes detect damage, not intent: anybody can write a folder whose hashes agree. So types, shapes, ranges
and the agreement of state and weights are checked whatever the hashes say.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from learning.settings import Settings
from neurosim.network import Network, NetworkError, Weights, check_weights
from neurosim.population.state import SynapticState, check_state, weights

MOST_SECONDS = 1e10
"""Three hundred years of training. Chosen here, because no measured time is longer."""


class CheckpointFault(ValueError):
    """A checkpoint that cannot be used. The message says what came and what is allowed."""


class Header(NamedTuple):
    """Numbers of a checkpoint's header: generations made, seconds of training, bytes of metrics."""

    generation: int
    seconds: float
    metrics_bytes: int


def header_of(given: Mapping[str, str], generations: int) -> Header:
    """The numbers of a header; `generations`: of the whole run. Raises CheckpointFault."""
    return Header(
        _whole(given, "generation", generations),
        _seconds(given),
        _whole(given, "metrics_bytes", 1 << 40),
    )


def lengthened_of(given: Mapping[str, str]) -> tuple[str, ...]:
    """'GENERATION:GENERATIONS' for each time that the run was lengthened; CheckpointFault otherwise."""
    parts = tuple(filter(None, given.get("lengthened", "").split(",")))
    for part in parts:
        if (
            not re.fullmatch(r"[0-9]{1,10}:[1-9][0-9]{0,9}", part)
            or int(part.split(":")[1]) >= 1 << 32
        ):
            raise CheckpointFault(f"lengthened has {part!r}; needed is GENERATION:GENERATIONS")
    return parts


def _whole(given: Mapping[str, str], name: str, most: int) -> int:
    text = given.get(name)
    plain = text is not None and text.isascii() and text.isdigit() and len(text) <= 20
    if text is None or not plain or int(text) > most:
        raise CheckpointFault(f"{name} is {text!r}; allowed are 0..{most}")
    return int(text)


def _seconds(given: Mapping[str, str]) -> float:
    text = given.get("seconds")
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not 0 <= value <= MOST_SECONDS:
        raise CheckpointFault(f"seconds is {text!r}; allowed are 0..{MOST_SECONDS:g}")
    return value


def check_names(found: Iterable[str], needed: Iterable[str]) -> None:
    """Raise CheckpointFault unless exactly the needed tensors are there."""
    missing, unknown = set(needed) - set(found), set(found) - set(needed)
    if missing:
        raise CheckpointFault(f"tensors {sorted(missing)} are missing")
    if unknown:
        raise CheckpointFault(f"tensors {sorted(unknown)[:4]} are not known")


def check_tensors(
    network: Network, settings: Settings, state: SynapticState, given: Weights
) -> None:
    """Raise CheckpointFault unless state and weights fit the network, the settings and one another."""
    try:
        check_weights(network, given)
        check_state(network, state, settings.fraction_bits)
    except NetworkError as error:
        raise CheckpointFault(str(error)) from error
    if bool(state.momentum) != (settings.momentum_bits > 0):
        has = "holds" if state.momentum else "lacks"
        raise CheckpointFault(
            f"it {has} momentum, and momentum_bits of the run is {settings.momentum_bits}"
        )
    rounded = weights(state, settings.fraction_bits)
    for index, (connection, _) in enumerate(network.parameters):
        where = f"parameter {connection.name}: mantissas"
        _check_equal(where, given.mantissas[index], rounded.mantissas[index])
    for index, population in enumerate(network.populations):
        where = f"layer {population.name!r}: bias mantissas"
        _check_equal(where, given.biases[index], rounded.biases[index])


def _check_equal(what: str, given: NDArray[Any], rounded: NDArray[Any]) -> None:
    if not np.array_equal(given, rounded):
        differ = int((given != rounded).sum())
        raise CheckpointFault(f"{what} are not those that the state rounds to ({differ} differ)")
