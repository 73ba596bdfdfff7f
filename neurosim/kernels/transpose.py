"""How do the bits of 64 rows become 64 columns? Warren, "Hacker's Delight", section 7-3."""

from numba import int64, uint64

from neurosim.kernels.compilation import kernel


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
