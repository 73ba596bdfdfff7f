"""Network description: inputs, populations and connections, frozen and checked; and weights for them.

    Input, Population   sources of spikes: name, size, registers, noise
    Connection          synapses from a source to a target: weight format, delay
    Network             inputs, populations and connections
    Weights             learned parameters: one mantissa per synapse, one bias mantissa per neuron

The registers have Lava's names (du, dv, vth_mant, bias_mant, bias_exp, weight_exp); the arithmetic
they take part in is written out in `neurosim/kernels/neurons/`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.network.connections import ConnectionKind, Dense, Parameter, Synapses
from neurosim.network.errors import NetworkError
from neurosim.network.errors import check_register as _check
from neurosim.network.neurons import Lif, NeuronModel
from neurosim.network.shapes import FLAT, Shape, checked_shape

SignMode = Literal["mixed", "excitatory", "inhibitory"]


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
    """External input of `size` axons; `shape` (channels, height, width) of a map, or (size,)."""

    name: str
    size: int
    shape: Shape = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        where = f"input {self.name!r}"
        _check(where, "size", self.size, limits.Range(1, 1 << 24))
        object.__setattr__(self, "shape", checked_shape(where, self.shape, self.size))


@dataclass(frozen=True)
class Noise:
    """trunc((x + 64 offset) * 2^(exponent - 7)) with x uniform in -127..127, per neuron and step.

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
    shape           (channels, height, width) of a map; (neurons,) by default
    model           `Lif`, or a model with registers of its own (network/neurons)

    Examples:
        >>> import neurosim
        >>> maps = neurosim.Population("maps", 12 * 17 * 17, vth_mant=512, shape=(12, 17, 17))
        >>> neurosim.Population("hidden", 3, vth_mant=(500, 510, 520), du=1024).each("vth_mant")
        array([500, 510, 520])
        >>> neurosim.Population("a", 3, vth_mant=-1)
        Traceback (most recent call last):
        neurosim.network.errors.NetworkError: population 'a': vth_mant is -1; allowed are integers 0..131071
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
    shape: Shape = None  # type: ignore[assignment]
    model: NeuronModel = Lif()  # noqa: RUF009

    def __post_init__(self) -> None:
        where = f"population {self.name!r}"
        decay = limits.WIDE_DECAY if self.wide_decay else limits.DECAY
        _check(where, "neurons", self.neurons, limits.Range(1, 1 << 24))
        object.__setattr__(self, "shape", checked_shape(where, self.shape, self.neurons))
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
        """Number of neurons, by the name that inputs have for it."""
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
    """Synapses from `source` to `target` in one weight format; a synapse of weight 0 does not exist.

    A weight is `mantissa << grid_bits`; it adds `mantissa << current_shift` to u.
    A spike arrives `delay` steps later than without delay. With `message_bits` the value of a spike
    multiplies the weight; without, any spike counts as 1. `label` tells apart two connections
    between the same two parts. `kind` maps the matrix to synapses (network/connections). A
    connection from a population to itself is recurrent: its spikes arrive in the next step.

    Examples:
        >>> import neurosim
        >>> neurosim.Connection("input", "hidden", weight_bits=6, delay=5).mantissa
        Range(low=-32, high=31)
        >>> neurosim.Connection("input", "maps", kind=neurosim.Conv2d(12, 5, stride=2)).kind.name
        'conv2d'
    """

    source: str
    target: str
    weight_bits: int = 8
    weight_exp: int = 0
    sign_mode: SignMode = "mixed"
    delay: int = 0
    message_bits: int = 0
    label: str = ""
    kind: ConnectionKind = Dense()  # noqa: RUF009

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
        """ "source->target", and the label behind a colon where there is one."""
        return f"{self.source}->{self.target}" + (f":{self.label}" if self.label else "")

    @property
    def recurrent(self) -> bool:
        """Whether its target is its own source."""
        return self.source == self.target

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
    """Inputs, populations and connections. A spike reaches its synapses in the next step.

    Examples:
        >>> import neurosim
        >>> hidden = neurosim.Population("hidden", 128, vth_mant=512)
        >>> output = neurosim.Population("output", 10, vth_mant=512)
        >>> network = neurosim.Network(
        ...     (neurosim.Input("input", 2312),),
        ...     (hidden, output),
        ...     (neurosim.Connection("input", "hidden"), neurosim.Connection("hidden", "output")),
        ... )
        >>> network == neurosim.Network.chain(2312, [hidden, output])
        True
        >>> [connection.name for connection in network.connections]
        ['input->hidden', 'hidden->output']
    """

    inputs: tuple[Input, ...]
    populations: tuple[Population, ...]
    connections: tuple[Connection, ...]
    sizes: dict[str, int] = field(init=False, repr=False, compare=False)
    shapes: dict[str, Shape] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        parts: tuple[Input | Population, ...] = (*self.inputs, *self.populations)
        for part in parts:
            if part.name in sizes:
                raise NetworkError(f"two parts of the network are called {part.name!r}; rename one")
            sizes[part.name] = part.size
        object.__setattr__(self, "sizes", sizes)
        object.__setattr__(self, "shapes", {part.name: part.shape for part in parts})
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
            self._check_shapes(connection)

    def _check_shapes(self, connection: Connection) -> None:
        """Raise NetworkError unless the connection's kind fits its source and its target."""
        source, target = self.shapes[connection.source], self.shapes[connection.target]
        try:
            wanted = connection.kind.out_shape(source)
        except NetworkError as error:
            raise NetworkError(f"connection {connection.name}: {error}") from error
        if wanted is not None and wanted != target:
            raise NetworkError(
                f"connection {connection.name}: {connection.kind.name} on {source} makes {wanted}; "
                f"population {connection.target!r} has shape {target}: give it {wanted}"
            )

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
        dense = all(isinstance(connection.kind, Dense) for connection in self.connections)
        flat = all(len(shape) == FLAT for shape in self.shapes.values())
        if (
            not chained
            or not dense
            or not flat
            or any(
                (connection.source, connection.target) != (source, population.name)
                for (connection, population), source in zip(pairs, sources, strict=False)
            )
        ):
            raise NetworkError(
                "learning needs dense layers one after another (one input, each population fed by "
                f"the one before it, none of them a map); this network has inputs "
                f"{[i.name for i in self.inputs]} and connections {[c.name for c in self.connections]}"
            )
        return pairs

    @cached_property
    def is_dense_chain(self) -> bool:
        """Whether it is a chain of dense layers of LIF neurons, as the fused kernel requires."""
        try:
            self.layers  # noqa: B018
        except NetworkError:
            return False
        return all(
            isinstance(population.model, Lif) for population in self.populations
        ) and not any(connection.delay for connection in self.connections)

    def parameter(self, connection: Connection) -> Parameter | None:
        """The matrix that a connection learns; None where its weights are fixed."""
        return connection.kind.parameter(
            self.shapes[connection.source], self.shapes[connection.target]
        )

    @cached_property
    def parameters(self) -> tuple[tuple[Connection, Parameter], ...]:
        """Connections with a matrix, in order: a parameter's place here is its number."""
        found = ((connection, self.parameter(connection)) for connection in self.connections)
        return tuple((connection, matrix) for connection, matrix in found if matrix is not None)

    @cached_property
    def depths(self) -> dict[str, int]:
        """By name of part, the connections on the longest way from an input to it, delays left out."""
        found = {part.name: 0 for part in self.inputs}
        for layer in self.graph:
            before = [found[connection.source] for connection in layer.incoming]
            found[layer.population.name] = 1 + max(before, default=0)
        return found

    @property
    def depth(self) -> int:
        """Connections on the longest way through the network."""
        return max(self.depths.values())

    @cached_property
    def readouts(self) -> tuple[str, ...]:
        """Names of the populations that feed no other, in the description's order."""
        fed = {connection.source for connection in self.connections if not connection.recurrent}
        return tuple(p.name for p in self.populations if p.name not in fed)

    @cached_property
    def output(self) -> int:
        """Number of the population that is read out: the one called `output`, else the last."""
        names = [population.name for population in self.populations]
        return names.index("output") if "output" in names else len(names) - 1

    @cached_property
    def graph(self) -> tuple["Layer", ...]:
        """The populations in an order in which each comes after all that feed it, itself apart.

        Raises NetworkError where a cycle passes through more than one population.
        """
        placed = {part.name for part in self.inputs}
        waiting, ordered = list(self.populations), []
        while waiting:
            ready = [p for p in waiting if self._sources(p.name) <= placed | {p.name}]
            if not ready:
                raise NetworkError(
                    f"populations {self._in_cycles(waiting)} feed each other in a cycle; allowed is a "
                    f"connection from a population to itself: make them one population, or run the network "
                    f"without learning (neurosim.Chip)"
                )
            ordered += ready
            placed |= {p.name for p in ready}
            waiting = [p for p in waiting if p.name not in placed]
        return tuple(self._layer(population) for population in ordered)

    def _in_cycles(self, waiting: Sequence[Population]) -> list[str]:
        """Names of `waiting` without those that feed no other of them."""
        names = [population.name for population in waiting]
        while True:
            fed_by = set().union(*(self._sources(name) - {name} for name in names))
            kept = [name for name in names if name in fed_by]
            if kept == names:
                return names
            names = kept

    def _sources(self, target: str) -> set[str]:
        return {c.source for c in self.connections if c.target == target}

    def _layer(self, population: Population) -> "Layer":
        mine = [c for c in self.connections if c.target == population.name]
        return Layer(
            population,
            tuple(c for c in mine if not c.recurrent),
            tuple(c for c in mine if c.recurrent),
        )

    def expand(
        self, connection: Connection, matrix: NDArray[np.integer[Any]] | None = None
    ) -> Synapses:
        """The synapses of a connection one by one, with the mantissas of its matrix."""
        return connection.kind.expand(
            matrix, self.shapes[connection.source], self.shapes[connection.target]
        )

    def synapses(
        self, connection: Connection, matrix: NDArray[np.integer[Any]] | None = None
    ) -> NDArray[np.int64]:
        """All weights of a connection: int64 (target, source), `mantissa << grid_bits`."""
        sources, targets, weights = self.expand(connection, matrix)
        shape = (self.sizes[connection.target], self.sizes[connection.source])
        full = np.zeros(shape, np.int64)
        np.add.at(full, (targets, sources), weights << connection.grid_bits)
        return full


class Layer(NamedTuple):
    """A population with the connections that feed it, in the network's order, and those to itself."""

    population: Population
    incoming: tuple[Connection, ...]
    recurrent: tuple[Connection, ...]


class Weights(NamedTuple):
    """Learned parameters of a network.

    mantissas  one int8 matrix (row, column) per parameter, in the order of `Network.parameters`: of a
               dense chain (source, neuron) per layer, so that the synapses of one source lie
               together; legal range `Connection.mantissa` (mixed sign only)
    biases     one int16 array (neuron,) per population, in the description's order: bias mantissas,
               added to the description's own; of maps (channel,), shared by a map's neurons

    Examples:
        >>> import numpy as np
        >>> import neurosim
        >>> network = neurosim.Network.chain(4, [neurosim.Population("output", 2, vth_mant=60)])
        >>> weights = neurosim.Weights((np.full((4, 2), 20, np.int8),), (np.zeros(2, np.int16),))
        >>> chip = neurosim.Chip.from_weights(network, weights)
        >>> chip.run(np.ones((1, 3, 4), np.uint8)).spikes["output"].shape  # (sample, step, neuron)
        (1, 3, 2)
    """

    mantissas: tuple[NDArray[np.int8], ...]
    biases: tuple[NDArray[np.int16], ...]


def check_weights(network: Network, weights: Weights) -> None:
    """Raise NetworkError, naming the layer, unless `weights` fit `network`."""
    parameters, populations = network.parameters, network.populations
    if (len(weights.mantissas), len(weights.biases)) != (len(parameters), len(populations)):
        raise NetworkError(
            f"weights for {len(weights.mantissas)} layers and biases for {len(weights.biases)}, "
            f"but the network has {len(parameters)} parameters and {len(populations)} populations"
        )
    for (connection, matrix), mantissa in zip(parameters, weights.mantissas, strict=True):
        size = (matrix.rows, matrix.columns)
        _check_array(connection.target, "mantissas", mantissa, size, np.int8, connection.mantissa)
    for population, bias in zip(populations, weights.biases, strict=True):
        shape = population.shape[:1]
        _check_array(population.name, "bias mantissas", bias, shape, np.int16, limits.BIAS_MANT)


def _check_array(
    layer: str, what: str, array: NDArray[Any], shape: Shape, dtype: Any, allowed: limits.Range
) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise NetworkError(
            f"layer {layer!r}: {what} are {array.dtype} {array.shape}; "
            f"needed is {np.dtype(dtype)} {shape}"
        )
    low, high = int(array.min()), int(array.max())
    if low < allowed.low or high > allowed.high:
        raise NetworkError(
            f"layer {layer!r}: {what} reach from {low} to {high}; "
            f"allowed are {allowed.low}..{allowed.high}"
        )


def learned(network: Network, weights: Weights) -> tuple[Network, dict[str, NDArray[np.int64]]]:
    """The network with its learned biases in the description, and its weights by name of connection.

    The weights are int64 (target, source), `mantissa << grid_bits`, as `Chip` takes them.
    """
    matrices = matrices_by_name(network, weights)
    synapses = {c.name: network.synapses(c, matrices.get(c.name)) for c in network.connections}
    return with_biases(network, weights), synapses


def matrices_by_name(network: Network, weights: Weights) -> dict[str, NDArray[np.int8]]:
    """Mantissas by name of connection, of those that have a matrix."""
    check_weights(network, weights)
    return {
        connection.name: matrix
        for (connection, _), matrix in zip(network.parameters, weights.mantissas, strict=True)
    }


def with_biases(network: Network, weights: Weights) -> Network:
    """The network with its learned biases in the description."""
    populations = []
    for population, biases in zip(network.populations, weights.biases, strict=True):
        each = np.repeat(biases, population.neurons // len(biases))
        total = population.each("bias_mant") + each
        populations.append(replace(population, bias_mant=tuple(total.tolist())))
    return replace(network, populations=tuple(populations))
