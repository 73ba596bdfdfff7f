"""Pictures of results with matplotlib: functions from rows to axes, and their files."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.app.figures import png
from neurosim.storage import write_atomically

Row = dict[str, Any]


def draw(path: Path, plot: Callable[[Any], None], size: tuple[float, float] = (6.4, 4.0)) -> None:
    """One picture: `plot` is given the axes."""

    def fill(figure: Any) -> None:
        axes = figure.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        plot(axes)

    write_atomically(path, png(fill, size, 120))


def draw_accuracy(axes: Any, rows: dict[str, list[Row]]) -> None:
    """A bar a method: blue on the chip, grey in float."""
    values = [[100 * row["accuracy"] for row in some] for some in rows.values()]
    axes.barh(
        list(rows),
        [float(np.mean(v)) for v in values],
        xerr=[float(np.std(v)) for v in values],
        color=["C0" if some[0]["where"] == "chip" else "C7" for some in rows.values()],
    )
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy, % (blue: integers on the chip, grey: float)")


def draw_spikes(axes: Any, rows: dict[str, list[Row]]) -> None:
    """Accuracy over hidden spikes per sample, a point a training."""
    for name, some in rows.items():
        axes.plot(
            [sum(row["spikes"][:-1]) for row in some],
            [100 * row["accuracy"] for row in some],
            "o",
            label=name,
        )
    axes.set_xlabel("hidden spikes per sample")
    axes.set_ylabel("test accuracy, %")
    axes.legend(fontsize="x-small")


def draw_bits(axes: Any, curves: Mapping[str, Sequence[Sequence[float]]], of: str) -> None:
    """Accuracy over bits: for each curve, points (bits, accuracy)."""
    for name, curve in curves.items():
        bits, accuracies = zip(*curve, strict=True)
        axes.plot(bits, [100 * a for a in accuracies], "o-", label=name)
    axes.set_xlabel(of)
    axes.set_ylabel("test accuracy, %")
    axes.legend(frameon=False)


def write_comparison(
    folder: Path, rows: dict[str, list[Row]], swept: dict[str, list[list[float]]]
) -> None:
    """accuracy.png, spikes.png and, where swept, widths.png."""
    height = 0.9 + 0.32 * len(rows)
    draw(folder / "accuracy.png", lambda axes: draw_accuracy(axes, rows), (7.0, height))
    draw(folder / "spikes.png", lambda axes: draw_spikes(axes, rows))
    if swept:
        draw(folder / "widths.png", lambda axes: draw_bits(axes, swept, "bits of the register"))
