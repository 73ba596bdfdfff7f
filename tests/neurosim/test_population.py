"""Population evaluator: the specification, however the work is divided."""

import naive
import numba
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import READOUT, SEED, chip_of, example, still, wide

from neurosim.network import Connection, Input, Network, NetworkError, Noise, Population
from neurosim.population import evaluator, update
from neurosim.population import layout as chains
from neurosim.population.batch import Batch
from neurosim.population.evaluator import Evaluator, ReadoutSpec
from neurosim.population.layout import NoiseSpec
from neurosim.population.state import Precision
from neurosim.population.update import Rates

GENERATION = 5


def assert_as_the_oracle(case, spec, readout, groups, pairs):
    chip = chip_of(case, spec, readout)
    seen = chip.evaluate(Batch(case.frames, np.array(groups, np.int64)), pairs, GENERATION)
    fitness, saturated = naive.fitness(
        case.network,
        case.weights,
        spec,
        readout,
        case.dense,
        case.labels,
        groups,
        pairs,
        GENERATION,
        SEED,
    )
    assert seen.fitness.tolist() == fitness
    assert seen.saturated.tolist() == saturated


@given(st.data())
def test_members_score_what_the_oracle_says(data):
    case = data.draw(strategies.cases())
    spec = data.draw(strategies.noises(case.network))
    places = st.integers(0, len(case.labels) - 1)
    groups = [[data.draw(places) for _ in range(2)] for _ in range(data.draw(st.integers(1, 2)))]
    begin = data.draw(st.integers(0, 1 << 20))
    pairs = range(begin, begin + len(groups))
    assert_as_the_oracle(case, spec, data.draw(strategies.COSTED), groups, pairs)


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("full_rank", [False, True])
@pytest.mark.parametrize("sizes", [(530, 17, 3), (40, 520, 18, 5), (40, 33, 20, 18, 5)])
def test_rows_of_different_lengths_keep_their_noise(sizes, full_rank, graded, one_sided):
    if graded and full_rank:
        sizes = (*sizes[:1], 17, 3)
    case = example(sizes, samples=1, steps=2)
    count = len(case.network.layers)
    spec = NoiseSpec((700,) * count, (300,) * count, 2, graded, full_rank, one_sided=one_sided)
    assert_as_the_oracle(case, spec, READOUT, [[0]], range(7, 8))


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("aligned", [(), (True, False)])
@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("hidden", [50, 70, 9])
def test_members_of_a_plain_layer_score_what_the_oracle_says(hidden, rank, aligned, one_sided):
    """The first layer as it usually is, run four vectors at once: without u, far from the edges."""
    case = example((90, hidden, 5))
    spec = NoiseSpec((900, 200), (700, 300), rank, aligned=aligned, one_sided=one_sided)
    assert_as_the_oracle(case, spec, READOUT, [[0, 1], [2, 0]], range(5, 9))


def test_one_sided_members_do_not_share_noise():
    """Member 0 of a pair is that of an antithetic pair of its direction, and member 1 is -E of the next."""
    case = example((90, 50, 5))
    groups = np.array([[0, 1]])
    spec = NoiseSpec((900, 200), (700, 300))
    both = chip_of(case, spec).evaluate(Batch(case.frames, groups), range(20), GENERATION)
    apart = chip_of(case, spec._replace(one_sided=True))
    seen = apart.evaluate(Batch(case.frames, groups), range(10), GENERATION)
    assert np.array_equal(seen.fitness[:, 0], both.fitness[::2, 0])
    assert np.array_equal(seen.fitness[:, 1], both.fitness[1::2, 1])


@given(strategies.cases())
def test_forward_equals_the_oracle(case):
    forward = chip_of(case, still(case.network)).forward(case.frames)
    for index, sample in enumerate(case.dense):
        seen = naive.run(case.network, case.weights, sample)
        assert forward.potentials[index].tolist() == seen.potentials
        assert forward.counts[index].tolist() == seen.counts
        assert forward.saturated[index] == seen.saturated
        for layer, spikes in enumerate(seen.spikes):
            assert forward.spikes[layer][index].tolist() == np.sum(spikes, axis=0).tolist()


@given(st.data())
def test_update_sums_are_the_sum_over_directions(data):
    network = data.draw(strategies.chains(largest=20))
    spec = data.draw(strategies.noises(network))
    count = data.draw(st.integers(1, 5)) * spec.directions
    coefficients = data.draw(st.lists(strategies.COEFFICIENTS, min_size=count, max_size=count))
    assert_sums(network, spec, coefficients, data.draw(st.integers(0, 1 << 20)))


@pytest.mark.parametrize("graded", [False, True])
@pytest.mark.parametrize("full_rank", [False, True])
@pytest.mark.parametrize(
    ("sizes", "pairs"),
    [((9, 520, 18, 5), 2), ((300, 17, 5), 3), ((10, 3), 130), ((1300, 40), 2), ((2700, 3), 2)],
)
def test_update_sums_use_the_noise_of_the_evaluation(sizes, pairs, full_rank, graded):
    network = example(sizes).network
    count = len(network.layers)
    spec = NoiseSpec((64,) * count, (64,) * count, 2, graded, full_rank)
    numbers = np.random.default_rng(len(sizes))
    assert_sums(network, spec, numbers.integers(-127, 128, pairs).tolist(), 11)


def directions_of(spec, pairs):
    """Numbers of the directions of some pairs."""
    return range(pairs.start * spec.directions, pairs.stop * spec.directions)


def assert_sums(network, spec, coefficients, begin):
    case_weights = strategies.random_weights(network, np.random.default_rng(0))
    chip = chip_of(strategies.Case(network, case_weights, None, None), spec)
    pairs = range(begin, begin + len(coefficients) // spec.directions)
    directions = directions_of(spec, pairs)
    for layer, (_, population_) in enumerate(network.layers):
        got, of_biases = chip.sums(layer, np.array(coefficients, np.int8), pairs, GENERATION)
        wanted = naive.sums(network, spec, layer, coefficients, directions, GENERATION, SEED)
        assert got[:, : population_.neurons].tolist() == wanted[0]
        assert of_biases[: population_.neurons].tolist() == wanted[1]
        assert not got[:, population_.neurons :].any()


@given(st.data())
def test_swapping_the_members_of_pairs_negates_the_update_sums(data):
    case = example((70, 20, 5))
    spec = data.draw(strategies.noises(case.network))
    f = np.array(data.draw(st.lists(strategies.COEFFICIENTS, min_size=1, max_size=70)), np.int8)
    chip = chip_of(case, spec)
    for layer in range(2):
        plus = chip.sums(layer, f, range(len(f)), GENERATION)
        minus = chip.sums(layer, -f, range(len(f)), GENERATION)
        assert all((a == -b).all() for a, b in zip(plus, minus, strict=True))


ALIGNED = {"aligned": (True, True, True), "bias_scale": (0, 0, 0)}
KINDS = [{}, {"full_rank": True}, {"one_sided": True}]


@pytest.mark.parametrize("kind", [*KINDS, ALIGNED])
def test_division_of_work_changes_nothing(kind, monkeypatch):
    case = example((600, 40, 19, 5), samples=6)
    groups = np.arange(6).reshape(6, 1) if kind is ALIGNED else np.arange(12).reshape(6, 2) % 6
    spec = wide(case)._replace(**kind)
    f = np.random.default_rng(0).integers(-127, 128, 90 * spec.directions).astype(np.int8)
    rates = [Rates(1 << 33, 1 << 33, 1 << 20)] * 3
    pieces = []

    def in_pieces(count, piece, work, scratch=None):
        size = min(pieces[-1] or piece, piece)
        scratch = () if scratch is None else (scratch(),)
        for begin in reversed(range(0, count, size)):
            work(begin, min(begin + size, count), *scratch)

    outcomes = []
    for piece in (None, 0, 1, 7):
        if piece is not None:
            pieces.append(piece)
            monkeypatch.setattr(evaluator, "in_pieces", in_pieces)
            monkeypatch.setattr(update, "in_pieces", in_pieces)
        chip = chip_of(
            case,
            spec,
            signals=strategies.signals(len(case.network.layers)) if kind is ALIGNED else None,
        )
        seen = chip.evaluate(Batch(case.frames, groups), range(90), GENERATION)
        chip.apply_update(f, range(90), GENERATION, rates, Batch(case.frames, groups))
        forward = chip.forward(case.frames)
        outcomes.append(
            [
                seen.fitness,
                seen.saturated,
                *chip.state.synapses,
                *chip.state.biases,
                forward.potentials,
                forward.counts,
                forward.saturated,
            ]
        )
    for outcome in outcomes[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(outcomes[0], outcome, strict=True))


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one processor")
@pytest.mark.parametrize("kind", KINDS)
def test_threads_change_nothing(kind):
    case = example((600, 40, 5), samples=6)
    groups = np.arange(6).reshape(6, 1)
    spec = wide(case, **kind)
    f = np.random.default_rng(0).integers(-127, 128, 96 * spec.directions).astype(np.int8)
    before, outcomes = numba.get_num_threads(), []
    try:
        for threads in (1, 2):
            numba.set_num_threads(threads)
            chip = chip_of(case, spec)
            seen = chip.evaluate(Batch(case.frames, groups), range(96), GENERATION)
            chip.apply_update(f, range(96), GENERATION, [Rates(1 << 33, 0, 0)] * 2)
            outcomes.append([seen.fitness, seen.saturated, *chip.state.synapses])
    finally:
        numba.set_num_threads(before)
    assert all(np.array_equal(a, b) for a, b in zip(*outcomes, strict=True))


def test_blocks_of_samples_change_nothing(monkeypatch):
    case = example((70, 20, 5), samples=9)
    groups = np.arange(18).reshape(6, 3) % 9
    chip = chip_of(case, wide(case))
    whole = (
        chip.evaluate(Batch(case.frames, groups), range(60), GENERATION),
        chip.forward(case.frames),
    )
    monkeypatch.setattr(evaluator, "SAMPLES_AT_ONCE", 4)
    parts = (
        chip.evaluate(Batch(case.frames, groups), range(60), GENERATION),
        chip.forward(case.frames),
    )
    for a, b in zip(whole, parts, strict=True):
        assert all(
            np.array_equal(x, y) for x, y in zip(a, b, strict=True) if not isinstance(x, tuple)
        )
    assert all(map(np.array_equal, whole[1].spikes, parts[1].spikes))


@pytest.mark.parametrize("one_sided", [False, True])
def test_blocks_of_samples_move_weights_by_the_same_bits(one_sided, monkeypatch):
    case = example((70, 20, 5), samples=6)
    groups = np.array([[3], [1], [3], [0], [5], [1]])
    spec = NoiseSpec((900, 300), (0, 0), aligned=(True, True), one_sided=one_sided)
    f = np.random.default_rng(0).integers(-127, 128, 12 * spec.directions).astype(np.int8)
    moved = []
    for at_once in (2048, 1, 4):
        monkeypatch.setattr(evaluator, "SAMPLES_AT_ONCE", at_once)
        chip = chip_of(case, spec, signals=strategies.signals(len(case.network.layers)))
        rates = [Rates(1 << 33, 1 << 33, 0)] * 2
        chip.apply_update(f, range(12), GENERATION, rates, Batch(case.frames, groups))
        moved.append([*chip.state.synapses, *chip.state.biases])
    for other in moved[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(moved[0], other, strict=True))


@pytest.mark.parametrize("sizes", [(600, 130, 3), (400, 70, 3), (300, 180, 3)])
def test_more_spikes_than_short_sums_hold_are_added_whole(sizes):
    case = example(sizes, samples=1, steps=2, density=0.95)
    seen = naive.run(case.network, case.weights, case.dense[0])
    forward = chip_of(case, still(case.network)).forward(case.frames)
    assert forward.potentials[0].tolist() == seen.potentials
    assert forward.spikes[0][0].tolist() == np.sum(seen.spikes[0], axis=0).tolist()


@pytest.mark.parametrize("groups", [[[0, -1]], [[3, 0]]])
def test_samples_that_are_not_there_are_refused(groups):
    case = example((70, 20, 5), samples=3)
    with pytest.raises(NetworkError, match=r"there are 0\.\.2"):
        chip_of(case, wide(case)).evaluate(
            Batch(case.frames, np.array(groups)), range(2), GENERATION
        )


def test_weights_may_lie_in_any_order():
    case = example((70, 20, 5))
    turned = case.weights._replace(mantissas=tuple(map(np.asfortranarray, case.weights.mantissas)))
    chip = chip_of(case._replace(weights=turned), still(case.network))
    for mine, given_ in zip(chip.weights().mantissas, case.weights.mantissas, strict=True):
        assert np.array_equal(mine, given_)


def test_pairs_can_be_evaluated_apart():
    case = example((70, 20, 5))
    chip = chip_of(case, wide(case))
    groups = np.array([[0, 1]])
    together = chip.evaluate(Batch(case.frames, groups), range(10, 40), GENERATION)
    apart = [
        chip.evaluate(Batch(case.frames, groups), range(begin, begin + 15), GENERATION)
        for begin in (10, 25)
    ]
    assert np.array_equal(together.fitness, np.concatenate([part.fitness for part in apart]))


def test_padding_never_saturates():
    """Noise that one layer left in scratch memory is no current of lanes that are not there."""
    numbers = np.random.default_rng(0)
    layers = [Population("hidden", 33, vth_mant=0), Population("output", 1, vth_mant=0)]
    network = Network.chain(40, layers, Connection("", "", weight_exp=7))
    weights = strategies.random_weights(network, numbers)
    case = strategies.Case(network, weights, np.ones((2, 3, 40), np.uint8), np.zeros(2, np.uint8))
    spec = NoiseSpec((20_000_000, 1), (0, 0), full_rank=True)
    assert_as_the_oracle(case, spec, READOUT, [[0, 1]], range(3))


# --- update of the weights -------------------------------------------------------------------------


@settings(max_examples=10)
@given(st.data())
def test_a_generation_moves_weights_as_the_oracle_does(data):
    case = data.draw(strategies.cases(largest=20))
    spec = data.draw(strategies.noises(case.network))
    bits, fraction = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 8))
    rates = [
        Rates(*(data.draw(st.integers(0, top)) for top in (3 << 40, 3 << 40, 1 << 30)))
        for _ in case.network.layers
    ]
    state = strategies.state_of(case.weights, fraction, momentum=bits > 0)
    synapses = [one.astype(int).tolist() for one in state.synapses]
    biases = [one.astype(int).tolist() for one in state.biases]
    kept = [np.zeros(one.shape, int).tolist() for one in state.synapses]
    chip = Evaluator(
        case.network,
        state,
        seed=SEED,
        noise=spec,
        readout_spec=READOUT,
        precision=Precision(fraction, bits),
    )
    for generation in range(2):
        count = 3 * spec.directions
        f = data.draw(st.lists(strategies.COEFFICIENTS, min_size=count, max_size=count))
        edges = chip.apply_update(np.array(f, np.int8), range(3), generation, rates)
        at_edge = 0
        for layer, (connection, population_) in enumerate(case.network.layers):
            at_edge += move_naively(
                case.network,
                spec,
                layer,
                f,
                generation,
                rates[layer],
                bits,
                fraction,
                connection.mantissa,
                population_.neurons,
                synapses[layer],
                biases[layer],
                kept[layer],
            )
        assert edges == at_edge
        assert [one.tolist() for one in chip.state.synapses] == synapses
        assert [one.tolist() for one in chip.state.biases] == biases


def move_naively(
    network,
    spec,
    layer,
    f,
    generation,
    rates,
    bits,
    fraction,
    mantissa,
    neurons,
    synapses,
    biases,
    kept,
):
    """Move the lists `synapses`, `biases` and `kept` of one layer; return synapses at their edge."""
    sums, of_biases = naive.sums(network, spec, layer, f, range(len(f)), generation, SEED)
    half = (1 << fraction) // 2
    low, high = mantissa.low << fraction, (mantissa.high << fraction) + max(half - 1, 0)
    if bits:
        for j, row in enumerate(sums):
            kept[j] = [naive.momentum(a, b, bits) for a, b in zip(kept[j], row, strict=True)]
        sums = kept
    rate = naive.step_per_unit(rates.step, sums)
    lanes = -(-neurons // 16) * 16
    edges = 0
    for j, row in enumerate(sums):
        for k, sum in enumerate(row):
            random = naive.rounding(naive.ROUNDING, layer, generation, SEED, j * lanes + k)
            synapses[j][k] = naive.move(synapses[j][k], sum, rate, rates.decay, random, low, high)
            edges += synapses[j][k] in (low, high)
    rate = naive.step_per_unit(rates.bias, [of_biases])
    for k, sum in enumerate(of_biases):
        random = naive.rounding(naive.BIAS_ROUNDING, layer, generation, SEED, k)
        biases[k] = naive.move(
            biases[k], sum, rate, rates.decay, random, -4096 << 8, (4095 << 8) + 127
        )
    return edges


@given(strategies.cases(largest=20))
def test_pairs_of_coefficient_0_change_nothing(case):
    spec = wide(case)
    chip = chip_of(case, spec)
    before = [one.copy() for one in chip.state.synapses]
    chip.apply_update(
        np.zeros(4, np.int8), range(4), GENERATION, [Rates(1 << 40, 1 << 40, 0)] * len(before)
    )
    assert all(map(np.array_equal, before, chip.state.synapses))
    assert all(map(np.array_equal, case.weights.mantissas, chip.weights().mantissas))


# --- what the chip refuses -----------------------------------------------------------------------


def one_layer(**registers):
    return Network.chain(4, [Population("output", 3, **{"vth_mant": 10, **registers})])


@pytest.mark.parametrize(
    ("network", "named"),
    [
        (one_layer(refractory=2), "refractory"),
        (one_layer(vth_low_mant=-5), "vth_low_mant"),
        (one_layer(vmin=-100), "vmin"),
        (one_layer(vmax=100), "vmax"),
        (one_layer(noise=Noise(7)), "noise"),
        (one_layer(reset_interval=3), "reset_interval"),
        (one_layer(du=4096, wide_decay=True), "decay"),
        (one_layer(dv=4096, wide_decay=True), "decay"),
        (one_layer(du=(1, 2, 3)), "du"),
        (one_layer(dv=(1, 2, 3)), "dv"),
    ],
)
def test_networks_it_would_not_compute_exactly_are_refused(network, named):
    with pytest.raises(NetworkError, match=named):
        chains.check_trainable(network)


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ({"sign_mode": "excitatory"}, "sign_mode"),
        ({"delay": 1}, "delay"),
        ({"message_bits": 8}, "message_bits"),
        ({"weight_exp": 7, "weight_bits": 1}, "weight_exp"),
    ],
)
def test_connections_it_would_not_compute_exactly_are_refused(form, named):
    network = Network(
        (Input("input", 4),),
        (Population("output", 3, 10),),
        (Connection("input", "output", **form),),
    )
    with pytest.raises(NetworkError, match=named):
        chains.check_trainable(network)


def test_currents_beyond_32_bits_are_refused():
    form = Connection("", "", weight_exp=7)
    with pytest.raises(NetworkError, match="weight_exp"):
        chains.check_trainable(Network.chain(1 << 13, [Population("output", 3, 10)], form))


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        (NoiseSpec((1,), (1, 1)), "scale has 1"),
        (NoiseSpec((1, 1), (1,)), "bias_scale has 1"),
        (NoiseSpec((1, 1), (1, 1), rank=0), "rank is 0"),
        (NoiseSpec((-1, 1), (1, 1)), "scale -1"),
        (NoiseSpec((1 << 26, 1), (1, 1)), "could add"),
        (NoiseSpec((1, 1), (-1, 1)), "bias_scale -1"),
        (NoiseSpec((1, 1), (1 << 31, 1)), "bias_scale"),
    ],
)
def test_noise_that_does_not_fit_is_refused(spec, named):
    case = example((70, 20, 5))
    with pytest.raises(NetworkError, match=named):
        chip_of(case, spec)


@pytest.mark.parametrize("seed", [-1, 1 << 64])
def test_seeds_beyond_64_bits_are_refused(seed):
    case = example((70, 20, 5))
    with pytest.raises(NetworkError, match="seed"):
        Evaluator(
            case.network,
            strategies.state_of(case.weights),
            seed=seed,
            noise=still(case.network),
            readout_spec=READOUT,
            precision=Precision(0),
        )


@pytest.mark.parametrize("bits", [-1, 9])
def test_fraction_bits_out_of_range_are_refused(bits):
    case = example((70, 20, 5))
    with pytest.raises(NetworkError, match="fraction_bits"):
        Evaluator(
            case.network,
            strategies.state_of(case.weights),
            seed=0,
            noise=still(case.network),
            readout_spec=READOUT,
            precision=Precision(bits),
        )


def test_frames_of_another_size_are_refused():
    case, other = example((70, 20, 5)), example((71, 20, 5))
    chip = chip_of(case, still(case.network))
    with pytest.raises(NetworkError, match="71 inputs for a network of 70"):
        chip.forward(other.frames)
    with pytest.raises(NetworkError, match="71 inputs for a network of 70"):
        chip.evaluate(Batch(other.frames, np.array([[0]])), range(1), 0)


def test_labels_without_a_neuron_are_refused():
    case = example((70, 20, 5))
    wrong = case._replace(labels=np.full(3, 5, np.uint8))
    with pytest.raises(NetworkError, match="label 5"):
        chip_of(case, still(case.network)).forward(wrong.frames)


def test_uneven_groups_are_refused():
    case = example((70, 20, 5))
    with pytest.raises(NetworkError, match="3 pairs for 2 groups"):
        chip_of(case, wide(case)).evaluate(Batch(case.frames, np.array([[0], [1]])), range(3), 0)


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("coefficients", [np.zeros(3, np.int8), np.zeros(4, np.int64)])
def test_coefficients_of_another_shape_are_refused(coefficients, one_sided):
    case = example((70, 20, 5))
    chip = chip_of(case, wide(case, one_sided=one_sided))
    needed = 8 if one_sided else 4
    with pytest.raises(NetworkError, match=rf"coefficients are.*needed is int8 \({needed},\)"):
        chip.apply_update(coefficients, range(4), 0, [Rates(0, 0, 0)] * 2)


@pytest.mark.parametrize(("one_sided", "allowed"), [(False, 8388607), (True, 4194303)])
def test_update_sums_beyond_32_bits_are_refused(one_sided, allowed):
    case = example((70, 20, 5))
    spec, many = wide(case, one_sided=one_sided), allowed + 1
    with pytest.raises(NetworkError, match=f"overflow.*allowed are {allowed} pairs$"):
        chip_of(case, spec).apply_update(
            np.zeros(many * spec.directions, np.int8), range(many), 0, [Rates(0, 0, 0)] * 2
        )


def test_a_chip_adjusted_is_a_chip_made_so():
    """Noise and temperature of another generation, on the same samples: nothing kept of the first."""
    case = example((70, 20, 5))
    groups, other = np.array([[0], [1]]), ReadoutSpec(True, 900, 16)
    spec = NoiseSpec((4000, 0), (0, 0), aligned=(True, False), window=9000)
    less = spec._replace(scale=(900, 0), window=3000)
    adjusted = chip_of(case, spec, signals=strategies.signals(len(case.network.layers)))
    adjusted.evaluate(Batch(case.frames, groups), range(8), GENERATION)
    adjusted.adjust(less, other)
    made = chip_of(case, less, other, signals=strategies.signals(len(case.network.layers)))
    for chip in (adjusted, made):
        seen = chip.evaluate(Batch(case.frames, groups), range(8), GENERATION)
        f = np.clip(seen.fitness[:, 0] - seen.fitness[:, 1], -127, 127).astype(np.int8)
        assert f.any()
        chip.apply_update(
            f, range(8), GENERATION, [Rates(1 << 35, 1 << 35, 0)] * 2, Batch(case.frames, groups)
        )
    assert all(map(np.array_equal, adjusted.state.synapses, made.state.synapses))
    with pytest.raises(NetworkError, match="could add"):
        adjusted.adjust(spec._replace(scale=(1 << 30, 0)), other)


def test_a_batch_keeps_its_forward_pass_until_the_weights_move(monkeypatch):
    """And never gives one evaluator the forward pass of another."""
    case = example((70, 20, 5))
    made = []
    share = Evaluator._share
    monkeypatch.setattr(
        Evaluator, "_share", lambda self, *given: made.append(self) or share(self, *given)
    )
    chip, other = chip_of(case, wide(case)), chip_of(case, wide(case, graded=True))
    batch = Batch(case.frames, np.array([[0, 1]]))
    first = chip.evaluate(batch, range(4), GENERATION)
    again = chip.evaluate(batch, range(4), GENERATION)
    assert np.array_equal(first.fitness, again.fitness)
    assert made == [chip]
    apart = other.evaluate(batch, range(4), GENERATION)
    fresh = other.evaluate(Batch(case.frames, np.array([[0, 1]])), range(4), GENERATION)
    assert np.array_equal(apart.fitness, fresh.fitness)
    f = np.array([100, -100, 50, 20], np.int8)
    chip.apply_update(f, range(4), GENERATION, [Rates(1 << 36, 1 << 36, 0)] * 2, batch)
    moved = chip.evaluate(batch, range(4), GENERATION)
    fresh = chip.evaluate(Batch(case.frames, np.array([[0, 1]])), range(4), GENERATION)
    assert np.array_equal(moved.fitness, fresh.fitness)
    assert not np.array_equal(moved.fitness, first.fitness)
