"""Settings: checks, and the integers that they stand for."""

import itertools
from fractions import Fraction
from math import log2

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from learning.recipes import RECIPES
from learning.rules import registry
from learning.settings import Settings, TrainingSchedules, network, noise, readout
from neurosim.kernels.rules.weight_update import RATE_BITS
from neurosim.population.layout import NoiseSpec, check_noise, check_trainable

LIMITS = {
    "steps": (1, 1000),
    "pool": (1, 256),
    "seed": (0, (1 << 64) - 1),
    "vth_mant": (0, (1 << 17) - 1),
    "du": (0, 4095),
    "dv": (0, 4095),
    "initial_std": (0, 127),
    "generations": (1, (1 << 32) - 1),
    "pairs": (1, 1 << 24),
    "groups": (1, None),
    "batch": (1, 4096),
    "rank": (1, 64),
    "momentum_bits": (0, 6),
    "fraction_bits": (0, 8),
    "evaluate_every": (1, None),
    "validation_samples": (1, None),
    "shift": (0, 4),
    "noise_period": (1, 255),
    "noise_window": (0, (1 << 17) - 1),
    "sigma": (0, 1024),
    "sigma_output": (0, 1024),
    "sigma_bias": (0, 127),
    "final_noise": (0, 1),
    "learning_rate": (0, 127),
    "final_learning_rate": (0, 127),
    "output_rate": (0, 127),
    "bias_rate": (0, 127),
    "decay": (0, 1),
    "spike_cost": (0, 1),
    "temperature": (1 / 1024, 1024),
    "workspace": (1, 1 << 20),
    "local_share": (0, 16),
    "local_pool": (1, 1024),
    "noise_share": (1 / 1024, 16),
    "window_share": (0, 64),
    "target_rate": (0, 1),
    "homeostasis_rate": (1 / 1024, 127),
}
BY_ERROR = {"method": "event-aligned", "batch": 1, "credit": "error", "output_rule": "delta"}
OUTSIDE = [
    (name, value)
    for name, (low, high) in LIMITS.items()
    for value in ([low - 1] + ([] if high is None else [high + 1]))
]


def refusal(**settings):
    with pytest.raises(ValidationError) as refused:
        Settings(**settings)
    return refused.value.errors()


@pytest.mark.parametrize(("name", "value"), OUTSIDE)
def test_values_out_of_range_are_refused_by_name(name, value):
    (fault,) = refusal(**{name: value})
    assert fault["loc"] == (name,)
    assert fault["input"] == value


def test_the_limits_here_are_all_there_are():
    numbers = {
        name for name, field in Settings.model_fields.items() if field.annotation in (int, float)
    }
    assert numbers == set(LIMITS)


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, limit in LIMITS.items() for v in limit])
def test_values_at_their_limits_are_taken(name, value):
    if value is not None:
        even = {"groups": 1} if name == "pairs" else {}
        aligned = (
            {"method": "event-aligned", "batch": 1}
            if name in ("noise_period", "noise_window")
            else {}
        )
        if name in ("local_share", "local_pool", "noise_share", "window_share", "target_rate"):
            aligned = {**BY_ERROR, "feedback": "gate-local"}
        if name == "homeostasis_rate":
            aligned = {**BY_ERROR, "feedback": "gate-local", "target_rate": 0.1}
        Settings(**{"schedule": "linear", **aligned, name: value, **even})


@pytest.mark.parametrize(
    "settings",
    [
        {"method": "magic"},
        {"noise": "gauss"},
        {"readout": "loud"},
        {"shaping": "z"},
        {"schedule": "cosine"},
        {"estimator": "two-sided"},
        {"final_temperature": 1e-9},
        {"final_temperature": 1025},
        {"output_rule": "backprop"},
        {"hidden": ()},
        {"hidden": (0,)},
        {"hidden": (8193,)},
        {"rank": "two"},
        {"rank": 1.5},
        {"sigma": float("nan")},
        {"sigma": float("inf")},
        {"temperature": 0},
        {"temperature": 1e-9},
        {"warp": 9},
    ],
)
def test_what_is_no_setting_is_refused_by_name(settings):
    assert refusal(**settings)[0]["loc"][0] in settings


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"pairs": 10, "groups": 3}, ("pairs 10", "groups 3")),
        ({"learning_rate": 1, "final_learning_rate": 2}, ("learning_rate 1", "linear")),
        ({"final_learning_rate": 0}, ("final_learning_rate 0", "linear")),
        ({"final_noise": 0}, ("noise 1 to final_noise 0", "linear")),
        ({"final_temperature": 2}, ("temperature 1 to final_temperature 2", "linear")),
        ({"method": "event-aligned", "batch": 2}, ("batch 2", "event-aligned")),
        (
            {"method": "event-aligned", "batch": 1, "sigma_bias": 1},
            ("sigma_bias", "event-aligned"),
        ),
        ({"credit": "error"}, ("credit 'error'", "eggroll")),
        (
            {**BY_ERROR, "hidden": (8, 8)},
            ("2 hidden layers", "--credit fitness"),
        ),
        ({**BY_ERROR, "output_rule": "same"}, ("output_rule 'same'", "--output-rule delta")),
        ({**BY_ERROR, "estimator": "one-sided"}, ("estimator 'one-sided'", "--credit fitness")),
        ({"output_rule": "delta", "sigma_bias": 1}, ("sigma_bias 1", "delta")),
        ({**BY_ERROR, "output_rule": "eggroll"}, ("output_rule 'eggroll'", "--output-rule delta")),
        ({"output_rule": "eggroll"}, ("method 'eggroll'", "--output-rule same")),
        (
            {"method": "full-rank", "output_rule": "eggroll"},
            ("method 'full-rank'", "--method event-aligned"),
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings, named):
    (fault,) = refusal(**settings)
    assert all(one in fault["msg"] for one in named)


def test_settings_survive_json():
    settings = Settings(hidden=(7, 5), seed=(1 << 64) - 1, sigma=3.25)
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


# --- schedules -----------------------------------------------------------------------------------


def rates(first, last, generations, kind, **more):
    schedule = TrainingSchedules(
        Settings(
            learning_rate=first,
            final_learning_rate=last,
            generations=generations,
            schedule=kind,
            fraction_bits=0,
            **more,
        ),
        2,
    )
    return [schedule.rates(generation)[0].step for generation in range(generations)]


@pytest.mark.parametrize("kind", ["geometric", "linear"])
@pytest.mark.parametrize(("first", "last"), [(2, 0.05), (1, 1), (127, 1e-12), (0.001, 0.0005)])
def test_rates_start_where_they_should_and_fall(kind, first, last):
    steps = rates(first, last, 50, kind)
    assert steps[0] == round(first * (1 << RATE_BITS))
    assert all(after <= before for before, after in itertools.pairwise(steps))
    assert steps[-1] >= round(last * (1 << RATE_BITS))


@given(st.integers(1, 10_000), st.floats(0.01, 127), st.floats(0.001, 1))
def test_geometric_rates_are_powers_within_a_thousandth(generation, first, ratio):
    """The one comparison with a real power: 2^10 steps of a table to each factor of two."""
    schedule = TrainingSchedules(
        Settings(
            learning_rate=first,
            final_learning_rate=first * ratio,
            generations=10_000,
            fraction_bits=0,
        ),
        1,
    )
    exact = first * 2 ** (log2(ratio) * generation / 10_000)
    found = Fraction(schedule.rates(generation)[0].step, 1 << RATE_BITS)
    assert abs(found - Fraction(exact)) < Fraction(exact) / 1000 + Fraction(1, 1 << 20)


def test_linear_rates_fall_by_the_same_step():
    steps = rates(2, 0, 64, "linear")
    assert {before - after for before, after in itertools.pairwise(steps)} == {
        (2 << RATE_BITS) // 64
    }


def test_constant_rates_stay():
    assert set(rates(1.5, 1.5, 30, "geometric")) == {3 << (RATE_BITS - 1)}
    assert set(rates(0, 0, 30, "geometric")) == {0}


def test_rates_are_in_units_of_the_state():
    (rate, output) = TrainingSchedules(Settings(fraction_bits=8, output_rate=0.5), 2).rates(0)
    assert rate.step == 2 << RATE_BITS + 8
    assert output.step == 1 << RATE_BITS + 8
    assert TrainingSchedules(Settings(decay=0.25), 1).rates(0)[0].decay == 1 << RATE_BITS - 2


@given(
    st.integers(0, 49),
    st.floats(0.001, 1),
    st.floats(0.01, 100),
    st.sampled_from(["geometric", "linear"]),
)
def test_noise_and_temperature_follow_the_schedule_of_the_rate(generation, share, first, kind):
    """As the learning rate does that falls by the same share: to half a unit of a scale and a multiplier."""
    settings = Settings(
        final_noise=share,
        temperature=first,
        final_temperature=max(first * share, 1 / 1024),
        learning_rate=1,
        final_learning_rate=share,
        generations=50,
        schedule=kind,
        fraction_bits=0,
    )
    schedule, begun = TrainingSchedules(settings, 2), NoiseSpec((2048, 0), (1, 77))
    left = Fraction(schedule.rates(generation)[0].step, 1 << RATE_BITS)
    found = schedule.noise(begun, generation)
    assert abs(found.scale[0] - max(1, 2048 * left)) <= Fraction(1, 2)
    assert found.scale[1] == 0
    assert found.bias_scale[0] == 1
    assert found._replace(scale=begun.scale, bias_scale=begun.bias_scale) == begun
    if settings.final_temperature == first * share:
        exact = max(1, Fraction(256 / first) / left)
        assert (
            abs(schedule.readout(generation).multiplier - exact) <= Fraction(1, 2) + exact / 10**6
        )


@given(st.floats(1 / 1024, 1024), st.integers(0, 999), st.sampled_from(["membrane", "count"]))
def test_without_a_schedule_noise_and_temperature_are_constant(temperature, generation, kind):
    settings = Settings(temperature=temperature, readout=kind)
    begun, schedule = NoiseSpec((2048, 3), (0, 77)), TrainingSchedules(settings, 2)
    assert schedule.noise(begun, generation) == begun
    assert schedule.readout(generation) == readout(settings)


def test_a_linear_schedule_may_take_all_the_noise_and_raise_the_temperature():
    """In the first generation all is there; before the last has passed, a unit of noise is left."""
    settings = Settings(final_noise=0, final_temperature=4, generations=1000, schedule="linear")
    begun, schedule = NoiseSpec((2048, 16), (0, 0)), TrainingSchedules(settings, 2)
    noises = [schedule.noise(begun, generation).scale for generation in range(1000)]
    assert noises[0] == begun.scale
    assert noises[500] == (1024, 8)
    assert noises[999] == (2, 1)
    multipliers = [schedule.readout(generation).multiplier for generation in (0, 500, 999)]
    assert multipliers == [256, round(256 / 2.5), 64]


# --- what they describe --------------------------------------------------------------------------


@given(
    st.sampled_from(["eggroll", "full-rank", "event-aligned"]),
    st.sampled_from(["rademacher", "graded"]),
    st.integers(1, 16),
)
def test_networks_and_noise_can_be_trained(method, kind, rank):
    bias = 0 if method == "event-aligned" else 2
    rank = rank if method == "eggroll" else 1
    settings = Settings(
        method=method, noise=kind, rank=rank, hidden=(30, 20), batch=1, sigma_bias=bias
    )
    described = network(settings, 100, 10)
    check_trainable(described)
    check_noise(described, noise(settings, described))
    assert described.sizes == {"input": 100, "hidden1": 30, "hidden2": 20, "output": 10}


@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        ({}, (16 << 7, 8 << 7)),
        ({"rank": 4}, (8 << 7, 4 << 7)),
        ({"noise": "graded"}, (4 << 7, 2 << 7)),
        ({"method": "full-rank", "noise": "graded"}, (8 << 7, 4 << 7)),
        ({"output_rule": "frozen"}, (16 << 7, 0)),
        ({"method": "event-aligned", "batch": 1, "output_rule": "delta"}, (16 << 7, 0)),
    ],
)
def test_noise_has_the_spread_that_was_asked_for(settings, scale):
    """sigma is in LSB, one LSB is 2^7 units of u; graded factors have a spread of 2 each."""
    settings = Settings(**settings)
    assert noise(settings, network(settings, 100, 10)).scale == scale


def test_an_output_read_by_its_membrane_does_not_spike():
    assert network(Settings(), 9, 10).populations[-1].vth_mant == (1 << 17) - 1
    assert network(Settings(readout="count"), 9, 10).populations[-1].vth_mant == 512


@given(st.floats(1 / 1024, 1024), st.integers(1, 255), st.sampled_from(["membrane", "count"]))
def test_logits_fit_64_bits(temperature, steps, kind):
    spec = readout(Settings(temperature=temperature, steps=steps, readout=kind))
    largest = steps * (1 << 23) if spec.membrane else steps
    assert spec.multiplier >= 1
    assert spec.multiplier * largest < 1 << 62


@given(st.floats(0, 1, allow_nan=False))
def test_the_cost_of_a_spike_is_an_integer_that_is_0_only_where_spikes_are_free(cost):
    spec = readout(Settings(spike_cost=cost))
    assert spec.spike_cost == (max(1, round(cost * 65536)) if cost else 0)


UNREAD = [
    ("fast", {"rank": 4}, "rank 4"),
    ("fast", {"shaping": "rank"}, "shaping 'rank'"),
    ("fast", {"sigma_output": 4.0}, "sigma_output 4.0"),
    ("fast", {"spike_cost": 0.01}, "spike_cost 0.01"),
    ("deep", {"spike_cost": 0.01}, "spike_cost 0.01"),
    ("eggroll", {"noise_window": 64}, "noise_window 64"),
    ("eggroll", {"noise_period": 2}, "noise_period 2"),
    ("eggroll", {"method": "full-rank", "rank": 2}, "rank 2"),
    ("eggroll", {"output_rule": "frozen", "output_rate": 2.0}, "output_rate 2.0"),
]


@pytest.mark.parametrize(("recipe", "given", "named"), UNREAD)
def test_a_setting_that_no_rule_of_the_run_reads_is_refused(recipe, given, named):
    started = RECIPES[recipe][1].model_dump()
    with pytest.raises(ValueError, match=f"{named}: the rules of this run .* do not read it"):
        Settings(**{**started, **given})


def test_every_optional_setting_has_a_rule_that_reads_it():
    fields = registry.optional()
    assert fields <= set(Settings.model_fields)
    assert {"rank", "noise_window", "shaping", "sigma_output"} <= fields


FIRST = """
    camera sensor crop window bins holdout skip partial data steps pool seed hidden layers feedback
    local_share local_pool readouts noise_share window_share workspace vth_mant du dv initial_std
    method output_rule credit estimator generations pairs groups batch shift rank noise sigma
    sigma_output sigma_bias final_noise noise_period noise_window readout temperature
    final_temperature spike_cost shaping learning_rate final_learning_rate output_rate bias_rate
    schedule momentum_bits decay fraction_bits evaluate_every validation_samples
"""
"""Settings that there were when results were first kept."""


def test_a_new_setting_leaves_the_keys_of_kept_results_as_they_are():
    """A setting that is added is marked with Since.LATER: results of before it then stay."""
    assert sorted(Settings().key()) == sorted(FIRST.split())
    assert Settings().key() == Settings().model_dump(mode="json", include=set(FIRST.split()))


def test_a_later_setting_is_part_of_the_key_where_it_matters():
    settings = RECIPES["deep"][1].model_copy(update={"target_rate": 0.25})
    assert settings.key() == {**RECIPES["deep"][1].key(), "target_rate": 0.25}
