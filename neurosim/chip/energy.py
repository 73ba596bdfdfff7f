"""Energy and time of a network on the chip: counted operations times published constants, an estimate.

    energy = sum over operations of count * picojoules     + static power * time
    time   = sum over operations of count * nanoseconds / cores used     + steps * barrier

Work is spread evenly over the cores used, which is the lower bound of the time. It is never a measurement:
every estimate names the source of its constants.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from neurosim import limits
from neurosim.chip.emulator import Recording
from neurosim.chip.mapping import Placement
from neurosim.network import Network

LINK_BITS = 32
"""Random bits that one drawn number of the generator holds: four 32-bit words a Philox block."""
RADEMACHER_BITS, GRADED_BITS = 1, 16


class Price(NamedTuple):
    """Picojoules and nanoseconds of one operation."""

    pj: float
    ns: float


@dataclass(frozen=True)
class Costs:
    """Constants of one source. `dataclasses.replace` makes one's own.

    update_active, update_inactive  one compartment, one step
    spike                           sending a spike, once; message: once for each core it goes to
    weight_update                   writing a synapse by a learning rule
    barrier_ns                      synchronising 1 tile, and 32; between them in proportion
    static_mw                       of the whole chip, added for the time; 0 if not published
    """

    name: str
    source: str
    synaptic_operation: Price
    sparse_operation: Price
    update_active: Price
    update_inactive: Price
    spike: Price
    message: Price
    hop_east_west: Price
    hop_north_south: Price
    weight_update: Price
    random_number: Price
    barrier_ns: tuple[float, float]
    static_mw: float

    def barrier(self, tiles: int) -> float:
        """Nanoseconds of one barrier over so many tiles."""
        low, high = self.barrier_ns
        share = (min(max(tiles, 1), 32) - 1) / 31
        return low + share * (high - low)


DAVIES_2018 = Costs(
    "Davies 2018",
    "Davies et al., IEEE Micro 38(1), 2018, table 2; static power derived from Frady et al. 2020; "
    "random numbers, not published there, as in SANA-FE",
    synaptic_operation=Price(23.6, 3.5),
    sparse_operation=Price(23.6, 3.5),
    update_active=Price(81.0, 8.4),
    update_inactive=Price(52.0, 5.3),
    spike=Price(0.0, 0.0),
    message=Price(1.7, 2.1),
    hop_east_west=Price(3.0, 4.1),
    hop_north_south=Price(4.0, 6.5),
    weight_update=Price(120.0, 6.1),
    random_number=Price(6.0, 0.0),
    barrier_ns=(113.0, 465.0),
    static_mw=104.0,
)

SANA_FE = Costs(
    "SANA-FE",
    "SANA-FE's fit to Loihi, Boyle et al. 2025; an inactive update is the access without the "
    "update; hop times and weight updates, not published there, as in Davies 2018; no static power",
    synaptic_operation=Price(35.5, 3.8),
    sparse_operation=Price(33.6, 3.8),
    update_active=Price(51.2 + 21.6, 6.0 + 3.7),
    update_inactive=Price(51.2, 6.0),
    spike=Price(69.3, 30.0),
    message=Price(111.0, 0.0),
    hop_east_west=Price(3.0, 4.1),
    hop_north_south=Price(4.2, 6.5),
    weight_update=Price(120.0, 6.1),
    random_number=Price(6.0, 0.0),
    barrier_ns=(600.0, 1800.0),
    static_mw=0.0,
)

PRESETS = {costs.name: costs for costs in (DAVIES_2018, SANA_FE)}


class Row(NamedTuple):
    """One kind of operation: count and cost."""

    operation: str
    number: float
    pj: float
    ns: float


class Estimate(NamedTuple):
    """rows; static_pj: static power times the time; time_ns; label: what it is, and its source."""

    rows: tuple[Row, ...]
    static_pj: float
    time_ns: float
    label: str

    @property
    def dynamic_pj(self) -> float:
        """Energy of all counted operations, in pJ."""
        return sum(row.pj for row in self.rows)

    @property
    def total_pj(self) -> float:
        """Dynamic and static energy, in pJ."""
        return self.dynamic_pj + self.static_pj

    def divided(self, by: float, what: str) -> "Estimate":
        """The same for a part: a sample, a step."""
        rows = tuple(Row(r.operation, r.number / by, r.pj / by, r.ns / by) for r in self.rows)
        return Estimate(rows, self.static_pj / by, self.time_ns / by, f"{self.label}, {what}")


def _estimate(
    counts: Mapping[str, tuple[float, Price]], costs: Costs, cores: int, steps: float, what: str
) -> Estimate:
    rows = tuple(Row(name, n, n * price.pj, n * price.ns) for name, (n, price) in counts.items())
    tiles = -(-cores // limits.CORES_PER_TILE)
    time = sum(row.ns for row in rows) / cores + steps * costs.barrier(tiles)
    label = f"estimate of {what} on {cores} cores, constants of {costs.name} ({costs.source})"
    return Estimate(rows, costs.static_mw * time, time, label)


def of_counts(
    counted: Mapping[str, float], costs: Costs, cores: int, steps: float, *, sparse: float = 0
) -> Estimate:
    """The estimate for counters (`Counters.total()`) of so many steps, run one sample at a time.

    sparse  how many of the synaptic operations read sparse synapses
    """
    dense = counted["synaptic_operations"] - sparse
    priced = {
        "synaptic operations": (dense, costs.synaptic_operation),
        "sparse synaptic operations": (sparse, costs.sparse_operation),
        "relay operations": (counted["relay_operations"], costs.synaptic_operation),
        "active updates": (counted["active_updates"], costs.update_active),
        "inactive updates": (counted["inactive_updates"], costs.update_inactive),
        "spikes": (counted["spikes"], costs.spike),
        "messages": (counted["messages"], costs.message),
        "hops east-west": (counted["hops_east_west"], costs.hop_east_west),
        "hops north-south": (counted["hops_north_south"], costs.hop_north_south),
    }
    return _estimate(priced, costs, cores, steps, f"{steps:,.0f} steps")


def of_recording(
    recording: Recording, placement: Placement, costs: Costs = DAVIES_2018
) -> tuple[Estimate, Estimate]:
    """(a sample's inference, one step of it): means over the recording's samples and steps."""
    samples, steps = recording.counters.spikes.shape
    whole = of_counts(
        recording.counters.total(), costs, max(len(placement.cores), 1), samples * steps
    )
    return whole.divided(samples, "mean of a sample"), whole.divided(
        samples * steps, "mean of a step"
    )


class Evolution(NamedTuple):
    """Sizes of a training by perturbed members on a chain of dense layers.

    directions    per pair: 1 or 2         graded  whether noise is graded
    noise         on weights, of low rank or on each, or on the currents of hidden neurons
    unperturbed   samples of a generation that also run without noise: of local rules
    readout       what the readout learns from: the fitness, its own error, or nothing
    by_error      hidden neurons learn from errors, which return instead of a fitness
    """

    steps: int
    pairs: int
    samples_per_pair: int
    generations: int
    rank: int
    graded: bool = False
    directions: int = 1
    noise: Literal["none", "low-rank", "full-rank", "current"] = "low-rank"
    unperturbed: int = 0
    readout: Literal["fitness", "error", "nothing"] = "fitness"
    by_error: bool = False


def training(
    network: Network,
    counted: Mapping[str, float],
    placement: Placement,
    run: Evolution,
    costs: Costs = DAVIES_2018,
) -> Estimate:
    """A whole training from the counters of one sample's mean forward pass.

    forward passes   both members of every pair, on every sample of the pair, and the unperturbed ones; the
                     members share nothing: spikes arrive anew for each
    relay operations adding the noise: of low rank once a spike and rank (added where `counted` has none), on
                     every weight once a synaptic operation, on currents once a hidden neuron and step
    random numbers   bits of the noise of every direction, drawn twice: to evaluate, and to update; noise on
                     every weight is drawn where a spike arrives
    update sums      additions to the sums of weights: of noise on weights direction * rank * weight; of noise
                     on currents once a synaptic operation of an unperturbed sample; of the delta rule
                     once a weight and sample, and as many for errors that return through it
    weight updates   every weight that learns, a generation; shared weights once
    messages         a pair's number and the coefficient of each of its `directions` (one, or two where
                     members are one-sided) to each core, two fitnesses to the host; the
                     errors of a sample to each core
    """
    passes = 2 * run.pairs * run.samples_per_pair * run.generations
    every_pass = passes + run.unperturbed * run.generations
    cores = max(len(placement.cores), 1)
    noise = _noise_of(network, counted, run)
    forward = of_counts({**counted, "relay_operations": 0}, costs, cores, run.steps).rows
    priced: dict[str, tuple[float, Price]] = {
        row.operation: (row.number * every_pass, Price(row.pj / row.number, row.ns / row.number))
        for row in forward
        if row.number
    }
    learned = [matrix.rows * matrix.columns for _, matrix in network.parameters]
    if run.readout == "nothing":
        learned[-1] = 0
    errors = network.sizes[network.parameters[-1][0].target] * cores
    local = run.unperturbed * (run.by_error or run.readout == "error")
    members = 0 if run.by_error else run.pairs * ((1 + run.directions) * cores + 2)
    priced |= {
        "relay operations": (noise.additions * passes, costs.synaptic_operation),
        "random numbers": (run.generations * noise.numbers, costs.random_number),
        "update sums": (run.generations * noise.sums, costs.synaptic_operation),
        "weight updates": (run.generations * sum(learned), costs.weight_update),
        "fitness messages": (run.generations * (members + local * errors), costs.message),
    }
    kind = f"rank {run.rank}" if run.noise == "low-rank" else f"{run.noise} noise"
    what = (
        f"{run.generations} generations of {run.pairs} pairs, {kind}, {every_pass:,} forward passes"
    )
    return _estimate(priced, costs, cores, every_pass * run.steps, what)


class _Noise(NamedTuple):
    """additions a member's pass; words of random bits, and additions to sums of weights, a generation."""

    additions: float
    numbers: float
    sums: float


def _noise_of(network: Network, counted: Mapping[str, float], run: Evolution) -> _Noise:
    """Operations of the noise, and of the sums of the update."""
    bits = GRADED_BITS if run.graded else RADEMACHER_BITS
    directions = run.pairs * run.directions
    parameters = network.parameters
    biases = sum(p.shape[0] for p in network.populations)
    last = parameters[-1][1].rows * parameters[-1][1].columns
    of_errors = run.unperturbed * last * ((run.readout == "error") + run.by_error)
    perturbed = parameters if run.readout == "fitness" else parameters[:-1]
    synapses = sum(matrix.rows * matrix.columns for _, matrix in perturbed)
    if run.noise == "current":
        cells = run.steps * sum(network.sizes[c.target] for c, _ in parameters[:-1])
        words = 2 * directions * -(-cells * bits // LINK_BITS)
        by_events = run.unperturbed * counted["synaptic_operations"]
        return _Noise(cells, words, by_events + of_errors)
    targets = sum(network.sizes[connection.target] for connection, _ in perturbed)
    ends = sum(matrix.rows + matrix.columns for _, matrix in perturbed)
    if run.noise == "full-rank":
        additions = counted["synaptic_operations"]
        drawn = 2 * run.pairs * run.samples_per_pair * additions * bits / LINK_BITS
        again = directions * -(-(synapses + biases) * bits // LINK_BITS)
        return _Noise(additions, drawn + again, directions * synapses + of_errors)
    relayed = counted["relay_operations"] or run.rank * (
        counted["input_spikes"] + counted["spikes"] + run.steps * targets
    )
    words = 2 * directions * -(-(run.rank * ends + biases) * bits // LINK_BITS)
    return _Noise(relayed, words, directions * run.rank * synapses + of_errors)
