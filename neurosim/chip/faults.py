"""Faults on the chip emulator: registers, synapses and perturbations of a chip that is not perfect."""

import numpy as np
from numpy.typing import NDArray

from neurosim.chip.profiles import Profile
from neurosim.chip.synapses import Dense, Synapses, matrix_of, of_matrix
from neurosim.chip.wiring import Perturbation
from neurosim.kernels.chip.neuron import Registers
from neurosim.network import Network, NetworkError
from neurosim.network.connections import Dense as DenseKind
from neurosim.network.faults import Faults
from neurosim.network.shapes import lane_order


def check(faults: Faults, network: Network, profile: Profile) -> None:
    """Raise NetworkError, saying what to use, where this chip cannot have these faults."""
    faults.check(network)
    bits = [kind for kind in ("stuck-at-0", "stuck-at-1") if faults[kind]]
    if bits and profile.weight_range != "mantissa":
        raise NetworkError(
            f"faults: {', '.join(bits)} with profile {profile.name!r}, whose synapses store other than "
            f"mantissas; use the profile default or layered"
        )
    if faults.stuck_generator_bit and any(p.noise is not None for p in network.populations):
        raise NetworkError(
            "faults: stuck-generator-bit with populations that draw noise; take the noise away: the bit is "
            "stuck in the generator that learning draws from"
        )


def registers(faults: Faults, network: Network, sound: Registers) -> Registers:
    """Registers of compartments of which some never or always fire."""
    ends = np.cumsum([p.neurons for p in network.populations])[:-1]
    parts = [
        faults.thresholds(network, number, part)
        for number, part in enumerate(np.split(sound.vth, ends))
    ]
    return sound._replace(vth=np.concatenate(parts))


def synapses(faults: Faults, network: Network, number: int, written: Synapses) -> Synapses:
    """Weights that connection `number` reads, from those that are written to it."""
    if not (faults.stuck_at_0 or faults.stuck_at_1 or faults.lost_axons):
        return written
    connection = network.connections[number]
    if not isinstance(connection.kind, DenseKind):  # synapses that share a weight read the same one
        matrix = matrix_of(network, connection, written)
        if matrix is not None:
            written = of_matrix(network, connection, faults.one_mantissas(network, number, matrix))
        return arriving(faults, network, number, written)
    if not isinstance(written, Dense):
        raise NetworkError(
            f"faults: connection {connection.name} has a list of synapses; give its weights as an "
            f"array (target, source)"
        )
    given = np.asarray(written.weights, np.int64)
    off = given & ((1 << connection.grid_bits) - 1)
    in_shape, out_shape = network.shapes[connection.source], network.shapes[connection.target]
    places = np.ix_(lane_order(out_shape), lane_order(in_shape))  # of the matrix: columns, rows
    read = np.empty_like(given)
    read[places] = faults.one_mantissas(
        network, number, (given >> connection.grid_bits)[places].T
    ).T
    return written._replace(weights=(read << connection.grid_bits) + off)  # what is off is refused


def arriving(faults: Faults, network: Network, number: int, given: Synapses) -> Synapses:
    """Synapses of connection `number`, those of lost axons with a weight of 0."""
    if not faults.lost_axons:
        return given
    lost = _lost_sources(faults, network, number)
    if isinstance(given, Dense):
        return given._replace(weights=np.where(lost, 0, given.weights))
    sources = np.repeat(np.arange(lost.size), np.diff(given.start))
    return given._replace(weights=np.where(lost[sources], 0, given.weights))


def perturbation(
    faults: Faults, network: Network, number: int, given: Perturbation
) -> Perturbation:
    """A perturbation of connection `number`, of the axons that are not lost."""
    if not faults.lost_axons:
        return given
    lost = _lost_sources(faults, network, number)
    b: NDArray[np.int8] = np.where(lost, 0, given.b).astype(np.int8)
    return given._replace(b=b)


def _lost_sources(faults: Faults, network: Network, number: int) -> NDArray[np.bool_]:
    """bool (source,): axons of connection `number` that are lost, in the order of its source's neurons."""
    axons = faults.axons(network, number)
    lost = np.empty_like(axons)
    lost[lane_order(network.shapes[network.connections[number].source])] = axons
    return lost
