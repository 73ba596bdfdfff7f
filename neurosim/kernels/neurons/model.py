"""Neuron models as kernels: the spike, the reset and the variables that a model has beside u and v.

    (threshold in effect, spikes, v after the reset, own variables) = fire(v, threshold, own, registers)

One function serves both executors: in population training its numbers are lanes of sixteen int32, on the chip
emulator they are int64. It may use `+ - * & | ^ > !=`, and of kernels/simd.py and kernels/arithmetic.py
`select`, `shift_right`, `spread`, `saturate` and `decayed`. v is integrated before, with u, bias and decays
(kernels/neurons/integration.py; on the chip by the rules of a profile).
"""

from typing import Any, NamedTuple

from numba import int32

from neurosim.kernels.compilation import inlined
from neurosim.kernels.simd import select, spike_bits, splat


class NeuronKernel(NamedTuple):
    """The kernel of a neuron model.

    fire       compiled by `compilation.inlined`
    variables  number of own variables, each within ±(2^23 - 1), 0 at rest
    registers  number of own registers, int32: `NeuronModel.registers()` of the description
    contracts  whether |v| after `fire` is never above |v| before, so that registers which provably cannot
               saturate are not compared with their edges

    A neuron without input, and with the threshold 2^30, must not spike: so are lanes that are no neurons.
    """

    fire: Any
    variables: int = 0
    registers: int = 0
    contracts: bool = False


class Fired(NamedTuple):
    """Result of `fire`; own: a tuple of one value for each own variable."""

    threshold: Any
    spikes: Any
    v: Any
    own: Any


@inlined
def near_bits(v, threshold, window):
    """Spike bits of the lanes whose v before the reset is within `window` of the threshold in effect."""
    one, zero = splat(int32(1)), splat(int32(0))
    inside = select(v > threshold - splat(int32(window)) - one, one, zero)
    inside = select(threshold + splat(int32(window)) + one > v, inside, zero)
    return spike_bits(inside > zero)


def compile_gather(count):
    """Compile the reading of column `at` of `count` rows, as a tuple."""
    if count == 0:

        @inlined
        def nothing(rows, at):
            return ()

        return nothing
    fewer, last = compile_gather(count - 1), count - 1

    @inlined
    def gather(rows, at):
        return (*fewer(rows, at), rows[last, at])

    return gather


def compile_scatter(count):
    """Compile the inverse of `compile_gather`."""
    if count == 0:

        @inlined
        def nothing(rows, at, values):
            pass

        return nothing
    fewer, last = compile_scatter(count - 1), count - 1

    @inlined
    def scatter(rows, at, values):
        fewer(rows, at, values)
        rows[last, at] = values[last]

    return scatter
