"""Data set `digits`: scikit-learn's 1,797 handwritten digits in front of the simulated camera."""

import gzip
import importlib.util
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.camera.camera import CAMERA
from neurosim.data.sets.base import Entry, Options
from neurosim.data.sets.images import SIMULATED, ArrayImages, simulated
from neurosim.data.source import SimulatedSource

IMAGE = CAMERA.field[0]
"""Rows and columns that the digits are enlarged to: those of MNIST."""
DIGITS_TEST_EVERY = 5
"""Every fifth of scikit-learn's 1,797 digits is a test image, 360 in all: chosen here. They come in the
order of their writers, so that a single cut would test on other writers than those of the training set."""


class Images(NamedTuple):
    """Images and labels of both parts: pixels[part], labels[part]."""

    pixels: dict[str, NDArray[np.uint8]]
    labels: dict[str, NDArray[np.uint16]]


def _upscaling() -> NDArray[np.int64]:
    """Linear interpolation from 8 to 28 pixels in tenths, 2.5 pixels to a cell: int64 (28, 8).

    Eight cells cover 20 pixels and leave 4 on each side, as MNIST's digits do in their frame.
    """
    weights = np.zeros((IMAGE, 8), np.int64)
    for pixel in range(IMAGE):
        cell, tenths = divmod(4 * pixel - 19, 10)
        for neighbour, weight in ((cell, 10 - tenths), (cell + 1, tenths)):
            if 0 <= neighbour < 8:
                weights[pixel, neighbour] += weight
    return weights


def enlarge(small: NDArray[np.integer]) -> NDArray[np.uint8]:
    """8 x 8 images of 0..16 as 28 x 28 of 0..255, with strokes as crisp as MNIST's.

    Interpolated values run to 1600; those under 400 become black, over 1200 white (chosen here, by
    eye: the middle half of the grey scale, so that the stroke keeps its width).
    """
    weights = _upscaling()
    smooth = np.einsum("pi,nij,qj->npq", weights, small.astype(np.int64), weights)
    return np.clip((smooth - 400) * 255 // 800, 0, 255).astype(np.uint8)


def _digits_table() -> NDArray[np.int64]:
    """Image and label a row, from scikit-learn's file: importing all of scikit-learn takes a second."""
    spec = importlib.util.find_spec("sklearn")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    for file in (Path(folder) / "datasets" / "data" / "digits.csv.gz" for folder in folders):
        if file.is_file():
            with gzip.open(file, "rt") as text:
                return np.loadtxt(text, np.int64, delimiter=",")
    from sklearn.datasets import load_digits

    data = load_digits()
    return np.column_stack([data.data, data.target]).astype(np.int64)


def digits() -> Images:
    """scikit-learn's handwritten digits (UCI optdigits), enlarged."""
    table = _digits_table()
    pixels, labels = enlarge(table[:, :-1].reshape(-1, 8, 8)), table[:, -1].astype(np.uint16)
    test = np.arange(len(labels)) % DIGITS_TEST_EVERY == 0
    return Images(
        {"train": pixels[~test], "test": pixels[test]},
        {"train": labels[~test], "test": labels[test]},
    )


def open_source(place: str, options: Options, folder: Path | None) -> SimulatedSource:
    """The digits in front of the camera."""
    found = digits()
    names = tuple(str(digit) for digit in range(10))
    return simulated(ArrayImages(found.pixels, found.labels, names), options)


ENTRY = Entry("digits", ("digits",), SIMULATED, open_source)
