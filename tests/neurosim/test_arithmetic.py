"""Register arithmetic: exact decay towards zero, and saturation."""

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from neurosim import limits
from neurosim.kernels import arithmetic, simd
from neurosim.kernels.compilation import kernel

EVERY = np.arange(-limits.STATE_MAX, limits.STATE_MAX + 2, dtype=np.int32)
"""Every 24-bit register, and one more to fill sixteen lanes."""


@kernel
def decay_all(x, multiplier, shift, out):
    decay = arithmetic.prepare_decay(multiplier, shift)
    elements, to = simd.pointer(x), simd.pointer(out)
    for first in range(0, x.size, 16):
        simd.store(to, first, arithmetic.decay_towards_zero(simd.load(elements, first), decay))


@kernel
def saturate_all(x, out):
    elements, to = simd.pointer(x), simd.pointer(out)
    for first in range(0, x.size, 16):
        simd.store(to, first, arithmetic.saturate(simd.load(elements, first)))


def decayed(x, d):
    out = np.zeros_like(x)
    decay_all(x, *map(np.int32, arithmetic.decay_factors(d)), out)
    return out


def sixteen(values):
    return np.resize(np.array(values, np.int32), 16)


@pytest.mark.parametrize("d", [1, 400, 2047, 2048, 3840, 3841, 4095])
def test_decay_is_the_formula_for_every_register(d):
    out = decayed(EVERY, d)
    size = np.abs(EVERY.astype(np.int64)) * (4096 - d) >> 12
    assert np.array_equal(out, np.where(EVERY < 0, -size, size))


@pytest.mark.parametrize("d", [1, 2048])
def test_decay_never_changes_sign_and_never_grows(d):
    """The first half of the registers mirrors the second, and is enough."""
    x = EVERY[EVERY.size // 2 :]
    out = decayed(x, d)
    assert (out >= 0).all()
    assert (out <= x).all()
    assert (np.diff(out[:-1]) >= 0).all()


def test_decay_is_the_formula_for_every_decay():
    x = sixteen([0, 1, -1, 4095, -4095, 4096, -4096, 4097, limits.STATE_MAX, -limits.STATE_MAX])
    for d in range(4097):
        assert decayed(x, d).tolist() == [naive.decay(int(one), d) for one in x]


@given(st.lists(strategies.REGISTERS, min_size=16, max_size=16), st.integers(0, 4096))
def test_decay_naive_is_py_func_is_compiled(values, d):
    x = sixteen(values)
    wanted = [naive.decay(one, d) for one in values]
    factors = [np.int32(factor) for factor in arithmetic.decay_factors(d)]
    decay = arithmetic.prepare_decay.py_func(*factors)
    way = arithmetic.decay_towards_zero if decay.wide else arithmetic.decay_by_one_product
    assert decayed(x, d).tolist() == way.py_func(x, decay).tolist() == wanted


@given(st.lists(strategies.REGISTERS, min_size=16, max_size=16), st.integers(0, 4096))
def test_decay_is_odd(values, d):
    assert (decayed(sixteen(values), d) == -decayed(-sixteen(values), d)).all()


def test_factors_are_the_kept_share():
    for d in range(4097):
        multiplier, shift = arithmetic.decay_factors(d)
        assert multiplier << (12 - shift) == 4096 - d
        assert 1 <= shift <= 12


@given(
    st.lists(
        st.integers(-(1 << 31), (1 << 31) - 1) | strategies.REGISTERS, min_size=16, max_size=16
    )
)
def test_saturate_naive_is_py_func_is_compiled(values):
    x, out = np.array(values, np.int64).astype(np.int32), np.zeros(16, np.int32)
    saturate_all(x, out)
    wanted = [naive.clamp(one) for one in values]
    assert out.tolist() == arithmetic.saturate.py_func(x).tolist() == wanted


@pytest.mark.parametrize("edge", [limits.STATE_MAX, limits.STATE_MAX + 1, 1 << 30])
def test_registers_stop_at_their_edge(edge):
    out = np.zeros(16, np.int32)
    saturate_all(sixteen([edge, -edge]), out)
    assert set(out.tolist()) == {limits.STATE_MAX, -limits.STATE_MAX}
