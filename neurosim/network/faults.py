"""Hardware faults: defective bits, compartments and axons of a chip, and mismatch of its registers.

    faults = Faults.of_text("stuck-weight-bits 0.01, dead 0.05, seed 3")
    faults.mantissas(network, mantissas)   what the synapses read back of what is written to them
    faults.registers(network)              the network with the thresholds and decays that compartments have
    faults.compartments(network, k)        which compartments of population k never or always fire

Everything is drawn from the counter generator by the fault seed, on streams of its own: one 32-bit word a
bit, compartment or axon, compared with the share. So the faults of a share are among those of a larger
share of the same seed, and every chip, evaluator and machine has the same.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from math import isqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurosim import limits
from neurosim.kernels import generator
from neurosim.network.connections import Dense, Sparse
from neurosim.network.description import Connection, Network, Population
from neurosim.network.errors import NetworkError

STUCK, DEAD, AXON, THRESHOLD, DU, DV, FLIP, STUCK_GENERATOR = (
    np.int64(stream) for stream in range(40, 48)
)
"""Streams of the counter generator. Learning, data and the chip's own noise use 0..31."""
ONE = 10**9
"""Shares and rates are whole numbers of this."""
WORD = 1 << 32
SPREAD = isqrt((65536**2 - 1) // 3)
"""Standard deviation of the sum of four uniform 16-bit numbers."""
SILENT, SOUND, FIRING = -1, 0, 1
"""States of a compartment: it never fires, it works, it fires in every step."""
NEVER_REACHED, ALWAYS_EXCEEDED = (1 << 31) - 1, -(1 << 30)
"""Thresholds of compartments that never and always fire, in units of v: beyond every 24-bit v, and far
enough from 32 bits that a window around the lower one does not wrap."""
NONE = "none"
_NUMBER = re.compile(r"(\d{1,10})(?:\.(\d{1,9}))?")
_HALVES = {
    "stuck-weight-bits": ("stuck-at-0", "stuck-at-1"),
    "dead": ("silent", "always-firing"),
}
"""Short names: half of the share is of each kind."""


class Stuck(NamedTuple):
    """Masks of the stored bits of a matrix, uint8 (row, column)."""

    at_0: NDArray[np.uint8]
    at_1: NDArray[np.uint8]


@dataclass(frozen=True)
class Faults:
    """Shares of faults, in units of 10^-9 of what there is; NetworkError where one is out of range.

    stuck_at_0, stuck_at_1  stored bits of weights that always read 0, or 1
    silent, always_firing   compartments that send no spike, or one in every step; of populations that send
                            spikes to another (a readout is read by its membrane or counted, it is spared)
    lost_axons              (source, connection) pairs whose spikes do not arrive
    threshold_mismatch      standard deviation of the thresholds of these populations, relative
    decay_mismatch          the same of du and dv; a du of 4095 stores no current, and stays
    flipped_weight_bits     stored bits of weights that flip after a generation: a rate, not a share
    stuck_generator_bit     0, or 10^9: one bit of every 64-bit word that the generator draws is stuck
    seed                    of the faults
    since                   generation in which they come; the chip is sound before it

    Examples:
        >>> import neurosim
        >>> faults = neurosim.Faults.of_text("silent 0.1, stuck-weight-bits 0.01, seed 3")
        >>> faults.silent, faults.stuck_at_0, faults.stuck_at_1
        (100000000, 5000000, 5000000)
        >>> network = neurosim.Network.chain(
        ...     4, [neurosim.Population("hidden", 50, 60), neurosim.Population("output", 2, 60)]
        ... )
        >>> int((faults.compartments(network, 0) < 0).sum())  # neurons that never fire
        6
    """

    stuck_at_0: int = 0
    stuck_at_1: int = 0
    silent: int = 0
    always_firing: int = 0
    lost_axons: int = 0
    threshold_mismatch: int = 0
    decay_mismatch: int = 0
    flipped_weight_bits: int = 0
    stuck_generator_bit: int = 0
    seed: int = 0
    since: int = 0

    def __post_init__(self) -> None:
        for name in KINDS:
            value = self[name]
            if not 0 <= value <= ONE:
                raise NetworkError(f"faults: {name} is {_decimal(value)}; allowed are 0..1")
        for first, second in _HALVES.values():
            if self[first] + self[second] > ONE:
                raise NetworkError(
                    f"faults: {first} {_decimal(self[first])} and {second} {_decimal(self[second])} "
                    f"are more than all; allowed is a sum up to 1"
                )
        if self.stuck_generator_bit not in (0, ONE):
            raise NetworkError("faults: stuck-generator-bit is 0 (sound) or 1 (one bit is stuck)")
        if not 0 <= self.seed < 1 << 64 or not 0 <= self.since < WORD:
            raise NetworkError(
                f"faults: seed {self.seed} and since {self.since}; allowed are 0..2^64 - 1 and 0..2^32 - 1"
            )

    def __getitem__(self, kind: str) -> int:
        """The share of a kind, by its name in texts."""
        share: int = getattr(self, kind.replace("-", "_"))
        return share

    @staticmethod
    def of_text(text: str) -> "Faults | None":
        """From "KIND SHARE, ..., seed N, since GENERATION"; None for "none". Raises NetworkError."""
        if text.strip() == NONE:
            return None
        given: dict[str, int] = {}
        for part in text.split(","):
            for name, value in _entries(part):
                if name in given:
                    raise NetworkError(f"faults {text!r}: {name} is given twice; give it once")
                given[name] = value
        faults = Faults(**{name.replace("-", "_"): value for name, value in given.items()})
        if not faults.kinds:
            raise NetworkError(
                f"faults {text!r} name no share above 0; leave them out, or {NONE!r}"
            )
        return faults

    @property
    def kinds(self) -> list[str]:
        """Names of the kinds of which there are any."""
        return [name for name in KINDS if self[name]]

    def __str__(self) -> str:
        parts = [f"{name} {_decimal(self[name])}" for name in self.kinds]
        parts += [f"seed {self.seed}"] if self.seed else []
        return ", ".join(parts + ([f"since {self.since}"] if self.since else []))

    def at(self, generation: int) -> "Faults | None":
        """The faults that there are in a generation."""
        return self if generation >= self.since else None

    def refuse(self, kinds: Sequence[str], where: str, instead: str) -> None:
        """Raise NetworkError where there are faults of `kinds`, which `where` does not have."""
        found = [name for name in kinds if self[name]]
        if found:
            raise NetworkError(f"faults: {where} has no {', '.join(found)}; {instead}")

    def check(self, network: Network) -> None:
        """Raise NetworkError, naming the connection, where it cannot have the faults of bits."""
        bits = [name for name in OF_BITS if self[name]]
        for connection in network.connections:
            if bits and connection.sign_mode != "mixed":
                raise NetworkError(
                    f"faults: {', '.join(bits)} on connection {connection.name} of sign_mode "
                    f"{connection.sign_mode!r}; needed is 'mixed': use faults of compartments (silent, "
                    f"always-firing)"
                )

    def stuck(self, network: Network, number: int) -> Stuck:
        """The stuck bits of the matrix of connection `number`, (row, column).

        Synapses that share a weight share its bits; a connection without a matrix stores none.
        """
        stored = _stored(network, number)
        masks = _stuck(self._bits, number, stored.shape, network.connections[number].weight_bits)
        return masks if stored.all() else Stuck(*(mask * stored for mask in masks))

    def axons(self, network: Network, number: int) -> NDArray[np.bool_]:
        """bool (source,): axons of connection `number` that are lost, channels last.

        Of a dense connection that is the order of the rows of its matrix.
        """
        sources = network.sizes[network.connections[number].source]
        return _words(sources, AXON, number, 0, 0, self.seed) < _below(self.lost_axons)

    def compartments(self, network: Network, number: int) -> NDArray[np.int8]:
        """int8 (neuron,) of population `number`: SILENT, SOUND or FIRING."""
        population = network.populations[number]
        states = np.full(population.neurons, SOUND, np.int8)
        if _sends(network, population):
            words = _words(population.neurons, DEAD, number, 0, 0, self.seed)
            states[words < _below(self.silent)] = SILENT
            states[words >= WORD - _below(self.always_firing)] = FIRING
        return states

    def thresholds(
        self, network: Network, number: int, given: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Thresholds int64 (neuron,) of population `number` in units of v, where dead compartments are."""
        states = self.compartments(network, number)
        found = np.where(states == SILENT, NEVER_REACHED, np.asarray(given, np.int64))
        return np.where(states == FIRING, ALWAYS_EXCEEDED, found)

    def one_mantissas(
        self, network: Network, number: int, written: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Mantissas that connection `number` reads, from int64 (row, column) that are written to it.

        Those of the lost axons of a dense connection, whose rows are theirs alone, read 0.
        """
        found = np.asarray(written, np.int64)
        if self.stuck_at_0 or self.stuck_at_1:
            stuck, half = (
                self.stuck(network, number),
                1 << network.connections[number].weight_bits - 1,
            )
            word = found & (2 * half - 1) & ~stuck.at_0.astype(np.int64) | stuck.at_1
            found = (word ^ half) - half
        if self.lost_axons and isinstance(network.connections[number].kind, Dense):
            found = np.where(self.axons(network, number)[:, None], 0, found)
        return found

    def mantissas(
        self, network: Network, written: Sequence[NDArray[np.int8]]
    ) -> tuple[NDArray[np.int8], ...]:
        """Mantissas that the synapses of a network read, int8 (row, column) of each parameter."""
        self.check(network)
        return tuple(
            self.one_mantissas(network, number, one).astype(np.int8)  # type: ignore[arg-type]
            for number, one in zip(numbers_of(network), written, strict=True)
        )

    def registers(self, network: Network) -> Network:
        """The network with the thresholds and decays that its compartments have."""
        if not (self.threshold_mismatch or self.decay_mismatch):
            return network
        populations = tuple(
            self._mismatched(population, number) if _sends(network, population) else population
            for number, population in enumerate(network.populations)
        )
        return replace(network, populations=populations)

    def _mismatched(self, population: Population, number: int) -> Population:
        changed = {}
        for register, share, stream, allowed in (
            ("vth_mant", self.threshold_mismatch, THRESHOLD, limits.VTH_MANT),
            ("du", self.decay_mismatch, DU, limits.DECAY),
            ("dv", self.decay_mismatch, DV, limits.DECAY),
        ):
            meant = population.each(register)
            if share and not (register == "du" and (meant == limits.DECAY.high).all()):
                words = _raw(2 * population.neurons, stream, number, 0, 0, self.seed)
                changed[register] = _varied(meant, words, share, allowed)
        return replace(population, **changed)  # type: ignore[arg-type]

    def flips(self, network: Network, number: int, generation: int) -> NDArray[np.uint8]:
        """uint8 (row, column): stored bits of connection `number` that flip after `generation`."""
        stored = _stored(network, number)
        flipped = np.zeros(stored.shape, np.uint8)
        below = _below(self.flipped_weight_bits)
        for bit in range(network.connections[number].weight_bits):
            words = _words(stored.size, FLIP, number, bit, generation, self.seed)
            flipped |= (words < below).reshape(stored.shape).astype(np.uint8) << np.uint8(bit)
        return flipped * stored

    def counts(self, network: Network) -> list[tuple[str, str, int, int]]:
        """(kind, where, how many, of how many) of the faults that can be counted."""
        found: list[tuple[str, str, int, int]] = []
        for number, connection in enumerate(network.connections):
            stored = int(_stored(network, number).sum())
            if stored and (self.stuck_at_0 or self.stuck_at_1):
                stuck, bits = self.stuck(network, number), stored * connection.weight_bits
                for kind, mask in zip(OF_BITS[:2], stuck, strict=True):
                    found.append((kind, connection.name, int(np.bitwise_count(mask).sum()), bits))
            if self.lost_axons:
                axons = self.axons(network, number)
                found.append(("lost-axons", connection.name, int(axons.sum()), axons.size))
        for number, population in enumerate(network.populations):
            if not _sends(network, population):
                continue
            states = self.compartments(network, number)
            for kind, state in (("silent", SILENT), ("always-firing", FIRING)):
                found.append((kind, population.name, int((states == state).sum()), states.size))
        return [row for row in found if self[row[0]]]

    @property
    def generator_code(self) -> int:
        """Upper half of a generation's word for the generator: see `generator.draw_words`."""
        if not self.stuck_generator_bit:
            return 0
        word = int(_words(1, STUCK_GENERATOR, 0, 0, 0, self.seed)[0])
        return generator.stuck_code(word % 64, word >> 31)

    @property
    def _bits(self) -> tuple[int, int, int]:
        return _below(self.stuck_at_0), _below(self.stuck_at_1), self.seed


KINDS = tuple(
    field.name.replace("_", "-") for field in fields(Faults) if field.name not in ("seed", "since")
)
"""Names of the kinds of faults in texts."""
OF_BITS = ("stuck-at-0", "stuck-at-1", "flipped-weight-bits")


def flipped(
    connection: Connection, mantissas: NDArray[np.int8], bits: NDArray[np.uint8]
) -> NDArray[np.int8]:
    """Mantissas with some of their stored bits flipped, in two's complement of the connection's width."""
    half = 1 << (connection.weight_bits - 1)
    word = (mantissas.astype(np.int64) & (2 * half - 1)) ^ bits
    return ((word ^ half) - half).astype(np.int8)


def _entries(part: str) -> Iterator[tuple[str, int]]:
    """Names and numbers of one part of a text; NetworkError where it is none."""
    words = part.split()
    allowed = (*KINDS, *_HALVES, "seed", "since")
    if len(words) != 2 or words[0] not in allowed:
        raise NetworkError(
            f"faults: {part.strip()!r} is no fault; needed is KIND SHARE, ... of the kinds "
            f"{', '.join((*KINDS, *_HALVES))}, and seed N, since GENERATION"
        )
    name, number = words
    if name in ("seed", "since"):
        if not (number.isascii() and number.isdigit() and len(number) <= 20):
            raise NetworkError(f"faults: {name} is {number!r}; needed is a whole number from 0")
        yield name, int(number)
        return
    found = _NUMBER.fullmatch(number)
    if found is None:
        raise NetworkError(
            f"faults: {name} is {number!r}; needed is a decimal number 0..1 of at most 9 places"
        )
    share = int(found[1]) * ONE + int((found[2] or "").ljust(9, "0"))
    if name not in _HALVES:
        yield name, share
        return
    first, second = _HALVES[name]
    yield first, share - share // 2
    yield second, share // 2


def _decimal(share: int) -> str:
    whole, rest = divmod(share, ONE)
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".")


def numbers_of(network: Network) -> list[int]:
    """The place among the connections of each parameter of a network: the number of its faults."""
    return [network.connections.index(connection) for connection, _ in network.parameters]


def _stored(network: Network, number: int) -> NDArray[np.bool_]:
    """bool (row, column): the weights that connection `number` stores; none where they are fixed."""
    connection = network.connections[number]
    matrix = network.parameter(connection)
    if isinstance(connection.kind, Sparse):
        return connection.kind.mask()
    return np.ones((matrix.rows, matrix.columns) if matrix else (0, 0), np.bool_)


def _sends(network: Network, population: Population) -> bool:
    """Whether the spikes of a population reach another one."""
    return any(c.source == population.name != c.target for c in network.connections)


def _below(share: int) -> int:
    """Words of 2^32 that are below this are a share of all."""
    return share * WORD // ONE


def _raw(
    words: int, stream: np.int64, number: int, direction: int, generation: int, seed: int
) -> NDArray[np.uint64]:
    """uint64, `words` 32-bit words of the generator in pairs."""
    drawn = np.zeros(-(-words // 2), np.uint64)
    generator.draw_blocks(drawn, stream, number, direction, generation, np.uint64(seed))
    return drawn


def _words(
    count: int, stream: np.int64, number: int, direction: int, generation: int, seed: int
) -> NDArray[np.int64]:
    """int64 (count,) of 32-bit words."""
    drawn = _raw(count, stream, number, direction, generation, seed)
    return drawn.view(np.uint32)[:count].astype(np.int64)


@lru_cache(maxsize=8)
def _stuck(shares: tuple[int, int, int], number: int, shape: tuple[int, int], bits: int) -> Stuck:
    at_0, at_1, seed = shares
    masks = Stuck(np.zeros(shape, np.uint8), np.zeros(shape, np.uint8))
    for bit in range(bits):
        words = _words(shape[0] * shape[1], STUCK, number, bit, 0, seed).reshape(shape)
        masks.at_0[words < at_0] |= np.uint8(1 << bit)
        masks.at_1[words >= WORD - at_1] |= np.uint8(1 << bit)
    return masks


def _varied(
    meant: NDArray[np.int64], words: NDArray[np.uint64], share: int, allowed: limits.Range
) -> tuple[int, ...]:
    """Registers that differ from what they are meant to be by a normal share of it, rounded down."""
    centred = words.view(np.uint16).reshape(-1, 4).astype(np.int64).sum(axis=1) - 2 * 65535
    return tuple(
        min(max(value + value * by * share // (SPREAD * ONE), allowed.low), allowed.high)
        for value, by in zip(meant.tolist(), centred.tolist(), strict=True)
    )
