"""Shift of frames by whole pixels, as an offset of all inputs.

    input (p, y, x) -> (p, y + dy, x + dx)      events that leave the sensor are lost

Inputs are numbered by rows of pixels, so the offset is one number of bits, dy * width + dx; a mask clears
bits that were shifted in from the neighbouring row or polarity.
"""

import numpy as np
from numba import int64, uint64

from neurosim.kernels.compilation import kernel
from neurosim.kernels.simd import pointer

WORD = np.int64(64)


@kernel
def move_frames(begin, end, bits_array, samples, offsets, masks_array, numbers, moved_array):
    """Write samples[i] of `bits`, shifted by offsets[i], to `moved`, for i in `begin` .. `end` - 1.

    bits, moved  uint64 (sample, step, word)
    samples, offsets, numbers  int64 (i,): sample, offset in inputs, and number of the mask
    masks        uint64 (number, word): valid inputs after the shift
    """
    bits, masks, moved = pointer(bits_array), pointer(masks_array), pointer(moved_array)
    _, steps, words = bits_array.shape
    for index in range(begin, end):
        whole = offsets[index] // WORD
        part = uint64(offsets[index] - whole * WORD)
        rest = (uint64(64) - part) & uint64(63)
        for t in range(steps):
            row = (samples[index] * steps + t) * words
            out = (index * steps + t) * words
            for word in range(words):
                source = int64(word) - whole
                value = uint64(0)
                if 0 <= source < words:
                    value = bits[row + source] << part
                if part != uint64(0) and 0 < source <= words:
                    value |= bits[row + source - 1] >> rest
                moved[out + word] = value & masks[numbers[index] * words + word]
