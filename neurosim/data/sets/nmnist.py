"""Where are N-MNIST's recordings, and which files are they?

    FOLDER/Train/<digit>/*.bin    FOLDER/Test/<digit>/*.bin

Orchard, Jayawant, Cohen, Thakor, "Converting static image datasets to spiking neuromorphic datasets
using saccades", Frontiers in Neuroscience 9:437, 2015 (CC BY-SA 4.0).
"""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PARTS = {"train": "Train", "test": "Test"}
DIGITS = tuple(str(digit) for digit in range(10))
RECORDINGS = {"train": 60_000, "test": 10_000}
"""Of the whole data set."""


class LayoutError(ValueError):
    """A folder that is not laid out as N-MNIST is. The message says what is missing."""


def data_root() -> Path:
    """Folder for downloads: `$NEUROSIM_DATA`, or the user's data folder."""
    chosen = os.environ.get("NEUROSIM_DATA")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "neurosim"


def files(folder: Path, part: str) -> tuple[list[Path], NDArray[np.uint8]]:
    """Recordings of "train" or "test" and their labels, ordered by file name, then digit.

    N-MNIST numbers its files in MNIST's order, so classes come mixed.
    """
    top = folder / PARTS[part]
    if not top.is_dir():
        raise LayoutError(
            f"{folder}: no folder {PARTS[part]!r} in it; needed are Train/0..9 and Test/0..9 with "
            f".bin files, as N-MNIST's two archives unpack"
        )
    others = sorted(
        child.name for child in top.iterdir() if child.is_dir() and child.name not in DIGITS
    )
    if others:
        raise LayoutError(
            f"{top}: folder {others[0]!r} is no digit; allowed are {', '.join(DIGITS)}"
        )
    found = sorted(
        (path.name, digit, path) for digit in DIGITS for path in (top / digit).glob("*.bin")
    )
    if not found:
        raise LayoutError(f"{top}: no recording; needed are files {PARTS[part]}/<digit>/*.bin")
    return [path for _, _, path in found], np.array([int(digit) for _, digit, _ in found], np.uint8)


def locate(folder: Path | None) -> Path:
    """The folder with Train and Test: `folder` or its NMNIST sub-folder, downloaded where missing."""
    root = Path(folder) if folder is not None else data_root()
    for place in (root, root / "NMNIST"):
        if all((place / name).is_dir() for name in PARTS.values()):
            return place
    return _download(root)


def _download(root: Path) -> Path:
    """Fetch both archives through tonic, and show them under their name only when complete."""
    try:
        import tonic
    except ImportError as error:
        raise LayoutError(
            f"N-MNIST is not in {root}, and tonic, which downloads it, is not installed: "
            f'pip install "neurosim-eggroll[nmnist]", or unpack Train and Test there yourself'
        ) from error
    root.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".nmnist-", dir=root))
    try:
        for train in (True, False):
            tonic.datasets.NMNIST(save_to=str(work), train=train)
        for part, expected in RECORDINGS.items():
            count = len(files(work / "NMNIST", part)[0])
            if count != expected:
                raise LayoutError(
                    f"the download has {count} recordings to {part}; {expected} are right: try again"
                )
        os.replace(work / "NMNIST", root / "NMNIST")
    except LayoutError:
        raise
    except Exception as error:
        raise LayoutError(
            f"downloading N-MNIST into {root} failed ({type(error).__name__}: {error}); "
            f"check the connection and the space (3 GB), or unpack Train and Test there yourself"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return root / "NMNIST"
