"""What does a run look like? Its learning curve as a PNG."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any


def learning_curve(metrics: Sequence[dict[str, Any]], title: str) -> bytes:
    """PNG: validation accuracy and fitness over generations."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    accuracy = figure.subplots()
    generations = [line["generation"] for line in metrics]
    values = [100 * line["validation_accuracy"] for line in metrics]
    accuracy.plot(generations, values, color="#1b6ca8", linewidth=2)
    accuracy.set_xlabel("generation")
    accuracy.set_ylabel("validation accuracy, %", color="#1b6ca8")
    accuracy.set_ylim(0, 100)
    accuracy.grid(alpha=0.25)
    accuracy.set_title(title, loc="left")
    if values:
        accuracy.annotate(
            f"{values[-1]:.1f} %",
            (generations[-1], values[-1]),
            xytext=(-6, -16),
            textcoords="offset points",
            ha="right",
            color="#1b6ca8",
        )
    fitness = accuracy.twinx()
    fitness.plot(
        generations, [line["fitness_bits"] for line in metrics], color="#c8553d", linewidth=1
    )
    fitness.set_ylabel("fitness: mean log-likelihood, bits", color="#c8553d")
    for axes in (accuracy, fitness):
        axes.spines["top"].set_visible(False)
    out = BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
