"""Store of finished parts of long work: a folder with one small JSON file per part, kept with its recipe.

A part is done again where its recipe (the settings, the data's key, the version of the measure) is no
longer the one it was made with, or where its file does not agree with the hash it holds. Files appear
whole or not at all, so that stopping anywhere is safe. One process at a time makes parts in a store.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from neurosim.storage import JsonError, StorageError, sealed, unsealed, write_atomically


class StoreError(ValueError):
    """A store that cannot be used. The message names the folder and what to do."""


Tell = Callable[[float, str], None]
"""Called as tell(done, line) while long work goes on; without a line only `done` has changed, which may be
a fraction: part of the part under way."""


class Store:
    """Finished parts in `folder`; `with store:` keeps other processes from making parts there.

    within  called by a part that is being made with its share that is done, 0 to 1
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.within: Callable[[float], None] = lambda share: None
        self._lock = FileLock(folder / ".lock")

    def __enter__(self) -> "Store":
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise StoreError(
                f"{self.folder} is in use by another process; wait for it, or give --out another folder"
            ) from error
        except OSError as error:
            raise StorageError(
                error.errno, f"cannot write {self.folder}: {error.strerror or error}"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def path(self, part: str) -> Path:
        """File of a part."""
        return self.folder / f"{part}.json"

    def get(self, part: str, recipe: dict[str, Any]) -> Any:
        """The result of `part`, or None where it is not there, damaged, or of another recipe."""
        try:
            kept = unsealed(self.path(part).read_bytes())
        except (FileNotFoundError, JsonError):
            return None
        wanted = json.loads(json.dumps(recipe))
        return kept.get("result") if kept.get("recipe") == wanted else None

    def made(self, part: str, recipe: dict[str, Any], make: Callable[[], Any]) -> Any:
        """The result of `part`, made now if need be."""
        found = self.get(part, recipe)
        if found is None:
            with self:
                content = {"recipe": recipe, "result": make()}
                write_atomically(self.path(part), sealed(content))
            found = self.get(part, recipe)
        return found
