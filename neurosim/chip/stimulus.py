"""Stimulus: spikes for the inputs of a network, checked, and converted for the kernels.

Frames, 0/1 arrays   -> bits uint64 (sample, step, word), inputs one after another
other integers       -> graded int32 (sample, step, column): the value of each spike
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.frames import Frames
from neurosim.network import Input, Network, NetworkError

WORD = 64


class Stimulus(NamedTuple):
    """Spikes in the kernels' format; `valued` names the inputs whose spikes are in `graded`."""

    samples: int
    steps: int
    bits: NDArray[np.uint64]
    graded: NDArray[np.int32]
    valued: frozenset[str]


def read(network: Network, spikes: object) -> Stimulus:
    """Spikes for every input of `network`, checked."""
    given = _by_name(network, spikes)
    blocks = {part.name: _block(part, given[part.name]) for part in network.inputs}
    lengths = {name: block.shape[:2] for name, block in blocks.items()}
    if len(set(lengths.values())) != 1:
        raise NetworkError(f"inputs differ in (samples, steps): {lengths}; give all the same")
    samples, steps = next(iter(lengths.values()))
    valued = frozenset(name for name, block in blocks.items() if block.dtype == np.int32)
    packed = [b[:, :, : words(part.size)] for part, b in _parts(network, blocks, valued, False)]
    values = [b for _, b in _parts(network, blocks, valued, True)]
    if len(blocks) == 1 and not valued:
        packed = list(blocks.values())  # may have spare words: as it is, without a copy
    return Stimulus(
        samples,
        steps,
        _side_by_side(packed, samples, steps, np.uint64),
        _side_by_side(values, samples, steps, np.int32),
        valued,
    )


def _parts(
    network: Network, blocks: dict[str, NDArray], valued: frozenset[str], graded: bool
) -> list[tuple[Input, NDArray]]:
    return [(i, blocks[i.name]) for i in network.inputs if (i.name in valued) == graded]


def _by_name(network: Network, spikes: object) -> Mapping[str, object]:
    names = [part.name for part in network.inputs]
    if not names:
        raise NetworkError("the network has no input; give it one, of size 1, that stays silent")
    if not isinstance(spikes, Mapping):
        if len(names) > 1:
            raise NetworkError(f"the network has inputs {names}; give spikes by name of input")
        return {names[0]: spikes}
    if sorted(spikes) != sorted(names):
        raise NetworkError(f"spikes are given for {sorted(spikes)}; the inputs are {sorted(names)}")
    return spikes


def _block(part: Input, spikes: object) -> NDArray:
    if isinstance(spikes, Frames):
        return _frame_words(part, spikes)
    array = np.asarray(spikes)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[2] != part.size or array.dtype.kind not in "iub":
        raise NetworkError(
            f"input {part.name!r}: spikes are {array.dtype} {array.shape}; needed are integers or "
            f"bool (sample, step, {part.size})"
        )
    if array.shape[0] == 0 or array.shape[1] == 0:
        raise NetworkError(f"input {part.name!r}: spikes are {array.shape}; give at least one step")
    low, high = (0, 1) if array.dtype == bool else (int(array.min()), int(array.max()))
    if not -(1 << 31) <= low <= high < 1 << 31:
        raise NetworkError(
            f"input {part.name!r}: spike values reach from {low} to {high}; "
            f"allowed are 32 bits and sign"
        )
    if low < 0 or high > 1:
        return array.astype(np.int32)
    octets = np.packbits(array.astype(np.uint8, copy=False), axis=-1, bitorder="little")
    padded = np.zeros((*array.shape[:2], 8 * words(part.size)), np.uint8)
    padded[:, :, : octets.shape[2]] = octets
    return padded.view("<u8").astype(np.uint64, copy=False)


def words(inputs: int) -> int:
    """Words that hold `inputs` bits."""
    return -(-inputs // WORD)


def _frame_words(part: Input, frames: Frames) -> NDArray[np.uint64]:
    count = words(part.size)
    if frames.inputs != part.size or frames.bits.ndim != 3 or frames.bits.shape[2] < count:
        raise NetworkError(
            f"input {part.name!r}: frames have {frames.inputs} inputs in words {frames.bits.shape}; "
            f"needed are {part.size} inputs"
        )
    spare = count * WORD - part.size
    if (
        spare
        and frames.bits.size
        and (frames.bits[:, :, count - 1] >> np.uint64(WORD - spare)).any()
    ):
        raise NetworkError(f"input {part.name!r}: frames have spikes beyond input {part.size - 1}")
    return frames.bits


def _side_by_side(blocks: list[NDArray], samples: int, steps: int, dtype: type) -> NDArray:
    if len(blocks) == 1 and blocks[0].flags.c_contiguous and blocks[0].flags.writeable:
        return blocks[0]
    return np.concatenate([np.zeros((samples, steps, 0), dtype), *blocks], axis=2)
