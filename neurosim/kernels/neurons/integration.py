"""Synaptic current and membrane of sixteen neurons in 24-bit registers: what all neuron models share.

    u[t] = saturate(D(u[t-1], du + 1) + input[t])        input: synaptic input, 2^6 per weight unit
    v[t] = saturate(D(v[t-1], dv) + u[t] + bias)         uses the new u

With du = 4095 nothing of u is left: the paper's neuron. The spike and the reset are the model's `fire`
(kernels/neurons/model.py). Where no current exceeds the headroom, u and v cannot saturate, and they are not
compared with their edges.
"""

from typing import Any, NamedTuple

from numba import int32, types
from numba.extending import overload

from neurosim.kernels.arithmetic import (
    decay_towards_zero,
    prepare_decay,
    prepare_own_decays,
    saturate,
)
from neurosim.kernels.compilation import inlined, kernel
from neurosim.kernels.simd import load, pointer, select, splat

U_MULTIPLIER, U_SHIFT, V_MULTIPLIER, V_SHIFT = range(4)
"""Places in a layer's row of four decay numbers (int32): `arithmetic.decay_factors` of du + 1 and of dv."""
STATES_PER_SUM = 255
"""24-bit values of v whose sum fits 32 bits: 255 * (2^23 - 1) < 2^31."""


@kernel
def decays_of(decays, layer):
    """The prepared decays of u and of v, from int32 (layer, 4)."""
    at = 4 * layer
    return (
        prepare_decay(decays[at + U_MULTIPLIER], decays[at + U_SHIFT]),
        prepare_decay(decays[at + V_MULTIPLIER], decays[at + V_SHIFT]),
    )


class OwnDecays(NamedTuple):
    """Decays of layers whose neurons differ in them; None stands for it where there is no such layer.

    kept  int32 (such a layer, 2, lane): 4096 - (du + 1), and 4096 - dv
    rows  int64 (layer,): its row of `kept`, or -1: one decay holds for the layer
    """

    kept: Any
    rows: Any


def decays_at(own, layer, first, shared):
    """The decays of u and of v of sixteen neurons: their own, or those that the layer shares."""
    return shared if own is None else _own_or_shared(own, layer, first, shared)


@overload(decays_at, inline="always")
def _decays_at(own, layer, first, shared):
    """By the type of `own`, so that the code of a network without own decays has no branch."""
    if isinstance(own, types.NoneType):
        return lambda own, layer, first, shared: shared
    return _own_or_shared


def _own_or_shared(own, layer, first, shared):
    found = shared
    if own.rows[layer] >= 0:
        lanes = own.kept.shape[2]
        at, kept = 2 * lanes * own.rows[layer] + first, pointer(own.kept)
        found = prepare_own_decays(load(kept, at)), prepare_own_decays(load(kept, at + lanes))
    return found


def _compile_integrate(checked):
    """Compile for registers that may saturate, or provably cannot."""

    @inlined
    def integrate(u, v, arriving, bias, decay_u, decay_v):
        """One step -> (u, v before the reset, saturated registers)."""
        zero, one = splat(int32(0)), splat(int32(1))
        current = arriving
        if not decay_u.forgets:
            current = arriving + decay_towards_zero(u, decay_u)
        if not checked:
            return current, decay_towards_zero(v, decay_v) + current + bias, zero
        u = saturate(current)
        full = decay_towards_zero(v, decay_v) + u + bias
        v = saturate(full)
        return u, v, select(u != current, one, zero) + select(v != full, one, zero)

    return integrate


integrate_checked = _compile_integrate(checked=True)
integrate_free = _compile_integrate(checked=False)
