"""Hypothesis strategies of small networks, weights and spikes within the chip's limits."""

import hypothesis.extra.numpy as arrays
import numpy as np
from hypothesis import strategies as st

from neurosim import limits
from neurosim.chip import profiles
from neurosim.network import AdaptiveLif, Connection, Input, Lif, Network, Noise, Population

SIGNS = ("mixed", "excitatory", "inhibitory")
PROFILES = (profiles.DEFAULT, profiles.LAVA, profiles.NENGO, profiles.BRIAN2LOIHI)
STEPS = 12
FALLS = (0, 1, 400, 2047, 4095)


def _each(draw, values, neurons):
    if draw(st.booleans()):
        return draw(values)
    return tuple(draw(st.lists(values, min_size=neurons, max_size=neurons)))


@st.composite
def populations(draw, name, profile):
    neurons = draw(st.integers(1, 5))
    low = draw(st.none() | st.integers(-400, 0))
    noise = None
    if profile.noise == "formula":
        noise = draw(
            st.none() | st.builds(Noise, st.integers(0, 23), st.integers(-3, 3), st.booleans())
        )
    return Population(
        name,
        neurons,
        vth_mant=_each(draw, st.integers(0, 500), neurons),
        du=_each(draw, st.sampled_from((0, 1, 409, 2047, 4095)), neurons),
        dv=_each(draw, st.sampled_from((0, 1, 205, 2047, 4095)), neurons),
        bias_mant=_each(draw, st.integers(-200, 200), neurons),
        bias_exp=_each(draw, st.integers(0, 7), neurons),
        refractory=_each(draw, st.integers(1, 4), neurons),
        vth_low_mant=low,
        vmin=draw(st.sampled_from((limits.VMIN.low, -5000, 0))),
        vmax=draw(st.sampled_from((limits.VMAX.high, 30_000))),
        noise=noise,
        reset_interval=draw(st.sampled_from((0, 0, 5))),
        reset_offset=draw(st.integers(0, 6)),
        model=draw(
            st.just(Lif()) | st.builds(AdaptiveLif, st.integers(0, 300), st.sampled_from(FALLS))
        ),
    )


def grid_weights(draw, connection, shape):
    """Weights on the grid of `connection`."""
    legal = connection.mantissa
    mantissas = draw(arrays.arrays(np.int64, shape, elements=st.integers(legal.low, legal.high)))
    return mantissas << connection.grid_bits


@st.composite
def connections(draw, source, target, profile):
    return Connection(
        source,
        target,
        weight_bits=draw(st.integers(1, 8)),
        weight_exp=draw(st.integers(-6 if profile.exponent == "exact" else -8, 7)),
        sign_mode=draw(st.sampled_from(SIGNS)),
        delay=draw(st.sampled_from((0, 0, 1, 3, 62))),
        message_bits=draw(st.sampled_from((0, 0, 8))),
    )


@st.composite
def cases(draw, profile_choices=PROFILES):
    """(profile, network, weights, delays, spikes, draws): everything a run needs."""
    profile = draw(st.sampled_from(profile_choices))
    inputs = tuple(
        Input(f"in{i}", draw(st.integers(1, 70))) for i in range(draw(st.integers(1, 2)))
    )
    layers = tuple(draw(populations(f"p{i}", profile)) for i in range(draw(st.integers(1, 3))))
    pairs = [(s.name, t.name) for s in (*inputs, *layers) for t in layers]
    chosen = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=5, unique=True))
    wires = tuple(draw(connections(s, t, profile)) for s, t in chosen)
    network = Network(inputs, layers, wires)
    weights, delays = {}, {}
    for c in wires:
        shape = (network.sizes[c.target], network.sizes[c.source])
        weights[c.name] = grid_weights(draw, c, shape)
        if draw(st.booleans()) and c.delay <= 3:
            delays[c.name] = draw(arrays.arrays(np.int64, shape, elements=st.integers(0, 4)))
    graded = st.integers(-100, 100) | st.just(0)
    spikes = {}
    for part in inputs:
        elements = draw(st.sampled_from((st.integers(0, 1), graded)))
        shape = (draw(st.just(STEPS)), part.size)
        spikes[part.name] = draw(arrays.arrays(np.int64, shape, elements=elements, fill=st.just(0)))
    draws = {
        p.name: draw(arrays.arrays(np.int64, (STEPS, p.neurons), elements=st.integers(-127, 127)))
        for p in layers
        if p.noise is not None
    }
    return profile, network, weights, delays, spikes, draws
