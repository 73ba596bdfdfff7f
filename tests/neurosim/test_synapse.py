"""Dense connections: spikes reach their synapses, by listing and by look-up."""

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from neurosim.kernels import simd
from neurosim.kernels.connections import dense

FREE = -1


@pytest.mark.parametrize("by_itself", [simd.LISTS, False])
def test_spikes_are_listed_in_order(by_itself, monkeypatch):
    monkeypatch.setattr(dense, "LISTS", by_itself)
    slowly = dense.list_spikes.py_func
    inner = numba.njit(slowly)  # not kept: the other way has the same name

    @numba.njit
    def compiled(spikes, at, words, axons):
        return inner(simd.pointer(spikes), at, words, simd.pointer(axons))

    @given(
        st.lists(
            st.integers(0, (1 << 64) - 1) | st.sampled_from([0, 1, 1 << 63, (1 << 64) - 1]),
            max_size=5,
        )
    )
    def are_listed(words):
        spikes = np.array([7, *words], np.uint64)
        wanted = [
            64 * index + bit
            for index, word in enumerate(words)
            for bit in range(64)
            if word >> bit & 1
        ]
        for way in (compiled, slowly):
            axons = np.full(64 * len(words) + dense.LISTED + 1, FREE, np.int32)
            count = way(spikes, 1, len(words), axons)
            assert axons[:count].tolist() == wanted
            assert axons[count + dense.LISTED :].tolist() == [FREE] * (
                axons.size - count - dense.LISTED
            )

    are_listed()


@given(
    arrays(np.int8, st.tuples(st.integers(1, 70), st.integers(1, 4))),
    st.lists(st.integers(0, (1 << 70) - 1), min_size=1, max_size=5),
)
def test_subset_sums_are_those_of_the_axons_that_spike(weights, patterns):
    sources, neurons = weights.shape
    sums = dense.subset_sums(weights)
    assert sums.shape == (neurons, -(-sources // 16), dense.SUBSETS)
    for pattern in patterns:
        spiking = [pattern >> axon & 1 == 1 for axon in range(sources)]
        found = np.zeros(neurons, np.int64)
        for sixteen in range(sums.shape[1]):
            bits = pattern >> 16 * sixteen & 0xFFFF & ((1 << max(0, sources - 16 * sixteen)) - 1)
            for first, width, place in ((0, 5, 0), (5, 5, 32), (10, 6, 64)):
                found += sums[:, sixteen, place + (bits >> first) % (1 << width)]
        assert found.tolist() == weights[spiking].sum(axis=0, dtype=np.int64).tolist()


def test_sums_beyond_the_caches_are_not_made():
    assert dense.subset_sums(np.zeros((1024, 64), np.int8)).nbytes == dense.SUBSET_BYTES
    assert dense.subset_sums(np.zeros((1024, 65), np.int8)) is None
