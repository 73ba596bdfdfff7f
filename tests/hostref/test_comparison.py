"""Comparisons of chip and float reference: results, and resumed work."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs the extra "reference" (torch)')

from hostref import inputs, twin  # noqa: E402
from hostref.backend import torch as backend  # noqa: E402
from learning.record import RunError  # noqa: E402
from learning.run_folder import RunFolder  # noqa: E402
from learning.settings import Settings  # noqa: E402
from learning.training import Training, make_chip, start  # noqa: E402
from neurosim.app.cli import compare, report, reproduce  # noqa: E402
from neurosim.app.experiments import (  # noqa: E402
    comparison_page,
    cycle,
    layer_rules,
    members,
    on_chip,
    paper,
    paper_trials,
    sparsity,
    widths,
)
from neurosim.app.experiments.store import Store  # noqa: E402
from neurosim.data import datasets, frames  # noqa: E402
from neurosim.network import NetworkError  # noqa: E402
from neurosim.storage import sealed, unsealed  # noqa: E402


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A data set of bright bars in ten places, shown to the camera: its name."""
    parts = {}
    for part, count in (("train", 120), ("test", 30)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        pictures = np.zeros((count, 28, 28), np.uint8)
        for picture, label in zip(pictures, labels, strict=True):
            row, column = divmod(int(label), 5)
            picture[row * 13 + 2 : row * 13 + 12, column * 5 + 2 : column * 5 + 5] = 255
        parts[f"{part}_x"] = pictures
        parts[f"{part}_y"] = labels
    path = tmp_path_factory.mktemp("images") / "bars.npz"
    np.savez(path, **parts)
    return f"images:{path}"


@pytest.fixture(scope="module")
def data(images):
    return datasets.load(images)


@pytest.fixture(scope="module")
def run(images, data, tmp_path_factory):
    """A short run of `neurosim train`: its folder."""
    settings = Settings(data=images, hidden=(32,), generations=3, pairs=64, groups=8, batch=4)
    path = tmp_path_factory.mktemp("run") / "bars"
    with RunFolder.create(path, start(settings, data)) as folder:
        Training(folder.config, data, folder).run(lambda *_: None)
    return path


def small(run, **changes):
    return compare.Compare(
        folders=(run,),
        bptt_epochs=2,
        float_generations=2,
        float_pairs=8,
        bits=(8, 3),
        search_samples=12,
        threads=1,
        **changes,
    )


def test_a_comparison_is_printed_and_kept(run, capsys):
    assert compare.run(small(run, as_json=True)) == 0
    printed = json.loads(capsys.readouterr().out)
    assert list(printed["rows"]) == [
        "chip EGGROLL",
        "float BPTT",
        "BPTT on chip, 8 bits, plain",
        "BPTT on chip, 8 bits, best scale",
        "BPTT on chip, 3 bits, plain",
        "BPTT on chip, 3 bits, best scale",
        "float EGGROLL",
    ]
    for rows in printed["rows"].values():
        assert 0 <= rows[0]["accuracy"] <= 1
        assert 0 <= rows[0]["activation_sparsity"] <= 1
    assert [bits for bits, _ in printed["sweeps"]["decay"]] == list(widths.DECAY_BITS)
    assert printed["agreement"]["fitness"]["spearman"] > 0.99
    out = run / "compare"
    names = ("compare.md", "accuracy.png", "spikes.png", "widths.png")
    assert all((out / name).stat().st_size > 0 for name in names)
    assert unsealed((out / comparison_page.RESULT).read_bytes()) == printed
    before = {p: p.stat().st_mtime_ns for p in out.glob("parts/*.json")}
    assert compare.run(small(run, as_json=True)) == 0
    assert json.loads(capsys.readouterr().out) == printed
    assert before == {p: p.stat().st_mtime_ns for p in out.glob("parts/*.json")}


def test_the_report_shows_the_comparison_of_these_weights(run, images):
    compare.run(small(run, as_json=True))
    assert report.run(report.Report(folder=run)) == 0
    page = (run / "report.html").read_text()
    for method in ("chip EGGROLL", "float BPTT", "BPTT on chip, 3 bits, best scale"):
        assert page.count(f">{method}</th>") == 1
    assert f"Test samples of {images}." in page
    assert "with other weights" not in page
    file = run / comparison_page.FOLDER / comparison_page.RESULT
    file.write_bytes(sealed({**unsealed(file.read_bytes()), "weights_sha256": ["0" * 64]}))
    assert report.run(report.Report(folder=run)) == 0
    assert "with other weights" in (run / "report.html").read_text()


def test_a_run_that_is_not_for_these_data_is_refused(run, tmp_path, data):
    with pytest.raises(RunError, match="no run folder"):
        compare.run(compare.Compare(folders=()))
    other = tmp_path / "other"
    config = start(
        Settings(data=data.name, hidden=(16,), generations=1, pairs=8, groups=8, batch=2), data
    )
    with RunFolder.create(other, config) as folder:
        Training(config, data, folder).run(lambda *_: None)
    with pytest.raises(NetworkError, match="not that of the first run"):
        compare.run(compare.Compare(folders=(run, other), threads=1))


@pytest.fixture
def few_points(monkeypatch):
    """Fewer settings in each section of the paper's evaluation."""
    points = [point for point in sparsity.POINTS if point.gain == 1 and point.cost != 0.001]
    monkeypatch.setattr(sparsity, "POINTS", points)
    monkeypatch.setattr(sparsity, "GAINS", (1.0,))
    monkeypatch.setattr(sparsity, "COSTS", (0.0, 0.004))
    monkeypatch.setattr(layer_rules, "COMBINATIONS", layer_rules.COMBINATIONS[5:9:3])
    monkeypatch.setattr(paper_trials, "TRIALS", paper_trials.TRIALS[:2])


def test_the_paper_is_reproduced_in_short_and_goes_on_where_it_was_cut(
    images, tmp_path, capsys, monkeypatch, few_points
):
    arguments = reproduce.Reproduce(
        what="paper",
        data=images,
        out=tmp_path,
        seeds=2,
        generations=2,
        pairs=32,
        scaled_seeds=1,
        sweep_seeds=1,
        layer_seeds=1,
        trial_seeds=1,
        groups=8,
        batch=4,
        ranks=(1,),
        bptt_epochs=2,
        float_es=True,
        float_pairs=4,
        threads=1,
    )
    made = Store.made
    done = []

    def cut(self, part, recipe, make):
        if len(done) == 5:
            raise KeyboardInterrupt
        done.append(part)
        return made(self, part, recipe, make)

    monkeypatch.setattr(Store, "made", cut)
    with pytest.raises(KeyboardInterrupt):
        reproduce.run(arguments)
    assert "## Table 1" in (tmp_path / "paper.md").read_text()
    kept = {p: p.stat().st_mtime_ns for p in tmp_path.glob("trainings/*.json")}
    assert len(kept) == 5
    monkeypatch.setattr(Store, "made", made)
    only_page = arguments.model_copy(update={"only_page": True})
    assert reproduce.run(only_page) == 0
    assert {p: p.stat().st_mtime_ns for p in tmp_path.glob("trainings/*.json")} == kept
    assert "## Table 1" in capsys.readouterr().out
    assert reproduce.run(arguments) == 0
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    page = capsys.readouterr().out
    for text in (
        "78.75 ± 0.58",
        "vanilla ES",
        "float EGGROLL r = 1",
        "EGGROLL r = 1, scaled shaping",
        "Do EGGROLL-trained networks spike more sparsely",
        "noise on currents, credit by error",
        "µJ per trained sample",
        "**as chosen**",
    ):
        assert text in page
    for figure in ("figure1", "figure2", "figure3", "sparsity"):
        assert (tmp_path / f"{figure}.png").stat().st_size > 0
    assert reproduce.run(only_page) == 0
    assert capsys.readouterr().out == page
    trials = list(tmp_path.glob("trainings/trial*.json"))
    assert len(trials) == len(paper_trials.TRIALS) + 3 * len(layer_rules.COMBINATIONS)
    assert not any("test_accuracy" in p.read_text() for p in trials)


@pytest.mark.parametrize("readout", ["membrane", "count"])
@pytest.mark.parametrize(("rank", "noise"), [(1, "rademacher"), (2, "graded")])
def test_chip_and_twin_rank_the_same_members_alike(data, readout, rank, noise):
    settings = Settings(hidden=(64,), readout=readout, rank=rank, noise=noise, sigma_bias=rank - 1)
    chip = make_chip(start(settings, data))
    compared = members.member_fitness(
        chip, frames.select(data.train, slice(0, 20)), range(3, 35), 7
    )
    agreed = compared.agreement()
    assert agreed.spearman > 0.99
    assert np.abs(compared.chip - compared.twin).max() < 0.01


def test_members_that_the_twin_does_not_have_are_refused(data):
    chip = make_chip(start(Settings(estimator="one-sided"), data))
    with pytest.raises(NetworkError, match="--estimator antithetic"):
        members.member_fitness(chip, data.train, range(4), 0)


def test_factors_of_a_product_are_found():
    rng = np.random.default_rng(0)
    a, b = (rng.choice([-1, 1], (5, 1, n)).astype(np.int32) for n in (7, 11))
    product = b.transpose(0, 2, 1) * a
    found = members.factors(product)
    assert np.array_equal(found[1].transpose(0, 2, 1) * found[0], product)


def test_chip_evaluator_and_twin_spike_alike(run, data):
    from learning.record import read_checkpoint

    config, checkpoint = read_checkpoint(run)
    network = config.network()
    layers = cycle.spike_agreement(network, checkpoint.weights, data.test)
    assert layers[0].spikes > 0
    assert layers[0].share < 1e-3
    seen = on_chip.measure(network, checkpoint.weights, data.test, membrane=True)
    model = twin.from_chip(network, spiking_output=False)
    x, _ = inputs.load(data.test).batch(slice(None), backend.float64)
    trace = model.run(twin.parameters_from_chip(model, checkpoint.weights), x)
    ours = float(trace.spk[0].sum()) / len(x)
    assert seen.spikes[0] == pytest.approx(ours, rel=0.01)
    assert seen.input_spikes == pytest.approx(float(x.sum()) / len(x))
    assert seen.all_operations == pytest.approx(seen.input_spikes * 32 + seen.spikes[0] * 10)


def test_a_narrower_decay_is_on_its_grid():
    network = Settings(dv=400)
    from learning.settings import network as build

    made = build(network, 20, 10)
    assert [widths.with_decay_bits(made, b).populations[0].dv[0] for b in (12, 5, 3, 1)] == [
        400,
        384,
        512,
        0,
    ]


def test_a_part_is_kept_for_its_recipe_only(tmp_path):
    store, calls = Store(tmp_path), []

    def make():
        calls.append(1)
        return {"value": len(calls)}

    assert store.made("a", {"x": (1, 2)}, make) == {"value": 1}
    assert store.made("a", {"x": (1, 2)}, make) == {"value": 1}
    assert store.made("a", {"x": (1, 3)}, make) == {"value": 2}
    store.path("a").write_text("{half")
    assert store.made("a", {"x": (1, 3)}, make) == {"value": 3}


def test_every_setting_of_the_papers_evaluation_is_one_that_trains():
    arguments = paper.PaperExperiment()
    names = [point.name for point in sparsity.POINTS]
    for point in sparsity.POINTS:
        chip = sparsity.settings_of(arguments, 0, point)
        assert sparsity.bptt_settings(arguments, 0, point).gain * chip.temperature == 1
    for combination in layer_rules.COMBINATIONS:
        settings = layer_rules.settings_of(arguments, 0, combination, 1.0)
        assert settings.groups * settings.batch == arguments.groups * arguments.batch
        names.append(combination.name)
    for trial in paper_trials.TRIALS:
        assert paper_trials.settings_of(arguments, 0, trial).seed == 0
        names.append(paper_trials.name_of(trial))
    assert len(set(names)) == len(names)


def swept(way, seed, curve):
    """Results of all points of a way: one with this curve of (accuracy, spikes), the others of no use."""
    points = [point for point in sparsity.POINTS if point.way == way]
    curves = [[(0.1, 1)] for _ in points]
    curves[seed % len(points)] = curve
    return [
        {
            "method": point.name,
            "seed": seed,
            "curve": [{"validation_accuracy": a, "spikes_per_sample": s} for a, s in one],
            "spikes_per_sample": one[-1][1],
            "test_accuracy": one[-1][0],
        }
        for point, one in zip(points, curves, strict=True)
    ]


def both(seeds, highest=0.9):
    return [
        result
        for seed in range(seeds)
        for way, curve in (
            ("EGGROLL", [(0.3, 10), (0.7, 40), (0.71, 20), (0.8, 30 + seed)]),
            ("BPTT", [(0.3, 60), (0.8, 50), (highest, 70)]),
        )
        for result in swept(way, seed, curve)
    ]


def test_spikes_are_compared_at_equal_accuracy_seed_by_seed():
    results = both(3)
    fronts = sparsity.fronts_of(results)
    assert fronts.seeds == [0, 1, 2]
    assert fronts.common() == 0.8
    assert sparsity.fewest(fronts.results("EGGROLL", 0), 0.7) == 20
    assert sparsity.fewest(fronts.results("EGGROLL", 0), 0.81) is None
    assert fronts.levels() == pytest.approx([0.65, 0.7, 0.75, 0.8])
    verdict = sparsity.verdict(fronts)
    assert "(80.0 %), EGGROLL's networks need 19 fewer" in verdict
    assert "(each seed: -20, -19, -18), more than three standard errors" in verdict
    assert "too few" in sparsity.verdict(sparsity.fronts_of(both(2)))


def test_a_seed_whose_points_are_not_all_there_is_not_compared():
    results = both(2)
    assert sparsity.fronts_of(results[:-1]).seeds == [0]
    assert sparsity.answer([]) == []
