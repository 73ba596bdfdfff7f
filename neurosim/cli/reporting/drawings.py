"""How is what a run did drawn? SVG for a page of any width; text is legible from a phone's width on."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.cli.reporting.facts import Health, Sample
from neurosim.figures import BLUE, RED, svg
from neurosim.mapping import Placement
from neurosim.run_picture import draw_raster

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from neurosim.network import Network, Weights

WIDTH = 5.0
"""Inches of 72 px: a phone shows them one to one."""
TRACES = 3
"""Hidden neurons whose membranes are drawn: those that spike nearest to every third step, since neurons
that never or always spike show little. Chosen here."""
LOWEST = -3
"""Thresholds below 0 where a membrane leaves the picture: what is further down does not soon spike."""


def learning(metrics: list[dict[str, Any]]) -> str:
    from learning.picture import draw_learning_curve

    last = metrics[-1]
    alt = (
        f"Validation accuracy and fitness over {last['generation']} generations; "
        f"accuracy ends at {100 * last['validation_accuracy']:.1f} percent."
    )
    draw = lambda figure: draw_learning_curve(figure.subplots(), metrics)  # noqa: E731
    return svg(draw, (WIDTH, 3.0), "learning", alt)


def upkeep(metrics: list[dict[str, Any]]) -> str:
    """Spikes, dead neurons and weights at their edge over generations."""
    rows = (
        ("spikes_per_sample", "spikes\na sample"),
        ("dead_neurons", "dead\nneurons"),
        ("weights_at_edge", "weights\nat edge"),
    )
    generations = [line["generation"] for line in metrics]

    def draw(figure: "Figure") -> None:
        for axes, (key, name) in zip(figure.subplots(len(rows), 1, sharex=True), rows, strict=True):
            axes.plot(generations, [line[key] for line in metrics], color=BLUE)
            axes.set_ylim(bottom=0)
            _plain(axes)
            axes.set_ylabel(name)
        axes.set_xlabel("generation")

    alt = "Over generations: " + "; ".join(
        f"{key.replace('_', ' ')} from {metrics[0][key]:.6g} to {metrics[-1][key]:.6g}"
        for key, _ in rows
    )
    return svg(draw, (WIDTH, 3.0), "upkeep", f"{alt}.")


def sample(network: "Network", one: Sample) -> str:
    """Sensor, spikes and membranes of one sample, over the same steps."""
    hidden = network.populations[:-1]
    last = network.populations[-1]
    rasters = [name for name in one.spikes if name != last.name or one.spikes[name].any()]
    heights = [0.5, *[0.9] * len(rasters), *[1.1] * len(hidden), 1.2]

    def draw(figure: "Figure") -> None:
        rows = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        _sensor(rows[0], one.seen)
        for axes, name in zip(rows[1:], rasters, strict=False):
            draw_raster(axes, name, one.spikes[name])
            _plain(axes)
        for axes, population in zip(rows[1 + len(rasters) :], hidden, strict=False):
            _hidden(axes, population, one)
        _output(rows[-1], one, one.membranes[last.name])
        rows[-1].set_xlabel("step")

    counts = ", ".join(f"{int((s != 0).sum())} of {name}" for name, s in one.spikes.items())
    alt = (
        f"Sample {one.number}: what the sensor saw in each step; a raster of spikes ({counts}); "
        f"membranes of hidden neurons and of every class."
    )
    return svg(draw, (WIDTH, 1.1 * sum(heights) + 0.5), f"sample{one.number}", alt)


def _plain(axes: "Axes") -> None:
    axes.spines[["top", "right"]].set_visible(False)


def _sensor(axes: "Axes", seen: NDArray[np.uint8]) -> None:
    """The frames side by side, each above its step: blue where brighter, red where darker."""
    from matplotlib.colors import to_rgb

    steps, _, height, width = seen.shape
    strip = np.zeros((height, steps * width, 4))
    for colour, polarity in ((RED, 0), (BLUE, 1)):
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
    _plain(axes)


def _output(axes: "Axes", one: Sample, membranes: NDArray[np.int64]) -> None:
    """v of every class: the right one blue, the one it was taken for red, the others grey."""
    classes = membranes.T / 1000
    named = {one.prediction: RED, one.label: BLUE}
    for k, v in enumerate(classes):
        if k not in named:
            axes.plot(v, color="#808080", linewidth=0.6)
    highest = max(named, key=lambda k: classes[k][-1])
    for k, colour in named.items():
        axes.plot(classes[k], color=colour, linewidth=2)
        axes.annotate(
            str(k),
            (1.02, classes[k][-1]),
            xycoords=("axes fraction", "data"),
            color=colour,
            va="bottom" if k == highest else "top",
        )
    axes.set_ylabel("output\nv, 10³")
    _plain(axes)


def weights(network: "Network", found: "Weights") -> str:
    """A histogram of mantissas a layer."""

    def draw(figure: "Figure") -> None:
        rows = figure.subplots(len(network.layers), 1, squeeze=False, sharex=True)[:, 0]
        for axes, (connection, population), mantissas in zip(
            rows, network.layers, found.mantissas, strict=True
        ):
            low, high = connection.mantissa
            edges = np.linspace(low - 0.5, high + 0.5, min(high - low + 1, 64) + 1)
            axes.hist(mantissas.ravel(), edges, color=BLUE)
            axes.set_ylabel(f"{population.name}\nsynapses")
            _plain(axes)
        rows[-1].set_xlabel("weight, LSB")

    alt = "Histograms of the weights: " + "; ".join(
        f"{population.name} mean {m.mean():.1f}, standard deviation {m.std():.1f}"
        for (_, population), m in zip(network.layers, found.mantissas, strict=True)
    )
    return svg(draw, (WIDTH, 0.6 + 1.2 * len(network.layers)), "weights", f"{alt}.")


def rates(layers: list[Health]) -> str:
    """A histogram of firing rates a layer; neurons that never fire are red."""
    told = [layer for layer in layers if layer.rates is not None]

    def draw(figure: "Figure") -> None:
        rows = figure.subplots(len(told), 1, squeeze=False, sharex=True)[:, 0]
        for axes, layer in zip(rows, told, strict=True):
            assert layer.rates is not None
            axes.hist(layer.rates[layer.rates > 0], np.linspace(0, 1, 41), color=BLUE)
            if layer.dead:
                axes.bar(-0.0125, layer.dead, 0.025, color=RED)
            axes.set_ylabel(f"{layer.layer}\nneurons")
            _plain(axes)
        rows[-1].set_xlabel("spikes a step, mean over the test samples (red: never)")

    alt = "Histograms of firing rates: " + "; ".join(
        f"{layer.layer} mean {layer.rates.mean():.3f} spikes a step, {layer.dead} dead"
        for layer in told
        if layer.rates is not None
    )
    return svg(draw, (WIDTH, 0.6 + 1.2 * max(len(told), 2)), "rates", f"{alt}.")


def mesh(placement: Placement) -> str:
    from neurosim.mesh_picture import draw_mesh

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        draw_mesh(axes, placement)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=4, frameon=False)

    alt = f"The mesh of cores: {len(placement.cores)} of {placement.limits.cores} are occupied."
    return svg(draw, (WIDTH, 3.0), "mesh", alt)


def comparison(rows: dict[str, list[dict[str, Any]]]) -> str:
    from neurosim.cli.comparison.pictures import draw_accuracy

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        draw_accuracy(axes, rows)
        axes.set_xlabel("test accuracy, %")
        axes.tick_params(axis="y", labelsize=8)
        _plain(axes)

    alt = "Test accuracy: " + "; ".join(
        f"{name} {100 * float(np.mean([r['accuracy'] for r in some])):.1f} percent"
        for name, some in rows.items()
    )
    return svg(draw, (WIDTH, 0.9 + 0.28 * len(rows)), "comparison", f"{alt}.")


def widths(swept: dict[str, list[list[float]]]) -> str:
    from neurosim.cli.comparison.pictures import draw_widths

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        draw_widths(axes, swept)
        _plain(axes)

    alt = f"Test accuracy over the bits of {', '.join(swept)}."
    return svg(draw, (WIDTH, 3.0), "widths", alt)
