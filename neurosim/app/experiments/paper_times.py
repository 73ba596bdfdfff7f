"""Processor time of a generation of each method, measured side by side.

Seconds of whole trainings depend on what else the machine does. Here every method does a generation in
turn, with equal populations, and the median of the processor times is taken.
"""

import time
from statistics import median
from typing import TYPE_CHECKING

from neurosim.app.experiments.paper import (
    BPTT,
    VANILLA,
    PaperExperiment,
    bptt_settings,
    chip_settings,
    eggroll,
)
from neurosim.app.experiments.store import Store
from neurosim.app.experiments.trainings import MEASURE, Part, Result
from neurosim.data.datasets import Dataset

if TYPE_CHECKING:
    from learning.settings import Settings

METHOD = "time of a generation"
ROUNDS = 5
BPTT_SAMPLES = 2560
"""Samples of BPTT that are timed; the time is scaled to an epoch."""


def methods(arguments: PaperExperiment) -> dict[str, "Settings"]:
    """Evolution strategies, without a validation in the generations that are timed."""
    more = {"evaluate_every": 1 << 30, "generations": 1 << 20}
    found = {
        eggroll(rank): chip_settings(arguments, 0, rank=rank, **more) for rank in arguments.ranks
    }
    found[VANILLA] = chip_settings(arguments, 0, method="full-rank", **more)
    return found


def plan(arguments: PaperExperiment, data: Dataset, store: Store) -> Part:
    """The times, in one part."""
    timed = methods(arguments)
    recipe = {
        "data": data.key,
        "measure": MEASURE,
        "methods": {name: settings.key() for name, settings in timed.items()},
    }

    def make() -> Result:
        from learning.training import Training, start

        trainings = {name: Training(start(s, data), data) for name, s in timed.items()}
        seconds: dict[str, list[float]] = {name: [] for name in timed}
        for round_number in range(ROUNDS + 1):  # the first one compiles
            for name, training in trainings.items():
                began = time.process_time()
                training.step()
                if round_number:
                    seconds[name].append(time.process_time() - began)
        return {
            "seconds": {
                BPTT: _epoch(arguments, data),
                **{name: median(each) for name, each in seconds.items()},
            }
        }

    return Part(METHOD, 0, recipe, make, store)


def _epoch(arguments: PaperExperiment, data: Dataset) -> float:
    """Processor seconds of an epoch of BPTT, on the CPU."""
    from hostref import bptt, inputs

    settings = bptt_settings(arguments, 0).model_copy(update={"samples": BPTT_SAMPLES})
    model = bptt.build(settings, data.train.inputs, data.classes, "cpu")
    training = bptt.Training(settings, model, None)
    train = inputs.load(data.train, model.like.device)
    seconds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        training.epoch(train)
        seconds.append(time.process_time() - began)
    return median(seconds) * len(train) / min(BPTT_SAMPLES, len(train))


def times_of(results: list[Result]) -> dict[str, float]:
    """Processor seconds of a generation of each method, of BPTT those of an epoch; none before the part."""
    found: dict[str, float] = next((r["seconds"] for r in results if r["method"] == METHOD), {})
    return found
