"""Commands of the float reference: arguments and results."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason='needs the extra "reference" (torch)')

from hostref import benchmark  # noqa: E402
from neurosim.app.cli import bench_host, bptt, compare, evaluate, quantise, report  # noqa: E402
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


def test_bench_host_lists_every_method_beside_the_paper(capsys):
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
    ("words", "message"),
    [
        (["--device", "cuda:9"], "device is 'cuda:9'"),
        (["--device", "abacus"], "allowed are auto, cpu, cuda"),
    ],
)
def test_a_device_that_does_not_exist_is_an_error(noise, capsys, words, message):
    assert call(bptt.run, "neurosim bptt", ["--data", noise, "--epochs", "1", *words]) == 1
    assert message in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_reported(tmp_path, capsys):
    assert call(compare.run, "neurosim compare", [str(tmp_path)]) == 1
    assert "not a run folder" in capsys.readouterr().err


@pytest.fixture(scope="module")
def trained(noise, tmp_path_factory):
    """A run folder of `neurosim bptt` with a convolution and a recurrent layer: folder and result."""
    folder = tmp_path_factory.mktemp("bptt") / "run"
    words = ["--data", noise, "--epochs", "1", "--run", str(folder), "--threads", "1"]
    words += ["--layers", "conv 3 5x5 stride 4, recurrent 8 adaptive"]
    words += ["--sensor", "17x17", "--steps", "8"]  # which other commands take from the folder
    assert call(bptt.run, "neurosim bptt", words) == 0
    return folder, words


def test_a_bptt_run_folder_is_one_that_other_commands_take(trained, capsys):
    folder, words = trained
    capsys.readouterr()
    assert call(bptt.run, "neurosim bptt", [*words, "--json"]) == 0  # there already: the same
    first = json.loads(capsys.readouterr().out)
    assert call(evaluate.run, "neurosim evaluate", [str(folder), "--json"]) == 0
    seen = json.loads(capsys.readouterr().out)
    assert seen["weights_sha256"] == first["weights_sha256"]
    assert seen["accuracy"] == first["chip_test_accuracy"]
    assert call(report.run, "neurosim report", [str(folder), "--json"]) == 0
    page = (folder / "report.html").read_text()
    assert "float BPTT, weights brought to the chip" in page
    assert "hidden1-&gt;hidden2" in page


def test_quantise_writes_a_run_folder_for_each_width(trained, capsys):
    folder, _ = trained
    words = [str(folder), "--bits", "8", "3", "--search-samples", "4", "--threads", "1", "--json"]
    assert call(quantise.run, "neurosim quantise", words) == 0
    widths = json.loads(capsys.readouterr().out)["widths"]
    assert [one["bits"] for one in widths] == [8, 3]
    for one in widths:
        assert call(evaluate.run, "neurosim evaluate", [one["folder"], "--json"]) == 0
        seen = json.loads(capsys.readouterr().out)
        assert seen["accuracy"] == one["accuracy"]
        assert seen["weights_sha256"] == one["weights_sha256"]
    words[1:4] = ["--bits", "8", "--search-rounds", "0"]
    assert call(quantise.run, "neurosim quantise", words) == 1  # other weights in the same folder
    assert "holds another run" in capsys.readouterr().err


def test_quantise_refuses_what_is_no_float_training(trained, tmp_path, capsys):
    folder, _ = trained
    assert call(quantise.run, "neurosim quantise", [str(tmp_path)]) == 1
    assert "not a run folder" in capsys.readouterr().err
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    assert call(quantise.run, "neurosim quantise", [str(tmp_path)]) == 1
    assert "neurosim bptt --run" in capsys.readouterr().err
    assert call(quantise.run, "neurosim quantise", [str(folder), "--bits", "9"]) == 2
    assert "--bits is 9; allowed are values up to 8" in capsys.readouterr().err


def test_a_run_folder_of_a_graph_is_compared(trained, capsys):
    folder, _ = trained
    words = f"{folder} --bits 4 --bptt-epochs 1 --float-generations 1 --float-pairs 2 --search-samples 4"
    words = [*words.split(), "--threads", "1", "--json"]
    assert call(compare.run, "neurosim compare", words) == 0
    found = json.loads(capsys.readouterr().out)
    assert "float BPTT, weights brought to the chip" in found["rows"]
    assert "float EGGROLL" in found["rows"]
    assert set(found["sweeps"]) == {"weights", "membrane", "decay"}
    assert set(found["agreement"]["spikes"]) == {"hidden1", "hidden2", "output"}
