"""Page on networks of several layers: tables and pictures, from the results that are there."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.app.experiments import depth, work
from neurosim.app.experiments.depth import BPTT, CHIP, EIGHT, METHODS, REAL, Task
from neurosim.app.experiments.store import Tell
from neurosim.app.experiments.tables import markdown, spread, write
from neurosim.app.experiments.trainings import Part, Result
from neurosim.app.figures import log_axis, png
from neurosim.storage import write_atomically

Grouped = Mapping[str, list[Result]]
COLOURS = {CHIP: "C0", EIGHT: "C9", BPTT: "0.35"}
LOWEST_SHOWN = 0.25
"""Share of a picture's height that the first, steep part of the curves may take: chosen here."""


def plan(arguments: depth.DepthExperiment, data: depth.Loaded) -> list[Part]:
    """Every result, kept in the output folder."""
    return depth.plan(arguments, data, work.store_of(arguments.out))


def from_store(arguments: depth.DepthExperiment, data: depth.Loaded) -> tuple[Path, list[Result]]:
    """The page of the results that are there."""
    return work.kept(plan(arguments, data), partial(publish, arguments, data))


def run(
    arguments: depth.DepthExperiment, data: depth.Loaded, tell: Tell
) -> tuple[Path, list[Result]]:
    """Do what is left; the page after each training, and all results."""
    store, page = work.store_of(arguments.out), partial(publish, arguments, data)
    parts = depth.plan(arguments, data, store)
    return work.finished(store, parts, page, tell, work.AFTER_EACH)


def publish(
    arguments: depth.DepthExperiment, data: depth.Loaded, results: Sequence[Result]
) -> Path:
    """Write page and pictures from what is there so far; the page's path."""
    methods: dict[str, list[Result]] = {}
    for result in results:
        methods.setdefault(result["method"], []).append(result)
    shown = [task for task in depth.TASKS if f"{task.name}: {CHIP}" in methods]
    if shown:
        for name, across, label in (
            ("passes.png", _passes, "sample passes"),
            ("seconds.png", _seconds, "seconds of training"),
        ):
            write_atomically(arguments.out / name, _curves(shown, methods, across, label))
    page = arguments.out / "depth.md"
    write(page, "\n\n".join(_sections(arguments, data, methods, shown)) + "\n")
    return page


def _sections(
    arguments: depth.DepthExperiment, data: depth.Loaded, methods: Grouped, shown: Sequence[Task]
) -> list[str]:
    sections = [
        "# Networks of several layers: learned on the chip, and by BPTT",
        f"    {work.command('depth', arguments)}",
        "Each network is trained both ways on the same frames and with the same augmentation. On the chip: "
        "integers and forward passes alone. BPTT: float32, Adam, the fast sigmoid as surrogate, a cosine "
        "schedule, the defaults of `neurosim bptt` but for the epochs; the network of its best validation. "
        "On the chip the settings are the recipes', but for generations and those of cue accumulation "
        "(neurosim/app/experiments/depth.py). Generations, `convolution` and `recurrent` were chosen by "
        "validation accuracy, `deep` and cue accumulation in trials in which test accuracy was seen too "
        "(docs/notes/layers.md). Events of images and sounds are simulated; the first 800 training images "
        "of MNIST, which the real recordings show, are in no training or validation set.",
        "## Accuracy",
        _accuracies(methods, shown),
        "Test accuracy in percent, mean ± standard deviation over the seeds. The difference is that of the "
        "means; below 0 the chip is ahead. Brought to the chip: the weights of BPTT, rounded to 8 bits. "
        "Where there are fewer seeds than the command asks for, trainings are still to be done.",
        "## Data and networks",
        _networks(data, shown),
        "## Effort and cost",
        _costs(methods, shown),
        "A sample pass is one training sample in one generation, or in one epoch of BPTT. Seconds are of one "
        "or two threads of a shared machine: compare orders of magnitude. Energy is an estimate from the "
        "operations of 100 test samples (docs/chip.md), local readouts included.",
        "## Accuracy along the training",
        "![validation accuracy over sample passes](passes.png)",
        "![validation accuracy over seconds](seconds.png)",
        "Validation accuracy: mean of the seeds, and their range.",
    ]
    if any(name.endswith(f": {REAL}") for name in methods):
        sections += ["## Real recordings", *_real(methods, data)]
    for task in shown:
        for title, changes, short in (
            ("change", depth.CHANGES, f"{depth.SHORT['generations']} generations"),
            ("BPTT change", depth.BPTT_CHANGES, "as many sample passes as on the chip"),
        ):
            table = _changes(task, methods, title, changes)
            if table:
                heading = (
                    "One setting of BPTT changed" if "BPTT" in title else "One setting changed"
                )
                sections += [f"## {heading}: {task.name}", table, _caution(short)]
    return [
        *sections,
        "## Each seed",
        "Each training has a file with its settings and its curve in trainings/ beside this page, from which "
        "`--only-page` draws the page.",
        _each(methods, shown),
    ]


def _of(methods: Grouped, task: Task, method: str) -> list[Result]:
    return methods.get(f"{task.name}: {method}", [])


def _percent(some: Sequence[Result], key: str = "test_accuracy") -> str:
    return spread([100 * r[key] for r in some], ".2f") if some else "-"


def behind(methods: Grouped, task: Task) -> float | None:
    """Points by which the mean of the chip is behind that of BPTT; None where one is missing."""
    chip, floats = _of(methods, task, CHIP), _of(methods, task, BPTT)
    if not chip or not floats:
        return None
    means = [100 * float(np.mean([r["test_accuracy"] for r in some])) for some in (floats, chip)]
    return means[0] - means[1]


def _aim(task: Task) -> str:
    parts = []
    if task.aim is not None:
        parts.append(f"within {task.aim:g} of BPTT")
    if task.least is not None:
        parts.append(f"at least {task.least:g} %")
    return ", ".join(parts)


def _accuracies(methods: Grouped, shown: Sequence[Task]) -> str:
    rows = []
    for task in shown:
        difference = behind(methods, task)
        rows.append(
            [
                task.name,
                *(_percent(_of(methods, task, method)) for method in METHODS),
                "-" if difference is None else f"{difference:+.2f}",
                _aim(task),
                f"{len(_of(methods, task, CHIP))}, {len(_of(methods, task, BPTT))}",
            ]
        )
    header = ["task", *METHODS, "points behind BPTT", "aim", "seeds: chip, BPTT"]
    return markdown(header, rows)


def _networks(data: depth.Loaded, shown: Sequence[Task]) -> str:
    rows = []
    for task in shown:
        mine = data[task.name]
        rows.append(
            [
                task.name,
                f"{mine.sensor}",
                f"{mine.steps}",
                ", ".join(f"{len(frames.labels):,}" for frames in mine.splits().values()),
                f"{mine.classes}",
                task.layers,
            ]
        )
    header = ("task", "sensor", "steps", "training, validation, test", "classes", "hidden layers")
    return markdown(header, rows)


def _costs(methods: Grouped, shown: Sequence[Task]) -> str:
    rows = []
    for task in shown:
        chip, floats = _of(methods, task, CHIP), _of(methods, task, BPTT)
        prices = [r for r in _of(methods, task, "cost") if r["energy_uj"] is not None]

        def both(
            form: Callable[[list[Result]], str], of: Sequence[list[Result]] = (chip, floats)
        ) -> str:
            return ", ".join(form(some) if some else "-" for some in of)

        rows.append(
            [
                task.name,
                both(lambda some: f"{some[0]['sample_passes']:,}"),
                both(lambda some: f"{np.median([r['seconds'] for r in some]):,.0f}"),
                both(lambda some: spread([r["dead_neurons"] for r in some], ".0f")),
                both(lambda some: f"{max(r['dead_classes'] for r in some)}"),
                both(lambda some: spread([r["spikes_per_sample"] for r in some], ".0f")),
                spread([r["energy_uj"] for r in prices], ".2f") if prices else "-",
                f"{prices[0]['cores']}" if prices else "-",
            ]
        )
    header = (
        "task: chip, BPTT",
        "sample passes",
        "seconds (median)",
        "dead neurons",
        "dead classes (most)",
        "hidden spikes per sample",
        "µJ per sample on the chip",
        "cores",
    )
    return markdown(header, rows)


def _real(methods: Grouped, data: depth.Loaded) -> list[str]:
    real = data[REAL]
    names = [name for name in methods if name.endswith(f": {REAL}")]
    rows = [
        [
            name.removesuffix(f": {REAL}"),
            f"{len(methods[name])}",
            f"{methods[name][0]['samples']}",
            _percent(methods[name]),
        ]
        for name in names
    ]
    return [
        markdown(("trained on simulated events", "seeds", "recordings", "right, %"), rows),
        f"All recordings of {real.name}. They show training images of MNIST, none of which is among the "
        "images that these networks were trained or validated on. The simulated camera was fitted to these "
        "recordings (docs/camera.md).",
    ]


def _changes(
    task: Task, methods: Grouped, title: str, changes: Sequence[depth.Change]
) -> str | None:
    """Each change beside the settings as they are: one seed, the best by validation first."""
    found = [
        (change.name, methods[name][0])
        for change in changes
        if (name := f"{task.name}: {title}: {change.name}") in methods
    ]
    if len(found) < 2:  # nothing to compare
        return None
    kept = dict(found).get(changes[0].name)
    rows = [
        [
            f"**{name}**" if result is kept else name,
            f"{100 * result['validation_accuracy']:.2f}",
            ""
            if kept is None or result is kept
            else f"{100 * (result['validation_accuracy'] - kept['validation_accuracy']):+.2f}",
            f"{result['sample_passes']:,}",
            f"{result['member_samples']:,}",
            f"{result['dead_neurons']}",
            f"{result['spikes_per_sample']:.0f}",
        ]
        for name, result in sorted(found, key=lambda one: -one[1]["validation_accuracy"])
    ]
    header = (
        "change",
        "validation acc. %",
        "gain",
        "sample passes",
        "member-samples",
        "dead neurons",
        "hidden spikes per sample",
    )
    return markdown(header, rows)


def _caution(short: str) -> str:
    return (
        f"One training each, seed 0, {short} where not said otherwise: a short training, whose schedule ends "
        f"there. What lies below the settings as they are did not help."
    )


def _each(methods: Grouped, shown: Sequence[Task]) -> str:
    rows = [
        [
            task.name,
            method,
            f"{r['seed']}",
            f"{100 * r['test_accuracy']:.2f}",
            f"{100 * r['validation_accuracy']:.2f}",
            f"{r['seconds']:.1f}" if "seconds" in r else "-",
            r.get("weights_sha256", "-")[:12],
        ]
        for task in shown
        for method in METHODS
        for r in _of(methods, task, method)
    ]
    header = ("task", "method", "seed", "test acc. %", "validation acc. %", "s", "weights")
    return markdown(header, rows)


# --- pictures ------------------------------------------------------------------------------------


def _passes(result: Result) -> np.ndarray:
    steps = np.array([entry["step"] for entry in result["curve"]], np.float64)
    return steps * (result["sample_passes"] / steps[-1])


def _seconds(result: Result) -> np.ndarray:
    return np.array([entry["seconds"] for entry in result["curve"]], np.float64)


def _curves(
    shown: Sequence[Task], methods: Grouped, across: Callable[[Result], np.ndarray], label: str
) -> bytes:
    """A small picture a task: validation accuracy of each method, mean and range of the seeds."""
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)

    def fill(figure: Any) -> None:
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes, task in zip(grid.flat, shown, strict=False):
            _one(axes, task, methods, across)
        for axes in grid.flat[len(shown) :]:
            axes.set_visible(False)
        named = {
            name: line
            for axes in grid.flat
            for line, name in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(
            named.values(), named, loc="outside upper center", ncols=len(named), frameon=False
        )
        for axes in grid[-1]:
            axes.set_xlabel(label)
        for axes in grid[:, 0]:
            axes.set_ylabel("validation accuracy, %")

    return png(fill, (4.4 * columns, 2.9 * rows), 110)


def _one(axes: Any, task: Task, methods: Grouped, across: Callable[[Result], np.ndarray]) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(task.name, fontsize="small")
    ends = []
    for method, colour in COLOURS.items():
        curves = [r for r in _of(methods, task, method) if r.get("curve")]
        if not curves:
            continue
        length = min(len(r["curve"]) for r in curves)
        x = np.mean([across(r)[:length] for r in curves], axis=0)
        y = 100 * np.array(
            [[entry["validation_accuracy"] for entry in r["curve"][:length]] for r in curves]
        )
        axes.plot(x, y.mean(0), color=colour, label=method)
        axes.fill_between(x, y.min(0), y.max(0), color=colour, alpha=0.2, linewidth=0)
        ends += [y.max(), y[:, length // 3].min()]
    if ends:
        top, middle = max(ends), min(ends)
        axes.set_ylim(
            max(0, middle - LOWEST_SHOWN / (1 - LOWEST_SHOWN) * (top - middle) - 1), top + 0.5
        )
    log_axis(axes)
