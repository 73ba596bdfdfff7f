"""Facts of a run for the report: everything that it shows, read or measured once.

Answers, spikes and membranes are those of the chip without latency, as in training; the cost is that of
the network as it lies on the cores, with latency, mean of some test samples.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from learning.config import Config
from learning.record import Checkpoint, RunError, read_run
from neurosim.app.experiments.answers import Answers, answer, faults_of
from neurosim.app.experiments.comparison_page import FOLDER, RESULT
from neurosim.chip.mapping import MappingError, Placement
from neurosim.data.datasets import Dataset
from neurosim.data.frames import Frames
from neurosim.data.sensor import Sensor
from neurosim.network import Network, Weights
from neurosim.network.faults import Faults
from neurosim.storage import unsealed

if TYPE_CHECKING:
    from neurosim.chip.energy import Estimate

SHOWN = 3
"""Number of samples shown by default, one of them misclassified, if there is one."""


class Sample(NamedTuple):
    """One sample on the chip.

    seen      uint8 (step, polarity, row, column): events of each polarity on the sensor
    spikes    int8 (step, neuron) of the inputs and of each population
    membranes int64 (step, neuron) of each population, after the reset
    """

    number: int
    label: int
    prediction: int
    class_names: tuple[str, ...]
    seen: NDArray[np.uint8]
    spikes: dict[str, NDArray[Any]]
    membranes: dict[str, NDArray[np.int64]]


class Health(NamedTuple):
    """Health of a layer.

    rates    float (neuron,): spikes per step, mean over the test samples; None where the layer is read by
             its membrane and never to spike
    dead     neurons that never spiked;  always: neurons that spiked in every step of every sample
    at_edge  weights at the smallest or largest mantissa;  zero: weights that are 0;  synapses: of all
    """

    layer: str
    rates: NDArray[np.float64] | None
    dead: int
    always: int
    at_edge: int
    zero: int
    synapses: int


class Cost(NamedTuple):
    """One estimate a source of constants; `training` is None where there is none for the method."""

    samples: int
    steps: int
    counted: dict[str, float]
    estimates: "dict[str, Estimate]"
    training: "Estimate | None"


class Defects(NamedTuple):
    """The faults of the chip: their text, how many of a kind in which layer, and accuracy without them."""

    text: str
    counts: list[tuple[str, str, int, int]]
    sound_accuracy: float


class Trained(NamedTuple):
    """Facts that need weights, available from the first checkpoint on."""

    checkpoint: Checkpoint
    data: str
    class_names: tuple[str, ...]
    answers: Answers
    samples: list[Sample]
    health: list[Health]
    cost: Cost | None
    defects: Defects | None = None


class Facts(NamedTuple):
    """All of it. `placement` is a message where the network does not fit the chip."""

    folder: Path
    config: Config
    metrics: list[dict[str, Any]]
    placement: Placement | str
    trained: Trained | None
    comparison: dict[str, Any] | None


def gather(folder: Path, load: Callable[[Config], Dataset], samples: Sequence[int]) -> Facts:
    """Read the run, and run its test samples on the chip.

    load     gives the data set for the run     samples  numbers of test samples to show
    """
    from neurosim.chip.mapping import place

    config, checkpoint, metrics = read_run(folder)
    try:
        placement: Placement | str = place(config.network())
    except MappingError as error:
        placement = str(error)
    trained = None
    if checkpoint is not None:
        trained = _measure(config, checkpoint, load(config), samples)
    elif samples:
        raise RunError(f"{folder} holds no weights yet: leave out --sample, or train on")
    return Facts(folder, config, metrics, placement, trained, _comparison(folder))


def _comparison(folder: Path) -> dict[str, Any] | None:
    """The results of `neurosim compare` in the run folder, if it was run."""
    file = folder / FOLDER / RESULT
    try:
        kept = unsealed(file.read_bytes())
        return {
            name: kept[name] for name in ("data", "weights_sha256", "rows", "sweeps", "agreement")
        }
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:
        raise RunError(
            f"{file} is damaged ({type(error).__name__}: {error}); remove it, or run "
            f"`neurosim compare {folder}` again"
        ) from error


def _measure(
    config: Config, checkpoint: Checkpoint, data: Dataset, samples: Sequence[int]
) -> Trained:
    network, weights = config.network(), checkpoint.weights
    faults = faults_of(config, checkpoint.generation)
    found = answer(config, weights, data.test, faults)
    right = found.seen.predictions == data.test.labels
    for number in samples:
        if not 0 <= number < len(right):
            raise RunError(f"sample {number} of {data.name}, test; there are 0..{len(right) - 1}")
    chosen = list(samples) or _telling(data.test.labels, right)
    return Trained(
        checkpoint,
        data.name,
        config.class_names,
        found,
        _shown(network, weights, data, chosen, found.seen.predictions, faults),
        _health(network, weights, found, config.settings.readout == "membrane"),
        _cost(config, weights, data.test, faults),
        None if faults is None else _defects(config, checkpoint.weights, data.test, faults),
    )


def _telling(labels: NDArray[np.uint16], right: NDArray[np.bool_]) -> list[int]:
    """The first misclassified sample, if any, and the first correct one of some classes."""
    wrong = np.flatnonzero(~right)[:1].tolist()
    numbers = np.flatnonzero(right)
    _, firsts = np.unique(labels[numbers], return_index=True)
    return sorted([*np.sort(numbers[firsts])[: SHOWN - len(wrong)].tolist(), *wrong])


def _shown(
    network: Network,
    weights: Weights,
    data: Dataset,
    numbers: Sequence[int],
    predictions: NDArray[np.int64],
    faults: Faults | None,
) -> list[Sample]:
    from neurosim.chip.emulator import Chip, Probe
    from neurosim.chip.profiles import LAYERED
    from neurosim.data.frames import select, unpack

    some = select(data.test, np.array(numbers, np.int64))
    names = [population.name for population in network.populations]
    chip = Chip.from_weights(network, weights, LAYERED, placement=None, faults=faults)
    recording = chip.run(some, [Probe(name, "v") for name in names])
    inputs = unpack(some)
    return [
        Sample(
            number,
            int(some.labels[k]),
            int(predictions[number]),
            data.class_names,
            _seen(inputs[k], data.sensor),
            {"input": inputs[k]} | {name: recording.spikes[name][k] for name in names},
            {name: v[k] for name, v in zip(names, recording.probed, strict=True)},
        )
        for k, number in enumerate(numbers)
    ]


def _seen(inputs: NDArray[np.uint8], sensor: Sensor) -> NDArray[np.uint8]:
    """(step, polarity, row, column); channels become rows, the last one on top."""
    seen = inputs.reshape(-1, *sensor.shape)
    return seen if sensor.plane else seen.swapaxes(2, 3)[:, :, ::-1]


def _health(network: Network, weights: Weights, found: Answers, silent: bool) -> list[Health]:
    layers = []
    last = network.populations[network.output].name
    for population in network.populations:
        fired = found.spikes[population.name] != 0
        rates = fired.mean(axis=(0, 1))
        unread = population.name in network.readouts and (silent or population.name != last)
        mine = [
            (connection.mantissa, mantissas.ravel())
            for (connection, _), mantissas in zip(
                network.parameters, weights.mantissas, strict=True
            )
            if connection.target == population.name
        ]
        edges = [(m == allowed.low) | (m == allowed.high) for allowed, m in mine]
        layers.append(
            Health(
                population.name,
                None if unread else rates,
                0 if unread else int((rates == 0).sum()),
                0 if unread else int(fired.all(axis=(0, 1)).sum()),
                sum(int(edge.sum()) for edge in edges),
                sum(int((m == 0).sum()) for _, m in mine),
                sum(m.size for _, m in mine),
            )
        )
    return layers


def _defects(config: Config, weights: Weights, frames: Frames, faults: Faults) -> Defects:
    return Defects(
        str(faults),
        faults.counts(config.network()),
        answer(config, weights, frames).seen.accuracy,
    )


def _cost(config: Config, weights: Weights, frames: Frames, faults: Faults | None) -> Cost | None:
    from neurosim.app.experiments.cycle import on_cores
    from neurosim.app.experiments.training_cost import training_estimate
    from neurosim.chip import energy

    network = config.network()
    try:
        recording, placement = on_cores(network, weights, frames, faults)
    except MappingError:
        return None
    samples, steps = recording.counters.spikes.shape
    counted = {name: n / samples for name, n in recording.counters.total().items()}
    estimates = {
        costs.name: energy.of_recording(recording, placement, costs)[0]
        for costs in energy.PRESETS.values()
    }
    trained = training_estimate(config.settings, network, placement, counted, steps)
    return Cost(samples, steps, counted, estimates, trained)
