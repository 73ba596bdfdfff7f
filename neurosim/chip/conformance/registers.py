"""Registers of a recording: values in common or for each neuron, and biases as mantissas and exponents."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.chip.conformance.recorded import Int, Recorded, VectorError, whole

FIXED_POINT = ("fixed_pt", "bit_accurate_loihi", "bit_approximate_loihi")


def fixed_point(file: Recorded) -> None:
    """Raise VectorError where the recording says that it was made in floating point."""
    tag = file.take("tag")
    if tag is not None and tag not in FIXED_POINT:
        raise VectorError(f"tag is {tag!r}: a floating-point recording; the chip has integers")


def each_neuron(value: Any, neurons: int, name: str) -> int | tuple[int, ...]:
    """One integer where all neurons have the same, else one for each."""
    array = whole(name, value).reshape(-1)
    if np.all(array == array[:1]):
        return int(array[0])
    if array.size != neurons:
        raise VectorError(f"{name} has {array.size} values for {neurons} neurons")
    return tuple(array.tolist())


def bias_registers(values: Int) -> tuple[Int, Int]:
    """Mantissas and exponents of effective biases; 0 where no register holds the value exactly."""
    exponents = np.zeros(values.size, np.int64)
    for larger in range(1, limits.BIAS_EXP.high + 1):
        exponents[~_held(values >> exponents)] = larger
    mantissas = values >> exponents
    held = ((mantissas << exponents) == values) & _held(mantissas)
    return np.where(held, mantissas, 0), np.where(held, exponents, 0)


def _held(mantissas: Int) -> NDArray[np.bool_]:
    return (mantissas >= limits.BIAS_MANT.low) & (mantissas <= limits.BIAS_MANT.high)
