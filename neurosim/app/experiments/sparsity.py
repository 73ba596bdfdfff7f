"""Spikes of networks trained by EGGROLL and by BPTT, at equal accuracy.

The same network, readout and initial weights, both ways over the same gains and costs of a spike:

    gain        factor from a mean spike rate to a logit, the inverse of a temperature
    spike cost  bits of log-likelihood that a hidden spike costs, in the fitness or in the loss

A curve is the front of all validations of a way of training: the fewest hidden spikes per sample among those
of at least some accuracy. A comparison at each way's default settings would compare these settings.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from neurosim.app.experiments.paper import LOOKS, PaperExperiment, chip_settings
from neurosim.app.experiments.store import Store
from neurosim.app.experiments.tables import markdown, spread
from neurosim.app.experiments.trainings import Part, Result, in_float, on_chip
from neurosim.data.datasets import Dataset

if TYPE_CHECKING:
    from hostref.settings import BpttSettings
    from learning.settings import Settings

EVOLVED, TRAINED = "EGGROLL", "BPTT"
WAYS = (EVOLVED, TRAINED)
GAINS = (1.0, 2.0)
"""The paper's, and the largest at which EGGROLL loses few classes (docs/notes/hostref.md)."""
COSTS = (0.0, 0.001, 0.004)
"""At gain 1 a rate readout of ten classes can gain 1.2 bits, and the networks send some 350 spikes."""
EPOCH_SAMPLES, RATE = 2048, 1e-3
"""Samples between two validations of BPTT, and its learning rate: small, so that its curve is resolved."""
VALIDATED = 2000
"""Samples of a validation, of both ways."""
LEVEL_STEP = 0.05
"""Distance of the accuracies at which the fronts are compared."""
FEWEST_SEEDS = 3
"""Seeds from which a spread is spoken of."""


class Point(NamedTuple):
    """One setting of the sweep."""

    way: str
    gain: float
    cost: float

    @property
    def name(self) -> str:
        """Name in tables and kept results."""
        return f"{self.way} from the same start, gain {self.gain:g}, spike cost {self.cost:g}"


POINTS = [Point(way, gain, cost) for way in WAYS for gain in GAINS for cost in COSTS]


def settings_of(arguments: PaperExperiment, seed: int, point: Point) -> "Settings":
    """EGGROLL of rank 1; BPTT starts from the initial weights of these settings."""
    return chip_settings(
        arguments,
        seed,
        temperature=1 / point.gain,
        final_temperature=None,
        spike_cost=point.cost,
        validation_samples=VALIDATED,
    )


def bptt_settings(arguments: PaperExperiment, seed: int, point: Point) -> "BpttSettings":
    """BPTT with the readout, the gain and the cost of a point."""
    from hostref.settings import BpttSettings, NetworkSettings

    chip = settings_of(arguments, seed, point)
    return BpttSettings(
        network=NetworkSettings(hidden=chip.hidden, du=chip.du, dv=chip.dv, vth_mant=chip.vth_mant),
        readout=chip.readout,
        gain=point.gain,
        spike_cost=point.cost,
        learning_rate=RATE,
        epochs=LOOKS,
        samples=EPOCH_SAMPLES,
        shift=0,
        seed=seed,
    )


def plan(arguments: PaperExperiment, data: Dataset, store: Store, seed: int) -> list[Part]:
    """Every point of the sweep, of one seed, for the count readout, whose scores have a gain."""
    if arguments.readout != "count":
        return []
    return [_part(arguments, data, store, seed, point) for point in POINTS]


def _part(arguments: PaperExperiment, data: Dataset, store: Store, seed: int, point: Point) -> Part:
    chip = settings_of(arguments, seed, point)
    if point.way == EVOLVED:
        return on_chip(point.name, chip, data, store)
    settings = bptt_settings(arguments, seed, point)
    return in_float(
        point.name,
        settings,
        data,
        store,
        arguments.device,
        (chip.initial_std, lambda: chips_start(chip, settings, data)),
        VALIDATED,
    )


def chips_start(chip: "Settings", settings: "BpttSettings", data: Dataset) -> Any:
    """The chip's initial weights as parameters of the normalised float model."""
    from hostref.bptt import build
    from hostref.twin import parameters_from_chip
    from learning.training import make_chip
    from learning.training import start as config_of

    made = make_chip(config_of(chip, data))
    model = build(settings, data.train.inputs, data.classes, "cpu")
    return parameters_from_chip(model, made.weights())


def fewest(results: Sequence[Result], accuracy: float) -> float | None:
    """Fewest hidden spikes per sample among the validations of at least this accuracy, or None."""
    spikes = [
        entry["spikes_per_sample"]
        for result in results
        for entry in result["curve"]
        if entry["validation_accuracy"] >= accuracy
    ]
    return min(spikes, default=None)


class Fronts(NamedTuple):
    """Results of the sweep: of each way and seed, those of all its points."""

    of: dict[str, dict[int, list[Result]]]

    @property
    def seeds(self) -> list[int]:
        """The seeds whose points are all there."""
        whole = len(GAINS) * len(COSTS)
        of = [{s for s, some in self.of[way].items() if len(some) == whole} for way in WAYS]
        return sorted(of[0] & of[1])

    def results(self, way: str, seed: int) -> list[Result]:
        """Results of one way of training from one seed."""
        return self.of[way][seed]

    def common(self) -> float:
        """The highest accuracy that every way and seed reached at some point."""
        return min(
            max(e["validation_accuracy"] for r in self.results(way, seed) for e in r["curve"])
            for way in WAYS
            for seed in self.seeds
        )

    def levels(self) -> list[float]:
        """The accuracies of the comparison: the common one, and three multiples of LEVEL_STEP below it."""
        common = self.common()
        below = np.arange(LEVEL_STEP, common - LEVEL_STEP / 2, LEVEL_STEP)
        return [*map(float, below[-3:]), common]


def fronts_of(results: Sequence[Result]) -> Fronts:
    """Results sorted by way of training and seed; those of other experiments are left out."""
    ways = {point.name: point.way for point in POINTS}
    of: dict[str, dict[int, list[Result]]] = {way: {} for way in WAYS}
    for result in results:
        if result["method"] in ways:
            of[ways[result["method"]]].setdefault(result["seed"], []).append(result)
    return Fronts(of)


def answer(results: Sequence[Result]) -> list[str]:
    """Paragraphs: what was compared, the fronts as a table, their meaning, and every point."""
    fronts = fronts_of(results)
    if not fronts.seeds:
        return []
    count = len(fronts.seeds)
    return [
        "## Do EGGROLL-trained networks spike more sparsely than BPTT-trained ones?",
        f"The same network, spike-count readout and initial weights, {count} "
        f"seed{'s' if count > 1 else ''}, a quarter of table 1's member-samples; "
        f"both ways over gains {_listed(GAINS)} and spike costs "
        f"{_listed(COSTS)} bits a hidden spike (`neurosim train --spike-cost`, `neurosim bptt "
        f"--spike-cost`). Each way has the fewest hidden spikes among all its validations of at least the "
        f"accuracy of the row: the comparison is where the curves lie at equal accuracy.",
        _levels(fronts),
        verdict(fronts),
        "![accuracy over hidden spikes per sample](sparsity.png)",
        "The end of every training, test set:",
        _points(results),
    ]


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def differences(fronts: Fronts, level: float) -> list[float]:
    """Spikes of EGGROLL's front less those of BPTT's, of each seed that both reached the level in."""
    found = []
    for seed in fronts.seeds:
        evolved, trained = (fewest(fronts.results(way, seed), level) for way in WAYS)
        if evolved is not None and trained is not None:
            found.append(evolved - trained)
    return found


def _levels(fronts: Fronts) -> str:
    rows = []
    for level in fronts.levels():
        cells = []
        for way in WAYS:
            spikes = [fewest(fronts.results(way, seed), level) for seed in fronts.seeds]
            cells.append(spread([s for s in spikes if s is not None], ".0f"))
        found = differences(fronts, level)
        less = spread(found, "+.0f").replace("± +", "± ")
        rows.append([f"{100 * level:.1f}", *cells, less])
    ways = [f"{way}: fewest hidden spikes per sample" for way in WAYS]
    return markdown(["validation acc. % at least", *ways, "difference, seed by seed"], rows)


def verdict(fronts: Fronts) -> str:
    """The answer at the highest accuracy that both ways reach in every seed."""
    level = fronts.common()
    found = differences(fronts, level)
    mean = float(np.mean(found))
    text = (
        f"At the highest accuracy that both reach ({100 * level:.1f} %), EGGROLL's networks need "
        f"{abs(mean):.0f} {'more' if mean > 0 else 'fewer'} hidden spikes per sample than BPTT's (each seed: "
        f"{', '.join(f'{d:+.0f}' for d in found)})"
    )
    if len(found) < FEWEST_SEEDS:
        return f"{text}; {len(found)} seed(s) give a direction, and too few to give a spread."
    error = float(np.std(found, ddof=1) / np.sqrt(len(found)))
    clear = "more" if abs(mean) > 3 * error else "less"
    return f"{text}, {clear} than three standard errors of the mean over seeds ({error:.0f})."


def _points(results: Sequence[Result]) -> str:
    rows = []
    for point in POINTS:
        some = [r for r in results if r["method"] == point.name]
        if some:
            rows.append(
                [
                    point.way,
                    f"{point.gain:g}",
                    f"{point.cost:g}",
                    spread([100 * r["test_accuracy"] for r in some], ".2f"),
                    spread([r["spikes_per_sample"] for r in some], ".0f"),
                    str(len(some)),
                ]
            )
    header = ["way", "gain", "spike cost", "test acc. %", "hidden spikes per sample", "seeds"]
    return markdown(header, rows)


def plot(axes: Any, results: Sequence[Result]) -> None:
    """The front of each way with a band over seeds, and the end of every training."""
    fronts = fronts_of(results)
    for way, colour, marker in zip(WAYS, ("C0", "C1"), ("o", "s"), strict=True):
        ends = [r["curve"][-1] for some in fronts.of[way].values() for r in some]
        axes.plot(
            [e["spikes_per_sample"] for e in ends],
            [100 * e["validation_accuracy"] for e in ends],
            marker,
            color=colour,
            markersize=4,
            alpha=0.6,
            label=f"{way}, end of a training",
        )
        if fronts.seeds:
            _front(axes, [fronts.results(way, seed) for seed in fronts.seeds], way, colour)
    axes.set_xlabel("hidden spikes per sample")
    axes.set_ylabel("validation accuracy, %")
    axes.legend(fontsize="small")


def _front(axes: Any, seeds: Sequence[Sequence[Result]], way: str, colour: str) -> None:
    levels = np.arange(0.2, 1, 0.01)
    found = [[fewest(results, level) for level in levels] for results in seeds]
    reached = [k for k in range(len(levels)) if all(one[k] is not None for one in found)]
    spikes = np.array([[one[k] for k in reached] for one in found], float)
    low, high = spikes.mean(0) - spikes.std(0), spikes.mean(0) + spikes.std(0)
    accuracy = 100 * levels[reached]
    axes.plot(spikes.mean(0), accuracy, color=colour, label=f"{way}, fewest spikes")
    axes.fill_betweenx(accuracy, low, high, color=colour, alpha=0.2)
