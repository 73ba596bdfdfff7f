"""Back-propagation through time with surrogate gradients, for any graph of layers.

    minimise  mean of -log p(label) + spike_cost * hidden spikes

by Adam, with the fast sigmoid of hostref/surrogate.py; spike_cost is 0 by default.

The permutation and the augmentation of an epoch are functions of (seed, epoch). So a training that
was cut off goes on from its last epoch to the same numbers (same device, same number of threads).
"""

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from hostref import augment, checkpoint, inputs, readout
from hostref.augment import augmented
from hostref.backend import Tensor, choose, generator, torch
from hostref.calibration import calibrated
from hostref.evaluation import Evaluation, evaluate
from hostref.inputs import Samples
from hostref.model import Model, Parameters
from hostref.settings import BpttSettings
from hostref.twin import from_chip, initial
from neurosim.data.frames import select
from neurosim.data.sensor import Sensor
from neurosim.network.shapes import Shape

if TYPE_CHECKING:
    from neurosim.data.datasets import Dataset

GAIN = 0.5
"""Chosen here by trials (docs/notes/hostref.md)."""
_KIND = "bptt"
CHECKPOINT = "bptt.safetensors"
"""The file of a training in its folder."""

Report = Callable[[dict[str, Any]], None]
Within = Callable[[float], None]
"""Called with the epochs done, as a fraction, after each batch."""


class TrainingError(ValueError):
    """A training that cannot continue. Its last epoch is kept."""


class Trained(NamedTuple):
    """A finished training: its best parameters by validation, and metrics of each epoch."""

    model: Model
    parameters: Parameters
    history: list[dict[str, Any]]


def build(settings: BpttSettings, sources: int | Shape, classes: int, device: str) -> Model:
    """The normalised model that `settings` describe."""
    return from_chip(
        settings.network.build(sources, classes),
        normalised=True,
        spiking_output=settings.readout == "count",
        slope=settings.slope,
        device=device,
        dtype=settings.precision,
    )


def learning_rate(settings: BpttSettings, progress: float) -> float:
    """A cosine from the learning rate to its final fraction; progress 0..1."""
    low = settings.final_learning_rate
    return settings.learning_rate * (low + (1 - low) * (1 + math.cos(math.pi * progress)) / 2)


class Training:
    """State of one training: parameters, Adam's moments, best so far, history."""

    def __init__(
        self,
        settings: BpttSettings,
        model: Model,
        folder: Path | None,
        start: Parameters | None = None,
        data_key: str = "",
        sensor: Sensor | None = None,
    ) -> None:
        augment.check(settings, sensor)
        self.sensor = sensor
        self.settings, self.model, self.folder = settings, model, folder
        self.data_key = data_key
        start = start or initial(model, settings.seed, GAIN)
        self.parameters = start.map(lambda w: w.detach().to(model.like, copy=True).requires_grad_())
        self.best = self.parameters.map(lambda w: w.detach().clone())
        self.history: list[dict[str, Any]] = []
        self.adam = torch.optim.AdamW(self._all(), weight_decay=settings.weight_decay)

    def _all(self) -> list[Tensor]:
        return [*self.parameters.weights, *self.parameters.biases]

    @property
    def best_accuracy(self) -> float:
        """Best validation accuracy so far; -1 before the first epoch."""
        return max((epoch["validation_accuracy"] for epoch in self.history), default=-1.0)

    @property
    def stale(self) -> int:
        """Epochs since the best one."""
        accuracies = [epoch["validation_accuracy"] for epoch in self.history]
        return len(accuracies) - 1 - accuracies.index(max(accuracies)) if accuracies else 0

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or the patience is at its end."""
        patience = self.settings.patience
        return len(self.history) >= self.settings.epochs or 0 < patience <= self.stale

    def epoch(self, train: Samples, within: Within = lambda epochs: None) -> float:
        """One pass over `train`; the mean loss."""
        number, device = len(self.history), self.model.like.device
        draw = generator(device, self.settings.seed, 1, number)
        order = torch.randperm(len(train), generator=draw, device=device)
        count = min(self.settings.samples or len(train), len(train))
        parts = list(inputs.chunks(count, self.settings.batch))
        total = torch.zeros((), dtype=torch.float64, device=device)
        for k, part in enumerate(parts):
            x, labels = train.batch(order[part], self.model.like.dtype)
            self.adam.param_groups[0]["lr"] = learning_rate(
                self.settings, (number + k / len(parts)) / self.settings.epochs
            )
            total += self._step(augmented(x, self.settings, self.sensor, draw), labels) * len(
                labels
            )
            within(number + (k + 1) / len(parts))
        mean = float(total) / count
        if not math.isfinite(mean):
            raise TrainingError(
                f"the loss became {mean} in epoch {number + 1}; the {number} epochs before it are "
                f"kept{f' in {self.folder}' if self.folder else ''}: start again with a smaller "
                f"learning rate than {self.settings.learning_rate}"
            )
        return mean

    def _step(self, x: Tensor, labels: Tensor) -> Tensor:
        trace = self.model.run(self.parameters, x)
        score = readout.scores(self.model, trace, self.settings.readout)
        loss = -readout.log_likelihood(score, labels, self.settings.gain).mean()
        if self.settings.spike_cost:
            cost = self.settings.spike_cost * math.log(2)
            loss = loss + cost * readout.hidden_spikes(self.model, trace).mean()
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        self.adam.step()
        return loss.detach().double()

    def note(self, loss: float, seconds: float, seen: Evaluation) -> dict[str, Any]:
        """Add an epoch to the history, and keep its parameters if it is the best."""
        if seen.accuracy > self.best_accuracy:
            self.best = self.parameters.map(lambda w: w.detach().clone())
        entry = {
            "epoch": len(self.history) + 1,
            "loss": loss,
            "validation_accuracy": seen.accuracy,
            "spikes_per_sample": seen.hidden_spikes,
            "dead_neurons": seen.hidden_silent,
            "dead_classes": int((seen.confusion.sum(0) == 0).sum()),
            "seconds": round(seconds, 3),
        }
        self.history.append(entry)
        return entry

    def save(self) -> None:
        """Write a checkpoint of the last epoch, with all that the next one needs."""
        if self.folder is None:
            return
        tensors = {}
        for name, group in (("now", self.parameters), ("best", self.best)):
            for k, tensor in enumerate([*group.weights, *group.biases]):
                tensors[f"{name}.{k}"] = tensor
        for k, tensor in enumerate(self._all()):
            for moment, value in self.adam.state[tensor].items():
                tensors[f"adam.{k}.{moment}"] = value
        facts = {
            "settings": self.settings.model_dump(mode="json"),
            "data": self.data_key,
            "history": self.history,
        }
        checkpoint.save(self.folder / CHECKPOINT, _KIND, tensors, facts)

    def resume(self) -> None:
        """Go on from the folder's checkpoint, if there is one and it is of these settings."""
        path = self.folder / CHECKPOINT if self.folder else None
        if path is None or not path.exists():
            return
        tensors, facts = checkpoint.load(path, _KIND)
        if BpttSettings(**facts["settings"]) != self.settings:
            raise checkpoint.CheckpointError(
                f"{path}: was made with other settings ({facts['settings']}); use another folder"
            )
        if facts["data"] != self.data_key:
            raise checkpoint.CheckpointError(
                f"{path}: was made with other data (key {facts['data'][:12]}, now "
                f"{self.data_key[:12]}); use another folder, or restore the data"
            )
        self.history = facts["history"]
        with torch.no_grad():
            for name, group in (("now", self.parameters), ("best", self.best)):
                for k, tensor in enumerate([*group.weights, *group.biases]):
                    tensor.copy_(tensors[f"{name}.{k}"])
        for k, tensor in enumerate(self._all()):
            self.adam.state[tensor] = {
                moment: tensors[f"adam.{k}.{moment}"].to(value)
                for moment, value in (("exp_avg", tensor), ("exp_avg_sq", tensor))
            } | {"step": tensors[f"adam.{k}.step"]}


def epochs(
    run: Training, data: "Dataset", within: Within = lambda epochs: None
) -> Iterator[dict[str, Any]]:
    """Train to the end, one entry of the history at a time; each is on disk before it is yielded."""
    device = run.model.like.device
    train, validation = (inputs.load(part, device) for part in (data.train, data.validation))
    while not run.finished:
        began = time.perf_counter()
        loss = run.epoch(train, within)
        seconds = time.perf_counter() - began
        shown = evaluate(
            run.model, run.parameters, validation, run.settings.readout, run.settings.gain
        )
        entry = run.note(loss, seconds, shown)
        run.save()
        yield entry


def train(
    settings: BpttSettings,
    data: "Dataset",
    folder: Path | None = None,
    *,
    device: str = "cpu",
    report: Report | None = None,
    start: Parameters | None = None,
    within: Within = lambda epochs: None,
) -> Trained:
    """Train to the end, resuming from `folder` where it holds a training of these settings.

    `start` are the weights to begin from; without, they are drawn. `report` is called with each epoch's line
    of the history, `within` after each batch.
    """
    choose(device)
    model = build(settings, inputs.shape_of(data), data.classes, device)
    for part in (data.train, data.validation):
        inputs.check(model.network, part)
    if start is None and settings.network.layers:
        start = _started(settings, model, data)
    run = Training(settings, model, folder, start, data.key, data.sensor)
    run.resume()
    for entry in epochs(run, data, within):
        if report is not None:
            report(entry)
    return Trained(model, run.best, run.history)


CALIBRATION_SAMPLES = 64
"""Training samples that initial rates are measured on: chosen here."""


def _started(settings: BpttSettings, model: Model, data: "Dataset") -> Parameters:
    """Initial weights of layers of any kind, with which none starts silent."""
    few = inputs.load(select(data.train, slice(CALIBRATION_SAMPLES)), model.like.device)
    x, _ = few.batch(slice(None), model.like.dtype)
    return calibrated(model, initial(model, settings.seed, GAIN), x)


def settings_of(folder: Path) -> BpttSettings:
    """The settings of the training in a folder; CheckpointError where there is none."""
    path = folder / CHECKPOINT
    if not path.exists():
        raise checkpoint.CheckpointError(
            f"{folder} holds no float training: {CHECKPOINT} is missing; train one in a "
            f"folder of its own, with `neurosim bptt --run FOLDER`"
        )
    return BpttSettings(**checkpoint.load(path, _KIND)[1]["settings"])


def kept(folder: Path, data: "Dataset", device: str = "cpu") -> Trained:
    """The training in a folder as it stands: its best parameters by validation."""
    settings = settings_of(folder)
    model = build(settings, inputs.shape_of(data), data.classes, device)
    run = Training(settings, model, folder, None, data.key, data.sensor)
    run.resume()
    return Trained(model, run.best, run.history)
