"""Training loop: ask, evaluate, tell, apply the update, validate.

    ask = evolution.ask(g)                        which pairs, which samples
    chip.adjust(noise, readout)                   size of the generation's noise, and its temperature
    evaluation = chip.evaluate(batch, ...)        on the chip
    update = evolution.tell(g, evaluation)        one small integer a direction
    chip.apply_update(update.coefficients, ...)   on the chip

What a generation does depends on the settings, the data and its number alone, so a run that was
stopped anywhere continues to the same bits.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from learning import intervals
from learning.batches import offsets
from learning.config import Config, DataAbout
from learning.evolution import Ask, Evolution, Update
from learning.layered import (
    SHAPING,
    advice,
    is_layered,
    is_readout,
    layer_flags,
    layered_chip,
    layered_network,
    rate,
    shape_of,
)
from learning.record import Checkpoint, RunError, read_checkpoint, read_config, weights_sha256
from learning.rules.registry import rules_of
from learning.run_folder import RunFolder
from learning.settings import Settings, fresh_state, noise, readout
from neurosim.data.datasets import Dataset
from neurosim.data.frames import Frames, check_plane, select, shifted
from neurosim.kernels.compilation import compile_seconds
from neurosim.kernels.readout import FRACTION
from neurosim.network.differences import differences
from neurosim.network.faults import Faults
from neurosim.population.batch import Batch
from neurosim.population.emulated import why_emulated
from neurosim.population.evaluator import Evaluation, Evaluator, Forward
from neurosim.population.faulty import FaultyEvaluator, fused_has
from neurosim.population.graph_evaluator import GraphEvaluator
from neurosim.population.state import Precision, SynapticState, state_of

CHECKPOINT_SECONDS = 10.0
"""Seconds between checkpoints; chosen here: a killed run loses no more than this."""


class Metrics(NamedTuple):
    """Metrics of the network on samples that it does not learn from.

    dead_classes   classes that have samples here, and that are never the answer
    """

    accuracy: float
    predictions: NDArray[np.int64]
    dead_classes: int
    dead_neurons: int
    spikes_per_sample: float
    saturated: int
    rates: tuple[int, ...] = ()
    """spikes of each hidden layer in 1000 neurons and steps"""


Report = Callable[[int, dict[str, Any] | None], None]
"""Called after each generation with its number and, after a validation, the line of metrics."""


def chip_of(
    config: Config, state: SynapticState | None = None, generation: int = 0
) -> Evaluator | GraphEvaluator:
    """The evaluator of a run before `generation`, from a synaptic state or from the initial one."""
    settings, network = config.settings, config.network()
    chain = not is_layered(settings) and network.is_dense_chain and not why_emulated(network)
    if chain and fused_has(noise(settings, network), config.faults):
        return make_chip(config, state, generation)
    return layered_chip(settings, network, state, config.faults, generation)


def emulator_notice(config: Config) -> str:
    """Why members of a run are runs of the chip emulator; "" where a compiled executor has them."""
    reason = why_emulated(config.network())
    return f"members are runs of the chip emulator, which is slow. {reason}" if reason else ""


def _clock() -> float:
    """Seconds of training: those of the compiler are on a clock of their own."""
    return time.perf_counter() - compile_seconds()


def check_carried(config: Config) -> None:
    """Raise NetworkError where a run cannot be trained on a chip with its faults."""
    if config.faults is not None:
        config.faults.check(config.network())


def make_chip(config: Config, state: SynapticState | None = None, generation: int = 0) -> Evaluator:
    """The chip of a run on a chain of dense layers; RunError where it is on a graph of layers."""
    settings, described = config.settings, config.network()
    if is_layered(settings):
        raise RunError(
            f"the run learns with feedback {settings.feedback!r} on a graph of layers, and this command is "
            f"for chains of dense layers; give it a run of another recipe"
        )
    state = fresh_state(settings, described) if state is None else state
    form: Callable[..., Evaluator] = Evaluator
    if config.faults is not None:
        form = partial(FaultyEvaluator, faults=config.faults, generation=generation)
    return form(
        described,
        state,
        seed=settings.seed,
        noise=noise(settings, described),
        readout_spec=readout(settings),
        precision=Precision(settings.fraction_bits, settings.momentum_bits),
        signals=[rule.signal for rule in rules_of(settings, len(described.layers))],
    )


def batch_of(data: Dataset, ask: Ask, settings: Settings) -> Batch:
    """The samples of a generation, shifted where the settings ask for it, and those of each group."""
    if not settings.shift:
        return Batch(data.train, ask.samples)
    count = ask.samples.size
    where = offsets(count, ask.generation, settings.shift, settings.seed)
    frames = shifted(data.train, ask.samples.reshape(-1), where, data.sensor)
    return Batch(frames, np.arange(count).reshape(ask.samples.shape))


def validate(chip: Evaluator | GraphEvaluator, frames: Frames) -> Metrics:
    """Accuracy and health of the network as it stands."""
    forward: Forward = chip.forward(frames)
    scores = forward.potentials if chip.readout_spec.membrane else forward.counts
    return metrics_of(frames, scores, forward.spikes[:-1], int(forward.saturated.sum()))


def metrics_of(
    frames: Frames,
    scores: NDArray[np.integer],
    hidden: Sequence[NDArray[np.integer]],
    saturated: int,
) -> Metrics:
    """Metrics from scores (sample, class) and spikes (sample, neuron) of each hidden layer."""
    predictions = scores.argmax(axis=1)
    return Metrics(
        accuracy=float((predictions == frames.labels).mean()),
        predictions=predictions,
        dead_classes=len(np.setdiff1d(frames.labels, predictions)),
        dead_neurons=sum(int((layer.sum(axis=0) == 0).sum()) for layer in hidden),
        spikes_per_sample=sum(float(layer.sum()) for layer in hidden) / max(1, len(predictions)),
        saturated=saturated,
        rates=tuple(rate(layer, frames) for layer in hidden),
    )


class Training:
    """A run under way: `step` by `step`, or `run` to the end.

    folder      where metrics and checkpoints are written; None: nowhere
    checkpoint  that it goes on from; None: generation 0, with weights drawn from the seed

    Examples:
        >>> import neurosim
        >>> settings = neurosim.Settings(hidden=(8,), steps=5, generations=2, pairs=64)
        >>> data = neurosim.datasets.load("digits", steps=5)
        >>> training = neurosim.Training(neurosim.start(settings, data), data)
        >>> training.run(lambda generation, metrics: None)  # True: it reached the last generation
        True
        >>> training.summary()["generations"]
        2
    """

    def __init__(
        self,
        config: Config,
        data: Dataset,
        folder: RunFolder | None = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.config, self.data, self.folder = config, data, folder
        self.generation = checkpoint.generation if checkpoint else 0
        self.chip: Evaluator | GraphEvaluator = chip_of(
            config, checkpoint.state if checkpoint else None, self.generation
        )
        self.evolution = Evolution(
            config.settings,
            len(data.train.labels),
            len(self.chip.network.parameters),
            is_readout(self.chip.network),
        )
        self._noise = self.chip.spec  # of the first generation
        self.seconds = checkpoint.seconds if checkpoint else 0.0
        self._saved = (self.generation, time.perf_counter())
        self._batch: tuple[int, Batch] | None = None

    @property
    def settings(self) -> Settings:
        """Settings of the run."""
        return self.config.settings

    @property
    def notice(self) -> str:
        """As `emulator_notice` of its configuration."""
        return emulator_notice(self.config)

    @property
    def member_samples(self) -> int:
        """Forward passes of a perturbed network on a sample, so far."""
        return self.generation * self.settings.pairs * 2 * self.settings.batch

    def batch(self, ask: Ask) -> Batch:
        """The batch of a generation (see `batch_of`), made once."""
        if self._batch is None or self._batch[0] != ask.generation:
            self._batch = ask.generation, batch_of(self.data, ask, self.settings)
        return self._batch[1]

    def adjust(self, generation: int) -> None:
        """Set the scale of the generation's noise, and its temperature."""
        schedule = self.evolution.schedule
        self.chip.adjust(schedule.noise(self._noise, generation), schedule.readout(generation))

    def evaluate(self, ask: Ask) -> Evaluation:
        """Evaluate the pairs of a generation."""
        self.adjust(ask.generation)
        return self.chip.evaluate(self.batch(ask), ask.pairs, ask.generation)

    def apply_update(self, ask: Ask, update: Update) -> int:
        """Apply an update to the weights; return how many are at the edge of their range."""
        self.adjust(ask.generation)
        coefficients, rates = update
        return self.chip.apply_update(
            coefficients, ask.pairs, ask.generation, rates, self.batch(ask)
        )

    def step(self) -> dict[str, Any] | None:
        """One generation; returns the line of metrics if it ends with a validation."""
        began = _clock()
        ask = self.evolution.ask(self.generation)
        evaluation = self.evaluate(ask)
        edge = self.apply_update(ask, self.evolution.tell(ask.generation, evaluation))
        self.generation += 1
        self.seconds += _clock() - began
        every = self.settings.evaluate_every
        if self.generation % every and self.generation != self.settings.generations:
            return None
        began = _clock()
        seen = validate(
            self.chip, select(self.data.validation, slice(self.settings.validation_samples))
        )
        self.seconds += _clock() - began
        members = evaluation.fitness.size * self.settings.batch
        record: dict[str, Any] = {
            "generation": self.generation,
            "validation_accuracy": seen.accuracy,
            "fitness_bits": float(evaluation.fitness.sum()) / members / (1 << FRACTION),
            "dead_classes": seen.dead_classes,
            "dead_neurons": seen.dead_neurons,
            "spikes_per_sample": seen.spikes_per_sample,
            "saturated_registers": int(evaluation.saturated.sum()),
            "weights_at_edge": edge,
            "member_samples": self.member_samples,
            "seconds": round(self.seconds, 3),
        }
        if is_layered(self.settings):
            record["layer_rates"] = dict(zip(self.chip.hidden, seen.rates, strict=True))
            record["advice"] = advice(self.chip.hidden, seen.rates)
        return record

    def save(self) -> None:
        """Write a checkpoint, if there is a folder and anything new."""
        if self.folder is not None and self._saved[0] != self.generation:
            self.folder.save(self.chip.state, self.chip.weights(), self.generation, self.seconds)
            self._saved = (self.generation, time.perf_counter())

    def run(self, report: Report, stopped: Callable[[], bool] = lambda: False) -> bool:
        """Run to the last generation, or until `stopped`; True if it reached the last one."""
        while self.generation < self.settings.generations:
            if stopped():
                self.save()
                return False
            record = self.step()
            if record is not None and self.folder is not None:
                self.folder.log(record)
            if record is not None or time.perf_counter() - self._saved[1] > CHECKPOINT_SECONDS:
                self.save()
            report(self.generation, record)
        self.save()
        return True

    def summary(self) -> dict[str, Any]:
        """Results of a run that has ended, test accuracy included."""
        tested = validate(self.chip, self.data.test)
        settings = self.settings
        return {
            "data": self.data.name,
            "test_accuracy": tested.accuracy,
            "test_accuracy_interval": intervals.of_accuracy(
                tested.accuracy, len(tested.predictions)
            ),
            "test_samples": len(tested.predictions),
            "generations": self.generation,
            "seconds": round(self.seconds, 3),
            "member_samples": self.member_samples,
            "sample_passes": self.generation * settings.groups * settings.batch,
            "dead_classes": tested.dead_classes,
            "dead_neurons": tested.dead_neurons,
            "spikes_per_sample": tested.spikes_per_sample,
            "saturated_registers": tested.saturated,
            "weights_sha256": weights_sha256(self.chip.weights()),
        }


def start(settings: Settings, data: Dataset, faults: Faults | None = None) -> Config:
    """The configuration of a new run on a data set. FramesError where it has no plane to shift.

    Examples:
        >>> import neurosim
        >>> data = neurosim.datasets.load("digits", steps=5)
        >>> config = neurosim.start(neurosim.Settings(hidden=(8,), steps=5), data)
        >>> [population.neurons for population in config.network().populations]
        [8, 10]
    """
    if settings.shift:
        check_plane(data.sensor)
    about = DataAbout(data.class_names, data.sensor, data.window_us)
    given = layered_network(settings, data) if is_layered(settings) else None
    config = Config(
        settings, data.key, data.train.inputs, data.classes, given, about, faults=faults
    )
    check_carried(config)
    return config


def on_network_of(run: Path, config: Config) -> Config:
    """The configuration on the network of another run, where settings of a network are the same.

    The registers of that run are its own: they follow its samples, or those of a float training. Raises
    RunError where the data of `config` have other inputs or classes.
    """
    trained = read_config(run)
    network, settings = trained.network(), config.settings
    if network == config.network() or shape_of(trained.settings) != shape_of(settings):
        return config
    if (trained.inputs, trained.classes) != (config.inputs, config.classes):
        raise RunError(
            f"{run} has {trained.inputs} inputs and {trained.classes} classes, the data {settings.data!r} "
            f"{config.inputs} and {config.classes}; choose other data, or --sensor, --pool or --bins as of "
            f"that run"
        )
    found = config._replace(given=network)
    check_carried(found)
    return found


def _flags(names: Iterable[str]) -> str:
    return ", ".join("--" + name.replace("_", "-") for name in names)


def started_from(run: Path, config: Config) -> Checkpoint:
    """Generation 0 of a new run, with the final weights of another. Raises RunError."""
    trained, checkpoint = read_checkpoint(run)
    if trained.network() != config.network():
        raise RunError(
            f"{run} trained another network: {differences(trained.network(), config.network())}; leave out "
            f"{_flags(SHAPING)}, so that the new run has the network of that run "
            f"({layer_flags(trained.settings)})"
        )
    kept = config.settings.fraction_bits, config.settings.momentum_bits > 0
    return Checkpoint(state_of(checkpoint.weights, *kept), checkpoint.weights, 0, 0.0)
