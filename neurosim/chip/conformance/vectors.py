"""Does the chip do, step for step, what another emulator was recorded doing?

    check_file(path)       one file of recorded steps (`neurosim/chip/conformance/files.py`), or
                           one weight-rule table: x_sm{mode}, sm{mode}_nb{bits}_e{exponent}
    check_folder(folder)   every npz file of a folder

A file matches if u, v and the spikes are equal in every step and every neuron, and the weights came
out as recorded. Nothing else counts as a match.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.chip.conformance.files import (
    LARGEST_SHIFT,
    SIGN_MODES,
    Case,
    Int,
    Recorded,
    VectorError,
    read,
    whole,
)
from neurosim.chip.emulator import Chip, Probe
from neurosim.chip.profiles import Profile
from neurosim.chip.synapses import Dense, currents, on_grid
from neurosim.network import NetworkError, SignMode

TABLE = re.compile(r"^(?:w_?)?(sm|mixed|m)(\d)_nb(\d)(?:_e(-?\d+))?$")
GIVEN = re.compile(r"^[xw](_(sm|mixed|m)\d)?$")


class Outcome(NamedTuple):
    """What came of one file; status: match, differs (was compared), or unchecked (was not)."""

    file: str
    profile: str
    status: str
    compared: str
    detail: str

    @property
    def matches(self) -> bool:
        return self.status == "match"


def check_folder(folder: Path) -> Iterator[Outcome]:
    """The outcome of every recording in `folder`, by name."""
    files = sorted(folder.glob("*.npz"))
    if not files:
        raise VectorError(f"{folder}: no .npz files of recorded steps in this folder")
    for path in files:
        yield check_file(path)


def check_file(path: Path) -> Outcome:
    """The outcome of one recording; never raises for what is in the file."""
    try:
        if any(TABLE.match(name) for name in Recorded(path).arrays):
            return _check_table(path)
        return _check_steps(path, read(path))
    except (VectorError, NetworkError) as error:
        return Outcome(path.name, "", "unchecked", "", str(error))
    except Exception as error:  # a stranger's file holds whatever nobody thought of
        why = f"not understood: {type(error).__name__}: {error}"
        return Outcome(path.name, "", "unchecked", "", why)


def replay(case: Case) -> dict[str, Int]:
    """What the chip does with a case: u, v, s_out, each int64 (step, neuron)."""
    chip = Chip(case.network, case.weights, case.profile, placement=None)
    probes = (Probe("neurons", "u"), Probe("neurons", "v"))
    rows: list[tuple[Int, Int, Int]] = []
    state = None
    for first, last, weights in _spans(case):
        if weights is not None:  # brian2-loihi does not bring learned weights to the grid
            learned = replace(case.profile, weight_range="any", rounding="none")
            written = {**case.weights, "input->neurons": Dense(weights)}
            chip = Chip(case.network, written, learned, placement=None)
        noise = {} if case.noise is None else {"neurons": case.noise[first:last]}
        done = chip.run(
            case.spikes[None, first:last],
            probes,
            state=state,
            noise=noise,
            bias_noise={"neurons": case.biases},
        )
        state = done.state
        rows.append((done.probed[0][0], done.probed[1][0], done.spikes["neurons"][0]))
    return {
        name: np.concatenate([row[i] for row in rows]).astype(np.int64)
        for i, name in enumerate(("u", "v", "s_out"))
    }


def _spans(case: Case) -> Iterator[tuple[int, int, Int | None]]:
    """Ranges of steps with the same weights; those recorded after a step act in the next ones."""
    steps = len(case.spikes)
    if case.plastic is None:
        yield 0, steps, None
        return
    changed = (case.plastic[1:] != case.plastic[:-1]).any(axis=(1, 2))
    ends = sorted({0, 1, *(np.flatnonzero(changed[: max(steps - 2, 0)]) + 2).tolist(), steps})
    for first, last in pairwise(ends):
        yield first, last, case.plastic[first - 1] if first else None


def _check_steps(path: Path, case: Case) -> Outcome:
    done = replay(case)
    differ = [case.differ] if case.differ else []
    for name in ("u", "v", "s_out"):
        wrong = done[name] != case.wanted[name]
        if wrong.any():
            step, neuron = (int(i) for i in np.argwhere(wrong)[0])
            differ.append(
                f"{name} first differs in step {step}, neuron {neuron}: "
                f"{done[name][step, neuron]}, recorded {case.wanted[name][step, neuron]} "
                f"({int(wrong.sum())} of {wrong.size} differ)"
            )
    steps, neurons = case.wanted["u"].shape
    return Outcome(
        path.name,
        case.profile.name,
        "differs" if differ else "match",
        f"u, v, spikes of {neurons} neurons in {steps} steps",
        "; ".join([*differ, *case.remarks]),
    )


def _check_table(path: Path) -> Outcome:
    file = Recorded(path)
    profile = file.profile()
    differ, entries = [], 0
    unknown = [*sorted(file.params_left)]
    for name in sorted(file.arrays):
        form = TABLE.match(name)
        mode = None if form is None else _mode(form)
        if form is None or mode is None:
            unknown += [] if GIVEN.match(name) else [name]
            continue
        given = file.take(f"x_{form[1]}{form[2]}", f"w_{form[1]}{form[2]}", "x", "w")
        if given is None:
            unknown.append(name)
            continue
        exponent = None if form[4] is None else int(form[4])
        made = table_entry(profile, given, mode, int(form[3]), exponent)
        recorded = whole(name, file.arrays[name])
        entries += recorded.size
        if made.shape != recorded.shape or (made != recorded).any():
            differ.append(f"{name}: {_first_difference(given, made, recorded)}")
    status = "differs" if differ else "unchecked" if unknown or not entries else "match"
    if unknown:
        differ.append(f"not understood: {unknown}")
    return Outcome(path.name, profile.name, status, f"{entries} weights", "; ".join(differ))


def _mode(form: re.Match[str]) -> SignMode | None:
    """sm1, sm2, sm3 as the peers number them; m1 or mixed1 is mixed, m0 or mixed0 is not."""
    if form[1] == "sm":
        return SIGN_MODES.get(int(form[2]))
    return {0: SIGN_MODES[2], 1: SIGN_MODES[1]}.get(int(form[2]))


def table_entry(
    profile: Profile, given: NDArray, mode: SignMode, bits: int, exponent: int | None
) -> Int:
    """What the weight rule makes of `given`: currents of u; for lava, weights and exponent."""
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
