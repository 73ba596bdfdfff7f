"""Recordings from strangers: damaged, of odd content, or with markup in their text."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vector_cases import lava

from neurosim.app.cli import check_vectors
from neurosim.chip.conformance.vectors import check_file, check_folder

ODD = [
    *(None, True, -1, 0, 1, 2, 10**9, 2**31, 2**63, 10**30, 1.5, float("nan"), float("inf")),
    *("", "x", [], [1], [1, 2, 3], {}, {"a": 1}, [[1, 2], [3, 4]], [[]], ["x"]),
]
PARAMS = lava(vth=400, du=409, dv=205, T=3, n_in=2, n_out=1)
OTHER_PARAMS = (
    *("bias", "bias_exp", "bias_mant", "delay", "noise", "vmin", "vmax", "refractory"),
    *("reset_interval", "ds_offset", "vth_lo"),
)


def silent(**changes):
    """A recording of one neuron that nothing reaches."""
    zeros = np.zeros((3, 1), np.int64)
    kept = {
        "s_in": np.zeros((3, 2), np.int64),
        "u": zeros,
        "v": zeros,
        "s_out": zeros,
        "w": np.zeros((1, 2), np.int64),
    }
    return {**kept, **changes}


def written(path, params=PARAMS, **changes):
    np.savez(path, params=json.dumps(params), **silent(**changes))
    return path


def test_the_recording_that_is_damaged_here_matches_when_it_is_whole(tmp_path):
    assert check_file(written(tmp_path / "a.npz")).matches


@given(data=st.data())
def test_a_damaged_file_is_an_outcome_and_the_rest_of_the_folder_is_checked(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("vectors")
    raw = bytearray(written(folder / "a.npz").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] ^= data.draw(st.integers(1, 255))
    (folder / "a.npz").write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    written(folder / "b.npz")
    outcomes = list(check_folder(folder))
    assert [one.file for one in outcomes] == ["a.npz", "b.npz"]
    assert outcomes[1].matches


@given(
    name=st.sampled_from([*PARAMS, *OTHER_PARAMS]),
    value=st.sampled_from(ODD),
)
def test_odd_params_are_an_outcome(tmp_path_factory, name, value):
    path = tmp_path_factory.mktemp("vectors") / "a.npz"
    check_file(written(path, {**PARAMS, name: value}))


@pytest.mark.parametrize("name", ["w", "u", "v", "s_in", "s_out", "bias"])
@pytest.mark.parametrize("shift", [2**62, -(2**62), 2**63 - 1, 2**41])
def test_numbers_that_would_wrap_never_match(tmp_path, name, shift):
    given = silent().get(name, np.zeros(1, np.int64))
    outcome = check_file(written(tmp_path / "a.npz", **{name: given + shift}))
    assert not outcome.matches


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a + 0.5,
        lambda a: a * float("nan"),
        lambda a: a * float("inf"),
        lambda a: a.astype("U8"),
        lambda a: np.zeros((0, 0)),
        lambda a: np.array(5),
        lambda a: a[:-1],
        lambda a: a[..., :0],
    ],
)
@pytest.mark.parametrize("name", ["w", "u", "v", "s_in", "s_out"])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_arrays_of_other_content_never_match(tmp_path, name, change):
    path = written(tmp_path / "a.npz", **{name: change(silent()[name])})
    assert not check_file(path).matches


@pytest.mark.parametrize("text", ["[" * 100_000, "[1]", "null", '{"a": NaN}', "\ud800", "{"])
def test_params_of_odd_text_are_an_outcome(tmp_path, text):
    np.savez(tmp_path / "a.npz", params=text, **silent())
    outcome = check_file(tmp_path / "a.npz")
    assert outcome.status == "unchecked"


def test_markup_and_control_characters_of_a_file_are_shown_as_they_are(tmp_path, capsys):
    params = {**PARAMS, "[/bad]": 1, "\x1b[2Jcleared": 2, "[link=http://x]": "[bold]"}
    written(tmp_path / "a.npz", params)
    written(tmp_path / "[red]b.npz", {**PARAMS, "peer": "[/x]"})
    check_vectors.run(check_vectors.CheckVectors(folder=tmp_path, verbose=True))
    shown = capsys.readouterr().out
    assert "[/bad]" in shown.replace("\n", "")
    assert "\x1b[2J" not in shown
    assert "of 2 recordings match" in shown


@pytest.mark.skipif(sys.platform != "linux", reason="counts on Linux's limits")
def test_learned_weights_of_more_memory_than_there_is_are_an_outcome(tmp_path):
    params = {**PARAMS, "n_in": 3000, "n_out": 3000, "dw": "x0"}
    zeros = np.zeros((3, 3000), np.int8)
    np.savez_compressed(
        tmp_path / "a.npz",
        params=json.dumps(params),
        s_in=zeros,
        u=zeros,
        v=zeros,
        s_out=zeros,
        w=np.zeros((3000, 3000), np.int8),
        mon_w=np.zeros((3, 1), np.int8),
        syn_pre=np.zeros(1, np.int8),
        syn_post=np.zeros(1, np.int8),
    )
    outcome = check_file(tmp_path / "a.npz")
    assert outcome.status in ("unchecked", "match")
