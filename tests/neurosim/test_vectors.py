"""Recordings of other emulators: replayed exactly, and nothing else called a match.

The recordings made here come from the naive chip, in the format of the peers', in forms that the shared
ones have and in forms they do not have. The shared ones are replayed where they are present.
"""

import json
from collections import Counter
from pathlib import Path

import naive_chip
import numpy as np
import pytest
from vector_cases import lava

from neurosim.app.cli import check_vectors
from neurosim.app.cli.arguments import call
from neurosim.chip import profiles
from neurosim.chip.conformance.vectors import VectorError, check_file, check_folder
from neurosim.network import Connection, Input, Network, Noise, Population

SHARED = Path(__file__).parents[3] / "shared" / "vectors"
STEPS, SIGN = 40, {"mixed": 1, "excitatory": 2, "inhibitory": 3}
RNG = np.random.default_rng(8)


def recording(path, profile, *, keys, weights, recurrent=None, **registers):
    """Write what the naive chip does with drawn spikes as a file; `keys` go to params and arrays."""
    arrays = {k: v for k, v in keys.items() if isinstance(v, np.ndarray)}
    params = {k: v for k, v in keys.items() if k not in arrays}
    n_out, n_in = weights.shape
    spikes = (RNG.random((STEPS, n_in)) < 0.3).astype(int) * registers.pop("values", 1)
    wires = [Connection("input", "n", delay=registers.pop("delay", 0), **registers.pop("form", {}))]
    stored = {"input->n": weights.tolist()}
    if recurrent is not None:
        wires.append(Connection("n", "n", delay=wires[0].delay))
        stored["n->n"] = recurrent.tolist()
    population = Population("n", n_out, **registers)
    network = Network((Input("input", n_in),), (population,), tuple(wires))
    draws = {"n": arrays["noise_lfsr"].tolist()} if "noise_lfsr" in arrays else None
    delays = {"input->n": arrays["delays"].tolist()} if "delays" in arrays else None
    done = naive_chip.run(
        network, stored, profile, {"input": spikes.tolist()}, draws=draws, delays=delays
    )["n"]
    assert any(map(any, done["spikes"]))
    np.savez(
        path,
        s_in=spikes,
        u=np.array(done["u"]),
        v=np.array(done["v"]),
        s_out=np.array(done["spikes"]),
        params=json.dumps({"T": STEPS, "n_in": n_in, "n_out": n_out, **params}),
        **arrays,
    )
    return path


def even(shape, low=-60, high=100):
    return 2 * RNG.integers(low, high, shape)


def brian(**more):
    return {
        "peer": "brian2-loihi 0.5.2",
        "decay_I": 410,
        "decay_v": 205,
        "vth_mant": 400,
        "sign_mode": 1,
        "num_weight_bits": 8,
        "weight_exp": 0,
        "refractory": 2,
        "dw": "",
        "latency": "s_in[t] acts on u[t]",
        **more,
    }


def nengo(**more):
    return {
        "peer": "nengo-loihi 1.1.0",
        "du": 409,
        "dv": 205,
        "vth_mant": 400,
        "vth": 25_600,
        "refract": 1,
        "vmin": -(2**23) + 1,
        "vmax": 2**23 - 1,
        "noise": None,
        "ds_offset": 1,
        "latency": "s_in[t] acts on u[t+1]",
        **more,
    }


def lava_case(path, *, form=None, keys=None, **more):
    w = even((5, 8))
    keys = lava(vth=400, du=409, dv=205, w=w, w_eff=w, **(keys or {}))
    return recording(
        path,
        profiles.LAVA,
        keys=keys,
        weights=w,
        vth_mant=400,
        du=409,
        dv=205,
        form=form or {},
        **more,
    )


def case_recurrent(path):
    r = even((5, 5), -60, 60)
    return lava_case(path, keys={"w_rec": r, "w_rec_eff": r}, recurrent=r)


def case_delays(path):
    return lava_case(path, keys={"delays": RNG.integers(0, 64, (5, 8)), "conn": "delay_dense"})


def case_delays_and_negative_exponent(path):
    keys = {"delays": RNG.integers(0, 4, (5, 8)), "weight_exp": -2}
    return lava_case(path, keys=keys, form={"weight_exp": -2})


def case_graded(path):
    values = RNG.integers(-30, 90, (STEPS, 8))
    return lava_case(path, keys={"num_message_bits": 8}, form={"message_bits": 8}, values=values)


def case_ternary(path):
    w = even((5, 8))
    keys = lava(neuron="TernaryLIF", vth_hi=300, vth_lo=-200, du=409, dv=205, w=w, w_eff=w)
    registers = {"vth_mant": 300, "vth_low_mant": -200, "du": 409, "dv": 205}
    return recording(path, profiles.LAVA, keys=keys, weights=w, **registers)


def case_brian_recurrent(path):
    w, r = even((4, 6)), even((4, 4), -50, 50)
    keys = brian(w=w, w_act=w * 64, w_rec=r, w_rec_act=r * 64, delay=7)
    return recording(
        path,
        profiles.BRIAN2LOIHI,
        keys=keys,
        weights=w,
        recurrent=r,
        vth_mant=400,
        du=410,
        dv=205,
        refractory=2,
        delay=7,
    )


def case_nengo_each_neuron(path):
    w = even((4, 6))
    du, dv, vth = (RNG.integers(0, top, 4) for top in (4095, 4095, 300))
    bias = np.array([3000, -4096 * 128, 4095 * 8, 100_000])
    keys = nengo(w_inc=w * 64, du=du, dv=dv, vth=vth * 64, bias=bias, refract=3)
    keys.pop("vth_mant")
    return recording(
        path,
        profiles.NENGO,
        keys=keys,
        weights=w,
        refractory=3,
        vth_mant=tuple(vth.tolist()),
        du=tuple(du.tolist()),
        dv=tuple(dv.tolist()),
        bias_mant=(3000, -4096, 4095, 3125),
        bias_exp=(0, 7, 3, 5),
    )


def case_nengo_noise(path):
    w = even((4, 6))
    keys = nengo(w_inc=w * 64, noise=[9, 1, 0], noise_lfsr=RNG.integers(-127, 128, (STEPS, 4)))
    registers = {"vth_mant": 400, "du": 409, "dv": 205, "noise": Noise(9, 1, False)}
    return recording(path, profiles.NENGO, keys=keys, weights=w, **registers)


def case_nengo_recurrent(path):
    w, r = even((4, 6)), even((4, 4), -50, 50)
    keys = nengo(w_inc=w * 64, w_rec_inc=r * 64)
    registers = {"vth_mant": 400, "du": 409, "dv": 205}
    return recording(path, profiles.NENGO, keys=keys, weights=w, recurrent=r, **registers)


CASES = {name[5:]: make for name, make in globals().items() if name.startswith("case_")}


@pytest.mark.parametrize("name", CASES)
def test_a_recording_matches(name, tmp_path):
    outcome = check_file(CASES[name](tmp_path / f"{name}.npz"))
    assert outcome.matches, outcome
    assert "40 steps" in outcome.compared


@pytest.mark.parametrize("array", ["u", "v", "s_out"])
def test_a_single_other_number_is_found(array, tmp_path):
    path = case_recurrent(tmp_path / "x.npz")
    content = dict(np.load(path))
    content[array][17, 3] += 1
    np.savez(path, **content)
    outcome = check_file(path)
    assert outcome.status == "differs"
    assert f"{array} first differs in step 17, neuron 3" in outcome.detail
    assert "(1 of 200 differ)" in outcome.detail


def test_weights_that_came_out_otherwise_are_found(tmp_path):
    path = case_recurrent(tmp_path / "x.npz")
    content = dict(np.load(path))
    content["w_eff"][1, 2] += 2
    np.savez(path, **content)
    outcome = check_file(path)
    assert outcome.status == "differs"
    assert "(1, 2)" in outcome.detail


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peer": "mystery 1.0", "du": None}, "peer is 'mystery 1.0'"),
        ({"latency": "later"}, "latency is 'later'"),
        ({"tag": "floating_pt"}, "floating-point"),
        ({"T": 41}, "T = 41"),
        ({"vth": None}, "no threshold"),
        ({"du": 0.5}, "holds fractions"),
        ({"du": "many"}, "du"),
        ({"num_weight_bits": 9}, "weight_bits is 9"),
        ({"spare": np.zeros(3)}, r"arrays not understood: ['spare']"),
        ({"u": None}, "needed are s_in, s_out, u and v"),
        ({"noise": [7, 0, 1]}, "without recorded draws"),
    ],
)
def test_what_is_not_understood_is_not_a_match(change, message, tmp_path):
    path = lava_case(tmp_path / "x.npz")
    content = dict(np.load(path))
    params = json.loads(str(content["params"]))
    for name, value in change.items():
        place = content if name in content or isinstance(value, np.ndarray) else params
        place[name] = value
        if value is None:
            del place[name]
    np.savez(path, **{**content, "params": json.dumps(params)})
    outcome = check_file(path)
    assert outcome.status == "unchecked"
    assert message in outcome.detail


def test_an_unknown_param_is_reported_even_where_all_steps_match(tmp_path):
    outcome = check_file(lava_case(tmp_path / "x.npz", keys={"moon": "full"}))
    assert outcome.matches
    assert "params not understood: moon = 'full'" in outcome.detail


def test_broken_files_and_empty_folders_are_reported(tmp_path):
    with pytest.raises(VectorError, match=r"no \.npz files"):
        list(check_folder(tmp_path))
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 not really")
    assert check_file(tmp_path / "a.npz").status == "unchecked"
    np.savez(tmp_path / "b.npz", s_in=np.zeros((2, 2)))
    assert check_file(tmp_path / "b.npz").status == "unchecked"


@pytest.mark.parametrize("peer", ["lava", "nengo-loihi", "brian2-loihi"])
def test_weight_rule_tables(peer, tmp_path):
    profile = {"lava": "lava", "nengo-loihi": "nengo", "brian2-loihi": "brian2loihi"}[peer]
    arrays = {}
    for mode, (low, high) in {1: (-256, 254), 2: (0, 255), 3: (-256, 0)}.items():
        given = np.arange(low, high + 1)
        arrays[f"x_sm{mode}"] = given
        sign = next(name for name, number in SIGN.items() if number == mode)
        for bits, exponent in ((8, 0), (5, -3), (1, 7), (3, -8)):
            naive = [
                naive_chip.weight_rule(w, bits, exponent, sign, profile) for w in given.tolist()
            ]
            made = [
                int(np.floor(s * 2.0**exponent)) if current is None else current
                for s, current in naive
            ]
            arrays[f"sm{mode}_nb{bits}_e{exponent}"] = np.array(made)
    path = tmp_path / "table.npz"
    np.savez(path, params=json.dumps({"peer": peer}), **arrays)
    outcome = check_file(path)
    assert outcome.matches, outcome
    assert outcome.compared == f"{4 * (511 + 256 + 257)} weights"
    arrays["sm1_nb5_e-3"][100] += 64
    np.savez(path, params=json.dumps({"peer": peer}), **arrays)
    assert "sm1_nb5_e-3: weight -156 becomes" in check_file(path).detail


def test_the_command_reports_by_file_and_fails_where_one_does_not_match(tmp_path, capsys):
    lava_case(tmp_path / "a.npz")
    assert call(check_vectors.run, "neurosim check-vectors", [str(tmp_path)]) == 0
    assert "1 of 1 recordings match" in capsys.readouterr().out
    path = case_recurrent(tmp_path / "b.npz")
    content = dict(np.load(path))
    content["v"][3, 1] += 1
    np.savez(path, **content)
    assert call(check_vectors.run, "neurosim check-vectors", [str(tmp_path), "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["files"], said["matched"]) == (2, 1)
    assert said["outcomes"][1]["status"] == "differs"
    assert call(check_vectors.run, "neurosim check-vectors", [str(tmp_path / "none")]) == 1


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared recordings are not here")
def test_every_shared_recording_matches():
    outcomes = list(check_folder(SHARED))
    wrong = [outcome for outcome in outcomes if not outcome.matches]
    assert not wrong
    assert Counter(outcome.profile for outcome in outcomes)["brian2loihi"] > 0
