"""Roofline: the least time of a generation on this machine, from counted operations and measured peak rates.

    bound = int32 operations / rate + int16 additions / rate + words counted / rate + bytes read / rate

docs/performance.md lists what is counted. The peak rates are measured by four loops of one kind of operation
each (kernels/peak_rates.py), with as many threads as the work.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np

from neurosim.kernels import peak_rates
from neurosim.kernels.noise import weight_noise
from neurosim.kernels.simd import LOOKS_UP, TWIN, WIDTH, zeros
from neurosim.network import Network
from neurosim.population.graph import Plan
from neurosim.population.layout import NoiseSpec
from neurosim.population.operators import Operator
from neurosim.population.operators.conv2d import Conv2dOperator
from neurosim.population.state import padded
from neurosim.threads import in_pieces

TURNS = 400_000
"""Iterations of a peak-rate loop: a millisecond or more, so that waking a thread does not matter."""
TABLE, ROW = 4096, 512
"""int16 of a table (8 KiB) and words of a row (4 KiB): both stay in the nearest cache."""
MEMORY = 1 << 23
"""Words that are read from memory: 64 MiB, more than caches hold."""
STEP = 7
"""Operations of a neuron's step: decay (product, sign, rounding, shift), noise, current, threshold."""
BLOCK = 10 * 8 * WIDTH // 8
"""Operations of 128 random bits: ten rounds of eight, of eight blocks in the time of sixteen lanes."""
QUAD = 4
"""Directions per look-up, and axons per look-up where a processor looks up in memory only."""
SIXTEEN = 2 * 3
"""Operations on 16 bits for the current of sixteen axons: three look-ups and their additions."""


class Work(NamedTuple):
    """Counted work: int32 operations (lane), int16 additions (lane), words counted, bytes moved."""

    lanes: float = 0
    sums: float = 0
    words: float = 0
    bytes: float = 0

    def __add__(self, other: object) -> "Work":
        if not isinstance(other, Work):
            return NotImplemented
        return Work(*(a + b for a, b in zip(self, other, strict=True)))

    def times(self, count: float) -> "Work":
        """The same, `count` times."""
        return Work(*(count * part for part in self))

    def seconds(self, rates: "Work") -> float:
        """Least time at these rates a second."""
        return sum(part / rate for part, rate in zip(self, rates, strict=True))


def measure_peak_rates(clock: Callable[[], float] = time.perf_counter) -> Work:
    """Rates a second of this machine by a clock, with as many threads as Numba is set to."""
    threads = numba.get_num_threads()
    table, sums = zeros(TABLE, np.int16), zeros((threads, WIDTH), np.int32)
    numbers = zeros((threads, peak_rates.APART * WIDTH), np.int32)
    rows, others = zeros((threads, ROW), np.uint64), zeros((threads, ROW), np.uint64)
    state = zeros(MEMORY, np.uint64)
    state[:] = 1

    def each(work: Callable[[int, int], object]) -> float:
        work(0, 1)  # compiled, and the caches filled
        began = clock()
        in_pieces(threads, 1, work)
        return clock() - began

    lanes = each(lambda one, _: peak_rates.multiply_and_shift(TURNS, numbers[one]))
    adds = each(lambda one, _: peak_rates.add_shorts(TURNS, table, sums[one]))
    turns = TURNS // 4
    words = each(lambda one, _: peak_rates.count_common(turns, rows[one], others[one]))
    piece = MEMORY // threads // 16 * 16
    read = each(lambda one, _: peak_rates.read_memory(one * piece, (one + 1) * piece, state))
    vectors = threads * TURNS * peak_rates.APART
    return Work(
        lanes=4 * WIDTH * vectors / lanes,
        sums=TWIN * vectors / adds,
        words=threads * turns * ROW / words,
        bytes=8 * threads * piece / read,
    )


def drawing(numbers: int, fields: int, graded: bool) -> Work:
    """Drawing `fields` fields of so many noise numbers."""
    bits = weight_noise.GRADED_BITS if graded else 1
    return Work(lanes=BLOCK * -(-numbers // 128) * fields * bits)


def evaluating(network: Network, spec: NoiseSpec, steps: int, batch: int) -> Work:
    """Both members of one pair on `batch` samples, given the current that members share."""
    shared, drawn = Work(), Work()
    planes = weight_noise.GRADED_PLANES if spec.graded else 1
    for layer, (connection, population) in enumerate(network.layers):
        sources, lanes = network.sizes[connection.source], padded(population.neurons)
        shares = layer == 0 and not spec.one_sided  # members do not share the input of later layers
        apart = 1 if shares else 2
        last = layer == len(network.layers) - 1
        if last:
            lanes = population.neurons  # trials lie side by side, and leave no lane empty
        shared += Work(lanes=2 * STEP * steps * lanes)
        if layer:
            in_vectors = last and LOOKS_UP
            of_neuron = SIXTEEN * -(-sources // 16) if in_vectors else -(-sources // QUAD)
            shared += Work(sums=2 * steps * lanes * of_neuron)
        if not spec.scale[layer]:
            continue
        if spec.of_layer(layer):
            drawn += drawing(population.neurons, steps, spec.graded)
            shared += Work(lanes=spec.directions * steps * lanes)
            continue
        fields = population.neurons if spec.full_rank else spec.rank
        drawn += drawing(sources, fields, spec.graded)
        shared += Work(words=apart * steps * fields * planes * -(-sources // 64))
        if not spec.full_rank:
            drawn += drawing(population.neurons, fields, spec.graded)
            shared += Work(lanes=apart * steps * fields * lanes)
    return shared.times(batch) + drawn.times(spec.directions)


def sharing(network: Network, spikes: float) -> Work:
    """The current of one sample of so many spikes that all members share."""
    lanes = padded(network.layers[0][1].neurons)
    return Work(sums=spikes * lanes)


def accumulating(network: Network, spec: NoiseSpec) -> Work:
    """The sums of one pair for all synapses with noise on weights."""
    work = Work()
    planes = weight_noise.GRADED_PLANES if spec.graded else 1
    for layer, (connection, population) in enumerate(network.layers):
        if not spec.scale[layer] or spec.of_layer(layer):
            continue
        sources, lanes = network.sizes[connection.source], padded(population.neurons)
        fields = population.neurons if spec.full_rank else spec.rank
        work += drawing(sources, fields, spec.graded)
        if spec.full_rank:  # eight bits of f of 64 directions: a popcount for each
            work += Work(words=8 * planes * sources * fields / 64)
        else:
            work += drawing(population.neurons, fields, spec.graded)
            work += Work(sums=fields * planes * sources * lanes / QUAD)
    return work.times(spec.directions)


def presenting(network: Network, spec: NoiseSpec, steps: int, spikes: float) -> Work:
    """The update of an event-aligned first layer, for one sample of so many spikes and its one pair."""
    population = network.layers[0][1]
    if not spec.of_layer(0):
        return Work()
    lanes = padded(population.neurons)
    terms = drawing(population.neurons, steps, spec.graded) + Work(lanes=2 * steps * lanes)
    return terms.times(spec.directions) + Work(lanes=spikes * lanes)


def moving(network: Network) -> Work:
    """One step of all synapses: sums read, states read and written, 16 random bits a lane."""
    work = Work()
    for _, matrix in network.parameters:
        lanes = padded(matrix.columns)
        work += Work(bytes=matrix.rows * lanes * (4 + 2 + 2)) + drawing(
            16 * lanes, matrix.rows, False
        )
    return work


def crediting(plan: Plan, pairs: int, spikes: dict[str, float]) -> Work:
    """Credit by error on a graph of layers, for a sample with `pairs` pairs and so many spikes by part.

    Unperturbed pass, members of each hidden layer, delta rule, update sums. Errors that hidden layers send
    back are not counted: how many depends on their gates.
    """
    work, steps = Work(), plan.steps
    for layer in plan.layers:
        hidden = layer.name not in plan.readouts
        lanes = layer.lanes if hidden else layer.neurons
        for operator in (*layer.incoming, *layer.recurrent):
            visits = spikes[operator.connection.source] * operator.synapses / operator.sources
            work += Work(sums=min(visits, _looked_up(operator) * steps))
            if operator.parameter is not None and hidden:
                work += Work(lanes=visits)
            elif operator.parameter is not None:  # delta rule, and errors of the readout
                work += Work(lanes=(2 + 2) * operator.synapses)
        work += Work(lanes=STEP * steps * lanes)
        if hidden:
            work += drawing(layer.neurons, steps, False).times(pairs)
            work += Work(lanes=pairs * (2 * STEP + 2) * steps * lanes)
    return work


def _looked_up(operator: Operator) -> float:
    """Additions of a convolution that looks up a step's currents; without limit for other kinds."""
    return operator.looked_up if isinstance(operator, Conv2dOperator) else float("inf")
