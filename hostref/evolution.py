"""Evolution strategies on the float network, as in the paper.

    fitness    F = mean log p(label) over a batch that all members share
    shaping    rank(F) / (2 N - 1) - 1/2 over all 2 N members; Delta_i = rank(F_i+) - rank(F_i-)
    step       Adam along the estimate of the kind of noise (hostref/eggroll.py, full_rank.py)

Noise is a function of (seed, generation, block of pairs), drawn again for the update, not kept.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from hostref import inputs, readout
from hostref.backend import Tensor, choose, generator, torch
from hostref.bptt import TrainingError
from hostref.evaluation import evaluate
from hostref.inputs import Samples
from hostref.model import Model, Noise, Parameters
from hostref.settings import EvolutionSettings
from hostref.twin import from_chip, initial
from neurosim.network.shapes import Shape

if TYPE_CHECKING:
    from neurosim.data.datasets import Dataset

GAIN = 3.0
"""Initial weights have standard deviation GAIN / sqrt(sources): a silent network has no fitness to
compare, and at 3 about a tenth of the hidden neurons spike in a step."""

Report = Callable[[dict[str, Any]], None]


class Strategy(Protocol):
    """A kind of noise: its distribution, and the estimate of the gradient from fitness."""

    def draw(self, model: Model, pairs: int, source: torch.Generator) -> Noise:
        """Noise of so many pairs, for all parameters of the model."""
        ...

    def estimate(self, noise: Any, delta: Tensor) -> Parameters:
        """sum_i delta_i E_i, of the shape of the parameters."""


class Evolved(NamedTuple):
    """A finished training: the model, its parameters, and metrics of each generation."""

    model: Model
    parameters: Parameters
    history: list[dict[str, Any]]


def build(settings: EvolutionSettings, sources: int | Shape, classes: int, device: str) -> Model:
    """The normalised model that `settings` describe."""
    return from_chip(
        settings.network.build(sources, classes),
        normalised=True,
        spiking_output=settings.readout == "count",
        device=device,
        dtype=settings.precision,
    )


@torch.no_grad()
def fitness(
    model: Model,
    parameters: Parameters,
    noise: Noise | None,
    x: Tensor,
    labels: Tensor,
    settings: EvolutionSettings,
) -> Tensor:
    """Mean log-likelihood of each member, float (pair, side); without noise a single number."""
    score = readout.scores(model, model.run(parameters, x, noise), settings.readout)
    return readout.log_likelihood(score, labels, settings.gain).mean(-1)


def shaped(values: Tensor) -> Tensor:
    """Difference of centred ranks of each pair, float (pair,), from fitness (pair, side)."""
    ranks = values.flatten().argsort(stable=True).argsort().to(values)
    ranks = (ranks / (values.numel() - 1) - 0.5).view_as(values)
    return ranks[:, 0] - ranks[:, 1]


def blocks(settings: EvolutionSettings) -> Sequence[int]:
    """How many pairs each block of a generation holds."""
    size = 1 if settings.sequential else settings.block
    return [part.stop - part.start for part in inputs.chunks(settings.pairs, size)]


class Evolution:
    """Ask, evaluate, tell: one generation at a time."""

    def __init__(self, settings: EvolutionSettings, model: Model, strategy: Strategy) -> None:
        self.settings, self.model, self.strategy = settings, model, strategy
        self.parameters = initial(model, settings.seed, GAIN).map(lambda w: w.requires_grad_())
        self.adam = torch.optim.Adam(self._all(), lr=settings.learning_rate)
        self.generation = 0

    def _all(self) -> list[Tensor]:
        return [*self.parameters.weights, *self.parameters.biases]

    def ask(self, block: int, pairs: int) -> Noise:
        """The noise of one block of this generation: the same each time it is asked for."""
        source = generator(self.model.like.device, self.settings.seed, 2, self.generation, block)
        return self.strategy.draw(self.model, pairs, source)

    def batch(self, samples: Samples) -> tuple[Tensor, Tensor]:
        """Spikes and labels that the members of this generation share."""
        source = generator(torch.device("cpu"), self.settings.seed, 3, self.generation)
        count = min(self.settings.batch, len(samples))
        index = torch.randperm(len(samples), generator=source)[:count]
        return samples.batch(index.to(self.model.like.device), self.model.like.dtype)

    def evaluate(self, x: Tensor, labels: Tensor) -> Tensor:
        """Fitness of every member, (pair, side)."""
        asked = list(enumerate(blocks(self.settings)))
        if self.settings.sequential:
            return torch.stack([self._one_by_one(self.ask(*block), x, labels) for block in asked])
        return torch.cat(
            [self._fitness(self.parameters, self.ask(*block), x, labels) for block in asked]
        )

    def _fitness(
        self, parameters: Parameters, noise: Noise | None, x: Tensor, labels: Tensor
    ) -> Tensor:
        return fitness(self.model, parameters, noise, x, labels, self.settings)

    def _one_by_one(self, noise: Noise, x: Tensor, labels: Tensor) -> Tensor:
        """Fitness (side,) of one pair, each member a network of its own."""
        with torch.no_grad():
            members = [noise.perturbed(self.parameters, sign) for sign in (1, -1)]
        return torch.stack([self._fitness(member, None, x, labels) for member in members])

    @torch.no_grad()
    def tell(self, values: Tensor) -> None:
        """Step along the estimate that these fitness values (pair, side) give."""
        if not bool(torch.isfinite(values).all()):
            raise TrainingError(
                f"the fitness of a member became {float(values.min())} in generation "
                f"{self.generation}; start again with a smaller sigma ({self.settings.sigma}) or "
                f"learning rate ({self.settings.learning_rate})"
            )
        delta = shaped(values)
        sums = [torch.zeros_like(tensor) for tensor in self._all()]
        start = 0
        for k, pairs in enumerate(blocks(self.settings)):
            part = self.strategy.estimate(self.ask(k, pairs), delta[start : start + pairs])
            for total, share in zip(sums, [*part.weights, *part.biases], strict=True):
                total += share
            start += pairs
        for total, mask in zip(sums, self.model.masks, strict=False):
            if mask is not None:
                total *= mask
        for tensor, total in zip(self._all(), sums, strict=True):
            tensor.grad = total / (-self.settings.pairs * self.settings.sigma)
        progress = self.generation / self.settings.generations
        low = self.settings.final_learning_rate
        factor = low + (1 - low) * (1 + math.cos(math.pi * progress)) / 2
        self.adam.param_groups[0]["lr"] = self.settings.learning_rate * factor
        self.adam.step()
        self.generation += 1


def strategy_of(settings: EvolutionSettings) -> Strategy:
    """EGGROLL, or full rank where the rank is 0."""
    from hostref.eggroll import LowRankStrategy
    from hostref.full_rank import FullRankStrategy

    if settings.rank:
        return LowRankStrategy(settings.rank, settings.sigma, settings.factors)
    return FullRankStrategy(settings.sigma)


def train(
    settings: EvolutionSettings,
    data: "Dataset",
    *,
    device: str = "cpu",
    report: Report | None = None,
) -> Evolved:
    """Train for all generations, validating now and then."""
    model = build(settings, inputs.shape_of(data), data.classes, device)
    for part in (data.train, data.validation):
        inputs.check(model.network, part)
    evolution = Evolution(settings, model, strategy_of(settings))
    train_set, validation = (
        inputs.load(part, choose(device)) for part in (data.train, data.validation)
    )
    history: list[dict[str, Any]] = []
    while evolution.generation < settings.generations:
        values = evolution.evaluate(*evolution.batch(train_set))
        evolution.tell(values)
        entry: dict[str, Any] = {
            "generation": evolution.generation,
            "fitness": float(values.mean()),
        }
        last = evolution.generation == settings.generations
        if last or evolution.generation % settings.validate_every == 0:
            shown = evaluate(
                model, evolution.parameters, validation, settings.readout, settings.gain
            )
            entry["validation_accuracy"] = shown.accuracy
            entry["spikes_per_sample"] = shown.hidden_spikes
        history.append(entry)
        if report is not None:
            report(entry)
    return Evolved(model, evolution.parameters.map(lambda w: w.detach()), history)
