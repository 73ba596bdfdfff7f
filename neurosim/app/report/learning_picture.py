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


def draw_learning_curve(accuracy: "Axes", metrics: Sequence[dict[str, Any]]) -> None:
    """Validation accuracy and, on an axis of its own, fitness over generations."""
    generations = [line["generation"] for line in metrics]
    values = [100 * line["validation_accuracy"] for line in metrics]
    accuracy.plot(generations, values, color=BLUE, linewidth=2)
    accuracy.set_xlabel("generation")
    accuracy.set_ylabel("validation accuracy, %", color=BLUE)
    accuracy.set_ylim(0, 100)
    accuracy.grid(alpha=0.25)
    if values:
        accuracy.annotate(
            f"{values[-1]:.1f} %",
            (generations[-1], values[-1]),
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
