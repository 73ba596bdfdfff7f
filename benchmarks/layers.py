"""Training speed of graphs of layers, beside surrogate BPTT in PyTorch on the same processor, in one run.

    python benchmarks/layers.py [--threads N] [--rounds N] [--cases NAME ...] [--json]

One generation of credit by error (two pairs a sample, all updates) and one step of BPTT with Adam, on the
same spikes: samples a second of each, in turn, the best of all rounds. PyTorch takes its fastest of several
batch sizes and memory formats. Digits before the simulated camera, ten steps.
"""

import argparse
import json
import time

import numpy as np

from hostref.backend import torch
from learning.evolution import Evolution
from learning.layered import is_readout, layered_chip, layered_network
from learning.recipes import RECIPES
from learning.training import batch_of
from neurosim import threads
from neurosim.data import datasets
from neurosim.data.frames import select, unpack

STEPS, BETA = 10, 0.9
GROUPS, PAIRS = 512, 1024
BATCHES = (64, 128)
CASES = {
    "conv": "conv 12 5x5 stride 2 pad 2, conv 24 3x3 stride 2 pad 1, dense 128",
    "dense": "dense 128, dense 128, dense 128",
    "recurrent": "recurrent 128",
}


def clock():
    """Seconds: of the processor with one thread, so that a busy machine costs less; else of the wall."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


class Spike(torch.autograd.Function):
    """A threshold at 1 whose derivative is that of a fast sigmoid."""

    @staticmethod
    def forward(context, v):
        context.save_for_backward(v)
        return (v > 1).to(v.dtype)

    @staticmethod
    def backward(context, gradient):
        (v,) = context.saved_tensors
        return gradient / (1 + 10 * (v - 1).abs()) ** 2


class Float(torch.nn.Module):
    """The same layers as float LIF neurons with a leaky readout."""

    def __init__(self, name):
        super().__init__()
        nn = torch.nn
        self.recurrent = None
        if name == "conv":
            layers = [
                nn.Conv2d(2, 12, 5, 2, 2, bias=False),
                nn.Conv2d(12, 24, 3, 2, 1, bias=False),
                nn.Sequential(nn.Flatten(), nn.Linear(24 * 81, 128, bias=False)),
            ]
        elif name == "dense":
            layers = [nn.Linear(2312, 128, bias=False)] + [
                nn.Linear(128, 128, bias=False) for _ in range(2)
            ]
        else:
            layers = [nn.Linear(2312, 128, bias=False)]
            self.recurrent = nn.Linear(128, 128, bias=False)
        self.layers = nn.ModuleList(layers)
        self.readout = nn.Linear(128, 10, bias=False)

    def forward(self, x):
        """Scores of spikes (step, sample, ...)."""
        v = [None] * len(self.layers)
        out, total, last = 0, 0, None
        for now in x:
            for index, layer in enumerate(self.layers):
                current = layer(now)
                if self.recurrent is not None and last is not None:
                    current = current + self.recurrent(last)
                v[index] = current if v[index] is None else BETA * v[index] + current
                now = Spike.apply(v[index])
                v[index] = v[index] * (1 - now.detach())
            last = now
            out = BETA * out + self.readout(now)
            total = total + out
        return total


def bptt(name, dense, labels, size, channels_last):
    """Samples a second of one pass over the samples in batches of `size`."""
    model = Float(name)
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(model.parameters())
    shape = (-1, 2, 34, 34) if name == "conv" else (-1, 2312)
    began = None
    for first in range(0, len(labels) - size + 1, size):
        if first == size:  # the first batch warms up
            began = clock()
        part = dense[first : first + size]
        steps = [
            torch.from_numpy(np.ascontiguousarray(part[:, t])).float().reshape(shape)
            for t in range(STEPS)
        ]
        if channels_last:
            steps = [x.contiguous(memory_format=torch.channels_last) for x in steps]
        loss = torch.nn.functional.cross_entropy(
            model(steps), torch.from_numpy(labels[first : first + size].astype(np.int64))
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return (len(labels) // size - 1) * size / (clock() - began)


class Ours:
    """A run of the recipe `deep` on these layers."""

    def __init__(self, name, data):
        settings = RECIPES["deep"][1].model_copy(
            update={"layers": CASES[name], "groups": GROUPS, "pairs": PAIRS, "shift": 0}
        )
        network = layered_network(settings, data)
        self.settings, self.data = settings, data
        self.chip = layered_chip(settings, network, None)
        outputs = is_readout(network)
        self.evolution = Evolution(settings, len(data.train.labels), len(outputs), outputs)
        self.generation = 0

    def speed(self):
        """Samples a second of one generation."""
        ask = self.evolution.ask(self.generation)
        batch = batch_of(self.data, ask, self.settings)
        began = clock()
        seen = self.chip.evaluate(batch, ask.pairs, ask.generation)
        update = self.evolution.tell(ask.generation, seen)
        self.chip.apply_update(update.coefficients, ask.pairs, ask.generation, update.rates, batch)
        self.generation += 1
        return GROUPS / (clock() - began)


def main():
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--threads", type=int, default=1)
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()
    threads.use(given.threads)
    torch.set_num_threads(given.threads)
    data = datasets.load("digits")
    few = select(data.train, slice(GROUPS))
    dense, labels = unpack(few), few.labels
    found = {}
    for name in given.cases:
        ours = Ours(name, data)
        ways = [(size, False) for size in BATCHES]
        if name == "conv":
            ways += [(size, True) for size in BATCHES]
        mine, theirs = 0.0, 0.0
        ours.speed()
        for _ in range(given.rounds):
            mine = max(mine, ours.speed())
            theirs = max(theirs, *(bptt(name, dense, labels, *way) for way in ways))
        found[name] = {"credit by error": mine, "BPTT": theirs, "ratio": mine / theirs}
        if not given.json:
            print(
                f"{name:10s} {mine:8.0f} samples/s, PyTorch BPTT {theirs:8.0f}: {mine / theirs:.1f} times",
                flush=True,
            )
    if given.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
