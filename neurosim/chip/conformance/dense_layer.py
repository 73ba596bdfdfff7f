"""Recordings of one layer of dense, sparse or recurrent synapses: read, replayed and compared.

    params          JSON: the peer, its registers, the latency rule
    s_in, s_out     (step, input), (step, neuron) spikes; values where graded or ternary
    u, v            (step, neuron), after every step
    w               weights as given (neuron, input);  w_eff, w_act, w_inc: as the peer used them
    w_rec ...       the same from neuron to neuron;  delays: one a synapse, if they differ
    bias            effective biases;  noise_lfsr: noise draws;  mon_w: weights while learning

The case is read from the arrays and params, never from the name of the file. Unknown params are reported with
the outcome; an unknown array is an error.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from neurosim import limits
from neurosim.chip.conformance.recorded import (
    LARGEST_BITS,
    LARGEST_SHIFT,
    STATE_BITS,
    WEIGHT_BITS,
    Int,
    Outcome,
    Recorded,
    VectorError,
    first_differences,
    leftovers,
    whole,
)
from neurosim.chip.conformance.registers import bias_registers, each_neuron, fixed_point
from neurosim.chip.conformance.weight_table import SIGN_MODES
from neurosim.chip.emulator import Chip, Probe
from neurosim.chip.profiles import Profile
from neurosim.chip.synapses import Dense, Sparse, Synapses, currents, on_grid
from neurosim.network import Connection, Input, Network, Noise, Population, SignMode

LEARNING = re.compile(r"^(dw|imp_[xy]\d|tau_[xy]\d)$")
TRACES = re.compile(r"^mon_[xy]\d$")
MOST_LEARNED = 1 << 26
"""Learned weights of all steps that are kept at once: 512 MiB, chosen here."""
USED = ("eff", "act", "inc")
"""Name parts of weights as the peer used them: lava, brian2-loihi, nengo-loihi."""


class Case(NamedTuple):
    """A recording as a network with the expected spikes and registers.

    biases   (neuron,) parts of biases that no register holds
    noise    (step, neuron) draws, or None
    plastic  (step, neuron, input) weights as they were after each step, or None
    wanted   by name: the recorded arrays
    differ   text on weights that differ from the recorded ones; empty if none
    """

    profile: Profile
    network: Network
    weights: dict[str, Synapses]
    spikes: Int
    biases: Int
    noise: Int | None
    plastic: Int | None
    wanted: dict[str, Int]
    differ: str
    remarks: tuple[str, ...]


def recognises(file: Recorded) -> bool:
    """Any recording that no other format recognises."""
    return True


def check(name: str, file: Recorded) -> Outcome:
    """The outcome of a recording of steps."""
    return _compared(name, read(file))


def read(file: Recorded) -> Case:
    """The case that a file of recorded steps describes."""
    profile = file.profile()
    fixed_point(file)
    bits = {"s_in": LARGEST_BITS, "s_out": LARGEST_BITS, "u": STATE_BITS, "v": STATE_BITS}
    wanted = {name: file.array(name, bits=most) for name, most in bits.items()}
    arrays = {name: array for name, array in wanted.items() if array is not None}
    if len(arrays) < len(wanted):
        raise VectorError(f"needed are s_in, s_out, u and v; there are {sorted(file.arrays)}")
    s_in = arrays.pop("s_in")
    _check_shapes(file, s_in, arrays)
    if s_in.shape[1] == 0:
        s_in = np.zeros((len(s_in), 1), np.int64)
    sizes = (s_in.shape[1], arrays["s_out"].shape[1])
    file.take("neuron", "conn", "model", "recurrent", "rec", "t")
    remarks: list[str] = []
    biases = _biases(file, sizes[1])
    population = _population(file, profile, sizes[1], biases)
    biases -= population.each("bias_mant") << population.each("bias_exp")
    if biases.any():
        remarks.append("some biases fit no mantissa and exponent, and are added as recorded")
    parts = [_connection(file, profile, "input", sizes, remarks)]
    if any(_is_weight(name) for name in file.arrays_left):
        parts.append(_connection(file, profile, "neurons", (sizes[1], sizes[1]), remarks))
    if any(not raw for *_, raw in parts) and profile.exponent != "sum":
        profile, parts = _as_recorded(profile, parts)
    network = Network(
        (Input("input", sizes[0]),), (population,), tuple(connection for connection, *_ in parts)
    )
    plastic = _plastic(file, sizes, remarks)
    if plastic is not None and not parts[0][3]:
        raise VectorError("learned weights (mon_w) without the weights they started from (w)")
    noise = file.array("noise_lfsr", "noise_x")
    if population.noise is not None and noise is None:
        raise VectorError(f"noise {population.noise} without recorded draws (noise_lfsr)")
    leftovers(file, remarks, TRACES)
    return Case(
        profile,
        network,
        {connection.name: synapses for connection, synapses, *_ in parts},
        s_in,
        biases,
        noise if population.noise is not None else None,
        plastic,
        arrays,
        "; ".join(differ for _, _, differ, _ in parts if differ),
        tuple(remarks),
    )


def _check_shapes(file: Recorded, s_in: Int, recorded: dict[str, Int]) -> None:
    steps, neurons = len(s_in), recorded["s_out"].shape[1]
    for name, array in recorded.items():
        if array.shape != (steps, neurons):
            raise VectorError(f"{name} is {array.shape}; s_in and s_out tell {(steps, neurons)}")
    for name, size in (("T", steps), ("n_in", s_in.shape[1]), ("n_out", neurons)):
        if file.params.get(name, size) != size:
            raise VectorError(f"params say {name} = {file.params[name]}, the arrays {size}")


def _population(file: Recorded, profile: Profile, neurons: int, biases: Int) -> Population:
    def register(*names: str, default: int | None = None) -> int | tuple[int, ...]:
        value = file.take(*names)
        if value is None and default is None:
            raise VectorError(f"no {' or '.join(names)} among {sorted(file.params)}")
        return each_neuron(default if value is None else value, neurons, names[0])

    def one(name: str, default: int) -> int:
        value = register(name, default=default)
        if isinstance(value, tuple):
            raise VectorError(f"{name} differs among the neurons: {value}; the chip has one value")
        return value

    vth, low = _thresholds(file, profile, neurons)
    mantissa, exponent = bias_registers(biases)
    refractory = register("refractory", "refract", default=1)
    period = file.take("refractory_period")
    if period is not None:  # lava counts the steps after the one of the spike
        refractory = each_neuron(
            whole("refractory_period", period) + 1, neurons, "refractory_period"
        )
    return Population(
        "neurons",
        neurons,
        vth_mant=vth,
        vth_low_mant=low,
        du=register("du", "decay_I", "decay_u", "iDecay"),
        dv=register("dv", "decay_v", "vDecay"),
        bias_mant=each_neuron(mantissa, neurons, "bias"),
        bias_exp=each_neuron(exponent, neurons, "bias"),
        refractory=refractory,
        vmin=one("vmin", limits.VMIN.low),
        vmax=one("vmax", limits.VMAX.high),
        noise=_noise(file.take("noise")),
        reset_interval=one("reset_interval", 0),
        reset_offset=one("reset_offset", 0),
        wide_decay=True,
    )


def _thresholds(
    file: Recorded, profile: Profile, neurons: int
) -> tuple[int | tuple[int, ...], int | None]:
    """Mantissas of the upper threshold, and of the lower one where there is one."""
    high, low = file.take("vth_hi"), file.take("vth_lo")
    mantissa, effective = file.take("vth_mant", "vthMant"), file.take("vth")
    if effective is not None and profile.name == "nengo":  # nengo-loihi records vth << 6
        shifted = whole("vth", effective)
        if (shifted % 64 != 0).any():
            raise VectorError(f"vth is {effective!r}; the chip's thresholds are multiples of 64")
        mantissa = shifted >> limits.STATE_SHIFT
    elif mantissa is None:
        mantissa = effective if high is None else high
    if mantissa is None:
        raise VectorError(f"no threshold among {sorted(file.params)}")
    vth_low = None if low is None else each_neuron(low, neurons, "vth_lo")
    if isinstance(vth_low, tuple):
        raise VectorError("vth_lo differs among the neurons; the chip has one value")
    return each_neuron(mantissa, neurons, "vth"), vth_low


def _biases(file: Recorded, neurons: int) -> Int:
    """Effective biases: recorded as such, or from mantissas and exponents."""
    mantissa, exponent = file.take("bias_mant"), file.take("bias_exp")
    effective = file.take("bias")
    if effective is None:
        mantissas = whole("bias_mant", 0 if mantissa is None else mantissa)
        exponents = whole("bias_exp", 0 if exponent is None else exponent)
        if np.abs(exponents).max(initial=0) > LARGEST_SHIFT:
            raise VectorError(
                f"bias_exp reaches to {np.abs(exponents).max()}; allowed are "
                f"-{LARGEST_SHIFT}..{LARGEST_SHIFT}"
            )
        effective = (mantissas << np.maximum(exponents, 0)) >> np.maximum(-exponents, 0)
    values = whole("bias", effective)
    if values.size not in (1, neurons):
        raise VectorError(f"bias has {values.size} values for {neurons} neurons")
    return np.broadcast_to(values.reshape(-1), (neurons,)).copy()


def _noise(given: Any) -> Noise | None:
    """nengo-loihi's [exponent, offset, at membrane]."""
    if given is None:
        return None
    values = list(given.values()) if isinstance(given, dict) else np.asarray(given).tolist()
    if len(values) != 3:
        raise VectorError(f"noise is {given!r}; needed are exponent, offset, at membrane")
    return Noise(int(values[0]), int(values[1]), bool(values[2]))


def _connection(
    file: Recorded, profile: Profile, source: str, sizes: tuple[int, int], remarks: list[str]
) -> tuple[Connection, Synapses, str, bool]:
    """A connection, its synapses, how they differ from those used, and whether as given."""
    recurrent = source == "neurons"
    mine = sorted(n for n in file.arrays_left if recurrent or "rec" not in n)
    weights_first = sorted((n for n in mine if _is_weight(n) and "delay" not in n), key=len)

    def find(wanted: bool) -> Int | None:
        names = [n for n in weights_first if any(u in n for u in USED) == wanted]
        return file.array(*names[:1], bits=WEIGHT_BITS)

    def param(*names: str) -> Any:
        own = [form for n in names for form in (f"{n}_rec", f"rec_{n}")] if recurrent else []
        return file.take(*own, *names)

    given, used = find(False), find(True)
    if given is None and used is None:
        raise VectorError(f"no weights from {source} among {sorted(file.arrays)}")
    shape = (sizes[1], sizes[0])
    for array in (given, used):
        if array is not None and array.shape != shape:
            raise VectorError(f"weights from {source} are {array.shape}; needed are {shape}")
    bits, exponent = param("num_weight_bits", "weight_bits"), param("weight_exp", "w_exp")
    mode = param("sign_mode")
    sign_mode = SIGN_MODES.get(mode or 0) or _signs(given if given is not None else used)
    delays = file.array(*(n for n in mine if "delay" in n or n == "d"))
    delay = None if delays is not None else param("delay", "delays")
    if delay is not None and np.ndim(delay):
        delays, delay = whole("delay", delay, 2), None
    connection = Connection(
        source,
        "neurons",
        weight_bits=8 if bits is None else max(int(bits), 1),
        weight_exp=int(exponent or 0),
        sign_mode=sign_mode,
        delay=int(delay or 0),
        message_bits=int(param("num_message_bits") or 0),
    )
    raw = given is not None and (bool(bits) or profile.rounding == "none")
    differ = ""
    if raw and used is not None:
        differ = _difference(given, used, connection, profile)
    elif given is not None and not raw:
        remarks.append(f"weights from {source} taken as used: no weight format is stated")
    weights = given if raw or used is None else used
    assert weights is not None
    if file.params.get("conn") == "sparse" and not recurrent:
        return connection, Sparse.from_dense(weights, delays), differ, raw
    return connection, Dense(weights, delays), differ, raw


def _is_weight(name: str) -> bool:
    return "rec" in name or name.startswith("w")


def _signs(weights: Int | None) -> SignMode:
    """lava's `determine_sign_mode`."""
    assert weights is not None
    if weights.min(initial=0) >= 0:
        return "excitatory"
    return "inhibitory" if weights.max(initial=0) <= 0 else "mixed"


def _difference(given: Int | None, used: Int, connection: Connection, profile: Profile) -> str:
    """Where the profile's weight rule and the weights that the peer used differ."""
    form = (connection.weight_bits, connection.sign_mode)
    assert given is not None
    made = on_grid(given, *form, profile).weights
    if profile.exponent != "sum":
        made = currents(made, form[0], connection.weight_exp, form[1], profile)
    if (made == used).all():
        return ""
    at = tuple(int(i) for i in np.argwhere(made != used)[0])
    return f"weight {given[at]} at {at} becomes {made[at]}, recorded is {used[at]}"


def _as_recorded(
    profile: Profile, parts: list[tuple[Connection, Synapses, str, bool]]
) -> tuple[Profile, list[tuple[Connection, Synapses, str, bool]]]:
    """The same with every weight given as the current it adds to u."""
    taken = []
    for connection, synapses, differ, raw in parts:
        weights = np.asarray(synapses.weights)
        if raw:
            form = (connection.weight_bits, connection.sign_mode)
            stored = on_grid(weights, *form, profile).weights
            weights = currents(stored, form[0], connection.weight_exp, form[1], profile)
        connection = replace(connection, weight_exp=-limits.STATE_SHIFT)
        taken.append((connection, synapses._replace(weights=weights), differ, raw))
    return replace(profile, weight_range="any", rounding="none", exponent="exact"), taken


def _plastic(file: Recorded, sizes: tuple[int, int], remarks: list[str]) -> Int | None:
    """Weights after each step, where a learning rule changed them: (step, neuron, input)."""
    file.params_left -= {name for name in file.params_left if LEARNING.match(name)}
    weights = file.array("mon_w", bits=WEIGHT_BITS)
    if weights is None:
        if file.params.get("dw"):
            remarks.append(f"learning rule {file.params['dw']!r} without recorded weights")
        return None
    pre, post = file.take("syn_pre"), file.take("syn_post")
    if pre is None or post is None:
        raise VectorError("mon_w without syn_pre and syn_post")
    if len(weights) * sizes[0] * sizes[1] > MOST_LEARNED:
        raise VectorError(
            f"mon_w: {len(weights)} steps of {sizes} weights are more than {MOST_LEARNED}"
        )
    by_step = np.zeros((len(weights), sizes[1], sizes[0]), np.int64)
    by_step[:, whole("syn_post", post, 1), whole("syn_pre", pre, 1)] = weights
    remarks.append(f"weights as recorded: no rule {file.params.get('dw')!r} on the chip")
    return by_step


def replay(case: Case) -> dict[str, Int]:
    """Run a case on the chip: u, v, s_out, each int64 (step, neuron)."""
    chip = Chip(case.network, case.weights, case.profile, placement=None)
    probes = (Probe("neurons", "u"), Probe("neurons", "v"))
    rows: list[tuple[Int, Int, Int]] = []
    state = None
    for first, last, weights in _spans(case):
        if weights is not None:  # brian2-loihi does not bring learned weights to the grid
            learned = replace(case.profile, weight_range="any", rounding="none")
            written = {**case.weights, "input->neurons": Dense(weights)}
            chip = Chip(case.network, written, learned, placement=None)
        noise = {} if case.noise is None else {"neurons": case.noise[first:last]}
        done = chip.run(
            case.spikes[None, first:last],
            probes,
            state=state,
            noise=noise,
            bias_noise={"neurons": case.biases},
        )
        state = done.state
        rows.append((done.probed[0][0], done.probed[1][0], done.spikes["neurons"][0]))
    return {
        name: np.concatenate([row[i] for row in rows]).astype(np.int64)
        for i, name in enumerate(("u", "v", "s_out"))
    }


def _spans(case: Case) -> Iterator[tuple[int, int, Int | None]]:
    """Ranges of steps with the same weights; those recorded after a step act in the next ones."""
    steps = len(case.spikes)
    if case.plastic is None:
        yield 0, steps, None
        return
    changed = (case.plastic[1:] != case.plastic[:-1]).any(axis=(1, 2))
    ends = sorted({0, 1, *(np.flatnonzero(changed[: max(steps - 2, 0)]) + 2).tolist(), steps})
    for first, last in pairwise(ends):
        yield first, last, case.plastic[first - 1] if first else None


def _compared(name: str, case: Case) -> Outcome:
    done = replay(case)
    differ = [case.differ] if case.differ else []
    differ += first_differences(done, case.wanted)
    steps, neurons = case.wanted["u"].shape
    return Outcome(
        name,
        case.profile.name,
        "differs" if differ else "match",
        f"u, v, spikes of {neurons} neurons in {steps} steps",
        "; ".join([*differ, *case.remarks]),
    )
