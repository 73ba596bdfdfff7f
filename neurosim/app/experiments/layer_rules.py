"""Rules by layer: which layer gains from which rule, in as many sample presentations.

The learning rate of each combination is chosen by the validation accuracy of one training whose seed
is not used again.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from neurosim.app.experiments.paper import PaperExperiment, chip_settings
from neurosim.app.experiments.paper_trials import FIRST_SEED
from neurosim.app.experiments.store import Store
from neurosim.app.experiments.tables import markdown, spread
from neurosim.app.experiments.trainings import Part, Result, on_chip
from neurosim.data.datasets import Dataset

if TYPE_CHECKING:
    from learning.settings import Settings

RATES = (0.1, 0.4, 1.0)
"""Multiples of the learning rate, first and last, that each combination is tried with."""
ON_WEIGHTS: dict[str, Any] = {"method": "eggroll"}
FIXED: dict[str, Any] = {"method": "eggroll", "sigma": 0.0}
ON_CURRENTS: dict[str, Any] = {
    "method": "event-aligned",
    "sigma": 64.0,
    "final_noise": 1.0,
    "shaping": "scaled",
}
BY_ERROR: dict[str, Any] = {
    "method": "event-aligned",
    "credit": "error",
    "sigma": 128.0,
    "final_noise": 1.0,
    "noise_window": 512,
    "shaping": "scaled",
}
"""As in the recipe `fast`, in units of the threshold: noise of half of it, on neurons within two of it."""
PAIRS_OF_A_SAMPLE = 4
"""Pairs of a sample that have noise on currents."""


class Combination(NamedTuple):
    """Rules of both layers, and the settings that choose them."""

    hidden: str
    readout: str
    settings: dict[str, Any]

    @property
    def name(self) -> str:
        """Name in tables and kept results."""
        return f"hidden {self.hidden}, readout {self.readout}"


_EGGROLL, _FIXED, _DELTA = "EGGROLL", "not trained", "delta rule"
_CURRENTS, _ERROR = "noise on currents, one fitness", "noise on currents, credit by error"
COMBINATIONS = (
    Combination(_EGGROLL, _EGGROLL, ON_WEIGHTS),
    Combination(_EGGROLL, _DELTA, {**ON_WEIGHTS, "output_rule": "delta"}),
    Combination(_EGGROLL, _FIXED, {**ON_WEIGHTS, "output_rule": "frozen"}),
    Combination(_FIXED, _EGGROLL, FIXED),
    Combination(_FIXED, _DELTA, {**FIXED, "output_rule": "delta"}),
    Combination(_CURRENTS, _EGGROLL, {**ON_CURRENTS, "output_rule": "eggroll"}),
    Combination(_CURRENTS, _DELTA, {**ON_CURRENTS, "output_rule": "delta"}),
    Combination(_CURRENTS, _FIXED, {**ON_CURRENTS, "output_rule": "frozen"}),
    Combination(_ERROR, _DELTA, {**BY_ERROR, "output_rule": "delta"}),
    Combination(_ERROR, _FIXED, {**BY_ERROR, "output_rule": "frozen"}),
)


def settings_of(
    arguments: PaperExperiment, seed: int, combination: Combination, rate: float, **more: Any
) -> "Settings":
    """The settings of table 1 with these rules, without noise that not every rule has: on biases, on the
    readout's weights where it has another rule.

    Noise on currents belongs to one sample: as many groups as there are samples, of one each.
    """
    chosen = chip_settings(arguments, seed)
    given: dict[str, Any] = {
        "sigma_bias": 0.0,
        "learning_rate": rate * chosen.learning_rate,
        "final_learning_rate": rate * chosen.final_learning_rate,
        **combination.settings,
        **more,
    }
    if given.get("output_rule", given["method"]) != "eggroll":
        given["sigma_output"] = type(chosen).model_fields["sigma_output"].default
    if given["method"] == "event-aligned":
        groups = arguments.groups * arguments.batch
        given |= {"groups": groups, "batch": 1, "pairs": PAIRS_OF_A_SAMPLE * groups}
    return chip_settings(arguments, seed, **given)


def trial_name(combination: Combination, rate: float) -> str:
    """Name of the kept result of a trial with a multiple of the learning rate."""
    return f"trial: {combination.name}, rate x {rate:g}"


def trials(arguments: PaperExperiment, data: Dataset, store: Store) -> list[Part]:
    """A training of each combination and learning rate, for validation alone."""
    if arguments.readout != "count" or not arguments.layer_seeds:
        return []
    return [
        on_chip(
            trial_name(combination, rate),
            settings_of(
                arguments,
                FIRST_SEED,
                combination,
                rate,
                evaluate_every=arguments.generations,
                validation_samples=1 << 30,
            ),
            data,
            store,
            tested=False,
        )
        for combination in COMBINATIONS
        for rate in RATES
    ]


def best_rate(results: list[Result], combination: Combination) -> float | None:
    """The learning rate whose trial has the best validation accuracy; None where one is not there."""
    rates = {trial_name(combination, rate): rate for rate in RATES}
    tried = [result for result in results if result["method"] in rates]
    if len(tried) < len(rates):
        return None
    return rates[max(tried, key=lambda result: result["validation_accuracy"])["method"]]


def plan(
    arguments: PaperExperiment, data: Dataset, store: Store, seed: int
) -> list[Callable[[list[Result]], Part | None]]:
    """Every combination, of one seed: parts that take the learning rate from the trials' results."""
    if arguments.readout != "count":
        return []

    def part(combination: Combination, results: list[Result]) -> Part | None:
        rate = best_rate(results, combination)
        if rate is None:
            return None
        settings = settings_of(arguments, seed, combination, rate)
        return on_chip(combination.name, settings, data, store)

    return [partial(part, combination) for combination in COMBINATIONS]


def section(results: list[Result]) -> list[str]:
    """Paragraphs: the combinations as a table."""
    rows = []
    for combination in COMBINATIONS:
        some = [r for r in results if r["method"] == combination.name]
        if some:
            rows.append(
                [
                    combination.hidden,
                    combination.readout,
                    spread([100 * r["test_accuracy"] for r in some], ".2f"),
                    f"{best_rate(results, combination):g}",
                    str(max(r["dead_classes"] for r in some)),
                    spread([r["spikes_per_sample"] for r in some], ".0f"),
                    f"{some[0]['sample_passes']:,}",
                    f"{some[0]['member_samples']:,}",
                    str(len(some)),
                ]
            )
    if not rows:
        return []
    header = ["hidden layer", "readout", "test acc. %", "rate x", "classes lost, at most"]
    header += ["hidden spikes per sample", "samples", "member-samples", "seeds"]
    return [
        "## Which layer gains from which rule",
        "The paper proposes local plasticity for the early layers and EGGROLL for the readout. Here each "
        "layer has each rule that it can have (`--method`, `--credit`, `--output-rule`), in as many sample "
        "presentations: half of table 1's, and half of its pairs where EGGROLL learns. "
        "The learning rate of a combination is the multiple of table 1's that is best on the "
        "validation set, with a seed that is not used again. Credit by error and the delta rule are "
        "local: they need a neuron's own noise or spikes, and the errors of the readout.",
        markdown(header, rows),
    ]
