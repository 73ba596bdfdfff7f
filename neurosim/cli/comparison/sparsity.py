"""Do networks trained by evolution spike more sparsely than those trained by gradients?

Spikes are compared at equal validation accuracy (the highest that both reach), along the way of each
training, since a network that knows more may need to spike more.
"""

from typing import Any

import numpy as np

from neurosim.cli.comparison import paper
from neurosim.cli.comparison.tables import markdown, spread

Grouped = dict[str, list[paper.Result]]


def spikes_at(curve: list[dict[str, Any]], accuracy: float) -> float:
    """Hidden spikes a sample at the first look that reaches `accuracy`."""
    for entry in curve:
        if entry["validation_accuracy"] >= accuracy:
            return float(entry["spikes_per_sample"])
    return float("nan")


def common_accuracy(methods: Grouped) -> float:
    """The highest validation accuracy that every training in `methods` reached."""
    return min(
        max(entry["validation_accuracy"] for entry in r["curve"])
        for some in methods.values()
        for r in some
    )


def answer(methods: Grouped) -> list[str]:
    """Paragraphs: the evidence as a table, and what it says."""
    grown = {name: some for name, some in methods.items() if name.startswith("EGGROLL")}
    trained = {
        name: some for name, some in methods.items() if name in (paper.BPTT, paper.SAME_START)
    }
    if not grown or not trained:
        return ["Not enough trainings yet."]
    level = common_accuracy({**grown, **trained})
    spikes = {
        name: [spikes_at(r["curve"], level) for r in some]
        for name, some in {**grown, **trained}.items()
    }
    table = markdown(
        ["method", f"hidden spikes a sample at {100 * level:.1f} %", "at the end", "test acc. %"],
        [
            [
                name,
                spread(spikes[name], ".0f"),
                spread([r["spikes_per_sample"] for r in methods[name]], ".0f"),
                spread([100 * r["test_accuracy"] for r in methods[name]], ".2f"),
            ]
            for name in spikes
        ],
    )
    evolved = [value for name in grown for value in spikes[name]]
    return [
        table,
        *(verdict(evolved, values, name) for name, values in spikes.items() if name in trained),
    ]


def verdict(evolved: list[float], other: list[float], name: str) -> str:
    """One sentence: the difference, against twice its standard error where there are seeds enough."""
    difference = float(np.mean(evolved) - np.mean(other))
    share = 100 * difference / float(np.mean(other)) if np.mean(other) else float("nan")
    told = f"Against {name}: EGGROLL's networks spike {abs(share):.0f} % "
    told += "less" if difference < 0 else "more"
    if len(other) < 2:
        return told + " at equal accuracy; one seed says nothing about spread."
    error = np.sqrt(np.var(evolved, ddof=1) / len(evolved) + np.var(other, ddof=1) / len(other))
    clear = abs(difference) > 2 * error
    return told + (
        f" at equal accuracy, {'more' if clear else 'less'} than twice the standard error of the "
        f"difference ({error:.0f} spikes): {'a difference' if clear else 'no difference shown'}."
    )


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
    axes.set_ylabel("hidden spikes a sample")
    axes.legend(fontsize="small")
