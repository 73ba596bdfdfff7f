"""Nearest integer registers of wanted values, with a table of their errors.

got = the nearest integer; outside the register: an error, or its end where clipping is asked for
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.export.nir.file_io import NirError

Float = NDArray[np.float64]
NAMED = 8
"""Clipped values that are named one by one: chosen here."""


class Row(NamedTuple):
    """One line of the error table, in units of the register; of `values` values.

    wanted, got  of the value that is furthest off
    error        |got - wanted| / |wanted| of that value, 0 where nothing was wanted and nothing came
    rms          the same of all values together: root of the sum of squares over that of the wanted
    clipped      the values that are held at an end of the register, the first few by place
    """

    node: str
    register: str
    values: int
    wanted: float
    got: float
    error: float
    rms: float
    clipped: tuple[str, ...]


def compared(node: str, register: str, wanted: Float, got: Float, clipped: list[str]) -> Row:
    """The line for `got` where `wanted` was asked for."""
    off = np.abs(got - wanted).ravel()
    worst = int(off.argmax())
    asked = float(wanted.ravel()[worst])
    return Row(
        node,
        register,
        wanted.size,
        asked,
        float(got.ravel()[worst]),
        _share(float(off[worst]), abs(asked)),
        _share(float(np.sqrt((off**2).sum())), float(np.sqrt((wanted**2).sum()))),
        tuple(clipped),
    )


def _share(off: float, of: float) -> float:
    if off == 0:
        return 0.0
    return off / of if of > 0 else float("inf")


class Fitted(NamedTuple):
    """values: int64, as `wanted`; row: the line that tells how near they are."""

    values: NDArray[np.int64]
    row: Row


def fit(
    node: str, register: str, wanted: Float, allowed: limits.Range, clip: bool, step: int = 1
) -> Fitted:
    """The nearest multiples of `step` that the register holds; `wanted` and the row count in units of 1.

    NirError names node and register where a value is outside, unless `clip` holds it at the end.
    """
    if not np.isfinite(wanted).all():
        raise NirError(
            f"node {node!r}: {register} would be no finite number; change the graph or dt"
        )
    rounded = np.rint(wanted / step)
    outside = (rounded < allowed.low) | (rounded > allowed.high)
    places = np.argwhere(outside)
    if places.size and not clip:
        at = tuple(places[0].tolist())
        raise NirError(
            f"node {node!r}: {register}{list(at)} is {wanted[at] / step:.6g}; allowed are "
            f"{allowed.low}..{allowed.high} ({len(places)} of {wanted.size} are outside); change the "
            f"graph or dt, or hold such values at the end with --clip"
        )
    values = np.clip(rounded, allowed.low, allowed.high).astype(np.int64)
    named = [
        f"{list(at.tolist())}: {wanted[tuple(at)] / step:.6g} -> {values[tuple(at)]}"
        for at in places[:NAMED]
    ]
    if len(places) > NAMED:
        named.append(f"and {len(places) - NAMED} more")
    row = compared(node, register, wanted / step, values.astype(np.float64), named)
    return Fitted(values, row)
