"""`neurosim cache`: list or clear cached frames, finished or not, extents of recordings and kernels."""

import json
from typing import Annotated, Any, Literal

import tyro
from pydantic import BaseModel, ConfigDict


class Cache(BaseModel):
    """List or clear cached data: frames of data sets, finished or not, extents of recordings, kernels.

    NEUROSIM_CACHE names another folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: tyro.conf.Positional[Literal["list", "clear"]] = "list"
    """list, or remove frames and extents"""
    kernels: bool = False
    """also clear compiled kernels; the next command compiles them again"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def run(arguments: Cache) -> int:
    from neurosim.data import cache
    from neurosim.storage import cache_root

    found: dict[str, Any] = {
        "folder": str(cache_root()),
        "frames": [
            {"key": one.folder.name, "bytes": one.size, **one.about} for one in cache.kept()
        ],
        "unfinished_bytes": cache.size_of(cache.unfinished()),
        "recordings_bytes": cache.size_of(cache_root() / "recordings"),
        "kernels_bytes": sum(cache.size_of(path) for path in cache.kernels()),
    }
    if arguments.what == "clear":
        found["freed_bytes"] = cache.clear(kernels_too=arguments.kernels)
    if arguments.as_json:
        print(json.dumps(found))
    elif arguments.what == "clear":
        print(f"{found['freed_bytes'] / 1e6:,.1f} MB removed from {found['folder']}")
    else:
        _show(found)
    return 0


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"frames in {found['folder']}")
    for head in ("data set", "seen as", "steps", "seed", "MB", "key"):
        table.add_column(head, justify="right" if head in ("steps", "seed", "MB") else "left")
    for one in found["frames"]:
        table.add_row(
            one.get("data", "of another version, or damaged"),
            one.get("sensor", ""),
            str(one.get("steps", "")),
            str(one.get("seed", "")),
            f"{one['bytes'] / 1e6:,.1f}",
            one["key"][:12],
        )
    Console().print(table)
    frames = sum(one["bytes"] for one in found["frames"])
    print(
        f"frames {frames / 1e6:,.1f} MB, of stopped readings {found['unfinished_bytes'] / 1e6:,.1f} MB,\n"
        f"extents of recordings {found['recordings_bytes'] / 1e6:,.1f} MB, "
        f"kernels {found['kernels_bytes'] / 1e6:,.1f} MB\n"
        f"`neurosim cache clear` removes frames, finished or not, and extents"
    )
