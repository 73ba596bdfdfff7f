"""Run folders of float trainings: BPTT weights on the chip's grid, for `evaluate`, `report` and others."""

import json
from collections.abc import Callable
from math import log
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from learning.config import Config, DataAbout
from learning.fitting import recipe_for, settings_for, without_shift
from learning.record import CONFIG, SUMMARY, RunError, weights_sha256
from learning.run_folder import RunFolder
from learning.settings import Settings
from neurosim.app.experiments import on_chip
from neurosim.data.datasets import Dataset
from neurosim.data.frames import Frames
from neurosim.data.sets.base import Options
from neurosim.network import Network, Weights
from neurosim.population.state import state_of

if TYPE_CHECKING:
    from hostref.bptt import Trained
    from hostref.quantise import Quantised
    from hostref.settings import BpttSettings

ORIGIN = "bptt"
"""How such a run's configuration says where its weights come from."""


class DataName(NamedTuple):
    """Data of the training: a name and options as commands take them, and pixels joined POOL x POOL."""

    data: str
    pool: int
    options: Options


def config_of(
    settings: "BpttSettings", choice: DataName, data: Dataset, network: Network
) -> Config:
    """The configuration of a run of `network`, whose registers are given in full.

    Its other settings are those with which the chip learns on.
    """
    recipe = recipe_for(network, settings.readout)
    own: dict[str, Any] = {"data": choice.data, "pool": choice.pool, "steps": data.steps}
    if not network.is_dense_chain:
        own |= {"hidden": settings.network.hidden, "layers": settings.network.layers or None}
    chosen = Settings.model_validate(
        {
            **settings_for(network, settings.readout, recipe),
            **choice.options.given(),
            **own,
            "seed": settings.seed,
        }
    )
    chosen = without_shift(chosen, data.sensor)
    about = DataAbout(data.class_names, data.sensor, data.window_us)
    size = data.train.inputs
    return Config(chosen, data.key, size, data.classes, network, about, origin=ORIGIN)


def write(
    folder: Path, config: Config, found: "Quantised", trained: "Trained", summary: dict[str, Any]
) -> str:
    """Write a run folder, or find that it is there already; the sha256 of its weights.

    Raises RunError where the folder holds another run.
    """
    sha256 = weights_sha256(found.weights)
    if (folder / CONFIG).exists():
        opened, kept = RunFolder.resume(folder)
        here = opened.config._replace(settings=config.settings)  # which say only how it learns on
        if here != config or (kept and weights_sha256(kept.weights) != sha256):
            opened.close()
            begun = here == config and kept is not None and kept.generation > 0
            what = "has learned on since" if begun else "holds another run"
            raise RunError(
                f"{folder} {what}; give another folder, or remove {CONFIG} and the files beside it"
            )
    else:
        opened, kept = RunFolder.create(folder, config), None
    with opened:
        if kept is None:
            for entry in trained.history:
                opened.log(_line(entry))
            seconds = sum(entry["seconds"] for entry in trained.history)
            fraction = config.settings.fraction_bits
            state = state_of(found.weights, fraction, config.settings.momentum_bits > 0)
            opened.save(state, found.weights, 0, seconds)
        opened.write(SUMMARY, json.dumps({**summary, "weights_sha256": sha256}, indent=1).encode())
    return sha256


def _line(entry: dict[str, Any]) -> dict[str, Any]:
    """An epoch as a line of metrics."""
    kept = {name: value for name, value in entry.items() if name not in ("epoch", "loss")}
    return {"generation": entry["epoch"], "fitness_bits": -entry["loss"] / log(2), **kept}


class Width(NamedTuple):
    """BPTT weights at one width on the chip.

    plain, accuracy  test accuracy with plain rounding, and with the best scales found
    validation       accuracy of the latter on the validation set
    clipped, zeroed  mantissas at their limit; weights that became 0
    folder           where the run lies, if it was written
    """

    bits: int
    plain: float
    accuracy: float
    validation: float
    clipped: int
    zeroed: int
    folder: Path | None
    weights_sha256: str


def scale_score(
    trained: "Trained", settings: "BpttSettings", search: Frames
) -> Callable[[Network, Weights], float]:
    """Objective of the scale search: the chip's mean log-likelihood on samples of the validation set.

    It is smoother than accuracy, so that few samples do. The chip's scores have a scale of their own;
    they are brought to the spread that the float network's logits have.
    """
    from hostref import inputs, readout
    from hostref.backend import torch

    model = trained.model
    x, _ = inputs.load(search, model.like.device).batch(slice(0, 500), model.like.dtype)
    with torch.no_grad():
        logits = readout.scores(model, model.run(trained.parameters, x), settings.readout)
    spread = float((settings.gain * logits).std())
    membrane = settings.readout == "membrane"
    return lambda network, weights: on_chip.log_likelihood(
        network, weights, search, membrane, spread
    )


def at_width(
    trained: "Trained",
    settings: "BpttSettings",
    data: Dataset,
    bits: int,
    search: tuple[int, int],
) -> "tuple[Quantised, Width]":
    """The weights in `bits` bits; `search`: validation samples, and rounds (0: plain rounding)."""
    from hostref import quantise
    from neurosim.data.frames import select

    samples, rounds = search
    membrane = settings.readout == "membrane"
    plain = quantise.quantise(trained.model, trained.parameters, bits)
    best = plain
    if rounds:
        score = scale_score(trained, settings, select(data.validation, slice(samples)))
        best, _ = quantise.best_scale(trained.model, trained.parameters, bits, score, rounds)
    plain_test, best_test = (
        on_chip.accuracy(found.network, found.weights, data.test, membrane)
        for found in (plain, best)
    )
    return best, Width(
        bits=bits,
        plain=plain_test,
        accuracy=best_test,
        validation=on_chip.accuracy(best.network, best.weights, data.validation, membrane),
        clipped=sum(best.clipped),
        zeroed=sum(best.zeroed),
        folder=None,
        weights_sha256=weights_sha256(best.weights),
    )
