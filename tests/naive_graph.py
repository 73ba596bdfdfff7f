"""Naive oracle of graphs of layers: plain Python integers, synapse by synapse, no kernel imported.

Layers run one after another, all steps of one before the next; a recurrent spike arrives a step later.
"""

from math import isqrt
from typing import NamedTuple

from naive import (
    ALIGNED,
    BIAS,
    Field,
    clamp,
    decay,
    each,
    lane_words,
    log_likelihood,
    members,
    numbers,
    perturbation,
    softmax_errors,
)

EDGE = (1 << 15) - 1


def synapses(network, weights):
    """Those of `written` over whose axons spikes arrive: all."""
    return written(network, weights)


def written(network, weights):
    """By connection: (source, target, weight, place of the weight in its matrix) of each synapse."""
    matrices = {c.name: m for (c, _), m in zip(network.parameters, weights.mantissas, strict=True)}
    found = {}
    for connection in network.connections:
        matrix = matrices.get(connection.name)
        made = network.expand(connection, matrix)
        places = made.weights * 0
        if matrix is not None:
            rows, columns = matrix.shape
            count = [[row * columns + column for column in range(columns)] for row in range(rows)]
            import numpy as np

            places = network.expand(connection, np.array(count)).weights
        found[connection.name] = list(
            zip(
                made.sources.tolist(),
                made.targets.tolist(),
                made.weights.tolist(),
                places.tolist(),
                strict=True,
            )
        )
    return found


def lanes(shape):
    """Neuron numbers in the order of lanes, channels last."""
    if len(shape) == 1:
        return list(range(shape[0]))
    channels, height, width = shape
    return [
        (c * height + y) * width + x
        for y in range(height)
        for x in range(width)
        for c in range(channels)
    ]


class Stepper:
    """One neuron, a step at a time: what a recurrent layer needs."""

    def __init__(self, population, k, bias):
        model = population.model
        self.rise, self.fall = getattr(model, "rise", 0) * 64, getattr(model, "decay", 4096)
        self.du, self.dv = each(population.du, k) + 1, each(population.dv, k)
        self.threshold, self.bias = each(population.vth_mant, k) << 6, bias
        self.u = self.v = self.b = self.saturated = 0

    def step(self, current):
        """(spike, v before the reset, threshold that held, v after)"""
        exact = decay(self.u, self.du) + current
        self.u = clamp(exact)
        full = decay(self.v, self.dv) + self.u + self.bias
        before = clamp(full)
        self.saturated += (self.u != exact) + (before != full)
        edge = self.threshold + self.b
        spike = int(before > edge)
        self.b = clamp(decay(self.b, self.fall) + self.rise * spike)
        self.v = 0 if spike else before
        return spike, before, edge, self.v


def neuron_run(population, k, currents, bias):
    """`Stepper.step` of all steps, and saturated registers of one neuron."""
    cell = Stepper(population, k, bias)
    return [cell.step(current) for current in currents], cell.saturated


def biases_of(network, weights, population):
    """The bias of each neuron in C order, in units of v."""
    index = [p.name for p in network.populations].index(population.name)
    own = weights.biases[index].tolist()
    share = population.neurons // len(own)
    return [
        (own[k // share] + each(population.bias_mant, k)) << each(population.bias_exp, k)
        for k in range(population.neurons)
    ]


class MemberNoise(NamedTuple):
    """Noise of a member: units of u by connection (place) and population (step, neuron), of v (channel)."""

    matrices: dict
    currents: dict
    biases: dict


NO_NOISE = MemberNoise({}, {}, {})


def run(network, weights, frames, noise=NO_NOISE):
    """By population: spikes, v before the reset, thresholds, v after (step, neuron), currents; saturated."""
    every = synapses(network, weights)
    steps = len(frames)
    spikes = {network.inputs[0].name: [[int(x) for x in step] for step in frames]}
    found, saturated = {}, 0
    for layer in network.graph:
        population = layer.population
        n = population.neurons
        currents = [[0] * n for _ in range(steps)]

        def add(connection, sent, to, population=population, currents=currents):
            added = noise.matrices.get(connection.name)
            for source, target, weight, place in every[connection.name]:
                if sent[source]:
                    currents[to][target] += weight << connection.current_shift
                    currents[to][target] += added[place] if added else 0

        for connection in layer.incoming:
            for t in range(connection.delay, steps):
                add(connection, spikes[connection.source][t - connection.delay], t)
        for t, row in enumerate(noise.currents.get(population.name, [])):
            for k, number in enumerate(row):
                currents[t][k] += number
        bias = biases_of(network, weights, population)
        for channel, number in enumerate(noise.biases.get(population.name, [])):
            share = n // population.shape[0]
            for k in range(channel * share, (channel + 1) * share):
                bias[k] += number
        cells = [Stepper(population, k, bias[k]) for k in range(n)]
        rows = []
        for t in range(steps):
            for connection in layer.recurrent:
                if t - 1 - connection.delay >= 0:
                    add(connection, [s[0] for s in rows[t - 1 - connection.delay]], t)
            rows.append([cell.step(currents[t][k]) for k, cell in enumerate(cells)])
        saturated += sum(cell.saturated for cell in cells)
        spikes[population.name] = [[s[0] for s in row] for row in rows]
        found[population.name] = rows, currents
    return spikes, found, saturated


def trace_kernel(du, dv, steps):
    """What a spike in each step adds to the sum over steps of a readout's membrane, >> 4."""
    ages, current, filtered, total = [], 0, 0, 0
    for age in range(steps):
        current = decay(current, du + 1) + (64 if age == 0 else 0)
        filtered = decay(filtered, dv) + current
        total += filtered
        ages.append(total >> 4)
    return ages[::-1]


def rms(matrix):
    """Root mean square of a matrix in 1/16, 4 at least."""
    flat = [int(x) for row in matrix for x in row]
    return max(4, isqrt((sum(x * x for x in flat) << 8) // len(flat)))


def clip(x, edge):
    return max(-edge, min(edge, x))


def feedback_parts(network, weights, kind, share, sinks):
    """By hidden population: [(target, multiplier)] of the connections that its error comes over."""
    matrices = {
        c.name: m.tolist() for (c, _), m in zip(network.parameters, weights.mantissas, strict=True)
    }
    every = written(network, weights)
    parts = {}
    for population in network.populations:
        if population.name in sinks:
            continue
        mine = []
        for layer in network.graph:
            for c in layer.incoming:
                if c.source != population.name:
                    continue
                readout = layer.population.name in sinks
                local = readout and layer.population.name != sinks[0]
                if local and "local" not in kind:
                    continue
                if not readout and not kind.startswith("ga"):
                    continue
                fan_out = len(every[c.name]) // network.sizes[c.source]
                size = (rms(matrices[c.name]) if c.name in matrices else 16) * isqrt(
                    max(1, fan_out)
                )
                part = 256
                if local and kind.startswith("ga"):
                    part = share
                sent = 64 * size if readout else 1024 * size // 2
                multiplier = ((1024 * part // 256) << 20) // max(1, sent)
                mine.append((c, multiplier))
        parts[population.name] = mine
    return parts


DIRECT = 11
"""Stream of the fixed matrices of direct feedback."""


def direct_matrix(network, name, seed):
    """±16 (class, neuron): the errors of the output reach a layer over this matrix, drawn once for a seed."""
    names = [p.name for p in network.populations]
    population = network.populations[names.index(name)]
    width = -(-population.neurons // 16) * 16
    field = Field(DIRECT, names.index(name), 0, 0, seed)
    classes = network.sizes[network.readouts[0]]
    drawn = numbers(field, classes * width, 0, 0, False)
    found = [[0] * population.neurons for _ in range(classes)]
    for c in range(classes):
        for lane, k in enumerate(lanes(population.shape)):
            found[c][k] = 16 * drawn[c * width + lane]
    return found


def credit(
    network,
    weights,
    spec,
    multipliers,
    kind,
    share,
    frames,
    label,
    first_pair,
    pairs,
    generation,
    seed,
):
    """Sums of one sample: by parameter a flat list, by population a list of channels; and its fitness errors.

    multipliers  by readout: (multiplier, shift)
    """
    steps = len(frames)
    spikes, found, _ = run(network, weights, frames)
    names = [p.name for p in network.populations]
    fed = {c.source for c in network.connections if c.source != c.target}
    sinks = [name for name in names if name not in fed]
    by_name = {p.name: p for p in network.populations}
    output = by_name[sinks[0]]
    weigh = trace_kernel(each(output.du, 0), each(output.dv, 0), steps)
    every = synapses(network, weights)
    sums = [[0] * m.size for m in weights.mantissas]
    number = {c.name: index for index, (c, _) in enumerate(network.parameters)}
    of_biases = [[0] * len(b) for b in weights.biases]
    traces = {
        p.name: [
            sum(w * row[k] for w, row in zip(weigh, spikes[p.name], strict=True))
            for k in range(p.neurons)
        ]
        for p in network.populations
    }
    deltas = {}
    for name in sinks:
        rows, _ = found[name]
        scores = [sum(row[k][3] for row in rows) for k in range(by_name[name].neurons)]
        deltas[name] = softmax_errors(scores, label, *multipliers[name])
        for c in network.connections:
            if c.target == name and c.name in number:
                for source, target, _, place in every[c.name]:
                    sums[number[c.name]][place] += traces[c.source][source] * deltas[name][target]
        of_biases[names.index(name)] = list(deltas[name])
    parts = feedback_parts(network, weights, kind, share, sinks)
    credits = {}
    for layer in reversed(network.graph):
        p = layer.population
        if p.name in sinks:
            continue
        errors = [0] * p.neurons
        for connection, multiplier in parts[p.name]:
            sent = [0] * p.neurons
            for source, target, weight, _ in every[connection.name]:
                sent[source] += weight * deltas[connection.target][target]
            errors = [
                clip(e + (s * multiplier >> 16), EDGE) for e, s in zip(errors, sent, strict=True)
            ]
        if kind == "direct" and sinks[0] not in [c.target for c, _ in parts[p.name]]:
            fixed = direct_matrix(network, p.name, seed)
            multiplier = (1024 << 20) // (64 * 256 * isqrt(len(fixed)))
            for k in range(p.neurons):
                sent = sum(d * row[k] for d, row in zip(deltas[sinks[0]], fixed, strict=True))
                errors[k] = clip(sent * multiplier >> 16, EDGE)
        index = names.index(p.name)
        order = lanes(p.shape)
        reacted = [0] * p.neurons
        terms = [[0] * p.neurons for _ in range(steps)]
        _, currents = found[p.name]
        rows, _ = found[p.name]
        bias = biases_of(network, weights, p)
        for pair in range(first_pair, first_pair + pairs):
            field = Field(ALIGNED, index, pair, generation, seed)
            drawn = [
                numbers(field, p.neurons, lane_words(p.neurons), t, False) for t in range(steps)
            ]
            for lane, k in enumerate(order):
                noise = []
                for t in range(steps):
                    _, before, edge, _ = rows[t][k]
                    window = spec.windows[index] if spec.windows else spec.window
                    near = not window or abs(before - edge) <= window
                    noise.append(drawn[t][lane] if near and t % spec.period == 0 else 0)
                change = 0
                for sign in (1, -1):
                    moved = [
                        currents[t][k] + sign * spec.scale[index] * noise[t] for t in range(steps)
                    ]
                    seen, _ = neuron_run(p, k, moved, bias[k])
                    change += sign * sum(w * s[0] for w, s in zip(weigh, seen, strict=True))
                change = clip(change, 65535)
                own = clip(change * errors[k] >> 5, EDGE // pairs)
                reacted[k] += abs(change)
                for t in range(steps):
                    terms[t][k] += own * noise[t]
        if kind.startswith("gain"):
            deltas[p.name] = [e * clip(r, 65535) >> 5 for e, r in zip(errors, reacted, strict=True)]
        else:
            deltas[p.name] = [e if r else 0 for e, r in zip(errors, reacted, strict=True)]
        largest = largest_delta(network, layer, every)
        deltas[p.name] = [clip(x, largest) for x in deltas[p.name]]
        credits[p.name] = terms
        share_of = p.neurons // len(of_biases[index])
        for row in terms:
            for k, term in enumerate(row):
                of_biases[index][k // share_of] += term
        for connection in (*layer.incoming, *layer.recurrent):
            if connection.name not in number:
                continue
            late = connection.delay + (connection.source == connection.target)
            for source, target, _, place in every[connection.name]:
                for t in range(late, steps):
                    if spikes[connection.source][t - late][source]:
                        sums[number[connection.name]][place] += terms[t][target]
    return sums, of_biases


def credits_of(case, weights, spec, multipliers, kind, share, pairs, generation, seed):
    """`credit` of all samples together, `pairs` pairs each."""
    samples = [
        credit(
            case.network,
            weights,
            spec,
            multipliers,
            kind,
            share,
            case.dense[index].tolist(),
            int(case.labels[index]),
            index * pairs,
            pairs,
            generation,
            seed,
        )
        for index in range(len(case.labels))
    ]
    return [
        [[sum(column) for column in zip(*rows, strict=True)] for rows in zip(*parts, strict=True)]
        for parts in zip(*samples, strict=True)
    ]


def largest_delta(network, layer, every):
    """The edge of what a neuron sends back, so that a sum over a source's synapses fits 32 bits."""
    fans = [1]
    for connection in layer.incoming:
        sources = [source for source, *_ in every[connection.name]]
        fans += [sources.count(source) for source in set(sources)]
    return max(1, min(EDGE, ((1 << 31) - 1) // (128 * max(fans))))


# --- members: whole passes with noise ------------------------------------------------------------


def target_of(network, number):
    """Number of the population that a parameter leads to."""
    return [p.name for p in network.populations].index(network.parameters[number][0].target)


def aligned_numbers(network, spec, number, still, direction, generation, seed):
    """Event-aligned noise (step, neuron) of population `number` on the sample that did `still`, or None."""
    population, indices = network.populations[number], spec.aligned_indices()
    if (
        indices[number] < 0
        or not spec.scale[number]
        or direction % (max(indices) + 1) != indices[number]
    ):
        return None
    rows, _ = still[population.name]
    field = Field(ALIGNED, number, direction, generation, seed)
    found = [[0] * population.neurons for _ in rows]
    for t in range(0, len(rows), spec.period):
        drawn = numbers(field, population.neurons, lane_words(population.neurons), t, spec.graded)
        for lane, k in enumerate(lanes(population.shape)):
            _, before, edge, _ = rows[t][k]
            if not spec.window or abs(before - edge) <= spec.window:
                found[t][k] = drawn[lane]
    return found


def matrix_numbers(network, spec, number, words, direction, generation, seed):
    """Noise of parameter `number`, flat (row, column), or None; `words` of a field of its rows."""
    target = target_of(network, number)
    if not spec.scale[target] or (spec.aligned and spec.aligned[target]):
        return None
    _, matrix = network.parameters[number]
    drawn = perturbation(
        spec, number, matrix.rows, matrix.columns, words, direction, generation, seed
    )
    return [x for row in drawn.entries for x in row]


def bias_numbers(network, spec, number, direction, generation, seed):
    """Noise of the biases of population `number`, a number a channel, or None."""
    if not spec.bias_scale[number]:
        return None
    channels = network.populations[number].shape[0]
    field = Field(BIAS, number, direction, generation, seed)
    return numbers(field, channels, lane_words(channels), 0, spec.graded)


def member_noise(network, spec, words, still, sign, direction, generation, seed):
    """The noise of a member, in units of u and of v."""
    when = direction, generation, seed
    found = MemberNoise({}, {}, {})
    for number, (connection, _) in enumerate(network.parameters):
        drawn = matrix_numbers(network, spec, number, words[number], *when)
        if drawn:
            scale = sign * spec.scale[target_of(network, number)]
            found.matrices[connection.name] = [scale * x for x in drawn]
    for number, population in enumerate(network.populations):
        aligned = aligned_numbers(network, spec, number, still, *when)
        if aligned:
            scale = sign * spec.scale[number]
            found.currents[population.name] = [[scale * x for x in row] for row in aligned]
        drawn = bias_numbers(network, spec, number, *when)
        if drawn:
            found.biases[population.name] = [sign * spec.bias_scale[number] * x for x in drawn]
    return found


def fitness(network, weights, spec, readout, words, frames, label, pair, generation, seed):
    """Fitness of both members of a pair on one sample, and their saturated registers."""
    _, still, _ = run(network, weights, frames)
    (output,) = [p for p in network.populations if p.name == network.readouts[0]]
    scores, edges = [], []
    for sign, direction in members(spec, pair):
        noise = member_noise(network, spec, words, still, sign, direction, generation, seed)
        _, found, saturated = run(network, weights, frames, noise)
        rows, _ = found[output.name]
        place = 3 if readout.membrane else 0
        sums = [sum(row[k][place] for row in rows) for k in range(output.neurons)]
        hidden = sum(
            row[k][0]
            for p in network.populations
            if p.name not in network.readouts
            for row in found[p.name][0]
            for k in range(p.neurons)
        )
        likelihood = log_likelihood(sums, label, readout.multiplier, readout.shift)
        scores.append(likelihood - hidden * readout.spike_cost // 64)
        edges.append(saturated)
    return scores, edges


def update_sums(
    network,
    weights,
    spec,
    readout,
    words,
    dense,
    labels,
    coefficients,
    first,
    generation,
    seed,
    delta,
):
    """Sums of f x noise and of the delta rule: by parameter flat, by population a number a channel.

    coefficients  by sample, a number a direction; first: number of the first direction
    """
    sums = [[0] * m.size for m in weights.mantissas]
    of_biases = [[0] * population.shape[0] for population in network.populations]
    every = synapses(network, weights)
    direction = first
    for frames, label, utilities in zip(dense, labels, coefficients, strict=True):
        spikes, still, _ = run(network, weights, frames)

        def along(number, terms, spikes=spikes):
            """The terms (step, neuron) of a population, for each spike that it receives."""
            population = network.populations[number]
            share = population.neurons // population.shape[0]
            for row in terms:
                for k, term in enumerate(row):
                    of_biases[number][k // share] += term
            for index, (connection, _) in enumerate(network.parameters):
                if connection.target != population.name:
                    continue
                late = connection.delay + (connection.source == connection.target)
                for source, target, _, place in every[connection.name]:
                    for t in range(late, len(terms)):
                        if spikes[connection.source][t - late][source]:
                            sums[index][place] += terms[t][target]

        for f in utilities:
            when = direction, generation, seed
            for number in range(len(network.parameters)):
                drawn = matrix_numbers(network, spec, number, words[number], *when)
                for place, x in enumerate(drawn or []):
                    sums[number][place] += f * x
            for number in range(len(network.populations)):
                for channel, x in enumerate(bias_numbers(network, spec, number, *when) or []):
                    of_biases[number][channel] += f * x
                aligned = aligned_numbers(network, spec, number, still, *when)
                if aligned:
                    along(number, [[f * x for x in row] for row in aligned])
            direction += 1
        if delta:
            name = network.readouts[0]
            number = [p.name for p in network.populations].index(name)
            output = network.populations[number]
            rows, _ = still[name]
            place = 3 if readout.membrane else 0
            scores = [sum(row[k][place] for row in rows) for k in range(output.neurons)]
            errors = softmax_errors(scores, label, readout.multiplier, readout.shift)
            weigh = trace_kernel(each(output.du, 0), each(output.dv, 0), len(frames))
            of_biases[number] = [x + e for x, e in zip(of_biases[number], errors, strict=True)]
            for index, (connection, _) in enumerate(network.parameters):
                if connection.target != name:
                    continue
                sent = spikes[connection.source]
                for source, target, _, place in every[connection.name]:
                    trace = sum(w * row[source] for w, row in zip(weigh, sent, strict=True))
                    sums[index][place] += trace * errors[target]
    return sums, of_biases
