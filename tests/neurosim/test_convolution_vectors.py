"""Recorded convolutions: replayed exactly, and nothing else called a match.

The recordings made here come from loops over Python integers; the shared ones are replayed where they
are present.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurosim.chip.conformance.vectors import check_file, check_folder

SHARED = Path(__file__).parents[3] / "shared" / "vectors-conv"
PARAMS = {"peer": "lava-dl netx", "tag": "fixed_pt", "neuron": "LIF", "conn": "conv2d"}
WORDS = {
    "latency": "s_in[t] acts on u[t+1]",
    "current": "u = 64 * conv(s_in[t-1])",
    "bias": "64 * bias a step, added to v",
    "threshold": "spike where v > 25 * 64, then v = 0",
}


def towards_zero(x, factor):
    return -(-x * factor // 4096) if x < 0 else x * factor // 4096


def window(spikes, weights, at, stride, padding):
    """The sum under the kernel of one output map at one place."""
    total = 0
    for c, planes in enumerate(weights):
        for ky, row in enumerate(planes):
            for kx, weight in enumerate(row):
                y, x = at[0] * stride[0] + ky - padding[0], at[1] * stride[1] + kx - padding[1]
                if 0 <= y < len(spikes[c]) and 0 <= x < len(spikes[c][0]):
                    total += weight * spikes[c][y][x]
    return total


def record(path, *, shape, weights, stride, padding, dv=1024, vth=25, reset=(0, 0), seed=0, **more):
    """Write what a convolution does with drawn spikes, by loops over Python integers."""
    rng = np.random.default_rng(seed)
    steps = 9
    spikes = (rng.random((steps, *shape)) < 0.4).astype(int)
    bias = rng.integers(-20, 60, len(weights))
    out = [
        (n + 2 * p - k) // s + 1
        for n, p, k, s in zip(shape[1:], padding, weights.shape[2:], stride, strict=True)
    ]
    u, v, fired = (np.zeros((steps, len(weights), *out), int) for _ in range(3))
    for index in np.ndindex(len(weights), *out):
        k, *at = index
        held = 0
        for t in range(steps):
            if reset[0] and t % reset[0] == reset[1] % reset[0]:
                held = 0
            now = 0
            if t:
                args = (spikes[t - 1].tolist(), weights[k].tolist(), at, stride, padding)
                now = 64 * window(*args)
            held = towards_zero(held, 4096 - dv) + now + 64 * int(bias[k])
            u[(t, *index)], fired[(t, *index)] = now, held > 64 * vth
            v[(t, *index)] = 128 if held > 64 * vth else held
            held = 0 if held > 64 * vth else held
    params = {
        **PARAMS,
        **WORDS,
        "T": steps,
        "stride": list(stride),
        "padding": list(padding),
        "du": 4096,
        "dv": dv,
        "vth": vth,
        "v_in_step_of_a_spike": 128,
        "reset_interval": reset[0],
        "reset_offset": reset[1],
    }
    content = {"s_in": spikes, "w": weights, "bias": bias, "u": u, "v": v, "s_out": fired}
    np.savez(path, params=json.dumps({**params, **more}), **content)
    return path


def even(rng, *shape):
    return 2 * rng.integers(-20, 21, shape)


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_stride_and_padding_matches(tmp_path_factory, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    kernel = [data.draw(st.integers(1, 3)) for _ in range(2)]
    maps = data.draw(st.integers(1, 3))
    path = record(
        tmp_path_factory.mktemp("conv") / "x.npz",
        shape=(maps, 4, 5),
        weights=even(rng, data.draw(st.integers(1, 3)), maps, *kernel),
        stride=[data.draw(st.integers(1, 3)) for _ in range(2)],
        padding=[data.draw(st.integers(0, k - 1)) for k in kernel],
        dv=data.draw(st.sampled_from([0, 1024, 4095])),
        reset=data.draw(st.sampled_from([(0, 0), (4, 1), (3, 2), (5, 0)])),
    )
    outcome = check_file(path)
    assert outcome.matches, outcome


def small(path, **more):
    weights = even(np.random.default_rng(3), 2, 3, 3, 2)
    return record(path, shape=(3, 5, 5), weights=weights, stride=(2, 1), padding=(1, 0), **more)


@pytest.mark.parametrize("array", ["u", "v", "s_out"])
def test_a_single_other_number_is_found(array, tmp_path):
    path = small(tmp_path / "x.npz")
    content = dict(np.load(path))
    content[array][7, 1, 2, 0] += 1
    np.savez(path, **content)
    outcome = check_file(path)
    assert outcome.status == "differs"
    assert f"{array} first differs in step 7, neuron 20" in outcome.detail


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stride": [2, 1, 1]}, "one or two integers (y, x)"),
        ({"stride": [0, 1]}, "stride is 0"),
        ({"stride": [1, 1]}, "s_in, w, stride and padding make (9, 2, 5, 4)"),
        ({"padding": [3, 0]}, "padding 3"),
        ({"T": 10}, "T = 10"),
        ({"du": None}, "no du"),
        ({"vth": None}, "no vth_mant or vth"),
        ({"tag": "floating_pt"}, "floating-point"),
        ({"current": "u = 32 * conv(s_in[t-1])"}, "the chip multiplies by 64"),
        ({"w": np.zeros((2, 4, 3, 2), int)}, "s_in has 3 maps"),
        ({"w": np.zeros((2, 3, 9, 2), int)}, "larger than its map"),
        ({"w": np.zeros((2, 3, 3), int)}, "(c_out, c_in, ky, kx)"),
        ({"w": np.full((2, 3, 3, 2), 0.5)}, "holds fractions"),
        ({"bias": np.zeros(3, int)}, "3 values for 2 output maps"),
        ({"spare": np.zeros(3)}, "arrays not understood: ['spare']"),
        ({"u": None}, "no array u"),
    ],
)
def test_what_is_not_understood_is_not_a_match(change, message, tmp_path):
    path = small(tmp_path / "x.npz")
    content = dict(np.load(path))
    params = json.loads(str(content["params"]))
    for name, value in change.items():
        array = isinstance(value, np.ndarray) or (value is None and name in content)
        place = content if array else params
        place[name] = value
        if value is None:
            del place[name]
    np.savez(path, **{**content, "params": json.dumps(params)})
    outcome = check_file(path)
    assert outcome.status == "unchecked"
    assert message in outcome.detail


def test_damaged_files_are_refused(tmp_path):
    path = small(tmp_path / "x.npz")
    whole = path.read_bytes()
    for name, content in (("half", whole[: len(whole) // 2]), ("empty", b"")):
        (tmp_path / f"{name}.npz").write_bytes(content)
    for at in range(60, len(whole), len(whole) // 25):
        flipped = bytearray(whole)
        flipped[at] ^= 0xFF
        (tmp_path / f"flipped{at}.npz").write_bytes(bytes(flipped))
    for outcome in check_folder(tmp_path):
        assert outcome.file == "x.npz" or outcome.status == "unchecked" or outcome.matches


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared recordings are not here")
def test_every_shared_recording_matches():
    assert all(outcome.matches for outcome in check_folder(SHARED))
