"""Grey images from arrays and files, for all usual dtypes, value ranges and colour layouts.

    grey = (299 R + 587 G + 114 B + 500) // 1000        luma of ITU-R BT.601, in integers

Values are mapped to 0 (black) .. 255 (white) by one rule for all parts, which is reported.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.source import SourceError

if TYPE_CHECKING:
    from PIL import Image

LUMA = np.array([299, 587, 114], np.int32)
LUMA_NOTE = "colours become grey by luma, (299 R + 587 G + 114 B) / 1000"
_BLOCK_BYTES = 1 << 24
"""Bytes of images converted at a time, chosen here: temporaries take some ten times as much."""
_DEPTHS = (255, 1023, 4095, 16383, 65535)
"""Largest values of 8, 10, 12, 14 and 16 bits."""
SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")
)
LONGEST = 4096
"""Pixels of the longest side: what the camera takes."""


def luma(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey uint8 (...,) of red, green and blue, uint8 (..., 3)."""
    return ((colours.astype(np.int32) @ LUMA + 500) // 1000).astype(np.uint8)


def _axes(array: NDArray[Any], where: str) -> tuple[NDArray[Any], str | None]:
    """(image, height, width, channel) of any usual layout, and what was done."""
    if array.ndim == 2 and array.shape[1] > 3:
        side = round(array.shape[1] ** 0.5)
        if side * side == array.shape[1]:
            note = f"rows of {array.shape[1]} values are {side} x {side} images"
            return array.reshape(len(array), side, side, 1), note
    if array.ndim == 3:
        return array[..., None], None
    if array.ndim == 4 and array.shape[3] in (1, 3, 4):
        return array, None
    if array.ndim == 4 and array.shape[1] in (1, 3, 4):
        return np.moveaxis(array, 1, 3), "channels come before rows and columns"
    raise SourceError(
        f"{where} is {array.dtype} {array.shape}; needed is (image, height, width), with 1, 3 or 4 "
        f"channels as a fourth axis"
    )


def _range(arrays: Mapping[str, NDArray[Any]], where: str) -> tuple[float, float]:
    low, high = np.inf, -np.inf
    for name, array in arrays.items():
        if array.dtype.kind not in "buif":
            raise SourceError(
                f"{where}: {name} is {array.dtype}; needed are integers, or floats in 0..1 or 0..255"
            )
        if array.size:
            smallest, largest = array.min(), array.max()
            if not np.isfinite([float(smallest), float(largest)]).all():
                raise SourceError(f"{where}: {name} holds values that are not finite")
            low, high = min(low, float(smallest)), max(high, float(largest))
    return low, high


def _white(arrays: Mapping[str, NDArray[Any]], where: str) -> tuple[int, str]:
    """The value of white, and the rule as text."""
    low, high = _range(arrays, where)
    kinds = {array.dtype.kind for array in arrays.values()}
    allowed = "allowed are integers from 0 to 65,535, or floats in 0..1 or 0..255"
    if low < 0:
        raise SourceError(f"{where}: pixels reach from {low:g} to {high:g}; {allowed}: scale them")
    if high <= 1:
        what = "floats" if "f" in kinds else "integers" if kinds - {"b"} else "booleans"
        return 1, f"{what} 0..1 become grey 0..255" + (", rounded" if "f" in kinds else "")
    if "f" in kinds:
        if high > 255:
            raise SourceError(f"{where}: pixels reach to {high:g}; {allowed}: scale them")
        return 255, f"floats 0..255 (largest {high:g}) are grey 0..255, rounded"
    white = next((depth for depth in _DEPTHS if high <= depth), None)
    if white is None:
        raise SourceError(f"{where}: pixels reach to {high:g}; {allowed}: scale them")
    dark = (
        ""
        if high > white // 4
        else f"; the largest is only {high:g}, so they are dark: scale them?"
    )
    return white, f"integers 0..{white} become grey 0..255{dark}" if white > 255 or dark else ""


def _scaled(block: NDArray[Any], white: int) -> NDArray[np.uint8]:
    if block.dtype.kind == "f":
        factor = 255 if white == 1 else 1
        return np.floor(block.astype(np.float64) * factor + 0.5).astype(np.uint8)
    if white == 255:
        return block.astype(np.uint8)
    return ((block.astype(np.int64) * 255 + white // 2) // white).astype(np.uint8)


def greys(
    arrays: Mapping[str, NDArray[Any]], where: str
) -> tuple[dict[str, NDArray[np.uint8]], list[str]]:
    """Each array as uint8 (image, height, width), and the rules that were used. Raises SourceError."""
    laid, notes = {}, []
    for name, array in arrays.items():
        laid[name], note = _axes(array, f"{where}: {name}")
        sides = laid[name].shape[1:3]
        if not all(1 <= side <= LONGEST for side in sides):
            raise SourceError(
                f"{where}: {name} holds images of {sides[1]} x {sides[0]} pixels; "
                f"allowed are 1..{LONGEST} a side"
            )
        notes += [note] if note else []
    white, rule = _white(laid, where)
    notes += [rule] if rule else []
    if any(array.shape[3] > 1 for array in laid.values()):
        notes.append(LUMA_NOTE)
    if any(array.shape[3] == 4 for array in laid.values()):
        notes.append("the fourth channel (transparency) is left out")
    made = {name: _grey(array, white) for name, array in laid.items()}
    return made, list(dict.fromkeys(notes))


def _grey(array: NDArray[Any], white: int) -> NDArray[np.uint8]:
    if array.dtype == np.uint8 and white == 255 and array.shape[3] == 1:
        return np.ascontiguousarray(array[..., 0])
    made = np.empty(array.shape[:3], np.uint8)
    block = max(1, _BLOCK_BYTES // max(1, array[:1].nbytes))
    for begin in range(0, len(array), block):
        scaled = _scaled(array[begin : begin + block, ..., :3], white)
        part = luma(scaled) if scaled.shape[3] == 3 else scaled[..., 0]
        made[begin : begin + block] = part
    return made


@contextmanager
def _opened(path: Path) -> Iterator["Image.Image"]:
    """An image file by Pillow, whose readers of damaged files raise errors of many kinds."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            if not all(1 <= side <= LONGEST for side in image.size):
                raise SourceError(
                    f"{path}: {image.size[0]} x {image.size[1]} pixels; allowed are 1..{LONGEST} a side"
                )
            yield image
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(
            f"{path}: not a readable image ({_first_line(error)}); fetch it again, or remove it"
        ) from error


def probe_file(path: Path) -> str:
    """The kind of an image file ("L", "RGB", ... as Pillow calls it) from its header alone."""
    with _opened(path) as image:
        return image.mode


def read_file(path: Path) -> NDArray[np.uint8]:
    """An image file as uint8 (height, width), turned as its EXIF tag says."""
    from PIL import ImageOps

    with _opened(path) as opened:
        image = ImageOps.exif_transpose(opened)
        if image.mode == "1":
            image = image.convert("L")
        if image.mode.startswith("I"):
            wide = np.asarray(image).astype(np.int64)
            return _scaled(np.clip(wide, 0, 65535), 65535)
        if image.mode in ("L", "LA"):
            return np.ascontiguousarray(np.asarray(image.getchannel("L")))
        return luma(np.asarray(image.convert("RGB")))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
