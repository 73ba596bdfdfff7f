"""Do the float reference's commands read their arguments and tell their results?"""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs the extra "reference" (torch)')

from hostref import benchmark  # noqa: E402
from neurosim.app.cli import bench_host, bptt, compare  # noqa: E402
from neurosim.app.cli.arguments import call  # noqa: E402


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A data set of random pictures: its name."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("images") / "noise.npz"
    np.savez(
        path,
        train_x=rng.integers(0, 256, (40, 28, 28), np.uint8),
        train_y=(np.arange(40) % 10).astype(np.uint8),
        test_x=rng.integers(0, 256, (10, 28, 28), np.uint8),
        test_y=np.arange(10).astype(np.uint8),
    )
    return f"images:{path}"


def test_bptt_trains_and_goes_on(noise, tmp_path, capsys):
    words = ["--data", noise, "--epochs", "2", "--hidden", "16", "--run", str(tmp_path / "run")]
    words += ["--threads", "1", "--json"]
    assert call(bptt.run, "neurosim bptt", words) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["epochs"], first["settings"]["network"]["hidden"]) == (2, [16])
    assert call(bptt.run, "neurosim bptt", words) == 0
    assert json.loads(capsys.readouterr().out) == first


def test_bench_host_tells_every_method_beside_the_paper(capsys):
    words = "--pairs 4 --batch 2 --repeats 1 --bptt-samples 64 --inputs 50 --hidden 8 --threads 1"
    words += " --ranks 1 2 --device cpu"
    assert call(bench_host.run, "neurosim bench-host", words.split()) == 0
    page = capsys.readouterr().out
    for text in ("BPTT, an epoch", "vanilla ES, sequential", "EGGROLL r = 2", "31.69", "3.81"):
        assert text in page
    assert call(bench_host.run, "neurosim bench-host", [*words.split(), "--json"]) == 0
    timings = json.loads(capsys.readouterr().out)["timings"]
    assert [one["method"] for one in timings][-2:] == ["EGGROLL r = 1", "EGGROLL r = 2"]
    assert all(one["seconds"] > 0 for one in timings)


def test_the_papers_speedups_are_those_of_its_table():
    vanilla = benchmark.PAPER["vanilla ES, sequential"]
    assert round(vanilla / benchmark.PAPER["EGGROLL r = 1"], 2) == 3.81
    assert round(vanilla / benchmark.PAPER["BPTT, an epoch"], 2) == 0.41


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--device", "cuda:9"], "device is 'cuda:9'"),
        (["--device", "abacus"], "allowed are auto, cpu, cuda"),
    ],
)
def test_a_device_that_is_not_there_is_told(noise, capsys, words, told):
    assert call(bptt.run, "neurosim bptt", ["--data", noise, "--epochs", "1", *words]) == 1
    assert told in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_told(tmp_path, capsys):
    assert call(compare.run, "neurosim compare", [str(tmp_path)]) == 1
    assert "not a run folder" in capsys.readouterr().err
