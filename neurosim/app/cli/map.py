"""`neurosim map`: cores, memory and routes of a trained network."""

import json
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import BaseModel, ConfigDict


class Map(BaseModel):
    """Show the cores, memory and routes of a run's network, and draw the occupied mesh."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: tyro.conf.Positional[Path]
    """run folder"""
    picture: Path | None = None
    """where to draw the mesh; by default mesh.png in the run folder"""
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False
    """print one JSON object, and nothing else"""


def run(arguments: Map) -> int:
    from learning.record import read_config
    from neurosim.app.report.mesh_picture import mesh_png
    from neurosim.chip.mapping import place
    from neurosim.storage import write_atomically

    placement = place(read_config(arguments.folder).network())
    path = arguments.picture or arguments.folder / "mesh.png"
    write_atomically(path, mesh_png(placement))
    if arguments.as_json:
        cores = [core._asdict() for core in placement.cores]
        links = [{"from": a, "to": b, "sources": n} for (a, b), n in placement.links.items()]
        print(json.dumps({"cores": cores, "links": links, "picture": str(path)}))
    else:
        _show(placement)
        print(f"the mesh is drawn in {path}")
    return 0


def _show(placement) -> None:  # type: ignore[no-untyped-def]
    from neurosim.app.cli.texts import aligned, plain

    limits = placement.limits
    print(
        f"{len(placement.cores)} of {limits.cores} cores; of each core: {limits.synapse_bits // 8192} KB of "
        f"synapse memory,\n{limits.axons_in:,} axons in, {limits.axons_out:,} axons out\n"
    )
    rows = [("core", "tile", "population", "neurons", "synapses", "axons in", "axons out")]
    for number, core in enumerate(placement.cores):
        used = core.used
        rows.append(
            (
                str(number),
                f"({core.column}, {core.row})",
                plain(core.population),
                f"{core.first}..{core.last - 1}",
                f"{used['synapse_bits'] / 8192:.1f} KB "
                f"({100 * used['synapse_bits'] / limits.synapse_bits:.0f} %)",
                f"{used['axons_in']:,}",
                f"{used['axons_out']:,}",
            )
        )
    print(aligned(rows, left=(2,)))
    print("\nroutes: first along the row, then along the column")
    routes = [("from", "to", "sources", "hops east-west", "hops north-south")]
    for (start, end), sources in placement.links.items():
        at = (0, 0) if start < 0 else (placement.cores[start].column, placement.cores[start].row)
        to = placement.cores[end]
        routes.append(
            (
                "outside" if start < 0 else f"core {start}",
                f"core {end}",
                f"{sources:,}",
                str(abs(to.column - at[0])),
                str(abs(to.row - at[1])),
            )
        )
    print(aligned(routes))
