"""Agreement of population members on the chip and in the float twin, by spikes and by fitness.

The noise is read from the evaluator: the update sums for a coefficient of 1 on one pair alone are the
perturbation of that pair, synapse by synapse. The float twin takes it as an array.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim.data.frames import Frames
from neurosim.network import NetworkError
from neurosim.population.batch import Batch
from neurosim.population.evaluator import Evaluator

if TYPE_CHECKING:
    from hostref.agreement import FitnessAgreement
    from hostref.eggroll import LowRank
    from hostref.full_rank import FullRank
    from hostref.model import Model


class Perturbations(NamedTuple):
    """What +1 of the noise is, in noise numbers.

    synapses  int32 (pair, source, neuron) a layer
    biases    int32 (pair, neuron) a layer
    """

    synapses: tuple[NDArray[np.int32], ...]
    biases: tuple[NDArray[np.int32], ...]


def perturbations(chip: Evaluator, pairs: range, generation: int) -> Perturbations:
    """The noise of these pairs, as the chip's cores draw it."""
    one = np.ones(1, np.int8)
    layers = [
        [chip.sums(k, one, range(pair, pair + 1), generation) for pair in pairs]
        for k in range(len(chip.network.layers))
    ]
    sizes = [population.neurons for _, population in chip.network.layers]
    return Perturbations(
        tuple(
            np.stack([v[:, :n] for v, _ in layer]) for layer, n in zip(layers, sizes, strict=True)
        ),
        tuple(np.stack([b[:n] for _, b in layer]) for layer, n in zip(layers, sizes, strict=True)),
    )


def factors(synapses: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """A (pair, 1, neuron) and B (pair, 1, source) of products B^T A of signs (rank 1)."""
    a = synapses[:, :1, :]
    b = synapses[:, :, 0] * synapses[:, :1, 0]
    return a, b[:, None, :]


def twin_noise(model: "Model", chip: Evaluator, found: Perturbations) -> "LowRank | FullRank":
    """The same perturbations for `model` (chip units): as factors at rank 1, else written out."""
    from hostref import eggroll, full_rank

    spec = chip.spec
    if spec.rank == 1 and not spec.graded and not spec.full_rank and not any(spec.bias_scale):
        a, b = zip(*map(factors, found.synapses), strict=True)
        return eggroll.from_chip(model, a, b, tuple(float(scale) for scale in spec.scale))
    return full_rank.from_chip(model, found.synapses, found.biases, spec.scale, spec.bias_scale)


class MemberFitness(NamedTuple):
    """Mean log-likelihood in nats of the same members, float (pair, side) on both sides."""

    chip: NDArray[np.float64]
    twin: NDArray[np.float64]

    def agreement(self) -> "FitnessAgreement":
        """Rank correlation of the fitness on both sides."""
        from hostref.agreement import compare_fitness

        return compare_fitness(self.chip, self.twin)


def member_fitness(
    chip: Evaluator, frames: Frames, pairs: range, generation: int, block: int = 16
) -> MemberFitness:
    """Fitness of the members of `pairs` on all of `frames`, on the chip and on the float twin."""
    if any(chip.spec.aligned):
        raise NetworkError(
            "this run has event-aligned noise, not noise on weights; the float twin has no such noise"
        )
    if chip.spec.one_sided:
        raise NetworkError(
            "the members of a pair carry noise of their own on this chip; the twin's are +E and -E: "
            "use --estimator antithetic"
        )
    from hostref import inputs, readout
    from hostref.backend import torch
    from hostref.twin import from_chip, parameters_from_chip

    samples = np.arange(len(frames.labels), dtype=np.int64)[None]
    scored = chip.evaluate(Batch(frames, samples), pairs, generation).fitness
    model = from_chip(chip.network, spiking_output=not chip.readout_spec.membrane)
    parameters = parameters_from_chip(model, chip.weights())
    x, labels = inputs.load(frames).batch(slice(None), torch.float64)
    spec = chip.readout_spec
    gain = spec.multiplier / (1 << spec.shift) / 1024 * math.log(2)
    twin = []
    for first in range(pairs.start, pairs.stop, block):
        part = range(first, min(first + block, pairs.stop))
        noise = twin_noise(model, chip, perturbations(chip, part, generation))
        with torch.no_grad():
            trace = model.run(parameters, x, noise)
            score = trace.mem.sum(-2) if spec.membrane else trace.spk[-1].sum(-2)
            twin.append(readout.log_likelihood(score, labels, gain).mean(-1).numpy())
    chips = scored.astype(np.float64) / len(frames.labels) / 1024 * math.log(2)
    return MemberFitness(chips, np.concatenate(twin))
