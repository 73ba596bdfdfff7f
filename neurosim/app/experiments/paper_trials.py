"""Trials behind the settings of the paper's evaluation: one change at a time, judged by validation.

Their seeds are not those of the results, the test set is not used, and all of the validation set is.
"""

from typing import TYPE_CHECKING, Any

from neurosim.app.experiments.paper import CHOSEN, PaperExperiment, chip_settings
from neurosim.app.experiments.store import Store
from neurosim.app.experiments.tables import markdown, spread
from neurosim.app.experiments.trainings import Part, Result, on_chip
from neurosim.data.datasets import Dataset

if TYPE_CHECKING:
    from learning.settings import Settings

FIRST_SEED = 100
"""Of the trials: far from the seeds of the results."""
TRIALS: tuple[dict[str, Any], ...] = (
    {},
    {"final_temperature": 2.0},
    {"temperature": 0.5, "final_temperature": 0.5},
    {"temperature": 1.0},
    {"final_temperature": 0.25},
    {"learning_rate": 1.5, "final_learning_rate": 0.2},
    {"learning_rate": 4.0},
    {"final_noise": 1.0},
    {"sigma": 16.0, "sigma_output": 16.0, "final_noise": 1.0},
    {"sigma_output": 32.0, "final_noise": 0.25},
    {"rank": 4},
    {"rank": 4, "sigma_output": 32.0, "final_noise": 0.25},
    {"momentum_bits": 1},
    {"momentum_bits": 3},
    {"groups": 64},
    {"initial_std": 12},
    {"shaping": "scaled"},
)
"""Changes to the chosen settings."""


def name_of(trial: dict[str, Any]) -> str:
    """The name of a trial's trainings: what it changes."""
    words = ", ".join(f"{key} {value}" for key, value in trial.items())
    return f"trial: {words or 'as chosen'}"


def settings_of(arguments: PaperExperiment, seed: int, trial: dict[str, Any]) -> "Settings":
    """Settings of a trial: those chosen, changed, and validated at the end on all of the validation set."""
    return chip_settings(
        arguments,
        seed,
        **{
            "evaluate_every": arguments.generations,
            "validation_samples": 1 << 30,
            **trial,
        },
    )


def plan(arguments: PaperExperiment, data: Dataset, store: Store) -> list[Part]:
    """Every trial, seed after seed; those of a readout whose settings were chosen."""
    return [
        on_chip(name_of(trial), settings_of(arguments, seed, trial), data, store, tested=False)
        for seed in range(FIRST_SEED, FIRST_SEED + arguments.trial_seeds)
        for trial in TRIALS
        if arguments.readout == "count"
    ]


def table(results: list[Result]) -> str:
    """Trials by validation accuracy."""
    rows = []
    for trial in TRIALS:
        some = [r for r in results if r["method"] == name_of(trial)]
        if some:
            words = ", ".join(f"`{key}` {value}" for key, value in trial.items())
            accuracies = [100 * r["validation_accuracy"] for r in some]
            dead = [r["curve"][-1]["dead_classes"] for r in some]
            rows.append(
                [
                    words or "**as chosen**",
                    spread(accuracies, ".2f"),
                    str(max(dead)),
                    str(len(some)),
                ]
            )
    header = ["changed", "validation acc. %", "classes lost, at most", "seeds"]
    return markdown(header, rows) if rows else ""


def chosen() -> str:
    """The chosen settings in words."""
    return ", ".join(f"`{key}` {value:g}" for key, value in CHOSEN["count"].items())
