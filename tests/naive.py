"""Naive oracle of training: plain Python integers, loop by loop, no kernel imported.

Written from docs/chip.md section 1, docs/eggroll.md sections 2 and 5 and the docstrings of the kernels:
each function here says one rule once more, slowly. Tests compare bits, never closeness.
"""

from math import isqrt
from typing import NamedTuple

LIMIT = (1 << 23) - 1
MASK = 0xFFFFFFFF
OUTPUT_FACTOR, INPUT_FACTOR, BIAS, FULL_RANK, ROUNDING, BIAS_ROUNDING, INITIAL, SHUFFLE = range(8)
ALIGNED = 9


# --- random numbers ------------------------------------------------------------------------------


def philox4x32(counter, key):
    """Philox4x32-10 (Salmon et al. 2011): four 32-bit words."""
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [p1 >> 32 ^ c[1] ^ k[0], p1 & MASK, p0 >> 32 ^ c[3] ^ k[1], p0 & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return tuple(c)


class Field(NamedTuple):
    """Whose noise: the named fields of the counter, and the seed."""

    stream: int
    layer: int
    direction: int
    generation: int
    seed: int


def word(field, index):
    """64-bit word `index` of a noise field: half of block index // 2."""
    counter = (index // 2, field.stream << 16 | field.layer, field.direction, field.generation)
    block = philox4x32(counter, (field.seed & MASK, field.seed >> 32))
    low, high = block[2 * (index % 2) : 2 * (index % 2) + 2]
    return low | high << 32


def row_words(count):
    """Words of a row of `count` bits in whole 64-byte lines."""
    return -(-count // 512) * 8


def lane_words(neurons):
    """Words of a field with a number a neuron: whole blocks of the generator."""
    return -(-neurons // 128) * 2


def numbers(field, count, words, component, graded):
    """The first `count` noise numbers of component `component`, whose row is `words` long."""

    def bits(row):
        drawn = [word(field, row * words + index) for index in range(-(-count // 64))]
        return [drawn[number // 64] >> number % 64 & 1 for number in range(count)]

    if not graded:
        return [2 * bit - 1 for bit in bits(component)]
    rows = [bits(16 * component + bit) for bit in range(16)]
    return [sum(column) - 8 for column in zip(*rows, strict=True)]


class Perturbation(NamedTuple):
    """E of one layer and direction, unscaled: entries (source, neuron), and its bias noise (neuron,)."""

    entries: list
    biases: list


def perturbation(spec, layer, sources, neurons, words, direction, generation, seed):
    """E = sum_r A_r B_r^T, or E itself; `words` is the row length of a field of sources."""

    def field(stream):
        return Field(stream, layer, direction, generation, seed)

    if spec.full_rank:
        columns = [
            numbers(field(FULL_RANK), sources, words, neuron, spec.graded)
            for neuron in range(neurons)
        ]
        entries = [list(row) for row in zip(*columns, strict=True)]
    else:
        entries = [[0] * neurons for _ in range(sources)]
        for r in range(spec.rank):
            a = numbers(field(OUTPUT_FACTOR), neurons, lane_words(neurons), r, spec.graded)
            b = numbers(field(INPUT_FACTOR), sources, words, r, spec.graded)
            for source in range(sources):
                for neuron in range(neurons):
                    entries[source][neuron] += a[neuron] * b[source]
    return Perturbation(entries, numbers(field(BIAS), neurons, lane_words(neurons), 0, spec.graded))


def noise_rows(network):
    """Row length, in words, of the noise of each layer's sources: as its rows of spikes are laid out."""
    widest = max(-(-layer.neurons // 16) * 16 for _, layer in network.layers)
    inputs = network.sizes[network.layers[0][0].source]
    return [row_words(inputs)] + [row_words(widest)] * (len(network.layers) - 1)


# --- neurons -------------------------------------------------------------------------------------


def decay(x, d):
    """D(x, d) = sign(x) * ((|x| * (4096 - d)) >> 12)."""
    size = abs(x) * (4096 - d) >> 12
    return size if x >= 0 else -size


def clamp(x):
    """x, or the nearest end of a 24-bit register."""
    return max(-LIMIT, min(LIMIT, x))


def neuron_steps(currents, du, dv, bias, threshold):
    """One neuron over time: [(u, v after reset, spike, saturated registers, v before reset)]."""
    u = v = 0
    seen = []
    for current in currents:
        exact_u = decay(u, du + 1) + current
        u = clamp(exact_u)
        exact_v = decay(v, dv) + u + bias
        before = clamp(exact_v)
        spike = before > threshold
        v = 0 if spike else before
        seen.append((u, v, int(spike), (u != exact_u) + (before != exact_v), before))
    return seen


def each(value, index):
    """A register that is one value, or one for each neuron."""
    return value[index] if isinstance(value, tuple) else value


class Seen(NamedTuple):
    """What a network did with one sample."""

    potentials: list  # (class,) sum over steps of v after reset
    counts: list  # (class,)
    spikes: list  # (layer, step, neuron)
    saturated: int
    membranes: list  # (layer, step, neuron) v before reset


def run(network, weights, frames, noise=None, sign=0, scale=None, bias_scale=None, aligned=None):
    """One sample, 0/1 (step, input), through all layers, with sign * scale * noise on every weight.

    aligned  for each layer None, or numbers (step, neuron) that are the noise of its current instead
    """
    spikes = [[int(x) for x in step] for step in frames]
    saturated, everything, membranes = 0, [], []
    aligned = aligned or [None] * len(network.layers)
    for index, (connection, layer) in enumerate(network.layers):
        mantissas = weights.mantissas[index].tolist()
        currents = [[0] * layer.neurons for _ in spikes]
        for t, arriving in enumerate(spikes):
            for source, spike in enumerate(arriving):
                if spike:
                    for k in range(layer.neurons):
                        currents[t][k] += mantissas[source][k] << connection.current_shift
                        if noise and aligned[index] is None:
                            drive = scale[index] * noise[index].entries[source][k]
                            currents[t][k] += sign * drive
            if aligned[index] is not None:
                for k in range(layer.neurons):
                    currents[t][k] += sign * scale[index] * aligned[index][t][k]
        outputs, sums, counts, before = [], [], [], []
        for k in range(layer.neurons):
            mantissa = int(weights.biases[index][k]) + each(layer.bias_mant, k)
            bias = mantissa << each(layer.bias_exp, k)
            if noise:
                bias += sign * bias_scale[index] * noise[index].biases[k]
            steps = neuron_steps(
                [row[k] for row in currents],
                each(layer.du, k),
                each(layer.dv, k),
                bias,
                each(layer.vth_mant, k) << 6,
            )
            outputs.append([step[2] for step in steps])
            before.append([step[4] for step in steps])
            sums.append(sum(step[1] for step in steps))
            counts.append(sum(step[2] for step in steps))
            saturated += sum(step[3] for step in steps)
        spikes = [list(row) for row in zip(*outputs, strict=True)]
        everything.append(spikes)
        membranes.append([list(row) for row in zip(*before, strict=True)])
    return Seen(sums, counts, everything, saturated, membranes)


def aligned_noise(network, spec, unperturbed, direction, generation, seed):
    """For each layer None, or its event-aligned noise (step, neuron) on the sample seen `unperturbed`."""
    turns = spec.aligned_indices()
    found = []
    for layer, (_, population) in enumerate(network.layers):
        if turns[layer] < 0:
            found.append(None)
            continue
        mine = spec.scale[layer] != 0 and direction % (max(turns) + 1) == turns[layer]
        field = Field(ALIGNED, layer, direction, generation, seed)
        rows = []
        for t, membrane in enumerate(unperturbed.membranes[layer]):
            row = [0] * population.neurons
            if mine and t % spec.period == 0:
                words = lane_words(population.neurons)
                row = numbers(field, population.neurons, words, t, spec.graded)
            for k, v in enumerate(membrane):
                if spec.window and abs(v - (each(population.vth_mant, k) << 6)) > spec.window:
                    row[k] = 0
            rows.append(row)
        found.append(rows)
    return found


# --- fitness -------------------------------------------------------------------------------------


def power_of_two(index):
    """2^(-index / 1024), 16 fraction bits, rounded: the 1024th root by ten exact square roots."""
    value = 1 << (17 * 1024 - index)
    for _ in range(10):
        value = isqrt(value)
    return (value + 1) // 2


def logarithm(index):
    """log2(1 + index / 1024), 10 fraction bits, rounded down."""
    return ((1024 + index) ** 1024).bit_length() - 1 - 10 * 1024


POWERS = [power_of_two(index) for index in range(1024)]
LOGARITHMS = [logarithm(index) for index in range(1024)]


def log2(x):
    """log2 of a positive integer, 10 fraction bits, mantissa truncated to 10 bits."""
    whole = x.bit_length() - 1
    return whole * 1024 + LOGARITHMS[(x * 1024 >> whole) - 1024]


def log_likelihood(scores, label, multiplier, shift):
    """z_label - log2(sum_c 2^z_c) in units of 2^-10 bit, z_c = (score_c * multiplier) >> shift."""
    logits = [score * multiplier >> shift for score in scores]
    top = max(logits)
    total = sum(POWERS[(top - z) % 1024] >> ((top - z) // 1024) for z in logits)
    return logits[label] - top - (log2(total) - 16 * 1024)


def members(spec, pair):
    """(sign, number of the direction) of both members: +E and -E of one, or each a direction of its own."""
    if spec.one_sided:
        return (1, 2 * pair), (-1, 2 * pair + 1)
    return (1, pair), (-1, pair)


def fitness(network, weights, spec, readout, dense, labels, groups, pairs, generation, seed):
    """Fitness and saturated registers of both members, [(plus, minus)] for each pair in `pairs`."""
    rows = noise_rows(network)
    unperturbed = {
        sample: run(network, weights, dense[sample]) for group in groups for sample in group
    }
    each_group = len(pairs) // len(groups)
    scores, edges = [], []
    for index, pair in enumerate(pairs):
        of_pair, edges_of_pair = [], []
        for sign, number in members(spec, pair):
            noise = [
                perturbation(
                    spec,
                    layer,
                    network.sizes[connection.source],
                    population.neurons,
                    rows[layer],
                    number,
                    generation,
                    seed,
                )
                for layer, (connection, population) in enumerate(network.layers)
            ]
            total = saturated = 0
            for sample in groups[index // each_group]:
                along = aligned_noise(network, spec, unperturbed[sample], number, generation, seed)
                seen = run(
                    network, weights, dense[sample], noise, sign, spec.scale, spec.bias_scale, along
                )
                score = seen.potentials if readout.membrane else seen.counts
                total += log_likelihood(
                    score, int(labels[sample]), readout.multiplier, readout.shift
                )
                hidden = sum(sum(row) for layer in seen.spikes[:-1] for row in layer)
                total -= hidden * readout.spike_cost // 64
                saturated += seen.saturated
            of_pair.append(total)
            edges_of_pair.append(saturated)
        scores.append(of_pair)
        edges.append(edges_of_pair)
    return scores, edges


# --- weights -------------------------------------------------------------------------------------


def sums(network, spec, layer, coefficients, directions, generation, seed):
    """sum over directions of f * E, and of f * bias noise: (source, neuron) and (neuron,)."""
    connection, population = network.layers[layer]
    sources, neurons = network.sizes[connection.source], population.neurons
    of_synapses = [[0] * neurons for _ in range(sources)]
    of_biases = [0] * neurons
    for f, direction in zip(coefficients, directions, strict=True):
        noise = perturbation(
            spec, layer, sources, neurons, noise_rows(network)[layer], direction, generation, seed
        )
        for k in range(neurons):
            of_biases[k] += int(f) * noise.biases[k] * (spec.bias_scale[layer] != 0)
            for source in range(sources):
                of_synapses[source][k] += (
                    int(f) * noise.entries[source][k] * (spec.scale[layer] != 0)
                )
    return of_synapses, of_biases


def softmax_errors(scores, label, multiplier, shift):
    """127 * (1 where the class is the label) - 127 * softmax, rounded to nearest."""
    logits = [score * multiplier >> shift for score in scores]
    powers = [POWERS[(max(logits) - z) % 1024] >> ((max(logits) - z) // 1024) for z in logits]
    total = sum(powers)
    return [
        127 * (k == label) - (2 * 127 * power + total) // (2 * total)
        for k, power in enumerate(powers)
    ]


def trace(spikes, du, dv):
    """What a readout's membrane would make of one neuron's spikes, summed over time, >> 4."""
    current = filtered = total = 0
    for spike in spikes:
        current = decay(current, du + 1) + 64 * spike
        filtered = decay(filtered, dv) + current
        total += filtered
    return total >> 4


def credits(network, weights, spec, readout, dense, label, pair, generation, seed, largest):
    """What the event-aligned noise of a pair was worth to each hidden neuron, from the readout's errors."""
    seen = run(network, weights, dense)
    scores = seen.potentials if readout.membrane else seen.counts
    errors = softmax_errors(scores, label, readout.multiplier, readout.shift)
    noise = aligned_noise(network, spec, seen, pair, generation, seed)
    last = network.layers[1][1]
    traces = []
    for sign in (1, -1):
        member = run(network, weights, dense, None, sign, spec.scale, None, noise)
        trains = zip(*member.spikes[0], strict=True)
        traces.append([trace(train, each(last.du, 0), each(last.dv, 0)) for train in trains])
    found = []
    for k, (plus, minus) in enumerate(zip(*traces, strict=True)):
        feedback = sum(e * int(w) for e, w in zip(errors, weights.mantissas[1][k], strict=True))
        found.append(max(-largest, min(largest, feedback * (plus - minus) >> 5)))
    return found


def event_aligned_sums(
    network,
    weights,
    spec,
    readout,
    dense,
    labels,
    groups,
    coefficients,
    directions,
    generation,
    seed,
    delta,
):
    """Update sums of the rules that run the samples again: (synapses, biases) of each layer.

    coefficients  a number a direction, or a list of one a neuron
    """
    found = [
        (
            [[0] * population.neurons for _ in range(network.sizes[connection.source])],
            [0] * population.neurons,
        )
        for connection, population in network.layers
    ]
    each_group = len(directions) // len(groups)
    for index, (f, direction) in enumerate(zip(coefficients, directions, strict=True)):
        sample = groups[index // each_group][0]
        seen = run(network, weights, dense[sample])
        inputs = [dense[sample].tolist(), *seen.spikes]
        for layer, rows in enumerate(
            aligned_noise(network, spec, seen, direction, generation, seed)
        ):
            for t, row in enumerate(rows or []):
                for k, number in enumerate(row):
                    utilities = f[k] if isinstance(f, list) else int(f)
                    found[layer][1][k] += utilities * number
                    for j, spike in enumerate(inputs[layer][t]):
                        found[layer][0][j][k] += utilities * number * int(spike)
    for sample in [sample for group in groups for sample in group] if delta else []:
        seen = run(network, weights, dense[sample])
        scores = seen.potentials if readout.membrane else seen.counts
        errors = softmax_errors(scores, int(labels[sample]), readout.multiplier, readout.shift)
        population = network.layers[-1][1]
        inputs = [dense[sample].tolist(), *seen.spikes][len(network.layers) - 1]
        for k, error in enumerate(errors):
            found[-1][1][k] += error
            for j, spikes in enumerate(zip(*inputs, strict=True)):
                found[-1][0][j][k] += error * trace(spikes, population.du, population.dv)
    return found


def momentum(old, sum, bits):
    """old, less its 2^-bits (towards zero), plus the sum, within 32 bits."""
    lost = abs(old) >> bits
    most = (1 << 31) - 1
    return max(-most, min(most, old - (lost if old > 0 else -lost) + sum))


def rounding(stream, layer, generation, seed, place):
    """The 16 random bits that round number `place` of a layer."""
    return word(Field(stream, layer, 0, generation, seed), place // 4) >> 16 * (place % 4) & 0xFFFF


def move(state, direction, rate, lost, random, low, high):
    """state + (direction * rate - state * lost) / 2^32, rounded by 16 random bits, inside low .. high."""
    exact = direction * rate - state * lost + (random << 16)
    return max(low, min(high, state + (exact >> 32)))


def step_per_unit(step, directions):
    """The rate at which the mean |direction| moves a state by `step`."""
    flat = [abs(int(x)) for row in directions for x in row]
    return step * len(flat) // sum(flat) if sum(flat) else 0
