"""Ablation: trainings by each recipe, and with one setting changed at a time.

claims    the recipes, and variants of them, several seeds each
choices   one setting of a base changed in turn, one seed
real      networks of the same recipes on real recordings, before and after further training; they are
          trained without the images that the recordings show
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from neurosim.app.experiments.store import Store
from neurosim.app.experiments.trainings import (
    EIGHT_BITS,
    MEASURE,
    SHOWN_IN_RECORDINGS,
    Part,
    Result,
    in_float,
    on_chip,
)
from neurosim.data import datasets
from neurosim.data.datasets import Dataset, Progress

if TYPE_CHECKING:
    from learning.settings import Settings

BPTT, BPTT_STILL = "float BPTT, samples moved", "float BPTT, samples as they are"
REAL, UNSEEN = "on real recordings", "without their images"
LEARNING_ON = 100
"""Generations of further training; chosen here."""
LOOKS = 40
"""Validations in a training."""


class Variant(NamedTuple):
    """Settings of a recipe, some of them changed."""

    name: str
    recipe: str
    changed: dict[str, Any]


BY_FITNESS = {"credit": "fitness", "pairs": 4096, "sigma": 256, "noise_window": 0}
"""Event-aligned noise with one fitness for all neurons: it needs more pairs, and less noise."""
COUNTED = {
    "readout": "count",
    "generations": 5000,
    "learning_rate": 0.5,
    "temperature": 0.25,
    "vth_mant": 256,
}
"""The paper's spike count, whose classes die where noise cannot reach a threshold, or a class asks for more
spikes than ten steps hold: a low threshold and a sharp softmax keep them."""
CLAIMS = (
    Variant("best", "best", {}),
    Variant("fast", "fast", {}),
    Variant("8 bits per synapse", "fast", {**EIGHT_BITS, "generations": 3000}),
    Variant("event-aligned, credit by fitness", "fast", BY_FITNESS),
    Variant("EGGROLL alone", "eggroll", {}),
    Variant("EGGROLL alone, spike count", "eggroll", COUNTED),
)
"""Methods whose accuracy the README and docs state."""
FAST_CHOICES = (
    Variant("credit by fitness, 4 pairs per sample", "fast", BY_FITNESS),
    Variant(
        "credit by fitness, one-sided members", "fast", {**BY_FITNESS, "estimator": "one-sided"}
    ),
    Variant(
        "event-aligned noise on the readout too",
        "fast",
        {**BY_FITNESS, "output_rule": "same", "sigma_output": 256},
    ),
    Variant("readout not trained", "fast", {"output_rule": "frozen"}),
    Variant("samples not moved", "fast", {"shift": 0}),
    Variant("1 pair per sample", "fast", {"pairs": 1024}),
    Variant("4 pairs per sample", "fast", {"pairs": 4096}),
    Variant("noise everywhere, not only near threshold", "fast", {"noise_window": 0}),
    Variant("noise half as near threshold", "fast", {"noise_window": 1024}),
    Variant("noise in every second step", "fast", {"noise_period": 2}),
    Variant("graded noise", "fast", {"noise": "graded"}),
    Variant("half the noise", "fast", {"sigma": 256}),
    Variant("twice the noise", "fast", {"sigma": 1024}),
    Variant("learning rate halved", "fast", {"learning_rate": 0.15}),
    Variant("learning rate doubled", "fast", {"learning_rate": 0.6}),
    Variant(
        "geometric schedule to 1 %", "fast", {"schedule": "geometric", "final_learning_rate": 0.003}
    ),
    Variant("momentum 15/16", "fast", {"momentum_bits": 4}),
    Variant("biases do not learn", "fast", {"bias_rate": 0}),
    Variant("temperature halved", "fast", {"temperature": 0.5}),
    Variant("temperature doubled", "fast", {"temperature": 2}),
    Variant("temperature falls to half", "fast", {"final_temperature": 0.5}),
    Variant("noise falls to half", "fast", {"final_noise": 0.5}),
    Variant("spike-count readout", "fast", {"readout": "count"}),
    Variant("64 hidden neurons", "fast", {"hidden": (64,)}),
    Variant("256 hidden neurons", "fast", {"hidden": (256,)}),
    Variant("8 bits per synapse, and momentum", "fast", {"fraction_bits": 0}),
    Variant("12 bits per synapse, and momentum", "fast", {"fraction_bits": 4}),
    Variant("8 bits per synapse", "fast", EIGHT_BITS),
    Variant("12 bits per synapse", "fast", {"fraction_bits": 4, "momentum_bits": 0}),
    Variant("16 bits per synapse", "fast", {"momentum_bits": 0}),
)
SHORT = {"generations": 1000, "learning_rate": 0.7}
"""A tenth of the recipe's generations need larger steps."""
EGGROLL_CHOICES = (
    Variant("EGGROLL, 1,000 generations", "eggroll", SHORT),
    Variant("delta rule on the readout", "eggroll", {**SHORT, "output_rule": "delta"}),
    Variant("one-sided members", "eggroll", {**SHORT, "estimator": "one-sided"}),
    Variant("rank 2", "eggroll", {**SHORT, "rank": 2}),
    Variant("rank 4", "eggroll", {**SHORT, "rank": 4}),
    Variant("rank 8", "eggroll", {**SHORT, "rank": 8}),
    Variant("graded noise", "eggroll", {**SHORT, "noise": "graded"}),
    Variant("centred ranks", "eggroll", {**SHORT, "shaping": "rank"}),
    Variant("sign of the difference", "eggroll", {**SHORT, "shaping": "sign"}),
    Variant("half the pairs, twice the samples", "eggroll", {**SHORT, "pairs": 1024, "batch": 16}),
    Variant("twice the pairs, half the samples", "eggroll", {**SHORT, "pairs": 4096, "batch": 4}),
    Variant("half the noise", "eggroll", {**SHORT, "sigma": 8, "sigma_output": 4}),
    Variant("twice the noise", "eggroll", {**SHORT, "sigma": 32, "sigma_output": 16}),
    Variant("noise falls to half", "eggroll", {**SHORT, "final_noise": 0.5}),
    Variant("biases perturbed", "eggroll", {**SHORT, "sigma_bias": 16}),
    Variant("temperature halved", "eggroll", {**SHORT, "temperature": 0.5}),
    Variant("temperature doubled", "eggroll", {**SHORT, "temperature": 2}),
    Variant("temperature falls to half", "eggroll", {**SHORT, "final_temperature": 0.5}),
    Variant("samples moved", "eggroll", {**SHORT, "shift": 1}),
    Variant("learning rate of 10,000 generations", "eggroll", {"generations": 1000}),
)
COUNT_CHOICES = (
    Variant("temperature 1 (the paper's)", "eggroll", {**COUNTED, "temperature": 1}),
    Variant("temperature 0.5", "eggroll", {**COUNTED, "temperature": 0.5}),
    Variant("threshold 512", "eggroll", {**COUNTED, "vth_mant": 512}),
    Variant(
        "temperature 1, threshold 512", "eggroll", {**COUNTED, "temperature": 1, "vth_mant": 512}
    ),
    Variant("biases perturbed", "eggroll", {**COUNTED, "sigma_bias": 16}),
    Variant("2,000 generations", "eggroll", {**COUNTED, "generations": 2000}),
)


class Family(NamedTuple):
    """Families of changes, one setting each, and the method that is their base."""

    base: str
    choices: tuple[Variant, ...]


FAMILIES = {
    "fast": Family("fast", FAST_CHOICES),
    "EGGROLL": Family("EGGROLL: EGGROLL, 1,000 generations", EGGROLL_CHOICES),
    "spike count": Family("EGGROLL alone, spike count", COUNT_CHOICES),
}


class AblationExperiment(BaseModel):
    """Train by every recipe and with every choice changed in turn; write accuracy.md and its pictures.

    Long work: every training is kept in the output folder, and a second call goes on where the first
    stopped. All but BPTT learns in integers on the chip.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = "digits"
    """data set, as for `neurosim train`"""
    real: str | None = None
    """recordings, nmnist:FOLDER: networks are tested on them, before and after further training"""
    skip: Annotated[int, Field(ge=1)] = SHOWN_IN_RECORDINGS
    """first training images of DATA that the recordings show: those networks are trained without them"""
    out: Path = Path("runs/accuracy")
    """folder for trainings, page and pictures"""
    seeds: Annotated[int, Field(ge=1)] = 5
    """trainings of each recipe"""
    bptt_seeds: Annotated[int, Field(ge=0)] = 2
    """trainings by float BPTT, with samples moved and without"""
    bptt_epochs: Annotated[int, Field(ge=1)] = 20
    """epochs of float BPTT"""
    choices: bool = True
    """also change every choice in turn, one training each"""


class Real(NamedTuple):
    """Recordings, and DATA without the training images that they show."""

    recordings: Dataset
    without: Dataset


def load(arguments: AblationExperiment, progress: Progress | None) -> tuple[Dataset, Real | None]:
    """The data sets that are asked for."""
    data = datasets.load(arguments.data, progress=progress)
    if arguments.real is None:
        return data, None
    options = datasets.usable(arguments.data, datasets.Options(skip=arguments.skip))
    without = datasets.load(arguments.data, options=options, progress=progress)
    return data, Real(datasets.load(arguments.real, progress=progress), without)


def plan(
    arguments: AblationExperiment, data: Dataset, real: Real | None, store: Store
) -> list[Part]:
    """Every training: claims seed after seed, so that an early page shows all of them, then choices."""
    parts: list[Part] = []
    for seed in range(arguments.seeds):
        parts += [_part(one, arguments, data, store, seed) for one in CLAIMS]
        if real is not None:
            for one in CLAIMS:
                if one.name in ("best", "fast"):
                    parts += _on_real(one, arguments, real, store, seed)
        if seed < arguments.bptt_seeds:
            parts += _bptt(arguments, data, store, seed)
    if arguments.choices:
        for name, family in FAMILIES.items():
            parts += [
                _part(one._replace(name=f"{name}: {one.name}"), arguments, data, store, 0)
                for one in family.choices
            ]
    return parts


def settings_of(variant: Variant, data: str, seed: int) -> "Settings":
    """Settings of a variant, with `LOOKS` validations per training."""
    from learning.recipes import RECIPES
    from learning.settings import Settings

    changed = {**RECIPES[variant.recipe][1].model_dump(), **variant.changed}
    every = max(1, changed["generations"] // LOOKS)
    return Settings.model_validate({**changed, "data": data, "seed": seed, "evaluate_every": every})


def _part(
    variant: Variant, arguments: AblationExperiment, data: Dataset, store: Store, seed: int
) -> Part:
    return on_chip(variant.name, settings_of(variant, arguments.data, seed), data, store)


def _bptt(arguments: AblationExperiment, data: Dataset, store: Store, seed: int) -> Iterator[Part]:
    from hostref.settings import BpttSettings

    for name, shift in ((BPTT, 1), (BPTT_STILL, 0)):
        settings = BpttSettings(seed=seed, shift=shift, epochs=arguments.bptt_epochs)
        yield in_float(name, settings, data, store)


def _on_real(
    variant: Variant, arguments: AblationExperiment, real: Real, store: Store, seed: int
) -> tuple[Part, Part]:
    """A training without the images of the recordings, and its accuracy on the recordings.

    The latter before and after further training on some of them.
    """
    options = datasets.usable(arguments.data, datasets.Options(skip=arguments.skip))
    simulated = settings_of(variant, arguments.data, seed).model_copy(update={"skip": options.skip})
    part = on_chip(f"{variant.name}, {UNSEEN}", simulated, real.without, store)
    return part, _read(
        f"{variant.name}, {REAL}",
        part,
        settings_of(variant, real.recordings.name, seed),
        real.recordings,
        store,
    )


def _read(method: str, part: Part, trained: "Settings", real: Dataset, store: Store) -> Part:
    settings = learning_on(trained)
    recipe = {
        "trained": part.recipe,
        "data": real.key,
        "measure": MEASURE,
        "settings": settings.key(),
    }

    def make() -> Result:
        from learning.training import Training, start, started_from, validate

        part.result()
        config = start(settings, real)
        training = Training(config, real, checkpoint=started_from(part.run, config))
        splits = {name: getattr(real, name) for name in ("train", "validation", "test")}
        before = {name: validate(training.chip, frames) for name, frames in splits.items()}
        while training.generation < settings.generations:
            training.step()
        after = validate(training.chip, real.test)
        counts = {name: len(frames.labels) for name, frames in splits.items()}
        right = sum(before[name].accuracy * counts[name] for name in counts)
        return {
            "accuracy": right / sum(counts.values()),
            "samples": sum(counts.values()),
            "test_accuracy": before["test"].accuracy,
            "test_samples": counts["test"],
            "learnt_on_accuracy": after.accuracy,
            "seconds": training.seconds,
        }

    return Part(method, part.seed, recipe, make, store)


def learning_on(trained: "Settings") -> "Settings":
    """A short training with small steps, since the network is good already."""
    changed = {"generations": LEARNING_ON, "learning_rate": 0.05, "evaluate_every": LEARNING_ON}
    return trained.model_copy(update=changed)
