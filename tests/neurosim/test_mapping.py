"""Mapping: cores within the limits, and routes that lead to them."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from neurosim.chip.emulator import Chip
from neurosim.chip.fans import axon_bits, fan_of
from neurosim.chip.mapping import LOIHI, Limits, MappingError, place, tile
from neurosim.chip.synapses import Sparse, of_matrix
from neurosim.network import Connection, Input, Network, Population
from neurosim.network.connections import Conv2d, PooledDense, SumPool2d


def chain(inputs, *sizes, **registers):
    layers = [Population(f"l{i}", n, 10, **registers) for i, n in enumerate(sizes, start=1)]
    return Network.chain(inputs, layers)


def test_the_worked_example():
    """docs/chip.md: 54 neurons of 2312 dense 8-bit inputs a core: 3, 5 and 1 cores."""
    assert (
        2312 * int(axon_bits(54, 8, 0, 0))
        <= LOIHI.synapse_bits
        < 2312 * int(axon_bits(55, 8, 0, 0))
    )
    small, large = place(chain(2312, 128, 10)), place(chain(2312, 256, 10))
    assert [len(small.of("l1")), len(large.of("l1")), len(small.of("l2"))] == [3, 5, 1]


@given(n=st.integers(0, 5000), bits=st.integers(1, 8), delay=st.sampled_from((0, 6)))
@settings(deadline=None, derandomize=True)
def test_bits_of_an_axon_are_the_published_formula(n, bits, delay):
    wanted = sum(
        -(-(min(64, n - first) * (bits + delay) + 10) // 64) * 64 for first in range(0, n, 64)
    )
    assert axon_bits(n, bits, delay, 0) == wanted


@given(
    sizes=st.lists(st.integers(1, 1500), min_size=1, max_size=3),
    inputs=st.integers(1, 3000),
    allowed=st.builds(
        Limits,
        st.integers(50, 1024),
        st.just(4096),
        st.integers(500, 4096),
        st.just(LOIHI.synapse_bits),
    ),
)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_cores_keep_the_limits_and_hold_every_neuron_once(sizes, inputs, allowed):
    network = chain(inputs, *sizes)
    try:
        placement = place(network, allowed=allowed)
    except MappingError as error:
        assert "too many" in str(error)  # noqa: PT017
        return
    for core in placement.cores:
        for name, used in core.used.items():
            assert used <= getattr(allowed, name), name
    for population in network.populations:
        held = [n for c in placement.of(population.name) for n in range(c.first, c.last)]
        assert held == list(range(population.neurons))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            chain(5000, 3),
            r"'l1' does not fit: neuron 0 alone needs 5000 input axons.*\(904 too many\)",
        ),
        (
            Network.chain(4000, [Population("l1", 2, 9)], Connection("", "", delay=3)),
            None,
        ),
        (chain(4096, 9000), r"needs \d+ cores .*the chip has 128 \(\d+ too many\)"),
    ],
)
def test_a_refusal_names_the_limit_and_by_how_much(network, message):
    if message is None:
        assert place(network).cores[0].used["synapse_bits"] == 4000 * 64
        return
    with pytest.raises(MappingError, match=message):
        place(network)


def test_synaptic_memory_and_output_axons_are_named():
    with pytest.raises(
        MappingError, match=r"neuron 0 alone needs 6400 bits of synaptic memory.*6390"
    ):
        place(chain(100, 3), allowed=Limits(synapse_bits=10))
    with pytest.raises(
        MappingError, match=r"'l1'.* needs 2 output axons, a core has 1 \(1 too many\)"
    ):
        place(chain(4, 1, 4), allowed=Limits(compartments=2, axons_out=1))


def test_different_thresholds_and_decays_fill_a_core():
    many = place(Network.chain(3, [Population("a", 40, tuple(range(40)))]))
    assert [c.used["thresholds"] for c in many.cores] == [13, 13, 14]
    decays = place(Network.chain(3, [Population("a", 70, 5, dv=tuple(range(70)))]))
    assert max(c.used["settings"] for c in decays.cores) <= 32
    assert len(decays.cores) == 3


def test_routes_count_cores_and_links():
    network = chain(10, 8, 6)
    placement = place(network, allowed=Limits(compartments=1))
    assert len(placement.cores) == 14
    inputs, hidden, output = np.split(placement.routes, [10, 18])
    homes = [(core.column, core.row) for core in placement.cores]
    assert (inputs[:, 0] == 8).all()
    assert (inputs[:, 1] == sum(column for column, _ in homes[:8])).all()
    assert (inputs[:, 2] == 0).all()
    assert (output == 0).all()
    for neuron in range(8):
        x, y = homes[neuron]
        wanted = [6, sum(abs(c - x) for c, _ in homes[8:]), sum(abs(r - y) for _, r in homes[8:])]
        assert hidden[neuron].tolist() == wanted
    assert tile(0) == tile(3) == (0, 0)
    assert [tile(4 * n) for n in (7, 8, 15, 16)] == [(7, 0), (7, 1), (0, 1), (0, 2)]


def test_sparse_synapses_take_less_memory_and_fewer_messages():
    wire = Connection("i", "a")
    network = Network((Input("i", 6),), (Population("a", 4, 10),), (wire,))
    weights = np.zeros((4, 6), int)
    weights[0, 0] = weights[3, 0] = weights[1, 5] = 2
    placement = place(network, {"i->a": Sparse.from_dense(weights)}, Limits(compartments=2))
    assert [core.used["axons_in"] for core in placement.cores] == [2, 1]
    assert placement.routes[:6, 0].tolist() == [2, 0, 0, 0, 0, 1]
    assert placement.cores[0].used["synapse_bits"] == 2 * 64


def test_the_mesh_is_drawn():
    from neurosim.app.report.mesh_picture import mesh_png

    placement = place(chain(2312, 256, 40, 10))
    assert mesh_png(placement).startswith(b"\x89PNG")


@st.composite
def shared_kinds(draw):
    """A network of one connection whose weights are shared."""
    shape = (draw(st.integers(1, 3)), draw(st.integers(2, 7)), draw(st.integers(2, 7)))
    kernel = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    stride = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    kind = draw(
        st.sampled_from(
            [
                Conv2d(draw(st.integers(1, 4)), kernel, stride),
                SumPool2d(kernel, stride),
                PooledDense(2),
            ]
        )
    )
    out = kind.out_shape(shape) or (draw(st.integers(1, 9)),)
    wire = Connection("i", "a", draw(st.integers(1, 8)), delay=draw(st.integers(0, 1)), kind=kind)
    size = lambda axes: int(np.prod(axes))  # noqa: E731
    population = Population("a", size(out), 10, shape=out)
    return Network((Input("i", size(shape), shape),), (population,), (wire,))


@given(shared_kinds(), st.data())
@settings(deadline=None, max_examples=60)
def test_axons_of_a_map_share_lists_that_are_equal_up_to_a_shift(network, data):
    """Every list of synapses written out, position by position, and equal ones counted once."""
    (wire,) = network.connections
    first = data.draw(st.integers(0, network.populations[0].neurons - 1))
    last = data.draw(st.integers(first + 1, network.populations[0].neurons))
    matrix = network.parameter(wire)
    assume(matrix is None or matrix.uses > 1)
    entries = matrix and np.arange(matrix.rows * matrix.columns).reshape(matrix[:2])
    plane = network.inputs[0].shape[1] * network.inputs[0].shape[2]
    lists = {}
    for source, target, entry in zip(*network.expand(wire, entries), strict=True):
        if first <= target < last:
            one = lists.setdefault(source % plane, [])
            one.append((int(source // plane), int(target) - first, int(entry)))
    largest, distinct = 0, set()
    for one in lists.values():
        base = min(min(target for _, target, _ in one), 255)
        shifted = tuple(sorted((atom, target - base, entry) for atom, target, entry in one))
        largest = max(largest, *(target for _, target, _ in shifted))
        distinct.add(shifted)
    index = max(6, largest.bit_length())
    bits = sum(
        int(axon_bits(len(one), wire.weight_bits, 6 * wire.delay, index)) for one in distinct
    )
    fan = fan_of(network, wire, None)
    assert fan.use(first, last) == (len(lists), bits)
    weights = None if matrix is None else np.ones(matrix[:2], np.int8)
    given_weights = fan_of(network, wire, of_matrix(network, wire, weights))
    assert given_weights.use(first, last) == (len(lists), bits)
    reached = {
        int(s) for s, t, _ in zip(*network.expand(wire, entries), strict=True) if first <= t < last
    }
    assert set(np.flatnonzero(fan.reaches(first, last)).tolist()) == reached


def pilotnet(channels=24):
    """A convolution of the size of PilotNet's maps, with fewer of them at its input."""
    kind = Conv2d(channels, 3, 2)
    shape = (4, 31, 98)
    out = kind.out_shape(shape)
    population = Population("conv", int(np.prod(out)), 10, shape=out)
    wire = Connection("input", "conv", kind=kind)
    return Network((Input("input", int(np.prod(shape)), shape),), (population,), (wire,))


def test_a_convolution_of_shared_weights_fits_where_written_out_it_does_not():
    network = pilotnet()
    shared = place(network)
    assert all(core.used["synapse_bits"] <= LOIHI.synapse_bits for core in shared.cores)
    (wire,) = network.connections
    weights = np.random.default_rng(0).integers(-99, 99, network.parameter(wire)[:2])
    synapses = of_matrix(network, wire, weights)
    assert place(network, {wire.name: synapses}).cores == shared.cores
    changed = synapses._replace(weights=synapses.weights.copy())
    changed.weights[7] += 2
    used = [fan_of(network, wire, given_).use(0, 200).bits for given_ in (synapses, changed)]
    assert used[1] > 5 * used[0]


def test_a_convolution_that_does_not_fit_is_refused_by_how_much():
    with pytest.raises(MappingError, match=r"'conv' does not fit.*input axons.*too many"):
        place(pilotnet(), allowed=Limits(axons_in=8))
    with pytest.raises(MappingError, match=r"bits of synaptic memory.*too many"):
        place(pilotnet(), allowed=Limits(synapse_bits=500))
    with pytest.raises(MappingError, match=r"needs 17 cores .*the chip has 4 \(13 too many\)"):
        place(pilotnet(), allowed=Limits(cores=4))


def test_a_chip_with_a_convolution_is_placed_and_counts_messages():
    network = pilotnet(2)
    (wire,) = network.connections
    matrix = np.full(network.parameter(wire)[:2], 3)
    chip = Chip(network, {wire.name: of_matrix(network, wire, matrix)})
    spikes = np.zeros((1, 3, network.sizes["input"]), int)
    spikes[0, 0, 40] = 1
    counted = chip.run(spikes).counters.total()
    (axon,) = np.flatnonzero(spikes[0, 0])
    assert counted["messages"] == chip.placement.routes[axon, 0] > 0
    assert counted["synaptic_operations"] == int(np.diff(chip.synapses[wire.name].start)[axon])
