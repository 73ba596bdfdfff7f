"""Arrays and parameters of a recording, the profile of the emulator that made it, and its outcome."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.chip import profiles
from neurosim.chip.profiles import Profile
from neurosim.data.formats import array_files
from neurosim.data.formats.recording import EventFileError
from neurosim.storage import JsonError, parse_json

Int = NDArray[np.int64]
LATENCY = re.compile(r"s_in\[t\] acts on u\[t(?:\+(\d+))?\]")
PEERS = (
    ("brian2", profiles.BRIAN2LOIHI),
    ("nengo", profiles.NENGO),
    ("slayer", profiles.SLAYER),
    ("lava-dl", profiles.SLAYER),
    ("lava", profiles.LAVA),
)
LARGEST_BITS, WEIGHT_BITS, STATE_BITS = 33, 26, 62
"""Registers and spikes of a recording are no larger than 2^33, weights no larger than 2^26, u and v, which
are only compared, than 2^62. Chosen here: a graded spike has 32 bits and a weight as it acts on u 22, so
that their products, summed over 32 synapses, fit 64 bits and nothing wraps to a number that matches."""
LARGEST_SHIFT = 22
NOTHING = re.compile(r"(?!)")
DESCRIBES = {"peer", "seed", "note", "T", "n_in", "n_out", "latency", "ds_offset", "dm_offset"}
"""Params that name or repeat; those that can be wrong are checked by the format."""


class VectorError(ValueError):
    """A recording that cannot be read, or that asks for what the chip does not have."""


class Outcome(NamedTuple):
    """Outcome of one file; status: match, differs (compared), or unchecked (not compared)."""

    file: str
    profile: str
    status: str
    compared: str
    detail: str

    @property
    def matches(self) -> bool:
        """Whether all that was recorded is equal."""
        return self.status == "match"


class Recorded:
    """Arrays and params of a file, and those of them that have not been used yet."""

    def __init__(self, path: Path) -> None:
        try:
            self.arrays: dict[str, NDArray] = array_files.load(path)
            text = str(self.arrays.pop("params", "{}"))
            self.params: dict[str, Any] = parse_json(text.encode("utf-8", "surrogatepass"))
        except (EventFileError, JsonError) as error:
            raise VectorError(f"cannot be read: {getattr(error, 'fault', error)}") from None
        if not isinstance(self.params, dict):
            raise VectorError(f"params are {type(self.params).__name__}; needed is a JSON object")
        self.params_left = set(self.params) - DESCRIBES
        self.arrays_left = set(self.arrays)

    def take(self, *names: str) -> Any:
        """The first of `names` that there is, among arrays, then params; None if none is."""
        found = None
        for name in reversed(names):
            for place, left in (
                (self.params, self.params_left),
                (self.arrays, self.arrays_left),
            ):
                left.discard(name)
                if place.get(name) is not None:
                    found = place[name]
        return found

    def array(self, *names: str, bits: int = LARGEST_BITS) -> Int | None:
        """The first of `names` among the arrays, two-dimensional, as int64 of so many bits."""
        for name in names:
            if name in self.arrays:
                self.arrays_left.discard(name)
                return whole(name, self.arrays[name], 2, bits)
        return None

    def profile(self) -> Profile:
        """The profile of the peer that made the recording, with the latency it states."""
        peer = str(self.params.get("peer", "")).lower()
        found = next((profile for name, profile in PEERS if name in peer), None)
        for key, profile in (
            ("decay_I", profiles.BRIAN2LOIHI),
            ("iDecay", profiles.SLAYER),
            ("refract", profiles.NENGO),
            ("du", profiles.LAVA),
        ):
            if found is None and key in self.params:
                found = profile
        if found is None:
            raise VectorError(
                f"peer is {peer!r}; known are brian2-loihi, nengo-loihi, lava and slayer"
            )
        latency = self.params.get("latency")
        if latency is not None:
            stated = LATENCY.search(str(latency))
            if not stated or int(stated[1] or 0) > 1:
                raise VectorError(f"latency is {latency!r}; known: s_in[t] acts on u[t] or u[t+1]")
            found = replace(found, input_latency=int(stated[1] or 0))  # type: ignore[arg-type]
        offset, of_v = (
            self.params.get("ds_offset", found.decay_offset),
            self.params.get("dm_offset", 0),
        )
        if offset not in (0, 1) or of_v != 0:
            raise VectorError(
                f"ds_offset is {offset!r}, dm_offset {of_v!r}; known are 0 and 1, and 0"
            )
        return replace(found, decay_offset=offset)


def whole(name: str, given: Any, ndim: int | None = None, bits: int = LARGEST_BITS) -> Int:
    """`given` as int64, or a VectorError: fractions, other dimensions, or beyond 2^bits."""
    array = np.asarray(given)
    if array.dtype.kind not in "iubf" or (array.dtype.kind == "f" and not _all_whole(array)):
        raise VectorError(
            f"{name} holds fractions ({array.dtype}): a floating-point recording; "
            f"the chip has integers"
        )
    if ndim is not None and array.ndim != ndim:
        raise VectorError(f"{name} has shape {array.shape}; needed are {ndim} dimensions")
    low, high = (array.min(), array.max()) if array.size else (0, 0)
    if low < -(1 << bits) or high > 1 << bits:
        raise VectorError(f"{name} reaches from {low} to {high}; allowed are -2^{bits}..2^{bits}")
    return array.astype(np.int64)


def _all_whole(array: NDArray[np.floating]) -> bool:
    return bool(np.isfinite(array).all() and (array == np.rint(array)).all())


def first_differences(done: dict[str, Int], wanted: dict[str, Int]) -> list[str]:
    """For each recorded array that came out otherwise, where it first does; (step, neuron) arrays."""
    found = []
    for name in ("u", "v", "s_out"):
        wrong = done[name] != wanted[name]
        if wrong.any():
            step, neuron = (int(i) for i in np.argwhere(wrong)[0])
            found.append(
                f"{name} first differs in step {step}, neuron {neuron}: "
                f"{done[name][step, neuron]}, recorded {wanted[name][step, neuron]} "
                f"({int(wrong.sum())} of {wrong.size} differ)"
            )
    return found


def leftovers(file: Recorded, remarks: list[str], traces_of: re.Pattern[str] = NOTHING) -> None:
    """Add remarks on what was not understood; an array that was not is a VectorError."""
    traces = sorted(name for name in file.arrays_left if traces_of.match(name))
    if traces:
        remarks.append(f"{', '.join(traces)} not compared: traces of the peer's random rounding")
    unknown = sorted(file.arrays_left - set(traces))
    if file.params_left:
        known = ", ".join(f"{name} = {file.params[name]!r}" for name in sorted(file.params_left))
        remarks.append(f"params not understood: {known}")
    if unknown:
        raise VectorError(f"arrays not understood: {unknown}" + "".join(f"; {r}" for r in remarks))
