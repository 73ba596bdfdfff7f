"""A new connection kind, neuron model, rule, data set or export format is one definition and its entries.

What this file defines is registered, trained and exported without a change to any other file.
"""

import hashlib
import json
import shlex
from dataclasses import dataclass, replace
from typing import ClassVar

import command
import numpy as np
import pytest
from naive import decay

from learning.recipes import RECIPES
from learning.record import read_config
from learning.rules import registry as rules
from learning.rules.eggroll import Eggroll
from learning.settings import Settings
from learning.training import Training, start
from neurosim.app.experiments.rows import way_of_training
from neurosim.chip import profiles
from neurosim.chip.emulator import Chip
from neurosim.data import datasets, frames
from neurosim.data import sets as data_sets
from neurosim.data.frames import pack, unpack
from neurosim.data.sensor import channels
from neurosim.data.sets.base import Entry
from neurosim.data.source import About, Said
from neurosim.export import registry as exports
from neurosim.kernels.arithmetic import LIMIT, saturate
from neurosim.kernels.compilation import inlined
from neurosim.kernels.neurons import registry as neuron_kernels
from neurosim.kernels.neurons.model import Fired, NeuronKernel
from neurosim.kernels.simd import select, shift_right, spread
from neurosim.network import (
    Connection,
    Input,
    Network,
    NetworkError,
    Population,
    Weights,
    connections,
    neurons,
)
from neurosim.network.connections import Parameter, Synapses
from neurosim.network.layers import of_text
from neurosim.network.serialise import describe, network_of
from neurosim.population.batch import Batch
from neurosim.population.emulated import EmulatedMembers, why_emulated
from neurosim.population.evaluator import ReadoutSpec
from neurosim.population.graph_evaluator import GraphEvaluator
from neurosim.population.layer_credit import FeedbackSpec
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import Precision, state_of
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


# --- a neuron model --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tiring:
    """A spike takes the threshold off v, which keeps the rest, and makes the neuron wait: its threshold is
    higher by `rise`, which halves with each step without a spike."""

    rise: int
    name: ClassVar[str] = "tiring"
    keyword: ClassVar[str] = "tiring"

    def registers(self):
        return (self.rise << 6,)

    @classmethod
    def for_threshold(cls, vth_mant):
        return cls(vth_mant // 4)


@inlined
def fire_tiring(v, threshold, own, registers):
    (tired,) = own
    (rise,) = registers
    spikes = v > threshold + tired
    rested = shift_right(tired, spread(1, v))
    after = select(spikes, saturate(tired + spread(rise, v)), rested)
    return Fired(threshold + tired, spikes, select(spikes, v - threshold, v), (after,))


TIRING = NeuronKernel(fire_tiring, variables=1, registers=1)


def tiring_spikes(currents, bias, population):
    """Spikes of one neuron, in Python integers, for du 4095."""
    v = tired = 0
    spikes = []
    for current in currents:
        v = max(-LIMIT, min(LIMIT, decay(v, population.dv) + current + bias))
        threshold = population.vth_mant << 6
        spikes.append(int(v > threshold + tired))
        if spikes[-1]:
            v, tired = v - threshold, min(LIMIT, tired + (population.model.rise << 6))
        else:
            tired >>= 1
    return spikes


# --- both in a network -----------------------------------------------------------------------------


@pytest.fixture
def foreign(monkeypatch):
    """A network of the new kind and the new model, its weights, and some samples."""
    monkeypatch.setitem(connections.KINDS, OneToOne.name, OneToOne)
    monkeypatch.setitem(neurons.MODELS, Tiring.name, Tiring)
    monkeypatch.setitem(neuron_kernels.KERNELS, Tiring.name, TIRING)
    hidden = Population("hidden", 12, 60, dv=400, model=Tiring(20))
    network = Network(
        (Input("input", 12),),
        (hidden, Population("output", 3, 60, dv=400)),
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
        precision=Precision(8, 0),
    )


def test_a_kind_and_a_model_from_elsewhere_run_on_both_executors(foreign):
    network, weights, samples = foreign
    recorded = Chip.from_weights(network, weights, profiles.LAYERED, placement=None).run(samples)
    seen = evaluator_of(network, weights).forward(samples)
    for name, counts in zip(("hidden", "output"), seen.spikes, strict=True):
        assert np.array_equal(recorded.spikes[name].astype(np.int64).sum(axis=1), counts)
    dense = unpack(samples).reshape(*samples.bits.shape[:2], -1)
    unit = 1 << network.connections[0].current_shift
    for sample, spikes in zip(dense, recorded.spikes["hidden"], strict=True):
        for k in range(12):
            currents = [int(x) * int(weights.mantissas[0][0, k]) * unit for x in sample[:, k]]
            wanted = tiring_spikes(currents, 0, network.populations[0])
            assert spikes[:, k].tolist() == wanted
    assert recorded.spikes["hidden"].any()


def test_a_kind_and_a_model_from_elsewhere_learn_and_are_written(foreign):
    """Near-threshold masks, members with noise, credits and updates of the general executor."""
    network, weights, samples = foreign
    evaluator = evaluator_of(network, weights)
    batch = Batch(samples, np.arange(4)[:, None])
    for generation in range(3):
        seen = evaluator.evaluate(batch, range(8), generation)
        evaluator.apply_update(
            seen.credits, range(8), generation, [Rates(1 << 43, 0, 0)] * 2, batch
        )
    moved = evaluator.weights()
    assert all((a != b).any() for a, b in zip(moved.mantissas, weights.mantissas, strict=True))
    again = network_of(json.loads(json.dumps(describe(network))))
    assert again == network
    recorded = Chip.from_weights(again, moved, profiles.LAYERED, placement=None).run(samples)
    counts = evaluator.forward(samples).spikes[1]
    assert np.array_equal(recorded.spikes["output"].astype(np.int64).sum(axis=1), counts)


def test_a_kind_and_a_model_from_elsewhere_train_on_the_emulator(foreign):
    """An evolution strategy whose members are runs of the chip; the model's neurons are refractory, too."""
    network, weights, samples = foreign
    hidden, output = network.populations
    refractory = replace(network, populations=(replace(hidden, refractory=2), output))
    assert "'hidden': compiled executors need refractory 1" in why_emulated(refractory)
    evaluator = EmulatedMembers(
        refractory,
        state_of(weights, 8),
        seed=7,
        noise=NoiseSpec((4000, 4000), (0, 0)),
        readout_spec=ReadoutSpec(True, 256, 16),
        precision=Precision(8, 0),
        workspace_bytes=1 << 20,
    )
    batch = Batch(samples, np.arange(4)[None])
    fitness = []
    for generation in range(16):
        seen = evaluator.evaluate(batch, range(16), generation).fitness
        fitness.append(int(seen.sum()))
        utilities = np.sign(seen[:, 0] - seen[:, 1]).astype(np.int8)
        evaluator.apply_update(utilities, range(16), generation, [Rates(1 << 43, 0, 0)] * 2)
    chance = (
        -np.log2(3) * 1024 * 4 * 32
    )  # log-likelihoods of 3 classes, of 4 samples and 32 members
    assert fitness[0] < chance
    assert fitness[-1] > 0.9 * chance
    moved = evaluator.weights()
    assert all((a != b).any() for a, b in zip(moved.mantissas, weights.mantissas, strict=True))


def test_layers_have_the_model_from_elsewhere(foreign):
    (layer,) = of_text("dense 8 tiring")
    assert layer.model is Tiring
    data = datasets.load("digits", steps=4)
    deep = RECIPES["deep"][1].model_dump()
    small = {"steps": 4, "generations": 2, "pairs": 8, "groups": 8, "layers": "dense 8 tiring"}
    training = Training(start(Settings(**{**deep, **small}), data), data)
    assert isinstance(training.chip.network.populations[0].model, Tiring)
    assert training.run(lambda *_: None)


def test_a_model_without_a_kernel_is_refused_by_name(monkeypatch):
    monkeypatch.setitem(neurons.MODELS, Tiring.name, Tiring)
    network = Network.chain(2, [Population("a", 2, 60, model=Tiring(1))])
    with pytest.raises(NetworkError, match="'a': neuron model 'tiring' has no kernel"):
        Chip(network, {"input->a": np.ones((2, 2), np.int64)})


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
        data="halves",
        hidden=(8,),
        vth_mant=128,
        generations=20,
        pairs=32,
        groups=32,
        method="event-aligned",
        output_rule="delta",
        credit="error",
        batch=1,
        sigma=64,
        noise_window=256,
        final_learning_rate=1,
    )
    training = Training(start(settings, data), data)
    assert training.run(lambda *_: None)
    assert training.summary()["test_accuracy"] >= 0.9


# --- a learning rule -------------------------------------------------------------------------------


@dataclass(frozen=True)
class HalfNoise(Eggroll):
    """EGGROLL with half the noise."""

    name: str = "half-noise"

    def scale(self, sigma, unit, settings):
        return super().scale(sigma / 2, unit, settings)


def test_a_rule_from_elsewhere_trains(monkeypatch):
    monkeypatch.setitem(rules.HIDDEN, "half-noise", HalfNoise())
    data = datasets.load("digits", steps=4)
    small = {"hidden": (8,), "steps": 4, "generations": 2, "pairs": 16, "groups": 16}

    def trained(**more):
        training = Training(start(Settings(**small, **more), data), data)
        assert training.run(lambda *_: None)
        return training.summary()["weights_sha256"]

    half = trained(method="half-noise", sigma=16, sigma_output=8)
    assert half == trained(sigma=8, sigma_output=4)
    assert half != trained(sigma=16, sigma_output=8)


def test_commands_show_runs_of_a_rule_and_data_from_elsewhere(monkeypatch, tmp_path):
    monkeypatch.setitem(rules.HIDDEN, "half-noise", HalfNoise())
    monkeypatch.setitem(data_sets.ENTRIES, "halves", HALVES)
    run = tmp_path / "run"
    small = shlex.split("--recipe eggroll --method half-noise --data halves --steps 5 --hidden 6")
    few = shlex.split("--generations 2 --pairs 16 --groups 16 --evaluate-every 1")
    done = command.here("train", *small, *few, "--run", run)
    assert done.returncode == 0, done.stderr
    for line in ("evaluate", "run", "map", "report", "export --to nir"):
        name, *more = line.split()
        done = command.here(name, run, *more)
        assert done.returncode == 0, f"{line}: {done.stderr}"
    assert "left" in command.here("evaluate", run).stdout
    assert "half-noise" in (run / "report.html").read_text()
    config = read_config(run)
    assert way_of_training(config.settings) == "chip half-noise"


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
