"""Archives of downloads."""

import io
import random
import shutil
import sys
import tarfile
import types
import zipfile
from pathlib import Path
from typing import Any

import mutations

from fuzz_readers.damage import Attempt
from neurosim.data.sets import download
from neurosim.data.source import SourceError


def archive(folder: Path) -> Attempt:
    """An archive of a download: whole in its folder or not there, and nothing outside."""
    utils = types.SimpleNamespace(_urlretrieve=None, check_integrity=None, _ARCHIVE_EXTRACTORS={})
    sys.modules["tonic"] = types.SimpleNamespace(download_utils=utils)  # type: ignore[assignment]
    members = {f"Train/{n}/{n}.bin": bytes([n]) * 300 for n in range(5)}
    wholes = []
    for name, mode in (("a.zip", ""), ("a.tar", "w"), ("a.tar.gz", "w:gz"), ("a.tar.xz", "w:xz")):
        if mode:
            with tarfile.open(folder / name, mode) as made:  # type: ignore[call-overload]
                for path, data in members.items():
                    info = tarfile.TarInfo(path)
                    info.size = len(data)
                    made.addfile(info, io.BytesIO(data))
        else:
            with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_DEFLATED) as made:
                for path, data in members.items():
                    made.writestr(path, data)
        wholes.append((folder / name).read_bytes())
    given, place = folder / "given", folder / "deep" / "SET"

    def fetch(tonic: Any, work: Path) -> Path:
        download.unpack(given, work / "SET")
        return work / "SET"

    def attempt(numbers: random.Random) -> str:
        shutil.rmtree(place, ignore_errors=True)
        given.write_bytes(mutations.mutate(numbers.choice(wholes), numbers)[1])
        try:
            download.download("SET", place, fetch, "1 kB", "SET")
        except SourceError:
            outcome = "refused"
        else:
            outcome = "read"
        left = {path.name for path in place.parent.iterdir()} - {"SET"}
        outside = {path.name for path in folder.iterdir()} - {
            "given",
            "deep",
            "a.zip",
            "a.tar",
            "a.tar.gz",
            "a.tar.xz",
        }
        if left or outside or (outcome == "refused" and place.exists()):
            return f"WRONG: left {sorted(left | outside)[:3]}"
        return outcome

    return attempt


READERS = {"archive": archive}
