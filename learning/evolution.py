"""Evolution strategy with an ask/tell interface: batches to evaluate, and updates from their fitness.

    ask(generation)             -> which pairs, on which samples: numbers, never arrays of noise
    tell(generation, evaluation) -> the update: one small integer per direction, and the rates

A strategy has no state but its settings: generation g is the same whenever and wherever it is computed.
EGGROLL and full-rank ES differ in the noise alone (`settings.noise`).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from learning.batches import batch
from learning.settings import Settings, TrainingSchedules
from learning.shaping import coefficients
from neurosim.population.evaluator import Evaluation
from neurosim.population.update import Rates


class Ask(NamedTuple):
    """Number of the generation, numbers of the pairs, and the samples int64 (group, place) of each group."""

    generation: int
    pairs: range
    samples: NDArray[np.int64]


class Update(NamedTuple):
    """Coefficients int8 (direction,), or neuron credits int16 (pair, lane); and the rates of each layer."""

    coefficients: Any
    rates: list[Rates]


class Evolution:
    """Evolution strategies in integers (paper, section 3.2 and appendix B)."""

    def __init__(
        self, settings: Settings, samples: int, layers: int, outputs: Sequence[bool] | None = None
    ) -> None:
        self.settings = settings
        self.samples = samples
        self.schedule = TrainingSchedules(settings, layers, outputs)

    def ask(self, generation: int) -> Ask:
        """What a generation evaluates: all pairs, on samples that depend on its number and the seed alone."""
        s = self.settings
        return Ask(
            generation, range(s.pairs), batch(self.samples, generation, s.groups, s.batch, s.seed)
        )

    def tell(self, generation: int, evaluation: Evaluation) -> Update:
        """The update of a generation from the evaluation of its pairs; a larger fitness is better."""
        rates = self.schedule.rates(generation)
        if evaluation.credits is not None:
            return Update(evaluation.credits, rates)
        s = self.settings
        utilities = coefficients(evaluation.fitness, s.groups, s.shaping, s.estimator)
        return Update(utilities, rates)
