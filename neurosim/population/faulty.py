"""Evaluators of a chip with faults (network/faults.py), each made of that of a sound chip.

    weights()         what is written to the synapses: what learning moves and run folders keep
    _chain(), _load() what they read back: stuck bits, lost axons, registers of the compartments there are

The update changes the written weights, by spikes, errors and noise under the faults, without information on
the faults. Flips change the written weights, after the update of their generation.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.chip import faults as defects
from neurosim.chip import profiles
from neurosim.data.frames import Frames
from neurosim.kernels.executors import fused_chain
from neurosim.kernels.rules.event_aligned import NO_NEURON
from neurosim.network import Network, NetworkError, Weights
from neurosim.network.faults import Faults, flipped, numbers_of
from neurosim.network.shapes import lane_order
from neurosim.population.batch import Batch
from neurosim.population.emulated import EmulatedMembers
from neurosim.population.evaluator import Evaluation, Evaluator
from neurosim.population.graph import Loaded, Plan
from neurosim.population.graph_evaluator import GraphEvaluator
from neurosim.population.graph_members import GraphMembers
from neurosim.population.layout import NoiseSpec, lay_out
from neurosim.population.state import state_range, weights
from neurosim.population.update import Rates

_ONE = np.uint64(1)
_FURTHEST = NO_NEURON >> 1
"""Threshold of a silent neuron of a graph: out of reach, with room for what an adaptive one adds."""


def fused_has(noise: NoiseSpec, faults: Faults | None) -> bool:
    """Whether the fused kernel computes a chain with these faults and noise.

    Over lost axons of a later layer it would still add the noise on their weights; `GraphMembers` does not.
    """
    later = range(1, len(noise.scale))
    on_weights = any(noise.scale[layer] and not noise.of_layer(layer) for layer in later)
    return faults is None or not faults.lost_axons or not on_weights


class _Faulty:
    """What evaluators of a chip with faults have in common, before the class of a sound chip."""

    network: Network
    state: Any
    fraction_bits: int
    faults: Faults
    generation: int

    @property
    def present(self) -> Faults | None:
        """The faults that there are by now."""
        return self.faults.at(self.generation)

    def _faults_came(self) -> None:
        """Let go of what was made for a sound chip."""
        raise NotImplementedError

    def _arrive_at(self, generation: int) -> None:
        was, self.generation = self.present, generation
        if was != self.present:
            self._faults_came()

    def _counted(self, generation: int) -> int:
        """The generation's word, with the code of a stuck bit of the generator."""
        faults = self.present
        return generation if faults is None else generation + faults.generator_code

    def evaluate(
        self, batch: Batch, pairs: range, generation: int, part: range | None = None
    ) -> Evaluation:
        self._arrive_at(generation)
        found: Evaluation = super().evaluate(batch, pairs, self._counted(generation), part)  # type: ignore[misc]
        return found

    def apply_update(
        self,
        coefficients: Any,
        pairs: range,
        generation: int,
        rates: Sequence[Rates],
        batch: Batch | None = None,
    ) -> int:
        self._arrive_at(generation)
        counted = self._counted(generation)
        edge: int = super().apply_update(coefficients, pairs, counted, rates, batch)  # type: ignore[misc]
        faults = self.present
        if faults is not None and faults.flipped_weight_bits:
            self._flip(faults, generation)
        self._arrive_at(generation + 1)
        return edge

    def _flip(self, faults: Faults, generation: int) -> None:
        """Flip stored bits of mantissas; what lies below a mantissa stays."""
        written = weights(self.state, self.fraction_bits).mantissas
        for number, place in enumerate(numbers_of(self.network)):
            connection, one = self.network.connections[place], written[number]
            new = flipped(connection, one, faults.flips(self.network, place, generation))
            step = (new.astype(np.int64) - one) << self.fraction_bits
            kept = self.state.synapses[number]
            kept[...] = np.clip(kept + step, *state_range(connection, self.fraction_bits))


class FaultyEvaluator(_Faulty, Evaluator):
    """A chain of dense layers on a chip with faults; otherwise as `Evaluator`.

    faults      of the chip           generation  the next one: faults may come during the chip's life
    """

    def __init__(
        self, network: Network, *arguments: Any, faults: Faults, generation: int = 0, **more: Any
    ) -> None:
        self.faults, self.generation = faults, generation
        self._actual = faults.registers(network)
        super().__init__(network, *arguments, **more)

    def _set(self, noise: NoiseSpec, readout_spec: Any) -> None:
        super()._set(noise, readout_spec)
        self.faults.check(self.network)
        if not fused_has(noise, self.faults):
            raise NetworkError(
                "faults: lost-axons with noise on the weights of a later layer, which the fused kernel would "
                "still add; use FaultyGraphMembers"
            )

    def _faults_came(self) -> None:
        self._changes += 1

    def _chain(self, noise: NoiseSpec, steps: int) -> fused_chain.Chain:
        faults = self.present
        if faults is None:
            return super()._chain(noise, steps)
        written = self.weights()
        read = Weights(faults.mantissas(self.network, written.mantissas), written.biases)
        chain = lay_out(self._actual, read, noise, steps)
        chain = chain._replace(threshold=chain.threshold.copy())
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


class _FaultyGraph(_Faulty):
    """What the two evaluators of a graph of layers on a chip with faults have in common."""

    _plans: dict[int, Plan]
    _kept: dict[tuple[int, int, int], Any]

    def __init__(
        self, network: Network, *arguments: Any, faults: Faults, generation: int = 0, **more: Any
    ) -> None:
        faults.check(network)
        self.faults, self.generation = faults, generation
        self._actual = faults.registers(network)
        super().__init__(network, *arguments, **more)  # type: ignore[call-arg]

    def _faults_came(self) -> None:
        self._plans.clear()
        self._kept.clear()

    def _plan(self, steps: int) -> Plan:
        faults = self.present
        if faults is not None and steps not in self._plans:
            lost = {
                connection.name: faults.axons(self.network, number)
                for number, connection in enumerate(self.network.connections)
                if faults.lost_axons
            }
            self._plans[steps] = Plan(self._actual, steps, lost)
        plan: Plan = super()._plan(steps)  # type: ignore[misc]
        return plan

    def _load(
        self, plan: Plan, noise: dict[str, int], on_biases: dict[str, int] | None = None
    ) -> tuple[Weights, dict[str, Loaded]]:
        faults = self.present
        written: Weights = self.weights()  # type: ignore[attr-defined]
        if faults is None:
            return written, plan.load(written, noise, on_biases)
        read = written
        if faults.stuck_at_0 or faults.stuck_at_1 or faults.lost_axons:
            read = Weights(faults.mantissas(self.network, written.mantissas), written.biases)
        loaded = plan.load(read, noise, on_biases)
        for layer in plan.layers:
            order = lane_order(layer.population.shape)
            registers = loaded[layer.name].registers
            given = np.empty(layer.neurons, np.int64)
            given[order] = registers.threshold[: layer.neurons]
            found = faults.thresholds(self.network, layer.number, given)
            threshold = registers.threshold.copy()
            threshold[: layer.neurons] = np.minimum(found, _FURTHEST)[order]
            loaded[layer.name] = loaded[layer.name]._replace(
                registers=registers._replace(threshold=threshold)
            )
        return read, loaded


class FaultyGraphEvaluator(_FaultyGraph, GraphEvaluator):
    """A graph of layers that learns by credit on a chip with faults; otherwise as `GraphEvaluator`."""


class FaultyGraphMembers(_FaultyGraph, GraphMembers):
    """A graph of layers that learns by evolution strategies on a chip with faults; as `GraphMembers`."""


class FaultyEmulatedMembers(_Faulty, EmulatedMembers):
    """Any network that the chip emulator runs, on a chip with faults; otherwise as `EmulatedMembers`."""

    def __init__(
        self, network: Network, *arguments: Any, faults: Faults, generation: int = 0, **more: Any
    ) -> None:
        defects.check(faults, network, profiles.LAYERED)
        self.faults, self.generation = faults, generation
        super().__init__(network, *arguments, **more)

    def _faults_came(self) -> None:
        """Nothing is kept: each evaluation makes its chip."""
