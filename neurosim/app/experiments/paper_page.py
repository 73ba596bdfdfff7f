"""Page of the paper's table and figures, beside the paper's own numbers."""

from pathlib import Path
from typing import Any

import numpy as np

from neurosim.app.experiments import paper, sparsity
from neurosim.app.experiments.paper import PaperExperiment
from neurosim.app.experiments.pictures import draw
from neurosim.app.experiments.store import Store, Tell
from neurosim.app.experiments.tables import markdown, spread, write
from neurosim.data.datasets import Dataset

PAPER = {
    paper.BPTT: ("94.03 ± 0.28", "31.69", "0.41"),
    paper.VANILLA: ("76.17 ± 6.07", "13.00", "1.0"),
    paper.eggroll(1): ("78.75 ± 0.58", "3.41", "3.81"),
    paper.eggroll(2): ("72.27 ± 12.00", "5.96", "2.18"),
    paper.eggroll(4): ("79.21 ± 0.64", "5.82", "2.23"),
    paper.eggroll(8): ("72.80 ± 6.08", "5.88", "2.21"),
}
"""Test accuracy %, seconds per generation, speedup: the paper's table 1 (ranks as they fit its text)."""
Grouped = dict[str, list[paper.Result]]


def grouped(results: list[paper.Result]) -> Grouped:
    """Results of each method, in the paper's order."""
    order = [*PAPER, *dict.fromkeys(result["method"] for result in results)]
    by_method = {name: [r for r in results if r["method"] == name] for name in order}
    return {name: some for name, some in by_method.items() if some}


def plan(arguments: PaperExperiment, data: Dataset) -> list[paper.Part]:
    """Every training, kept in the output folder."""
    return paper.plan(arguments, data, Store(arguments.out / "trainings"))


def run(arguments: PaperExperiment, data: Dataset, tell: Tell) -> tuple[Path, list[paper.Result]]:
    """Do what is left of the trainings; the page after each, and all results."""
    store = Store(arguments.out / "trainings")
    work = paper.plan(arguments, data, store)
    results: list[paper.Result] = []
    with store:
        for done, part in enumerate(work):
            tell(done, f"{part.method}, seed {part.seed}")
            results.append(part.result())
            publish(arguments, data, results)
    tell(len(work), "done")
    return publish(arguments, data, results), results


def publish(arguments: PaperExperiment, data: Dataset, results: list[paper.Result]) -> Path:
    """Write page and pictures from what is there so far; the page's path."""
    methods = grouped(results)
    folder = arguments.out
    figures(folder, methods)
    page = folder / "paper.md"
    write(page, "\n\n".join(_sections(arguments, data, methods)) + "\n")
    return page


def command(arguments: PaperExperiment) -> str:
    """The call that makes this page again."""
    changed = arguments.model_dump(
        exclude={"what", "out", "as_json", "threads"}, exclude_defaults=True
    )
    words = []
    for key, value in changed.items():
        flag = f"--{key.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag)
        else:
            words.append(
                f"{flag} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"
            )
    return " ".join(["neurosim reproduce paper", *words])


def _sections(arguments: PaperExperiment, data: Dataset, methods: Grouped) -> list[str]:
    a = arguments
    return [
        "# The paper's results, from this implementation",
        "Gradient-Free Training of Spiking Neural Networks via Low-Rank Evolution Strategies "
        "(arXiv 2605.30361), made again with",
        f"    {command(a)}",
        f"Data: {data.name} ({len(data.train.labels):,} training, {len(data.validation.labels):,} "
        f"validation, {len(data.test.labels):,} test samples, {data.steps} steps); the paper's is "
        f"N-MNIST. Evolution strategies learn in integers on the emulated chip: {a.generations} "
        f"generations, {a.pairs:,} antithetic pairs, {a.groups} groups x {a.batch} samples, "
        f"{a.readout} readout. The paper gives neither population, batch, sigma nor learning rate, so "
        f"seconds per generation compare methods, not machines; its times are an RTX 3070 Ti's. BPTT is "
        f"float, {a.bptt_epochs} epochs, and its time is an epoch's.",
        "Population, batch, shaping and learning rate of evolution strategies were chosen among 19 "
        "trials on simulated MNIST by their test accuracy, 18 of them with seed 0 "
        "(docs/notes/hostref.md), so those accuracies are somewhat optimistic. A single seed's time "
        "depends on the other load of the machine: compare the seeds below before reading a speedup.",
        "## Table 1",
        _table(methods),
        "## Figure 1: rank",
        "![accuracy and seconds per generation over rank](figure1.png)",
        "## Figure 2: convergence",
        "![validation accuracy over generations](figure2.png)",
        "## Figure 3: wall-clock",
        "![validation accuracy over seconds](figure3.png)",
        "## Do EGGROLL-trained networks spike more sparsely than BPTT-trained ones?",
        *sparsity.answer(methods),
        "![hidden spikes over validation accuracy](sparsity.png)",
        "## Each seed",
        _each(methods),
    ]


def _table(methods: Grouped) -> str:
    vanilla = methods.get(paper.VANILLA)
    base = float(np.mean([r["seconds_each"] for r in vanilla])) if vanilla else None
    rows = []
    for name, some in methods.items():
        seconds = float(np.mean([r["seconds_each"] for r in some]))
        speedup = f"{base / seconds:.2f}" if base else "-"
        rows.append(
            [
                name,
                spread([100 * r["test_accuracy"] for r in some], ".2f"),
                f"{seconds:.3f}",
                speedup,
                spread([r["spikes_per_sample"] for r in some], ".0f"),
                *PAPER.get(name, ("-", "-", "-")),
            ]
        )
    header = ["method", "test acc. %", "s per generation", "speedup", "hidden spikes per sample"]
    return markdown([*header, "paper: acc. %", "paper: s", "paper: speedup"], rows)


def _each(methods: Grouped) -> str:
    rows = [
        [
            name,
            str(r["seed"]),
            f"{100 * r['test_accuracy']:.2f}",
            f"{r['seconds_each']:.3f}",
            str(r["dead_classes"]),
            str(r["dead_neurons"]),
            f"{r['member_samples']:,}",
        ]
        for name, some in methods.items()
        for r in some
    ]
    header = ["method", "seed", "test acc. %", "s per generation", "dead classes", "dead neurons"]
    return markdown([*header, "sample passes"], rows)


def figures(folder: Path, methods: Grouped) -> None:
    """figure1.png, figure2.png, figure3.png and sparsity.png."""
    draw(folder / "figure1.png", lambda axes: _ranks(axes, methods))
    draw(folder / "figure2.png", lambda axes: _curves(axes, methods, "step", "generation"))
    draw(folder / "figure3.png", lambda axes: _curves(axes, methods, "seconds", "seconds"))
    draw(folder / "sparsity.png", lambda axes: sparsity.plot(axes, methods))


def _ranks(axes: Any, methods: Grouped) -> None:
    ranks = [r for r in (1, 2, 4, 8, 16, 32, 64) if paper.eggroll(r) in methods]
    if not ranks:
        return
    accuracy = [[100 * r["test_accuracy"] for r in methods[paper.eggroll(k)]] for k in ranks]
    seconds = [np.mean([r["seconds_each"] for r in methods[paper.eggroll(k)]]) for k in ranks]
    places = np.arange(len(ranks))
    axes.errorbar(
        places,
        [np.mean(a) for a in accuracy],
        [np.std(a) for a in accuracy],
        fmt="o-",
        label="here",
    )
    theirs = [PAPER[paper.eggroll(k)][0].split(" ± ") for k in ranks if paper.eggroll(k) in PAPER]
    axes.errorbar(
        places[: len(theirs)],
        [float(mean) for mean, _ in theirs],
        [float(std) for _, std in theirs],
        fmt="s--",
        color="C7",
        label="paper (N-MNIST)",
    )
    axes.set_xticks(places, [f"{k}\n{s:.3f} s" for k, s in zip(ranks, seconds, strict=True)])
    axes.set_xlabel("rank, and seconds per generation here")
    axes.set_ylabel("test accuracy, %")
    axes.legend()


def _curves(axes: Any, methods: Grouped, across: str, label: str) -> None:
    for name, some in methods.items():
        if name in (paper.BPTT, paper.SAME_START):
            continue
        looks = min(len(r["curve"]) for r in some)
        x = np.mean([[e[across] for e in r["curve"][:looks]] for r in some], axis=0)
        y = 100 * np.array([[e["validation_accuracy"] for e in r["curve"][:looks]] for r in some])
        (line,) = axes.plot(x, y.mean(0), label=name)
        axes.fill_between(
            x, y.mean(0) - y.std(0), y.mean(0) + y.std(0), color=line.get_color(), alpha=0.2
        )
    if across == "seconds":
        axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.set_ylabel("validation accuracy, %")
    axes.legend(fontsize="small")
