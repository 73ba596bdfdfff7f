"""SIMD lanes: sixteen neurons at once as one by one, compiled and not."""

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import int32

from neurosim.kernels import simd
from neurosim.kernels.compilation import kernel

INT32 = st.integers(-(1 << 31), (1 << 31) - 1)
NEURONS = st.lists(INT32, min_size=16, max_size=16).map(lambda x: np.array(x, np.int32))
WIDTH = simd.WIDTH
WORDS = st.lists(st.integers(0, (1 << 64) - 1), min_size=8, max_size=8).map(
    lambda x: np.array(x, np.uint64)
)
SHIFTS = st.lists(st.integers(0, 31), min_size=16, max_size=16).map(lambda x: np.array(x, np.int32))


@kernel
def arithmetic(a, b, shifts, out):
    """Every operator of neurons, one a row of out."""
    to = simd.pointer(out)
    x, y = simd.load(simd.pointer(a), 0), simd.load(simd.pointer(b), 0)
    by = simd.load(simd.pointer(shifts), 0)
    simd.store(to, 0, x + y)
    simd.store(to, 16, x - y)
    simd.store(to, 32, x * y)
    simd.store(to, 48, x & y)
    simd.store(to, 64, x | y)
    simd.store(to, 80, x ^ y)
    simd.store(to, 96, simd.select(x > y, x, y))
    simd.store(to, 112, simd.select(x != y, x, y))
    simd.store(to, 128, simd.shift_right(x, by))
    simd.store(to, 144, simd.splat(int32(-7)))
    simd.store(to, 160, simd.shift_right_unsigned(x, by))


@kernel
def bits_of(a, b):
    x, y = simd.load(simd.pointer(a), 0), simd.load(simd.pointer(b), 0)
    return simd.spike_bits(x > y), simd.spike_bits(x != y)


@kernel
def load_from(a, at, out):
    simd.store(simd.pointer(out), 0, simd.load(simd.pointer(a), at))


@kernel
def count_words(a, b, at):
    x = simd.load_words(simd.pointer(a), at)
    y = simd.load_words(simd.pointer(b), at)
    both = simd.total(simd.popcounts(x & y))
    either = simd.total(simd.popcounts(x | y))
    one = simd.total(simd.popcounts(x ^ y))
    return (
        both,
        either,
        one,
        simd.total(simd.popcounts(x + y)),
        simd.total(simd.popcounts(x - y)),
    )


@kernel
def count_one(word):
    return simd.popcount(word), simd.trailing_zeros(word)


@kernel
def write_halves(words, place, value):
    simd.pointer_to_halves(words)[place] = value


def wrapped(x):
    """The int32 that holds the low 32 bits."""
    return (x + (1 << 31)) % (1 << 32) - (1 << 31)


@given(NEURONS, NEURONS, SHIFTS)
def test_operators_naive_is_py_func_is_compiled(a, b, shifts):
    pairs = list(zip(a.tolist(), b.tolist(), shifts.tolist(), strict=True))
    wanted = [
        [wrapped(x + y) for x, y, _ in pairs],
        [wrapped(x - y) for x, y, _ in pairs],
        [wrapped(x * y) for x, y, _ in pairs],
        [x & y for x, y, _ in pairs],
        [x | y for x, y, _ in pairs],
        [x ^ y for x, y, _ in pairs],
        [max(x, y) for x, y, _ in pairs],
        [x if x != y else y for x, y, _ in pairs],
        [x >> by for x, _, by in pairs],
        [-7] * 16,
        [wrapped(x % (1 << 32) >> by) for x, _, by in pairs],
    ]
    for way in (arithmetic, arithmetic.py_func):
        out = np.zeros((11, 16), np.int32)
        way(a, b, shifts, out)
        assert out.tolist() == wanted


@given(NEURONS, NEURONS)
def test_bit_k_of_spikes_is_lane_k(a, b):
    b = np.where(np.arange(16) % 3 == 0, a, b)
    more = sum(int(x > y) << k for k, (x, y) in enumerate(zip(a, b, strict=True)))
    unequal = sum(int(x != y) << k for k, (x, y) in enumerate(zip(a, b, strict=True)))
    for way in (bits_of, bits_of.py_func):
        assert tuple(map(int, way(a, b))) == (more, unequal)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
@pytest.mark.parametrize("at", [0, 1, 16, 17])
def test_loads_keep_the_sign_at_any_place(dtype, at):
    info = np.iinfo(dtype)
    a = np.random.default_rng(0).integers(info.min, info.max, 40, dtype, endpoint=True)
    for way in (load_from, load_from.py_func):
        out = np.zeros(16, np.int32)
        way(a, at, out)
        assert out.tolist() == a[at : at + 16].tolist()


@given(WORDS, WORDS)
def test_ones_are_counted(a, b):
    def ones(operation):
        pairs = zip(a.tolist(), b.tolist(), strict=True)
        return sum((operation(x, y) % (1 << 64)).bit_count() for x, y in pairs)

    wanted = (
        ones(int.__and__),
        ones(int.__or__),
        ones(int.__xor__),
        ones(int.__add__),
        ones(int.__sub__),
    )
    for way in (count_words, count_words.py_func):
        assert tuple(map(int, way(a, b, 0))) == wanted


@given(st.integers(0, (1 << 64) - 1) | st.sampled_from([0, 1, 1 << 63, (1 << 64) - 1]))
def test_one_word_is_counted(word):
    zeros = next((bit for bit in range(64) if word >> bit & 1), 64)
    for way in (count_one, count_one.py_func):
        assert way(np.uint64(word)) == (bin(word).count("1"), zeros)


@pytest.mark.parametrize("place", range(8))
def test_halves_lie_in_words_from_the_lowest_bits_up(place):
    for way in (write_halves, write_halves.py_func):
        words = np.zeros(2, np.uint64)
        way(words, place, np.uint16(0xBEEF))
        number = sum(int(word) << 64 * index for index, word in enumerate(words))
        assert number == 0xBEEF << 16 * place


@kernel
def word_operations(a, b, shifts, most, out):
    """Every operator of words alone, one a row of out; the last two rows interleave."""
    to = simd.pointer(out)
    x, y = simd.load_words(simd.pointer(a), 0), simd.load_words(simd.pointer(b), 0)
    by = simd.load_words(simd.pointer(shifts), 0)
    simd.store_words(to, 0, simd.shift_words_left(x, by))
    simd.store_words(to, 8, simd.shift_words_right(x, by))
    simd.store_words(to, 16, x * y)
    simd.store_words(to, 24, simd.splat_words(b[0]) + simd.word_index())
    simd.store_interleaved(simd.pointer(to), 32, x, y, most)


@kernel
def short_operations(a, b, twins, wide):
    x, y = simd.load_shorts(simd.pointer(a), 1), simd.load_shorts(simd.pointer(b), 0)
    simd.store(simd.pointer(wide), 0, simd.widen(x + y))
    simd.store(simd.pointer(wide), 16, simd.widen(simd.no_shorts() - y))
    x, y = simd.load_twins(simd.pointer(a), 1), simd.load_twins(simd.pointer(b), 0)
    simd.store_twins(simd.pointer(twins), 0, x + y)
    simd.store_twins(simd.pointer(twins), 32, simd.no_twins() - y)
    simd.store(simd.pointer(wide), 32, simd.widen_first(x))
    simd.store(simd.pointer(wide), 48, simd.widen_second(x))
    return simd.greatest(simd.widen_second(x))


@kernel
def bits_of_word(word):
    return simd.bit_length(word), simd.without_lowest(word)


@given(WORDS, WORDS, st.lists(st.integers(0, 63), min_size=8, max_size=8), st.integers(0, 20))
def test_word_operators_naive_is_py_func_is_compiled(a, b, shifts, most):
    low = (1 << 64) - 1
    x, y = a.tolist(), b.tolist()
    wanted = [
        [one << by & low for one, by in zip(x, shifts, strict=True)],
        [one >> by for one, by in zip(x, shifts, strict=True)],
        [one * other & low for one, other in zip(x, y, strict=True)],
        [y[0] + place & low for place in range(8)],
    ]
    mixed = [one for both in zip(x, y, strict=True) for one in both][:most]
    mixed += [0] * (16 - len(mixed))
    for way in (word_operations, word_operations.py_func):
        out = np.zeros((6, 8), np.uint64)
        way(a, b, np.array(shifts, np.uint64), most, out)
        assert out[:4].tolist() == wanted
        assert out[4:].reshape(-1).tolist() == mixed


SHORTS = st.lists(st.integers(-(1 << 14), (1 << 14) - 1), min_size=33, max_size=33)


@given(SHORTS, SHORTS)
def test_shorts_naive_is_py_func_is_compiled(a, b):
    sums = [x + y for x, y in zip(a[1:], b[:32], strict=True)]
    less = [-y for y in b[:32]]
    for way in (short_operations, short_operations.py_func):
        twins, wide = np.zeros(64, np.int16), np.zeros(64, np.int32)
        most = way(np.array(a, np.int16), np.array(b, np.int16), twins, wide)
        assert most == max(a[17:])
        assert wide[:32].tolist() == sums[:16] + less[:16]
        assert wide[32:].tolist() == a[1:]
        assert twins.tolist() == sums + less


@kernel
def look_up(tables, places, out, lanes):
    """Thirty-two places in a table, in two tables, and in two by other bits; and sixteen places of int32."""
    t, to = simd.pointer(tables), simd.pointer(out)
    first, second = simd.load_twins(t, 0), simd.load_twins(t, 32)
    where = simd.load_twins(simd.pointer(places), 0)
    simd.store_twins(to, 0, simd.look_up(first, where))
    simd.store_twins(to, 32, simd.look_up_in_two(first, second, where))
    high = simd.shift_twins_right(where, 10)
    simd.store_twins(to, 64, high)
    simd.store_twins(to, 96, simd.look_up_in_two(first, second, high))
    simd.store_twins(to, 128, simd.popcounts(where))
    wide = simd.permute(simd.load(t, 0), simd.load(simd.pointer(places), 0))
    simd.store(simd.pointer(lanes), 0, wide)


PLACES = st.lists(st.integers(0, (1 << 16) - 1), min_size=32, max_size=32)


@pytest.mark.parametrize("in_one", [simd.LOOKS_UP, False])
def test_look_ups_naive_is_py_func_is_compiled(in_one, monkeypatch):
    monkeypatch.setattr(simd, "LOOKS_UP", in_one)
    compiled = numba.njit(look_up.py_func)  # not kept: the other way has the same name

    @given(st.lists(st.integers(-(1 << 15), (1 << 15) - 1), min_size=64, max_size=64), PLACES)
    def is_table(tables, places):
        wanted = [
            [tables[place % 32] for place in places],
            [tables[place % 64] for place in places],
            [place >> 10 for place in places],
            [tables[place >> 10] for place in places],
            [place.bit_count() for place in places],
        ]
        for way in (compiled, look_up.py_func):
            out, lanes = np.zeros((5, 32), np.int16), np.zeros(16, np.int32)
            way(np.array(tables, np.int16), np.array(places, np.uint16), out, lanes)
            assert out.tolist() == wanted
            assert lanes.tolist() == [tables[place % 16] for place in places[:16]]

    is_table()


@kernel
def alternate(wide, narrow, first, number, bits):
    simd.store_alternating(simd.pointer(wide), 1, first, number, number ^ -1)
    simd.store_alternating(simd.pointer(narrow), 1, first, bits, bits ^ 1)


@given(st.integers(0, 15), st.integers(0, 65535), st.integers(-(1 << 31), (1 << 31) - 1))
def test_alternating_lanes_begin_at_the_given_place(half, bits, number):
    before, times = [9] * (1 + 2 * half), 16 - half
    for way in (alternate, alternate.py_func):
        wide, narrow = np.full(34, 9, np.int32), np.full(34, 9, np.uint16)
        way(wide, narrow, 2 * half, number, bits)
        assert wide.tolist() == [*before, *[number, number ^ -1] * times, 9]
        assert narrow.tolist() == [*before, *[bits, bits ^ 1] * times, 9]


@kernel
def sum_of(numbers):
    return simd.total(simd.load(simd.pointer(numbers), 0))


@given(st.lists(st.integers(-(1 << 27), (1 << 27) - 1), min_size=16, max_size=16))
def test_neurons_are_summed(numbers):
    for way in (sum_of, sum_of.py_func):
        assert way(np.array(numbers, np.int32)) == sum(numbers)


@given(
    st.one_of(st.just(0), st.integers(0, (1 << 64) - 1), st.integers(0, 63).map(lambda x: 1 << x))
)
def test_lowest_and_highest_bits_of_a_word(word):
    for way in (bits_of_word, bits_of_word.py_func):
        length, rest = way(np.uint64(word))
        assert (int(length), int(rest)) == (word.bit_length(), word & (word - 1) if word else 0)


@given(st.integers(0, 300), st.sampled_from([np.int8, np.int16, np.int32, np.uint64]))
def test_zeros_begin_with_a_cache_line(size, kind):
    made = simd.zeros((size, 3), kind)
    assert made.ctypes.data % simd.LINE == 0 or made.size == 0
    assert made.shape == (size, 3)
    assert made.dtype == kind
    assert not made.any()


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from([np.int8, np.int32, np.uint64]))))
def test_zeros_together_lie_apart_at_cache_lines(parts):
    made = simd.zeros_together(*parts)
    for number, (one, (size, kind)) in enumerate(zip(made, parts, strict=True), 1):
        assert (one.shape, one.dtype) == ((size,), kind)
        assert one.ctypes.data % simd.LINE == 0 or size == 0
        assert not one.any()
        one[:] = number
    for number, one in enumerate(made, 1):
        assert (one == number).all()


def test_sums_of_64_bits_take_sixteen_numbers_with_their_sign():
    sums = np.full(WIDTH + 2, 1 << 40, np.int64)
    given = np.array([-(1 << 31), (1 << 31) - 1, -1, 0, *range(12)], np.int32)
    wanted = sums.copy()
    wanted[1 : WIDTH + 1] = 2 * given.astype(np.int64)

    @numba.njit
    def add(sums, given):
        to = simd.pointer(sums)
        value = simd.load(simd.pointer(given), 0)
        simd.store(to, 1, value)
        simd.add_wide(to, 1, value)

    for function in (add, add.py_func):
        found = sums.copy()
        function(found, given)
        assert found.tolist() == wanted.tolist()
