"""Page of the paper's table and figures, beside the paper's own numbers."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.app.experiments import (
    layer_rules,
    paper,
    paper_energy,
    paper_times,
    paper_trials,
    sparsity,
    work,
)
from neurosim.app.experiments.paper import PaperExperiment
from neurosim.app.experiments.pictures import draw
from neurosim.app.experiments.store import Store, Tell
from neurosim.app.experiments.tables import markdown, spread, write
from neurosim.app.experiments.trainings import Result
from neurosim.app.figures import log_axis
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
Grouped = dict[str, list[Result]]
PUBLISH_SECONDS = 60.0
"""Seconds between two pages while trainings go on; chosen here, since a page takes some seconds."""


def grouped(results: list[Result], rename: Callable[[str], str] = str) -> Grouped:
    """Results of each method of table 1, in the paper's order; `rename` gives those of another table."""
    found = dict.fromkeys(result["method"] for result in results)
    own = set(map(paper.own, found))
    others = [n for n in found if n.startswith(("EGGROLL r =", "float ")) and n not in own]
    by_method = {
        name: [r for r in results if r["method"] == rename(name)]
        for name in dict.fromkeys([*PAPER, *others])
    }
    return {name: some for name, some in by_method.items() if some}


def plan(arguments: PaperExperiment, data: Dataset) -> list[work.Step]:
    """Every training, in the order in which they are made; some of them need the results so far."""
    return list(_plan(arguments, data, work.store_of(arguments.out)))


def _plan(arguments: PaperExperiment, data: Dataset, store: Store) -> Iterator[work.Step]:
    """Seed after seed in each section, so that an early page already shows all methods."""
    fewer = paper.with_fewer_members(arguments)
    for seed in range(arguments.seeds):
        parts = paper.plan(arguments, data, store, seed)
        if seed == 0:
            parts.append(paper_times.plan(arguments, data, store))
            parts.append(paper_energy.plan(arguments, data, store, parts[0]))
        yield from parts
    yield from layer_rules.trials(fewer, data, store)
    for seed in range(arguments.sweep_seeds):
        yield from sparsity.plan(fewer, data, store, seed)
    for seed in range(arguments.layer_seeds):
        yield from layer_rules.plan(fewer, data, store, seed)
    for seed in range(arguments.scaled_seeds):
        yield from paper.evolved(arguments, data, store, seed, paper.SCALED)
    yield from paper_trials.plan(arguments, data, store)


def from_store(arguments: PaperExperiment, data: Dataset) -> tuple[Path, list[Result]]:
    """The page of the results that are there."""
    return work.kept(plan(arguments, data), partial(publish, arguments, data))


def run(arguments: PaperExperiment, data: Dataset, tell: Tell) -> tuple[Path, list[Result]]:
    """Do what is left of the trainings; a page now and then, and at the end with all results."""
    store, page = work.store_of(arguments.out), partial(publish, arguments, data)
    return work.finished(store, _plan(arguments, data, store), page, tell, PUBLISH_SECONDS)


def publish(arguments: PaperExperiment, data: Dataset, results: list[Result]) -> Path:
    """Write page and pictures from what is there so far; the page's path."""
    methods = grouped(results)
    folder = arguments.out
    figures(arguments, folder, methods, results)
    page = folder / "paper.md"
    write(page, "\n\n".join(_sections(arguments, data, methods, results)) + "\n")
    return page


def _sections(
    arguments: PaperExperiment, data: Dataset, methods: Grouped, results: list[Result]
) -> list[str]:
    a = arguments
    own = grouped(results, paper.own)
    times = paper_times.times_of(results)
    return [
        "# The paper's results, from this implementation",
        "Gradient-Free Training of Spiking Neural Networks via Low-Rank Evolution Strategies "
        "(arXiv 2605.30361), made again with",
        f"    {work.command('reproduce paper', a)}",
        f"Data: {data.name} ({len(data.train.labels):,} training, {len(data.validation.labels):,} "
        f"validation, {len(data.test.labels):,} test samples, {data.steps} steps); the paper's is "
        f"N-MNIST. Evolution strategies learn in integers on the emulated chip: {a.generations} "
        f"generations, {a.pairs:,} antithetic pairs, {a.groups} groups x {a.batch} samples, {a.readout} "
        f"readout. The paper "
        f"gives neither population, batch, sigma nor learning rate: member-samples (passes of a perturbed "
        f"network on a sample) say what each row costs here. BPTT is float, {a.bptt_epochs} epochs on "
        f"{_device(a.device)}.",
        f"Seconds are processor time, medians of {paper_times.ROUNDS} generations that all methods did in "
        f"turn; of BPTT an epoch. They compare methods; the "
        f"paper's are an RTX 3070 Ti's.",
        *_settings(a, results),
        "## Table 1",
        "Centred ranks, as in the paper.",
        _table(methods, times),
        *_scaled(own, times),
        "## Figure 1: rank",
        "![accuracy over rank](figure1.png)",
        "## Figure 2: convergence",
        "![validation accuracy over generations](figure2.png)",
        *(
            ["## Figure 3: time", "![validation accuracy over seconds](figure3.png)"]
            if times
            else []
        ),
        *sparsity.answer(results),
        *layer_rules.section(results),
        *paper_energy.section(results),
        "## Each seed",
        "Each training has a file with its settings and its curve in trainings/ beside this page, from "
        "which `--only-page` draws the page.",
        _each({**methods, **{paper.own(name): some for name, some in own.items()}}),
    ]


def _scaled(own: Grouped, times: dict[str, float]) -> list[str]:
    if not own:
        return []
    return [
        "## The same with the shaping of this project",
        "Differences of fitness over their mean size (`--shaping scaled`), everything else as above.",
        _table(own, times),
    ]


def _device(device: str) -> str:
    return "a CPU" if device == "cpu" else device


def _settings(arguments: PaperExperiment, results: list[Result]) -> list[str]:
    if arguments.readout != "count":
        return []
    trials = paper_trials.table(results)
    conclusion = (
        f"Settings other than the defaults of `neurosim train`: {paper_trials.chosen()}. They were chosen by "
        f"validation accuracy at ranks 1 and 4, with seeds from {paper_trials.FIRST_SEED} on, which no "
        f"result here uses (docs/notes/hostref.md)."
    )
    if not trials:
        return [conclusion]
    return [
        conclusion,
        f"Changes to them, one at a time, by validation accuracy alone "
        f"(`--trial-seeds {arguments.trial_seeds}`):",
        trials,
    ]


def _table(methods: Grouped, times: dict[str, float]) -> str:
    base = times.get(paper.VANILLA)
    rows = []
    for name, some in methods.items():
        seconds = times.get(name)
        rows.append(
            [
                name,
                spread([100 * r["test_accuracy"] for r in some], ".2f"),
                str(max(r["dead_classes"] for r in some)),
                str(len(some)),
                f"{some[0]['member_samples']:,}",
                "-" if seconds is None else f"{seconds:.3f}",
                f"{base / seconds:.2f}" if base and seconds else "-",
                spread([r["spikes_per_sample"] for r in some], ".0f"),
                *PAPER.get(name, ("-", "-", "-")),
            ]
        )
    header = ["method", "test acc. %", "classes lost, at most", "seeds", "member-samples"]
    header += ["processor s per generation", "speedup", "hidden spikes per sample"]
    return markdown([*header, "paper: acc. %", "paper: s", "paper: speedup"], rows)


def _each(methods: Grouped) -> str:
    rows = [
        [
            name,
            str(r["seed"]),
            f"{100 * r['test_accuracy']:.2f}",
            str(r["dead_classes"]),
            str(r["dead_neurons"]),
            f"{r['spikes_per_sample']:.0f}",
        ]
        for name, some in methods.items()
        for r in some
    ]
    header = ["method", "seed", "test acc. %", "dead classes", "dead neurons"]
    return markdown([*header, "hidden spikes per sample"], rows)


def figures(
    arguments: PaperExperiment, folder: Path, methods: Grouped, results: list[Result]
) -> None:
    """figure1.png, figure2.png, with times figure3.png, and with a sweep sparsity.png."""
    times = paper_times.times_of(results)
    draw(folder / "figure1.png", lambda axes: _ranks(axes, methods, times))
    draw(folder / "figure2.png", lambda axes: _curves(axes, methods, None))
    if times:
        draw(folder / "figure3.png", lambda axes: _curves(axes, methods, times))
    if any(sparsity.fronts_of(results).of.values()):
        draw(folder / "sparsity.png", lambda axes: sparsity.plot(axes, results))


def _ranks(axes: Any, methods: Grouped, times: dict[str, float]) -> None:
    ranks = [r for r in (1, 2, 4, 8, 16, 32, 64) if paper.eggroll(r) in methods]
    if not ranks:
        return
    accuracy = [[100 * r["test_accuracy"] for r in methods[paper.eggroll(k)]] for k in ranks]
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
    seconds = [times.get(paper.eggroll(k)) for k in ranks]
    axes.set_xticks(
        places,
        [str(k) if s is None else f"{k}\n{s:.3f} s" for k, s in zip(ranks, seconds, strict=True)],
    )
    axes.set_xlabel("rank, and processor seconds per generation here")
    axes.set_ylabel("test accuracy, %")
    axes.legend()


def _curves(axes: Any, methods: Grouped, times: dict[str, float] | None) -> None:
    """Validation accuracy over generations, or over processor seconds where `times` are given."""
    for name, some in methods.items():
        if name == paper.BPTT or (times is not None and name not in times):
            continue
        looks = min(len(r["curve"]) for r in some)
        x = np.array([e["step"] for e in some[0]["curve"][:looks]], float)
        y = 100 * np.array([[e["validation_accuracy"] for e in r["curve"][:looks]] for r in some])
        (line,) = axes.plot(x if times is None else x * times[name], y.mean(0), label=name)
        low, high = y.mean(0) - y.std(0), y.mean(0) + y.std(0)
        axes.fill_between(line.get_xdata(), low, high, color=line.get_color(), alpha=0.2)
    if times is not None:
        log_axis(axes)
    axes.set_xlabel("generation" if times is None else "processor seconds")
    axes.set_ylabel("validation accuracy, %")
    axes.legend(fontsize="small")
