"""One training of an experiment: its settings, its results, and the store that keeps them.

A result is a plain dictionary: method, seed, accuracies, seconds, spikes, and a curve with one entry per
validation: step, validation_accuracy, spikes_per_sample, seconds so far.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurosim.app.experiments.store import Store
from neurosim.data.datasets import Dataset
from neurosim.data.frames import select

if TYPE_CHECKING:
    from hostref.bptt import Trained
    from hostref.settings import BpttSettings
    from learning.config import Config
    from learning.record import Checkpoint
    from learning.run_folder import RunFolder
    from learning.settings import Settings

Result = dict[str, Any]
MEASURE = 2
"""Version of what is measured."""
EIGHT_BITS = {"fraction_bits": 0, "momentum_bits": 0}
"""A synapse keeps only its weight, stochastically rounded in every step."""
SHOWN_IN_RECORDINGS = 800
"""Training images of MNIST that the recordings in use show, its first ones: networks that are tested on the
recordings are trained without them."""
CURVE = ("validation_accuracy", "spikes_per_sample", "seconds", "dead_classes")


@dataclass(frozen=True)
class Part:
    """One training, or what is measured of one."""

    method: str
    seed: int
    recipe: dict[str, Any]
    make: Callable[[], Result]
    store: Store

    @property
    def name(self) -> str:
        """Name of the file of its result."""
        return re.sub("[^a-zA-Z0-9=-]+", "_", f"{self.method}-{self.seed}")

    @property
    def run(self) -> Path:
        """Run folder of a training on the chip."""
        return self.store.folder / f"{self.name}.run"

    @property
    def checkpoint(self) -> Path:
        """Folder of the checkpoint of a training in float."""
        return self.store.folder / f"{self.name}.bptt"

    def result(self) -> Result:
        """Made now, if it is not kept."""
        return self._named(self.store.made(self.name, self.recipe, self.make))

    def kept(self) -> Result | None:
        """Or None, where it was not made yet."""
        found = self.store.get(self.name, self.recipe)
        return None if found is None else self._named(found)

    def _named(self, found: Result) -> Result:
        return {"method": self.method, "seed": self.seed, **found}


def on_chip(
    method: str, settings: "Settings", data: Dataset, store: Store, *, tested: bool = True
) -> Part:
    """A training on the chip. Its weights are kept beside the result, as a run folder.

    tested  whether the test set is evaluated: not in a trial of settings
    """
    recipe = {"data": data.key, "measure": MEASURE, "settings": settings.key()}

    def make() -> Result:
        from learning.training import Training, start

        Training(start(settings, data), data).step()  # compiles, so that compiling is not timed
        folder, checkpoint = _open(part.run, start(settings, data))
        with folder:
            training = Training(folder.config, data, folder, checkpoint)
            training.run(lambda done, record: store.within(done / settings.generations))
            curve = [
                {"step": line["generation"], **{key: line[key] for key in CURVE}}
                for line in folder.metrics()
            ]
        common = {
            "validation_accuracy": curve[-1]["validation_accuracy"],
            "seconds": training.seconds,
            "seconds_each": training.seconds / settings.generations,
            "bits_a_synapse": 8 + settings.fraction_bits + (32 if settings.momentum_bits else 0),
            "curve": curve,
        }
        if not tested:
            return common
        summary = training.summary()
        kept = (
            "dead_classes",
            "dead_neurons",
            "spikes_per_sample",
            "member_samples",
            "sample_passes",
        )
        return {
            **common,
            "test_accuracy": summary["test_accuracy"],
            "weights_sha256": summary["weights_sha256"],
            **{key: summary[key] for key in kept},
        }

    part = Part(method, settings.seed, recipe, make, store)
    return part


def _open(path: Path, config: "Config") -> tuple["RunFolder", "Checkpoint | None"]:
    """The run folder of a training, to go on with if it is of this training.

    Another is removed, if it holds the files of a run alone. RunError where it is in use or holds more.
    """
    from learning.record import RunError
    from learning.run_folder import RunFolder, RunInUse, remove_run

    if path.exists():
        try:
            folder, checkpoint = RunFolder.resume(path)
            if folder.config == config:
                return folder, checkpoint
            folder.close()
        except RunInUse:
            raise
        except RunError:
            pass  # made by another version, or damaged: made again
        remove_run(path)
    return RunFolder.create(path, config), None


def in_float(
    method: str,
    settings: "BpttSettings",
    data: Dataset,
    store: Store,
    device: str = "cpu",
    start: tuple[Any, Callable[[], Any]] | None = None,
    validated: int | None = None,
) -> Part:
    """A surrogate-gradient training. Its checkpoint is kept beside the result.

    start      what names its initial parameters, and what makes them; None: its own
    validated  samples of the validation set that are used; None: all
    """
    recipe = {
        "data": data.key,
        "measure": MEASURE,
        "settings": settings.model_dump(mode="json"),
        "start": None if start is None else start[0],
        **({} if validated is None else {"validated": validated}),
    }

    def make() -> Result:
        from hostref import inputs
        from hostref.evaluation import evaluate

        begin = None if start is None else start[1]()
        few = data._replace(validation=select(data.validation, slice(validated)))
        trained = bptt_of(
            settings,
            few,
            part.checkpoint,
            device=device,
            start=begin,
            within=lambda epochs: store.within(epochs / settings.epochs),
        )
        test = inputs.load(data.test, trained.model.like.device)
        seen = evaluate(trained.model, trained.parameters, test, settings.readout, settings.gain)
        every = len(data.train.labels)
        passes = len(trained.history) * min(settings.samples or every, every)
        seconds = [entry["seconds"] for entry in trained.history]
        return {
            "test_accuracy": seen.accuracy,
            "validation_accuracy": trained.history[-1]["validation_accuracy"],
            "seconds": float(sum(seconds)),
            "seconds_each": float(np.median(seconds)),
            "dead_classes": int((seen.confusion.sum(0) == 0).sum()),
            "dead_neurons": sum(seen.silent[:-1]),
            "spikes_per_sample": sum(seen.spikes[:-1]),
            "member_samples": passes,
            "sample_passes": passes,
            "curve": _bptt_curve(trained.history),
        }

    part = Part(method, settings.seed, recipe, make, store)
    return part


def bptt_of(settings: "BpttSettings", data: Dataset, folder: Path, **more: Any) -> "Trained":
    """BPTT that goes on from the checkpoint in `folder`; one of another training is removed."""
    from hostref import bptt
    from hostref.checkpoint import CheckpointError

    try:
        return bptt.train(settings, data, folder, **more)
    except CheckpointError:
        (folder / bptt.CHECKPOINT).unlink()
        return bptt.train(settings, data, folder, **more)


def _bptt_curve(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    seconds = np.cumsum([entry["seconds"] for entry in history])
    kept = ("validation_accuracy", "spikes_per_sample")
    return [
        {"step": entry["epoch"], "seconds": float(so_far), **{key: entry[key] for key in kept}}
        for entry, so_far in zip(history, seconds, strict=True)
    ]
