"""Which network is on the chip? A frozen description that checks itself when it is made.

    Input, Population   what spikes        (name, size, registers, noise)
    Connection          what carries them  (source -> target, weight format, delay)
    Network             all of it
    Weights             what learning changes: one mantissa a synapse, one bias mantissa a neuron

The registers have Lava's names (du, dv, vth_mant, bias_mant, bias_exp, weight_exp); the arithmetic
they take part in is written out in `neurosim/kernels/neurons/lif.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits

SignMode = Literal["mixed", "excitatory", "inhibitory"]


class NetworkError(ValueError):
    """A network, or weights for it, that the chip cannot hold. The message names the register."""


def _check(where: str, register: str, value: object, allowed: limits.Range) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise NetworkError(
            f"{where}: {register} is {value!r}; allowed are integers {allowed.low}..{allowed.high}"
        )


def _check_each(
    where: str, register: str, value: object, neurons: int, allowed: limits.Range
) -> None:
    if not isinstance(value, tuple):
        _check(where, register, value, allowed)
        return
    if len(value) != neurons:
        raise NetworkError(
            f"{where}: {register} has {len(value)} values for {neurons} neurons; "
            f"give one value, or one for each neuron"
        )
    for neuron, one in enumerate(value):
        _check(f"{where}, neuron {neuron}", register, one, allowed)


@dataclass(frozen=True)
class Input:
    """Spikes from outside: `size` axons that something else drives."""

    name: str
    size: int

    def __post_init__(self) -> None:
        _check(f"input {self.name!r}", "size", self.size, limits.Range(1, 1 << 24))


@dataclass(frozen=True)
class Noise:
    """trunc((x + 64 offset) * 2^(exponent - 7)) with x uniform in -127..127, a neuron and a step.

    It is added to u + bias if `at_membrane`, otherwise to the synaptic input (nengo-loihi's rule).
    """

    exponent: int
    offset: int = 0
    at_membrane: bool = False


@dataclass(frozen=True)
class Population:
    """LIF/CUBA neurons with common or individual registers.

    Each of `vth_mant`, `du`, `dv`, `bias_mant`, `bias_exp`, `refractory` is one integer or a tuple
    of one for each neuron. du = 4095 leaves no synaptic current between steps: the paper's neuron
    (one decay). The rest is off unless asked for:

    vth_low_mant    below this (times 64) the neuron sends -1: a ternary neuron
    vmin, vmax      ends at which v saturates
    noise           integer noise on the input, or on u + bias
    reset_interval  u and v are set to 0 before every step whose number, counted from 1, is
                    reset_offset modulo reset_interval; 0 is never
    wide_decay      let du and dv be 4096, as lava and brian2-loihi do; no 12-bit register holds it
    """

    name: str
    neurons: int
    vth_mant: int | tuple[int, ...]
    dv: int | tuple[int, ...] = 0
    du: int | tuple[int, ...] = limits.DECAY.high
    bias_mant: int | tuple[int, ...] = 0
    bias_exp: int | tuple[int, ...] = 0
    refractory: int | tuple[int, ...] = 1
    vth_low_mant: int | None = None
    vmin: int = limits.VMIN.low
    vmax: int = limits.VMAX.high
    noise: Noise | None = None
    reset_interval: int = 0
    reset_offset: int = 0
    wide_decay: bool = False

    def __post_init__(self) -> None:
        where = f"population {self.name!r}"
        decay = limits.WIDE_DECAY if self.wide_decay else limits.DECAY
        _check(where, "neurons", self.neurons, limits.Range(1, 1 << 24))
        for register, value, allowed in (
            ("vth_mant", self.vth_mant, limits.VTH_MANT),
            ("du", self.du, decay),
            ("dv", self.dv, decay),
            ("bias_mant", self.bias_mant, limits.BIAS_MANT),
            ("bias_exp", self.bias_exp, limits.BIAS_EXP),
            ("refractory", self.refractory, limits.REFRACTORY),
        ):
            _check_each(where, register, value, self.neurons, allowed)
        if self.vth_low_mant is not None:
            _check(where, "vth_low_mant", self.vth_low_mant, limits.VTH_LOW_MANT)
        _check(where, "vmin", self.vmin, limits.VMIN)
        _check(where, "vmax", self.vmax, limits.VMAX)
        _check(where, "reset_interval", self.reset_interval, limits.RESET_INTERVAL)
        _check(where, "reset_offset", self.reset_offset, limits.RESET_INTERVAL)
        if self.noise is not None:
            _check(where, "noise exponent", self.noise.exponent, limits.NOISE_EXP)
            _check(where, "noise offset", self.noise.offset, limits.NOISE_OFFSET)

    @property
    def size(self) -> int:
        return self.neurons

    def each(self, register: str) -> NDArray[np.int64]:
        """The values of a register, one a neuron: int64 (neuron,)."""
        return np.broadcast_to(np.asarray(getattr(self, register), np.int64), (self.neurons,))


def mantissas(weight_bits: int, sign_mode: str) -> limits.Range:
    """Legal mantissas: two's complement if mixed, unsigned magnitude otherwise."""
    if sign_mode == "mixed":
        return limits.Range(-(1 << (weight_bits - 1)), (1 << (weight_bits - 1)) - 1)
    top = (1 << weight_bits) - 1
    return limits.Range(0, top) if sign_mode == "excitatory" else limits.Range(-top, 0)


@dataclass(frozen=True)
class Connection:
    """Synapses from `source` to `target` in one weight format; which exist, the weights say.

    A weight is `mantissa << grid_bits`; it adds `mantissa << current_shift` to u.
    A spike arrives `delay` steps later than without delay. With `message_bits` the value of a spike
    multiplies the weight; without, any spike counts as 1. `label` tells apart two connections
    between the same two parts.
    """

    source: str
    target: str
    weight_bits: int = 8
    weight_exp: int = 0
    sign_mode: SignMode = "mixed"
    delay: int = 0
    message_bits: int = 0
    label: str = ""

    def __post_init__(self) -> None:
        where = f"connection {self.name}"
        _check(where, "weight_bits", self.weight_bits, limits.WEIGHT_BITS)
        _check(where, "weight_exp", self.weight_exp, limits.WEIGHT_EXP)
        _check(where, "delay", self.delay, limits.DELAY)
        _check(where, "message_bits", self.message_bits, limits.MESSAGE_BITS)
        if self.sign_mode not in ("mixed", "excitatory", "inhibitory"):
            raise NetworkError(
                f"{where}: sign_mode is {self.sign_mode!r}; "
                f"allowed are mixed, excitatory, inhibitory"
            )

    @property
    def name(self) -> str:
        return f"{self.source}->{self.target}" + (f":{self.label}" if self.label else "")

    @property
    def grid_bits(self) -> int:
        """Low bits of a weight that the synapse does not store: 8 - bits, + 1 if mixed."""
        return 8 - self.weight_bits + (self.sign_mode == "mixed")

    @property
    def current_shift(self) -> int:
        """One unit of the mantissa adds 2^current_shift to u."""
        return limits.STATE_SHIFT + self.grid_bits + self.weight_exp

    @property
    def mantissa(self) -> limits.Range:
        """Legal mantissas of this format."""
        return mantissas(self.weight_bits, self.sign_mode)


@dataclass(frozen=True)
class Network:
    """Inputs, populations and connections. A spike reaches its synapses in the next step."""

    inputs: tuple[Input, ...]
    populations: tuple[Population, ...]
    connections: tuple[Connection, ...]
    sizes: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        parts: tuple[Input | Population, ...] = (*self.inputs, *self.populations)
        for part in parts:
            if part.name in sizes:
                raise NetworkError(f"two parts of the network are called {part.name!r}; rename one")
            sizes[part.name] = part.size
        object.__setattr__(self, "sizes", sizes)
        targets = {population.name for population in self.populations}
        seen = set()
        for connection in self.connections:
            if connection.source not in sizes or connection.target not in targets:
                raise NetworkError(
                    f"connection {connection.name}: sources are {sorted(sizes)}, "
                    f"targets are {sorted(targets)}"
                )
            if connection.name in seen:
                raise NetworkError(
                    f"connection {connection.name} is there twice; merge the two or label one"
                )
            seen.add(connection.name)

    @staticmethod
    def chain(
        inputs: int, layers: Sequence[Population], connection: Connection | None = None
    ) -> "Network":
        """Dense layers one after another, `connection` giving the weight format of each of them."""
        form = connection or Connection("", "")
        sources = ("input", *(layer.name for layer in layers))
        return Network(
            (Input("input", inputs),),
            tuple(layers),
            tuple(
                Connection(
                    source,
                    layer.name,
                    form.weight_bits,
                    form.weight_exp,
                    form.sign_mode,
                    form.delay,
                )
                for source, layer in zip(sources, layers, strict=False)
            ),
        )

    @cached_property
    def layers(self) -> tuple[tuple[Connection, Population], ...]:
        """The network as a chain input -> population -> population ..., or a NetworkError."""
        sources = tuple(self.sizes)
        pairs = tuple(zip(self.connections, self.populations, strict=False))
        chained = len(self.inputs) == 1 and len(self.connections) == len(self.populations) > 0
        if not chained or any(
            (connection.source, connection.target) != (source, population.name)
            for (connection, population), source in zip(pairs, sources, strict=False)
        ):
            raise NetworkError(
                "learning needs dense layers one after another (one input, each population fed by "
                f"the one before it); this network has inputs {[i.name for i in self.inputs]} and "
                f"connections {[c.name for c in self.connections]}"
            )
        return pairs


class Weights(NamedTuple):
    """What learning changes, for a chain of layers.

    mantissas  one int8 array (source, neuron) a layer: the synapses that one arriving spike visits
               lie together; legal range `Connection.mantissa` (mixed sign only)
    biases     one int16 array (neuron,) a layer: bias mantissas, added to the description's own
    """

    mantissas: tuple[NDArray[np.int8], ...]
    biases: tuple[NDArray[np.int16], ...]


def check_weights(network: Network, weights: Weights) -> None:
    """Raise NetworkError, naming the layer, unless `weights` fit `network`."""
    layers = network.layers
    if not len(weights.mantissas) == len(weights.biases) == len(layers):
        raise NetworkError(
            f"weights for {len(weights.mantissas)} layers and biases for {len(weights.biases)}, "
            f"but the network has {len(layers)} layers"
        )
    for (connection, population), mantissa, bias in zip(
        layers, weights.mantissas, weights.biases, strict=True
    ):
        shape = (network.sizes[connection.source], population.neurons)
        for what, array, wanted, dtype, allowed in (
            ("mantissas", mantissa, shape, np.int8, connection.mantissa),
            ("bias mantissas", bias, shape[1:], np.int16, limits.BIAS_MANT),
        ):
            if array.dtype != dtype or array.shape != wanted:
                raise NetworkError(
                    f"layer {population.name!r}: {what} are {array.dtype} {array.shape}; "
                    f"needed is {np.dtype(dtype)} {wanted}"
                )
            low, high = int(array.min()), int(array.max())
            if low < allowed.low or high > allowed.high:
                raise NetworkError(
                    f"layer {population.name!r}: {what} reach from {low} to {high}; "
                    f"allowed are {allowed.low}..{allowed.high}"
                )


def learned(network: Network, weights: Weights) -> tuple[Network, dict[str, NDArray[np.int64]]]:
    """A chain with its learned biases in the description, and its weights by name of connection.

    The weights are int64 (target, source), `mantissa << grid_bits`: what the chip is given.
    """
    check_weights(network, weights)
    populations, synapses = [], {}
    for (connection, population), mantissas, biases in zip(
        network.layers, weights.mantissas, weights.biases, strict=True
    ):
        synapses[connection.name] = mantissas.T.astype(np.int64) << connection.grid_bits
        total = population.each("bias_mant") + biases
        populations.append(replace(population, bias_mant=tuple(total.tolist())))
    return replace(network, populations=tuple(populations)), synapses
