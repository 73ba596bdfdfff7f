"""Refusal of networks that the Verilog core cannot compute."""

from dataclasses import fields, replace

import numpy as np
import pytest
import rtl_cases

from neurosim import limits
from neurosim.export.hdl import capabilities, parameters
from neurosim.export.memory_images import ImageError
from neurosim.network import (
    AdaptiveLif,
    Connection,
    Input,
    Network,
    Noise,
    Population,
    Sparse,
)
from neurosim.population.evaluator import ReadoutSpec

PLAIN = Network.chain(7, [Population("hidden", 4, 60, dv=9), Population("output", 3, 70)])
PARTS = (Input, Population, Noise, Connection, Network)
OTHERS = {
    Input: {"size": 70_000},
    Population: {
        "neurons": 70_000,
        "vth_mant": (60, 61, 60, 60),
        "dv": (1, 2, 3, 4),
        "du": (4095, 0, 0, 0),
        "bias_exp": (0, 1, 0, 0),
        "refractory": 4,
        "vth_low_mant": -5,
        "vmin": 0,
        "vmax": 1 << 20,
        "noise": Noise(3),
        "reset_interval": 5,
        "wide_decay": True,
        "model": AdaptiveLif(rise=10, decay=100),
    },
    Connection: {
        "weight_exp": -8,
        "sign_mode": "excitatory",
        "delay": 1,
        "message_bits": 8,
        "kind": Sparse.of(np.eye(7, 4)),
    },
}
"""For each field a legal value of the chip's that the core does not have."""
ALWAYS = {
    Input: {"name", "shape"},
    Population: {"name", "bias_mant", "reset_offset", "shape"},
    Connection: {"source", "target", "weight_bits", "label"},
}
"""Fields whose every legal value the core has."""


@pytest.mark.parametrize("kind", PARTS)
def test_the_table_lists_every_field(kind):
    assert set(capabilities.CORE[kind]) == {field.name for field in fields(kind)}


@pytest.mark.parametrize("kind", [Input, Population, Connection])
def test_every_field_is_tested_or_always_there(kind):
    names = {field.name for field in fields(kind)}
    assert names == set(OTHERS[kind]) | ALWAYS[kind]


def network_with(kind, field, value):
    """PLAIN with one field of its first part of a kind changed."""
    name = {Input: "inputs", Population: "populations", Connection: "connections"}[kind]
    first, *rest = getattr(PLAIN, name)
    again = {"shape": None} if field in ("neurons", "size") else {}
    return replace(PLAIN, **{name: (replace(first, **{field: value}, **again), *rest)})


@pytest.mark.parametrize(
    ("kind", "field"), [(kind, field) for kind, others in OTHERS.items() for field in others]
)
def test_what_the_core_lacks_is_refused_by_name(kind, field):
    network = network_with(kind, field, OTHERS[kind][field])
    with pytest.raises(ImageError, match=field):
        parameters.layers(network)


@pytest.mark.parametrize("refractory", [4, (1, 1, 2, 1)])
def test_a_refractory_period_is_refused(refractory):
    network = network_with(Population, "refractory", refractory)
    with pytest.raises(ImageError, match=r"layer 'hidden': refractory is .*1 only"):
        parameters.layers(network)


def wide(sources, exponent):
    return Network.chain(
        sources, [Population("output", 2, 60)], Connection("", "", weight_exp=exponent)
    )


def test_a_sum_that_would_wrap_is_refused():
    with pytest.raises(ImageError, match="weight_exp is 7; 2312 sources could add 4848615424 to u"):
        parameters.layers(wide(2312, 7))


@pytest.mark.parametrize("exponent", [*range(-7, 8)])
def test_the_largest_sum_that_is_accepted_fits_32_bits(exponent):
    """Found by bisection, and held against the adders: sum << shift, noise, and what is kept of u."""
    low, high = 1, capabilities.MOST_NEURONS + 1
    while high - low > 1:
        middle = (low + high) // 2
        try:
            parameters.layers(wide(middle, exponent))
            low = middle
        except ImageError:
            high = middle
    largest = low << 7 + wide(1, exponent).connections[0].current_shift
    assert largest + (1 << 30) + limits.STATE_MAX < 1 << 31


def test_what_learning_may_train_is_what_the_core_has():
    """No trained run is refused for its network."""
    config, _ = rtl_cases.trained(rtl_cases.striped(40), hidden=(5, 4))
    assert capabilities.check(config.network()) is None


def test_other_networks_are_refused():
    loop = replace(PLAIN, connections=(*PLAIN.connections, Connection("output", "hidden")))
    with pytest.raises(ImageError, match="a chain of dense layers only"):
        capabilities.check(loop)
    two = replace(PLAIN, inputs=(*PLAIN.inputs, Input("more", 3)))
    with pytest.raises(ImageError, match="inputs is 2 parts"):
        capabilities.check(two)


def test_values_of_a_table_entry_are_legal_on_the_chip():
    """OTHERS holds what the chip has: each is refused by the core alone."""
    for kind, others in OTHERS.items():
        for field, value in others.items():
            if field not in ("neurons", "size"):
                assert network_with(kind, field, value)
    assert np.iinfo(np.uint16).max == capabilities.MOST_NEURONS


@pytest.mark.parametrize(
    ("steps", "readout"), [(255, ReadoutSpec(True, 1, 0)), (1000, ReadoutSpec(False, 1, 0))]
)
def test_samples_of_as_many_steps_as_scores_hold_are_exported(steps, readout):
    assert parameters.parameters(PLAIN, steps, 1, readout, {})["STEPS"] == steps


def test_sums_of_membranes_beyond_the_scores_of_the_core_are_refused():
    with pytest.raises(ImageError, match="256 steps with a membrane readout"):
        parameters.parameters(PLAIN, 256, 1, ReadoutSpec(True, 1, 0), {})
