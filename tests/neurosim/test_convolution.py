"""Currents of convolutions by look-up: equal to a sum over taps, for tables of bytes and of half bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.kernels.connections import conv2d
from neurosim.kernels.simd import TWIN, zeros
from neurosim.kernels.spikes import Source


def naive_currents(spikes, weights, out_shape, size, stride, padding):
    """Sums int (y, x, channel) of spikes (y, x, channel) through weights (ky, kx, channel, out channel)."""
    height, width, _ = spikes.shape
    found = np.zeros((*out_shape[1:], out_shape[0]), np.int64)
    for oy, ox, ky, kx in np.ndindex(*out_shape[1:], *size):
        y, x = oy * stride[0] + ky - padding[0], ox * stride[1] + kx - padding[1]
        if 0 <= y < height and 0 <= x < width:
            found[oy, ox] += spikes[y, x].astype(np.int64) @ weights[ky, kx]
    return found


@pytest.mark.parametrize("table_bytes", [0, conv2d.TABLE_BYTES])
@settings(max_examples=15)
@given(
    channels=st.sampled_from([1, 2, 12, 40]),
    out_channels=st.sampled_from([1, 5, 16, 24, 40]),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 1), st.integers(0, 1)),
    in_order=st.booleans(),
    seed=st.integers(0, 99),
)
def test_currents_are_sums_over_taps(
    table_bytes, channels, out_channels, size, stride, padding, in_order, seed
):
    drawn, height, width, trials, steps = np.random.default_rng(seed), 4, 5, 2, 3
    in_shape = channels, height, width
    out_shape = (
        out_channels,
        (height + 2 * padding[0] - size[0]) // stride[0] + 1,
        (width + 2 * padding[1] - size[1]) // stride[1] + 1,
    )
    count = channels * height * width
    order = np.arange(count) if in_order else drawn.permutation(count)
    maps = drawn.random((trials, steps, count)) < 0.3
    words = -(-count // 64)
    bits = np.zeros((trials, steps, 64 * words), bool)
    bits[..., :count] = maps[..., order]
    spikes = np.packbits(bits, axis=-1, bitorder="little").view(np.uint64)
    weights = drawn.integers(-128, 128, (*size, channels, out_channels)).astype(np.int8)

    shape = conv2d.geometry(in_shape, out_shape, size, stride, padding)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv2d, "TABLE_BYTES", table_bytes)
        table = conv2d.make_table(weights.reshape(-1, out_channels))
    assert (table.bits == conv2d.HALF) == (table_bytes == 0)
    lanes = -(-out_channels * shape.positions // 16) * 16
    for kernel, kind, scale in (
        (conv2d.current_narrow, np.int16, 1),
        (conv2d.current_wide, np.int32, 4),
    ):
        if table.wide and kind == np.int16:
            continue
        out = zeros(trials * steps * lanes + 2 * TWIN, kind)
        windows = np.zeros((trials, steps, shape.positions, shape.window_words), np.uint64)
        found = out[: trials * steps * lanes].reshape(trials, steps, lanes)
        scratch = conv2d.Windows(np.zeros(shape.map_words, np.uint64), windows)
        layout = conv2d.layout(in_shape, order, padding, shape)
        kernel(0, steps, Source(spikes, 0), layout, scratch, table, 2, found)
        for trial, t in np.ndindex(trials, steps):
            one = maps[trial, t].reshape(height, width, channels)
            wanted = scale * naive_currents(one, weights, out_shape, size, stride, padding)
            assert found[trial, t, : wanted.size].tolist() == wanted.reshape(-1).tolist()
