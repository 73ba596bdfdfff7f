"""Downloads of named data sets through tonic: checked by hash, unpacked in their folder, whole or absent.

tonic knows an MD5 of every archive. That tells a damaged download from a whole one, and not one that
somebody prepared: against that there is https alone, so that nothing is fetched without it.
"""

import contextlib
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from neurosim.data.source import SourceError
from neurosim.storage import work_folder

MOST_BYTES = 1 << 36
"""Bytes that an archive may unpack to. Chosen here: four times the largest of the data sets."""


def download(
    title: str, place: Path, fetch: Callable[[Any, Path], Path], size: str, needed: str
) -> Path:
    """`place`, made by fetch(tonic, work folder), which returns the folder that is to lie there.

    size, needed   space on disk, and what a person would unpack there, for the messages
    Raises SourceError; then nothing is left behind.
    """
    try:
        import tonic
    except ImportError as error:
        raise SourceError(
            f"{title} is not in {place.parent}, and tonic, which downloads it, is not installed: "
            f'pip install "neurosim-eggroll[nmnist]", or unpack {needed} there yourself'
        ) from error
    try:
        with work_folder(place) as work:
            inside = work / "new"
            inside.mkdir()
            with guarded(tonic):
                made = fetch(tonic, inside)
            os.replace(made, place)
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(
            f"downloading {title} into {place.parent} failed ({type(error).__name__}: {error}); "
            f"check the connection and the space ({size}), or unpack {needed} there yourself"
        ) from error
    return place


@contextlib.contextmanager
def guarded(tonic: Any) -> Iterator[None]:
    """Within it tonic fetches by https only, checks a hash of what it fetched, and unpacks by `unpack`."""
    utils = tonic.download_utils
    fetch, check = utils._urlretrieve, utils.check_integrity
    extractors = dict(utils._ARCHIVE_EXTRACTORS)

    def secure(url: str, *arguments: Any, **options: Any) -> Any:
        if not url.startswith("https://"):
            raise SourceError(f"{url} is not fetched: only https shows who sends it; try again")
        return fetch(url, *arguments, **options)

    def checked(path: str, md5: str | None = None) -> bool:
        return md5 is not None and bool(check(path, md5))

    utils._urlretrieve, utils.check_integrity = secure, checked
    for kind in extractors:
        utils._ARCHIVE_EXTRACTORS[kind] = lambda source, folder, packed: unpack(source, folder)
    try:
        yield
    finally:
        utils._urlretrieve, utils.check_integrity = fetch, check
        utils._ARCHIVE_EXTRACTORS.update(extractors)


def unpack(source: str | os.PathLike[str], folder: str | os.PathLike[str]) -> None:
    """Unpack a zip or tar archive; SourceError where a member would lie outside `folder` or is a link.

    At most MOST_BYTES are unpacked, whatever the archive announces.
    """
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                _check_members(
                    source, [(one.filename, one.file_size) for one in archive.infolist()]
                )
                if any(stat.S_ISLNK(one.external_attr >> 16) for one in archive.infolist()):
                    raise SourceError(f"{source} holds links; data sets have none")
                archive.extractall(folder)
            return
        with tarfile.open(source) as tar:
            members = tar.getmembers()
            _check_members(source, [(one.name, one.size) for one in members])
            if not all(one.isfile() or one.isdir() for one in members):
                raise SourceError(f"{source} holds links or devices; data sets have none")
            safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            tar.extractall(folder, members, **safe)  # type: ignore[arg-type]
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise SourceError(f"{source} cannot be unpacked ({error}); fetch it again") from error


def _check_members(source: object, members: Sequence[tuple[str, int]]) -> None:
    for name, _ in members:
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if not parts or parts[0] == "/" or ".." in parts or ":" in parts[0]:
            raise SourceError(
                f"{source}: member {name!r} would lie outside its folder; fetch it again"
            )
    total = sum(size for _, size in members)
    if total > MOST_BYTES:
        raise SourceError(f"{source} unpacks to {total:,} bytes; allowed are {MOST_BYTES:,}")


def unpack_inside(folder: Path, name: str) -> None:
    """Unpack the archive `name` wherever it lies in `folder`, where an archive held another one."""
    for found in folder.rglob(name):
        unpack(found, found.parent)
