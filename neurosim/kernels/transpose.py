"""How do the bits of 64 rows become 64 columns? Warren, "Hacker's Delight", section 7-3."""

from numba import int64, uint64

from neurosim.kernels.compilation import kernel
from neurosim.kernels.lanes import (
    WORDS,
    load_words,
    shift_words_left,
    shift_words_right,
    splat_words,
    store_words,
)


@kernel
def transpose_bits(rows, at):
    """Turn 64 words at `at` into 64 words: bit p of word b becomes bit b of word p."""
    width = uint64(32)
    mask = uint64(0xFFFFFFFF)
    while width != uint64(0):
        for row in range(64):
            if uint64(row) & width == uint64(0):
                here, there = at + row, at + row + int64(width)
                swap = ((rows[here] >> width) ^ rows[there]) & mask
                rows[there] ^= swap
                rows[here] ^= swap << width
        width >>= uint64(1)
        mask ^= mask << width


@kernel
def transpose_blocks(rows, at):
    """`transpose_bits` of eight blocks side by side: 64 rows of eight words at `at` of a pointer."""
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
