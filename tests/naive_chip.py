"""Naive oracle of the chip emulator, in Python integers.

Written from the description of the arithmetic and of the emulators' rules; no kernel, no NumPy
arithmetic. Weights come as what the synapse stores (`Chip.rounded`), since the rules that bring them to
the grid have their own oracle, `weight_rule`.
"""

from fractions import Fraction
from math import floor

TOP = 2**23 - 1


def towards_zero(number, bits):
    return -(-number >> bits) if number < 0 else number >> bits


def decay(x, d):
    return towards_zero(x * (4096 - d), 12)


def turn(x, bits):
    """x modulo 2^bits, in -2^(bits-1) .. 2^(bits-1) - 1."""
    x %= 2**bits
    return x - 2**bits if x >= 2 ** (bits - 1) else x


def clip(x, low, high):
    return max(low, min(high, x))


def held_input(a, rule):
    return {"none": a, "wrap_22": turn(a, 22), "wrap_32": turn(a, 32)}[rule]


def held_current(u, rule):
    if rule == "saturate":
        return clip(u, -TOP, TOP)
    if rule == "wrap_24":
        return turn(u, 24)
    if rule == "wrap_once":
        u = turn(u, 32)
        if u > 2**23:
            return u - 2**24
        return u + 2**24 if u <= -(2**23) else u
    return u


def held_voltage(v, low, high, rule):
    if rule == "saturate_32":
        v = turn(v, 32)
    return v if rule == "none" else clip(v, low, high)


def nearest_even(x):
    return round(Fraction(x))


def weight_rule(w, bits, exponent, mode, profile):
    """(stored weight, current of one spike) of one weight; the current is None for a sum rule."""
    grid = 2 ** (8 - bits + (mode == "mixed"))
    if profile == "lava":
        w = clip(w, *{"mixed": (-256, 255), "excitatory": (0, 255), "inhibitory": (-255, 0)}[mode])
        return (-(-w // grid) * grid if mode == "inhibitory" else w // grid * grid), None
    if profile == "brian2loihi":
        stored = int(Fraction(w, grid)) * grid
        return stored, clip(floor(Fraction(stored) * Fraction(2) ** exponent), -32767, 32767) * 64
    most = 256 // grid - 1  # nengo
    mantissa = clip(nearest_even(Fraction(w, grid)), -most, most)
    factor = Fraction(grid) * Fraction(2) ** exponent
    kept = mantissa
    if factor < 1:
        kept = clip(int(nearest_even(mantissa * factor) / factor), -most, most)
    return mantissa * grid, floor(kept * factor) * 64


def noise_of(draw, noise):
    return int(Fraction(draw + 64 * noise.offset) * Fraction(2) ** (noise.exponent - 7))


class Neuron:
    """One compartment: registers, and the state that a step changes."""

    def __init__(self, population, index, profile, extra):
        def one(register):
            value = getattr(population, register)
            return value[index] if isinstance(value, tuple) else value

        self.du, self.dv = one("du") + profile.decay_offset, one("dv")
        self.vth = one("vth_mant") * 64
        self.bias = one("bias_mant") * 2 ** one("bias_exp") + extra
        self.refractory = one("refractory")
        self.population, self.profile = population, profile
        self.u = self.v = self.dead = self.b = 0
        self.rise, self.fall = getattr(population.model, "rise", 0) * 64, 4096
        if self.rise or hasattr(population.model, "decay"):
            self.fall = population.model.decay

    def step(self, a, draw, number):
        """(current, v before the reset, spike) of step `number`."""
        population, profile = self.population, self.profile
        interval = population.reset_interval
        if interval and (number + 1) % interval == population.reset_offset % interval:
            self.u = self.v = self.b = 0
        more = 0
        if population.noise is not None:
            amount = noise_of(draw, population.noise)
            if population.noise.at_membrane:
                more = amount
            else:
                a += amount
        a = held_input(a, profile.input_limit)
        self.u = held_current(decay(self.u, self.du) + a, profile.current_limit)
        drive = self.u + self.bias + more
        if profile.drive_limit == "wrap_24":
            drive = turn(drive, 24)
        v = decay(self.v, self.dv) + drive
        v = held_voltage(v, population.vmin, population.vmax, profile.voltage_limit)
        if self.dead:
            self.dead -= 1
            v = 0
        spike = int(v > self.vth + self.b)
        low = population.vth_low_mant
        if low is not None and not spike and v < low * 64:
            spike = -1
        self.b = min(decay(self.b, self.fall) + self.rise * (spike == 1), TOP)
        before = v
        if spike:
            self.dead = self.refractory - 1
            v = 0
        self.v = v
        return a, before, spike


def synapses_of(connection, weights, delays):
    """(source, target, weight, delay) of each synapse, from (target, source) lists."""
    for target, row in enumerate(weights):
        for source, weight in enumerate(row):
            own = 0 if delays is None else delays[target][source]
            yield source, target, weight, connection.delay + own


def run(
    network, stored, profile, spikes, *, delays=None, draws=None, perturbations=None, bias=None
):
    """u, v, current and spikes of every population: lists [step][neuron], by name and quantity.

    stored  by connection: weights on the grid as lists (target, source); spikes: by input, lists
    [step][input]; delays: by connection; draws: by population, [step][neuron]
    perturbations: by connection (A, B, scale) as lists; bias: by population, [neuron]
    """
    steps = len(next(iter(spikes.values())))
    neurons = {
        p.name: [
            Neuron(p, i, profile, (bias or {}).get(p.name, [0] * p.neurons)[i])
            for i in range(p.neurons)
        ]
        for p in network.populations
    }
    arriving = {p.name: {} for p in network.populations}
    record = {
        p.name: {what: [] for what in ("u", "v", "current", "spikes")} for p in network.populations
    }

    def send(name, fired, step, latency):
        for c in network.connections:
            if c.source != name:
                continue
            late = max(latency, int(c.source == c.target))
            value = [f if c.message_bits else int(f != 0) for f in fired]
            sums = {}
            for source, target, weight, delay in synapses_of(
                c, stored[c.name], (delays or {}).get(c.name)
            ):
                key = (target, step + late + delay)
                sums[key] = sums.get(key, 0) + weight * value[source]
            for (target, when), total in sums.items():
                shift = Fraction(2) ** c.weight_exp
                if profile.exponent == "sum":
                    current = floor(total * shift) * 64
                elif profile.exponent == "exact":
                    current = int(total * shift * 64)
                else:
                    current = None
                add(c.target, target, when, current)
            if profile.exponent in ("each_floor", "each_nearest"):
                for source, target, weight, delay in synapses_of(
                    c, stored[c.name], (delays or {}).get(c.name)
                ):
                    rule = {"each_floor": "brian2loihi", "each_nearest": "nengo"}[profile.exponent]
                    each = weight_rule(weight, c.weight_bits, c.weight_exp, c.sign_mode, rule)[1]
                    add(c.target, target, step + late + delay, each * value[source])
            if perturbations and c.name in perturbations:
                a, b, scale = perturbations[c.name]
                for row_a, row_b in zip(a, b, strict=True):
                    relay = sum(x * f for x, f in zip(row_b, value, strict=True))
                    for target, factor in enumerate(row_a):
                        add(c.target, target, step + late + c.delay, scale * factor * relay)

    def add(name, target, when, current):
        if current is not None:
            slot = arriving[name].setdefault(when, [0] * len(neurons[name]))
            slot[target] += current

    for step in range(steps):
        for part in network.inputs:
            send(part.name, spikes[part.name][step], step, profile.input_latency)
        fired = {}
        for p in network.populations:
            came = arriving[p.name].pop(step, [0] * p.neurons)
            drawn = draws[p.name][step] if draws and p.name in draws else [0] * p.neurons
            done = [
                n.step(a, x, step) for n, a, x in zip(neurons[p.name], came, drawn, strict=True)
            ]
            fired[p.name] = [spike for *_, spike in done]
            seen = [before for _, before, _ in done]
            kept = [n.v for n in neurons[p.name]]
            record[p.name]["current"].append([a for a, *_ in done])
            record[p.name]["u"].append([n.u for n in neurons[p.name]])
            record[p.name]["v"].append(seen if profile.recorded_v == "before_reset" else kept)
            record[p.name]["spikes"].append(fired[p.name])
            if profile.neuron_latency == 0:
                send(p.name, fired[p.name], step, 0)
        if profile.neuron_latency:
            for p in network.populations:
                send(p.name, fired[p.name], step, 1)
    return record
