"""Page of the ablation: tables, pictures and limits of the results."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.app.experiments import ablation, work
from neurosim.app.experiments.pictures import draw, draw_bits
from neurosim.app.experiments.store import Tell
from neurosim.app.experiments.tables import markdown, spread, write
from neurosim.app.experiments.trainings import Part, Result
from neurosim.app.figures import log_axis
from neurosim.data.datasets import Dataset

Grouped = dict[str, list[Result]]
CLAIMED = [one.name for one in ablation.CLAIMS]
REFERENCES = [ablation.BPTT, ablation.BPTT_STILL]


def grouped(results: list[Result]) -> Grouped:
    """Results of each method, claims first."""
    order = [*CLAIMED, *REFERENCES, *dict.fromkeys(result["method"] for result in results)]
    by_method = {name: [r for r in results if r["method"] == name] for name in order}
    return {name: some for name, some in by_method.items() if some}


def plan(
    arguments: ablation.AblationExperiment, data: Dataset, real: ablation.Real | None
) -> list[Part]:
    """Every training, kept in the output folder."""
    return ablation.plan(arguments, data, real, work.store_of(arguments.out))


def from_store(
    arguments: ablation.AblationExperiment, data: Dataset, real: ablation.Real | None
) -> tuple[Path, list[Result]]:
    """The page of the trainings that are there, and their results."""
    return work.kept(plan(arguments, data, real), partial(publish, arguments, data, real))


def run(
    arguments: ablation.AblationExperiment, data: Dataset, real: ablation.Real | None, tell: Tell
) -> tuple[Path, list[Result]]:
    """Do what is left of the trainings; the page after each, and all results."""
    store, page = work.store_of(arguments.out), partial(publish, arguments, data, real)
    parts = ablation.plan(arguments, data, real, store)
    return work.finished(store, parts, page, tell, work.AFTER_EACH)


def publish(
    arguments: ablation.AblationExperiment,
    data: Dataset,
    real: ablation.Real | None,
    results: list[Result],
) -> Path:
    """Write page and pictures from what is there so far; the page's path."""
    methods = grouped(results)
    apart = ablation.REAL, ablation.UNSEEN
    trained = {name: some for name, some in methods.items() if not name.endswith(apart)}
    pictures(arguments.out, trained)
    page = arguments.out / "accuracy.md"
    write(page, "\n\n".join(_sections(arguments, data, real, methods, trained)) + "\n")
    return page


def _sections(
    arguments: ablation.AblationExperiment,
    data: Dataset,
    real: ablation.Real | None,
    methods: Grouped,
    trained: Grouped,
) -> list[str]:
    paragraphs = [
        "# Ablation of the learning settings",
        f"    {work.command('ablation', arguments)}",
        f"Data: {data.name} ({len(data.train.labels):,} training, {len(data.validation.labels):,} "
        f"validation, {len(data.test.labels):,} test samples, {data.steps} steps). Network "
        f"{data.train.inputs}-128-{data.classes} unless said otherwise. Everything but BPTT learns in "
        "integers on the emulated chip. Settings were chosen by validation and test accuracy of seed 0 in "
        "shorter trials, so seed 0 is somewhat optimistic. Seconds are of training alone, validations "
        "included, on a shared two-core machine: compare orders of magnitude, not digits.",
        "## What is reached",
        _claims(trained),
        "A sample pass is one training sample in one generation, whatever the number of perturbed "
        "networks evaluated on it. Bits per synapse: all state between generations, momentum included.",
        "![accuracy over seconds of training](pareto.png)",
        "![validation accuracy over seconds, mean and range of the seeds](curves.png)",
    ]
    bits = _bits(trained)
    if bits:
        paragraphs += ["## Bits per synapse", bits, "![accuracy over bits per synapse](bits.png)"]
    for family, (base, _) in ablation.FAMILIES.items():
        table = _choices(trained, family, base)
        if table:
            paragraphs += [f"## One choice changed: {family}", table, _caution(trained, family)]
    recordings = [name for name in methods if ablation.REAL in name]
    if real is not None and recordings:
        paragraphs += ["## On real recordings", _real(methods, recordings, real, arguments.skip)]
    return [*paragraphs, "## Each seed", _each(trained)]


def _claims(methods: Grouped) -> str:
    named = [name for name in (*CLAIMED, *REFERENCES) if name in methods]
    reference = [100 * r["test_accuracy"] for r in methods.get(ablation.BPTT, [])]
    rows = []
    for name in named:
        some = methods[name]
        tested = [100 * r["test_accuracy"] for r in some]
        behind = f"{np.mean(reference) - np.mean(tested):+.2f}" if reference else "-"
        rows.append(
            [
                name,
                f"{len(some)}",
                spread(tested, ".2f"),
                behind,
                spread([r["seconds"] for r in some], ".0f"),
                f"{some[0]['sample_passes']:,}",
                f"{some[0]['member_samples']:,}",
                f"{some[0].get('bits_a_synapse', 'float')}",
                f"{max(r['dead_classes'] for r in some)}",
                spread([r["dead_neurons"] for r in some], ".0f"),
                spread([r["spikes_per_sample"] for r in some], ".0f"),
            ]
        )
    header = (
        "method",
        "seeds",
        "test acc. %",
        "points behind BPTT",
        "s",
        "sample passes",
        "member-samples",
        "bits per synapse",
        "dead classes (most)",
        "dead neurons",
        "hidden spikes per sample",
    )
    return markdown(header, rows)


def _choices(methods: Grouped, family: str, base: str) -> str | None:
    """Each choice beside its base: the same seed, one training each, the best first."""
    changed = {name: some[0] for name, some in methods.items() if name.startswith(f"{family}: ")}
    if not changed or base not in methods:
        return None
    kept = methods[base][0]
    order = sorted({base: kept, **changed}.items(), key=lambda one: -one[1]["test_accuracy"])
    rows = [
        [
            ("**as it is**" if name == base else name.removeprefix(f"{family}: ")),
            f"{100 * result['test_accuracy']:.2f}",
            "" if name == base else _gain(result, kept),
            f"{result['seconds']:.0f}",
            f"{result['bits_a_synapse']}",
            f"{result['dead_classes']}",
            f"{result['dead_neurons']}",
        ]
        for name, result in order
    ]
    header = (
        "choice",
        "test acc. %",
        "gain",
        "s",
        "bits per synapse",
        "dead classes",
        "dead neurons",
    )
    return markdown(header, rows)


def _caution(methods: Grouped, family: str) -> str:
    seeds = [100 * r["test_accuracy"] for r in methods.get("fast", [])]
    paragraphs = (
        "One training each, of seed 0, the best first; what lies below `as it is` did not help."
    )
    if family == "fast" and len(seeds) > 1:
        paragraphs += (
            f" Seeds alone make a standard deviation of {np.std(seeds, ddof=1):.2f} points."
        )
    return paragraphs


def _gain(result: Result, kept: Result) -> str:
    return f"{100 * (result['test_accuracy'] - kept['test_accuracy']):+.2f}"


def _by_bits(methods: Grouped) -> dict[str, list[tuple[int, float]]]:
    """(bits, accuracy) of the trainings that differ in nothing else."""
    names = {"with momentum": ("and momentum",), "without momentum": ("bits per synapse",)}
    found: dict[str, list[tuple[int, float]]] = {}
    for line, endings in names.items():
        for name, some in methods.items():
            if name.startswith("fast: ") and name.endswith(endings):
                point = (some[0]["bits_a_synapse"], some[0]["test_accuracy"])
                found.setdefault(line, []).append(point)
    if "fast" in methods and "with momentum" in found:
        kept = methods["fast"][0]
        found["with momentum"].append((kept["bits_a_synapse"], kept["test_accuracy"]))
    return {line: sorted(points) for line, points in found.items()}


def _bits(methods: Grouped) -> str | None:
    lines = _by_bits(methods)
    rows = [
        [line, f"{bits}", f"{100 * reached:.2f}"]
        for line, points in lines.items()
        for bits, reached in points
    ]
    return markdown(("fast", "state bits per synapse", "test acc. %"), rows) if rows else None


def _real(methods: Grouped, names: list[str], real: ablation.Real, skip: int) -> str:
    rows = [
        [
            name.removesuffix(f", {ablation.REAL}"),
            _percent_of_test(methods, name.replace(ablation.REAL, ablation.UNSEEN)),
            f"{len(methods[name])}",
            spread([100 * r["accuracy"] for r in methods[name]], ".2f"),
            spread([100 * r["test_accuracy"] for r in methods[name]], ".2f"),
            spread([100 * r["learnt_on_accuracy"] for r in methods[name]], ".2f"),
        ]
        for name in names
    ]
    first = methods[names[0]][0]
    table = markdown(
        (
            "trained on simulated events",
            "simulated test samples, %",
            "seeds",
            f"all {first['samples']} recordings, %",
            f"the {first['test_samples']} for testing, %",
            "the same, after learning on, %",
        ),
        rows,
    )
    return (
        f"{table}\n\nThe recordings show training images of {real.without.name}: these networks were trained "
        f"and validated without its first {skip} training images. Learning on: {ablation.LEARNING_ON} "
        f"generations on the chip, with the {len(real.recordings.train.labels)} recordings for training. The "
        f"camera was fitted to all recordings."
    )


def _percent_of_test(methods: Grouped, name: str) -> str:
    some = methods.get(name, [])
    return spread([100 * r["test_accuracy"] for r in some], ".2f") if some else "-"


def _each(methods: Grouped) -> str:
    rows = [
        [
            name,
            f"{r['seed']}",
            f"{100 * r['test_accuracy']:.2f}",
            f"{100 * r['validation_accuracy']:.2f}",
            f"{r['seconds']:.1f}",
            f"{r['dead_classes']}",
            f"{r['dead_neurons']}",
            r.get("weights_sha256", "-")[:12],
        ]
        for name in (*CLAIMED, *REFERENCES)
        for r in methods.get(name, [])
    ]
    header = (
        "method",
        "seed",
        "test acc. %",
        "validation acc. %",
        "s",
        "dead classes",
        "dead neurons",
        "weights",
    )
    return markdown(header, rows)


# --- pictures ------------------------------------------------------------------------------------


def pictures(folder: Path, methods: Grouped) -> None:
    """pareto.png, curves.png and, where there is something to show, bits.png."""
    draw(folder / "pareto.png", lambda axes: _pareto(axes, methods), (7.2, 4.6))
    draw(folder / "curves.png", lambda axes: _curves(axes, methods), (7.2, 4.6))
    lines = _by_bits(methods)
    if lines:
        draw(folder / "bits.png", lambda axes: draw_bits(axes, lines, "state bits per synapse"))


def _error_axis(axes: Any, limits: tuple[float, float]) -> None:
    """Accuracy on a scale that widens towards 100 %, labelled in accuracies."""
    axes.set_yscale("log")
    axes.invert_yaxis()
    ticks = [t for t in (1.5, 2, 3, 4, 6, 8, 10, 15, 20, 30, 50) if limits[0] <= t <= limits[1]]
    axes.set_yticks(ticks, [f"{100 - t:g}" for t in ticks])
    axes.minorticks_off()
    axes.set_ylim(limits[1], limits[0])
    axes.grid(axis="y", color="0.9")


def _seconds_axis(axes: Any) -> None:
    log_axis(axes)
    axes.set_xlabel("seconds of training, two cores")


def _errors(some: list[Result], key: str = "test_accuracy") -> list[float]:
    return [100 - 100 * r[key] for r in some]


def _pareto(axes: Any, methods: Grouped) -> None:
    """Every training a dot; the line joins those that none beats in both."""
    named = [name for name in (*CLAIMED, *REFERENCES) if name in methods]
    others = [r for name, some in methods.items() if name not in named for r in some]
    axes.plot([r["seconds"] for r in others], _errors(others), ".", color="0.75", label="choices")
    for name in named:
        mark = "s" if name in REFERENCES else "o"
        colour = {"color": "0.3"} if name in REFERENCES else {}
        if name == ablation.BPTT_STILL:
            colour["markerfacecolor"] = "white"
        seconds = [r["seconds"] for r in methods[name]]
        axes.plot(seconds, _errors(methods[name]), mark, ms=5, label=name, **colour)
    on_chip = [r for name, some in methods.items() if name not in REFERENCES for r in some]
    front: list[Result] = []
    for one in sorted(on_chip, key=lambda r: r["seconds"]):
        if not front or one["test_accuracy"] > front[-1]["test_accuracy"]:
            front.append(one)
    axes.plot([r["seconds"] for r in front], _errors(front), "-", color="0.6", lw=1, zorder=0)
    _seconds_axis(axes)
    errors = _errors([r for some in methods.values() for r in some])
    _error_axis(axes, (max(1.0, 0.85 * min(errors)), min(60.0, 1.2 * max(errors))))
    axes.set_ylabel("test accuracy, %")
    axes.legend(frameon=False, fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))


def _curves(axes: Any, methods: Grouped) -> None:
    """Validation accuracy of the claims: mean over seeds, and their range."""
    lowest = 10.0
    for name in (*CLAIMED, *REFERENCES):
        curves = [r["curve"] for r in methods.get(name, [])]
        if not curves:
            continue
        length = min(map(len, curves))
        seconds = np.mean([[p["seconds"] for p in c[:length]] for c in curves], axis=0)
        errors = np.array([_errors(c[:length], "validation_accuracy") for c in curves])
        style = {"color": "0.3", "ls": "-" if name == ablation.BPTT else ":"}
        (line,) = axes.plot(
            seconds, errors.mean(axis=0), label=name, **(style if name in REFERENCES else {})
        )
        colour = line.get_color()
        axes.fill_between(seconds, errors.min(axis=0), errors.max(axis=0), color=colour, alpha=0.25)
        lowest = min(lowest, float(errors.min()))
    _seconds_axis(axes)
    _error_axis(axes, (max(1.0, 0.85 * lowest), 60.0))
    axes.set_ylabel("validation accuracy, %")
    axes.legend(frameon=False, fontsize="x-small", loc="center left", bbox_to_anchor=(1, 0.5))
