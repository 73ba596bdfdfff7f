"""Peak rates of the machine: loops with one kind of operation each.

Each loop has eight independent sums, so that none waits for another, and returns its result, so that the
compiler cannot remove it. population/roofline.py counts the operations.
"""

from numba import int32, int64, uint64

from neurosim.kernels.compilation import kernel
from neurosim.kernels.simd import (
    TWIN,
    WIDTH,
    WORDS,
    load,
    load_twins,
    load_words,
    no_twins,
    pointer,
    popcounts,
    shift_right,
    splat,
    splat_words,
    store,
    total,
    widen_first,
    widen_second,
)

APART = 8
"""Independent sums, or loads, per iteration of a loop."""


@kernel
def multiply_and_shift(turns, numbers_array):
    """Vectors x = ((x * m + a) >> 1) + b of int32 (16,): four operations each, APART of them per iteration.

    numbers  int32 (APART * 16,): where they start, and are written to
    """
    numbers = pointer(numbers_array)
    m, a, b, one = splat(int32(turns | 1)), splat(int32(7)), splat(int32(turns)), splat(int32(1))
    x_0, x_1 = load(numbers, 0), load(numbers, WIDTH)
    x_2, x_3 = load(numbers, 2 * WIDTH), load(numbers, 3 * WIDTH)
    x_4, x_5 = load(numbers, 4 * WIDTH), load(numbers, 5 * WIDTH)
    x_6, x_7 = load(numbers, 6 * WIDTH), load(numbers, 7 * WIDTH)
    for _ in range(turns):
        x_0, x_1 = shift_right(x_0 * m + a, one) + b, shift_right(x_1 * m + a, one) + b
        x_2, x_3 = shift_right(x_2 * m + a, one) + b, shift_right(x_3 * m + a, one) + b
        x_4, x_5 = shift_right(x_4 * m + a, one) + b, shift_right(x_5 * m + a, one) + b
        x_6, x_7 = shift_right(x_6 * m + a, one) + b, shift_right(x_7 * m + a, one) + b
    store(numbers, 0, x_0 + x_1 + x_2 + x_3 + x_4 + x_5 + x_6 + x_7)


@kernel
def add_shorts(turns, table_array, out_array):
    """Add vectors of int16 (32,) read from a table, APART per iteration; the table stays in the L1 cache.

    table  int16 (a multiple of APART * 32,); out  int32 (16,), written
    """
    table = pointer(table_array)
    size = int64(table_array.size)
    s_0, s_1, s_2, s_3 = no_twins(), no_twins(), no_twins(), no_twins()
    s_4, s_5, s_6, s_7 = no_twins(), no_twins(), no_twins(), no_twins()
    at = int64(0)
    for _ in range(turns):
        s_0, s_1 = s_0 + load_twins(table, at), s_1 + load_twins(table, at + TWIN)
        s_2 = s_2 + load_twins(table, at + 2 * TWIN)
        s_3 = s_3 + load_twins(table, at + 3 * TWIN)
        s_4 = s_4 + load_twins(table, at + 4 * TWIN)
        s_5 = s_5 + load_twins(table, at + 5 * TWIN)
        s_6 = s_6 + load_twins(table, at + 6 * TWIN)
        s_7 = s_7 + load_twins(table, at + 7 * TWIN)
        at += APART * TWIN
        if at == size:
            at = int64(0)
    sums = s_0 + s_1 + s_2 + s_3 + s_4 + s_5 + s_6 + s_7
    store(pointer(out_array), 0, widen_first(sums) + widen_second(sums))


@kernel
def count_common(turns, words_array, others_array):
    """Popcounts of the AND of two rows of words, `turns` times over.

    words, others  uint64 (a multiple of 2 * 8,), so short that they stay in the nearest cache
    """
    words, others = pointer(words_array), pointer(others_array)
    one, two = splat_words(uint64(0)), splat_words(uint64(0))
    for _ in range(turns):
        for at in range(0, words_array.size, 2 * WORDS):
            one = one + popcounts(load_words(words, at) & load_words(others, at))
            next_ = at + WORDS
            two = two + popcounts(load_words(words, next_) & load_words(others, next_))
        others[0] ^= uint64(1)  # so that no iteration repeats the previous one
    return total(one + two)


@kernel
def read_memory(begin, end, words_array):
    """Words `begin` .. `end` - 1 (whole lines) exclusive-ored: memory is read once, in order."""
    words = pointer(words_array)
    one, two = splat_words(uint64(0)), splat_words(uint64(0))
    for at in range(begin, end, 2 * WORDS):
        one = one ^ load_words(words, at)
        two = two ^ load_words(words, at + WORDS)
    return total(popcounts(one ^ two))
