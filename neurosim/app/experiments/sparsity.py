"""Spikes of networks trained by evolution and by gradients, at equal validation accuracy.

Spikes are compared during training, at the highest validation accuracy that both methods reach, since a more
accurate network may need more spikes.
"""

from typing import Any

import numpy as np

from neurosim.app.experiments import paper
from neurosim.app.experiments.tables import markdown, spread

Grouped = dict[str, list[paper.Result]]


def metrics_of(curve: list[dict[str, Any]], accuracy: float) -> dict[str, Any]:
    """The first validation that reaches `accuracy`, or the last one."""
    return next((e for e in curve if e["validation_accuracy"] >= accuracy), curve[-1])


def spikes_at(curve: list[dict[str, Any]], accuracy: float) -> float:
    """Hidden spikes per sample at that validation."""
    return float(metrics_of(curve, accuracy)["spikes_per_sample"])


def common_accuracy(methods: Grouped) -> float:
    """The highest validation accuracy that every training in `methods` reached."""
    return min(
        max(entry["validation_accuracy"] for entry in r["curve"])
        for some in methods.values()
        for r in some
    )


def answer(methods: Grouped) -> list[str]:
    """Paragraphs: the results as a table, their meaning, and their limits."""
    grown = {name: some for name, some in methods.items() if name.startswith("EGGROLL")}
    trained = {
        name: some for name, some in methods.items() if name in (paper.BPTT, paper.SAME_START)
    }
    if not grown or not trained:
        return ["Not enough trainings yet."]
    level = common_accuracy({**grown, **trained})
    rows = []
    for name, some in {**grown, **trained}.items():
        looks = [metrics_of(r["curve"], level) for r in some]
        rows.append(
            [
                name,
                spread([validate["spikes_per_sample"] for validate in looks], ".0f"),
                spread([100 * validate["validation_accuracy"] for validate in looks], ".1f"),
                spread([r["spikes_per_sample"] for r in some], ".0f"),
                spread([100 * r["test_accuracy"] for r in some], ".2f"),
            ]
        )
    header = [
        "method",
        f"hidden spikes per sample, first validation at {100 * level:.1f} % or more",
        "validation acc. % there",
        "spikes at the end",
        "test acc. %",
    ]
    return [
        markdown(header, rows),
        *(verdict(grown, some, name, level) for name, some in trained.items()),
        LIMITS,
    ]


LIMITS = (
    "Limits: BPTT and evolution scale the same scores differently before the softmax, "
    "and that scale alone moved BPTT from 76 to 246 hidden spikes per sample at the same accuracy "
    "(docs/notes/hostref.md). Learning rates, too, were chosen for accuracy, not made equal. So a difference "
    "here is one between these settings; it is not shown to be one between the ways of training."
)
NEAR = 0.05
"""Excess of a validation accuracy over the common one that still counts as equal; chosen here."""


def verdict(grown: Grouped, some: list[paper.Result], name: str, level: float) -> str:
    """Result over seeds: a difference for each seed, the mean over ranks, since ranks share seeds."""
    looks = {r["seed"]: metrics_of(r["curve"], level) for r in some}
    if min(validate["validation_accuracy"] for validate in looks.values()) > level + NEAR:
        return (
            f"Against {name}: no comparison at equal accuracy, since its first validation is already more "
            f"than {100 * NEAR:.0f} points above the {100 * level:.1f} % that all reach."
        )
    differences = []
    for seed, validate in looks.items():
        evolved = [
            spikes_at(r["curve"], level) for m in grown.values() for r in m if r["seed"] == seed
        ]
        if evolved:
            differences.append(float(np.mean(evolved)) - validate["spikes_per_sample"])
    return f"Against {name}: {difference_text(differences)}"


def difference_text(differences: list[float]) -> str:
    """Differences of single seeds in words; three seeds are the least to speak of a spread."""
    if not differences:
        return "no seed was trained both ways."
    which = "more" if np.mean(differences) > 0 else "fewer"
    text = (
        f"EGGROLL's networks send {abs(float(np.mean(differences))):.0f} {which} hidden spikes a "
    )
    text += f"sample (each seed: {', '.join(f'{d:+.0f}' for d in differences)})"
    if len(differences) < 3:
        return f"{text}; {len(differences)} seed(s) give a direction, and too few to give a spread."
    error = float(np.std(differences, ddof=1) / np.sqrt(len(differences)))
    clear = "more" if abs(float(np.mean(differences))) > 3 * error else "less"
    return f"{text}, {clear} than three standard errors of the mean over seeds ({error:.0f})."


def plot(axes: Any, methods: Grouped) -> None:
    """Spikes over accuracy along each training."""
    shown = [n for n in methods if n.startswith("EGGROLL") or n in (paper.BPTT, paper.SAME_START)]
    for index, name in enumerate(shown):
        for k, result in enumerate(methods[name]):
            axes.plot(
                [100 * entry["validation_accuracy"] for entry in result["curve"]],
                [entry["spikes_per_sample"] for entry in result["curve"]],
                ".-",
                color=f"C{index}",
                linewidth=0.8,
                label=name if k == 0 else None,
            )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("validation accuracy, %")
    axes.set_ylabel("hidden spikes per sample")
    axes.legend(fontsize="small")
