"""Transposition of 64 x 64 bits. Warren, "Hacker's Delight", section 7-3."""

from numba import int64, uint64

from neurosim.kernels.compilation import kernel
from neurosim.kernels.simd import (
    WORDS,
    load_words,
    shift_words_left,
    shift_words_right,
    splat_words,
    store_words,
)


@kernel
def transpose_blocks(rows, at):
    """Turn 64 rows of eight words at `at` of a pointer: of each word, bit p of row b to bit b of row p."""
    width = int64(32)
    mask = uint64(0xFFFFFFFF)
    while width != 0:
        chosen, places = splat_words(mask), splat_words(uint64(width))
        for first in range(0, 64, 2 * width):
            for row in range(first, first + width):
                here, there = at + row * WORDS, at + (row + width) * WORDS
                upper, lower = load_words(rows, here), load_words(rows, there)
                swap = (shift_words_right(upper, places) ^ lower) & chosen
                store_words(rows, there, lower ^ swap)
                store_words(rows, here, upper ^ shift_words_left(swap, places))
        width >>= 1
        mask ^= mask << uint64(width)
