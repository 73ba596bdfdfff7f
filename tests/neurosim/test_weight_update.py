"""Steps of the weights: exact on average over the random bits that round them."""

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from neurosim.kernels import transpose
from neurosim.kernels.compilation import kernel
from neurosim.kernels.generator import BIAS_ROUNDING, ROUNDING, Field
from neurosim.kernels.rules import weight_update
from neurosim.kernels.simd import pointer


@kernel
def transpose_all(rows, at):
    transpose.transpose_blocks(pointer(rows), at)


ONE = 1 << weight_update.RATE_BITS
WIDE = (-(1 << 40), 1 << 40)


@pytest.mark.parametrize(
    ("state", "direction", "rate", "decay"),
    [
        (0, 1, ONE // 3 & ~0xFFFF, 0),
        (0, -1, ONE // 3 & ~0xFFFF, 0),
        (-100, 7, ONE // 5 & ~0xFFFF, ONE // 100 & ~0xFFFF),
        (1000, 0, 0, ONE // 256),
        (50, 3, 1 << 16, 0),
        (50, 12345, 3 << 30, 1 << 16),
    ],
)
def test_rounding_is_right_on_average(state, direction, rate, decay):
    """Every one of the 65,536 random numbers once: their mean is the exact step."""
    total = sum(
        weight_update.move(state, direction, rate, decay, random, *WIDE) - state
        for random in range(1 << weight_update.RANDOM_BITS)
    )
    assert total << 16 == direction * rate - state * decay


@given(
    st.integers(-(1 << 15), 1 << 15),
    st.integers(-(1 << 20), 1 << 20),
    st.integers(0, 1 << 40),
    st.integers(0, ONE),
    st.integers(0, 0xFFFF),
    st.integers(0, 1 << 15),
)
def test_move_naive_is_py_func_is_compiled(state, direction, rate, decay, random, high):
    arguments = state, direction, rate, decay, random, -high - 1, high
    wanted = naive.move(*arguments)
    assert weight_update.move(*arguments) == weight_update.move.py_func(*arguments) == wanted
    assert -high - 1 <= wanted <= high


@given(st.integers(-128, 127), st.integers(0, 0xFFFF))
def test_nothing_rounds_to_nothing(state, random):
    assert weight_update.move(state, 0, 3 << 30, 0, random, -128, 127) == state


@given(st.integers(-128, 127), st.integers(1, 1 << 20), st.integers(0, 0xFFFF))
def test_weights_stop_at_the_register_edge(state, direction, random):
    assert weight_update.move(state, direction, 300 * ONE, 0, random, -128, 127) == 127
    assert weight_update.move(state, -direction, 300 * ONE, 0, random, -128, 127) == -128


def test_synapses_at_their_edge_are_counted():
    for way in (weight_update.move_synapses, weight_update.move_synapses.py_func):
        state = np.zeros((5, 3), np.int16)
        direction = np.zeros((5, 16), np.int32)
        direction[1, 0], direction[4, 2], direction[2, 1] = 1, -1, 1
        state[0, 0] = 127  # was there before
        random = np.zeros(4, np.uint64)
        field = Field(ROUNDING, 0, 0, 0, np.uint64(1))
        step = weight_update.Move(999 * ONE, 0, -128, 127)
        counted = way(0, 5, field, direction, step, random, state)
        assert counted == 4
        assert state[1].tolist() == [127, 0, 0]
        assert state[4].tolist() == [0, 0, -128]


SUMS = st.integers(-(1 << 20), 1 << 20) | st.integers(1 - (1 << 31), (1 << 31) - 1)


@given(
    st.lists(SUMS, min_size=16, max_size=16),
    st.lists(SUMS, min_size=16, max_size=16),
    st.integers(1, 6),
)
def test_momentum_naive_is_py_func_is_compiled(old, sum, bits):
    wanted = [naive.momentum(a, b, bits) for a, b in zip(old, sum, strict=True)]
    for way in (weight_update.gather_momentum, weight_update.gather_momentum.py_func):
        kept = np.array([old], np.int32)
        way(0, 1, kept, bits, np.array([sum], np.int32))
        assert kept[0].tolist() == wanted


@given(st.lists(st.integers(0, (1 << 64) - 1), min_size=64, max_size=64), st.sampled_from([0, 64]))
def test_transposed_bits_are_what_they_should_be(rows, at):
    blocks = np.array([5] * 8 * at + [row ^ k for row in rows for k in range(8)], np.uint64)
    transpose_all(blocks, 8 * at)
    assert blocks[: 8 * at].tolist() == [5] * 8 * at
    for k in range(8):
        columns = [
            sum(((row ^ k) >> bit & 1) << p for p, row in enumerate(rows)) for bit in range(64)
        ]
        assert blocks[8 * at + k :: 8].tolist() == columns


@given(st.integers(1, 40), st.integers(0, 3), st.integers(0, 1 << 20), strategies.SEEDS)
def test_biases_move_naive_is_py_func_is_compiled(neurons, layer, generation, seed):
    numbers = np.random.default_rng(neurons)
    direction = numbers.integers(-900, 900, neurons).astype(np.int32)
    before = numbers.integers(-4096 << 8, 4095 << 8, neurons).astype(np.int32)
    rate, decay, low, high = 3 << 30, 1 << 24, -4096 << 8, (4095 << 8) + 127
    wanted = [
        naive.move(
            int(before[k]),
            int(direction[k]),
            rate,
            decay,
            naive.rounding(naive.BIAS_ROUNDING, layer, generation, seed, k),
            low,
            high,
        )
        for k in range(neurons)
    ]
    for way in (weight_update.move_biases, weight_update.move_biases.py_func):
        state = before.copy()
        random = np.zeros(-(-neurons // 8) * 2, np.uint64)
        field = Field(BIAS_ROUNDING, layer, 0, generation, np.uint64(seed))
        step = weight_update.Move(rate, decay, low, high)
        edges = way(field, direction, step, random, state)
        assert state.tolist() == wanted
        assert edges == sum(one in (low, high) for one in wanted)
