"""Evolution strategy: stateless ask and tell."""

import numpy as np
import pytest

from learning.batches import batch
from learning.evolution import Evolution
from learning.settings import Settings
from learning.shaping import coefficients
from neurosim.population.evaluator import Evaluation

SETTINGS = Settings(pairs=12, groups=4, batch=3, generations=10, shaping="rank", seed=6)


def test_what_is_asked_is_numbers():
    ask = Evolution(SETTINGS, 50, 2).ask(7)
    assert ask.pairs == range(12)
    assert ask.generation == 7
    assert np.array_equal(ask.samples, batch(50, 7, 4, 3, 6))


def test_an_update_is_one_small_integer_per_direction_and_the_rates():
    evolution = Evolution(SETTINGS, 50, 2)
    fitness = np.random.default_rng(0).integers(-9999, 0, (12, 2))
    update = evolution.tell(3, Evaluation(fitness, np.zeros_like(fitness)))
    assert np.array_equal(update.coefficients, coefficients(fitness, 4, "rank", "antithetic"))
    assert update.coefficients.dtype == np.int8
    assert update.rates == evolution.schedule.rates(3)
    assert len(update.rates) == 2


def test_one_sided_members_have_a_small_integer_each():
    evolution = Evolution(SETTINGS.model_copy(update={"estimator": "one-sided"}), 50, 2)
    fitness = np.random.default_rng(0).integers(-9999, 0, (12, 2))
    shaped = evolution.tell(3, Evaluation(fitness, np.zeros_like(fitness))).coefficients
    assert np.array_equal(shaped, coefficients(fitness, 4, "rank", "one-sided"))
    assert shaped.shape == (24,)


def test_neuron_credits_are_passed_on():
    fitness = np.zeros((12, 2), np.int64)
    credits = np.arange(12 * 16, dtype=np.int16).reshape(12, 16)
    shaped = Evolution(SETTINGS, 50, 2).tell(3, Evaluation(fitness, fitness, credits))
    assert shaped.coefficients is credits


@pytest.mark.parametrize("generation", [0, 9, 1 << 31])
def test_a_generation_is_the_same_whenever_it_is_asked(generation):
    one, other = Evolution(SETTINGS, 50, 2), Evolution(SETTINGS, 50, 2)
    other.ask(1)
    nothing = np.zeros((12, 2), np.int64)
    other.tell(1, Evaluation(nothing, nothing))
    assert np.array_equal(one.ask(generation).samples, other.ask(generation).samples)
