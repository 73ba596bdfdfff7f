"""Chip emulator: cores, synapses and compartments of any network, time step by time step.

    chip = Chip(network, {"input->hidden": weights, ...}, profiles.DEFAULT)
    recording = chip.run(spikes, probes=[Probe("hidden", "v")])

Latency, once: a spike of step t acts in step t + latency + delay; latency is 1 for neurons and,
but for brian2-loihi's and slayer's rules, 1 for inputs. Layer l = 1, 2, ... of a chain therefore
does in step t + l what the population evaluator, without latency, does in step t; `pipelined` resets each
layer before its own step l. Under `profiles.LAYERED` the chip has no latency either.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from neurosim.chip import faults as defects
from neurosim.chip import profiles, stimulus, wiring
from neurosim.chip.mapping import Placement, place
from neurosim.chip.profiles import Profile
from neurosim.chip.stimulus import Stimulus
from neurosim.chip.synapses import Rounded, Synapses, check_synapses, synapses_of
from neurosim.chip.wiring import MatrixPerturbation, Perturbation
from neurosim.kernels.chip import step as chip_step
from neurosim.kernels.chip.step import Groups, Probes, State
from neurosim.kernels.chip.synapse import Projections
from neurosim.network import Network, NetworkError, Weights, with_biases
from neurosim.network.faults import Faults
from neurosim.threads import in_pieces

Quantity = Literal["u", "v", "current"]
PIECES_PER_THREAD = 4
"""Chosen here: small enough that threads end together, large enough to share scratch memory."""


class Probe(NamedTuple):
    """Record `what` of chosen neurons (None: all) in chosen steps of the run (None: all).

    u, v     at the end of the step (v in the step of a spike: by the profile's `recorded_v`)
    current  input of the compartment in this step, noise included, in units of u

    Examples:
        >>> import numpy as np
        >>> import neurosim
        >>> network = neurosim.Network.chain(4, [neurosim.Population("output", 2, vth_mant=600)])
        >>> chip = neurosim.Chip(network, {"input->output": np.full((2, 4), 40)})
        >>> probe = neurosim.Probe("output", "v", neurons=[0])
        >>> chip.run(np.ones((1, 3, 4), np.uint8), [probe]).probed[0].shape
        (1, 3, 1)
    """

    population: str
    what: Quantity
    neurons: Sequence[int] | None = None
    steps: Sequence[int] | None = None


class Counters(NamedTuple):
    """Counters of a run; int64 (sample, step), or plain integers after `total`.

    input_overflows       sums of synaptic input beyond 21 bits and sign
    current_overflows     u beyond its register; saturations by default, wraps in other profiles
    drive_overflows       u + bias beyond 23 bits and sign
    voltage_saturations   v beyond vmin..vmax
    synaptic_operations   synapses read, counted in the step of the spike
    relay_operations      the same for the factors of a perturbation
    active_updates        compartments whose u or v is not 0 before or after; inactive: the others
    input_spikes, spikes  spikes of inputs, of neurons
    messages              spikes times the cores each is sent to; 0 for a chip without placement
    hops_*                links of the mesh those messages cross
    """

    input_overflows: NDArray[np.int64]
    current_overflows: NDArray[np.int64]
    drive_overflows: NDArray[np.int64]
    voltage_saturations: NDArray[np.int64]
    synaptic_operations: NDArray[np.int64]
    relay_operations: NDArray[np.int64]
    active_updates: NDArray[np.int64]
    inactive_updates: NDArray[np.int64]
    input_spikes: NDArray[np.int64]
    spikes: NDArray[np.int64]
    messages: NDArray[np.int64]
    hops_east_west: NDArray[np.int64]
    hops_north_south: NDArray[np.int64]

    def total(self) -> dict[str, int]:
        """Each counter summed over samples and steps."""
        return {name: int(np.sum(array)) for name, array in self._asdict().items()}


class Recording(NamedTuple):
    """spikes: int8 (sample, step, neuron) of every population, 1, or -1 from a ternary neuron;
    probed: int64 (sample, step, neuron), one a probe, in their order; state: to go on from."""

    spikes: dict[str, NDArray[np.int8]]
    probed: tuple[NDArray[np.int64], ...]
    counters: Counters
    state: State


class Chip:
    """A network on the chip: weights on their grid, in the arrays that the kernels read.

    weights     by name of connection: integers (target, source), `Dense` or `Sparse`
    placement   cores and routes; "auto" makes one or refuses a network that does not fit; None
                leaves the network unplaced: no limits, no messages, no hops
    rounded     by name of connection: result of rounding the weights to the grid
    faults      of this chip (network/faults.py); flipped bits come between generations, not here

    Examples:
        >>> import numpy as np
        >>> import neurosim
        >>> network = neurosim.Network.chain(4, [neurosim.Population("output", 2, vth_mant=60)])
        >>> chip = neurosim.Chip(network, {"input->output": np.full((2, 4), 40)})
        >>> recording = chip.run(np.ones((1, 3, 4), np.uint8))  # (sample, step, input)
        >>> recording.spikes["output"].sum(axis=(0, 2))  # of each step: a spike takes one
        array([0, 2, 2])
    """

    def __init__(
        self,
        network: Network,
        weights: Mapping[str, object],
        profile: Profile = profiles.DEFAULT,
        placement: Placement | Literal["auto"] | None = "auto",
        seed: int = 0,
        faults: Faults | None = None,
    ) -> None:
        ideal = network
        if faults is not None:
            defects.check(faults, network, profile)
            network = faults.registers(network)
        self.faults = faults
        self.network, self.profile, self.seed = network, profile, seed
        self.synapses = _checked(network, weights, profile)
        self.placement = place(ideal, self.synapses) if placement == "auto" else placement
        self._registers = wiring.registers(network, profile)
        self._models = wiring.models(network)
        if faults is not None:
            self._registers = defects.registers(faults, network, self._registers)
        ends = np.cumsum([0, *(p.neurons for p in network.populations)]).tolist()
        self._slices = {
            p.name: slice(a, b)
            for p, a, b in zip(network.populations, ends, ends[1:], strict=False)
        }
        self._order = wiring.order(network, self.synapses, profile)
        self.rounded: dict[str, Rounded] = {}
        self._parts: dict[str, list[wiring.Piece]] = {}
        for connection in network.connections:
            self._write(connection.name)

    @staticmethod
    def from_weights(
        network: Network,
        weights: Weights,
        profile: Profile = profiles.DEFAULT,
        placement: Placement | Literal["auto"] | None = "auto",
        faults: Faults | None = None,
    ) -> "Chip":
        """A network with learned mantissas and bias mantissas."""
        synapses = synapses_of(network, weights)
        return Chip(with_biases(network, weights), synapses, profile, placement, faults=faults)

    def write(self, connection: str, weights: object) -> None:
        """Replace the synapses of a connection; states of earlier runs stay usable."""
        self.synapses |= _checked(
            self.network, {**self.synapses, connection: weights}, self.profile
        )
        self._write(connection)

    def _write(self, name: str) -> None:
        number = self._number(name)
        synapses = self.synapses[name]
        if self.faults is not None:
            synapses = defects.synapses(self.faults, self.network, number, synapses)
        self._parts[name], self.rounded[name] = wiring.pieces(
            self.network.connections[number], synapses, self.profile
        )
        self._ready: dict[frozenset[str], tuple[Groups, Projections, list[wiring.Piece]]] = {}

    def _number(self, name: str) -> int:
        """Place of a connection in the description."""
        return [c.name for c in self.network.connections].index(name)

    def fresh_state(self, samples: int) -> State:
        """Everything at 0."""
        neurons = sum(p.neurons for p in self.network.populations)
        u, v, dead = (np.zeros((samples, neurons), np.int64) for _ in range(3))
        variables = max(model.variables for model in self._models)
        own = np.zeros((samples, variables, neurons), np.int64)
        ring = np.zeros((samples, self._slots(), neurons), np.int64)
        return State(u, v, dead, own, ring, np.zeros(samples, np.int64), np.arange(samples))

    def _slots(self) -> int:
        """Steps that the ring looks ahead, and the present one."""
        longest = max((part.delay for parts in self._parts.values() for part in parts), default=0)
        return longest + 2

    def sample_bytes(self, steps: int) -> int:
        """Approximate bytes that `run` needs for each sample of so many steps, probes apart."""
        neurons = sum(population.neurons for population in self.network.populations)
        variables = max(model.variables for model in self._models)
        of_state = np.dtype(np.int64).itemsize * neurons * (3 + variables + self._slots())
        return of_state + steps * (neurons + chip_step.empty_counts(1, 1).nbytes)

    def run(
        self,
        spikes: object,
        probes: Sequence[Probe] = (),
        *,
        state: State | None = None,
        perturbations: Mapping[str, Perturbation | MatrixPerturbation] | None = None,
        bias_noise: Mapping[str, NDArray[np.int64]] | None = None,
        noise: Mapping[str, NDArray[np.int64]] | None = None,
    ) -> Recording:
        """Run every sample for as many steps as `spikes` has.

        spikes         Frames, or 0/1 or signed values (sample, step, input); by name of input
                       where there are several
        state          of an earlier recording, to go on; the samples start at rest without
        perturbations  by name of connection: added to its currents, the same for all samples; the synapses
                       of a matrix are counted as the connection's own
        bias_noise     by name of population: integers (neuron,) added to the biases, in units of v
        noise          by name of population: recorded draws -127..127 (step, neuron), used instead
                       of the chip's own generator
        """
        given = stimulus.read(self.network, spikes)
        samples, steps = given.samples, given.steps
        self._check_values(given)
        groups, projections = self._tables(given, perturbations or {})
        registers = self._registers._replace(bias=self._biases(bias_noise or {}))
        state = self.fresh_state(samples) if state is None else self._copied(state, samples)
        table, out = self._probe_table(probes, samples, steps)
        fired = np.zeros((samples, steps, state.u.shape[1]), np.int8)
        counts = chip_step.empty_counts(samples, steps)
        draws = self._draws(noise or {}, steps)
        tables = (groups, projections, registers, self.profile.rules, state)
        seed = np.uint64(self.seed % (1 << 64))  # of one type, so that one kernel is compiled
        rest = ((given.bits, given.graded), draws, seed, table, fired, counts, out)
        piece = -(-samples // (numba.get_num_threads() * PIECES_PER_THREAD))
        run_samples = chip_step.compile_run(self._models)
        in_pieces(samples, piece, lambda a, b: run_samples(*tables, a, b, *rest))
        return Recording(
            {name: fired[:, :, neurons] for name, neurons in self._slices.items()},
            _probed(table, out),
            Counters(*np.moveaxis(counts, -1, 0)),
            state,
        )

    def _tables(
        self, given: Stimulus, perturbations: Mapping[str, Perturbation | MatrixPerturbation]
    ) -> tuple[Groups, Projections]:
        """Groups and projections; perturbed by a matrix, a connection has a second projection."""
        factors: dict[str, Perturbation] = {}
        parts = dict(self._parts)
        faults, network = self.faults, self.network
        for name, change in perturbations.items():
            if isinstance(change, Perturbation):
                if faults is not None and name in self._parts:
                    change = defects.perturbation(faults, network, self._number(name), change)
                factors[name] = change
                continue
            own = self._parts.get(name, [])
            if len(own) != 1:
                raise wiring.not_one_delay(name, len(own), self._parts)
            piece = wiring.perturbing(network, own[0].connection, change)
            if faults is not None:
                heard = defects.arriving(faults, network, self._number(name), piece.synapses)
                piece = piece._replace(synapses=heard)
            parts[name] = [*own, piece]
        if len(factors) < len(perturbations):
            groups, laid_out, in_order = self._laid_out(given.valued, parts)
        else:
            if given.valued not in self._ready:
                self._ready[given.valued] = self._laid_out(given.valued, self._parts)
            groups, laid_out, in_order = self._ready[given.valued]
        if factors:
            laid_out = wiring.perturbed(laid_out, in_order, factors)
        return groups, laid_out

    def _laid_out(
        self, valued: frozenset[str], parts: Mapping[str, list[wiring.Piece]]
    ) -> tuple[Groups, Projections, list[wiring.Piece]]:
        """Groups, projections, and the pieces of the projections in their order."""
        sending = [*(i.name for i in self.network.inputs), *(p.name for p in self._order)]
        mine = [
            [piece for pieces in parts.values() for piece in pieces if piece.connection.source == n]
            for n in sending
        ]
        in_order = [piece for pieces in mine for piece in pieces]
        counts = [len(pieces) for pieces in mine]
        groups = wiring.groups(self.network, self._order, valued, counts, self._routes())
        return groups, wiring.projections(self.network, in_order, self.profile), in_order

    def _check_values(self, given: Stimulus) -> None:
        """Values must fit the message bits of every graded connection they travel along."""
        column = 0
        for part in self.network.inputs:
            if part.name not in given.valued:
                continue
            values = given.graded[:, :, column : column + part.size]
            column += part.size
            largest = int(np.abs(values.astype(np.int64)).max())
            for connection in self.network.connections:
                bits = connection.message_bits
                if connection.source == part.name and bits and largest > 1 << bits:
                    raise NetworkError(
                        f"connection {connection.name}: a spike has the value ±{largest}; "
                        f"message_bits {bits} allow ±{1 << bits}"
                    )

    def _routes(self) -> NDArray[np.int64]:
        if self.placement is None:
            return np.zeros((sum(self.network.sizes.values()), 3), np.int64)
        return self.placement.routes

    def _copied(self, state: State, samples: int) -> State:
        fresh = self.fresh_state(samples)
        if [a.shape for a in state] != [a.shape for a in fresh]:
            raise NetworkError(
                f"state holds {[a.shape for a in state]}; these spikes and this network need "
                f"{[a.shape for a in fresh]}"
            )
        return State(*(array.copy() for array in state))

    def _biases(self, noise: Mapping[str, NDArray[np.int64]]) -> NDArray[np.int64]:
        biases = self._registers.bias.copy()
        for name, values in noise.items():
            array = np.asarray(values)
            size = self.network.sizes.get(name) if name in self._slices else None
            if array.dtype.kind not in "iu" or array.shape != (size,):
                raise NetworkError(
                    f"bias noise of {name!r} is {array.dtype} {array.shape}; needed are integers "
                    f"({size},), for one of the populations {list(self._slices)}"
                )
            biases[self._slices[name]] += array
        return biases

    def _draws(self, noise: Mapping[str, NDArray[np.int64]], steps: int) -> NDArray[np.int64]:
        if not noise:
            return np.zeros((1, 0, 0), np.int64)
        draws = np.zeros((1, steps, self._registers.bias.size), np.int64)
        noisy = [p.name for p in self.network.populations if p.noise is not None]
        if sorted(noise) != sorted(noisy):
            raise NetworkError(f"draws are given for {sorted(noise)}; noisy are {sorted(noisy)}")
        for name, values in noise.items():
            array = np.asarray(values)
            if array.dtype.kind not in "iu" or array.shape != (steps, self.network.sizes[name]):
                raise NetworkError(
                    f"noise of {name!r} is {array.dtype} {array.shape}; needed are integers "
                    f"{(steps, self.network.sizes[name])}"
                )
            draws[0, :, self._slices[name]] = array
        return draws

    def _probe_table(
        self, probes: Sequence[Probe], samples: int, steps: int
    ) -> tuple[Probes, NDArray[np.int64]]:
        what, neurons, rows = [], [], np.full((len(probes), steps), -1)
        for p, probe in enumerate(probes):
            if probe.population not in self._slices:
                raise NetworkError(
                    f"probe of {probe.population!r}; the populations are {list(self._slices)}"
                )
            place_of = {"current": 0, "u": 1, "v": 2 + (self.profile.recorded_v != "after_reset")}
            if probe.what not in place_of:
                raise NetworkError(f"probe of {probe.what!r}; there are {sorted(place_of)}")
            what.append(place_of[probe.what])
            first = self._slices[probe.population].start
            size = self.network.sizes[probe.population]
            neurons.append(first + _chosen("neurons", probe.neurons, size))
            asked = _chosen("steps", probe.steps, steps)
            rows[p, asked] = np.arange(asked.size)
        counts = np.array([n.size for n in neurons], np.int64)
        wanted = (rows >= 0).sum(axis=1) * counts
        ends = np.cumsum(np.concatenate([[0], wanted]))
        firsts = np.cumsum(np.concatenate([[0], counts]))
        table = Probes(
            np.array(what, np.int64),
            counts,
            firsts[:-1].astype(np.int64),
            ends[:-1].astype(np.int64),
            np.concatenate([np.zeros(0, np.int64), *neurons]),
            rows.astype(np.int64),
        )
        return table, np.zeros((samples, int(ends[-1])), np.int64)


def pipelined(network: Network, steps: int) -> Network:
    """The same graph, each layer starting afresh when the first step of a sample reaches it.

    A layer at depth l (`Network.depths`) is reset before step l, l + steps, ...: u and v that biases made
    before the sample are cleared. Spikes that they made by then still act through delays, recurrent
    synapses and refractory periods of more than one step. Connections that skip layers get the delay with
    which branches arrive together. Samples of `steps` steps may follow one another without a pause where
    no connection has a delay and none is recurrent.
    Raises NetworkError for a cycle through several populations.
    """
    depths = network.depths
    populations = tuple(
        replace(population, reset_interval=steps, reset_offset=depths[population.name] + 1)
        for population in network.populations
    )
    connections = tuple(
        c if c.recurrent else replace(c, delay=c.delay + depths[c.target] - depths[c.source] - 1)
        for c in network.connections
    )
    return replace(network, populations=populations, connections=connections)


def _chosen(what: str, asked: Sequence[int] | None, size: int) -> NDArray[np.int64]:
    """Indices in 0..size-1 of a probe."""
    if asked is None:
        return np.arange(size)
    array = np.asarray(asked)
    if array.ndim != 1 or array.dtype.kind not in "iu" or not np.isin(array, np.arange(size)).all():
        raise NetworkError(f"probe of {what} {list(asked)}; allowed are integers 0..{size - 1}")
    return array.astype(np.int64) if what == "neurons" else np.unique(array).astype(np.int64)


def _probed(table: Probes, out: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    found = []
    for start, count, rows in zip(table.start, table.count, table.rows, strict=True):
        wanted = int((rows >= 0).sum())
        block = out[:, start : start + wanted * count]
        found.append(block.reshape(out.shape[0], wanted, count))
    return tuple(found)


def _checked(
    network: Network, weights: Mapping[str, object], profile: Profile
) -> dict[str, Synapses]:
    names = [connection.name for connection in network.connections]
    if sorted(weights) != sorted(names):
        raise NetworkError(
            f"weights are given for {sorted(weights)}; the connections are {sorted(names)}"
        )
    return {
        c.name: check_synapses(c, weights[c.name], network.sizes, profile.max_delay)
        for c in network.connections
    }
