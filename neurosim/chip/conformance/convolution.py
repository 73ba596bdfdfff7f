"""Recordings of one convolution and its neurons: read, replayed and compared.

    s_in          (step, c_in, y, x) spikes;  s_out (step, c_out, y, x)
    w             (c_out, c_in, ky, kx), correlation, not flipped;  bias (c_out,), times 64 a step
    u, v          (step, c_out, y, x), after every step
    params        JSON: peer, stride and padding as (y, x), decays, threshold, latency, reset

    u[t] = 64 conv(s_in[t-1])     v = D(v, dv) + u + 64 bias     a spike where v > 64 vth, then v = 0

v starts from 0 before every step t, counted from 0, with t mod reset_interval = reset_offset. In the
step of a spike v is recorded as `v_in_step_of_a_spike`.
"""

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.chip.conformance.recorded import (
    Int,
    Outcome,
    Recorded,
    VectorError,
    first_differences,
    leftovers,
    whole,
)
from neurosim.chip.conformance.registers import bias_registers, each_neuron, fixed_point
from neurosim.chip.emulator import Chip, Probe
from neurosim.chip.profiles import Profile
from neurosim.chip.synapses import Sparse
from neurosim.network import Connection, Input, Network, Population
from neurosim.network.connections import Conv2d
from neurosim.network.shapes import Shape

AXES = {"s_in": "step, c_in, y, x", "s_out": "step, c_out, y, x", "u": "step, c_out, y, x"}
AXES |= {"v": "step, c_out, y, x", "w": "c_out, c_in, ky, kx"}
FACTOR = re.compile(r"(\d+) \* (?:conv|bias)")
UNIT = 1 << limits.STATE_SHIFT
WORDS = ("neuron", "conn", "axes", "threshold")
"""Params that say in words what others say in numbers."""


class Case(NamedTuple):
    """A recorded convolution as a network, its synapses, and the expected results.

    spikes   int64 (step, input), values as recorded
    wanted   u, v, s_out: int64 (step, neuron), neurons in C order of (c_out, y, x)
    marked   v of the step of a spike as it was recorded; None: as the profile has it
    """

    profile: Profile
    network: Network
    synapses: Sparse
    spikes: Int
    wanted: dict[str, Int]
    marked: int | None
    remarks: tuple[str, ...]


def recognises(file: Recorded) -> bool:
    """Whether there are weights with four axes, or the recording states a convolution."""
    weights = file.arrays.get("w")
    said = str(file.params.get("conn", "")).lower().startswith("conv")
    return said or (weights is not None and weights.ndim == 4)


def check(name: str, file: Recorded) -> Outcome:
    """The outcome of a recorded convolution."""
    case = read(file)
    differ = first_differences(replay(case), case.wanted)
    steps, neurons = case.wanted["u"].shape
    return Outcome(
        name,
        case.profile.name,
        "differs" if differ else "match",
        f"u, v, spikes of {neurons} neurons in {steps} steps",
        "; ".join([*differ, *case.remarks]),
    )


def replay(case: Case) -> dict[str, Int]:
    """Run a case on the chip: u, v, s_out, each int64 (step, neuron)."""
    weights = {case.network.connections[0].name: case.synapses}
    chip = Chip(case.network, weights, case.profile, placement=None)
    done = chip.run(case.spikes[None], (Probe("neurons", "u"), Probe("neurons", "v")))
    fired = done.spikes["neurons"][0].astype(np.int64)
    u, v = (probed[0] for probed in done.probed)
    if case.marked is not None:
        v = np.where(fired != 0, case.marked, v)
    return {"u": u, "v": v, "s_out": fired}


def read(file: Recorded) -> Case:
    """The case that the arrays and params of a recorded convolution describe."""
    profile = file.profile()
    fixed_point(file)
    arrays = {name: _array(file, name) for name in AXES}
    s_in, weights = arrays.pop("s_in"), arrays.pop("w")
    kind = Conv2d(len(weights), weights.shape[2:], _pair(file, "stride", 1), _pair(file, "padding"))
    if weights.shape[1] != s_in.shape[1]:
        raise VectorError(
            f"w is {weights.shape} (c_out, c_in, ky, kx), but s_in has {s_in.shape[1]} maps"
        )
    shape = kind.out_shape(s_in.shape[1:])
    _check_shapes(file, arrays, (len(s_in), *shape))
    population = _population(file, shape)
    connection = Connection(
        "input",
        "neurons",
        weight_exp=int(file.take("weight_exp") or 0),
        message_bits=int(file.take("num_message_bits") or 0),
        kind=kind,
    )
    size = int(np.prod(s_in.shape[1:]))
    network = Network((Input("input", size, s_in.shape[1:]),), (population,), (connection,))
    file.take(*WORDS)
    marked = file.take("v_in_step_of_a_spike")
    remarks: list[str] = []
    leftovers(file, remarks)
    return Case(
        profile,
        network,
        _synapses(network, connection, weights),
        s_in.reshape(len(s_in), -1),
        {name: arrays[name].reshape(len(s_in), -1) for name in ("u", "v", "s_out")},
        None if marked is None else int(marked),
        tuple(remarks),
    )


def _array(file: Recorded, name: str) -> Int:
    if name not in file.arrays:
        raise VectorError(f"no array {name} ({AXES[name]}); there are {sorted(file.arrays)}")
    file.arrays_left.discard(name)
    array = whole(name, file.arrays[name])
    if array.ndim != 4 or 0 in array.shape:
        raise VectorError(f"{name} is {array.shape}; needed is ({AXES[name]}), none of them 0")
    return array


def _pair(file: Recorded, name: str, default: int = 0) -> tuple[int, int]:
    """A param of one integer or of two (y, x)."""
    given = file.take(name)
    values = whole(name, default if given is None else given).reshape(-1)
    if values.size not in (1, 2):
        raise VectorError(f"{name} is {given!r}; needed are one or two integers (y, x)")
    return int(values[0]), int(values[-1])


def _check_shapes(file: Recorded, arrays: dict[str, Int], wanted: Shape) -> None:
    for name, array in arrays.items():
        if array.shape != wanted:
            raise VectorError(
                f"{name} is {array.shape}; s_in, w, stride and padding make {wanted} ({AXES[name]})"
            )
    if file.params.get("T", wanted[0]) != wanted[0]:
        raise VectorError(f"params say T = {file.params['T']}, the arrays have {wanted[0]} steps")


def _population(file: Recorded, shape: Shape) -> Population:
    neurons = int(np.prod(shape))

    def register(*names: str) -> int | tuple[int, ...]:
        value = file.take(*names)
        if value is None:
            raise VectorError(f"no {' or '.join(names)} among {sorted(file.params)}")
        return each_neuron(value, neurons, names[0])

    interval = int(file.take("reset_interval") or 0)
    offset = int(file.take("reset_offset") or 0)
    mantissa, exponent = bias_registers(_biases(file, shape[0]))
    plane = neurons // shape[0]
    _check_factor(file, "current", UNIT)
    return Population(
        "neurons",
        neurons,
        vth_mant=register("vth_mant", "vth"),
        du=register("du", "iDecay"),
        dv=register("dv", "vDecay"),
        bias_mant=each_neuron(np.repeat(mantissa, plane), neurons, "bias"),
        bias_exp=each_neuron(np.repeat(exponent, plane), neurons, "bias"),
        reset_interval=interval,
        reset_offset=(offset + 1) % interval if interval else 0,  # the chip counts steps from 1
        wide_decay=True,
        shape=shape,
    )


def _biases(file: Recorded, channels: int) -> NDArray[np.int64]:
    """Increments of v by the biases in each step: int64 (c_out,)."""
    given = file.arrays.get("bias")
    file.arrays_left.discard("bias")
    values = whole("bias", 0 if given is None else given).reshape(-1)
    if values.size not in (1, channels):
        raise VectorError(f"bias has {values.size} values for {channels} output maps")
    _check_factor(file, "bias", UNIT)
    effective = np.broadcast_to(values * UNIT, (channels,)).copy()
    mantissa, exponent = bias_registers(effective)
    if ((mantissa << exponent) != effective).any():
        raise VectorError(f"bias reaches {np.abs(values).max()}, beyond the chip's bias registers")
    return effective


def _check_factor(file: Recorded, name: str, wanted: int) -> None:
    """A param that says in words by what a sum is multiplied must say what the chip does."""
    said = file.params.get(name)
    file.params_left.discard(name)
    found = FACTOR.search(said) if isinstance(said, str) else None
    if found and int(found[1]) != wanted:
        raise VectorError(f"{name} is {said!r}; the chip multiplies by {wanted}")


def _synapses(network: Network, connection: Connection, weights: Int) -> Sparse:
    """The recorded weights, one for each synapse."""
    matrix = weights.transpose(2, 3, 1, 0).reshape(-1, len(weights))
    found = network.expand(connection, matrix)
    return Sparse.from_pairs(*found, source_size=network.sizes[connection.source])
