"""Layers as text and as objects, and the network that they describe.

    conv 12 5x5 stride 2 pad 2, pool 2, conv 24 3x3, dense 128, dense 64 adaptive, recurrent 128 delays 0 3 6

A text is layers divided by commas; a layer is its kind, its numbers and its options. `of_text` reads
it, `network_of_layers` makes the network with a dense output layer at its end.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from neurosim import limits
from neurosim.network.connections import ConnectionKind, Conv2d, Dense, PooledDense, SumPool2d
from neurosim.network.description import Connection, Input, Network, Population
from neurosim.network.errors import NetworkError
from neurosim.network.neurons import MODELS, Lif, NeuronModel
from neurosim.network.shapes import MAP, Shape, size_of

NEURONS = limits.Range(1, 8192)
"""Neurons of a dense layer that is given as text, as of the setting `hidden`."""
OUTPUT = "output"
READOUT = "readout"


@dataclass(frozen=True)
class LayerSpec:
    """One layer: its connection, its neurons where the kind leaves the number open, its neuron model.

    delays  steps; of several, the layer has a connection for each, with weights of its own
    """

    kind: ConnectionKind
    neurons: int | None = None
    model: type[NeuronModel] = Lif
    recurrent: bool = False
    delays: tuple[int, ...] = (0,)
    text: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not 0 < len(self.delays) == len(set(self.delays)):
            raise NetworkError(
                f"delays are {', '.join(map(str, self.delays)) or 'none'}; give one or more, none twice"
            )


class LayerRegisters(NamedTuple):
    """Registers of a layer's neurons: threshold, decays and bias exponent."""

    vth_mant: int
    du: int
    dv: int
    bias_exp: int


def keywords() -> dict[str, type[NeuronModel]]:
    """Options of a layer that choose a neuron model; without one it is LIF."""
    return {model.keyword: model for model in MODELS.values() if model.keyword}


def forms() -> str:
    """What a layer's text may be."""
    chosen = " ".join(f"[{keyword}]" for keyword in keywords())
    return (
        f"conv CHANNELS KxK [stride N] [pad N] {chosen} [recurrent], pool N [stride N], "
        f"dense N {chosen} [recurrent], recurrent N {chosen}; each may end with delay N, or with "
        f"delays N N ..."
    )


def dense(
    neurons: int,
    *,
    model: type[NeuronModel] = Lif,
    recurrent: bool = False,
    delay: int | Sequence[int] = 0,
) -> LayerSpec:
    """A dense layer; of several delays, 0..62 steps, it has weights for each."""
    return LayerSpec(Dense(), neurons, model, recurrent, _each(delay), f"dense {neurons}")


def conv(
    channels: int,
    kernel: int | tuple[int, int],
    *,
    stride: int = 1,
    padding: int = 0,
    model: type[NeuronModel] = Lif,
    recurrent: bool = False,
    delay: int | Sequence[int] = 0,
) -> LayerSpec:
    """A convolution; of several delays, 0..62 steps, it has weights for each."""
    kind = Conv2d(channels, kernel, stride, padding)
    return LayerSpec(kind, None, model, recurrent, _each(delay), f"conv {channels}")


def pool(size: int, *, stride: int | None = None, delay: int | Sequence[int] = 0) -> LayerSpec:
    """Sum pooling; of several delays, 0..62 steps, it sums spikes of each."""
    return LayerSpec(SumPool2d(size, stride), delays=_each(delay), text=f"pool {size}")


def _each(delay: int | Sequence[int]) -> tuple[int, ...]:
    return (delay,) if isinstance(delay, int) else tuple(delay)


def of_text(text: str) -> tuple[LayerSpec, ...]:
    """The layers that a text describes; NetworkError names the layer, what came and what is allowed."""
    parts = [part.strip() for part in text.split(",")]
    return tuple(_layer_of(number, part) for number, part in enumerate(parts, 1))


def _layer_of(number: int, text: str) -> LayerSpec:
    words = text.lower().split()
    kinds: dict[str, Callable[[_Words], LayerSpec]] = {
        "conv": _conv,
        "pool": _pool,
        "dense": _dense,
        "recurrent": _recurrent,
    }
    if not words or words[0] not in kinds:
        raise NetworkError(f"layer {number} is {text!r}; allowed are {forms()}")
    rest = _Words(number, text, words[1:])
    try:
        layer = kinds[words[0]](rest)
    except NetworkError as error:
        if str(error).startswith("layer "):
            raise
        raise NetworkError(f"layer {number}, {text!r}: {error}") from error
    rest.end()
    return layer


class _Words:
    """The words of a layer that are not parsed yet."""

    def __init__(self, number: int, text: str, words: list[str]) -> None:
        self.number, self.text, self.words = number, text, words
        self.delays: tuple[int, ...] = ()

    def fail(self, wanted: str) -> NetworkError:
        return NetworkError(f"layer {self.number}, {self.text!r}: {wanted}; allowed are {forms()}")

    def integer(self, what: str) -> int:
        """The next word as a number."""
        word = self.words.pop(0) if self.words else "nothing"
        if not re.fullmatch(r"\d{1,9}", word):
            raise self.fail(f"{what} is {word!r}, not an integer")
        return int(word)

    def neurons(self) -> int:
        """The next word as the number of neurons of a dense layer."""
        count = self.integer("the number of neurons")
        if count not in NEURONS:
            raise NetworkError(
                f"layer {self.number}, {self.text!r}: the number of neurons is {count}; allowed are "
                f"{NEURONS.low}..{NEURONS.high}"
            )
        return count

    def extent(self, what: str) -> tuple[int, int]:
        """The next word as K or KxK."""
        word = self.words.pop(0) if self.words else "nothing"
        found = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", word)
        if not found:
            raise self.fail(f"{what} is {word!r}, not K or KxK")
        return int(found[1]), int(found[2] or found[1])

    def options(self, numbers: dict[str, int], flags: Sequence[str]) -> dict[str, int]:
        """The words that are left, as options with a number and flags; `numbers` are the defaults.

        Delays are kept apart, since a layer may have several.
        """
        values = dict(numbers) | dict.fromkeys(flags, 0)
        while self.words:
            word = self.words.pop(0)
            if word in numbers:
                values[word] = self.integer(word)
            elif word in flags:
                values[word] = 1
            elif word in ("delay", "delays") and not self.delays:
                self.delays = (self.integer("the delay"),)
                while word == "delays" and self.words and self.words[0].isdecimal():
                    self.delays += (self.integer("the delay"),)
            else:
                raise self.fail(f"{word!r} is not one of {[*numbers, *flags, 'delay', 'delays']}")
        self.delays = self.delays or (0,)
        return values

    def end(self) -> None:
        if self.words:
            raise self.fail(f"unexpected {self.words[0]!r}")


def _conv(words: _Words) -> LayerSpec:
    channels, kernel = words.integer("the number of maps"), words.extent("the kernel")
    found = words.options({"stride": 1, "pad": 0}, (*keywords(), "recurrent"))
    kind = Conv2d(channels, kernel, found["stride"], found["pad"])
    return LayerSpec(kind, None, *_options(words, found), words.text)


def _pool(words: _Words) -> LayerSpec:
    size = words.extent("the window")
    found = words.options({"stride": 0}, ())
    kind = SumPool2d(size, found["stride"] or None)
    return LayerSpec(kind, delays=words.delays, text=words.text)


def _dense(words: _Words) -> LayerSpec:
    neurons = words.neurons()
    found = words.options({}, (*keywords(), "recurrent"))
    return LayerSpec(Dense(), neurons, *_options(words, found), words.text)


def _recurrent(words: _Words) -> LayerSpec:
    neurons = words.neurons()
    found = words.options({}, (*keywords(),)) | {"recurrent": 1}
    return LayerSpec(Dense(), neurons, *_options(words, found), words.text)


def _options(
    words: _Words, found: dict[str, int]
) -> tuple[type[NeuronModel], bool, tuple[int, ...]]:
    chosen = [keyword for keyword in keywords() if found[keyword]]
    if len(chosen) > 1:
        raise words.fail(f"{' and '.join(chosen)} are two neuron models")
    model = keywords()[chosen[0]] if chosen else Lif
    return model, bool(found["recurrent"]), words.delays


def hidden_names(layers: Sequence[LayerSpec]) -> list[str]:
    """Names of the hidden populations: `hidden` where there is one, else hidden1, hidden2, ..."""
    if len(layers) == 1:
        return ["hidden"]
    return [f"hidden{number}" for number in range(1, len(layers) + 1)]


def network_of_layers(
    in_shape: Shape,
    layers: Sequence[LayerSpec],
    classes: int,
    registers: Sequence[LayerRegisters],
    readouts: Sequence[int | None] = (),
) -> Network:
    """The network of these hidden layers and a dense output of `classes`.

    registers  one for each layer and one for the output
    readouts   for each hidden layer, the window (1 for a layer that is no map) of its local readout, or
               None where it has none; such a readout has the output's registers
    Raises NetworkError that names the layer where a window is larger than its map, or nothing is left.
    """
    names, shape, source = hidden_names(layers), in_shape, "input"
    populations, connections = [], []
    for number, (name, layer, one) in enumerate(
        zip((*names, OUTPUT), (*layers, dense(classes)), registers, strict=True), 1
    ):
        try:
            shape = layer.kind.out_shape(shape) or (layer.neurons or 0,)
            populations.append(_population(name, shape, layer, one))
            connections += [
                Connection(
                    source,
                    name,
                    kind=layer.kind,
                    delay=delay,
                    label=f"delay {delay}" if len(layer.delays) > 1 else "",
                )
                for delay in layer.delays
            ]
        except NetworkError as error:
            raise NetworkError(f"layer {number}, {layer.text!r}: {error}") from error
        if layer.recurrent:
            connections.append(Connection(name, name))
        source = name
    local = [
        _readout(name, populations[index].shape, window, classes, registers[-1])
        for index, (name, window) in enumerate(zip(names, readouts, strict=False))
        if window is not None
    ]
    return Network(
        (Input("input", size_of(in_shape), in_shape),),
        (*populations, *(population for population, _ in local)),
        (*connections, *(connection for _, connection in local)),
    )


def _population(name: str, shape: Shape, layer: LayerSpec, one: LayerRegisters) -> Population:
    return Population(
        name,
        size_of(shape),
        one.vth_mant,
        dv=one.dv,
        du=one.du,
        bias_exp=one.bias_exp,
        shape=shape,
        model=layer.model.for_threshold(one.vth_mant),
    )


def _readout(
    source: str, shape: Shape, window: int, classes: int, one: LayerRegisters
) -> tuple[Population, Connection]:
    """A local readout of a hidden layer: `classes` neurons that are read by their membranes."""
    name = f"{READOUT}:{source}"
    kind = PooledDense(window) if len(shape) == MAP and window > 1 else Dense()
    population = Population(
        name, classes, one.vth_mant, dv=one.dv, du=one.du, bias_exp=one.bias_exp
    )
    return population, Connection(source, name, kind=kind)
