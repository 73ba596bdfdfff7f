"""Downloads of named data sets through tonic: under their name only when complete."""

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neurosim.data.source import SourceError


def download(
    title: str, place: Path, fetch: Callable[[Any, Path], Path], size: str, needed: str
) -> Path:
    """`place`, made by fetch(tonic, work folder), which returns the folder that is to lie there.

    size, needed   room on disk, and what a person would unpack there, for the messages
    Raises SourceError; then nothing is left behind.
    """
    try:
        import tonic
    except ImportError as error:
        raise SourceError(
            f"{title} is not in {place.parent}, and tonic, which downloads it, is not installed: "
            f'pip install "neurosim-eggroll[nmnist]", or unpack {needed} there yourself'
        ) from error
    place.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{place.name.lower()}-", dir=place.parent))
    try:
        os.replace(fetch(tonic, work), place)
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(
            f"downloading {title} into {place.parent} failed ({type(error).__name__}: {error}); "
            f"check the connection and the space ({size}), or unpack {needed} there yourself"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return place


def unpack_inside(folder: Path, name: str) -> None:
    """Unpack the archive `name` wherever it lies in `folder`, where an archive held another one."""
    for found in folder.rglob(name):
        with zipfile.ZipFile(found) as archive:
            archive.extractall(found.parent)
