"""Trainings of the paper's evaluation."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from neurosim.app.experiments.store import Store
from neurosim.app.experiments.trainings import MEASURE, Part, Result, in_float, on_chip
from neurosim.data.datasets import Dataset

if TYPE_CHECKING:
    from hostref.settings import BpttSettings
    from learning.settings import Settings

LOOKS = 20
"""Validations in a training."""
LEARNING_RATE = 4.0
"""LSB a generation: chosen here, since 100 generations are few (2 and 4 reach 61.5 and 67.0 % on
simulated MNIST at rank 1, 2,048 pairs, scaled shaping)."""
BPTT, SAME_START, VANILLA = "surrogate BPTT", "surrogate BPTT, the chip's start", "vanilla ES"
SAME_START_SAMPLES = 1024
"""Samples between two validations of the BPTT with the chip's initial weights, to resolve its curve."""
SAME_START_LOOKS = 40


class PaperExperiment(BaseModel):
    """Table 1, figures 1-3 and the open question on sparsity, each beside the paper's numbers.

    Long work: every training is kept in the output folder, and a second call goes on where the first
    stopped. Evolution strategies run in integers on the chip; BPTT and --float-es run in PyTorch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = "digits"
    """data set, as for `neurosim train`"""
    out: Path = Path("runs/paper")
    """folder for trainings, page and pictures"""
    seeds: Annotated[int, Field(ge=1)] = 5
    """trainings of each method (the paper: 3)"""
    generations: Annotated[int, Field(ge=1)] = 100
    """generations of evolution strategies, as in the paper"""
    pairs: Annotated[int, Field(ge=1)] = 4096
    """antithetic pairs of a generation; the paper does not give its number"""
    groups: Annotated[int, Field(ge=1)] = 64
    """groups of pairs that share samples"""
    batch: Annotated[int, Field(ge=1)] = 16
    """samples of a group"""
    ranks: tuple[Annotated[int, Field(ge=1, le=64)], ...] = (1, 2, 4, 8)
    """ranks of EGGROLL"""
    readout: Literal["count", "membrane"] = "count"
    """the paper's spike count, or the membrane"""
    bptt_epochs: Annotated[int, Field(ge=1)] = 20
    """epochs of surrogate BPTT"""
    float_es: bool = False
    """also run vanilla ES and EGGROLL in PyTorch (slow on a CPU)"""
    float_pairs: Annotated[int, Field(ge=1)] = 256
    """pairs of those, 64 samples each"""
    device: str = "cpu"
    """where PyTorch runs: auto, cpu, cuda or cuda:N"""


def eggroll(rank: int) -> str:
    return f"EGGROLL r = {rank}"


def plan(arguments: PaperExperiment, data: Dataset, store: Store) -> list[Part]:
    """Every training, seed after seed, so that an early page already shows all methods."""
    parts = []
    for seed in range(arguments.seeds):
        for rank in arguments.ranks:
            parts.append(_chip_part(arguments, data, store, seed, "eggroll", rank))
        parts.append(_chip_part(arguments, data, store, seed, "full-rank", 1))
        parts.append(_bptt_part(arguments, data, store, seed, same_start=False))
        parts.append(_bptt_part(arguments, data, store, seed, same_start=True))
        if arguments.float_es:
            for rank in (*arguments.ranks, 0):
                parts.append(_float_part(arguments, data, store, seed, rank))
    return parts


def chip_settings(arguments: PaperExperiment, seed: int, method: Any, rank: int) -> "Settings":
    """Defaults of `neurosim train`, but for what the paper, the caller and LEARNING_RATE fix."""
    from learning.settings import Settings

    return Settings(
        data=arguments.data,
        seed=seed,
        method=method,
        rank=rank,
        generations=arguments.generations,
        pairs=arguments.pairs,
        groups=arguments.groups,
        batch=arguments.batch,
        readout=arguments.readout,
        shaping="rank",
        learning_rate=LEARNING_RATE,
        evaluate_every=max(1, arguments.generations // LOOKS),
    )


def _chip_part(
    arguments: PaperExperiment, data: Dataset, store: Store, seed: int, method: str, rank: int
) -> Part:
    name = eggroll(rank) if method == "eggroll" else VANILLA
    return on_chip(name, chip_settings(arguments, seed, method, rank), data, store)


def bptt_settings(arguments: PaperExperiment, seed: int, same_start: bool) -> "BpttSettings":
    """BPTT of the chip's network with the same readout."""
    from hostref.settings import BpttSettings

    return BpttSettings(
        readout=arguments.readout,
        gain=10.0 if arguments.readout == "count" else 0.2,
        learning_rate=1e-3 if same_start else 4e-3,
        epochs=SAME_START_LOOKS if same_start else arguments.bptt_epochs,
        samples=SAME_START_SAMPLES if same_start else 0,
        shift=0,
        seed=seed,
    )


def _bptt_part(
    arguments: PaperExperiment, data: Dataset, store: Store, seed: int, same_start: bool
) -> Part:
    settings = bptt_settings(arguments, seed, same_start)
    if not same_start:
        return in_float(BPTT, settings, data, store, f"bptt-{seed}", arguments.device)
    chip = chip_settings(arguments, seed, "eggroll", 1)
    return in_float(
        SAME_START,
        settings,
        data,
        store,
        f"bptt-same-start-{seed}",
        arguments.device,
        lambda: chips_start(chip, settings, data),
        chip.initial_std,
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


def _float_part(
    arguments: PaperExperiment, data: Dataset, store: Store, seed: int, rank: int
) -> Part:
    from hostref.settings import EvolutionSettings

    settings = EvolutionSettings(
        readout=arguments.readout,
        gain=1.0 if arguments.readout == "count" else 0.2,
        rank=rank,
        sequential=rank == 0,
        pairs=arguments.float_pairs,
        generations=arguments.generations,
        validate_every=max(1, arguments.generations // LOOKS),
        seed=seed,
    )
    recipe = {"data": data.key, "measure": MEASURE, "settings": settings.model_dump(mode="json")}

    def make() -> Result:
        from hostref import evolution, inputs
        from hostref.evaluation import evaluate

        began, curve = time.perf_counter(), []

        def report(entry: dict[str, Any]) -> None:
            if "validation_accuracy" in entry:
                curve.append(
                    {
                        "step": entry["generation"],
                        "validation_accuracy": entry["validation_accuracy"],
                        "spikes_per_sample": entry["spikes_per_sample"],
                        "seconds": time.perf_counter() - began,
                    }
                )

        evolved = evolution.train(settings, data, device=arguments.device, report=report)
        seconds = time.perf_counter() - began
        test = inputs.load(data.test, evolved.model.like.device)
        seen = evaluate(evolved.model, evolved.parameters, test, settings.readout, settings.gain)
        return {
            "test_accuracy": seen.accuracy,
            "seconds_each": seconds / settings.generations,
            "dead_classes": int((seen.confusion.sum(0) == 0).sum()),
            "dead_neurons": sum(seen.silent[:-1]),
            "spikes_per_sample": sum(seen.spikes[:-1]),
            "member_samples": settings.generations * settings.pairs * 2 * settings.batch,
            "curve": curve,
        }

    return Part(f"float {eggroll(rank) if rank else VANILLA}", seed, recipe, make, store)
