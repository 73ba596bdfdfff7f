"""Runs on a graph of layers: the network that the settings describe, and the chip that trains it.

Thresholds follow the fan-in, and then the rates that a few samples make of the initial weights, layer by
layer and in integers, so that no layer starts silent or saturated:

    vth_mant = 2 * initial_std * sqrt(fan-in) / GAIN       times 3/4 or 4/3 until the rate is within RATES
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learning.rules.registry import rules_of
from learning.rules.rule import FACTOR_STD
from learning.settings import BIAS_EXP, SILENT, Settings, fresh_state, readout
from neurosim import limits
from neurosim.data.datasets import Dataset
from neurosim.data.frames import Frames, select
from neurosim.network import Conv2d, Dense, Network, NetworkError
from neurosim.network.faults import Faults
from neurosim.network.layers import (
    LayerRegisters,
    LayerSpec,
    dense,
    hidden_names,
    network_of_layers,
    of_text,
)
from neurosim.network.shapes import MAP, Shape
from neurosim.population.emulated import EmulatedMembers, why_emulated
from neurosim.population.evaluator import Evaluator
from neurosim.population.faulty import (
    FaultyEmulatedMembers,
    FaultyEvaluator,
    FaultyGraphEvaluator,
    FaultyGraphMembers,
    fused_has,
)
from neurosim.population.graph import fan_in_of
from neurosim.population.graph_evaluator import GraphEvaluator
from neurosim.population.graph_members import GraphMembers
from neurosim.population.layer_credit import SHARE_ONE, FeedbackSpec
from neurosim.population.layout import NoiseSpec
from neurosim.population.rules import Signal
from neurosim.population.state import Precision, SynapticState
from neurosim.population.update import TARGET_BITS

CONV_GAIN, GAIN = (5, 2), (3, 2)
"""Initial weights over thresholds, times the root of the fan-in: 2.5 for convolutions, whose few inputs
are sparse, 1.5 for others (docs/notes/layers.md)."""
SAMPLES = 64
"""Samples that rates are measured on."""
RATES = (30, 150)
"""Spikes of a layer in 1000 neurons and steps: of fewer it counts as silent, of more as saturated."""
TRIES = 12
EDGES = (5, 500)
"""Rates beyond which a layer of a run is reported as dead or saturated, in 1/1000."""


def is_layered(settings: Settings) -> bool:
    """Whether the run needs the general executor."""
    return settings.feedback is not None or settings.layers is not None


def specs_of(settings: Settings) -> tuple[LayerSpec, ...]:
    """The hidden layers that the settings describe."""
    if settings.layers is not None:
        return of_text(settings.layers)
    return tuple(dense(neurons) for neurons in settings.hidden)


SHAPING = ("hidden", "layers", "vth_mant", "du", "dv", "readout")
"""Settings that describe a network, and not how it learns."""


def shape_of(settings: Settings) -> dict[str, Any]:
    """The settings that describe the network of a run."""
    return {name: getattr(settings, name) for name in SHAPING}


def layer_flags(settings: Settings) -> str:
    """The flags with which a run has these hidden layers."""
    feedback = "" if settings.feedback is None else f" --feedback {settings.feedback}"
    if settings.layers is not None:
        return f'--layers "{settings.layers}"{feedback}'
    return f"--hidden {' '.join(map(str, settings.hidden))}{feedback}"


def layered_network(settings: Settings, data: Dataset) -> Network:
    """The network of a run, with thresholds for the rates that its samples make."""
    layers = specs_of(settings)
    names = hidden_names(layers)
    shape = in_shape(layers, data)
    thresholds = [settings.vth_mant] * len(layers)
    network = _described(settings, shape, layers, data.classes, thresholds)
    thresholds = [_by_fan_in(settings, network, name) for name in names]
    samples = select(data.train, slice(SAMPLES))
    network = _described(settings, shape, layers, data.classes, thresholds)
    for index, name in enumerate(names):
        for _ in range(TRIES):
            rate = rates_of(settings, network, samples)[name]
            if RATES[0] <= rate <= RATES[1]:
                break
            moved = (
                thresholds[index] * 3 // 4 if rate < RATES[0] else thresholds[index] * 4 // 3 + 1
            )
            if not 1 <= moved < limits.VTH_MANT.high:
                break
            thresholds[index] = moved
            network = _described(settings, shape, layers, data.classes, thresholds)
    return network


def in_shape(layers: Sequence[LayerSpec], data: Dataset) -> Shape:
    """A map of the sensor where the first layer needs one, else its inputs in a row."""
    if isinstance(layers[0].kind, Dense):
        return (data.train.inputs,)
    return data.sensor.shape


def _described(
    settings: Settings,
    shape: Shape,
    layers: Sequence[LayerSpec],
    classes: int,
    thresholds: Sequence[int],
) -> Network:
    output = SILENT if settings.readout == "membrane" else settings.vth_mant
    registers = [
        LayerRegisters(threshold, settings.du, settings.dv, BIAS_EXP)
        for threshold in (*thresholds, output)
    ]
    plain = network_of_layers(shape, layers, classes, registers)
    if settings.feedback is None or "local" not in settings.feedback:
        return plain
    windows = _windows(settings, plain, hidden_names(layers))
    return network_of_layers(shape, layers, classes, registers, windows)


def _windows(settings: Settings, network: Network, names: Sequence[str]) -> list[int | None]:
    """The window of each layer's own readout; the last one is the output's source and has none.

    A layer that learns nothing has none either. Windows shrink as maps do: there are as many of them
    along the axes of each map, until each neuron has its own.
    """
    shapes = [network.shapes[name] for name in names]
    largest = max((shape[1] for shape in shapes if len(shape) == MAP), default=1)
    learns = {c.target for c, _ in network.parameters}
    found: list[int | None] = []
    for name, shape in zip(names[:-1], shapes, strict=False):
        window = 1
        if len(shape) == MAP:
            window = max(1, (settings.local_pool * shape[1] + largest // 2) // largest)
        found.append(window if name in learns else None)
    return [*found, None]


def _by_fan_in(settings: Settings, network: Network, name: str) -> int:
    """vth_mant that makes the initial weights `GAIN` thresholds over the root of the fan-in."""
    mine = [c for c in network.connections if c.target == name]
    fan_in = sum(fan_in_of(network, c.name) for c in mine)
    learns = [network.parameter(c) is not None for c in mine]
    if not any(learns):  # weights of 1: half of a full window
        return max(1, fan_in)
    above, below = CONV_GAIN if isinstance(mine[0].kind, Conv2d) else GAIN
    unit = 1 << (mine[0].current_shift - limits.STATE_SHIFT)
    return max(1, unit * settings.initial_std * isqrt(fan_in << 8) * below // (above << 4))


def rates_of(settings: Settings, network: Network, frames: Frames) -> dict[str, int]:
    """Spikes of each hidden layer and the output in 1000 neurons and steps, of the initial weights."""
    chip = layered_chip(settings, network, None)
    spikes = chip.forward(frames).spikes
    names = [*chip.hidden, "output"]
    return {name: rate(counts, frames) for name, counts in zip(names, spikes, strict=True)}


def rate(counts: NDArray[np.integer], frames: Frames) -> int:
    """Spikes in 1000 neurons and steps."""
    cells = counts.size * frames.bits.shape[1]
    return 1000 * int(counts.sum(dtype=np.int64)) // max(1, cells)


def layered_chip(
    settings: Settings,
    network: Network,
    state: SynapticState | None,
    faults: Faults | None = None,
    generation: int = 0,
) -> GraphEvaluator | Evaluator:
    """The chip of a run on a graph of layers before `generation`, with the state it had or a fresh one.

    A chain of dense layers whose members are whole passes runs on the fused kernel, with the same bits, and a
    network that no compiled executor has on the chip emulator.
    """
    common: dict[str, Any] = {
        "seed": settings.seed,
        "readout_spec": readout(settings),
        "precision": Precision(settings.fraction_bits, settings.momentum_bits),
    }
    state = fresh_state(settings, network) if state is None else state
    workspace = settings.workspace << 20
    by_error: Callable[..., GraphEvaluator] = GraphEvaluator
    members: Callable[..., GraphMembers] = GraphMembers
    fused: Callable[..., Evaluator] = Evaluator
    on_emulator = why_emulated(network)
    if on_emulator:
        check_evolves(settings, on_emulator)
        members = EmulatedMembers
    if faults is not None:
        by_error = partial(FaultyGraphEvaluator, faults=faults, generation=generation)
        form = FaultyEmulatedMembers if on_emulator else FaultyGraphMembers
        members = partial(form, faults=faults, generation=generation)
        fused = partial(FaultyEvaluator, faults=faults, generation=generation)
    if settings.feedback is not None:
        return by_error(
            network,
            state,
            **common,
            noise=layered_noise(settings, network),
            feedback=FeedbackSpec(
                settings.feedback,
                round(settings.local_share * SHARE_ONE),
                settings.readouts == "sum",
                target_rate(settings),
            ),
            workspace_bytes=workspace,
        )
    if settings.credit == "error" and not network.is_dense_chain:
        raise NetworkError(
            "credit by error without a feedback is for chains of dense layers, and this network is none: use "
            "--recipe deep, eggroll or paper, or --feedback gate"
        )
    noise = member_noise(settings, network)
    if network.is_dense_chain and not on_emulator and fused_has(noise, faults):
        signals = [rule.signal for rule in rules_of(settings, len(network.layers))]
        return fused(network, state, **common, noise=noise, signals=signals)
    return members(
        network,
        state,
        **common,
        noise=noise,
        workspace_bytes=workspace,
        readout_signal=rules_of(settings, 2)[1].signal,
    )


def check_evolves(settings: Settings, reason: str) -> None:
    """Raise NetworkError where the rules need a compiled executor; `reason`: why none has the network."""
    hidden, output = rules_of(settings, 2)
    if hidden.noise not in ("low-rank", "full-rank") or output.signal is Signal.ERROR:
        raise NetworkError(
            f"{reason}. The chip emulator runs it, and learns by noise on weights alone, not by the rules "
            f"{hidden.name} and {output.name}: use --recipe eggroll or paper, or --method eggroll or "
            f"full-rank with --credit fitness, --output-rule same and no --feedback"
        )


def target_rate(settings: Settings) -> int:
    """Spikes per step that homeostasis aims at, TARGET_BITS fraction bits; none above 0 is rounded to 0."""
    rounded = round(settings.target_rate * (1 << TARGET_BITS))
    return max(rounded, int(settings.target_rate > 0))


def member_noise(settings: Settings, network: Network) -> NoiseSpec:
    """Noise of whole passes, on each population by its rule; those that learn nothing carry none."""
    hidden, output = rules_of(settings, 2)
    scales, biases, aligned = [], [], []
    for population in network.populations:
        mine = [c for c, _ in network.parameters if c.target == population.name]
        readout = population.name in network.readouts
        rule, sigma = (output, settings.sigma_output) if readout else (hidden, settings.sigma)
        unit = 1 << mine[0].current_shift if mine else 0
        scale = rule.scale(sigma, unit, settings)
        scales.append(scale)
        on_weights = rule.noise in ("low-rank", "full-rank")
        biases.append(round(settings.sigma_bias * unit / FACTOR_STD[settings.noise]) * on_weights)
        aligned.append(rule.noise == "current" and scale > 0)
    return NoiseSpec(
        scale=tuple(scales),
        bias_scale=tuple(biases),
        rank=settings.rank,
        graded=settings.noise == "graded",
        full_rank=hidden.noise == "full-rank",
        aligned=tuple(aligned) if any(aligned) else (),
        period=settings.noise_period,
        window=settings.noise_window << limits.STATE_SHIFT,
        one_sided=settings.estimator == "one-sided",
    )


def layered_noise(settings: Settings, network: Network) -> NoiseSpec:
    """Noise and window of each population, in its own thresholds; readouts carry none."""
    units = [
        0 if p.name in network.readouts else int(p.each("vth_mant").max()) << limits.STATE_SHIFT
        for p in network.populations
    ]
    return NoiseSpec(
        scale=tuple(round(unit * settings.noise_share) for unit in units),
        bias_scale=(0,) * len(units),
        aligned=tuple(unit > 0 for unit in units),
        period=settings.noise_period,
        windows=tuple(round(unit * settings.window_share) for unit in units),
    )


def is_readout(network: Network) -> list[bool]:
    """For each parameter whether it belongs to a readout."""
    return [c.target in network.readouts for c, _ in network.parameters]


def advice(names: Sequence[str], rates: Sequence[int]) -> list[str]:
    """Which hidden layers are dead or saturated, and which setting to change."""
    found = []
    for name, one in zip(names, rates, strict=True):
        if one < EDGES[0]:
            found.append(
                f"{name} is almost silent ({one / 10:.1f} % of neurons and steps): raise "
                f"--initial-std, or lower --learning-rate"
            )
        elif one > EDGES[1]:
            found.append(
                f"{name} is saturated ({one / 10:.0f} % of neurons and steps): lower --learning-rate "
                f"or --initial-std"
            )
    return found
