"""A new connection kind, data set or export format is one definition and one entry in a registry.

What this file defines is registered, trained and exported without a change to any other file. A learning
rule from elsewhere is in tests/learning/test_settings.py.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import ClassVar

import command
import numpy as np
import pytest

from learning.settings import Settings
from learning.training import Training, start
from neurosim.chip import profiles
from neurosim.chip.emulator import Chip
from neurosim.data import datasets, frames
from neurosim.data import sets as data_sets
from neurosim.data.frames import pack
from neurosim.data.sensor import channels
from neurosim.data.sets.base import Entry
from neurosim.data.source import About, Said
from neurosim.export import registry as exports
from neurosim.network import Connection, Input, Network, Population, Weights, connections
from neurosim.network.connections import Parameter, Synapses
from neurosim.network.serialise import describe, network_of
from neurosim.population.batch import Batch
from neurosim.population.evaluator import ReadoutSpec
from neurosim.population.graph_evaluator import GraphEvaluator
from neurosim.population.layer_credit import FeedbackSpec
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import state_of
from neurosim.population.update import Rates

# --- a connection kind -----------------------------------------------------------------------------


@dataclass(frozen=True)
class OneToOne:
    """Each source feeds the neuron of its number, by a weight of its own."""

    name: ClassVar[str] = "one_to_one"

    def out_shape(self, in_shape):
        return in_shape

    def parameter(self, in_shape, out_shape):
        return Parameter(1, int(np.prod(in_shape)), 1)

    def expand(self, matrix, in_shape, out_shape):
        every = np.arange(int(np.prod(in_shape)))
        return Synapses(every, every, matrix[0].astype(np.int64))


@pytest.fixture
def one_to_one(monkeypatch):
    """A network that begins with the new kind, its weights, and some samples."""
    monkeypatch.setitem(connections.KINDS, OneToOne.name, OneToOne)
    network = Network(
        (Input("input", 12),),
        (Population("hidden", 12, 60, dv=400), Population("output", 3, 60, dv=400)),
        (Connection("input", "hidden", kind=OneToOne()), Connection("hidden", "output")),
    )
    numbers = np.random.default_rng(3)
    weights = Weights(
        (
            numbers.integers(20, 100, (1, 12)).astype(np.int8),
            numbers.integers(-60, 60, (12, 3)).astype(np.int8),
        ),
        (np.zeros(12, np.int16), np.zeros(3, np.int16)),
    )
    shown = pack(numbers.random((4, 6, 12)) < 0.5, [0, 1, 2, 0])
    return network, weights, shown


def evaluator_of(network, weights):
    return GraphEvaluator(
        network,
        state_of(weights, 8),
        seed=7,
        noise=NoiseSpec((4000, 0), (0, 0)),
        readout_spec=ReadoutSpec(True, 256, 16),
        feedback=FeedbackSpec("gate"),
        fraction_bits=8,
        momentum_bits=0,
    )


def test_a_connection_kind_from_elsewhere_runs_as_on_the_chip(one_to_one):
    network, weights, shown = one_to_one
    recorded = Chip.from_weights(network, weights, profiles.LAYERED, placement=None).run(shown)
    seen = evaluator_of(network, weights).forward(shown)
    for name, counts in zip(("hidden", "output"), seen.spikes, strict=True):
        assert np.array_equal(recorded.spikes[name].astype(np.int64).sum(axis=1), counts)
    assert seen.spikes[0].any()


def test_a_connection_kind_from_elsewhere_learns_and_is_written(one_to_one):
    network, weights, shown = one_to_one
    evaluator = evaluator_of(network, weights)
    batch = Batch(shown, np.arange(4)[:, None])
    seen = evaluator.evaluate(batch, range(8), 0)
    evaluator.apply_update(seen.credits, range(8), 0, [Rates(1 << 43, 0, 0)] * 2, batch)
    moved = evaluator.weights().mantissas
    assert all((a != b).any() for a, b in zip(moved, weights.mantissas, strict=True))
    assert network_of(json.loads(json.dumps(describe(network)))) == network


# --- a data set ------------------------------------------------------------------------------------


class Halves:
    """Two classes: which half of sixteen channels sends events."""

    about = About(channels(16), ("left", "right"), 10_000)
    chunk, recorded = 100, True

    def __init__(self):
        self.said = Said()
        self.labels = {
            part: np.arange(count, dtype=np.uint16) % 2
            for part, count in (("train", 60), ("test", 20))
        }

    def content(self):
        return hashlib.sha256(b"halves").hexdigest()

    def bits(self, part, numbers, recording, seed, into):
        out = frames.empty(len(numbers), into)
        for place, number in enumerate(numbers):
            dense = np.zeros((1, out.shape[1], 16), np.uint8)
            half = 8 * (number % 2)
            dense[0, number % out.shape[1] :: 2, half : half + 8] = 1
            out[place] = pack(dense, [0]).bits[0]
        return out


HALVES = Entry("halves", ("halves",), frozenset(), lambda place, options, folder: Halves())


def test_a_data_set_from_elsewhere_trains(monkeypatch):
    monkeypatch.setitem(data_sets.ENTRIES, "halves", HALVES)
    data = datasets.load("halves", steps=10)
    assert data.class_names == ("left", "right")
    settings = Settings(
        data="halves", hidden=(8,), vth_mant=128, generations=20, pairs=32, groups=32,
        method="event-aligned", output_rule="delta", credit="error", batch=1, sigma=64,
        noise_window=256, final_learning_rate=1,
    )  # fmt: skip
    training = Training(start(settings, data), data)
    assert training.run(lambda *_: None)
    assert training.summary()["test_accuracy"] >= 0.9


# --- an export format ------------------------------------------------------------------------------


def write_counts(trained, path, samples):
    counts = {c.name: p.rows * p.columns for c, p in trained.network.parameters}
    path.write_text(json.dumps(counts))
    return exports.Written(("synapses counted",), {"synapses": sum(counts.values())})


def test_an_export_format_from_elsewhere_is_written(monkeypatch, tmp_path):
    counts = exports.Export("counts", "synapses", "counts.json", samples=False, write=write_counts)
    monkeypatch.setitem(exports.EXPORTS, "counts", counts)
    run = tmp_path / "run"
    small = "--hidden", "5", "--generations", "1", "--pairs", "16", "--groups", "16"
    assert command.here("train", *small, "--run", run, "--json").returncode == 0
    done = command.here("export", run, "--to", "counts", "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert results["synapses"] == 2312 * 5 + 5 * 10
    assert json.loads((run / "counts.json").read_text())["hidden->output"] == 50
    refused = command.here("export", run, "--to", "counts", "--samples", "3")
    assert refused.returncode == 1
    assert "--samples 3" in refused.stderr
    unknown = command.here("export", run, "--to", "bitmaps")
    assert "allowed are" in unknown.stderr
    assert "counts" in unknown.stderr
