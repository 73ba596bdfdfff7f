"""Drawings of a run as SVG for any width of the page, legible on a phone."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurosim.app.figures import BLUE, RED, svg
from neurosim.app.report.facts import Health
from neurosim.chip.mapping import Placement
from neurosim.network import Conv2d

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from learning.config import Config
    from neurosim.network import Network, Weights

WIDTH = 5.0
"""Inches of 72 px: a phone shows them one to one."""


def learning(metrics: list[dict[str, Any]]) -> str:
    from neurosim.app.report.learning_picture import draw_learning_curve

    last = metrics[-1]
    alt = (
        f"Validation accuracy and fitness over {last['generation']} generations; "
        f"accuracy ends at {100 * last['validation_accuracy']:.1f} percent."
    )
    draw = lambda figure: draw_learning_curve(figure.subplots(), metrics)  # noqa: E731
    return svg(draw, (WIDTH, 3.0), "learning", alt)


def upkeep(metrics: list[dict[str, Any]]) -> str:
    """Spikes, dead neurons and weights at their edge over generations."""
    every = (
        ("spikes_per_sample", "spikes per\nsample"),
        ("dead_neurons", "dead\nneurons"),
        ("weights_at_edge", "weights\nat edge"),
    )
    rows = tuple(row for row in every if row[0] in metrics[0])
    by_layer = list(metrics[0].get("layer_rates", {}))
    generations = [line["generation"] for line in metrics]

    def draw(figure: "Figure") -> None:
        of_rows = figure.subplots(len(rows) + bool(by_layer), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (key, name) in zip(of_rows, rows, strict=False):
            values = [line[key] for line in metrics]
            axes.plot(generations, values, color=BLUE)
            axes.set_ylim(0, max(1.0, 1.1 * max(values)))
            plain(axes)
            axes.set_ylabel(name)
        for name in by_layer:
            spikes = [line["layer_rates"][name] / 10 for line in metrics]
            of_rows[-1].plot(generations, spikes, label=name)
        if by_layer:
            of_rows[-1].set_ylim(bottom=0)
            of_rows[-1].set_ylabel("spikes,\n% of steps")
            of_rows[-1].legend(frameon=False, fontsize=7, ncols=len(by_layer), handlelength=1)
            plain(of_rows[-1])
        of_rows[-1].set_xlabel("generation")

    alt = "Over generations: " + "; ".join(
        f"{key.replace('_', ' ')} from {metrics[0][key]:.6g} to {metrics[-1][key]:.6g}"
        for key, _ in rows
    )
    if by_layer:
        alt += "; spikes in percent of neurons and steps " + ", ".join(
            f"of {name} from {metrics[0]['layer_rates'][name] / 10:.1f} to "
            f"{metrics[-1]['layer_rates'][name] / 10:.1f}"
            for name in by_layer
        )
    return svg(draw, (WIDTH, 3.0 + bool(by_layer)), "upkeep", f"{alt}.")


CAPTION = 0.15
"""Inches of a line of text above a row of small pictures."""


def rows_of_pictures(figure: "Figure", rows: int, across: int) -> NDArray[Any]:
    """Axes (row, column) of small pictures, with room for a line of text above each row."""
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0, 0, 1, 1 - CAPTION / figure.get_figheight()))
    places = figure.subplots(rows, across, squeeze=False, gridspec_kw={"hspace": 0.5})
    for axes in places.ravel():
        axes.set_axis_off()
    return places


def caption_of_row(axes: "Axes", text: str) -> None:
    """A line above a row of small pictures, from the first one on."""
    line = axes.annotate(text, (0, 1.08), xycoords="axes fraction", fontsize=8)
    line.set_in_layout(False)


def plain(axes: "Axes") -> None:
    """No frame above and on the right."""
    axes.spines[["top", "right"]].set_visible(False)


def weights(network: "Network", found: "Weights") -> str:
    """A histogram of mantissas a matrix, called like its layer where that has one."""
    targets = [connection.target for connection, _ in network.parameters]
    named = {
        c.target if targets.count(c.target) == 1 else c.name: (c, matrix)
        for c, matrix in network.parameters
    }

    def draw(figure: "Figure") -> None:
        rows = figure.subplots(len(named), 1, squeeze=False, sharex=True)[:, 0]
        for axes, (name, (connection, _)), mantissas in zip(
            rows, named.items(), found.mantissas, strict=True
        ):
            low, high = connection.mantissa
            edges = np.linspace(low - 0.5, high + 0.5, min(high - low + 1, 64) + 1)
            axes.hist(mantissas.ravel(), edges, color=BLUE)
            axes.set_ylabel(f"{name}\nweights")
            plain(axes)
        rows[-1].set_xlabel("weight, LSB")

    alt = "Histograms of the weights: " + "; ".join(
        f"{name} mean {m.mean():.1f}, standard deviation {m.std():.1f}"
        for name, m in zip(named, found.mantissas, strict=True)
    )
    return svg(draw, (WIDTH, 0.6 + 1.2 * len(named)), "weights", f"{alt}.")


MAPS = (4, 8)
"""Rows and columns of weight maps, chosen here: as many as a phone shows."""


def weight_maps(config: "Config", found: "Weights") -> str | None:
    """Weights of some neurons of the first layer on the plane of the sensor; None where there is no plane."""
    sensor = config.about.sensor if config.about else None
    first = found.mantissas[0]
    if sensor is None or not sensor.plane or sensor.inputs != len(first):
        return None
    brighter = first.reshape(*sensor.shape, -1)[-1].astype(np.float64)  # row, column, neuron
    count = min(MAPS[0] * MAPS[1], brighter.shape[-1])
    order = np.argsort(-np.abs(brighter).sum(axis=(0, 1)), kind="stable")[:count]
    colours = np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in (RED, BLUE)])

    def draw(figure: "Figure") -> None:
        rows = -(-count // MAPS[1])
        places = figure.subplots(rows, MAPS[1], squeeze=False).ravel()
        for axes in places:
            axes.set_axis_off()
        for axes, neuron in zip(places, order, strict=False):
            values = brighter[..., neuron]
            strength = np.abs(values) / max(1.0, np.abs(values).max())
            picture = np.dstack([colours[(values > 0).astype(int)], strength])
            axes.imshow(picture, interpolation="none")
            axes.set_title(str(neuron), fontsize=8, pad=2)

    alt = f"Weights of {count} of {brighter.shape[-1]} neurons of the first layer on the sensor's plane."
    return svg(draw, (WIDTH, 0.78 * -(-count // MAPS[1])), "maps", alt)


KERNELS = (3, 12)
"""Source maps and target maps of a convolution that are drawn; chosen here, as for `MAPS`."""


def kernels(network: "Network", found: "Weights") -> str | None:
    """The kernels of convolutions: of the source maps with the largest weights; None where there are none."""
    convolutions = {
        connection: matrix.reshape(*connection.kind.pairs[0], -1, matrix.shape[1])
        for (connection, _), matrix in zip(network.parameters, found.mantissas, strict=True)
        if isinstance(connection.kind, Conv2d)
    }
    if not convolutions:
        return None
    rows = []
    for connection, matrix in convolutions.items():
        strength = np.abs(matrix.astype(np.int64)).sum(axis=(0, 1, 3))
        chosen = np.sort(np.argsort(-strength, kind="stable")[: KERNELS[0]])
        rows += [(connection, int(source), matrix[:, :, source]) for source in chosen]
    across = min(KERNELS[1], max(part.shape[2] for _, _, part in rows))

    def draw(figure: "Figure") -> None:
        places = rows_of_pictures(figure, len(rows), across)
        for axes_of_row, (connection, source, part) in zip(places, rows, strict=True):
            most = max(1, int(np.abs(convolutions[connection].astype(np.int64)).max()))
            for axes, k in zip(axes_of_row, range(part.shape[2]), strict=False):
                axes.imshow(part[:, :, k], cmap="RdBu", vmin=-most, vmax=most, interpolation="none")
            caption_of_row(
                axes_of_row[0],
                f"{connection.target}, from map {source} of {connection.source}; up to ±{most}",
            )

    alt = "Kernels of convolutions: " + "; ".join(
        f"{connection.name}, {matrix.shape[2]} x {matrix.shape[3]} of {matrix.shape[0]} x {matrix.shape[1]}"
        for connection, matrix in convolutions.items()
    )
    return svg(draw, (WIDTH, 0.72 * len(rows)), "kernels", f"{alt}.")


def rates(layers: list[Health]) -> str:
    """A histogram of firing rates a layer; neurons that never fire are red."""
    recorded = [layer for layer in layers if layer.rates is not None]

    def draw(figure: "Figure") -> None:
        rows = figure.subplots(len(recorded), 1, squeeze=False, sharex=True)[:, 0]
        for axes, layer in zip(rows, recorded, strict=True):
            assert layer.rates is not None
            axes.hist(layer.rates[layer.rates > 0], np.linspace(0, 1, 41), color=BLUE)
            if layer.dead:
                axes.bar(-0.0125, layer.dead, 0.025, color=RED)
            axes.set_ylabel(f"{layer.layer}\nneurons")
            plain(axes)
        rows[-1].set_xlabel("spikes per step, mean over the test samples (red: never)")

    alt = "Histograms of firing rates: " + "; ".join(
        f"{layer.layer} mean {layer.rates.mean():.3f} spikes per step, {layer.dead} dead"
        for layer in recorded
        if layer.rates is not None
    )
    return svg(draw, (WIDTH, 0.6 + 1.2 * max(len(recorded), 2)), "rates", f"{alt}.")


def mesh(placement: Placement) -> str:
    from neurosim.app.report.mesh_picture import draw_mesh

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        draw_mesh(axes, placement)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=4, frameon=False)

    alt = f"The mesh of cores: {len(placement.cores)} of {placement.limits.cores} are occupied."
    return svg(draw, (WIDTH, 3.0), "mesh", alt)


def comparison(rows: dict[str, list[dict[str, Any]]]) -> str:
    from neurosim.app.experiments.pictures import draw_accuracy

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        draw_accuracy(axes, rows)
        axes.set_xlabel("test accuracy, %")
        axes.tick_params(axis="y", labelsize=8)
        plain(axes)

    alt = "Test accuracy: " + "; ".join(
        f"{name} {100 * float(np.mean([r['accuracy'] for r in some])):.1f} percent"
        for name, some in rows.items()
    )
    return svg(draw, (WIDTH, 0.9 + 0.28 * len(rows)), "comparison", f"{alt}.")


def widths(swept: dict[str, list[list[float]]]) -> str:
    from neurosim.app.experiments.pictures import draw_bits

    def draw(figure: "Figure") -> None:
        axes = figure.subplots()
        draw_bits(axes, swept, "bits of the register")
        plain(axes)

    alt = f"Test accuracy over the bits of {', '.join(swept)}."
    return svg(draw, (WIDTH, 3.0), "widths", alt)
