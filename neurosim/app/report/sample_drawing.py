"""Drawing of one sample on the chip: sensor, spikes and membranes, step by step."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.app.figures import BLUE, RED, svg
from neurosim.app.report.drawings import WIDTH, caption_of_row, plain, rows_of_pictures
from neurosim.app.report.facts import Sample
from neurosim.app.report.run_picture import draw_raster
from neurosim.network.shapes import MAP

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neurosim.network import Network

TRACES = 3
"""Hidden neurons whose membranes are drawn: those that spike nearest to every third step, since neurons
that never or always spike show little. Chosen here."""
ACROSS, MOST_MAPS = 8, 16
"""Feature maps in a row, and of a layer; chosen here: what a phone shows."""
LOWEST = -3
"""Thresholds below 0 where a membrane leaves the picture: what is further down does not soon spike."""


def sample(network: "Network", one: Sample) -> str:
    """Sensor, spikes and membranes of one sample, over the same steps."""
    last = network.populations[network.output]
    hidden = [own for own in network.populations if own.name not in network.readouts]
    rasters = [
        name for name in one.spikes if name not in network.readouts or one.spikes[name].any()
    ]
    heights = [0.5, *[0.9] * len(rasters), *[1.1] * len(hidden), 1.2]

    def draw(figure: "Figure") -> None:
        rows = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        _sensor(rows[0], one.seen)
        for axes, name in zip(rows[1:], rasters, strict=False):
            draw_raster(axes, name, one.spikes[name])
            plain(axes)
        for axes, population in zip(rows[1 + len(rasters) :], hidden, strict=False):
            _hidden(axes, population, one)
        _output(rows[-1], one, one.membranes[last.name])
        rows[-1].set_xlabel("step")

    counts = ", ".join(f"{int((one.spikes[name] != 0).sum())} of {name}" for name in rasters)
    alt = (
        f"Sample {one.number}: what the sensor saw in each step; a raster of spikes ({counts}); "
        f"membranes of hidden neurons and of every class."
    )
    return svg(draw, (WIDTH, 1.1 * sum(heights) + 0.5), f"sample{one.number}", alt)


def feature_maps(network: "Network", one: Sample) -> str | None:
    """Spikes of each map of each hidden layer, added up over the steps; None where no layer is a map."""
    maps = {
        p.name: one.spikes[p.name].astype(np.int64).sum(axis=0).reshape(p.shape)
        for p in network.populations
        if len(p.shape) == MAP and p.name not in network.readouts
    }
    if not maps:
        return None
    rows = [
        (name, found[first : first + ACROSS])
        for name, found in maps.items()
        for first in range(0, min(len(found), MOST_MAPS), ACROSS)
    ]

    def draw(figure: "Figure") -> None:
        places = rows_of_pictures(figure, len(rows), ACROSS)
        for axes_of_row, (name, found) in zip(places, rows, strict=True):
            most = max(1, maps[name].max())
            for axes, one_map in zip(axes_of_row, found, strict=False):
                axes.imshow(one_map, cmap="Blues", vmin=0, vmax=most, interpolation="none")
            caption_of_row(axes_of_row[0], f"{name}, 0 to {most} spikes")

    alt = "Spikes of feature maps: " + "; ".join(
        f"{name}, {len(found)} maps of {found.shape[1]} x {found.shape[2]}, {int(found.sum())} spikes"
        for name, found in maps.items()
    )
    return svg(draw, (WIDTH, 0.85 * len(rows)), f"features{one.number}", f"{alt}.")


def _sensor(axes: "Axes", seen: NDArray[np.uint8]) -> None:
    """The frames side by side, each above its step: blue where brighter, red where darker."""
    from matplotlib.colors import to_rgb

    steps, polarities, height, width = seen.shape
    strip = np.zeros((height, steps * width, 4))
    for polarity, colour in enumerate((RED, BLUE)[:polarities]):
        events = np.concatenate(list(seen[:, polarity]), axis=1) > 0
        strip[events] = (*to_rgb(colour), 1)
    axes.imshow(strip, extent=(-0.5, steps - 0.5, 0, 1), aspect="auto", interpolation="none")
    axes.vlines(np.arange(1, steps) - 0.5, 0, 1, color="#808080", linewidth=0.3)
    axes.set_yticks([])
    axes.tick_params(bottom=False)
    axes.set_ylabel("sensor", rotation="horizontal", ha="right", va="center")


def _hidden(axes: "Axes", population: Any, one: Sample) -> None:
    """v of some neurons as a share of their thresholds; a spike is a mark on top."""
    fired = one.spikes[population.name] != 0
    distance = np.abs(3 * fired.sum(axis=0) - len(fired))
    edge = np.maximum(population.each("vth_mant") << 6, 1)
    for k, neuron in enumerate(np.argsort(distance, kind="stable")[:TRACES]):
        v = one.membranes[population.name][:, neuron] / edge[neuron]
        axes.plot(v, color=f"C{k}", linewidth=1.2, label=f"{neuron}", marker=".", markersize=3)
        steps = np.flatnonzero(fired[:, neuron])
        axes.plot(steps, np.full(len(steps), 1.15 + 0.12 * k), "v", color=f"C{k}", markersize=3)
    axes.axhline(1, color="#808080", linestyle=":", linewidth=0.8)
    axes.set_ylim(max(axes.get_ylim()[0], LOWEST), 1.3 + 0.12 * TRACES)
    axes.set_ylabel(f"{population.name}\nv/threshold")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, handlelength=1)
    plain(axes)


def _output(axes: "Axes", one: Sample, membranes: NDArray[np.int64]) -> None:
    """v of every class: the correct one blue, the predicted one red, the others grey."""
    classes = membranes.T / 1000
    named = {one.prediction: RED, one.label: BLUE}
    for k, v in enumerate(classes):
        if k not in named:
            axes.plot(v, color="#808080", linewidth=0.6)
    highest = max(named, key=lambda k: classes[k][-1])
    for k, colour in named.items():
        axes.plot(classes[k], color=colour, linewidth=2)
        axes.annotate(
            one.class_names[k],
            (1.02, classes[k][-1]),
            xycoords=("axes fraction", "data"),
            color=colour,
            va="bottom" if k == highest else "top",
        )
    axes.set_ylabel("output\nv, 10³")
    plain(axes)
