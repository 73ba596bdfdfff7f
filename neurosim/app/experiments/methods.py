"""Which ways of training are compared, and how is each part of the work done once?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurosim.app.experiments import on_chip
from neurosim.app.experiments.rows import Row, chip_row, float_row
from neurosim.app.experiments.store import Store
from neurosim.data.datasets import Dataset
from neurosim.data.frames import Frames, take
from neurosim.network import Network, NetworkError, Weights

if TYPE_CHECKING:
    from hostref.bptt import Trained
    from hostref.settings import BpttSettings, NetworkSettings
    from learning.record import Config
    from learning.settings import Settings
    from neurosim.app.cli.compare import Compare

CHIP = {
    "eggroll": "chip EGGROLL",
    "full-rank": "chip full-rank ES",
    "event-aligned": "chip event-aligned ES",
}
MEASURE = 1
"""Version of what is measured: raised when a kept part would no longer mean the same."""


@dataclass(frozen=True)
class Part:
    """A piece of work with a name, done once."""

    name: str
    recipe: dict[str, Any]
    make: Callable[[], list[Row]]
    store: Store

    def rows(self) -> list[Row]:
        rows: list[Row] = self.store.made(self.name, self.recipe, self.make)
        return rows


def way_of_training(settings: "Settings") -> str:
    """How a run learned, in a few words."""
    words = [CHIP[settings.method]]
    if settings.credit == "error":
        words.append("credit by error")
    if settings.estimator != "antithetic":
        words.append(f"{settings.estimator} members")
    if settings.output_rule != "same":
        words.append(f"{settings.output_rule} readout")
    return ", ".join(words)


def network_settings(config: "Config") -> "NetworkSettings":
    """The run's network, for the float reference."""
    from hostref.settings import NetworkSettings

    s = config.settings
    return NetworkSettings(hidden=s.hidden, du=s.du, dv=s.dv, vth_mant=max(1, s.vth_mant))


def bptt_settings(arguments: "Compare", config: "Config", seed: int) -> "BpttSettings":
    """BPTT of the run's network and readout."""
    from hostref.settings import BpttSettings

    readout = config.settings.readout
    return BpttSettings(
        network=network_settings(config),
        readout=readout,
        gain=0.2 if readout == "membrane" else 10.0,
        epochs=arguments.bptt_epochs,
        learning_rate=arguments.bptt_learning_rate,
        shift=arguments.bptt_shift,
        seed=seed,
    )


def plan(arguments: "Compare", config: "Config", data: Dataset, store: Store) -> list[Part]:
    """Every part of the comparison; nothing is done yet."""
    common = {"data": data.key, "measure": MEASURE}
    parts = [_run_part(folder, config, data, store, common) for folder in arguments.folders]
    for seed in range(arguments.seeds):
        settings = bptt_settings(arguments, config, seed)
        recipe = {
            **common,
            "settings": settings.model_dump(mode="json"),
            "bits": list(arguments.bits),
            "search": arguments.search_samples,
        }
        parts.append(
            Part(
                f"bptt-{seed}",
                recipe,
                lambda seed=seed, settings=settings: _bptt_rows(  # type: ignore[misc]
                    settings, arguments, data, store.folder, seed
                ),
                store,
            )
        )
        parts.append(_float_eggroll_part(arguments, config, data, store, common, seed))
    return parts


def _run_part(
    folder: Path, config: "Config", data: Dataset, store: Store, common: dict[str, Any]
) -> Part:
    from learning.record import read_checkpoint, weights_sha256

    own, checkpoint = read_checkpoint(folder)
    if own.network() != config.network() or own.settings.readout != config.settings.readout:
        raise NetworkError(
            f"{folder}: its network or readout is not that of the first run; compare runs that "
            f"differ in seed or training only"
        )
    if (own.inputs, own.classes) != (data.train.inputs, data.classes):
        raise NetworkError(
            f"{folder}: its network has {own.inputs} inputs and {own.classes} classes, {data.name} "
            f"has {data.train.inputs} and {data.classes}; give the data set of the run"
        )
    s = own.settings
    cost = checkpoint.generation * s.pairs * 2 * s.batch

    def make() -> list[Row]:
        membrane = s.readout == "membrane"
        return [
            chip_row(way_of_training(s), s.seed, own.network(), checkpoint.weights, data.test, membrane,
                     sample_passes=cost, seconds=checkpoint.seconds)
        ]  # fmt: skip

    recipe = {**common, "weights": weights_sha256(checkpoint.weights)}
    return Part(f"run-{folder.resolve().name}", recipe, make, store)


def train_bptt(
    settings: "BpttSettings", arguments: "Compare", data: Dataset, folder: Path
) -> "Trained":
    """Train, or take up what `folder` holds."""
    from hostref import bptt

    return bptt.train(settings, data, folder, device=arguments.device)


def _bptt_rows(
    settings: "BpttSettings", arguments: "Compare", data: Dataset, folder: Path, seed: int
) -> list[Row]:
    from hostref import quantise

    trained = train_bptt(settings, arguments, data, folder / f"bptt-{seed}")
    model, parameters = trained.model, trained.parameters
    passes = len(trained.history) * len(data.train.labels)
    rows = [
        float_row("float BPTT", seed, model, parameters, data, settings.readout, settings.gain,
                  sample_passes=passes)
    ]  # fmt: skip
    membrane = settings.readout == "membrane"
    score = scale_score(trained, settings, take(data.validation, slice(arguments.search_samples)))
    for bits in arguments.bits:
        plain = quantise.quantise(model, parameters, bits)
        best, _ = quantise.best_scale(model, parameters, bits, score)
        for how, found in (("plain", plain), ("best scale", best)):
            rows.append(
                chip_row(f"BPTT on chip, {bits} bits, {how}", seed, found.network, found.weights,
                         data.test, membrane, sample_passes=passes, clipped=sum(found.clipped),
                         zeroed=sum(found.zeroed), share=list(found.share))
            )  # fmt: skip
    return rows


def scale_score(
    trained: "Trained", settings: "BpttSettings", search: Frames
) -> Callable[[Network, Weights], float]:
    """What the scale search maximises: the chip's mean log-likelihood on samples of the validation set.

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


def _float_eggroll_part(
    arguments: "Compare",
    config: "Config",
    data: Dataset,
    store: Store,
    common: dict[str, Any],
    seed: int,
) -> Part:
    from hostref.settings import EvolutionSettings

    readout = config.settings.readout
    settings = EvolutionSettings(
        network=network_settings(config),
        readout=readout,
        gain=0.2 if readout == "membrane" else 1.0,
        rank=config.settings.rank,
        pairs=arguments.float_pairs,
        generations=arguments.float_generations,
        validate_every=arguments.float_generations,
        seed=seed,
    )

    def make() -> list[Row]:
        from hostref import evolution

        evolved = evolution.train(settings, data, device=arguments.device)
        passes = settings.generations * settings.pairs * 2 * settings.batch
        return [
            float_row("float EGGROLL", seed, evolved.model, evolved.parameters, data,
                      readout, settings.gain, sample_passes=passes)
        ]  # fmt: skip

    recipe = {**common, "settings": settings.model_dump(mode="json")}
    return Part(f"float-eggroll-{seed}", recipe, make, store)


def agreement(
    arguments: "Compare", config: "Config", data: Dataset, store: Store
) -> dict[str, Any]:
    """How far chip and float twin agree on the first run: spikes by layer, and member fitness."""
    from learning.record import read_checkpoint, weights_sha256
    from learning.training import make_chip
    from neurosim.app.experiments import cycle, members

    checkpoint = read_checkpoint(arguments.folders[0])[1]
    recipe = {
        "data": data.key,
        "measure": MEASURE,
        "weights": weights_sha256(checkpoint.weights),
        "settings": config.settings.model_dump(mode="json"),
    }

    def make() -> dict[str, Any]:
        layers = cycle.spike_agreement(config.network(), checkpoint.weights, data.test)
        chip = make_chip(config, checkpoint.memory)
        pairs = range(min(64, config.settings.pairs))
        fitness = None
        if not (any(chip.spec.aligned) or chip.spec.one_sided):
            few = take(data.train, slice(32))
            compared = members.member_fitness(chip, few, pairs, checkpoint.generation)
            fitness = compared.agreement()._asdict()
        return {
            "spikes": {
                population.name: layer._asdict()
                for (_, population), layer in zip(config.network().layers, layers, strict=True)
            },
            "fitness": fitness,
        }

    found: dict[str, Any] = store.made("agreement", recipe, make)
    return found


def sweeps(
    arguments: "Compare", config: "Config", data: Dataset, store: Store
) -> dict[str, list[list[float]]]:
    """Accuracy over register widths of the BPTT weights of seed 0: {register: [[bits, accuracy]]}."""
    from neurosim.app.experiments import widths

    settings = bptt_settings(arguments, config, 0)
    recipe = {
        "data": data.key,
        "measure": MEASURE,
        "settings": settings.model_dump(mode="json"),
        "search": arguments.search_samples,
    }

    def make() -> dict[str, list[list[float]]]:
        trained = train_bptt(settings, arguments, data, store.folder / "bptt-0")
        score = scale_score(
            trained, settings, take(data.validation, slice(arguments.search_samples))
        )
        return widths.sweep(trained, settings.readout, data, score)

    swept: dict[str, list[list[float]]] = store.made("sweeps", recipe, make)
    return swept
