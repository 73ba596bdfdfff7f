"""Golden numbers of one generation of learning, for hardware to be compared with.

    step(config, checkpoint, data)   the generation after a checkpoint, done by the population evaluator
    fault(settings), beyond(step)    why hardware/ cannot do it, or None

hardware/ learns by two rules (learning/hardware.py writes their vectors):

    LOW_RANK   EGGROLL with ±1 noise on the weights of all layers
    BY_ERROR   event-aligned noise on one hidden layer, credit by error, the delta rule on the readout
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from learning import golden_error
from learning.config import Config
from learning.evolution import Evolution
from learning.golden_error import ByError
from learning.record import Checkpoint
from learning.settings import Settings, noise
from learning.shaping import LARGEST
from learning.training import batch_of, make_chip
from neurosim.data.datasets import Dataset
from neurosim.data.frames import Frames, select
from neurosim.export.hdl.parameters import NO_LEARNING
from neurosim.kernels.rules.delta import largest_trace
from neurosim.network import Network
from neurosim.population.bounds import Shape, largest_credit
from neurosim.population.state import MOMENTUM_MAX, SynapticState, weights
from neurosim.population.update import Coefficients, Rates

RATE_BITS = 48
"""Width of a rate in hardware/: 32 fraction bits and 16 above; chosen here, see `beyond`."""
LOW_RANK, BY_ERROR = 1, 2
"""Rules of hardware/ops.vh."""


class Moves(NamedTuple):
    """How far a generation moves synapses, or biases: one number a layer.

    totals  sum of |direction|; rates: 32 fraction bits
    """

    totals: list[int]
    rates: list[int]


class Step(NamedTuple):
    """One generation.

    shown         the samples it presents, in the order of (group, place)
    fitness       int64 (pair, member); of credit by error (group, 1)
    coefficients  int8 (pair,); None of credit by error
    before, after what the synapses keep
    by_error      the numbers of credit by error, or None
    """

    generation: int
    shown: Frames
    fitness: NDArray[np.int64]
    coefficients: Coefficients | None
    synapses: Moves
    biases: Moves
    before: SynapticState
    after: SynapticState
    by_error: ByError | None


def rule(settings: Settings) -> int:
    """Which rule of hardware/ these settings ask for, if it has their other choices."""
    return LOW_RANK if settings.method == "eggroll" else BY_ERROR


COMMON = (
    ("estimator", "antithetic"),
    ("noise", "rademacher"),
    ("sigma_bias", 0),
    ("decay", 0),
    ("final_noise", 1),
    ("spike_cost", 0),
    ("layers", None),
    ("feedback", None),
)
OF_RULE = {
    LOW_RANK: (("method", "eggroll"), ("output_rule", "same")),
    BY_ERROR: (
        ("method", "event-aligned"),
        ("output_rule", "delta"),
        ("credit", "error"),
        ("noise_period", 1),
    ),
}
"""Values of each setting that the core supports, for the rule that the method chooses."""
WHY = {
    "feedback": ": its hidden layer learns from the errors of the readout, and no error goes from one hidden "
    "layer to another (docs/hardware.md, 'What it would take')",
}


def fault(settings: Settings) -> str | None:
    """Why hardware/ cannot learn with these settings, or None."""
    wanted_of = OF_RULE[rule(settings)]
    for name, wanted in (*wanted_of, *COMMON, ("final_temperature", settings.temperature)):
        value = (
            settings.last_temperature if name == "final_temperature" else getattr(settings, name)
        )
        if value != wanted:
            return f"{name} is {value!r}; hardware/ learns with {wanted!r} only{WHY.get(name, '')}"
    if not settings.sigma or not (settings.sigma_output or rule(settings) == BY_ERROR):
        return (
            f"sigma {settings.sigma} and sigma_output {settings.sigma_output} must both be above 0"
        )
    if not settings.learning_rate or not settings.output_rate:
        return (
            f"learning_rate {settings.learning_rate} and output_rate {settings.output_rate} must both be "
            f"above 0, so that every weight moves"
        )
    if rule(settings) == LOW_RANK and sum_bits(settings) > 32:
        return (
            f"{settings.pairs} pairs need directions of {sum_bits(settings)} bits; the chip has 32"
        )
    return None


def sum_bits(settings: Settings) -> int:
    """Bits of a direction of EGGROLL: |momentum| <= 2^b (sums + 1) - 1 always.

    From m' = m - floor(|m| / 2^b) + sums, which keeps to that bound; sums <= pairs * rank * 127. So 32 bits
    are never needed, and no direction saturates.
    """
    return (
        _largest(settings.pairs * settings.rank * LARGEST, settings.momentum_bits).bit_length() + 1
    )


def _largest(sums: int, momentum_bits: int) -> int:
    """Largest possible direction, where a generation adds no more than `sums`."""
    return ((sums + 1) << momentum_bits) - 1


def _limited_bits(sums: int, momentum_bits: int) -> int:
    """Bits of a direction that ends each generation no further than ±MOMENTUM_MAX."""
    kept = MOMENTUM_MAX - (MOMENTUM_MAX >> momentum_bits) if momentum_bits else 0
    return min(_largest(sums, momentum_bits), kept + sums).bit_length() + 1


def parameters(config: Config) -> dict[str, Any]:
    """Parameters of learning in hardware/, by their names in params.vh."""
    settings, network = config.settings, config.network()
    if fault(settings) is not None:
        return dict(NO_LEARNING)
    spec = noise(settings, network)
    found: dict[str, Any] = {
        **NO_LEARNING,
        "RULE": rule(settings),
        "RANK": settings.rank if rule(settings) == LOW_RANK else 1,
        "SCALE": list(spec.scale),
        "FRACTION_BITS": settings.fraction_bits,
        "MOMENTUM_BITS": settings.momentum_bits,
        "SUM_BITS": sum_bits(settings),
        "RATE_BITS": RATE_BITS,
    }
    if rule(settings) == BY_ERROR:
        found.update(_by_error_parameters(settings, network, spec.window))
    return found


def _by_error_parameters(settings: Settings, network: Network, window: int) -> dict[str, int]:
    """Widths of what credit by error adds, from the largest numbers that there can be."""
    output = network.populations[-1]
    trace = largest_trace(int(output.each("du")[0]) + 1, int(output.each("dv")[0]), settings.steps)
    shape = Shape(settings.pairs, settings.groups, 1, settings.steps)
    credit = largest_credit(network, noise(settings, network), shape)
    sums = max(
        settings.pairs * settings.steps * credit, settings.groups * trace * golden_error.ERROR_ONE
    )
    return {
        "SUM_BITS": _limited_bits(sums, settings.momentum_bits),
        "WINDOW": window,
        "TRACE_BITS": trace.bit_length(),
        "LARGEST": credit,
    }


def learning_rates(config: Config, generation: int) -> list[Rates]:
    """The rates of a generation; after the last one those of the first, as a schedule may end at rate 0."""
    settings = config.settings
    schedule = Evolution(settings, 1, len(config.network().layers)).schedule
    return schedule.rates(generation if generation < settings.generations else 0)


def step(config: Config, checkpoint: Checkpoint, data: Dataset) -> Step:
    """The generation that would follow the checkpoint, by `learning_rates`; the checkpoint stays as it is."""
    settings, generation = config.settings, checkpoint.generation
    before = checkpoint.state
    chip = make_chip(config, _copied(before))
    evolution = Evolution(settings, len(data.train.labels), len(chip.network.layers))
    ask = evolution.ask(generation)
    batch = batch_of(data, ask, settings)
    evaluation = chip.evaluate(batch, ask.pairs, generation)
    coefficients = evolution.tell(generation, evaluation).coefficients
    rates = learning_rates(config, generation)
    shown = select(batch.frames, batch.groups.reshape(-1))
    network, by_error, fitness = chip.network, None, evaluation.fitness
    sums: list[NDArray[Any]]
    biases = [np.zeros(layer.neurons, np.int64) for layer in network.populations]
    if evaluation.credits is None:
        sums = [
            chip.sums(layer, coefficients, ask.pairs, generation)[0]
            for layer in range(len(network.layers))
        ]
    else:
        credits = evaluation.credits[:, : network.populations[0].neurons].astype(np.int64)
        by_error = golden_error.numbers(
            settings,
            network,
            chip.weights(),
            shown,
            credits,
            generation,
            noise(settings, network).window,
        )
        sums, biases = list(by_error.synapses), list(by_error.biases)
        fitness = evaluation.fitness[:: settings.pairs // settings.groups, :1]
    chip.apply_update(coefficients, ask.pairs, generation, rates, batch)
    directions = [
        kept[:, : layer.neurons]
        for kept, layer in zip(chip.state.momentum or sums, network.populations, strict=True)
    ]
    return Step(
        generation,
        shown,
        fitness,
        None if by_error else coefficients,
        _moves(directions, [rate.step for rate in rates]),
        _moves(biases, [rate.bias for rate in rates]),
        before,
        chip.state,
        by_error,
    )


def _moves(directions: list[NDArray[Any]], steps: list[int]) -> Moves:
    """Rates that give the wanted mean step: step / mean |direction|."""
    totals = [int(np.abs(one.astype(np.int64)).sum()) for one in directions]
    return Moves(
        totals,
        [
            mean * one.size // total if total else 0
            for one, mean, total in zip(directions, steps, totals, strict=True)
        ],
    )


def beyond(config: Config, done: Step) -> str | None:
    """Why the core cannot do this one generation, or cannot be checked by it, or None."""
    largest = max(done.synapses.rates + done.biases.rates)
    if largest >> RATE_BITS:
        return (
            f"a rate of generation {done.generation} is {largest}; {RATE_BITS} bits do not "
            f"hold it: lower learning_rate or output_rate"
        )
    fraction = config.settings.fraction_bits
    old, new = weights(done.before, fraction), weights(done.after, fraction)
    for index, population in enumerate(config.network().populations):
        if np.array_equal(old.mantissas[index], new.mantissas[index]):
            return (
                f"no weight of layer {population.name!r} changes in generation {done.generation}, so that "
                f"vectors of it would check nothing; raise learning_rate, or the pairs"
            )
    return None


def about(settings: Settings, done: Step) -> dict[str, Any]:
    """Entry of a generation in the manifest."""
    order = {
        LOW_RANK: "draw and run every pair as +E and -E on its group's samples; fade; draw each pair "
        "again and accumulate; total = sum of |direction|; move with rate = step * synapses // total",
        BY_ERROR: "fade; for each group: run its sample without noise, teach its errors, explore each "
        "pair as +noise and -noise, present the sample again; total = sum of |direction|; move synapses, "
        "biases and the copy of the outgoing synapses with rate = step * numbers // total",
    }
    return {
        "rule": rule(settings),
        "generation": done.generation,
        "pairs": settings.pairs,
        "groups": settings.groups,
        "batch": settings.batch,
        "shaping": settings.shaping,
        "totals": done.synapses.totals,
        "rates": done.synapses.rates,
        "bias_totals": done.biases.totals,
        "bias_rates": done.biases.rates,
        "order": order[rule(settings)],
    }


def _copied(state: SynapticState) -> SynapticState:
    return SynapticState(
        tuple(array.copy() for array in state.synapses),
        tuple(array.copy() for array in state.biases),
        tuple(array.copy() for array in state.momentum),
    )
