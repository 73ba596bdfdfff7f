"""Float evolution strategies: equal to written-out members, and learning."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs the extra "reference" (torch)')

from float_cases import same, stripes  # noqa: E402

from hostref import eggroll, evolution, inputs  # noqa: E402
from hostref.evaluation import evaluate  # noqa: E402
from hostref.settings import EvolutionSettings, NetworkSettings  # noqa: E402

SMALL = EvolutionSettings(
    network=NetworkSettings(hidden=(24,)),
    pairs=6,
    block=4,
    batch=10,
    generations=3,
    precision="float64",
)


def started(**changes):
    """A training at its first generation, and the batch of it."""
    settings = SMALL.model_copy(update=changes)
    data = stripes()
    model = evolution.build(settings, data.train.inputs, data.classes, "cpu")
    run = evolution.Evolution(settings, model, evolution.strategy_of(settings))
    return run, *run.batch(inputs.load(data.train))


@pytest.mark.parametrize("rank", [0, 1, 3])
@pytest.mark.parametrize("readout", ["count", "membrane"])
def test_members_at_once_are_the_members_one_by_one(rank, readout):
    run, x, labels = started(rank=rank, readout=readout, sigma=0.1)
    noise = run.ask(0, 5)
    together = evolution.fitness(run.model, run.parameters, noise, x, labels, run.settings)
    assert together.shape == (5, 2)
    for pair in range(5):
        for side, sign in enumerate((1, -1)):
            member = noise.perturbed(run.parameters, sign, pair)
            alone = evolution.fitness(run.model, member, None, x, labels, run.settings)
            assert together[pair, side].item() == pytest.approx(alone.item(), abs=1e-12)
    assert len(set(together.flatten().tolist())) > 2


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_sequential_and_batched_see_the_same_members_of_a_pair(rank):
    run, x, labels = started(rank=rank, block=1)
    one_by_one, _, _ = started(rank=rank, sequential=True)
    assert torch.allclose(run.evaluate(x, labels), one_by_one.evaluate(x, labels), atol=1e-12)


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_the_estimate_is_the_sum_of_the_written_out_noise(rank):
    run, _, _ = started(rank=rank)
    noise, delta = run.ask(0, 5), torch.arange(5, dtype=torch.float64) - 1.3
    estimate = run.strategy.estimate(noise, delta)
    with torch.no_grad():
        members = [noise.perturbed(run.parameters, 1, pair) for pair in range(5)]
    for k, weight in enumerate(run.parameters.weights):
        wanted = sum(d * (m.weights[k] - weight) for d, m in zip(delta, members, strict=True))
        assert torch.allclose(estimate.weights[k] * SMALL.sigma, wanted.detach(), atol=1e-12)
    for k, bias in enumerate(run.parameters.biases):
        wanted = sum(d * (m.biases[k] - bias) for d, m in zip(delta, members, strict=True))
        assert torch.allclose(estimate.biases[k] * SMALL.sigma, wanted.detach(), atol=1e-12)


@pytest.mark.parametrize("rank", [1, 2, 8])
def test_a_perturbed_weight_has_the_same_variance_at_every_rank(rank):
    run, _, _ = started(rank=rank, sigma=0.5)
    noise = run.ask(0, 200)
    with torch.no_grad():
        moved = [
            noise.perturbed(run.parameters, 1, i).weights[0] - run.parameters.weights[0]
            for i in range(200)
        ]
    assert torch.stack(moved).std().item() == pytest.approx(0.5, rel=0.05)


def test_pairs_with_samples_of_their_own_match_pairs_alone():
    run, x, _labels = started(rank=2)
    noise = run.ask(0, 3)
    own = x[:6].view(3, 1, 2, *x.shape[1:])
    trace = run.model.run(run.parameters, own, noise)
    assert trace.mem.shape[:3] == (3, 2, 2)
    for pair in range(3):
        shared = run.model.run(run.parameters, own[pair, 0], noise)
        assert torch.allclose(trace.mem[pair], shared.mem[pair], atol=1e-12)


def test_ranks_are_centred_and_pairs_are_antithetic():
    values = torch.tensor([[3.0, 1.0], [0.0, 7.0], [5.0, 5.5]])
    delta = evolution.shaped(values)
    assert delta.tolist() == pytest.approx([1 / 5, -1.0, -1 / 5])
    assert evolution.shaped(values.flip(1)).tolist() == pytest.approx((-delta).tolist())
    assert evolution.shaped(values * 10 - 4).tolist() == delta.tolist()


def test_noise_is_new_each_generation_and_block_and_the_same_when_asked_again():
    run, x, labels = started()
    first = [run.ask(block, 2).a[0] for block in (0, 0, 1)]
    run.tell(run.evaluate(x, labels))
    later = run.ask(0, 2).a[0]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])
    assert not torch.equal(first[0], later)


@pytest.mark.parametrize("rank", [0, 1, 4])
def test_it_learns_and_the_same_seed_gives_the_same_numbers(rank):
    settings = SMALL.model_copy(
        update={
            "rank": rank,
            "readout": "membrane",
            "pairs": 64,
            "generations": 40,
            "learning_rate": 0.05,
            "sigma": 0.05,
            "batch": 50,
            "block": 32,
        }
    )
    data = stripes()
    first, second = (evolution.train(settings, data) for _ in range(2))
    assert same(first.parameters, second.parameters)
    assert first.history == second.history
    shown = evaluate(first.model, first.parameters, inputs.load(data.test), "membrane", 1.0)
    assert shown.accuracy > 0.6


def test_the_chips_factors_are_used_as_they_are():
    run, _x, _labels = started(rank=1)
    a = tuple(np.sign(noise.numpy()).astype(np.int8) for noise in run.ask(0, 4).a)
    b = tuple(np.sign(noise.numpy()).astype(np.int8) for noise in run.ask(0, 4).b)
    noise = eggroll.from_chip(run.model, a, b, (4096.0, 2048.0))
    with torch.no_grad():
        member = noise.perturbed(run.parameters, -1, 2)
    units = run.model.layers[0].unit[0].item()
    moved = (run.parameters.weights[0].detach() - member.weights[0]) * units
    assert np.allclose(moved.numpy(), 4096.0 * np.outer(b[0][2, 0], a[0][2, 0]))
    with pytest.raises(ValueError, match="layer 0: factors are"):
        eggroll.from_chip(run.model, b, a, (1.0, 1.0))


def test_a_fitness_that_is_not_finite_is_an_error():
    run, x, labels = started()
    with pytest.raises(evolution.TrainingError, match="smaller sigma"):
        run.tell(run.evaluate(x, labels) * float("nan"))
