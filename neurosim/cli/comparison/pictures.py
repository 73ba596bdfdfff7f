"""How do results look? Pictures with matplotlib, each a function from rows to a file."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.storage import write_atomically

Row = dict[str, Any]


def draw(path: Path, plot: Callable[[Any], None], size: tuple[float, float] = (6.4, 4.0)) -> None:
    """One picture: `plot` is given the axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    plot(axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    write_atomically(path, buffer.getvalue())


def write_comparison(
    folder: Path, rows: dict[str, list[Row]], swept: dict[str, list[list[float]]]
) -> None:
    """accuracy.png, spikes.png and, where swept, widths.png."""
    names = list(rows)

    def accuracy(axes: Any) -> None:
        values = [[100 * row["accuracy"] for row in rows[name]] for name in names]
        axes.barh(
            names,
            [float(np.mean(v)) for v in values],
            xerr=[float(np.std(v)) for v in values],
            color=["C0" if rows[name][0]["where"] == "chip" else "C7" for name in names],
        )
        axes.invert_yaxis()
        axes.set_xlabel("test accuracy, % (blue: integers on the chip, grey: float)")

    def spikes(axes: Any) -> None:
        for name in names:
            some = rows[name]
            axes.plot(
                [sum(row["spikes"][:-1]) for row in some],
                [100 * row["accuracy"] for row in some],
                "o",
                label=name,
            )
        axes.set_xlabel("hidden spikes a sample")
        axes.set_ylabel("test accuracy, %")
        axes.legend(fontsize="x-small")

    def widths(axes: Any) -> None:
        for register, curve in swept.items():
            bits, accuracies = zip(*curve, strict=True)
            axes.plot(bits, [100 * a for a in accuracies], "o-", label=register)
        axes.set_xlabel("bits of the register")
        axes.set_ylabel("test accuracy, %")
        axes.legend()

    draw(folder / "accuracy.png", accuracy, (7.0, 0.9 + 0.32 * len(names)))
    draw(folder / "spikes.png", spikes)
    if swept:
        draw(folder / "widths.png", widths)
