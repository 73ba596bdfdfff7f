"""What happened on the chip? Spikes of every part as a raster, membranes as traces, as a PNG."""

from collections.abc import Mapping
from io import BytesIO

import numpy as np
from numpy.typing import NDArray


def run_png(
    spikes: Mapping[str, NDArray],
    traces: Mapping[str, NDArray],
    title: str,
    thresholds: Mapping[str, int],
) -> bytes:
    """PNG of spikes (step, neuron) by name, and of traces (step,) by name; thresholds in units of v."""
    from matplotlib.figure import Figure

    kinds = list(dict.fromkeys(name.partition("[")[0] for name in traces))
    heights = [1.6] * len(spikes) + [2.0] * len(kinds)
    figure = Figure(figsize=(9, 1 + 0.9 * sum(heights)), dpi=110, layout="constrained")
    rows = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (name, fired) in zip(rows, spikes.items(), strict=False):
        steps, neurons = np.nonzero(fired)
        axes.plot(steps, neurons, "|", color="#1b6ca8", markersize=3)
        axes.set_ylabel(name)
        axes.set_ylim(-0.5, fired.shape[1] - 0.5)
        axes.set_xlim(-0.5, fired.shape[0] - 0.5)
    rows[0].set_title(title, loc="left")
    for axes, kind in zip(rows[len(spikes) :], kinds, strict=True):
        mine = {name: t for name, t in traces.items() if name.partition("[")[0] == kind}
        for i, (name, values) in enumerate(mine.items()):
            axes.plot(values, label=name, color=f"C{i % 10}", linewidth=1.2, drawstyle="steps-mid")
            if name in thresholds:
                axes.axhline(thresholds[name], color=f"C{i % 10}", linestyle=":", linewidth=0.8)
        axes.set_ylabel(kind)
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=6)
    rows[-1].set_xlabel("step of the chip")
    out = BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
