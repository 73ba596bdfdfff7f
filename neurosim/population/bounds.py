"""Overflow bounds of sums and coefficients, and what each rule requires; checked once for a training.

The sum of a synapse has 32 bits, the term that the directions of a group add per spike 16, a coefficient 8.
"""

from typing import Any, NamedTuple

import numpy as np

from neurosim.kernels.noise import weight_noise
from neurosim.kernels.rules import delta
from neurosim.network import Network, NetworkError
from neurosim.population.layout import NoiseSpec

INT16_MAX, INT32_MAX = (1 << 15) - 1, (1 << 31) - 1
COEFFICIENT = 128
"""Bound above every |coefficient|."""


class Shape(NamedTuple):
    """What bounds depend on beside network and noise: pairs, groups, samples of a group, steps.

    groups is 0 for an update without samples.
    """

    pairs: int
    groups: int = 0
    samples: int = 0
    steps: int = 1


class Bounds:
    """Bounds of the generations of an evaluator: computed for the first, and kept while they hold.

    by_credit, by_error  whether hidden neurons learn from credits, and the readout by the delta rule in a
                         sum of 32 bits
    """

    def __init__(
        self, network: Network, *, by_credit: bool = False, by_error: bool = False
    ) -> None:
        self._network, self._by_credit, self._by_error = network, by_credit, by_error
        self._kept: tuple[NoiseSpec, Shape] | None = None
        self._credit = 0

    def check(self, spec: NoiseSpec, shape: Shape) -> int:
        """Raise NetworkError, naming the sum, if one of a generation of this shape could overflow.

        Returns the largest |credit|; 0 where no credits are made.
        """
        if self._kept != (spec, shape):
            self._credit = self._computed(spec, shape)
            self._kept = spec, shape
        return self._credit

    def _computed(self, spec: NoiseSpec, shape: Shape) -> int:
        if not self._by_credit:  # credits are kept small enough
            check_update_sums(spec, shape.pairs, shape.steps)
        if not shape.groups:
            return 0
        check_terms(spec, shape)
        if self._by_error:
            check_traces(self._network, shape.steps, shape.groups * shape.samples)
        return largest_credit(self._network, spec, shape) if self._by_credit else 0


def _number(spec: NoiseSpec) -> int:
    """Largest |noise number|."""
    return int(weight_noise.GRADED_OFFSET) if spec.graded else 1


def check_update_sums(spec: NoiseSpec, pairs: int, steps: int) -> None:
    """Raise NetworkError if the sums of noise on weights, or along the events, could pass 32 bits."""
    on_weights = spec.rank * _number(spec) ** 2
    along = steps * _number(spec) if any(spec.aligned) else 0
    largest = spec.directions * COEFFICIENT * max(on_weights, along)
    if pairs * largest > INT32_MAX:
        raise NetworkError(
            f"{pairs} pairs of rank {spec.rank} on {steps} steps could overflow a 32-bit sum; "
            f"allowed are {INT32_MAX // largest} pairs"
        )


def check_terms(spec: NoiseSpec, shape: Shape) -> None:
    """Raise NetworkError if the term that a group of pairs adds per spike could exceed 16 bits."""
    if not any(spec.aligned):
        return
    each, largest = shape.pairs // shape.groups, spec.directions * _number(spec) * COEFFICIENT
    if shape.samples != 1 or each * largest > INT16_MAX:
        raise NetworkError(
            f"event-aligned noise with {shape.samples} samples and {each} pairs a group; "
            f"allowed are 1 sample and {INT16_MAX // largest} pairs"
        )


def _largest_trace(network: Network, steps: int) -> int:
    last = network.populations[-1]
    return delta.largest_trace(int(last.each("du")[0]) + 1, int(last.each("dv")[0]), steps)


def check_traces(network: Network, steps: int, samples: int) -> None:
    """Raise NetworkError if the sums of the delta rule could pass 32 bits."""
    largest = _largest_trace(network, steps) * delta.ERROR_ONE
    if samples * largest > INT32_MAX:
        raise NetworkError(
            f"the delta rule on {samples} samples of {steps} steps could overflow a 32-bit sum; "
            f"allowed are {INT32_MAX // largest} samples: lower groups or batch, or raise dv"
        )


def largest_credit(network: Network, spec: NoiseSpec, shape: Shape) -> int:
    """Largest |credit|, so that the term of a group per spike fits 16 bits, and the sum of a synapse 32."""
    pairs, groups, _, steps = shape
    connection, classes = network.layers[-1][0], network.populations[-1].neurons
    # the errors of a sample add up to at most ±ERROR_ONE, and half a unit for each rounding
    errors = min(classes * delta.ERROR_ONE, 2 * delta.ERROR_ONE + (classes + 1) // 2)
    largest = _largest_trace(network, steps) * errors * -connection.mantissa[0]
    if largest > INT32_MAX:
        raise NetworkError(
            f"credit by error over {steps} steps and {classes} classes could overflow 32 bits; "
            f"raise dv, or use fewer steps"
        )
    of_group = pairs // groups * _number(spec)
    found = min(INT16_MAX // of_group, INT32_MAX // (of_group * groups * steps))
    if not found:
        raise NetworkError(
            f"credit by error with {pairs} pairs in {groups} groups over {steps} steps leaves no bit for a "
            f"credit: its sums have 32 bits; use fewer pairs or steps"
        )
    return found


def check_coefficients(coefficients: Any, kind: type[np.signedinteger[Any]], *shape: int) -> None:
    """Raise NetworkError unless there is one coefficient of the kind for each that the update sums."""
    if coefficients.dtype != kind or coefficients.shape != shape:
        raise NetworkError(
            f"coefficients are {coefficients.dtype} {coefficients.shape}; "
            f"needed is {np.dtype(kind)} {shape}"
        )


def check_credit(network: Network, spec: NoiseSpec) -> None:
    """Raise NetworkError unless every hidden neuron can be credited by the errors of the readout."""
    if len(network.layers) != 2 or spec.aligned != (True, False):
        raise NetworkError(
            f"credit by error with {len(network.layers)} layers and event-aligned noise {spec.aligned}; "
            f"it needs one hidden layer, event-aligned noise on it and none on the readout"
        )
    if spec.scale[1] or any(spec.bias_scale):
        raise NetworkError(
            f"credit by error with noise scale {spec.scale} and bias_scale {spec.bias_scale}; "
            f"the readout and biases carry none: they learn from errors"
        )
    if spec.one_sided:
        raise NetworkError(
            "credit by error with one-sided noise; the credit of a neuron compares +noise and -noise of a "
            "pair, so its members must share one direction"
        )
