"""Timings of generations at 2312-128-10, all cases in turn so that all have the same background load.

The spikes are random, of the density of N-MNIST's frames: time does not depend on what is learned.
"""

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from learning.config import Config
from learning.evolution import Evolution
from learning.layered import is_layered, is_readout, layered_chip, layered_network
from learning.recipes import RECIPES
from learning.settings import Settings, noise
from learning.training import make_chip
from neurosim.data import frames
from neurosim.data.datasets import Dataset
from neurosim.data.sensor import Sensor
from neurosim.population import roofline
from neurosim.population.batch import Batch
from neurosim.population.evaluator import Evaluator
from neurosim.population.graph import Plan
from neurosim.population.graph_members import GraphMembers
from neurosim.population.roofline import Work
from neurosim.population.state import Precision

INPUTS, CLASSES, SAMPLES = 2312, 10, 1024
SENSOR = Sensor(34, 34, 2)
SPIKES = 1550
"""Active cells of a sample of 10 steps x 2,312 inputs in N-MNIST (hostref/benchmark.py)."""
WEIGHTS = Settings(pairs=4096, groups=64, batch=8, momentum_bits=0)
EVENTS = Settings(
    method="event-aligned", output_rule="delta", pairs=4096, groups=1024, batch=1, momentum_bits=0
)
DEEP = RECIPES["deep"][1].model_copy(update={"pairs": 1024, "groups": 512, "momentum_bits": 0})
CASES = {
    "rank 1": WEIGHTS,
    "rank 4": WEIGHTS.model_copy(update={"rank": 4}),
    "rank 8": WEIGHTS.model_copy(update={"rank": 8}),
    "rank 1, graded": WEIGHTS.model_copy(update={"noise": "graded"}),
    "rank 1, one-sided": WEIGHTS.model_copy(update={"estimator": "one-sided"}),
    "full rank": WEIGHTS.model_copy(update={"method": "full-rank", "pairs": 256}),
    "event-aligned": EVENTS,
    "event-aligned, one-sided": EVENTS.model_copy(update={"estimator": "one-sided"}),
    "event-aligned, credit by error": EVENTS.model_copy(update={"credit": "error"}),
    "rank 1, general executor": WEIGHTS.model_copy(update={"layers": "dense 128"}),
    "credit by error, general executor": DEEP.model_copy(update={"layers": "dense 128"}),
    "conv 12, conv 24, dense 128": DEEP.model_copy(
        update={
            "layers": "conv 12 5x5 stride 2 pad 2, conv 24 3x3 stride 2 pad 1, dense 128",
        }
    ),
    "conv 12, pool 2, dense 128": DEEP.model_copy(
        update={"layers": "conv 12 5x5 stride 2 pad 2, pool 2, dense 128"}
    ),
    "recurrent 128": DEEP.model_copy(update={"layers": "recurrent 128"}),
    "dense 128, 128, 128": DEEP.model_copy(update={"layers": "dense 128, dense 128, dense 128"}),
}
"""4,096 pairs on 8 of 512 samples each; 256 pairs of full rank; event-aligned 4 pairs on each of 1,024; in
graphs of layers 2 pairs on each of 512."""
PARTS = ("share and evaluate", "evaluate", "sums", "update")
"""`evaluate`: the current that members share is there already. `sums`: the update's part for noise on
weights, drawn again."""
OF_GRAPH = ("evaluate and sums", "update")
"""Parts of a graph of layers by error: passes, members and sums together; and the step of the synapses."""


class Timing(NamedTuple):
    """Seconds of a part of one generation, and the least that it can take; member-samples it is for."""

    case: str
    part: str
    seconds: float
    bound: float
    member_samples: int


class Case:
    """An evaluator that evaluates and updates, one generation after another."""

    def __init__(
        self,
        settings: Settings,
        samples: frames.Frames,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.settings, self.samples, self.clock = settings, samples, clock
        inputs, classes = samples.inputs, CLASSES
        self.chip = make_chip(Config(settings, "", inputs, classes))
        self.evolution = Evolution(settings, len(samples.labels), len(self.chip.network.layers))
        self.generation = 0
        spikes = int(np.bitwise_count(samples.bits).sum()) / len(samples.labels)
        self.bounds = self._bounds(spikes)

    def _bounds(self, spikes: float) -> dict[str, Work]:
        network, settings = self.chip.network, self.settings
        spec = noise(settings, network)
        shown = settings.groups * settings.batch
        evaluate = roofline.evaluating(network, spec, settings.steps, settings.batch)
        sums = roofline.accumulating(network, spec).times(settings.pairs)
        present = roofline.presenting(network, spec, settings.steps, spikes).times(shown)
        return {
            "share and evaluate": evaluate.times(settings.pairs)
            + roofline.sharing(network, spikes).times(shown),
            "evaluate": evaluate.times(settings.pairs),
            "sums": sums,
            "update": sums + present + roofline.moving(network),
        }

    def step(self) -> dict[str, float]:
        """Seconds of each part of one generation."""
        ask = self.evolution.ask(self.generation)
        layers = range(len(self.chip.network.layers))
        batch = Batch(self.samples, ask.samples)  # keeps what members and rules share

        def evaluate() -> None:
            self.seen = self.chip.evaluate(batch, ask.pairs, ask.generation)

        def accumulate() -> None:
            for layer in layers:
                self.chip.sums(layer, update.coefficients, ask.pairs, ask.generation)

        def apply_update() -> None:
            self.chip.apply_update(
                update.coefficients, ask.pairs, ask.generation, update.rates, batch
            )

        def seconds(work: Callable[[], object]) -> float:
            began = self.clock()
            work()
            return self.clock() - began

        shared, again = seconds(evaluate), seconds(evaluate)
        update = self.evolution.tell(self.generation, self.seen)
        accumulated = seconds(accumulate) if self.bounds["sums"].lanes else 0.0
        self.generation += 1
        return dict(zip(PARTS, (shared, again, accumulated, seconds(apply_update)), strict=True))


class GraphCase:
    """The same of a graph of layers."""

    def __init__(
        self,
        settings: Settings,
        samples: frames.Frames,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.settings, self.samples, self.clock = settings, samples, clock
        names = tuple(map(str, range(CLASSES)))
        data = Dataset(
            "random", samples, samples, samples, names, SENSOR, settings.steps, 300_000, ""
        )
        network = layered_network(settings, data)
        chip = layered_chip(settings, network, None)
        if isinstance(
            chip, Evaluator
        ):  # a run gives it to the fused kernel; timed here is the other
            chip = GraphMembers(
                network,
                chip.state,
                seed=settings.seed,
                noise=chip.spec,
                readout_spec=chip.readout_spec,
                precision=Precision(settings.fraction_bits, settings.momentum_bits),
                workspace_bytes=settings.workspace << 20,
            )
        self.chip = chip
        outputs = is_readout(network)
        self.evolution = Evolution(settings, len(samples.labels), len(outputs), outputs)
        self.generation = 0
        self.bounds = self._bounds()

    def _bounds(self) -> dict[str, Work]:
        settings, network = self.settings, self.chip.network
        moving = roofline.moving(network)
        shown = settings.groups * settings.batch
        spikes = int(np.bitwise_count(self.samples.bits).sum()) / len(self.samples.labels)
        if not self.chip.by_error:
            spec = self.chip.spec
            evaluate = roofline.evaluating(network, spec, settings.steps, settings.batch)
            shared = roofline.sharing(network, spikes).times(shown)
            sums = roofline.accumulating(network, spec).times(settings.pairs)
            return {
                "share and evaluate": evaluate.times(settings.pairs) + shared,
                "update": sums + moving,
            }
        counts = self.chip.forward(self.samples).spikes
        of_part = dict.fromkeys(network.sizes, 0.0) | {network.inputs[0].name: spikes}
        for name, counted in zip((*self.chip.hidden, network.readouts[0]), counts, strict=True):
            of_part[name] = float(counted.sum(dtype=np.int64)) / len(counted)
        plan = Plan(network, settings.steps)
        credit = roofline.crediting(plan, settings.pairs // settings.groups, of_part)
        return {OF_GRAPH[0]: credit.times(shown), OF_GRAPH[1]: moving}

    def step(self) -> dict[str, float]:
        """Seconds of each part of one generation."""
        ask = self.evolution.ask(self.generation)
        batch = Batch(self.samples, ask.samples)
        began = self.clock()
        seen = self.chip.evaluate(batch, ask.pairs, ask.generation)
        evaluated = self.clock() - began
        update = self.evolution.tell(ask.generation, seen)
        began = self.clock()
        self.chip.apply_update(update.coefficients, ask.pairs, ask.generation, update.rates, batch)
        self.generation += 1
        return dict(zip(self.bounds, (evaluated, self.clock() - began), strict=True))


def case_of(
    settings: Settings, samples: frames.Frames, clock: Callable[[], float]
) -> Case | GraphCase:
    """The case of these settings."""
    return (GraphCase if is_layered(settings) else Case)(settings, samples, clock)


def with_pairs(settings: Settings, pairs: int) -> Settings:
    """The same with so many pairs, in as many groups as divide them, up to the settings' own."""
    groups = next(
        count for count in range(min(settings.groups, pairs), 0, -1) if pairs % count == 0
    )
    return settings.model_copy(update={"pairs": pairs, "groups": groups})


def random_frames(inputs: int = INPUTS, steps: int = 10, samples: int = SAMPLES) -> frames.Frames:
    """Samples of random spikes."""
    numbers = np.random.default_rng(0)
    dense = numbers.random((samples, steps, inputs), np.float32) < SPIKES / (10 * INPUTS)
    return frames.pack(dense, numbers.integers(0, CLASSES, samples).astype(np.uint8))


def rounds(
    settings: dict[str, Settings],
    samples: frames.Frames,
    count: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[list[Timing]]:
    """Time every case once a round, and the peak rates beside it; the first round is not given."""
    cases = {name: case_of(one, samples, clock) for name, one in settings.items()}
    for index in range(count + 1):
        timings = []
        for name, case in cases.items():
            rates = roofline.measure_peak_rates(clock)
            passes = 2 * case.settings.pairs * case.settings.batch
            for part, took in case.step().items():
                if took:
                    least = case.bounds[part].seconds(rates)
                    timings.append(Timing(name, part, took, least, passes))
        if index:
            yield timings
