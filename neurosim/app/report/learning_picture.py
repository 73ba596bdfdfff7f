"""Learning curve of a run as a picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from neurosim.app.figures import BLUE, RED, png

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def learning_curve(metrics: Sequence[dict[str, Any]], title: str) -> bytes:
    """PNG: validation accuracy and fitness over generations."""

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.set_title(title, loc="left")
        draw_learning_curve(axes, metrics)

    return png(draw, (8, 4.5), 120)


TICKS = (0, 50, 80, 90, 95, 98, 99, 99.5, 99.8, 99.9)
"""Accuracies on the axis, in percent."""


def draw_learning_curve(accuracy: "Axes", metrics: Sequence[dict[str, Any]]) -> None:
    """Validation accuracy and, on an axis of its own, fitness over generations.

    The accuracy's axis is logarithmic in the error: from 90 to 95 % is as far as from 98 to 99 %, which is
    one half of the errors in both cases. All right is drawn at the top.
    """
    generations = [line["generation"] for line in metrics]
    values = [100 * line["validation_accuracy"] for line in metrics]
    wrong = [100 - value for value in values]
    least = min([error for error in wrong if error > 0], default=1.0) / 2
    accuracy.plot(generations, [max(error, least) for error in wrong], color=BLUE, linewidth=2)
    accuracy.set_xlabel("generation")
    accuracy.set_ylabel("validation accuracy, %", color=BLUE)
    _scale_by_error(accuracy, max(wrong, default=100.0), least)
    accuracy.grid(alpha=0.25)
    if values:
        accuracy.annotate(
            f"{values[-1]:.1f} %",
            (generations[-1], max(wrong[-1], least)),
            xytext=(-6, -16),
            textcoords="offset points",
            ha="right",
            color=BLUE,
        )
    fitness = accuracy.twinx()
    fitness.plot(generations, [line["fitness_bits"] for line in metrics], color=RED, linewidth=1)
    fitness.set_ylabel("fitness: mean log-likelihood, bits", color=RED)
    for axes in (accuracy, fitness):
        axes.spines["top"].set_visible(False)


def _scale_by_error(axes: "Axes", most: float, least: float) -> None:
    """An axis of errors in percent, logarithmic and upside down, that is labelled with accuracies."""
    most = max(most, least)  # all samples right: an error of 0 has no place on this axis
    axes.set_yscale("log")
    axes.set_ylim(min(100.0, 1.3 * most), 0.8 * least)
    shown = [tick for tick in TICKS if 0.8 * least <= 100 - tick <= min(100.0, 1.3 * most)]
    axes.set_yticks([100 - tick for tick in shown], [f"{tick:g}" for tick in shown])
    axes.set_yticks([], minor=True)
