"""Memory layout of a chain of dense layers for the kernels, neurons in SIMD lanes; and its checks.

The conditions that kernels rely on are checked here: every register in its range, no sum beyond 32 bits, and
the headroom of each layer, which is the largest current that cannot saturate a register.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.data.frames import words_for
from neurosim.kernels.arithmetic import LIMIT, decay_factors, takes_one_product
from neurosim.kernels.connections.dense import largest_sum, quad_sums, subset_sums
from neurosim.kernels.executors import fused_chain
from neurosim.kernels.generator import Field, lane_words
from neurosim.kernels.neurons.integration import (
    U_MULTIPLIER,
    V_MULTIPLIER,
    V_SHIFT,
    OwnDecays,
)
from neurosim.kernels.noise import weight_noise
from neurosim.kernels.noise.layer_noise import AlignedNoise
from neurosim.kernels.rules.event_aligned import NO_NEURON
from neurosim.kernels.simd import LOOKS_UP, zeros
from neurosim.network import Connection, Network, NetworkError, Population, Weights
from neurosim.population.state import padded

CURRENT_SHIFT = limits.Range(0, 16)
NOISE_LIMIT = 1 << 30
"""Bound of the noise, so that its sum with any current, or with u and bias, fits 32 bits."""
CURRENT_LIMIT = NOISE_LIMIT - (1 << limits.STATE_BITS)
"""Bound of synaptic currents, so that their sum with the decayed u and the noise fits 32 bits."""
UNTRAINED = ("vth_low_mant", "vmin", "vmax", "noise", "reset_interval", "wide_decay")
"""Registers of a population that no executor of the population evaluator supports."""


class NoiseSpec(NamedTuple):
    """Noise of the members of a population.

    rank, graded, full_rank  noise on weights (kernels/noise/weight_noise.py)
    aligned                  one flag a layer, or none: event-aligned noise (kernels/rules/event_aligned.py),
                             in every `period`-th step, within `window` units of v of the threshold (0: all)
    scale, bias_scale  one integer per layer, in units of u and of v: the size of noise 1; 0: no noise
    one_sided  each member of a pair has noise of its own, instead of +E and -E
    windows    one for each layer instead of `window`, or none; the general executor reads them
    """

    scale: tuple[int, ...]
    bias_scale: tuple[int, ...]
    rank: int = 1
    graded: bool = False
    full_rank: bool = False
    aligned: tuple[bool, ...] = ()
    period: int = 1
    window: int = 0
    one_sided: bool = False
    windows: tuple[int, ...] = ()

    def window_of(self, layer: int) -> int:
        """Distance from the threshold within which noise acts on a layer's neurons; 0: no limit."""
        return self.windows[layer] if self.windows else self.window

    @property
    def directions(self) -> int:
        """Directions per pair, each with noise and a coefficient of its own."""
        return 2 if self.one_sided else 1

    def of_layer(self, layer: int) -> bool:
        """Whether this layer's noise is event-aligned, rather than on its weights."""
        return bool(self.aligned) and self.aligned[layer]

    def aligned_noise(self, number: int, neurons: int, field: Field) -> AlignedNoise:
        """The event-aligned noise of population `number`, from the first direction's field on."""
        return AlignedNoise(
            field,
            neurons,
            self.scale[number],
            self.graded,
            self.period,
            self.window > 0,
            self.aligned_indices()[number],
            max(1, sum(self.aligned)),
        )

    def aligned_indices(self) -> list[int]:
        """For each layer its index among the event-aligned ones, or -1: directions perturb these in turn."""
        aligned = [self.of_layer(layer) for layer in range(len(self.scale))]
        return [sum(aligned[:layer]) if one else -1 for layer, one in enumerate(aligned)]


def _uniform(population: Population, register: str) -> int:
    value = getattr(population, register)
    if isinstance(value, tuple):
        if len(set(value)) > 1:
            raise NetworkError(
                f"layer {population.name!r}: compiled executors need one {register} for all neurons of a "
                f"readout; this layer has {len(set(value))} different ones"
            )
        value = value[0]
    return int(value)


def decays_of(population: Population) -> NDArray[np.int64]:
    """int64 (2, neuron): the decays of u and of v, 0..4096."""
    return np.stack([population.each("du") + 1, population.each("dv")])


def own_decays(layers: Sequence[NDArray[np.int64]], lanes: int) -> OwnDecays | None:
    """From `decays_of` layers; None where the neurons of each share them."""
    rows = np.full(len(layers), -1, np.int64)
    found: list[NDArray[np.int64]] = []
    for index, decays in enumerate(layers):
        if (decays != decays[:, :1]).any():
            rows[index] = len(found)
            found.append(limits.DECAY_ONE - decays)
    if not found:
        return None
    kept = zeros((len(found), 2, lanes), np.int32)
    for row, decays in zip(kept, found, strict=True):
        row[:, : decays.shape[1]] = decays
    return OwnDecays(kept, rows)


@cache
def _gain(decay: int, steps: int) -> Any:
    """What a register reaches by 1 in every step."""
    left = Fraction(limits.DECAY_ONE - decay, limits.DECAY_ONE)
    return sum((left**t for t in range(steps)), Fraction(0))


def _headroom(decay_u: int, decay_v: int, bias: int, steps: int) -> int:
    """Largest current that, step after step, saturates neither u nor v."""
    gain_u, gain_v = _gain(decay_u, steps), _gain(decay_v, steps)
    of_u = LIMIT / gain_u
    of_v = (LIMIT / gain_v - bias) / gain_u
    return int(max(min(of_u, of_v), -1))


def _plain(decays: NDArray[np.int32], headroom: int) -> int:
    """`Chain.plain` from the decay numbers of the first layer and its headroom."""
    one_product = takes_one_product.py_func(int(decays[V_MULTIPLIER]), int(decays[V_SHIFT]))
    return int(headroom) if decays[U_MULTIPLIER] == 0 and one_product else -1


def check_shift(connection: Connection) -> None:
    """Raise NetworkError where the weights of a connection would lose bits, or pass 32."""
    if connection.current_shift not in CURRENT_SHIFT:
        raise NetworkError(
            f"connection {connection.name}: weight_exp {connection.weight_exp} shifts weights by "
            f"{connection.current_shift}; compiled executors need 0..16, so that no bit is lost"
        )


def check_registers(population: Population, registers: Sequence[str]) -> None:
    """Raise NetworkError, naming the layer, unless these registers have their default values."""
    plain = Population(population.name, population.neurons, population.vth_mant)
    for register in registers:
        if getattr(population, register) != getattr(plain, register):
            raise NetworkError(
                f"layer {population.name!r}: compiled executors need {register} {getattr(plain, register)}, "
                f"not {getattr(population, register)}"
            )


def check_trainable(network: Network) -> None:
    """Raise NetworkError unless the population evaluator computes this network exactly."""
    for connection, layer in network.layers:
        if connection.sign_mode != "mixed":
            raise NetworkError(
                f"connection {connection.name}: compiled executors need sign_mode 'mixed', not "
                f"{connection.sign_mode!r}"
            )
        check_shift(connection)
        largest = network.sizes[connection.source] << (
            connection.weight_bits - 1 + connection.current_shift
        )
        if largest >= CURRENT_LIMIT:
            raise NetworkError(
                f"connection {connection.name}: {network.sizes[connection.source]} sources with "
                f"weight_exp {connection.weight_exp} could add {largest} to u; "
                f"allowed is less than {CURRENT_LIMIT}: lower weight_exp"
            )
        if connection.delay or connection.message_bits or layer.refractory != 1:
            raise NetworkError(
                f"layer {layer.name!r}: the fused kernel needs delay 0, message_bits 0 and refractory 1, not "
                f"{connection.delay}, {connection.message_bits} and {layer.refractory}"
            )
        check_registers(layer, (*UNTRAINED, "model"))
    check_readout(network.layers[-1][1])


def check_readout(population: Population) -> None:
    """Raise NetworkError unless all neurons of a readout filter their spikes alike."""
    for register in ("du", "dv"):
        _uniform(population, register)


def check_noise(network: Network, noise: NoiseSpec) -> None:
    """Raise NetworkError unless the noise fits the network and 32-bit currents."""
    for what, scales in (("scale", noise.scale), ("bias_scale", noise.bias_scale)):
        if len(scales) != len(network.layers):
            raise NetworkError(
                f"noise {what} has {len(scales)} values for {len(network.layers)} layers"
            )
    if noise.rank < 1:
        raise NetworkError(f"rank is {noise.rank}; allowed are integers from 1")
    if noise.aligned and len(noise.aligned) != len(network.layers):
        raise NetworkError(
            f"noise aligned has {len(noise.aligned)} flags for {len(network.layers)} layers"
        )
    if noise.period < 1 or not 0 <= noise.window <= LIMIT:
        raise NetworkError(
            f"noise period {noise.period} and window {noise.window}; allowed are from 1 and 0..{LIMIT}"
        )
    number = weight_noise.GRADED_OFFSET if noise.graded else 1
    largest = number**2
    for index, ((connection, layer), scale, bias_scale) in enumerate(
        zip(network.layers, noise.scale, noise.bias_scale, strict=True)
    ):
        if not 0 <= bias_scale * number < NOISE_LIMIT:
            raise NetworkError(
                f"layer {layer.name!r}: noise bias_scale {bias_scale} could add "
                f"{bias_scale * number} to v; allowed is 0 to less than {NOISE_LIMIT}: lower sigma_bias"
            )
        sources = network.sizes[connection.source]
        bound = scale * largest * sources * (1 if noise.full_rank else noise.rank)
        if noise.of_layer(index):
            bound = scale * number
        if not scale >= 0 or bound >= NOISE_LIMIT:
            raise NetworkError(
                f"layer {layer.name!r}: noise scale {scale} could add {bound} to u; "
                f"allowed is less than {NOISE_LIMIT}: lower sigma or the rank"
            )


def _spike_words(network: Network) -> int:
    """Words of a row of spikes of any layer: scratch for the widest, in whole 64-byte lines."""
    return words_for(max(padded(layer.neurons) for _, layer in network.layers))


def source_words(network: Network, layer: int) -> int:
    """Words of a row of spikes that a layer receives, and of its sources' noise."""
    return (
        _spike_words(network) if layer else words_for(network.sizes[network.connections[0].source])
    )


class _Fixed(NamedTuple):
    """What a chain of a network has with any weights, and what its registers get beside them.

    fields              of `fused_chain.Chain`, shared by all chains: not to be written to
    mantissa, exponent  int64 (layer, neuron): of the biases that the description gives
    slowest             decays of u and of v of each layer; on_bias: the most that noise adds to a bias
    """

    fields: dict[str, Any]
    mantissa: list[NDArray[np.int64]]
    exponent: list[NDArray[np.int64]]
    slowest: list[tuple[int, int]]
    on_bias: list[int]


@lru_cache(maxsize=8)
def _fixed(network: Network, noise: NoiseSpec, steps: int) -> _Fixed:
    """What does not change from one generation to the next."""
    layers = network.layers
    count = len(layers)
    lanes = np.array([padded(layer.neurons) for _, layer in layers], np.int64)
    width = int(lanes.max())
    sources = np.array([network.sizes[connection.source] for connection, _ in layers], np.int64)
    neurons = np.array([layer.neurons for _, layer in layers], np.int64)
    words = np.array([source_words(network, index) for index in range(count)], np.int64)
    threshold = np.full((count, width), NO_NEURON, np.int32)
    for index, (_, layer) in enumerate(layers):
        threshold[index, : layer.neurons] = layer.each("vth_mant") << limits.STATE_SHIFT
    decays = [decays_of(layer) for _, layer in layers]
    slowest = [(int(decay_u), int(decay_v)) for decay_u, decay_v in (d.min(axis=1) for d in decays)]
    noise_words = [0]
    for index in range(count):
        wide, rows = int(words[index]), int(neurons[index]) if noise.full_rank else noise.rank
        if noise.of_layer(index):
            wide, rows = lane_words.py_func(int(neurons[index])), steps
        noise_words.append(rows * int(weight_noise.noise_words(wide, noise.graded)))
    number = weight_noise.GRADED_OFFSET if noise.graded else 1
    fields: dict[str, Any] = {
        "layers": count,
        "width": width,
        "spike_words": _spike_words(network),
        "sources": sources,
        "neurons": neurons,
        "lanes": lanes,
        "words": words,
        "weight_at": np.cumsum([0, *(sources * lanes)])[:-1],
        "noise_at": np.cumsum(noise_words).astype(np.int64),
        "shift": np.array([connection.current_shift for connection, _ in layers], np.int64),
        "threshold": threshold,
        "decays": np.array(
            [(*decay_factors(decay_u), *decay_factors(decay_v)) for decay_u, decay_v in slowest],
            np.int32,
        ),
        "own_decays": own_decays(decays, width),
    }
    return _Fixed(
        fields,
        [layer.each("bias_mant") for _, layer in layers],
        [layer.each("bias_exp") for _, layer in layers],
        slowest,
        [scale * number for scale in noise.bias_scale],
    )


def lay_out(network: Network, weights: Weights, noise: NoiseSpec, steps: int) -> fused_chain.Chain:
    """The arrays of a network with these weights, and scratch for noise of this kind."""
    fixed = _fixed(network, noise, steps)
    layers, count = network.layers, len(network.layers)
    shapes = [(network.sizes[c.source], padded(layer.neurons)) for c, layer in layers]
    ends = np.cumsum([sources * lanes for sources, lanes in shapes])
    flat = zeros(int(ends[-1]), np.int8)
    filled = [
        part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)
    ]
    bias = np.zeros((count, fixed.fields["width"]), np.int32)
    max_current, headroom = np.zeros(count, np.int64), np.zeros(count, np.int64)
    for index, (connection, layer) in enumerate(layers):
        filled[index][:, : layer.neurons] = weights.mantissas[index]
        mantissa = weights.biases[index] + fixed.mantissa[index]
        bias[index, : layer.neurons] = mantissa << fixed.exponent[index]
        max_current[index] = largest_sum(filled[index]) << connection.current_shift
        largest = int(np.abs(bias[index]).max()) + fixed.on_bias[index]
        headroom[index] = _headroom(*fixed.slowest[index], largest, steps)
    subsets = None
    if LOOKS_UP and count > 1:
        subsets = subset_sums(filled[-1][:, : layers[-1][1].neurons])
    tables = [
        quad_sums(part) if index and (index < count - 1 or subsets is None) else None
        for index, part in enumerate(filled)
    ]
    sums_at = np.cumsum([0, *(0 if table is None else table.size for table in tables)])[:-1]
    sums = zeros(sum(table.size for table in tables if table is not None), np.int16)
    for table, at in zip(tables, sums_at, strict=True):
        if table is not None:
            sums[at : at + table.size] = table.reshape(-1)
    own = fixed.fields["own_decays"]
    return fused_chain.Chain(
        **fixed.fields,
        weights=flat,
        sums=sums,
        sums_at=np.where([table is None for table in tables], -1, sums_at).astype(np.int64),
        looks_up=subsets is not None,
        subsets=zeros(0, np.int16) if subsets is None else subsets.reshape(-1),
        bias=bias,
        max_current=max_current,
        headroom=headroom,
        plain=-1 if own and own.rows[0] >= 0 else _plain(fixed.fields["decays"][0], headroom[0]),
    )
