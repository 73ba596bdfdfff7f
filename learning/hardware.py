"""Export of a run for hardware: memory images of the network, and golden vectors of inference and learning.

    write(folder, config, checkpoint, data, samples)

docs/hardware.md lists the files, and hardware/ reads them.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from learning import golden
from learning.config import Config
from learning.record import Checkpoint, weights_sha256
from learning.settings import Settings, readout
from neurosim.data.datasets import Dataset
from neurosim.data.frames import select
from neurosim.export import memory_images
from neurosim.export.hdl import core, vectors
from neurosim.export.hdl import parameters as core_parameters
from neurosim.export.memory_images import Image, ImageError
from neurosim.network import Network, Weights
from neurosim.network.serialise import describe
from neurosim.population.state import BIAS_FRACTION_BITS, weights


def write(
    folder: Path, config: Config, checkpoint: Checkpoint, data: Dataset, samples: int
) -> dict[str, Any]:
    """Write memory images and vectors of the first `samples` test samples; return the manifest.

    Where hardware/ cannot learn by the run's rule, the manifest's `learning` is null and says why.
    """
    settings = config.settings
    network, held = _read_out_alone(config.settings, config.network(), checkpoint.weights)
    if data.key != config.dataset_key:
        raise ImageError(
            f"{data.name} is not the data of this run (key {data.key[:12]}, then "
            f"{config.dataset_key[:12]}); restore the data"
        )
    if not 1 <= samples <= len(data.test.labels):
        raise ImageError(
            f"samples is {samples}; the test set of {data.name} has 1..{len(data.test.labels)}"
        )
    described = core_parameters.layers(network)  # refuses what the core lacks
    shown = select(data.test, slice(samples))
    images = core.images(network, held, shown)
    fault = golden.fault(settings)
    learning = None
    if fault is None:
        done = golden.step(config, checkpoint, data)
        fault = golden.beyond(config, done)
    if fault is None:
        images += _of_step(config, done)
        learning = golden.about(settings, done)
    parameters = core_parameters.parameters(
        network, settings.steps, settings.seed, readout(settings), golden.parameters(config)
    )
    about = {
        "run": {
            "data": data.name,
            "dataset_key": data.key,
            "generations": checkpoint.generation,
            "weights_sha256": weights_sha256(checkpoint.weights),
        },
        "network": describe(network),
        "layers": described,
        "parameters": parameters,
        **core_parameters.conventions(settings.seed),
        "samples": {"split": "test", "labels": shown.labels.tolist()},
        "learning": learning,
        "no_learning_because": fault,
    }
    others = {
        "params.vh": core_parameters.verilog(parameters),
        "vectors.vh": core_parameters.verilog(vectors.parameters(samples, learning)),
        "params.json": json.dumps(parameters, indent=1) + "\n",
    }
    return memory_images.write(folder, about, images, others)


def _read_out_alone(
    settings: Settings, network: Network, weights: Weights
) -> tuple[Network, Weights]:
    """Network and weights without the readouts of hidden layers, where these only teach."""
    if settings.readouts == "sum":
        return network, weights
    output = network.populations[network.output].name
    left = set(network.readouts) - {output}
    matrices = zip(network.parameters, weights.mantissas, strict=True)
    biases = zip(network.populations, weights.biases, strict=True)
    return (
        replace(
            network,
            populations=tuple(p for p in network.populations if p.name not in left),
            connections=tuple(c for c in network.connections if c.target not in left),
        ),
        Weights(
            tuple(matrix for (connection, _), matrix in matrices if connection.target not in left),
            tuple(bias for population, bias in biases if population.name not in left),
        ),
    )


def _of_step(config: Config, done: golden.Step) -> list[Image]:
    """The memories that learning starts from, and those that it must leave."""
    found = [
        core.stimulus("learning_stim", done.shown, "input spikes, a row (group, place, step)"),
        Image.of(
            "learning_labels", done.shown.labels, 16, "label, a row (group, place)", signed=False
        ),
        Image.of(
            "totals",
            [done.synapses.totals, done.biases.totals],
            63,
            "sum of |direction|, a row synapses, a row biases, a field a layer",
            signed=False,
        ),
        Image.of(
            "rates",
            [done.synapses.rates, done.biases.rates],
            golden.RATE_BITS,
            "32 fraction bits, rows and fields as in totals",
            signed=False,
        ),
    ]
    by_rule = _low_rank(config, done) if done.by_error is None else _by_error(config, done)
    for layer in range(len(config.network().layers)):
        found += _memories(config, done, layer)
    return found + by_rule


def _memories(config: Config, done: golden.Step, layer: int) -> list[Image]:
    """State of a layer, before and after the generation."""
    settings = config.settings
    _, population = config.network().layers[layer]
    shape, state_bits = "a row a source, a field a neuron", 8 + settings.fraction_bits
    kept = golden.parameters(config)["SUM_BITS"]
    found = []
    for prefix, memory, start in (("", done.before, True), ("new_", done.after, False)):
        word = core_parameters.adders(population.neurons) if start else None
        found.append(
            Image.of(
                f"{prefix}state_L{layer}",
                memory.synapses[layer],
                state_bits,
                f"weight and fraction bits, {shape}",
                signed=True,
                word=word,
                start=start,
            )
        )
        if memory.momentum:
            found.append(
                Image.of(
                    f"{prefix}momentum_L{layer}",
                    memory.momentum[layer][:, : population.neurons],
                    kept,
                    f"momentum of update sums, {shape}",
                    signed=True,
                    word=word,
                    start=start,
                )
            )
        if done.by_error is not None:
            found.append(
                Image.of(
                    f"{prefix}bias_state_L{layer}",
                    memory.biases[layer][None],
                    core.BIAS_BITS + BIAS_FRACTION_BITS,
                    "bias mantissas and fraction bits, one row",
                    signed=True,
                    word=1 if start else None,
                    start=start,
                )
            )
    after = weights(done.after, settings.fraction_bits).mantissas[layer]
    found.append(
        Image.of(f"new_weights_L{layer}", after, 8, f"weights after it, {shape}", signed=True)
    )
    return found


def _low_rank(config: Config, done: golden.Step) -> list[Image]:
    """Noise of a generation of EGGROLL, and the coefficients of its pairs."""
    settings, network = config.settings, config.network()
    assert done.coefficients is not None
    found = [
        Image.of("fitness", done.fitness, 48, "fitness of +E and -E, a row a pair", signed=True),
        Image.of("coefficients", done.coefficients, 8, "shaped fitness, a row a pair", signed=True),
    ]
    for layer in range(len(network.layers)):
        drawn = [
            core.perturbation(network, layer, settings.rank, pair, done.generation, settings.seed)
            for pair in range(min(vectors.SHOWN_PAIRS, settings.pairs))
        ]
        for side, ends in (("a", "neuron"), ("b", "source")):
            bits = np.concatenate([getattr(one, side) for one in drawn])
            means = (
                f"{side.upper()} of the first pairs, a row (pair, rank), a field a {ends}; 1 is +1"
            )
            found.append(
                Image.of(f"perturbation_{side.upper()}_L{layer}", bits, 1, means, signed=False)
            )
    return found


def _by_error(config: Config, done: golden.Step) -> list[Image]:
    """Noise of a generation of credit by error, and its errors, traces and credits."""
    numbers = done.by_error
    assert numbers is not None
    steps, neurons = numbers.near.shape[1:]
    noise = (numbers.noise[: vectors.SHOWN_PAIRS] > 0).reshape(-1, neurons)
    traces = int(golden.parameters(config)["TRACE_BITS"])
    return [
        Image.of("fitness", done.fitness, 48, "fitness without noise, a row a group", signed=True),
        Image.of(
            "errors", numbers.errors, 8, "errors, a row a group, a field a class", signed=True
        ),
        Image.of(
            "traces",
            numbers.traces,
            traces,
            "traces without noise, a row a group, a field a neuron",
            signed=False,
        ),
        Image.of(
            "near",
            numbers.near.reshape(-1, neurons),
            1,
            f"1 where noise acts, a row (group, step of {steps}), a field a neuron",
            signed=False,
        ),
        Image.of(
            "noise",
            noise,
            1,
            "noise of the first pairs, a row (pair, step), a field a neuron; 1 is +1",
            signed=False,
        ),
        Image.of("credits", numbers.credits, 16, "neuron credits, a row a pair", signed=True),
    ]
