"""Tables of a weight rule: x_sm{mode} given, sm{mode}_nb{bits}_e{exponent} what the emulator made of it."""

import re

import numpy as np
from numpy.typing import NDArray

from neurosim.chip.conformance.recorded import (
    LARGEST_SHIFT,
    Int,
    Outcome,
    Recorded,
    VectorError,
    whole,
)
from neurosim.chip.profiles import Profile
from neurosim.chip.synapses import currents, on_grid
from neurosim.network import SignMode

SIGN_MODES: dict[int, SignMode] = {1: "mixed", 2: "excitatory", 3: "inhibitory"}
TABLE = re.compile(r"^(?:w_?)?(sm|mixed|m)(\d)_nb(\d)(?:_e(-?\d+))?$")
GIVEN = re.compile(r"^[xw](_(sm|mixed|m)\d)?$")


def recognises(file: Recorded) -> bool:
    """Whether any array has the name of an entry."""
    return any(TABLE.match(name) for name in file.arrays)


def check(name: str, file: Recorded) -> Outcome:
    """The outcome of a table."""
    profile = file.profile()
    differ, entries = [], 0
    unknown = [*sorted(file.params_left)]
    for entry in sorted(file.arrays):
        form = TABLE.match(entry)
        mode = None if form is None else _mode(form)
        if form is None or mode is None:
            unknown += [] if GIVEN.match(entry) else [entry]
            continue
        given = file.take(f"x_{form[1]}{form[2]}", f"w_{form[1]}{form[2]}", "x", "w")
        if given is None:
            unknown.append(entry)
            continue
        exponent = None if form[4] is None else int(form[4])
        made = table_entry(profile, given, mode, int(form[3]), exponent)
        recorded = whole(entry, file.arrays[entry])
        entries += recorded.size
        if made.shape != recorded.shape or (made != recorded).any():
            differ.append(f"{entry}: {_first_difference(given, made, recorded)}")
    status = "differs" if differ else "unchecked" if unknown or not entries else "match"
    if unknown:
        differ.append(f"not understood: {unknown}")
    return Outcome(name, profile.name, status, f"{entries} weights", "; ".join(differ))


def _mode(form: re.Match[str]) -> SignMode | None:
    """sm1, sm2, sm3 as the peers number them; m1 or mixed1 is mixed, m0 or mixed0 is not."""
    if form[1] == "sm":
        return SIGN_MODES.get(int(form[2]))
    return {0: SIGN_MODES[2], 1: SIGN_MODES[1]}.get(int(form[2]))


def table_entry(
    profile: Profile, given: NDArray, mode: SignMode, bits: int, exponent: int | None
) -> Int:
    """Result of the weight rule for `given`: currents of u; for lava, weights and exponent."""
    weights = np.asarray(given)
    if weights.dtype.kind == "f" and profile.rounding == "nearest_even":
        step = 2.0 ** (
            8 - bits + (mode == "mixed")
        )  # nengo-loihi rounds fractions; the chip has none
        weights = np.rint(weights / step) * step
    if exponent is not None and abs(exponent) > LARGEST_SHIFT:
        raise VectorError(f"exponent {exponent}; allowed are -{LARGEST_SHIFT}..{LARGEST_SHIFT}")
    stored = on_grid(whole("x", weights), bits, mode, profile).weights
    if exponent is None:
        return stored
    if profile.exponent == "sum":
        return stored << exponent if exponent > 0 else stored >> -exponent
    return currents(stored, bits, exponent, mode, profile)


def _first_difference(given: NDArray, made: Int, recorded: Int) -> str:
    if made.shape != recorded.shape:
        return f"{recorded.shape} entries recorded for {made.shape} weights"
    at = int(np.flatnonzero(made != recorded)[0])
    return f"weight {given[at]} becomes {made[at]}, recorded is {recorded[at]}"
