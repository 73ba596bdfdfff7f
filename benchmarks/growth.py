"""Growth of the time of a generation with the sizes of the network and the population.

    python benchmarks/growth.py docs/pictures/growth.png [--rule fast] [--repeats N]

From 2312-128-10, ten steps, rank 1, 1,024 pairs on 8 of 512 samples each, one thing is varied at a time; or
from the recipe `fast`.
Processor seconds of one thread, the least of the repeats: other work on the machine then adds little.
"""

import argparse
import time

import numba
import numpy as np
from matplotlib.figure import Figure

from learning.recipes import RECIPES
from learning.settings import Settings
from neurosim.app.experiments.speed import WEIGHTS, Case, random_frames

BASES = {
    "rank 1": WEIGHTS.model_copy(update={"pairs": 1024}),
    "fast": RECIPES["fast"][1].model_copy(update={"shift": 0}),
}
VARIED: dict[str, tuple[str, list[int]]] = {
    "hidden neurons": ("hidden", [32, 64, 128, 256, 512, 1024, 2048]),
    "rank": ("rank", [1, 2, 4, 8, 16, 32]),
    "steps": ("steps", [5, 10, 20, 40, 80]),
    "pairs": ("pairs", [256, 512, 1024, 2048, 4096, 8192, 16384]),
    "samples of a pair": ("batch", [1, 2, 4, 8, 16]),
}
OF_EVENTS = ("hidden neurons", "steps")
COLOURS = {"share and evaluate": "#1b6ca8", "update": "#c8553d"}


def least(settings: Settings, repeats: int) -> dict[str, float]:
    """Processor seconds of the two parts of a generation."""
    samples = random_frames(steps=settings.steps)
    case = Case(settings, samples, time.thread_time)
    runs = [case.step() for _ in range(repeats + 1)][1:]
    return {part: min(run[part] for run in runs) for part in COLOURS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--rule", choices=list(BASES), default="rank 1")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    numba.set_num_threads(1)
    base = BASES[arguments.rule]
    varied = VARIED if arguments.rule == "rank 1" else {name: VARIED[name] for name in OF_EVENTS}
    figure = Figure(figsize=(2.4 * len(varied), 3.2), dpi=110, layout="constrained")
    for axes, (name, (field, values)) in zip(
        figure.subplots(1, len(varied), sharey=True), varied.items(), strict=True
    ):
        found = []
        for value in values:
            change = (value,) if field == "hidden" else value
            found.append(least(base.model_copy(update={field: change}), arguments.repeats))
        for part, colour in COLOURS.items():
            spent = np.array([1e3 * one[part] for one in found])
            slope = np.log(spent[-1] / spent[-3]) / np.log(values[-1] / values[-3])
            axes.loglog(values, spent, "o-", ms=3, color=colour, label=part)
            axes.annotate(
                f"{slope:.2f}",
                (values[-1], spent[-1]),
                (4, 1 if part == next(iter(COLOURS)) else -9),
                textcoords="offset points",
                fontsize=8,
                color=colour,
            )
            print(
                name,
                part,
                dict(zip(values, np.round(spent, 2).tolist(), strict=True)),
                f"{slope:.2f}",
            )
        axes.set_xlabel(name)
        names = [f"{value >> 10}k" if value >= 2048 else str(value) for value in values]
        axes.set_xticks(values, names, fontsize=7)
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.margins(x=0.15)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    first = figure.axes[0]
    first.set_ylabel("ms of one thread, a generation")
    first.legend(fontsize=8, frameon=False)
    figure.savefig(arguments.target, metadata={"Software": None})


if __name__ == "__main__":
    main()
