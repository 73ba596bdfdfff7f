"""What exactly does one generation do? Every number of it, for hardware to be compared with.

    step(config, checkpoint, data)   the generation after a checkpoint, done by the chip itself
    fault(settings), beyond(step)    why hardware/ cannot do it, or None

Only EGGROLL with ±1 noise on the weights of all layers has such vectors (learning/hardware.py writes them).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from learning.evolution import Evolution
from learning.record import Checkpoint, Config
from learning.settings import Settings, noise
from learning.shaping import LARGEST
from learning.training import make_chip, presented
from neurosim.data.datasets import Dataset
from neurosim.data.frames import Frames, take
from neurosim.population.state import Memory
from neurosim.population.update import Coefficients

RATE_BITS = 48
"""Width of a rate in hardware/: 32 fraction bits and 16 above; chosen here, see `beyond`."""


class Step(NamedTuple):
    """One generation.

    shown         the samples it presents, in the order of (group, place)
    fitness       int64 (pair, member); coefficients int8 (pair,)
    totals        sum of |direction| over a layer's synapses; rates: 32 fraction bits, one a layer
    before, after what the synapses keep
    """

    generation: int
    shown: Frames
    fitness: NDArray[np.int64]
    coefficients: Coefficients
    totals: list[int]
    rates: list[int]
    before: Memory
    after: Memory


def fault(settings: Settings) -> str | None:
    """Why hardware/ cannot learn with these settings, or None."""
    for name, value, wanted in (
        ("method", settings.method, "eggroll"),
        ("estimator", settings.estimator, "antithetic"),
        ("noise", settings.noise, "rademacher"),
        ("output_rule", settings.output_rule, "same"),
        ("sigma_bias", settings.sigma_bias, 0),
        ("decay", settings.decay, 0),
        ("final_noise", settings.final_noise, 1),
        ("final_temperature", settings.last_temperature, settings.temperature),
    ):
        if value != wanted:
            return f"{name} is {value!r}; hardware/ learns with {wanted!r} only"
    if not (settings.sigma and settings.sigma_output):
        return (
            f"sigma {settings.sigma} and sigma_output {settings.sigma_output} must both be above 0"
        )
    if sum_bits(settings) > 32:
        return (
            f"{settings.pairs} pairs need directions of {sum_bits(settings)} bits; the chip has 32"
        )
    return None


def sum_bits(settings: Settings) -> int:
    """Bits of a direction: |momentum| <= 2^b (votes + 1) - 1 for ever, votes <= pairs * rank * 127.

    From m' = m - floor(|m| / 2^b) + votes, which keeps to that bound. So 32 bits are never needed, and
    no direction saturates.
    """
    most = settings.pairs * settings.rank * LARGEST
    return (((most + 1) << settings.momentum_bits) - 1).bit_length() + 1


def parameters(config: Config) -> dict[str, Any]:
    """What hardware/ needs to learn, by its name in params.vh."""
    settings = config.settings
    return {
        "RANK": settings.rank,
        "SCALE": list(noise(settings, config.network()).scale),
        "FRACTION_BITS": settings.fraction_bits,
        "MOMENTUM_BITS": settings.momentum_bits,
        "SUM_BITS": sum_bits(settings),
        "RATE_BITS": RATE_BITS,
    }


def step(config: Config, checkpoint: Checkpoint, data: Dataset) -> Step:
    """The generation that would follow the checkpoint; the checkpoint stays as it is."""
    settings, generation = config.settings, checkpoint.generation
    before = checkpoint.memory
    chip = make_chip(config, _copied(before))
    evolution = Evolution(settings, len(data.train.labels), len(chip.network.layers))
    ask = evolution.ask(generation)
    frames, groups = presented(data, ask, settings)
    rehearsal = chip.rehearse(frames, groups, ask.pairs, generation)
    update = evolution.tell(generation, rehearsal)
    votes = [
        chip.votes(layer, update.coefficients, ask.pairs, generation)[0]
        for layer in range(len(chip.network.layers))
    ]
    chip.consolidate(update.coefficients, ask.pairs, generation, update.rates)
    totals, rates = [], []
    for layer, direction in enumerate(chip.memory.momentum or votes):
        neurons = chip.network.layers[layer][1].neurons
        total = int(np.abs(direction[:, :neurons].astype(np.int64)).sum())
        totals.append(total)
        size = len(direction) * neurons
        rates.append(update.rates[layer].step * size // total if total else 0)
    return Step(
        generation,
        take(frames, groups.reshape(-1)),
        rehearsal.fitness,
        update.coefficients,
        totals,
        rates,
        before,
        chip.memory,
    )


def beyond(done: Step) -> str | None:
    """Why the core cannot do this one generation, or None."""
    if max(done.rates) >> RATE_BITS:
        return (
            f"a rate of generation {done.generation} is {max(done.rates)}; {RATE_BITS} bits do not "
            f"hold it: lower learning_rate or output_rate"
        )
    return None


def about(settings: Settings, done: Step) -> dict[str, Any]:
    """What the manifest says of a generation."""
    return {
        "generation": done.generation,
        "pairs": settings.pairs,
        "groups": settings.groups,
        "batch": settings.batch,
        "shaping": settings.shaping,
        "totals": done.totals,
        "rates": done.rates,
        "order": "draw and run every pair as +E and -E on its group's samples; fade; draw each pair "
        "again and vote; total = sum of |direction|; move with rate = step * synapses // total",
    }


def _copied(memory: Memory) -> Memory:
    return Memory(
        tuple(array.copy() for array in memory.synapses),
        tuple(array.copy() for array in memory.biases),
        tuple(array.copy() for array in memory.momentum),
    )
