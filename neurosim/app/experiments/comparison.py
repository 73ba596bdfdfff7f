"""Comparison of runs with float training, quantised weights and narrower registers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from pydantic import BaseModel, ConfigDict, Field

from neurosim.app.experiments.rows import Row, chip_row, float_row, way_of_training
from neurosim.app.experiments.store import Store
from neurosim.data.datasets import Dataset
from neurosim.data.frames import select
from neurosim.network import Network, NetworkError
from neurosim.network.faults import Faults
from neurosim.network.serialise import describe

if TYPE_CHECKING:
    from hostref.bptt import Trained
    from hostref.settings import BpttSettings, NetworkSettings
    from learning.config import Config

TRAINING = 0.7
"""Share of a BPTT part that is the training, the search for scales apart: a rough guess."""
MEASURE = 1
"""Version of what is measured: raised when a kept part would no longer mean the same."""


SWEEPS, AGREEMENT = "sweeps", "agreement"
"""Parts that are no rows of the table."""


class Comparison(BaseModel):
    """One table and one set of pictures for runs of `neurosim train`, beside the float reference.

    Parts that are done are kept in the output folder, so that a comparison that was stopped goes on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """run folders of one network and one data set; several (say, of different seeds) are averaged"""
    data: str | None = None
    """data set; by default the one the runs were trained on"""
    out: Path | None = None
    """where table, pictures and finished parts go; by default FOLDER/compare"""
    seeds: Annotated[int, Field(ge=1)] = 1
    """trainings of each float method"""
    bits: tuple[Annotated[int, Field(ge=2, le=8)], ...] = (8, 6, 4, 3)
    """weight bits that the BPTT weights are brought to the chip with"""
    bptt_epochs: Annotated[int, Field(ge=1)] = 20
    """epochs of float BPTT"""
    bptt_shift: Annotated[int, Field(ge=0, le=8)] = 1
    """pixels by which BPTT's training samples are moved; 0 shows them as they are"""
    bptt_learning_rate: Annotated[float, Field(gt=0)] = 4e-3
    """learning rate of float BPTT"""
    float_generations: Annotated[int, Field(ge=1)] = 100
    """generations of float EGGROLL"""
    float_pairs: Annotated[int, Field(ge=1)] = 256
    """pairs of float EGGROLL"""
    search_samples: Annotated[int, Field(ge=1)] = 2000
    """validation samples for the scale search"""
    sweeps: bool = True
    """sweep the widths of weights, membranes and decays"""
    faults: str | None = None
    """faults of the chip that every network is evaluated on: "stuck-weight-bits 0.01, dead 0.05, seed 3"; by
    default those of each run, and none for the networks of BPTT; none: a sound chip"""
    device: str = "cpu"
    """where the float reference runs: auto, cpu, cuda or cuda:N"""


@dataclass(frozen=True)
class Part:
    """A piece of work with a name, done once."""

    name: str
    recipe: dict[str, Any]
    make: Callable[[], Any]  # of a training: its rows of the table
    store: Store

    def result(self) -> Any:
        """The kept result, or the one that is measured now."""
        return self.store.made(self.name, self.recipe, self.make)

    def kept(self) -> Any:
        """Or None, where it was not made yet."""
        return self.store.get(self.name, self.recipe)


def network_settings(config: "Config") -> "NetworkSettings":
    """The run's network, for the float reference."""
    from hostref.settings import NetworkSettings

    s = config.settings
    if config.given is not None and not config.given.is_dense_chain:
        return NetworkSettings(described=describe(_firing(config.given, max(1, s.vth_mant))))
    return NetworkSettings(hidden=s.hidden, du=s.du, dv=s.dv, vth_mant=max(1, s.vth_mant))


def _firing(network: Network, vth_mant: int) -> Network:
    """The network with an output of this threshold, which float models take as their unit."""
    populations = list(network.populations)
    populations[network.output] = replace(populations[network.output], vth_mant=vth_mant)
    return replace(network, populations=tuple(populations))


def bptt_settings(arguments: Comparison, config: "Config", seed: int) -> "BpttSettings":
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


def plan(arguments: Comparison, config: "Config", data: Dataset, store: Store) -> list[Part]:
    """Every part of the comparison; nothing is done yet."""
    common = {"data": data.key, "measure": MEASURE}
    given = _faults(arguments)
    if given is not None:
        common["faults"] = str(given)
    parts = [
        _run_part(folder, config, data, store, common, arguments.faults)
        for folder in arguments.folders
    ]
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
                    settings, arguments, data, store, seed
                ),
                store,
            )
        )
        parts.append(_float_eggroll_part(arguments, config, data, store, common, seed))
    if arguments.sweeps:
        parts.append(_sweeps_part(arguments, config, data, store))
    parts.append(_agreement_part(arguments, config, data, store))
    return parts


def _run_part(
    folder: Path,
    config: "Config",
    data: Dataset,
    store: Store,
    common: dict[str, Any],
    text: str | None,
) -> Part:
    from learning.record import read_checkpoint, weights_sha256
    from neurosim.app.experiments.answers import faults_of
    from neurosim.network.differences import differences

    own, checkpoint = read_checkpoint(folder)
    if own.settings.readout != config.settings.readout:
        raise NetworkError(
            f"{folder}: its readout is {own.settings.readout!r}, that of the first run "
            f"{config.settings.readout!r}; compare runs that differ in seed or training only"
        )
    if own.network() != config.network():
        raise NetworkError(
            f"{folder}: its network is not that of the first run: "
            f"{differences(config.network(), own.network())}; compare runs that differ in seed or training "
            f"only, or list them with neurosim runs"
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
            chip_row(
                way_of_training(s, own.origin),
                s.seed,
                own.network(),
                checkpoint.weights,
                data.test,
                membrane,
                faults,
                sample_passes=cost,
                seconds=checkpoint.seconds,
            )
        ]

    recipe = {**common, "weights": weights_sha256(checkpoint.weights)}
    faults = faults_of(own, checkpoint.generation, text)
    if faults is not None:
        recipe["faults"] = str(faults)
    return Part(f"run-{folder.resolve().name}", recipe, make, store)


def train_bptt(
    settings: "BpttSettings",
    arguments: Comparison,
    data: Dataset,
    folder: Path,
    within: Callable[[float], None] = lambda share: None,
) -> "Trained":
    """Train, or take up what `folder` holds."""
    from hostref import bptt

    return bptt.train(
        settings,
        data,
        folder,
        device=arguments.device,
        within=lambda epochs: within(TRAINING * epochs / settings.epochs),
    )


def _bptt_rows(
    settings: "BpttSettings", arguments: Comparison, data: Dataset, store: Store, seed: int
) -> list[Row]:
    from hostref import quantise
    from neurosim.app.experiments.float_runs import scale_score

    trained = train_bptt(settings, arguments, data, store.folder / f"bptt-{seed}", store.within)
    model, parameters = trained.model, trained.parameters
    passes = len(trained.history) * len(data.train.labels)
    rows = [
        float_row(
            "float BPTT",
            seed,
            model,
            parameters,
            data,
            settings.readout,
            settings.gain,
            sample_passes=passes,
        )
    ]
    membrane = settings.readout == "membrane"
    score = scale_score(trained, settings, select(data.validation, slice(arguments.search_samples)))
    for bits in arguments.bits:
        plain = quantise.quantise(model, parameters, bits)
        best, _ = quantise.best_scale(model, parameters, bits, score)
        for how, found in (("plain", plain), ("best scale", best)):
            rows.append(
                chip_row(
                    f"BPTT on chip, {bits} bits, {how}",
                    seed,
                    found.network,
                    found.weights,
                    data.test,
                    membrane,
                    _faults(arguments),
                    sample_passes=passes,
                    clipped=sum(found.clipped),
                    zeroed=sum(found.zeroed),
                    share=list(found.share),
                )
            )
    return rows


def _float_eggroll_part(
    arguments: Comparison,
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

        evolved = evolution.train(
            settings,
            data,
            device=arguments.device,
            report=lambda entry: store.within(entry["generation"] / settings.generations),
        )
        passes = settings.generations * settings.pairs * 2 * settings.batch
        return [
            float_row(
                "float EGGROLL",
                seed,
                evolved.model,
                evolved.parameters,
                data,
                readout,
                settings.gain,
                sample_passes=passes,
            )
        ]

    recipe = {**common, "settings": settings.model_dump(mode="json")}
    return Part(f"float-eggroll-{seed}", recipe, make, store)


def _agreement_part(arguments: Comparison, config: "Config", data: Dataset, store: Store) -> Part:
    """How far chip and float twin agree on the first run: spikes by layer, and member fitness."""
    from learning.record import read_checkpoint, weights_sha256
    from learning.training import make_chip
    from neurosim.app.experiments import cycle, members
    from neurosim.population.emulated import why_emulated

    checkpoint = read_checkpoint(arguments.folders[0])[1]
    recipe = {
        "data": data.key,
        "measure": MEASURE,
        "weights": weights_sha256(checkpoint.weights),
        "settings": config.settings.model_dump(mode="json"),
    }

    def make() -> dict[str, Any]:
        network = config.network()
        layers = cycle.spike_agreement(network, checkpoint.weights, data.test)
        fitness = None
        # members of other graphs, and those of a chip with faults, have no float twin
        if network.is_dense_chain and config.faults is None and not why_emulated(network):
            chip = make_chip(config, checkpoint.state)
            pairs = range(min(64, config.settings.pairs))
            if not (any(chip.spec.aligned) or chip.spec.one_sided):
                few = select(data.train, slice(32))
                compared = members.member_fitness(chip, few, pairs, checkpoint.generation)
                fitness = compared.agreement()._asdict()
        return {
            "spikes": {
                population.name: layer._asdict()
                for population, layer in zip(network.populations, layers, strict=True)
            },
            "fitness": fitness,
        }

    return Part(AGREEMENT, recipe, make, store)


def _sweeps_part(arguments: Comparison, config: "Config", data: Dataset, store: Store) -> Part:
    """Accuracy over register widths of the BPTT weights of seed 0: {register: [[bits, accuracy]]}."""
    from neurosim.app.experiments import widths
    from neurosim.app.experiments.float_runs import scale_score

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
            trained, settings, select(data.validation, slice(arguments.search_samples))
        )
        return widths.sweep(trained, settings.readout, data, score)

    return Part(SWEEPS, recipe, make, store)


def _faults(arguments: Comparison) -> Faults | None:
    return None if arguments.faults is None else Faults.of_text(arguments.faults)
