"""General executor: a graph of layers, a layer at a time over a block of trials.

    for each layer in topological order:
        currents of its connections       population/operators
        neurons, all steps of a trial     kernels/executors/layer.py; step by step where it is recurrent

A trial is a sample. Spikes are bit-packed between layers, in lane order. Each thread has one `Workspace`,
whose size in bytes determines the number of trials in a block. Trials share no state, so any division into
blocks and threads gives the same bits.
"""

from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.data.frames import words_for
from neurosim.kernels.arithmetic import decay_factors
from neurosim.kernels.executors import layer as neurons
from neurosim.kernels.executors.layer import LayerKernels, compile_layer
from neurosim.kernels.generator import lane_words
from neurosim.kernels.neurons.integration import OwnDecays
from neurosim.kernels.neurons.model import NeuronKernel
from neurosim.kernels.noise.layer_noise import Factors, add_noise
from neurosim.kernels.rules.event_aligned import NO_NEURON
from neurosim.kernels.rules.layer_error import trace_kernel
from neurosim.kernels.simd import WIDTH, zeros
from neurosim.kernels.spikes import Source
from neurosim.network import Network, NetworkError, Population, Weights
from neurosim.network.neurons.kernel import kernel_of
from neurosim.network.shapes import lane_order
from neurosim.population.layout import (
    CURRENT_LIMIT,
    UNTRAINED,
    _headroom,
    _uniform,
    check_readout,
    check_registers,
    check_shift,
    decays_of,
    own_decays,
)
from neurosim.population.operators import Operator, cells, flat, operator_of
from neurosim.population.state import padded

WORKSPACE_BYTES = 16 << 20
"""Bytes of a thread's workspace, as far as one trial allows: of 2 to 32 MiB the fastest; chosen
by measurement (docs/notes/layers.md)."""


class Constants(NamedTuple):
    """Registers of a layer that do not depend on the weights, neurons in lane order.

    order             int64 (neuron,): the place in the description of each lane's neuron
    mantissa, exponent  int64 (neuron,): of the bias that the description gives
    threshold, numbers, own_decays  as in `Registers`
    decay_u, decay_v  the slowest
    """

    order: NDArray[np.int64]
    mantissa: NDArray[np.int64]
    exponent: NDArray[np.int64]
    threshold: NDArray[np.int32]
    numbers: NDArray[np.int32]
    own_decays: OwnDecays | None
    decay_u: int
    decay_v: int


def _constants(population: Population) -> Constants:
    order = lane_order(population.shape)
    lanes = padded(population.neurons)
    threshold = np.full(lanes, NO_NEURON >> 1, np.int32)  # a model may add to it
    threshold[: population.neurons] = population.each("vth_mant")[order] << limits.STATE_SHIFT
    decays = decays_of(population)[:, order]
    decay_u, decay_v = decays.min(axis=1).tolist()
    numbers = (*decay_factors(decay_u), *decay_factors(decay_v), *population.model.registers())
    return Constants(
        order,
        population.each("bias_mant")[order],
        population.each("bias_exp")[order],
        threshold,
        np.array(numbers, np.int32),
        own_decays([decays], lanes),
        decay_u,
        decay_v,
    )


class LayerPlan(NamedTuple):
    """A layer of the executor: everything that does not depend on the weights.

    number    place of the population in the description: of its biases, and of its streams
    incoming  operators of the connections that feed it; recurrent: those from itself
    outgoing  names of the populations that it feeds, itself apart
    """

    population: Population
    constants: Constants
    number: int
    lanes: int
    channels: int
    incoming: tuple[Operator, ...]
    recurrent: tuple[Operator, ...]
    outgoing: tuple[str, ...]
    model: NeuronKernel

    @property
    def name(self) -> str:
        """Name of the population."""
        return self.population.name

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return self.population.neurons

    @property
    def kernels(self) -> LayerKernels:
        """Compiled kernels of the neuron model."""
        return compile_layer(self.model)


class Loaded(NamedTuple):
    """A layer with the weights of a generation: registers, and whether its currents are int16."""

    registers: neurons.Registers
    narrow: bool
    bound: int
    headroom: int


class Plan:
    """A network for samples of so many steps, and the order in which it runs.

    lost_axons  bool (source,), channels last, of connections by name
    """

    def __init__(
        self,
        network: Network,
        steps: int,
        lost_axons: Mapping[str, NDArray[np.bool_]] = MappingProxyType({}),
    ) -> None:
        check_graph(network)
        self.network, self.steps = network, steps
        self.input = network.inputs[0]
        operators = {c.name: operator_of(network, c, steps) for c in network.connections}
        for name, axons in lost_axons.items():
            operators[name].lose(axons)
        numbers = {p.name: index for index, p in enumerate(network.populations)}
        self.layers = [
            LayerPlan(
                layer.population,
                _constants(layer.population),
                numbers[layer.population.name],
                padded(layer.population.neurons),
                layer.population.shape[0],
                tuple(operators[c.name] for c in layer.incoming),
                tuple(operators[c.name] for c in layer.recurrent),
                tuple(
                    c.target
                    for c in network.connections
                    if c.source == layer.population.name and not c.recurrent
                ),
                kernel_of(layer.population),
            )
            for layer in network.graph
        ]
        self.by_name = {layer.name: layer for layer in self.layers}
        self.readouts = network.readouts
        self.output = self.readouts[0]
        self.operators = [operators[c.name] for c, _ in network.parameters]
        output = self.by_name[self.output].population
        self.kernel = trace_kernel(_uniform(output, "du") + 1, _uniform(output, "dv"), steps)
        self.lead = {
            name: max(
                (operators[c.name].delay for c in network.connections if c.source == name),
                default=0,
            )
            for name in network.sizes
        }

    def load(
        self, weights: Weights, noise: dict[str, int], on_biases: dict[str, int] | None = None
    ) -> dict[str, Loaded]:
        """Take the weights of a generation.

        noise, on_biases  the largest number that noise adds to a layer's currents, and to its biases
        """
        for operator, matrix in zip(self.operators, weights.mantissas, strict=True):
            operator.load(matrix)
        return {
            layer.name: self._loaded(
                layer,
                weights.biases[layer.number],
                noise.get(layer.name, 0),
                (on_biases or {}).get(layer.name, 0),
            )
            for layer in self.layers
        }

    def _loaded(
        self, layer: LayerPlan, biases: NDArray[np.int16], noise: int, on_biases: int
    ) -> Loaded:
        fixed = layer.constants
        each = np.repeat(biases.astype(np.int64), layer.neurons // len(biases))
        bias = np.zeros(layer.lanes, np.int32)
        bias[: layer.neurons] = (fixed.mantissa + each[fixed.order]) << fixed.exponent
        incoming = (*layer.incoming, *layer.recurrent)
        return Loaded(
            neurons.Registers(bias[None, :], fixed.threshold, fixed.numbers, fixed.own_decays),
            len(incoming) == 1 and incoming[0].narrow,
            sum(operator.bound for operator in incoming) + noise,
            _headroom(
                fixed.decay_u, fixed.decay_v, int(np.abs(bias).max()) + on_biases, self.steps
            ),
        )

    def trial_bytes(self, pairs: int) -> int:
        """Approximate bytes of a workspace for one trial."""
        return sum(layer.lanes for layer in self.layers) * self.lane_bytes(pairs) + self.spike_bytes

    def lane_bytes(self, pairs: int) -> int:
        """Approximate bytes of a neuron of a trial."""
        return 6 * self.steps + 28 + 2 * pairs

    @property
    def spike_bytes(self) -> int:
        """Approximate bytes of the spikes of a trial, and of what connections make of them."""
        own = sum(
            o.trial_bytes for layer in self.layers for o in (*layer.incoming, *layer.recurrent)
        )
        return own + self.steps * sum(self.network.sizes.values()) // 4

    def block(self, pairs: int, most: int) -> int:
        """Trials of a block whose workspace has at most `most` bytes; 1 at least."""
        return max(1, most // self.trial_bytes(pairs))


def check_graph(network: Network) -> None:
    """Raise NetworkError, naming the layer, unless the general executor computes this network exactly."""
    check_parts(network)
    for connection in network.connections:
        if connection.sign_mode != "mixed" or connection.message_bits:
            raise NetworkError(
                f"connection {connection.name}: compiled executors need sign_mode 'mixed' and message_bits "
                f"0, not {connection.sign_mode!r} and {connection.message_bits}"
            )
        check_shift(connection)
    for layer in network.graph:
        population = layer.population
        fan_in = sum(fan_in_of(network, c.name) for c in (*layer.incoming, *layer.recurrent))
        largest = fan_in << (7 + max(c.current_shift for c in layer.incoming))
        if largest >= CURRENT_LIMIT:
            raise NetworkError(
                f"layer {population.name!r}: a fan-in of {fan_in} could add {largest} to u; allowed is "
                f"less than {CURRENT_LIMIT}: use fewer sources, or in Python a lower weight_exp"
            )
        check_registers(population, (*UNTRAINED, "refractory"))
        kernel_of(population)
        if population.name in network.readouts:
            check_readout(population)


def check_parts(network: Network) -> None:
    """Raise NetworkError, naming the layer, unless the network has one input and each layer is fed."""
    if len(network.inputs) != 1:
        raise NetworkError(
            f"learning needs one input; this network has {[part.name for part in network.inputs]}"
        )
    for layer in network.graph:
        if not layer.incoming:
            raise NetworkError(f"layer {layer.population.name!r}: no connection feeds it; add one")


def fan_in_of(network: Network, name: str) -> int:
    """Synapses of one neuron of a connection's target, those at the edge of a map apart."""
    connection = next(c for c in network.connections if c.name == name)
    matrix = network.parameter(connection)
    if matrix is None:
        return len(network.expand(connection).sources) // network.sizes[connection.target]
    if matrix.columns == network.sizes[connection.target]:
        return network.sizes[connection.source]
    return matrix.rows


class Area(NamedTuple):
    """A layer's part of a workspace, for a block of trials; flat arrays, see kernels/executors/layer.py."""

    spikes: Source
    narrow: NDArray[np.int16]
    wide: NDArray[np.int32]
    added: NDArray[np.int32]
    masks: NDArray[np.uint16]
    traces: NDArray[np.int32]
    potentials: NDArray[np.int64]
    counts: NDArray[np.int64]
    state: NDArray[np.int32]
    errors: NDArray[np.int32]
    sent: NDArray[np.int32]
    deltas: NDArray[np.int32]
    terms: NDArray[np.int16]
    credits: NDArray[np.int16]
    active: NDArray[np.uint8]


class Workspace:
    """Memory that one thread writes to while it runs a block of up to `block` trials."""

    def __init__(self, plan: Plan, block: int, pairs: int) -> None:
        self.plan, self.block = plan, block
        words = words_for(plan.input.size)
        lead = plan.lead[plan.input.name]
        self.input = Source(zeros((block, lead + plan.steps, words), np.uint64), lead)
        self.areas = {layer.name: _area(plan, layer, block, pairs) for layer in plan.layers}
        self.scratch = {
            operator.name: operator.scratch(block)
            for layer in plan.layers
            for operator in (*layer.incoming, *layer.recurrent)
        }
        widest = max(layer.lanes for layer in plan.layers)
        self.planes = zeros(pairs * plan.steps * lane_words.py_func(widest), np.uint64)
        self.numbers = zeros((2 * pairs, WIDTH), np.int32)
        self.saturated = np.zeros(block, np.int64)
        self.factors: dict[str, Factors] = {}
        self.kept_factors: dict[Hashable, Factors] = {}
        self.add_aligned: dict[str, AddAligned] = {}
        self.labels = np.zeros(block, np.uint16)
        self.fitness = np.zeros(block, np.int64)
        sources = max(
            padded(operator.sources) for layer in plan.layers for operator in layer.incoming
        )
        self.sent = zeros((block, sources), np.int32)

    def source(self, name: str) -> Source:
        """The spikes of a part."""
        return self.input if name == self.plan.input.name else self.areas[name].spikes


def _area(plan: Plan, layer: LayerPlan, block: int, pairs: int) -> Area:
    lanes, steps = layer.lanes, plan.steps
    cells = block * steps * lanes
    lead = plan.lead[layer.name]
    hidden = layer.name not in plan.readouts
    both = len(layer.incoming) + len(layer.recurrent) > 1
    return Area(
        Source(zeros((block, lead + steps, words_for(lanes)), np.uint64), lead),
        flat(cells, np.int16),
        flat(cells, np.int32),
        flat(cells if both else 0, np.int32),
        flat(cells // WIDTH, np.uint16),
        zeros((block, lanes), np.int32),
        zeros((block, lanes), np.int64),
        zeros((block, lanes), np.int64),
        flat(block * (2 + layer.model.variables) * lanes if layer.recurrent else 0, np.int32),
        zeros((block, lanes), np.int32),
        zeros((block, lanes), np.int32),
        zeros((block, lanes), np.int32),
        flat(cells, np.int16),
        flat(block * pairs * lanes if hidden else 0, np.int16),
        np.zeros(block, np.uint8),
    )


Options = Callable[[LayerPlan, Area, NDArray[np.int64]], neurons.Kept]
AddAligned = Callable[[LayerPlan, Area, int], None]
"""Adds event-aligned noise to the currents int32 of a layer, of so many trials."""


def inference(layer: LayerPlan, area: Area, saturated: NDArray[np.int64]) -> neurons.Kept:
    """Results of an unperturbed pass without learning: spikes of all layers, and scores of readouts."""
    return kept(area, saturated, read=True, goes_on=bool(layer.recurrent))


def kept(
    area: Area,
    saturated: NDArray[np.int64],
    *,
    window: int = 0,
    traced: bool = False,
    read: bool = False,
    goes_on: bool = False,
) -> neurons.Kept:
    """Outputs of `forward_layer` beside spikes."""
    return neurons.Kept(
        area.masks,
        window,
        area.traces,
        traced,
        area.potentials,
        area.counts,
        read,
        area.state,
        goes_on,
        saturated,
    )


def forward(work: Workspace, loaded: dict[str, Loaded], count: int, options: Options) -> None:
    """Run the unperturbed network on the first `count` trials of a workspace."""
    work.saturated[:count] = 0
    for layer in work.plan.layers:
        run_layer(work, layer, loaded[layer.name], count, options)


def currents(
    work: Workspace, layer: LayerPlan, loaded: Loaded, count: int
) -> tuple[NDArray[Any], int]:
    """Input currents (trial, step, lane) of a layer, and the shift from their units to units of u."""
    area = work.areas[layer.name]
    memory, shift = (area.narrow, layer.incoming[0].shift) if loaded.narrow else (area.wide, 0)
    return cells(memory, count, work.plan.steps, layer.lanes), shift


def run_layer(
    work: Workspace, layer: LayerPlan, loaded: Loaded, count: int, options: Options
) -> None:
    """Currents and neurons of one layer."""
    if _in_step(work, layer):
        _run_members(work, layer, loaded, count)
        return
    area, every = work.areas[layer.name], range(work.plan.steps)
    current, shift = currents(work, layer, loaded, count)
    for index, operator in enumerate(layer.incoming):
        source = work.source(operator.connection.source)
        out = cells(area.added, *current.shape) if index else current
        _current(work, operator, every, source, out)
        if index:
            np.add(current, out, out=current)
    if layer.name in work.add_aligned:
        work.add_aligned[layer.name](layer, area, count)
    keep = options(layer, area, work.saturated)
    if not layer.recurrent:
        _run_neurons(work, layer, loaded, every, current, shift, keep)
        return
    for array in (area.state, area.traces, area.potentials, area.counts):
        array[:] = 0
    for t in every:
        for operator in layer.recurrent:
            added = cells(area.added, *current.shape)
            _current(work, operator, range(t, t + 1), area.spikes, added)
            current[:, t] += added[:, t]
        _run_neurons(work, layer, loaded, range(t, t + 1), current, shift, keep)


def in_step(plan: Plan, layer: LayerPlan) -> bool:
    """Whether the neurons of a layer can add noise of low rank on its matrix themselves, in each step."""
    one = len(layer.incoming) == 1 and layer.incoming[0].has_dots
    return one and not layer.recurrent and layer.name not in plan.readouts


def _in_step(work: Workspace, layer: LayerPlan) -> bool:
    if not in_step(work.plan, layer) or layer.name in work.add_aligned:
        return False
    factors = work.factors.get(layer.incoming[0].connection.name)
    return factors is not None and not factors.full_rank


def _run_members(work: Workspace, layer: LayerPlan, loaded: Loaded, count: int) -> None:
    """Currents without noise, dot products, and neurons of a layer whose matrix carries noise of low rank."""
    (operator,) = layer.incoming
    name, source = operator.name, work.source(operator.connection.source)
    factors, scratch, every = work.factors[name], work.scratch[name], range(work.plan.steps)
    distinct = -(-count // source.repeats)
    current, shift = currents(work, layer, loaded, distinct)
    operator.current(scratch, every, source, current)
    noise = operator.dots(scratch, count, every, source, factors)
    numbers = (count >> noise.together) * noise.factors * work.plan.steps * noise.positions
    largest = int(neurons.largest_number(0, numbers, noise.products))
    free = is_free(work, layer, loaded, distinct, largest * noise.factors * factors.largest)
    kernel = layer.kernels.members_free if free else layer.kernels.members_checked
    kernel(
        layer.neurons,
        loaded.registers,
        current,
        source.repeats,
        shift,
        noise,
        work.areas[layer.name].spikes,
        work.saturated[:count],
    )


def _current(
    work: Workspace, operator: Operator, span: range, source: Source, out: NDArray[Any]
) -> None:
    """The current of a connection, and that of the noise on its matrix where trials carry some."""
    name, count = operator.name, len(out)
    scratch, repeats = work.scratch[name], source.repeats
    distinct = -(-count // repeats)
    operator.current(scratch, span, source, out[:distinct])
    if repeats > 1:
        for one in reversed(range(distinct)):
            out[one * repeats : (one + 1) * repeats] = out[one]
    factors = work.factors.get(name)
    if factors is not None and not operator.has_dots:
        operator.add_noise(span, source, factors, out)
    elif factors is not None:
        dots = operator.dots(scratch, count, span, source, factors)
        add_noise(span.start, span.stop, dots, factors.full_rank, operator.neurons, out)


def _run_neurons(
    work: Workspace,
    layer: LayerPlan,
    loaded: Loaded,
    span: range,
    current: NDArray[Any],
    shift: int,
    keep: neurons.Kept,
) -> None:
    kernels, spikes = layer.kernels, work.areas[layer.name].spikes
    free = is_free(work, layer, loaded, len(current), 0)
    kernel = kernels.forward_free if free else kernels.forward_checked
    kernel(
        span.start,
        span.stop,
        loaded.registers,
        current,
        shift,
        work.plan.kernel,
        spikes,
        keep,
    )


def is_free(work: Workspace, layer: LayerPlan, loaded: Loaded, count: int, noise: int) -> bool:
    """Whether no register of the layer can saturate, by its weights or by the currents of this block.

    noise  the most that is added to the currents of the first `count` trials
    """
    if loaded.bound <= loaded.headroom:
        return True
    if layer.recurrent:
        return False
    current, shift = currents(work, layer, loaded, count)
    largest = int(neurons.largest_number(0, current.size, current.reshape(-1)))
    return (largest << shift) + noise <= loaded.headroom
