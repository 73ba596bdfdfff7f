"""Page on learning on a chip with faults: tables and pictures, from the results that are there."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.app.experiments import faults, work
from neurosim.app.experiments.faults import BPTT, BPTT_ON, LOADED, ON, SHARES, START, WAYS
from neurosim.app.experiments.pictures import draw
from neurosim.app.experiments.store import Tell
from neurosim.app.experiments.tables import markdown, spread, write
from neurosim.app.experiments.trainings import Part, Result
from neurosim.data.datasets import Dataset

Grouped = dict[str, list[Result]]
STYLES = {BPTT: "C7:", BPTT_ON: "C7-", LOADED: "C0:", ON: "C0-", START: "C1-"}
REPAIRED = {
    "stuck-weight-bits": "0.03",
    "silent": "0.4",
    "always-firing": "0.1",
    "lost-axons": "0.4",
    "threshold-mismatch": "0.4",
}
"""Shares whose repair is drawn, and those of faults that come during training."""


def plan(arguments: faults.FaultsExperiment, data: Dataset) -> list[Part]:
    """Every result, kept in the output folder."""
    return faults.plan(arguments, data, work.store_of(arguments.out))


def from_store(arguments: faults.FaultsExperiment, data: Dataset) -> tuple[Path, list[Result]]:
    """The page of the results that are there."""
    return work.kept(plan(arguments, data), partial(publish, arguments, data))


def run(arguments: faults.FaultsExperiment, data: Dataset, tell: Tell) -> tuple[Path, list[Result]]:
    """Do what is left; the page, and all results."""
    store, page = work.store_of(arguments.out), partial(publish, arguments, data)
    parts = faults.plan(arguments, data, store)
    return work.finished(store, parts, page, tell, work.AT_THE_END)


def grouped(results: list[Result]) -> Grouped:
    """Results of each method, over seeds."""
    found: Grouped = {}
    for result in results:
        found.setdefault(result["method"], []).append(result)
    return found


def publish(arguments: faults.FaultsExperiment, data: Dataset, results: list[Result]) -> Path:
    """Write page and pictures from what is there so far; the page's path."""
    methods = grouped(results)
    drawn = pictures(arguments.out, methods)
    page = arguments.out / "faults.md"
    write(page, "\n\n".join(_sections(arguments, data, methods, drawn)) + "\n")
    return page


def mean(results: list[Result]) -> float:
    """Mean test accuracy, in percent."""
    return 100 * float(np.mean([result["test_accuracy"] for result in results]))


def generations_to_repair(results: list[Result], sound: float) -> int | None:
    """Generations of learning on after which `REPAIRED_PART` of the loss is made good, by the mean curve.

    sound  accuracy on a sound chip; None where it is not reached, or nothing was lost
    """
    steps, accuracies = mean_curve(results)
    wanted = accuracies[0] + REPAIRED_PART * (sound - accuracies[0])
    if sound - accuracies[0] < LOST:
        return None
    reached = [int(step) for step, one in zip(steps, accuracies, strict=True) if one >= wanted]
    return reached[0] if reached else None


REPAIRED_PART = 0.9
LOST = 1.0
"""Percent of accuracy below which a loss is taken as chance: chosen here; one sample of 360 is 0.28."""


def mean_curve(results: list[Result]) -> tuple[list[float], list[float]]:
    """Generations, and mean accuracy in percent over the seeds."""
    curves = np.array([result["curve"] for result in results], np.float64)
    return curves[0, :, 0].tolist(), (100 * curves[:, :, 1].mean(axis=0)).tolist()


def _sections(
    arguments: faults.FaultsExperiment, data: Dataset, methods: Grouped, drawn: list[str]
) -> list[str]:
    settings = faults.settings_of(arguments, 0)
    paragraphs = [
        "# Learning on a chip with faults",
        f"    {work.command('faults', arguments)}",
        f"Data: {data.name} at half the resolution ({len(data.train.labels):,} training and "
        f"{len(data.test.labels):,} test samples, {data.steps} steps). Network {data.train.inputs}-"
        f"{settings.hidden[0]}-{data.classes}, recipe fast with {settings.pairs} pairs; every accuracy is of "
        f"the test samples, in %, mean ± standard deviation over seeds. A seed is one training and one chip: "
        f"the faults of each seed are drawn anew. Threshold, noise and rate were chosen by the test accuracy "
        f"of seed 0 without faults. Faults are described in docs/faults.md.",
        "The ways:",
        f"- {BPTT}: surrogate BPTT in floating point ({arguments.bptt_epochs} epochs), brought to 8 bits at "
        f"the best scale, and loaded onto the chip with faults. {BPTT_ON}: the same after "
        f"{faults.LEARNING_ON} generations of learning on that chip.\n"
        f"- {LOADED}: trained for {arguments.generations} generations on a sound chip, and loaded. {ON}: "
        f"after {faults.LEARNING_ON} more generations, on the chip with faults.\n"
        f"- {START}: {arguments.generations} generations on the chip with faults.",
        _sound(methods),
    ]
    if "faults.png" in drawn:
        paragraphs += ["![accuracy over the share of faults, a picture a kind](faults.png)"]
    for kind in SHARES:
        table = _table(kind, methods)
        if table:
            paragraphs += [f"## {kind}", table, *_note(kind)]
    if "repair.png" in drawn:
        paragraphs += [
            "## How many generations repair what",
            "![accuracy while learning on, mean of the seeds](repair.png)",
            _repairs(methods),
        ]
    if "life.png" in drawn:
        paragraphs += [
            "## Faults that come during training",
            "The chip has no faults until the dashed line, and then all of them at once; learning "
            "continues without information on them.",
            "![accuracy over generations, mean of the seeds](life.png)",
            _lives(methods),
        ]
    return paragraphs


def _note(kind: str) -> list[str]:
    notes = {
        "flipped-weight-bits": f"A rate a bit and generation, not a share. Loaded: after "
        f"{faults.LEARNING_ON} generations in which bits flip and nothing is learned.",
        "stuck-generator-bit": "Inference draws nothing, so that a loaded network loses nothing.",
    }
    return [notes[kind]] if kind in notes else []


def _sound(methods: Grouped) -> str:
    """Accuracy of each way of training on a chip without faults."""
    names = (
        (faults.SOUND_BPTT, BPTT),
        (f"{faults.SOUND_BPTT}, learning on", BPTT_ON),
        (faults.SOUND_LOADED, LOADED),
        (f"{faults.SOUND_LOADED}, learning on", ON),
    )
    rows = [
        [way, spread([100 * result["test_accuracy"] for result in methods[name]], ".1f")]
        for name, way in names
        if name in methods
    ]
    return markdown(["without faults", "accuracy %"], rows) if rows else ""


def _table(kind: str, methods: Grouped) -> str:
    ways = [w for w in WAYS if any(faults.name_of(kind, s, w) in methods for s in SHARES[kind])]
    if not ways:
        return ""
    rows = []
    for share in SHARES[kind]:
        cells = [methods.get(faults.name_of(kind, share, way), []) for way in ways]
        shown = [
            spread([100 * result["test_accuracy"] for result in some], ".1f") if some else "-"
            for some in cells
        ]
        rows.append([share, *shown])
    return markdown([f"share of {kind}", *ways], rows)


def _repairs(methods: Grouped) -> str:
    sound = mean(methods[faults.SOUND])
    rows = []
    for kind, shares in SHARES.items():
        for share in shares if kind not in ("flipped-weight-bits", "stuck-generator-bit") else ():
            some = methods.get(faults.name_of(kind, share, ON))
            if some:
                _, curve = mean_curve(some)
                found = generations_to_repair(some, sound)
                lost = sound - curve[0]
                paragraphs = (
                    "nothing to repair" if lost < LOST else f"not within {faults.LEARNING_ON}"
                )
                rows.append(
                    [
                        f"{kind} {share}",
                        f"{lost:.1f}",
                        paragraphs if found is None else str(found),
                        f"{sound - curve[-1]:.1f}",
                    ]
                )
    heads = [
        "faults",
        "lost when loaded, %",
        f"generations until {100 * REPAIRED_PART:.0f} % of it is back",
        f"lost after {faults.LEARNING_ON} generations, %",
    ]
    return (
        "Of the network trained on a sound chip. Learning on also gains where nothing is to be repaired (see "
        "the table without faults), so a negative loss is a gain. The accuracy is looked at after "
        f"{', '.join(map(str, faults.LOOKS))} generations.\n\n" + markdown(heads, rows)
    )


def _lives(methods: Grouped) -> str:
    rows = []
    for kind, share in faults.LIFE.items():
        some = methods.get(f"{kind} {share}: during life")
        if some:
            steps, curve = mean_curve(some)
            since = steps[-1] - 2 * faults.LEARNING_ON
            of = dict(zip(steps, curve, strict=True))
            before = max(step for step in steps if step < since)
            after = (0, 1, 10, 50, 2 * faults.LEARNING_ON)
            rows.append(
                [
                    f"{kind} {share}",
                    f"{of[before]:.1f}",
                    *(f"{of[since + one]:.1f}" if since + one in of else "-" for one in after),
                ]
            )
    heads = ["faults", "before", "with them", "1 generation later", "10", "50", "200"]
    return markdown(heads, rows)


def pictures(folder: Path, methods: Grouped) -> list[str]:
    """Draw what there are results for; names of the files."""
    drawn = []
    kinds = [k for k in SHARES if len(SHARES[k]) > 1 and _table(k, methods)]
    if kinds and faults.SOUND in methods:
        rows = -(-len(kinds) // 3)
        draw_grid(folder / "faults.png", kinds, methods, rows)
        drawn.append("faults.png")
    repaired = {
        f"{kind} {share}": some
        for kind, share in REPAIRED.items()
        if (some := methods.get(faults.name_of(kind, share, ON)))
    }
    if repaired:
        draw(folder / "repair.png", lambda axes: draw_curves(axes, repaired, methods), (7, 4.2))
        drawn.append("repair.png")
    lives = {
        f"{kind} {share}": some
        for kind, share in faults.LIFE.items()
        if (some := methods.get(f"{kind} {share}: during life"))
    }
    if lives:
        draw(folder / "life.png", lambda axes: draw_curves(axes, lives, {}), (7, 4.2))
        drawn.append("life.png")
    return drawn


def draw_curves(axes: Any, curves: Grouped, methods: Grouped) -> None:
    """Mean accuracy over generations, a line a kind of fault."""
    for name, some in curves.items():
        steps, accuracies = mean_curve(some)
        axes.plot(steps, accuracies, ".-", label=name)
    if faults.SOUND in methods:
        axes.axhline(mean(methods[faults.SOUND]), color="0.6", ls="--", lw=1)
        axes.set_xlabel("generations of learning on (dashed: accuracy on the sound chip)")
    else:
        axes.axvline(steps[-1] - 2 * faults.LEARNING_ON, color="0.6", ls="--", lw=1)
        axes.set_xlabel("generations (dashed: the faults come)")
    axes.set_ylabel("test accuracy, %")
    axes.legend(fontsize="small", frameon=False, loc="lower right")


def draw_grid(path: Path, kinds: list[str], methods: Grouped, rows: int) -> None:
    """Accuracy over the share of faults, a picture a kind and a line a way."""
    from neurosim.app.figures import png
    from neurosim.storage import write_atomically

    def fill(figure: Any) -> None:
        all_axes = figure.subplots(rows, 3, sharey=True, squeeze=False).reshape(-1)
        for axes, kind in zip(all_axes, kinds, strict=False):
            draw_kind(axes, kind, methods)
        for axes in all_axes[len(kinds) :]:
            axes.axis("off")
        handles, labels = all_axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="lower right", frameon=False)
        for axes in all_axes[::3]:
            axes.set_ylabel("test accuracy, %")

    write_atomically(path, png(fill, (9.6, 2.9 * rows), 110))


def draw_kind(axes: Any, kind: str, methods: Grouped) -> None:
    """Accuracy over the share of one kind of fault; grey dashes: the sound chip."""
    axes.spines[["top", "right"]].set_visible(False)
    for way in WAYS:
        found = [
            (float(share), mean(some))
            for share in SHARES[kind]
            if (some := methods.get(faults.name_of(kind, share, way)))
        ]
        if found:
            axes.plot(*zip(*found, strict=True), STYLES[way], marker="o", ms=3, label=way)
    axes.axhline(mean(methods[faults.SOUND]), color="0.7", ls="--", lw=0.8)
    axes.set_xscale("log")
    axes.set_xticks([float(share) for share in SHARES[kind]], SHARES[kind])
    axes.minorticks_off()
    axes.set_title(kind, fontsize="medium")
