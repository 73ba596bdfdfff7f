"""Which network is on the chip? A frozen description that checks itself when it is made.

    Input, Population   what spikes        (name, size, registers)
    Connection          what carries them  (source -> target, weight format, delay)
    Network             all of it
    Weights             what learning changes: one mantissa a synapse, one bias mantissa a neuron

The registers have Lava's names (du, dv, vth_mant, bias_mant, bias_exp, weight_exp); the arithmetic
they take part in is written out in `neurosim/kernels/neuron.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
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


def _check_each(where: str, register: str, value: object, neurons: int, allowed: limits.Range) -> None:
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
class Population:
    """LIF/CUBA neurons with common or individual registers.

    Each of `vth_mant`, `du`, `dv`, `bias_mant` is one integer or a tuple of one for each neuron.
    du = 4095 leaves no synaptic current between steps: the paper's neuron (one decay).
    """

    name: str
    neurons: int
    vth_mant: int | tuple[int, ...]
    dv: int | tuple[int, ...] = 0
    du: int | tuple[int, ...] = limits.DECAY.high
    bias_mant: int | tuple[int, ...] = 0
    bias_exp: int = 0
    refractory: int = 1

    def __post_init__(self) -> None:
        where = f"population {self.name!r}"
        _check(where, "neurons", self.neurons, limits.Range(1, 1 << 24))
        _check_each(where, "vth_mant", self.vth_mant, self.neurons, limits.VTH_MANT)
        _check_each(where, "du", self.du, self.neurons, limits.DECAY)
        _check_each(where, "dv", self.dv, self.neurons, limits.DECAY)
        _check_each(where, "bias_mant", self.bias_mant, self.neurons, limits.BIAS_MANT)
        _check(where, "bias_exp", self.bias_exp, limits.BIAS_EXP)
        _check(where, "refractory", self.refractory, limits.REFRACTORY)

    @property
    def size(self) -> int:
        return self.neurons


@dataclass(frozen=True)
class Connection:
    """Synapses from every neuron of `source` to every neuron of `target`, in one weight format.

    A weight is `mantissa << grid_bits`; it adds `mantissa << current_shift` to u.
    """

    source: str
    target: str
    weight_bits: int = 8
    weight_exp: int = 0
    sign_mode: SignMode = "mixed"
    delay: int = 0

    def __post_init__(self) -> None:
        where = f"connection {self.name}"
        _check(where, "weight_bits", self.weight_bits, limits.WEIGHT_BITS)
        _check(where, "weight_exp", self.weight_exp, limits.WEIGHT_EXP)
        _check(where, "delay", self.delay, limits.DELAY)
        if self.sign_mode not in ("mixed", "excitatory", "inhibitory"):
            raise NetworkError(
                f"{where}: sign_mode is {self.sign_mode!r}; allowed are mixed, excitatory, inhibitory"
            )

    @property
    def name(self) -> str:
        return f"{self.source}->{self.target}"

    @property
    def grid_bits(self) -> int:
        """Low bits of a weight that the synapse does not store (docs/chip.md: 8 - bits, + 1 if mixed)."""
        return 8 - self.weight_bits + (self.sign_mode == "mixed")

    @property
    def current_shift(self) -> int:
        """One unit of the mantissa adds 2^current_shift to u."""
        return limits.STATE_SHIFT + self.grid_bits + self.weight_exp

    @property
    def mantissa(self) -> limits.Range:
        """Legal mantissas: two's complement if mixed, unsigned magnitude otherwise."""
        if self.sign_mode == "mixed":
            return limits.Range(-(1 << (self.weight_bits - 1)), (1 << (self.weight_bits - 1)) - 1)
        top = (1 << self.weight_bits) - 1
        return limits.Range(0, top) if self.sign_mode == "excitatory" else limits.Range(-top, 0)


@dataclass(frozen=True)
class Network:
    """Inputs, populations and connections. A spike reaches its synapses in the next step."""

    inputs: tuple[Input, ...]
    populations: tuple[Population, ...]
    connections: tuple[Connection, ...]
    sizes: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        for part in (*self.inputs, *self.populations):
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
                raise NetworkError(f"connection {connection.name} is there twice; merge the two")
            seen.add(connection.name)

    @staticmethod
    def chain(inputs: int, layers: Sequence[Population], connection: Connection | None = None) -> "Network":
        """Dense layers one after another, `connection` giving the weight format of each of them."""
        form = connection or Connection("", "")
        sources = ("input", *(layer.name for layer in layers))
        return Network(
            (Input("input", inputs),),
            tuple(layers),
            tuple(
                Connection(
                    source, layer.name, form.weight_bits, form.weight_exp, form.sign_mode, form.delay
                )
                for source, layer in zip(sources, layers, strict=False)
            ),
        )

    @cached_property
    def layers(self) -> tuple[tuple[Connection, Population], ...]:
        """The network as a chain input -> population -> population ..., or a NetworkError."""
        sources = tuple(part.name for part in (*self.inputs, *self.populations))
        pairs = tuple(zip(self.connections, self.populations, strict=False))
        chained = len(self.inputs) == 1 and len(self.connections) == len(self.populations) > 0
        if not chained or any(
            (connection.source, connection.target) != (source, population.name)
            for (connection, population), source in zip(pairs, sources, strict=False)
        ):
            raise NetworkError(
                "learning needs dense layers one after another (one input, each population fed by the "
                f"one before it); this network has inputs {[i.name for i in self.inputs]} and "
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
