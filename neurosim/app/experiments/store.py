"""Which parts of long work are done? A folder with one small JSON file a part, kept with its recipe.

A part is done again where its recipe (the settings, the data's key, the version of the measure) is no
longer the one it was made with. Files appear whole or not at all, so that stopping anywhere is safe.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from neurosim.storage import write_atomically


class Store:
    """Finished parts in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, part: str) -> Path:
        return self.folder / f"{part}.json"

    def get(self, part: str, recipe: dict[str, Any]) -> Any:
        """The result of `part`, or None where it is not there or of another recipe."""
        try:
            kept = json.loads(self.path(part).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        wanted = json.loads(json.dumps(recipe))
        return kept.get("result") if kept.get("recipe") == wanted else None

    def made(self, part: str, recipe: dict[str, Any], make: Callable[[], Any]) -> Any:
        """The result of `part`, made now if need be."""
        found = self.get(part, recipe)
        if found is None:
            content = {"recipe": recipe, "result": make()}
            write_atomically(self.path(part), json.dumps(content, indent=1).encode())
            found = self.get(part, recipe)
        return found
