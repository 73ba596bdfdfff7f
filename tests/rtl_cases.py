"""Folders of memory images for the Verilog chip: small, and with every register put to use."""

import numpy as np
from strategies import random_weights

from learning import hardware
from learning.record import Checkpoint
from learning.settings import Settings
from learning.training import Training, start
from neurosim.data import frames
from neurosim.data.datasets import Dataset
from neurosim.data.sensor import Sensor
from neurosim.export import memory_images
from neurosim.export.hdl import core, vectors
from neurosim.export.hdl import parameters as core_parameters
from neurosim.export.hdl.parameters import NO_LEARNING
from neurosim.network import Connection, Network, Population
from neurosim.network.serialise import describe
from neurosim.population.evaluator import ReadoutSpec

SMALL = {
    "hidden": (16,),
    "steps": 5,
    "pairs": 4,
    "groups": 2,
    "batch": 2,
    "vth_mant": 100,
    "initial_std": 12,
    "generations": 6,
    "final_learning_rate": 2,
    "seed": (5 << 32) + 3,
}


BY_ERROR = {
    "method": "event-aligned",
    "output_rule": "delta",
    "credit": "error",
    "pairs": 6,
    "groups": 3,
    "batch": 1,
    "sigma": 60,
    "noise_window": 60,
    "hidden": (20,),
    "initial_std": 24,
}
"""Credit by error, as the recipe `fast` learns, in small; noise acts in some moments and not in others."""


LIMITED = {
    **BY_ERROR,
    "hidden": (5,),
    "steps": 3,
    "pairs": 64,
    "groups": 1,
    "initial_std": 100,
    "sigma": 200,
    "noise_window": 0,
}
"""So many pairs a group that credits meet their bound."""


def striped(inputs, steps=5, samples=60, classes=3):
    """Classes that differ in which inputs spike more."""
    rng = np.random.default_rng(inputs)
    labels = rng.integers(0, classes, samples)
    favoured = np.arange(inputs) % classes == labels[:, None]
    dense = rng.random((samples, steps, inputs)) < np.where(favoured, 0.3, 0.06)[:, None]
    part = [frames.pack(dense[i::3], labels[i::3].astype(np.uint8)) for i in range(3)]
    names = tuple(str(number) for number in range(classes))
    return Dataset("stripes", *part, names, Sensor(1, inputs // 2), steps, 300_000, "")


def trained(data, **settings):
    """Configuration and checkpoint of a run of a few generations."""
    config = start(Settings(**{**SMALL, **settings}), data)
    training = Training(config, data)
    training.run(lambda generation, record: None)
    chip = training.chip
    return config, Checkpoint(chip.state, chip.weights(), training.generation, 0.0)


def run_folder(path, data, **settings):
    """The images of such a run."""
    hardware.write(path, *trained(data, **settings), data, samples=2)
    return path


def extreme_folder(path, seed, inputs=150, steps=12):
    """The images of a network whose registers meet their edges; and how often they did."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(3, 40, rng.integers(2, 4)).tolist()
    layers = [
        Population(
            f"layer{index}",
            size,
            vth_mant=int(rng.choice([0, 50, 3000, 131071])),
            du=int(rng.choice([0, 7, 1000, 4095])),
            dv=int(rng.choice([0, 1, 400, 4095])),
            bias_mant=(0, *rng.integers(-3900, 3900, size - 1).tolist()),
            bias_exp=int(rng.integers(0, 8)),
        )
        for index, size in enumerate(sizes)
    ]
    network = Network.chain(inputs, layers, Connection("", "", weight_exp=int(rng.integers(3, 8))))
    weights = random_weights(network, rng)
    for biases in weights.biases:
        biases[0] = 0
    dense = rng.random((2, steps, inputs)) < 0.4
    dense[:, 0] = (
        False  # v of a neuron without a bias is then 0: a threshold of 0 is met, not passed
    )
    shown = frames.pack(dense, np.zeros(2, np.uint8))
    parameters = core_parameters.parameters(
        network, steps, seed, ReadoutSpec(True, 256, 16), NO_LEARNING
    )
    about = {"network": describe(network), "parameters": parameters, "learning": None}
    others = {
        "params.vh": core_parameters.verilog(parameters),
        "vectors.vh": core_parameters.verilog(vectors.parameters(2, None)),
    }
    memory_images.write(path, about, core.images(network, weights, shown), others)
    return path
