"""Picture of the occupied mesh: tiles of four cores, coloured by population."""

from typing import TYPE_CHECKING, Any

from neurosim import limits
from neurosim.app.figures import png
from neurosim.chip.mapping import Placement

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PITCH, SIDE = 1.25, 0.46
"""Distance of tiles, and side of a core, in units of the picture; chosen here."""


def corner(number: int, column: int, row: int) -> tuple[float, float]:
    """Lower left corner of a core: the four of a tile lie two by two."""
    within = number % limits.CORES_PER_TILE
    return column * PITCH + 0.5 * (within % 2), row * PITCH + 0.5 * (within // 2)


def mesh_png(placement: Placement) -> bytes:
    """PNG of the mesh, with what is shown as its title."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        draw_mesh(axes, placement)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)
        axes.set_title(
            f"{len(placement.cores)} of {placement.limits.cores} cores; "
            f"numbers: % of synaptic memory",
            loc="left",
        )

    return png(draw, (10, 5.6), 120)


def routes(placement: Placement) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Tiles that a spike goes from and to, of routes between two tiles."""
    links = {_tiles(placement, *link) for link in placement.links}
    return sorted((start, end) for start, end in links if start != end)


def draw_mesh(axes: "Axes", placement: Placement) -> None:
    """The fuller a core's synaptic memory (its number: percent), the darker; arrows are routes between
    tiles. The populations are there for a legend."""
    from matplotlib.patches import Rectangle

    for number in range(limits.MESH_COLUMNS * limits.MESH_ROWS * limits.CORES_PER_TILE):
        tile = number // limits.CORES_PER_TILE
        row, column = divmod(tile, limits.MESH_COLUMNS)
        x, y = corner(number, column, row)
        axes.add_patch(Rectangle((x, y), SIDE, SIDE, fc="none", ec="#a0a0a0", lw=0.5))
    names = list(dict.fromkeys(core.population for core in placement.cores))
    colours = {name: f"C{i % 10}" for i, name in enumerate(names)}
    for number, core in enumerate(placement.cores):
        x, y = corner(number, core.column, core.row)
        full = core.used["synapse_bits"] / placement.limits.synapse_bits
        colour = colours[core.population]
        axes.add_patch(Rectangle((x, y), SIDE, SIDE, fc=colour, alpha=0.25 + 0.75 * full))
        axes.text(x + SIDE / 2, y + SIDE / 2, f"{100 * full:.0f}", ha="center", va="center", size=8)
    for start, end in routes(placement):
        middle = (end[0], start[1])  # along the row first
        for a, b in ((start, middle), (middle, end)):
            if a != b:
                _arrow(axes, a, b)
    for i, name in enumerate(names):
        axes.plot([], [], "s", color=colours[name], label=name, zorder=-i)
    axes.set_xlim(-0.3, limits.MESH_COLUMNS * PITCH)
    axes.set_ylim(-0.3, limits.MESH_ROWS * PITCH)
    axes.set_aspect("equal")
    axes.axis("off")


def _tiles(placement: Placement, start: int, end: int) -> tuple[tuple[int, int], tuple[int, int]]:
    to = placement.cores[end]
    if start < 0:
        return (0, 0), (to.column, to.row)
    at = placement.cores[start]
    return (at.column, at.row), (to.column, to.row)


def _arrow(axes, a, b) -> None:  # type: ignore[no-untyped-def]
    axes.annotate(
        "",
        xy=(b[0] * PITCH + 0.48, b[1] * PITCH + 0.48),
        xytext=(a[0] * PITCH + 0.48, a[1] * PITCH + 0.48),
        arrowprops={"arrowstyle": "->", "color": "#808080", "lw": 1},
    )
