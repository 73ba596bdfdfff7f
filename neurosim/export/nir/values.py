"""Parameters of NIR nodes as arrays of NumPy, checked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.export.nir.file_io import NirError

Float = NDArray[np.float64]
SMALLEST, LARGEST = 1e-20, 1e20
"""Magnitudes of parameters. Chosen here: what is computed of them, squared, stays in float64."""


def plain(given: Any) -> Any:
    """An array of PyTorch as one of NumPy, from any device and without gradient; other values unchanged."""
    return given.detach().cpu().numpy() if hasattr(given, "detach") else given


def numbers(name: str, what: str, given: Any, endless: bool = False) -> Float:
    """A parameter of a node as float64, or NirError.

    Allowed are 0 and numbers of SMALLEST to LARGEST, of either sign; `endless`: larger ones too, which
    become infinite.
    """
    try:
        array = np.asarray(plain(given))
    except (TypeError, ValueError) as error:
        raise NirError(f"node {name!r}: {what} is no array of numbers ({error})") from error
    known = array.dtype.kind in "fiu"
    if not known or (np.isnan(array) if endless else ~np.isfinite(array)).any():
        raise NirError(f"node {name!r}: {what} holds what is no finite number ({array.dtype})")
    values = array.astype(np.float64)
    sizes = np.abs(values[values != 0])
    if sizes.size and (sizes.min() < SMALLEST or (sizes.max() > LARGEST and not endless)):
        raise NirError(
            f"node {name!r}: {what} has magnitudes from {sizes.min():g} to {sizes.max():g}; allowed "
            f"are 0 and {SMALLEST:g} to {LARGEST:g}"
        )
    return np.where(np.abs(values) > LARGEST, np.copysign(np.inf, values), values)
