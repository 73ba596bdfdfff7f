"""Which network, weights and rules does a file of recorded steps describe?

    params          JSON: the peer, its registers, the latency rule
    s_in, s_out     (step, input), (step, neuron) spikes; values where graded or ternary
    u, v            (step, neuron), after every step
    w               weights as given (neuron, input);  w_eff, w_act, w_inc: as the peer used them
    w_rec ...       the same from neuron to neuron;  delays: one a synapse, if they differ
    bias            effective biases;  noise_lfsr: noise draws;  mon_w: weights while learning

The case is read from the arrays and params, never from the name of the file. What is not understood
is kept for the reader of the outcome; an array that is not understood is an error.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.chip import profiles
from neurosim.chip.profiles import Profile
from neurosim.chip.synapses import Dense, Sparse, Synapses, currents, on_grid
from neurosim.data.formats import array_files
from neurosim.data.formats.recording import EventFileError
from neurosim.network import Connection, Input, Network, Noise, Population, SignMode
from neurosim.storage import JsonError, parse_json

Int = NDArray[np.int64]
SIGN_MODES: dict[int, SignMode] = {1: "mixed", 2: "excitatory", 3: "inhibitory"}
LATENCY = re.compile(r"s_in\[t\] acts on u\[t(?:\+(\d+))?\]")
PEERS = (
    ("brian2", profiles.BRIAN2LOIHI),
    ("nengo", profiles.NENGO),
    ("slayer", profiles.SLAYER),
    ("lava-dl", profiles.SLAYER),
    ("lava", profiles.LAVA),
)
DESCRIBES = {"peer", "seed", "note", "T", "n_in", "n_out", "latency", "ds_offset", "dm_offset"}
"""Params that name or repeat; those that can be wrong are checked in `_check_shapes`."""
LEARNING = re.compile(r"^(dw|imp_[xy]\d|tau_[xy]\d)$")
TRACES = re.compile(r"^mon_[xy]\d$")
FIXED_POINT = ("fixed_pt", "bit_accurate_loihi", "bit_approximate_loihi")
LARGEST_BITS, WEIGHT_BITS, STATE_BITS = 33, 26, 62
"""Registers and spikes of a recording are no larger than 2^33, weights no larger than 2^26, u and v, which
are only compared, than 2^62. Chosen here: a graded spike has 32 bits and a weight as it acts on u 22, so
that their products, summed over 32 synapses, fit 64 bits and nothing wraps to a number that matches."""
LARGEST_SHIFT = 22
MOST_LEARNED = 1 << 26
"""Learned weights of all steps that are kept at once: 512 MiB, chosen here."""
USED = ("eff", "act", "inc")
"""Name parts of weights as the peer used them: lava, brian2-loihi, nengo-loihi."""


class VectorError(ValueError):
    """A recording that cannot be read, or that asks for what the chip does not have."""


class Case(NamedTuple):
    """A recording as a network and what it should do.

    biases   (neuron,) parts of biases that no register holds
    noise    (step, neuron) draws, or None
    plastic  (step, neuron, input) weights as they were after each step, or None
    wanted   by name: the recorded arrays
    differ   weights that came out otherwise than recorded, in words; empty if none
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


class Recorded:
    """Arrays and params of a file, and which of them nobody has asked for yet."""

    def __init__(self, path: Path) -> None:
        try:
            self.arrays: dict[str, NDArray] = array_files.load(path)
            text = str(self.arrays.pop("params", "{}"))
            self.params: dict[str, Any] = parse_json(text.encode("utf-8", "surrogatepass"))
        except (EventFileError, JsonError) as error:
            raise VectorError(f"cannot be read: {error}") from None
        if not isinstance(self.params, dict):
            raise VectorError(f"params are {type(self.params).__name__}; needed is a JSON object")
        self.params_left = set(self.params) - DESCRIBES
        self.arrays_left = set(self.arrays)

    def take(self, *names: str) -> Any:
        """The first of `names` that there is, among arrays, then params; None if none is."""
        found = None
        for name in reversed(names):
            for place, left in (
                (self.params, self.params_left),
                (self.arrays, self.arrays_left),
            ):
                left.discard(name)
                if place.get(name) is not None:
                    found = place[name]
        return found

    def array(self, *names: str, bits: int = LARGEST_BITS) -> Int | None:
        """The first of `names` among the arrays, two-dimensional, as int64 of so many bits."""
        for name in names:
            if name in self.arrays:
                self.arrays_left.discard(name)
                return whole(name, self.arrays[name], 2, bits)
        return None

    def profile(self) -> Profile:
        """The profile of the peer that made the recording, with the latency it states."""
        peer = str(self.params.get("peer", "")).lower()
        found = next((profile for name, profile in PEERS if name in peer), None)
        for key, profile in (
            ("decay_I", profiles.BRIAN2LOIHI),
            ("iDecay", profiles.SLAYER),
            ("refract", profiles.NENGO),
            ("du", profiles.LAVA),
        ):
            if found is None and key in self.params:
                found = profile
        if found is None:
            raise VectorError(
                f"peer is {peer!r}; known are brian2-loihi, nengo-loihi, lava and slayer"
            )
        latency = self.params.get("latency")
        if latency is not None:
            stated = LATENCY.search(str(latency))
            if not stated or int(stated[1] or 0) > 1:
                raise VectorError(f"latency is {latency!r}; known: s_in[t] acts on u[t] or u[t+1]")
            found = replace(found, input_latency=int(stated[1] or 0))  # type: ignore[arg-type]
        offset, of_v = (
            self.params.get("ds_offset", found.decay_offset),
            self.params.get("dm_offset", 0),
        )
        if offset not in (0, 1) or of_v != 0:
            raise VectorError(
                f"ds_offset is {offset!r}, dm_offset {of_v!r}; known are 0 and 1, and 0"
            )
        return replace(found, decay_offset=offset)


def whole(name: str, given: Any, ndim: int | None = None, bits: int = LARGEST_BITS) -> Int:
    """`given` as int64, or a VectorError: fractions, other dimensions, or beyond 2^bits."""
    array = np.asarray(given)
    if array.dtype.kind not in "iubf" or (array.dtype.kind == "f" and not _all_whole(array)):
        raise VectorError(
            f"{name} holds fractions ({array.dtype}): a floating-point recording; "
            f"the chip has integers"
        )
    if ndim is not None and array.ndim != ndim:
        raise VectorError(f"{name} has shape {array.shape}; needed are {ndim} dimensions")
    low, high = (array.min(), array.max()) if array.size else (0, 0)
    if low < -(1 << bits) or high > 1 << bits:
        raise VectorError(f"{name} reaches from {low} to {high}; allowed are -2^{bits}..2^{bits}")
    return array.astype(np.int64)


def _all_whole(array: NDArray[np.floating]) -> bool:
    return bool(np.isfinite(array).all() and (array == np.rint(array)).all())


def read(path: Path) -> Case:
    """The case that a file of recorded steps describes."""
    file = Recorded(path)
    profile = file.profile()
    tag = file.take("tag")
    if tag is not None and tag not in FIXED_POINT:
        raise VectorError(f"tag is {tag!r}: a floating-point recording; the chip has integers")
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
    _leftovers(file, remarks)
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
        return _each(default if value is None else value, neurons, names[0])

    def one(name: str, default: int) -> int:
        value = register(name, default=default)
        if isinstance(value, tuple):
            raise VectorError(f"{name} differs among the neurons: {value}; the chip has one value")
        return value

    vth, low = _thresholds(file, profile, neurons)
    mantissa, exponent = _bias_registers(biases)
    refractory = register("refractory", "refract", default=1)
    period = file.take("refractory_period")
    if period is not None:  # lava counts the steps after the one of the spike
        refractory = _each(whole("refractory_period", period) + 1, neurons, "refractory_period")
    return Population(
        "neurons",
        neurons,
        vth_mant=vth,
        vth_low_mant=low,
        du=register("du", "decay_I", "decay_u", "iDecay"),
        dv=register("dv", "decay_v", "vDecay"),
        bias_mant=_each(mantissa, neurons, "bias"),
        bias_exp=_each(exponent, neurons, "bias"),
        refractory=refractory,
        vmin=one("vmin", limits.VMIN.low),
        vmax=one("vmax", limits.VMAX.high),
        noise=_noise(file.take("noise")),
        reset_interval=one("reset_interval", 0),
        reset_offset=one("reset_offset", 0),
        wide_decay=True,
    )


def _each(value: Any, neurons: int, name: str) -> int | tuple[int, ...]:
    array = whole(name, value).reshape(-1)
    if np.all(array == array[:1]):
        return int(array[0])
    if array.size != neurons:
        raise VectorError(f"{name} has {array.size} values for {neurons} neurons")
    return tuple(array.tolist())


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
    vth_low = None if low is None else _each(low, neurons, "vth_lo")
    if isinstance(vth_low, tuple):
        raise VectorError("vth_lo differs among the neurons; the chip has one value")
    return _each(mantissa, neurons, "vth"), vth_low


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


def _bias_registers(values: Int) -> tuple[Int, Int]:
    """Mantissas and exponents of effective biases; 0 where no register holds the value exactly."""
    exponents = np.zeros(values.size, np.int64)
    for larger in range(1, limits.BIAS_EXP.high + 1):
        exponents[~_held(values >> exponents)] = larger
    mantissas = values >> exponents
    held = ((mantissas << exponents) == values) & _held(mantissas)
    return np.where(held, mantissas, 0), np.where(held, exponents, 0)


def _held(mantissas: Int) -> NDArray[np.bool_]:
    return (mantissas >= limits.BIAS_MANT.low) & (mantissas <= limits.BIAS_MANT.high)


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


def _leftovers(file: Recorded, remarks: list[str]) -> None:
    traces = sorted(name for name in file.arrays_left if TRACES.match(name))
    if traces:
        remarks.append(f"{', '.join(traces)} not compared: traces of the peer's random rounding")
    unknown = sorted(file.arrays_left - set(traces))
    if file.params_left:
        known = ", ".join(f"{name} = {file.params[name]!r}" for name in sorted(file.params_left))
        remarks.append(f"params not understood: {known}")
    if unknown:
        raise VectorError(f"arrays not understood: {unknown}" + "".join(f"; {r}" for r in remarks))
