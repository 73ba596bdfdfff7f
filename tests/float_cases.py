"""Small data that a float network can learn in a second."""

import numpy as np

from neurosim.data import frames
from neurosim.data.datasets import Dataset
from neurosim.data.sensor import Sensor


def stripes(samples=300, inputs_=40, classes=4, seed=0):
    """Classes that differ in which quarter of the inputs spikes more."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, samples)
    favoured = np.arange(inputs_) % classes == labels[:, None]
    dense = rng.random((samples, 5, inputs_)) < np.where(favoured, 0.5, 0.1)[:, None]
    part = [frames.pack(dense[i::3], labels[i::3].astype(np.uint8)) for i in range(3)]
    names = tuple(str(number) for number in range(classes))
    return Dataset("stripes", *part, names, Sensor(1, inputs_ // 2), 5, 300_000, "")


def same(a, b):
    """Whether two sets of parameters are equal, number for number."""
    import torch

    pairs = zip([*a.weights, *a.biases], [*b.weights, *b.biases], strict=True)
    return all(torch.equal(one, other) for one, other in pairs)
