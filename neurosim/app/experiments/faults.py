"""Learning on a chip with faults: networks that are loaded, trained further there, or trained there only.

For each kind of fault, each share of it and each seed:

    BPTT, loaded       trained in floating point, brought to 8 bits and loaded onto the chip with faults
    BPTT, learning on  the same after `LEARNING_ON` generations of learning on that chip
    loaded             trained by the same rule on a sound chip and loaded
    learning on        the same after as many generations on that chip
    from the start     trained on that chip

and for faults that come during training, the accuracy before and after. A seed is of the training and of
the faults. Every result is kept in the output folder, so that a run that was stopped goes on.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from neurosim.app.experiments.store import Store
from neurosim.app.experiments.trainings import Part, Result, on_chip
from neurosim.data.datasets import Dataset
from neurosim.network import Network, NetworkError, Weights
from neurosim.network.faults import Faults

if TYPE_CHECKING:
    from learning.config import Config
    from learning.settings import Settings

MEASURE = 1
"""Version of what is measured."""
SHARES: dict[str, tuple[str, ...]] = {
    "stuck-weight-bits": ("0.01", "0.03", "0.1"),
    "silent": ("0.1", "0.2", "0.4"),
    "always-firing": ("0.05", "0.1", "0.2"),
    "lost-axons": ("0.1", "0.2", "0.4"),
    "threshold-mismatch": ("0.2", "0.4", "0.8"),
    "decay-mismatch": ("0.5", "1"),
    "flipped-weight-bits": ("0.00001", "0.0001", "0.001"),
    "stuck-generator-bit": ("1",),
}
"""Kinds, and shares of each; chosen here, from what costs nothing to what costs most of the accuracy."""
BPTT, BPTT_ON = "BPTT, loaded", "BPTT, learning on"
LOADED, ON, START = "loaded", "learning on", "from the start"
WAYS = (BPTT, BPTT_ON, LOADED, ON, START)
SOUND = "sound chip"
SOUND_LOADED, SOUND_BPTT = "sound chip: loaded", "sound chip: BPTT, loaded"
LEARNING_ON = 100
"""Generations of learning on, chosen here: a third of a training."""
LOOKS = (1, 2, 4, 7, 10, 15, 20, 30, 40, 50, 70, 85, 100)
"""Generations of learning on after which the accuracy is looked at."""
LIFE = {
    "stuck-weight-bits": "0.03",
    "silent": "0.4",
    "always-firing": "0.1",
    "lost-axons": "0.4",
    "threshold-mismatch": "0.4",
}
"""Faults that come during training, one kind at a time."""
LIFE_EVERY = 10
MOST_NOISE = 1024
"""Largest sigma that settings take."""
POOL = 2
_SETTINGS: dict[str, Any] = {
    "pool": POOL,
    "hidden": (96,),
    "pairs": 512,
    "groups": 256,
    "vth_mant": 512,
    "sigma": 256,
    "noise_window": 1024,
    "learning_rate": 0.6,
}
"""The recipe `fast`, smaller: half the resolution, a quarter of the samples a generation. Chosen here: a
training takes seconds. The threshold, the noise and the rate fit the smaller input."""


class FaultsExperiment(BaseModel):
    """Accuracy on a chip with faults, before and after learning on it: write faults.md and its pictures.

    Long work: every training is kept in the output folder, and a second call goes on where the first
    stopped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: str = "digits"
    """data set, as for `neurosim train`"""
    out: Path = Path("runs/faults")
    """folder for trainings, page and pictures"""
    seeds: Annotated[int, Field(ge=1)] = 5
    """trainings, and chips with faults, of each kind and share"""
    generations: Annotated[int, Field(ge=2)] = 400
    """generations of a training from the start, on the sound chip or on one with faults"""
    bptt_epochs: Annotated[int, Field(ge=0)] = 10
    """epochs of surrogate BPTT; 0: no BPTT, and no PyTorch"""
    kinds: tuple[str, ...] = tuple(SHARES)
    """kinds of faults"""


def check(arguments: FaultsExperiment) -> None:
    """Raise NetworkError where kinds are none."""
    unknown = [kind for kind in arguments.kinds if kind not in SHARES]
    if unknown or not arguments.kinds:
        raise NetworkError(f"kinds {' '.join(unknown)!r}; there are {', '.join(SHARES)}")


class Base(NamedTuple):
    """A trained network, and the settings it learns on with."""

    network: Network
    weights: Weights
    settings: "Settings"


def settings_of(arguments: FaultsExperiment, seed: int, **changed: Any) -> "Settings":
    """Settings of a training from the start, or of another with some of them changed."""
    from learning.recipes import RECIPES
    from learning.settings import Settings

    return Settings.model_validate(
        {
            **RECIPES["fast"][1].model_dump(),
            **_SETTINGS,
            "data": arguments.data,
            "generations": arguments.generations,
            "evaluate_every": arguments.generations,
            "seed": seed,
            **changed,
        }
    )


def faults_of(kind: str, share: str, seed: int, since: int = 0) -> Faults:
    """The faults of one chip."""
    found = Faults.of_text(f"{kind} {share}, seed {seed}, since {since}")
    assert found is not None
    return found


class Seed:
    """The trained networks of one seed, made when they are asked for."""

    def __init__(self, arguments: FaultsExperiment, data: Dataset, store: Store, seed: int) -> None:
        self.arguments, self.data, self.store, self.seed = arguments, data, store, seed
        self.sound = on_chip(SOUND, settings_of(arguments, seed), data, store)

    def learning_on(self, **changed: Any) -> "Settings":
        """A training of few generations in half as large steps."""
        on = {"generations": LEARNING_ON, "evaluate_every": LEARNING_ON, "learning_rate": 0.3}
        return settings_of(self.arguments, self.seed, **on, **changed)

    @cached_property
    def chip(self) -> Base:
        """Trained by the same rule on a sound chip."""
        from learning.record import read_checkpoint

        self.sound.result()
        config, checkpoint = read_checkpoint(self.sound.run)
        return Base(config.network(), checkpoint.weights, self.learning_on())

    @cached_property
    def bptt(self) -> Base:
        """Trained by surrogate BPTT in floating point, and brought to 8 bits at the best scale."""
        from hostref import bptt, quantise
        from hostref.settings import BpttSettings, NetworkSettings
        from neurosim.app.experiments.float_runs import scale_score
        from neurosim.data.frames import select

        mine = settings_of(self.arguments, self.seed)
        settings = BpttSettings(
            network=NetworkSettings(
                hidden=mine.hidden, du=mine.du, dv=mine.dv, vth_mant=mine.vth_mant
            ),
            epochs=self.arguments.bptt_epochs,
            seed=self.seed,
        )
        trained = bptt.train(settings, self.data, self.store.folder / f"bptt-{self.seed}")
        score = scale_score(trained, settings, select(self.data.train, slice(1000)))
        found, _ = quantise.best_scale(trained.model, trained.parameters, 8, score)
        return Base(found.network, found.weights, self._fitted(found.network, found.weights))

    def _fitted(self, network: Network, weights: Weights) -> "Settings":
        """Noise, window and temperature in the units of a network whose thresholds are others."""
        connection, hidden = network.layers[0]
        threshold = int(hidden.each("vth_mant")[0])
        wider = _spread(network, weights, self.data) / _spread(
            self.chip.network, self.chip.weights, self.data
        )
        return self.learning_on(
            sigma=min(max(1, (threshold << 6) >> connection.current_shift), MOST_NOISE),
            noise_window=2 * threshold,
            temperature=2.0 ** int(np.clip(np.rint(np.log2(wider)), -9, 9)),
        )


def _spread(network: Network, weights: Weights, data: Dataset) -> float:
    """Standard deviation of the scores of validation samples."""
    from neurosim.app.experiments.on_chip import still_chip

    return float(still_chip(network, weights, True).forward(data.validation).potentials.std())


def plan(arguments: FaultsExperiment, data: Dataset, store: Store) -> list[Part]:
    """Every result, seed after seed."""
    parts: list[Part] = []
    for number in range(arguments.seeds):
        seed = Seed(arguments, data, store, number)
        parts += [seed.sound]
        if arguments.bptt_epochs:
            parts += _on_sound(seed, SOUND_BPTT, "bptt")
        parts += _on_sound(seed, SOUND_LOADED, "chip")
        for kind in arguments.kinds:
            for share in SHARES[kind]:
                parts += _of_chip(seed, kind, share)
        for kind, share in LIFE.items():
            if kind in arguments.kinds:
                parts += [_life(seed, kind, share)]
    return parts


def name_of(kind: str, share: str, way: str) -> str:
    """Method of a result."""
    return f"{kind} {share}: {way}"


def _of_chip(seed: Seed, kind: str, share: str) -> list[Part]:
    """All results on one chip with faults."""
    faults = faults_of(kind, share, seed.seed)
    makes: dict[str, Callable[[], Result]] = {}
    bases = {LOADED: "chip"} | ({BPTT: "bptt"} if seed.arguments.bptt_epochs else {})
    learned = {LOADED: ON, BPTT: BPTT_ON}
    for way, base in bases.items():
        makes[way] = lambda base=base: _loaded(seed, getattr(seed, base), faults)  # type: ignore[misc]
        makes[learned[way]] = lambda base=base: _learning_on(  # type: ignore[misc]
            seed, getattr(seed, base), faults
        )
    makes[START] = lambda: _from_the_start(seed, faults)
    return [_part(seed, name_of(kind, share, way), faults, make) for way, make in makes.items()]


def _part(seed: Seed, name: str, faults: Faults | None, make: Callable[[], Result]) -> Part:
    arguments = seed.arguments
    recipe = {
        "data": seed.data.key,
        "measure": MEASURE,
        "settings": settings_of(arguments, seed.seed).key(),
        "learning_on": seed.learning_on().key(),
        "bptt_epochs": arguments.bptt_epochs if "BPTT" in name else None,
        "faults": None if faults is None else str(faults),
    }
    return Part(name, seed.seed, recipe, make, seed.store)


def _on_sound(seed: Seed, name: str, base: str) -> list[Part]:
    """Accuracy of each way of training on a chip without faults."""
    return [
        _part(seed, name, None, lambda: _loaded(seed, getattr(seed, base), None)),
        _part(
            seed,
            f"{name}, learning on",
            None,
            lambda: _learning_on(seed, getattr(seed, base), None),
        ),
    ]


def _on_emulator(seed: Seed, base: Base, faults: Faults | None) -> float:
    """Test accuracy on the chip emulator, which has every kind of fault."""
    from neurosim.app.experiments.answers import answer

    return answer(_config(seed, base, None), base.weights, seed.data.test, faults).seen.accuracy


def _config(seed: Seed, base: Base, faults: Faults | None) -> "Config":
    from learning.training import start

    config = start(base.settings, seed.data, faults)
    return config._replace(given=base.network)


def _loaded(seed: Seed, base: Base, faults: Faults | None) -> Result:
    """Accuracy of a trained network that is loaded, and learns nothing.

    Of bits that flip: after as many generations as others learn on for.
    """
    if faults is None or not faults.flipped_weight_bits:
        return {"test_accuracy": _on_emulator(seed, base, faults)}
    still = {"learning_rate": 0, "pairs": 1, "groups": 1}
    unmoved = base._replace(settings=base.settings.model_copy(update=still))
    return _learning_on(seed, unmoved, faults)


def _learning_on(seed: Seed, base: Base, faults: Faults | None) -> Result:
    """Accuracy of a trained network while it learns on, on the chip with faults."""
    from learning.record import Checkpoint
    from learning.training import Training
    from neurosim.population.state import state_of

    config = _config(seed, base, faults)
    kept = config.settings.fraction_bits, config.settings.momentum_bits > 0
    begin = Checkpoint(state_of(base.weights, *kept), base.weights, 0, 0.0)
    training = Training(config, seed.data, checkpoint=begin)
    return _curve(training, seed, LOOKS)


def _from_the_start(seed: Seed, faults: Faults) -> Result:
    from learning.training import Training, start

    config = start(settings_of(seed.arguments, seed.seed), seed.data, faults)
    return _curve(Training(config, seed.data), seed, (seed.arguments.generations,))


def _life(seed: Seed, kind: str, share: str) -> Part:
    """A training during which faults come, after two thirds of a sound training."""
    generations = seed.arguments.generations
    since = 2 * generations // 3
    faults = faults_of(kind, share, seed.seed, since)

    def make() -> Result:
        from learning.training import Training, start

        whole = since + 2 * LEARNING_ON
        settings = settings_of(seed.arguments, seed.seed, generations=whole, evaluate_every=whole)
        training = Training(start(settings, seed.data, faults), seed.data)
        soon = [since + one for one in LOOKS if one < LIFE_EVERY]
        looks = {
            *range(LIFE_EVERY, whole + 1, LIFE_EVERY),
            *soon,
            since,
            since + 1,
            since + 10,
            since + 50,
            whole,
        }
        return _curve(training, seed, sorted(looks))

    return _part(seed, f"{kind} {share}: during life", faults, make)


def _curve(training: Any, seed: Seed, looks: tuple[int, ...] | list[int]) -> Result:
    """Test accuracy after chosen generations, the one before the first included."""
    from learning.training import validate

    def look() -> list[float]:
        return [training.generation, validate(training.chip, seed.data.test).accuracy]

    curve = [look()]
    while training.generation < training.settings.generations:
        training.step()
        if training.generation in looks:
            curve.append(look())
    return {"test_accuracy": curve[-1][1], "curve": curve, "seconds": training.seconds}
