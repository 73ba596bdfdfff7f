"""Faulty evaluator: the population evaluator of a chip with faults (network/faults.py).

    weights()      what is written to the synapses: what learning moves and run folders keep
    _chain()       what they read back: stuck bits, lost axons, thresholds of the compartments there are

The update changes the written weights, by spikes, errors and noise under the faults, without information on
the faults. Flips change the written weights, after the update of their generation.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.data.frames import Frames
from neurosim.kernels.executors import fused_chain
from neurosim.network import Network, NetworkError, Weights
from neurosim.network.faults import Faults, flipped
from neurosim.population.batch import Batch
from neurosim.population.evaluator import Evaluation, Evaluator
from neurosim.population.layout import NoiseSpec, lay_out
from neurosim.population.state import state_range, weights
from neurosim.population.update import Coefficients, Rates

_ONE = np.uint64(1)


def check_faults(network: Network, faults: Faults, noise: NoiseSpec) -> None:
    """Raise NetworkError, saying what to use, where the fused kernel cannot have these faults."""
    faults.refuse(
        ["decay-mismatch"],
        "learning, whose kernel holds one decay a layer,",
        "use threshold-mismatch, or evaluate a trained network with it (neurosim evaluate --faults)",
    )
    faults.check(network)
    for layer in range(1, len(noise.scale)):
        if faults.lost_axons and noise.scale[layer] and not noise.of_layer(layer):
            raise NetworkError(
                f"faults: lost-axons with noise on the weights of layer "
                f"{network.populations[layer].name!r}, where the noise would still arrive; use silent for "
                f"the neurons, or event-aligned noise and the delta rule (--recipe fast)"
            )


class FaultyEvaluator(Evaluator):
    """A chain of dense layers on a chip with faults; otherwise as `Evaluator`.

    faults      of the chip           generation  the next one: faults may come during the chip's life
    """

    def __init__(
        self, network: Network, *arguments: Any, faults: Faults, generation: int = 0, **more: Any
    ) -> None:
        self.faults, self.generation = faults, generation
        self._actual = faults.registers(network)
        super().__init__(network, *arguments, **more)

    @property
    def present(self) -> Faults | None:
        """The faults that there are by now."""
        return self.faults.at(self.generation)

    def _set(self, noise: NoiseSpec, readout_spec: Any) -> None:
        super()._set(noise, readout_spec)
        check_faults(self.network, self.faults, noise)

    def _arrive_at(self, generation: int) -> None:
        """Go on to a generation; a shared forward pass of a sound chip is not kept for a faulty one."""
        was, self.generation = self.present, generation
        if was != self.present:
            self._changes += 1

    def _chain(self, noise: NoiseSpec, steps: int) -> fused_chain.Chain:
        faults = self.present
        if faults is None:
            return super()._chain(noise, steps)
        written = self.weights()
        read = Weights(faults.mantissas(self.network, written.mantissas), written.biases)
        chain = lay_out(self._actual, read, noise, steps)
        for number, population in enumerate(self._actual.populations):
            row = chain.threshold[number, : population.neurons]
            row[:] = faults.thresholds(self.network, number, row.astype(np.int64))
        return chain

    def _take(self, frames: Frames, seen: NDArray[np.int64], out: NDArray[np.uint64]) -> None:
        super()._take(frames, seen, out)
        faults = self.present
        if faults is not None and faults.lost_axons:
            lost = np.flatnonzero(faults.axons(self.network, 0)).astype(np.uint64)
            kept = np.full(out.shape[-1], np.iinfo(np.uint64).max, np.uint64)
            np.bitwise_and.at(kept, lost >> np.uint64(6), ~(_ONE << (lost & np.uint64(63))))
            out &= kept

    def _in_place(self, frames: Frames, seen: NDArray[np.int64]) -> NDArray[np.uint64] | None:
        faults = self.present
        lost = faults is not None and faults.lost_axons
        return None if lost else super()._in_place(frames, seen)

    def _counted(self, generation: int) -> int:
        """The generation's word, with the code of a stuck bit of the generator."""
        faults = self.present
        return generation if faults is None else generation + faults.generator_code

    def evaluate(
        self, batch: Batch, pairs: range, generation: int, part: range | None = None
    ) -> Evaluation:
        self._arrive_at(generation)
        return super().evaluate(batch, pairs, self._counted(generation), part)

    def apply_update(
        self,
        coefficients: Coefficients,
        pairs: range,
        generation: int,
        rates: Sequence[Rates],
        batch: Batch | None = None,
    ) -> int:
        self._arrive_at(generation)
        counted = self._counted(generation)
        edge = super().apply_update(coefficients, pairs, counted, rates, batch)
        faults = self.present
        if faults is not None and faults.flipped_weight_bits:
            self._flip(faults, generation)
        self._arrive_at(generation + 1)
        return edge

    def _flip(self, faults: Faults, generation: int) -> None:
        """Flip stored bits of mantissas; what lies below a mantissa stays."""
        written = weights(self.state, self.fraction_bits).mantissas
        for number, ((connection, _), one) in enumerate(
            zip(self.network.layers, written, strict=True)
        ):
            new = flipped(connection, one, faults.flips(self.network, number, generation))
            step = (new.astype(np.int64) - one) << self.fraction_bits
            kept = self.state.synapses[number]
            kept[...] = np.clip(kept + step, *state_range(connection, self.fraction_bits))
