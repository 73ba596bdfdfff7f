"""Export of a network to a hardware core: memory images, expected spikes and membranes, and a replay.

    images(network, weights, ...)   weights, biases, stimulus, spikes and membranes as `Image`s
    perturbation(...)               the bits A and B that a pair draws
    replay(read)                    the same samples again, on a chip made from the files alone

Spikes and membranes are the emulator's, each layer acting in the step of the spikes it is sent
(`profiles.LAYERED`), as in training; v is taken after the reset. `hardware/` reads these files.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.chip.emulator import Chip, Probe
from neurosim.chip.profiles import LAYERED
from neurosim.data import frames
from neurosim.data.frames import Frames
from neurosim.export.hdl.parameters import BLOCK, adders
from neurosim.export.memory_images import Image, ImageError, Images
from neurosim.kernels import generator, readout
from neurosim.network import Network, Weights
from neurosim.network.serialise import network_of
from neurosim.population.layout import source_words

BIAS_BITS = 13


def recorded(network: Network, weights: Weights, shown: Frames) -> tuple[list, list]:
    """Spikes int8 and v int64 (sample, step, neuron) of each layer on these samples."""
    chip = Chip.from_weights(network, weights, LAYERED, placement=None)
    names = [population.name for population in network.populations]
    recording = chip.run(shown, [Probe(name, "v") for name in names])
    return [recording.spikes[name] for name in names], list(recording.probed)


def stimulus(name: str, shown: Frames, means: str) -> Image:
    """A row (sample, step) with one bit an input."""
    dense = frames.unpack(shown)
    return Image.of(name, dense.reshape(-1, shown.inputs), 1, means, signed=False)


def images(network: Network, weights: Weights, shown: Frames) -> list[Image]:
    """Images of the initial memories of inference, and of the expected results on the samples `shown`."""
    found = [stimulus("stim", shown, "input spikes, a row (sample, step)")]
    spikes, membranes = recorded(network, weights, shown)
    for index, (connection, population) in enumerate(network.layers):
        bias = weights.biases[index] + population.each("bias_mant")
        found += [
            Image.of(
                f"weights_L{index}",
                weights.mantissas[index],
                connection.weight_bits,
                "weight mantissas, a row a source, a field a neuron",
                signed=True,
                word=adders(population.neurons),
                start=True,
            ),
            Image.of(
                f"bias_L{index}",
                bias,
                BIAS_BITS,
                "bias mantissas, a row a neuron",
                signed=True,
                start=True,
            ),
            Image.of(
                f"spikes_L{index}",
                spikes[index].reshape(-1, population.neurons),
                1,
                "spikes, a row (sample, step), a field a neuron",
                signed=False,
            ),
            Image.of(
                f"v_L{index}",
                membranes[index].reshape(-1, population.neurons),
                limits.STATE_BITS,
                "v after the reset, a row (sample, step), a field a neuron",
                signed=True,
            ),
        ]
    return [*found, *tables()]


def tables() -> list[Image]:
    """The tables of the softmax, 2^-10 apart (neurosim/kernels/readout.py)."""
    return [
        Image.of(
            "powers", readout.exp2_table(), 17, "2^(-row / 1024), 16 fraction bits", signed=False
        ),
        Image.of(
            "logs", readout.log2_table(), 10, "log2(1 + row / 1024), 10 fraction bits", signed=False
        ),
    ]


class Factors(NamedTuple):
    """Bits of one pair's noise on a layer: A (rank, neuron) and B (rank, source); 1 is +1, 0 is -1."""

    a: NDArray[np.uint8]
    b: NDArray[np.uint8]


def perturbation(
    network: Network, layer: int, rank: int, pair: int, generation: int, seed: int
) -> Factors:
    """The low-rank noise that each core draws for a pair (Rademacher; kernels/noise/weight_noise.py)."""
    connection, population = network.layers[layer]

    def draw(stream: np.int64, count: int, words: int) -> NDArray[np.uint8]:
        drawn = np.zeros(rank * words, np.uint64)
        generator.draw_blocks(drawn, stream, layer, pair, generation, np.uint64(seed))
        octets = drawn.astype("<u8").view(np.uint8).reshape(rank, -1)
        return np.unpackbits(octets, axis=1, count=count, bitorder="little")

    sources, neurons = network.sizes[connection.source], population.neurons
    return Factors(
        draw(generator.OUTPUT_FACTOR, neurons, -(-neurons // BLOCK) * 2),
        draw(generator.INPUT_FACTOR, sources, source_words(network, layer)),
    )


def replay(read: Images) -> dict[str, NDArray[np.int64]]:
    """Run the stimulus of the files on a chip made from them: spikes_L0, v_L0, ... (row, neuron).

    ImageError or NetworkError where the manifest describes no network, or other shapes than the files.
    """
    described, steps = network_of(read.manifest.get("network")), _steps(read)
    sizes = described.sizes
    shapes = [(sizes[connection.source], p.neurons) for connection, p in described.layers]
    biases = [_shaped(read, f"bias_L{i}", (n, 1), 13)[:, 0] for i, (_, n) in enumerate(shapes)]
    populations = tuple(
        replace(population, bias_mant=tuple(bias.tolist()))
        for population, bias in zip(described.populations, biases, strict=True)
    )
    network = replace(described, populations=populations)
    weights = Weights(
        tuple(
            _shaped(read, f"weights_L{index}", shape, 8).astype(np.int8)
            for index, shape in enumerate(shapes)
        ),
        tuple(np.zeros(population.neurons, np.int16) for population in populations),
    )
    inputs = network.inputs[0].size
    rows = read.array("stim")
    bits = rows.min(initial=0) >= 0 and rows.max(initial=0) <= 1
    if rows.shape[1] != inputs or len(rows) % steps or not bits:
        raise ImageError(
            f"stim.mem is {rows.shape}; needed are bits, {inputs} a row, {steps} rows each"
        )
    dense = rows.reshape(-1, steps, inputs).astype(np.uint8)
    shown = frames.pack(dense, np.zeros(len(dense), np.uint8))
    found = {}
    for index, (spikes, membranes) in enumerate(
        zip(*recorded(network, weights, shown), strict=True)
    ):
        neurons = populations[index].neurons
        found[f"spikes_L{index}"] = spikes.reshape(-1, neurons).astype(np.int64)
        found[f"v_L{index}"] = membranes.reshape(-1, neurons)
    return found


def _steps(read: Images) -> int:
    parameters = read.manifest.get("parameters")
    steps = parameters.get("STEPS") if isinstance(parameters, dict) else None
    if type(steps) is not int or not 1 <= steps <= frames.MOST_STEPS:
        raise ImageError(
            f"{read.folder}: the manifest's STEPS is {steps!r}; allowed are 1..{frames.MOST_STEPS}"
        )
    return steps


def _shaped(read: Images, name: str, shape: tuple[int, int], bits: int) -> NDArray[np.int64]:
    """NAME.mem, of this shape and of signed values of so many bits; or ImageError."""
    array = read.array(name)
    half = 1 << (bits - 1)
    if array.shape != shape or array.min(initial=0) < -half or array.max(initial=0) >= half:
        raise ImageError(
            f"{name}.mem is {array.shape}; the network needs {shape}, signed, of {bits} bits"
        )
    return array
