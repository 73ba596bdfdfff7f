"""Networks of several layers, learned on the chip and by surrogate BPTT: the same networks and frames.

tasks      a data set, a network, and the settings of both ways of training
changes    one setting of a task changed in turn, one seed, compared by validation accuracy
real       a network trained on simulated events reads recordings of a camera

Images 1 to 800 of MNIST are left out of training wherever MNIST is used: the recordings show them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from neurosim.app.experiments.store import Store
from neurosim.app.experiments.trainings import (
    EIGHT_BITS,
    MEASURE,
    SHOWN_IN_RECORDINGS,
    Part,
    Result,
    bptt_of,
    in_float,
    on_chip,
)
from neurosim.data.datasets import Dataset

if TYPE_CHECKING:
    from hostref.settings import BpttSettings
    from learning.settings import Settings

LOOKS = 40
"""Validations in a training."""
CHIP, EIGHT, BPTT, BROUGHT = (
    "on the chip",
    "on the chip, 8 bits of state a synapse",
    "BPTT, float",
    "BPTT, brought to the chip in 8 bits",
)
METHODS = (CHIP, EIGHT, BPTT, BROUGHT)
REAL = "real recordings"


class Task(NamedTuple):
    """A data set and a network.

    source   field of `DepthExperiment` that names the data set
    options  of the data set, and `steps`
    layers   hidden layers, as for `neurosim train --layers`
    recipe   recipe of the training on the chip; chip: what replaces its settings
    bptt     settings of BPTT beside its defaults
    aim      points behind BPTT that are aimed at; None: `least` alone
    least    accuracy in percent that is aimed at
    """

    name: str
    source: str
    options: dict[str, Any]
    layers: str
    recipe: str
    chip: dict[str, Any]
    bptt: dict[str, Any]
    aim: float | None = None
    least: float | None = None


THREE = "conv 16 5x5 stride 2 pad 2, conv 32 3x3 stride 2 pad 1, conv 32 3x3 stride 2 pad 1"
SPOKEN = {"steps": 25}
SPOKEN_BPTT = {"epochs": 30, "shift": 0}
TASKS = (
    Task(
        "MNIST events, convolutions",
        "mnist",
        {"skip": SHOWN_IN_RECORDINGS},
        "conv 12 5x5 stride 2 pad 2, conv 24 3x3 stride 2 pad 1, dense 128",
        "convolution",
        {},
        {"epochs": 8},
        0.3,
        99.0,
    ),
    Task(
        "MNIST events, dense layers",
        "mnist",
        {"skip": SHOWN_IN_RECORDINGS},
        "dense 128, dense 128, dense 128",
        "deep",
        {"generations": 3000},
        {"epochs": 12},
        0.5,
    ),
    Task(
        "MNIST events, wider convolutions",
        "mnist",
        {"skip": SHOWN_IN_RECORDINGS},
        "conv 16 5x5 stride 2 pad 2, conv 32 3x3 stride 2 pad 1, dense 256",
        "convolution",
        {},
        {"epochs": 8},
        0.3,
        99.0,
    ),
    Task(
        "CIFAR-10 events",
        "cifar10",
        {"camera": "cifar10dvs", "sensor": "48x48"},
        f"{THREE}, dense 256",
        "deep",
        {"generations": 1000},
        {"epochs": 4},
        1.5,
    ),
    Task(
        "Caltech-101 events",
        "caltech101",
        {"camera": "ncaltech101", "sensor": "48x36"},
        THREE,
        "deep",
        {"generations": 600},
        {"epochs": 15},
        2.0,
    ),
    Task(
        "spoken digits, recurrent",
        "spoken_digits",
        SPOKEN,
        "recurrent 256",
        "recurrent",
        {},
        SPOKEN_BPTT,
        2.0,
    ),
    Task(
        "spoken digits, recurrent, adaptive thresholds",
        "spoken_digits",
        SPOKEN,
        "recurrent 256 adaptive",
        "recurrent",
        {},
        SPOKEN_BPTT,
        2.0,
    ),
    Task(
        "spoken digits, recurrent, a speaker left out",
        "spoken_digits",
        {**SPOKEN, "holdout": "theo"},
        "recurrent 256",
        "recurrent",
        {},
        SPOKEN_BPTT,
        2.0,
    ),
    Task(
        "cue accumulation, recurrent",
        "cues",
        {"steps": 100},
        "recurrent 100",
        "deep",
        {"dv": 40, "generations": 300, "pairs": 100, "groups": 50},
        {"epochs": 200, "shift": 0},
        None,
        95.0,
    ),
    Task(
        "spoken digits, recurrent, delays",
        "spoken_digits",
        SPOKEN,
        "recurrent 256 delays 0 3 6",
        "recurrent",
        {},
        SPOKEN_BPTT,
        2.0,
    ),
)


class Change(NamedTuple):
    """Settings of a task's training, some of them changed."""

    name: str
    changed: dict[str, Any]


SHORT = {"generations": 400}
"""Generations of the trainings that compare settings: a fifth of a whole one."""
CHANGES = (
    Change("as it is", {}),
    Change("errors by local readouts alone", {"feedback": "local"}),
    Change(
        "errors by local readouts alone, biases keep 0.2 spikes per step",
        {"feedback": "local", "target_rate": 0.2},
    ),
    Change("errors returned, gated", {"feedback": "gate"}),
    Change("errors returned, by gain", {"feedback": "gain"}),
    Change("errors returned by gain, and local readouts", {"feedback": "gain-local"}),
    Change("errors by a fixed random matrix", {"feedback": "direct"}),
    Change("scores of all readouts summed", {"readouts": "sum"}),
    Change("1 pair per sample", {"pairs": 256}),
    Change("4 pairs per sample", {"pairs": 1024}),
    Change(
        "half the samples, twice the generations", {"groups": 128, "pairs": 256, "generations": 800}
    ),
    Change("half the noise", {"noise_share": 0.5}),
    Change("twice the noise", {"noise_share": 2}),
    Change("noise falls to half", {"final_noise": 0.5}),
    Change("noise on all neurons", {"window_share": 0}),
    Change("noise half as near threshold", {"window_share": 1}),
    Change("noise in every second step", {"noise_period": 2}),
    Change("learning rate halved", {"learning_rate": 0.06}),
    Change("learning rate doubled", {"learning_rate": 0.24}),
    Change("local readouts count twice", {"local_share": 1}),
    Change("momentum 15/16", {"momentum_bits": 4}),
    Change("temperature halved", {"temperature": 0.5}),
    Change("temperature falls to half", {"final_temperature": 0.5}),
    Change("biases learn", {"bias_rate": 1}),
    Change("biases keep 0.05 spikes per step", {"target_rate": 0.05}),
    Change("biases keep 0.2 spikes per step", {"target_rate": 0.2}),
    Change("weights decay by 1/10,000 a generation", {"decay": 0.0001}),
    Change("samples not moved", {"shift": 0}),
    Change("8 bits of state a synapse", EIGHT_BITS),
)
SHORT_BPTT = {"epochs": 4, "samples": 25_600}
"""As many sample passes of BPTT as the trainings that compare settings on the chip have."""
BPTT_CHANGES = (
    Change("as it is", {}),
    Change("learning rate halved", {"learning_rate": 2e-3}),
    Change("learning rate doubled", {"learning_rate": 8e-3}),
    Change("slope of the surrogate halved", {"slope": 1.0}),
    Change("slope of the surrogate doubled", {"slope": 4.0}),
    Change("slope of the surrogate 10", {"slope": 10.0}),
    Change("gain halved", {"gain": 0.1}),
    Change("gain doubled", {"gain": 0.4}),
    Change("64 samples a step", {"batch": 64}),
    Change("256 samples a step", {"batch": 256}),
    Change("weights decay by 0.01 times the learning rate", {"weight_decay": 0.01}),
    Change("a tenth of the input spikes left out", {"dropout": 0.1}),
    Change("samples not moved", {"shift": 0}),
)
CHANGED_TASKS = (TASKS[0].name, TASKS[1].name)
"""Tasks whose settings are changed one at a time."""


class DepthExperiment(BaseModel):
    """Deep, convolutional and recurrent networks: learning on the chip beside BPTT; write depth.md.

    A task is left out where its data set is not given. Long work: every training is kept in the output
    folder, and a second call goes on where the first stopped. All but BPTT learns in integers on the chip.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mnist: str | None = None
    """MNIST, images:FILE.npz in its original order; its first 800 images are left out"""
    cifar10: str | None = None
    """CIFAR-10, images:FILE.npz or images:FOLDER"""
    caltech101: str | None = None
    """Caltech-101, images:FOLDER"""
    spoken_digits: str | None = None
    """the Free Spoken Digit Dataset, audio:FOLDER"""
    cues: str | None = None
    """delayed cue accumulation, cue-accumulation:FOLDER"""
    real: str | None = None
    """recordings of MNIST's first training images, nmnist:FOLDER: read by the networks of --mnist"""
    out: Path = Path("runs/depth")
    """folder for trainings, page and pictures"""
    seeds: Annotated[int, Field(ge=1)] = 5
    """trainings of each network, each way"""
    changes: bool = True
    """also change the settings of some tasks in turn, one training each"""


Loaded = Mapping[str, Dataset]
"""Data set of each task, by the task's name; that of the recordings by `REAL`."""


def load(arguments: DepthExperiment, progress: Any = None) -> dict[str, Dataset]:
    """The data sets that are given. DatasetError where none is, or one cannot be read."""
    from neurosim.data import datasets

    made: dict[tuple[str, str], Dataset] = {}
    found = {}
    for task in TASKS:
        name = getattr(arguments, task.source)
        if name is None:
            continue
        key = name, repr(task.options)
        if key not in made:
            options = {k: v for k, v in task.options.items() if k != "steps"}
            made[key] = datasets.load(
                name,
                steps=task.options.get("steps", 10),
                options=datasets.Options(**options),
                progress=progress,
            )
        found[task.name] = made[key]
    if not found:
        raise datasets.DatasetError(
            "no data set is given; give one or more of --mnist, --cifar10, --caltech101, "
            "--spoken-digits and --cues"
        )
    if arguments.real is not None:
        found[REAL] = datasets.load(arguments.real, progress=progress)
    return found


def plan(arguments: DepthExperiment, data: Loaded, store: Store) -> list[Part]:
    """Every training: all tasks seed after seed, so that an early page shows all of them, then changes."""
    tasks = [task for task in TASKS if task.name in data]
    seeds = range(arguments.seeds)
    parts = [
        part
        for seed in seeds
        for task in tasks
        for part in _both_ways(task, arguments, data, store, seed)
    ]
    parts += [
        _on_chip(task, arguments, data[task.name], store, seed, EIGHT, EIGHT_BITS)
        for seed in seeds
        for task in tasks
    ]
    if arguments.changes:
        for task in tasks:
            if task.name in CHANGED_TASKS:
                parts += _changed(task, arguments, data[task.name], store)
                parts += _changed_bptt(task, data[task.name], store)
    return parts


def _both_ways(
    task: Task, arguments: DepthExperiment, data: Loaded, store: Store, seed: int
) -> Iterator[Part]:
    mine = data[task.name]
    whole = _on_chip(task, arguments, mine, store, seed, CHIP, {})
    yield whole
    settings = bptt_settings(task, mine, seed)
    float_part = in_float(f"{task.name}: {BPTT}", settings, mine, store)
    yield float_part
    yield _brought(task, float_part, settings, mine)
    yield _cost(task, whole, mine)
    if REAL in data and task.source == "mnist":
        yield _on_real(task, whole, data[REAL])


def settings_of(
    task: Task, arguments: DepthExperiment, data: Dataset, seed: int, changed: Mapping[str, Any]
) -> "Settings":
    """Settings of a training on the chip; samples of a data set without a plane are not moved."""
    from learning.recipes import RECIPES
    from learning.settings import Settings

    made = {
        **RECIPES[task.recipe][1].model_dump(),
        **task.options,
        **task.chip,
        **changed,
        "data": getattr(arguments, task.source),
        "layers": task.layers,
        "seed": seed,
    }
    if not data.sensor.plane:
        made["shift"] = 0
    made["evaluate_every"] = max(1, made["generations"] // LOOKS)
    return Settings.model_validate(made)


def bptt_settings(
    task: Task, data: Dataset, seed: int, changed: Mapping[str, Any] | None = None
) -> "BpttSettings":
    """Settings of BPTT of the same network, some of them changed."""
    from hostref.settings import BpttSettings, NetworkSettings
    from learning.recipes import RECIPES

    registers = {**RECIPES[task.recipe][1].model_dump(include={"du", "dv"}), **_registers(task)}
    network = NetworkSettings(layers=task.layers, **registers)
    own = task.bptt if data.sensor.plane else {**task.bptt, "shift": 0}
    return BpttSettings(network=network, seed=seed, **{**own, **(changed or {})})


def _registers(task: Task) -> dict[str, Any]:
    return {name: task.chip[name] for name in ("du", "dv") if name in task.chip}


def _on_chip(
    task: Task,
    arguments: DepthExperiment,
    data: Dataset,
    store: Store,
    seed: int,
    method: str,
    changed: Mapping[str, Any],
) -> Part:
    settings = settings_of(task, arguments, data, seed, changed)
    return on_chip(f"{task.name}: {method}", settings, data, store)


def by_deep(task: Task) -> Task:
    """The task with the settings of the recipe `deep`."""
    return task._replace(recipe="deep", chip={})


def _changed(task: Task, arguments: DepthExperiment, data: Dataset, store: Store) -> Iterator[Part]:
    """Trainings by the recipe `deep`, one setting changed."""
    plain = by_deep(task)
    for one in CHANGES:
        name = f"change: {one.name}"
        yield _on_chip(plain, arguments, data, store, 0, name, {**SHORT, **one.changed})


def _changed_bptt(task: Task, data: Dataset, store: Store) -> Iterator[Part]:
    """Trainings by BPTT with the defaults, one of them changed."""
    for one in BPTT_CHANGES:
        settings = bptt_settings(task, data, 0, {**SHORT_BPTT, **one.changed})
        yield in_float(f"{task.name}: BPTT change: {one.name}", settings, data, store)


def _brought(task: Task, part: Part, settings: "BpttSettings", data: Dataset) -> Part:
    """The network of BPTT with weights rounded to 8 bits, in integers."""
    recipe = {**part.recipe, "bits": 8}

    def make() -> Result:
        from neurosim.app.experiments import float_runs

        part.result()
        trained = bptt_of(settings, data, part.checkpoint)
        _, width = float_runs.at_width(trained, settings, data, 8, (1, 0))
        return {"test_accuracy": width.accuracy, "validation_accuracy": width.validation}

    return Part(f"{task.name}: {BROUGHT}", part.seed, recipe, make, part.store)


def _cost(task: Task, part: Part, data: Dataset) -> Part:
    """What a test sample costs on the chip, by the emulator's counters."""

    def make() -> Result:
        from learning.record import read_checkpoint
        from neurosim.app.experiments.cycle import price

        part.result()
        config, checkpoint = read_checkpoint(part.run)
        return price(config.network(), checkpoint.weights, data.test)

    return Part(f"{task.name}: cost", part.seed, {**part.recipe, "cost": 1}, make, part.store)


def _on_real(task: Task, part: Part, real: Dataset) -> Part:
    """Accuracy on all recordings, of a network that saw neither them nor their images."""
    recipe = {"trained": part.recipe, "data": real.key, "measure": MEASURE}

    def make() -> Result:
        from learning.record import read_checkpoint
        from neurosim.app.experiments.answers import answer

        part.result()
        config, checkpoint = read_checkpoint(part.run)
        right = [
            answer(config, checkpoint.weights, frames).seen.predictions == frames.labels
            for frames in real.splits().values()
        ]
        together = np.concatenate(right)
        return {"test_accuracy": float(together.mean()), "samples": len(together)}

    return Part(f"{task.name}: {REAL}", part.seed, recipe, make, part.store)
