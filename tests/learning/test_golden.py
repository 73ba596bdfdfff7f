"""Golden vectors of a generation: those of training itself."""

import naive
import numpy as np
import pytest
import rtl_cases
from hypothesis import given
from hypothesis import strategies as st

from learning import golden
from learning.recipes import RECIPES
from learning.settings import Settings, noise
from learning.training import Training

DATA = rtl_cases.striped(40)


NO_MOMENTUM = {"momentum_bits": 0, "rank": 2, "shaping": "sign"}
BY_ERROR = {**rtl_cases.BY_ERROR, "final_learning_rate": 0, "schedule": "linear"}
"""As the recipe `fast`: a run that ends at learning rate 0."""


@pytest.mark.parametrize("settings", [{}, NO_MOMENTUM, rtl_cases.BY_ERROR])
def test_the_step_is_the_one_training_would_do(settings):
    config, checkpoint = rtl_cases.trained(DATA, **settings)
    before = [array.copy() for part in checkpoint.state for array in part]
    step = golden.step(config, checkpoint, DATA)
    for array, kept in zip([a for part in checkpoint.state for a in part], before, strict=True):
        assert np.array_equal(array, kept)
    training = Training(config, DATA, None, checkpoint)
    training.step()
    for part, wanted in zip(step.after, training.chip.state, strict=True):
        for array, same in zip(part, wanted, strict=True):
            assert np.array_equal(array, same)


def test_rates_and_totals_make_the_new_state():
    """move(), in Python's own integers, from the files' numbers alone."""
    config, checkpoint = rtl_cases.trained(DATA)
    step = golden.step(config, checkpoint, DATA)
    for layer, momentum in enumerate(step.after.momentum):
        sources, neurons = step.after.synapses[layer].shape
        assert step.synapses.totals[layer] == sum(abs(int(m)) for m in momentum[:, :neurons].flat)
        for j in range(0, sources, 7):
            for k in range(neurons):
                random = naive.rounding(
                    naive.ROUNDING,
                    layer,
                    step.generation,
                    config.settings.seed,
                    j * momentum.shape[1] + k,
                )
                moved = naive.move(
                    int(step.before.synapses[layer][j, k]),
                    int(momentum[j, k]),
                    step.synapses.rates[layer],
                    0,
                    random,
                    -128 << 8,
                    (127 << 8) + 127,
                )
                assert moved == step.after.synapses[layer][j, k]


@pytest.mark.parametrize("settings", [BY_ERROR, {"final_learning_rate": 0, "schedule": "linear"}])
def test_a_run_that_ended_at_rate_0_has_vectors_that_move(settings):
    """Weights, momentum and biases of every layer, by the learning rate of the first generation."""
    config, checkpoint = rtl_cases.trained(DATA, **settings)
    assert checkpoint.generation == config.settings.generations
    step = golden.step(config, checkpoint, DATA)
    assert min(step.synapses.rates) > 0
    assert golden.beyond(config, step) is None
    for kind in ("synapses", "momentum", "biases") if step.by_error else ("synapses", "momentum"):
        for old, new in zip(getattr(step.before, kind), getattr(step.after, kind), strict=True):
            assert not np.array_equal(old, new), kind


def test_vectors_in_which_nothing_moves_are_refused():
    config, checkpoint = rtl_cases.trained(DATA)
    step = golden.step(config, checkpoint, DATA)
    fault = golden.beyond(config, step._replace(after=step.before))
    assert "no weight of layer 'hidden' changes" in (fault or "")


@pytest.mark.parametrize("more", [{}, {"noise_window": 0, "readout": "count", "temperature": 0.1}])
def test_numbers_of_credit_by_error_are_the_evaluators(more):
    """Worked out from spikes and credits alone, they make the momentum and the biases of the evaluator."""
    config, checkpoint = rtl_cases.trained(DATA, **{**BY_ERROR, **more})
    step = golden.step(config, checkpoint, DATA)
    numbers, bits = step.by_error, config.settings.momentum_bits
    for layer, (old, new) in enumerate(zip(step.before.momentum, step.after.momentum, strict=True)):
        sums, biases = numbers.synapses[layer], numbers.biases[layer]
        for j, row in enumerate(sums):
            for k, amount in enumerate(row):
                assert naive.momentum(int(old[j, k]), int(amount), bits) == new[j, k]
        for k, amount in enumerate(biases):
            random = naive.rounding(
                naive.BIAS_ROUNDING, layer, step.generation, config.settings.seed, k
            )
            low, high = -4096 << 8, (4095 << 8) + 127
            state = int(step.before.biases[layer][k])
            rate = step.biases.rates[layer]
            moved = naive.move(state, int(amount), rate, 0, random, low, high)
            assert moved == step.after.biases[layer][k]
    assert numbers.errors.any()
    assert numbers.traces.any()


@given(
    st.integers(1, 40),
    st.integers(1, 4),
    st.integers(0, 6),
    st.lists(st.integers(-(1 << 20), 1 << 20), min_size=1, max_size=200),
)
def test_a_direction_never_leaves_its_bits(pairs, rank, bits, wishes):
    """Whatever the sums are, and however long they push one way."""
    settings = Settings(pairs=pairs, groups=1, rank=rank, momentum_bits=bits)
    most = pairs * rank * 127
    largest = (1 << golden.sum_bits(settings) - 1) - 1
    m = 0
    for wish in [*wishes, *[most] * 300, *[-most] * 300]:
        amount = max(-most, min(most, wish))
        m = naive.momentum(m, amount, bits) if bits else amount
        assert abs(m) <= largest


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"method": "full-rank"}, "method is 'full-rank'"),
        ({"noise": "graded"}, "noise is 'graded'"),
        ({"output_rule": "delta"}, "output_rule is 'delta'"),
        ({"sigma_bias": 2}, "sigma_bias is 2"),
        ({"decay": 0.01}, "decay is 0.01"),
        ({"estimator": "one-sided"}, "estimator is 'one-sided'"),
        ({"final_noise": 0.5}, "final_noise is 0.5"),
        ({"final_temperature": 0.5}, "final_temperature is 0.5"),
        ({"sigma": 0}, "sigma 0"),
        ({"pairs": 1 << 20, "momentum_bits": 6}, "directions of 34 bits"),
        ({"learning_rate": 0, "final_learning_rate": 0}, "learning_rate 0.0"),
        ({**rtl_cases.BY_ERROR, "output_rule": "frozen"}, "output_rule is 'frozen'"),
        ({**rtl_cases.BY_ERROR, "credit": "fitness"}, "credit is 'fitness'"),
        ({**rtl_cases.BY_ERROR, "noise_period": 2}, "noise_period is 2"),
    ],
)
def test_what_hardware_cannot_learn_is_named(settings, named):
    assert named in (golden.fault(Settings(**settings)) or "")


def test_recipes_are_learnt_by_hardware():
    for name in ("fast", "best", "eggroll"):
        assert golden.fault(RECIPES[name][1]) is None
    assert golden.fault(Settings()) is None
    assert golden.sum_bits(Settings()) == 22


def test_a_rate_beyond_its_register_is_named():
    rates = {
        "learning_rate": 127,
        "final_learning_rate": 127,
        "output_rate": 127,
        "shaping": "sign",
    }
    faults = []
    for settings in ({"momentum_bits": 0, **rates}, {}):
        config, checkpoint = rtl_cases.trained(DATA, **settings)
        faults.append(golden.beyond(config, golden.step(config, checkpoint, DATA)))
    assert "48 bits do not hold it" in (faults[0] or "")
    assert faults[1] is None


def test_parameters_give_the_noise():
    config, _ = rtl_cases.trained(DATA, rank=2)
    found = golden.parameters(config)
    assert found["SCALE"] == list(noise(config.settings, config.network()).scale)
    assert found["RANK"] == 2
