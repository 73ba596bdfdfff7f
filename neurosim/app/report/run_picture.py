"""Raster of spikes and traces of membranes of a run on the chip."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.app.figures import BLUE, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def draw_raster(axes: "Axes", name: str, fired: NDArray) -> None:
    """Spikes (step, neuron): a stroke each, all of them one line so that many stay a small picture."""
    steps, neurons = np.nonzero(fired)
    height = 0.4 + fired.shape[1] / 200
    x = np.stack([steps, steps, np.full(len(steps), np.nan)], axis=1)
    y = np.stack([neurons - height, neurons + height, np.full(len(steps), np.nan)], axis=1)
    axes.plot(x.ravel(), y.ravel(), color=BLUE, linewidth=1.5, solid_capstyle="butt")
    axes.set_ylabel(name)
    axes.set_ylim(-0.5, fired.shape[1] - 0.5)
    axes.set_xlim(-0.5, fired.shape[0] - 0.5)


def run_png(
    spikes: Mapping[str, NDArray],
    traces: Mapping[str, NDArray],
    title: str,
    thresholds: Mapping[str, int],
) -> bytes:
    """PNG of spikes (step, neuron) by name, and of traces (step,) by name; thresholds in units of v."""
    kinds = list(dict.fromkeys(name.partition("[")[0] for name in traces))
    heights = [1.6] * len(spikes) + [2.0] * len(kinds)

    def draw(figure: Any) -> None:
        rows = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[
            :, 0
        ]
        for axes, (name, fired) in zip(rows, spikes.items(), strict=False):
            draw_raster(axes, name, fired)
        rows[0].set_title(title, loc="left")
        for axes, kind in zip(rows[len(spikes) :], kinds, strict=True):
            mine = {name: t for name, t in traces.items() if name.partition("[")[0] == kind}
            for i, (name, values) in enumerate(mine.items()):
                colour = f"C{i % 10}"
                axes.plot(values, label=name, color=colour, linewidth=1.2, drawstyle="steps-mid")
                if name in thresholds:
                    axes.axhline(thresholds[name], color=colour, linestyle=":", linewidth=0.8)
            axes.set_ylabel(kind)
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=6)
        rows[-1].set_xlabel("step of the chip")

    return png(draw, (9, 1 + 0.9 * sum(heights)), 110)
